from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from signals.events.schema import Decision, Outlook
from signals.ml.outcomes import Matured, Outcomes
from strategy.signal import Signal, SignalDirection

START = datetime(2024, 1, 2, 21, tzinfo=UTC)
HORIZON = 2
NOBODY: Mapping[str, float] = {}


def decided(
    day: float, closes: Mapping[str, float], *, until: bool = True, others: Mapping[str, float] = NOBODY
) -> Decision:
    """A decision that expects everyone UP, with a signal for each."""
    at = START + timedelta(days=day)
    return Decision(
        at,
        "ml",
        "v1",
        False,
        tuple(closes),
        np.array(list(closes.values())),
        np.tile(np.array([0.2, 0.2, 0.6], np.float32), (len(closes), 1)),
        np.zeros((1, 2), np.uint16),
        signals=tuple(Signal(name, at, SignalDirection.LONG, 0.6, "ml") for name in closes),
        others=others,
        outlook=Outlook(HORIZON, 0.01, -0.01, at + timedelta(days=HORIZON) if until else None),
    )


def fold(decisions: Sequence[Decision]) -> list[list[Matured]]:
    outcomes, found = Outcomes(), []
    for decision in decisions:
        found.append(outcomes.mature(decision))
        outcomes.wait(decision)
    return found


def returns(matured: Sequence[Matured]) -> list[tuple[str, object]]:
    return [(str(e.body["symbol"]), float(str(e.body["realised_return"]))) for one in matured for e in one.events]


def test_an_outcome_is_the_return_to_the_close_that_the_outlook_names() -> None:
    found = fold([decided(day, {"A": close, "B": 50.0}) for day, close in enumerate((100.0, 80.0, 103.0))])
    assert found[:2] == [[], []]
    assert returns(found[2]) == [("A", pytest.approx(0.03)), ("B", 0.0)]
    assert (found[2][0].rows, found[2][0].accuracy, found[2][0].labels) == (2, 0.5, (0, 1, 1))


def test_neither_a_missing_slice_nor_one_more_moves_it() -> None:
    first, last = decided(0, {"A": 100.0}), decided(2, {"A": 103.0})
    between = [decided(1, {"A": 1.0}), decided(1.5, {"A": 2.0})]
    for middle in ([], between[:1], between):
        assert returns(fold([first, *middle, last])[-1]) == [("A", pytest.approx(0.03))]


def test_a_slice_that_never_came_tells_nothing() -> None:
    assert fold([decided(0, {"A": 100.0}), decided(3, {"A": 103.0}), decided(4, {"A": 103.0})]) == [[], [], []]


def test_symbols_that_got_no_prediction_then_tell_too() -> None:
    made = decided(0, {"A": 100.0, "B": 100.0, "C": 100.0})
    found = fold([made, decided(2, {"B": 99.5}, others={"A": 98.0})])
    assert returns(found[1]) == [("A", pytest.approx(-0.02)), ("B", pytest.approx(-0.005))]
    assert found[1][0].labels == (1, 1, 0)


def test_bars_that_end_no_session_are_counted() -> None:
    stream = [decided(day, {"A": close}, until=False) for day, close in ((0, 100.0), (0.1, 1.0), (0.7, 103.0))]
    assert [returns(matured) for matured in fold(stream)] == [[], [], [("A", pytest.approx(0.03))]]


def test_a_signal_has_one_outcome_whatever_it_is() -> None:
    first = decided(0, {"A": 100.0})
    one, other = (fold([first, decided(2, {"A": close})])[1][0].events[0] for close in (103.0, 104.0))
    assert one.id == other.id
    assert one.text != other.text
