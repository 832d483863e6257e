from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from signals.config import DataSettings, Settings
from signals.data.records import BarColumns, from_micros
from signals.errors import BundleUnknown, FeatureError
from signals.feature_store import FeatureStore
from signals.features import calculators
from signals.features.catalog import CATALOGUE, catalogue_hash, names
from signals.features.feature import Feature
from signals.ml.source import FixedModel
from signals.ml.trainer import Trainer
from signals.ml_strategy import MLSignalStrategy
from signals.recipes.direction import recipe

History = Callable[..., BarColumns]


class Gaps:
    name = "gaps"
    features = (
        Feature("gap_20", "gaps", 20, 20, True, "mean of 20 gaps"),
        Feature("gap_level", "gaps", 1, 1, False, "gap in the quote currency"),
    )

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        before = bars["close"].shift()
        return pd.DataFrame(
            {"gap_level": bars["open"] - before, "gap_20": (bars["open"] / before - 1).rolling(20).mean()}
        )


class Wrong(Gaps):
    """Returns whatever it is given."""

    def __init__(self, made: Callable[[pd.DataFrame], Any]) -> None:
        self.made = made

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        made: pd.DataFrame = self.made(bars)
        return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=DataSettings(features_dir=tmp_path / "features"))


def test_columns_follow_the_catalogue(settings: Settings, history: History) -> None:
    columns = history(count=60)
    frame = FeatureStore(settings, calculators=[Gaps()]).compute_features("AAA", columns)
    assert list(frame.columns) == [*names(), "gap_20", "gap_level"]
    assert (frame.dtypes == np.float32).all()
    expected = columns.values[5, 0] - columns.values[4, 3]
    assert frame["gap_level"].iloc[5] == pytest.approx(expected, rel=1e-6)


def test_catalogue_of_a_store_is_its_own(settings: Settings) -> None:
    ours, theirs = FeatureStore(settings, calculators=()), FeatureStore(settings, calculators=[Gaps()])
    assert ours.features == CATALOGUE
    assert theirs.features == (*CATALOGUE, *Gaps.features)
    assert catalogue_hash(theirs.features) != catalogue_hash(ours.features)


def test_cache_never_holds_them(settings: Settings, planted: Any) -> None:
    first = FeatureStore(settings, calculators=[Gaps()]).get_features(["S00"], None, None, planted.provider)
    halved = Wrong(lambda bars: Gaps().compute(bars) / 2)
    second = FeatureStore(settings, calculators=[halved]).get_features(["S00"], None, None, planted.provider)
    np.testing.assert_array_equal(second["gap_level"], first["gap_level"] / 2)
    pd.testing.assert_frame_equal(second[list(names())], first[list(names())])


def test_no_symbol_has_their_columns_too(settings: Settings, planted: Any) -> None:
    frame = FeatureStore(settings, calculators=[Gaps()]).get_features([], None, None, planted.provider)
    assert "gap_20" in frame.columns


def test_a_model_learns_from_them_and_asks_for_them_live(settings: Settings, planted: Any) -> None:
    store = FeatureStore(settings, calculators=[Gaps()])
    chosen = recipe(planted.settings)
    trainer = Trainer(store, planted.settings, threads=1, clock=lambda: datetime(2024, 1, 1, tzinfo=UTC))
    until = from_micros(int(planted.provider.columns("S00").time[639]))
    bundle = trainer.fit(chosen, trainer.dataset(chosen, planted.provider, ["S00", "S01", "S02"], until), until)
    assert "gap_20" in bundle.features
    assert "gap_level" not in bundle.features
    data: Mapping[str, Any] = {symbol: bars[:700] for symbol, bars in planted.bars.items()}
    strategy = MLSignalStrategy(planted.settings, store=store, models=FixedModel(bundle))
    strategy.generate_signals(dict(data))
    assert strategy.sink.decisions[-1].probabilities.shape == (10, 3)  # type: ignore[attr-defined]
    without = MLSignalStrategy(
        planted.settings, store=FeatureStore(settings, calculators=()), models=FixedModel(bundle)
    )
    with pytest.raises(BundleUnknown, match="calculators, that made it"):
        without.generate_signals(dict(data))


def test_installed_ones_are_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("gaps", f"{__name__}:Gaps", "vane.features")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Gaps)
    monkeypatch.setattr(calculators, "entry_points", lambda group: EntryPoints([entry]).select(group=group))
    assert FeatureStore(settings).features[-1].name == "gap_level"
    assert FeatureStore(settings, calculators=()).features == CATALOGUE


def test_an_installed_one_that_cannot_be_made_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("gaps", f"{__name__}:Nowhere", "vane.features")
    monkeypatch.setattr(EntryPoint, "load", lambda self: getattr(calculators, "Nowhere"))  # noqa: B009 (as it would)
    monkeypatch.setattr(calculators, "entry_points", lambda group: EntryPoints([entry]).select(group=group))
    with pytest.raises(FeatureError, match=r"entry 'gaps' of a package .*:Nowhere\): expected a class"):
        FeatureStore(settings)


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        (Feature("return_1", "gaps", 0, 0, True, ""), "'return_1' is taken"),
        (Feature("mine", "someone", 0, 0, True, ""), "was 'someone'"),
        (Feature("mine", "gaps", 5, 2, True, ""), "were 5 and 2"),
    ],
)
def test_unsound_declarations_are_refused(settings: Settings, feature: Feature, message: str) -> None:
    calculator = Gaps()
    calculator.features = (feature,)  # type: ignore[assignment]
    with pytest.raises(FeatureError, match=message):
        FeatureStore(settings, calculators=[calculator])


@pytest.mark.parametrize("thing", [Gaps, object(), "gaps"])
def test_what_is_no_calculator_is_refused(settings: Settings, thing: Any) -> None:
    with pytest.raises(FeatureError, match="expected a calculator with name, features and compute"):
        FeatureStore(settings, calculators=[thing])


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda bars: bars["close"], "expected a frame of gap_20, gap_level, was Series"),
        (lambda bars: bars[["close"]], "was one of close"),
        (lambda bars: Gaps().compute(bars).iloc[1:], "expected a row for each of 40 bars, was another index of 39"),
        (lambda bars: Gaps().compute(bars).assign(gap_20="none"), "expected columns of numbers"),
    ],
)
def test_wrong_answers_are_refused(
    settings: Settings, history: History, made: Callable[[pd.DataFrame], Any], message: str
) -> None:
    store = FeatureStore(settings, calculators=[Wrong(made)])
    with pytest.raises(FeatureError, match=message):
        store.compute_features("AAA", history(count=40))


def test_infinite_values_are_missing(settings: Settings, history: History) -> None:
    store = FeatureStore(settings, calculators=[Wrong(lambda bars: Gaps().compute(bars) * np.inf)])
    assert store.compute_features("AAA", history(count=40))["gap_20"].isna().all()
