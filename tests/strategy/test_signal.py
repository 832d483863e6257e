"""Signals: ids from content, nothing changeable, JSON that comes back."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy import BarError, Signal, SignalDirection
from strategy.signal import canonical_json, signal_id

CLOSE = datetime(2024, 1, 2, 21, tzinfo=UTC)


def signal(**changed: Any) -> Signal:
    fields: dict[str, Any] = {
        "symbol": "A",
        "timestamp": CLOSE,
        "direction": SignalDirection.LONG,
        "strength": 0.6,
        "strategy_name": "s",
    }
    return Signal(**{**fields, **changed})


def test_same_content_same_id() -> None:
    assert signal().id == signal(metadata={"note": 1}).id
    assert len(signal().id) == 32


@pytest.mark.parametrize(
    "changed",
    [
        {"symbol": "B"},
        {"timestamp": CLOSE + timedelta(days=1)},
        {"direction": SignalDirection.SHORT},
        {"strength": np.nextafter(0.6, 1)},
        {"strategy_name": "t"},
    ],
)
def test_other_content_other_id(changed: dict[str, Any]) -> None:
    assert signal(**changed).id != signal().id


def test_id_holds_the_model_content() -> None:
    made = [signal_id("s", "A", CLOSE, SignalDirection.LONG, 0.6, content) for content in ("", "x", "y")]
    assert len(set(made)) == 3
    assert made[0] == signal().id


def test_id_never_changes_between_releases() -> None:
    assert signal().id == "404e05cb7960b49a32c42d63ec42af69"


def test_given_id_is_kept() -> None:
    assert signal(id="0" * 32).id == "0" * 32


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_must_be_a_share(strength: float) -> None:
    with pytest.raises(ValueError, match="expected a strength in"):
        signal(strength=strength)


def test_direction_must_be_known() -> None:
    with pytest.raises(ValueError, match="UP"):
        signal(direction="UP")


def test_direction_as_text_becomes_the_member() -> None:
    assert signal(direction="SHORT") == signal(direction=SignalDirection.SHORT)


@pytest.mark.parametrize("until", [CLOSE, CLOSE - timedelta(days=1)])
def test_expiry_must_lie_ahead(until: datetime) -> None:
    with pytest.raises(ValueError, match="expected expires_at after"):
        signal(expires_at=until)


@pytest.mark.parametrize("name", ["timestamp", "expires_at"])
def test_times_must_be_aware(name: str) -> None:
    with pytest.raises(BarError, match="naive_time"):
        signal(**{name: datetime(2024, 1, 3)})  # noqa: DTZ001 (naive on purpose)


def test_fields_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        signal().strength = 1.0  # type: ignore[misc]  # the point of the test


def test_metadata_is_a_copy() -> None:
    given_ = {"probabilities": [0.1, 0.3, 0.6], "inner": {"x": 1}}
    made = signal(metadata=given_)
    given_["probabilities"].append(9.0)  # type: ignore[attr-defined]  # a list indeed
    assert made.metadata["probabilities"] == (0.1, 0.3, 0.6)


def test_metadata_cannot_change() -> None:
    made = signal(metadata={"inner": {"x": 1}})
    with pytest.raises(TypeError):
        made.metadata["new"] = 1  # type: ignore[index]  # the point of the test
    with pytest.raises(TypeError):
        made.metadata["inner"]["x"] = 2  # type: ignore[index,call-overload]  # the point of the test


def test_metadata_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError, match=r"metadata 'a\.b': expected a finite number, was nan"):
        signal(metadata={"a": {"b": [float("nan")]}})
    with pytest.raises(TypeError, match="metadata 'when': expected a JSON value, was datetime"):
        signal(metadata={"when": CLOSE})


def test_signals_can_be_kept_in_sets() -> None:
    assert len({signal(), signal(), signal(symbol="B")}) == 2


def test_json_of_a_numpy_strength() -> None:
    assert json.loads(canonical_json(signal(strength=np.float32(0.5)).to_json()))["strength"] == 0.5


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4), st.sampled_from([None, CLOSE + timedelta(days=5)]))
def test_json_comes_back(metadata: dict[str, Any], until: datetime | None) -> None:
    made = signal(metadata=metadata, expires_at=until)
    read = json.loads(canonical_json(made.to_json()))
    assert read["metadata"] == metadata
    read["timestamp"] = datetime.fromisoformat(read["timestamp"])
    read["expires_at"] = until if read["expires_at"] is None else datetime.fromisoformat(read["expires_at"])
    assert Signal(**read) == made == replace(made)


def test_canonical_json_is_one_text() -> None:
    assert canonical_json({"b": 1, "a": [True, None, "é"]}) == '{"a":[true,null,"é"],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))
