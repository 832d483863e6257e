from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from signals.data.records import ActionKind, Adjusted, CorporateAction, from_micros
from signals.features.basis import applied, average_volume, factors, segments
from signals.features.share_basis import ShareBasis

TIME = np.arange(10, dtype=np.int64) * 1_000_000
NONE = Adjusted.NONE


def action(
    effective: int, ratio: float, *, known: int | None = None, kind: ActionKind = ActionKind.SPLIT
) -> CorporateAction:
    when = from_micros(effective * 1_000_000)
    return CorporateAction("AAA", when if known is None else from_micros(known * 1_000_000), kind, when, ratio)


def test_split_moves_price_and_volume_from_its_bar_on() -> None:
    price, volume = factors(applied([action(4, 2)], NONE, 9_000_000), TIME)
    assert price.tolist() == volume.tolist() == [1] * 4 + [2] * 6


def test_spin_off_leaves_the_volume() -> None:
    price, volume = factors(applied([action(4, 1.25, kind=ActionKind.SPIN_OFF)], NONE, 9_000_000), TIME)
    assert price[-1] == 1.25
    assert volume[-1] == 1


def test_dividends_move_nothing() -> None:
    assert applied([action(4, 2, kind=ActionKind.DIVIDEND)], NONE, 9_000_000) == ()


def test_splits_are_not_applied_to_prices_that_are_adjusted_already() -> None:
    assert applied([action(4, 2)], Adjusted.SPLIT, 9_000_000) == ()
    assert segments([action(4, 2, known=6)], Adjusted.SPLIT, TIME) == []


def test_spin_offs_are_applied_to_prices_that_are_adjusted_for_splits() -> None:
    spun = action(4, 1.25, known=6, kind=ActionKind.SPIN_OFF)
    assert [step.ratio for step in applied([spun, action(2, 3)], Adjusted.SPLIT, 9_000_000)] == [1.25]
    assert segments([spun], Adjusted.SPLIT, TIME) == [6]


def test_action_is_not_there_before_it_is_known() -> None:
    late = action(4, 2, known=6)
    assert applied([late], NONE, 5_999_999) == ()
    assert len(applied([late], NONE, 6_000_000)) == 1


def test_newest_revision_of_an_action_wins() -> None:
    steps = applied([action(4, 3, known=6), action(4, 2)], NONE, 9_000_000)
    assert [step.ratio for step in steps] == [3]


def test_only_late_knowledge_restates_history() -> None:
    assert segments([action(4, 2, known=1), action(3, 2, known=6), action(0, 2, known=20)], NONE, TIME) == [6]


@given(st.integers(20, 60), st.integers(0, 2**32 - 1))
def test_any_twenty_rows_give_the_average_of_all(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    volume, factor = rng.lognormal(10, 2, count), rng.integers(1, 5, count).astype(np.float64)
    mean = average_volume(volume, factor)
    assert np.isnan(mean[:19]).all()
    assert average_volume(volume[-20:], factor[-20:])[-1] == mean[-1]
    np.testing.assert_allclose(mean[-1], volume[-20:].mean() * factor[-1], rtol=1e-12)


def test_too_few_rows_have_no_average() -> None:
    assert np.isnan(average_volume(np.ones(19), np.ones(19))).all()


@given(st.permutations([action(4, 2), action(4, 3), action(4, 1)]))
def test_ratios_known_at_one_instant_do_not_depend_on_their_order(actions: list[CorporateAction]) -> None:
    (step,) = applied(actions, NONE, 9_000_000)
    shares = ShareBasis.of(actions, NONE).factor(TIME[:1], TIME[-1:])
    assert step.ratio == shares[0] == 3
