from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from signals.config import Settings
from signals.emission import Emission
from signals.errors import FeatureError
from signals.events.schema import Abstention
from signals.ml.artifact import ModelBundle
from signals.ml.explain import BIAS
from strategy.signal import Signal, SignalDirection

SYMBOLS = ("A", "B", "C", "D")
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.3, 0.2, 0.5]])


def emitted(bundle: ModelBundle) -> tuple[Emission, list[Signal], dict[Abstention, tuple[str, ...]]]:
    emission = Emission(Settings(), "ml")
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    return emission, *emission.signals(bundle.trained_until, SYMBOLS, PROBABILITIES, rows, bundle)


@pytest.fixture(scope="module")
def bundle(make_bundle: Callable[..., ModelBundle]) -> ModelBundle:
    return make_bundle()


def test_the_likelier_of_up_and_down_speaks(bundle: ModelBundle) -> None:
    _, signals, _ = emitted(bundle)
    assert [(signal.symbol, signal.direction, signal.strength) for signal in signals] == [
        ("A", SignalDirection.SHORT, 0.7),
        ("C", SignalDirection.LONG, 0.6),
    ]


def test_who_is_silent_has_a_reason(bundle: ModelBundle) -> None:
    _, _, abstained = emitted(bundle)
    assert abstained == {Abstention.PREDICTED_FLAT: ("B",), Abstention.BELOW_THRESHOLD: ("D",)}


def test_no_rows_are_no_signals(bundle: ModelBundle) -> None:
    nothing = np.empty((0, 3))
    assert Emission(Settings(), "ml").signals(
        bundle.trained_until, (), nothing, nothing.astype(np.float32), bundle
    ) == ([], {})


def test_only_what_was_emitted_is_explained(bundle: ModelBundle) -> None:
    emission, signals, _ = emitted(bundle)
    assert {name for name, _ in emission.explain(signals[0])} == {"f0", "f1", "f2", BIAS}
    with pytest.raises(FeatureError, match="not kept"):
        Emission(Settings(), "ml").explain(signals[0])


def test_a_model_is_stale_from_the_day_after_its_term(bundle: ModelBundle) -> None:
    emission, term = Emission(Settings(), "ml"), timedelta(days=Settings().ml.model_staleness_days)
    assert not emission.stale(bundle, bundle.trained_until + term)
    assert emission.stale(bundle, bundle.trained_until + term + timedelta(microseconds=1))
