from __future__ import annotations

import numpy as np
import pytest
from benchmarks.timer import OURS

from benchmarks import asof_join


def test_every_system_joins_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asof_join, "SYMBOLS", 7)
    monkeypatch.setattr(asof_join, "SESSIONS", 60)
    found = asof_join.seconds()  # compares the values before it times anything
    assert {name.split(",")[0] for name in found} >= {OURS, "pandas"}
    assert all(taken > 0 for taken in found.values())


def test_no_bar_sees_a_filing_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asof_join, "SYMBOLS", 3)
    given, joined = asof_join._arrays(), asof_join._ours()()
    for symbol in range(3):
        mine = given["filer"] == symbol
        known, value = given["known"][mine], given["value"][mine]
        for row in np.flatnonzero(given["symbol"] == symbol)[::97]:
            visible = value[known <= given["time"][row]]
            np.testing.assert_array_equal(joined[row], visible[-1] if len(visible) else np.nan)
