from __future__ import annotations

import numpy as np
from benchmarks.bar_latency import SETTINGS, generated


def test_the_market_is_the_same_every_time_and_its_references_come_last() -> None:
    first, second = generated(3, 700), generated(3, 700)
    assert [one.symbol for one in first] == ["S000", "S001", "S002", SETTINGS.data.market, SETTINGS.data.volatility]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


def test_every_generated_bar_is_sound_and_closes_a_session() -> None:
    columns = generated(2, 600)
    assert all(len(column.bars()) == 600 for column in columns)  # a bar that breaks a rule is refused
    assert len({tuple(column.time.tolist()) for column in columns}) == 1
