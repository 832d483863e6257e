from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from signals.config import Settings
from signals.emission import Emission
from signals.errors import FeatureError
from signals.events.schema import Abstention, Outlook
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


def test_the_models_of_old_signals_are_let_go(make_bundle: Callable[..., ModelBundle]) -> None:
    emission, first = Emission(Settings(), "ml"), None
    for seed in range(5):
        bundle = make_bundle(seed=seed)
        rows = np.zeros((4, 3), np.float32)
        signals, _ = emission.signals(bundle.trained_until + timedelta(days=seed), SYMBOLS, PROBABILITIES, rows, bundle)
        first = first or signals[0]
    assert first is not None
    assert emission.explain(signals[0])
    with pytest.raises(FeatureError, match="of 4 models"):
        emission.explain(first)


def test_an_outlook_is_the_target_where_closes_tell(bundle: ModelBundle) -> None:
    emission, target = Emission(Settings(), "ml"), bundle.manifest.target
    close = datetime(2024, 1, 2, 21, tzinfo=UTC)
    after = datetime(2024, 1, 2 + target.horizon, 21, tzinfo=UTC)
    assert emission.outlook(bundle, close) == Outlook(target.horizon, target.up, target.down, after)
    within = emission.outlook(bundle, close - timedelta(hours=1))
    assert within is not None
    assert within.until is None
    opens = bundle.manifest.model_copy(update={"target": target.model_copy(update={"prices": "open_open"})})
    assert emission.outlook(replace(bundle, manifest=opens), close) is None


def test_a_model_is_stale_from_the_day_after_its_term(bundle: ModelBundle) -> None:
    emission, term = Emission(Settings(), "ml"), timedelta(days=Settings().ml.model_staleness_days)
    assert not emission.stale(bundle, bundle.trained_until + term)
    assert emission.stale(bundle, bundle.trained_until + term + timedelta(microseconds=1))
