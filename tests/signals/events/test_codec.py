from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from signals.errors import EventLogError
from signals.events.codec import decode_decision, encode_decision
from signals.events.schema import Abstention, Decision, Outlook
from strategy.signal import Signal, SignalDirection

AT = datetime(2024, 1, 2, 21, tzinfo=UTC)

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def same(one: Decision, other: Decision) -> bool:
    """Bit for bit: NaN equals the same NaN, and 0.0 is not -0.0."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("closes", "probabilities", "bin_counts")]
    bits = all(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs)
    plain = ("timestamp", "strategy_name", "model_version", "shadow", "symbols", "signals", "others", "outlook")
    return bits and all(getattr(one, n) == getattr(other, n) for n in plain) and one.abstained == other.abstained


def test_round_trip(make_decision: Callable[..., Decision]) -> None:
    decision = make_decision(symbols=500)
    assert same(decision, decode_decision(encode_decision(decision)))


def test_round_trip_of_an_empty_decision() -> None:
    empty = Decision(AT, "ml", None, True, (), np.empty(0), np.empty((0, 3), np.float32), np.empty((0, 0), np.uint16))
    assert same(empty, decode_decision(encode_decision(empty)))


@given(
    closes=arrays(np.float64, 3),
    probabilities=arrays(np.float32, (3, 3)),
    counts=arrays(np.uint16, (2, 11)),
    names=st.lists(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=3, max_size=3
    ),
    strength=st.floats(0, 1),
    until=st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_round_trip_is_exact(
    closes: np.ndarray,
    probabilities: np.ndarray,
    counts: np.ndarray,
    names: list[str],
    strength: float,
    until: datetime | None,
) -> None:
    signal = Signal(names[0], AT, SignalDirection.SHORT, strength, "ml", {"confidence": strength})
    decision = Decision(
        AT,
        "ml",
        "v",
        False,
        tuple(names),
        closes,
        probabilities,
        counts,
        abstained={},
        signals=(signal,),
        others={f"{name} too": strength for name in names},
        outlook=Outlook(5, strength, -strength, until),
    )
    back = decode_decision(encode_decision(decision))
    assert same(decision, back)
    assert encode_decision(back) == encode_decision(decision)


def test_names_that_would_run_together_are_refused(make_decision: Callable[..., Decision]) -> None:
    with pytest.raises(ValueError, match="zero bytes"):
        encode_decision(replace(make_decision(), abstained={Abstention.NO_BAR: ("A\0B",)}))


def test_abstentions_come_back_in_any_order(make_decision: Callable[..., Decision]) -> None:
    reasons = {Abstention.WARMING_UP: ("C",), Abstention.NO_BAR: ("A", "B")}
    one, other = (
        replace(make_decision(), abstained=dict(order)) for order in (reasons.items(), sorted(reasons.items()))
    )
    assert decode_decision(encode_decision(one)).abstained == reasons
    assert encode_decision(one) == encode_decision(other)


def test_missing_names_are_refused(make_decision: Callable[..., Decision]) -> None:
    with pytest.raises(EventLogError, match="names"):
        decode_decision(encode_decision(make_decision()).replace(b"S000\0", b"S000+", 1))


def test_strided_arrays_encode_like_contiguous_ones(make_decision: Callable[..., Decision]) -> None:
    decision = make_decision()
    strided = replace(decision, probabilities=np.asfortranarray(decision.probabilities))
    assert encode_decision(strided) == encode_decision(decision)


def test_decoded_arrays_are_read_only(make_decision: Callable[..., Decision]) -> None:
    back = decode_decision(encode_decision(make_decision()))
    with pytest.raises(ValueError, match="read-only"):
        back.closes[0] = 1.0


@pytest.mark.parametrize("cut", [0, 5, 11, 40, -1])
def test_truncated_bytes_are_refused(make_decision: Callable[..., Decision], cut: int) -> None:
    with pytest.raises(EventLogError):
        decode_decision(encode_decision(make_decision())[:cut])


def test_longer_bytes_are_refused(make_decision: Callable[..., Decision]) -> None:
    with pytest.raises(EventLogError, match="bytes of arrays"):
        decode_decision(encode_decision(make_decision()) + b"\0")


def test_a_damaged_header_is_refused(make_decision: Callable[..., Decision]) -> None:
    body = encode_decision(make_decision()).replace(b'"shapes"', b'"shaped"')
    with pytest.raises(EventLogError, match="damaged"):
        decode_decision(body)
