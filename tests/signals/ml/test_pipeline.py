"""MLPipeline: three calls, columns by name, plain errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from signals.config import MLSettings, Settings, XGBParams
from signals.errors import (
    FeatureError,
    HolesInBars,
    MisalignedTarget,
    MissingColumns,
    OneClass,
    TooFewRows,
    TrainingError,
)
from signals.ml.pipeline import MLPipeline

SETTINGS = Settings(ml=MLSettings(xgb_params=XGBParams(n_estimators=25, max_depth=3, learning_rate=0.2)))


def bars(rows: int = 700) -> pd.DataFrame:
    """Return one symbol's closes in trends of 20 sessions, and the trend as a feature."""
    random = np.random.default_rng(4)
    trend = np.where(np.arange(rows) // 20 % 2, 0.006, -0.006)
    close = 30 * np.exp(np.cumsum(trend + 0.003 * random.normal(size=rows)))
    index = pd.bdate_range("2016-01-04 21:00", periods=rows, tz="UTC", name="date")
    place = np.arange(rows) % 40
    return pd.DataFrame({"close": close, "place": place, "noise": random.normal(size=rows)}, index)


BARS = bars()
FEATURES = BARS[["place", "noise"]]


@pytest.fixture(scope="module")
def pipeline() -> MLPipeline:
    made = MLPipeline(SETTINGS)
    made.train(FEATURES, made.prepare_target(BARS))
    return made


def test_target_has_no_last_rows(pipeline: MLPipeline) -> None:
    target = pipeline.prepare_target(BARS)
    assert target.index.equals(BARS.index)
    assert target.iloc[-5:].isna().all()
    assert target.iloc[:-5].isin((0, 1, 2)).all()


def test_target_reads_the_named_column(pipeline: MLPipeline) -> None:
    renamed = BARS.rename(columns={"close": "settle"})
    pd.testing.assert_series_equal(pipeline.prepare_target(renamed, close_col="settle"), pipeline.prepare_target(BARS))


def test_training_returns_its_figures() -> None:
    made = MLPipeline(SETTINGS)
    target = made.prepare_target(BARS)
    figures = made.train(FEATURES, target)
    assert figures.keys() == {"accuracy", "log_loss", "class_distribution"}
    shares = figures["class_distribution"]
    assert isinstance(shares, dict)
    assert list(shares) == ["DOWN", "FLAT", "UP"]
    assert shares["UP"] == pytest.approx((target.dropna() == 2).mean())
    probabilities, known = made.predict(FEATURES)[:-5], target.dropna().to_numpy().astype(int)
    assert figures["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == known).mean())
    assert figures["log_loss"] == pytest.approx(-np.log(probabilities[np.arange(len(known)), known]).mean())
    assert isinstance(figures["accuracy"], float)
    assert figures["accuracy"] > 0.7


def test_prediction_is_down_flat_up(pipeline: MLPipeline) -> None:
    probabilities = pipeline.predict(FEATURES)
    assert probabilities.shape == (len(FEATURES), 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    target = pipeline.prepare_target(BARS)
    assert probabilities[target == 2, 2].mean() > 0.5 > probabilities[target == 0, 2].mean()
    assert probabilities[target == 0, 0].mean() > 0.5


def test_missing_class_keeps_three_columns() -> None:
    made = MLPipeline(SETTINGS)
    target = made.prepare_target(BARS)
    made.train(FEATURES, target.where(target != 1, 2.0))
    probabilities = made.predict(FEATURES)
    assert probabilities.shape == (len(FEATURES), 3)
    assert probabilities[:, 1].max() < 0.2


def test_columns_are_found_by_name(pipeline: MLPipeline) -> None:
    shuffled = FEATURES.assign(extra=1.0)[["extra", "noise", "place"]]
    assert (pipeline.predict(shuffled) == pipeline.predict(FEATURES)).all()


def test_array_is_taken_in_order(pipeline: MLPipeline) -> None:
    assert (pipeline.predict(FEATURES.to_numpy(np.float64)) == pipeline.predict(FEATURES)).all()


def test_missing_column_is_named(pipeline: MLPipeline) -> None:
    with pytest.raises(MissingColumns, match="without noise"):
        pipeline.predict(FEATURES[["place"]])


def test_array_of_other_width_is_refused(pipeline: MLPipeline) -> None:
    with pytest.raises(FeatureError, match="expected rows of 2 features"):
        pipeline.predict(np.zeros((3, 5)))


def test_text_is_refused(pipeline: MLPipeline) -> None:
    with pytest.raises(FeatureError, match="'noise': expected numbers"):
        pipeline.predict(FEATURES.assign(noise="1,000.5"))
    with pytest.raises(TrainingError, match="see prepare_target"):
        MLPipeline(SETTINGS).train(FEATURES, pipeline.prepare_target(BARS).map({0: "DOWN", 1: "FLAT", 2: "UP"}))


def test_panel_is_taken_in_any_order(pipeline: MLPipeline) -> None:
    panel = pd.concat({"AA": BARS, "BB": bars()[::-1]}, names=["symbol", "date"])
    one, other = MLPipeline(SETTINGS), MLPipeline(SETTINGS)
    one.train(panel[["place", "noise"]], one.prepare_target(panel))
    turned = panel[::-1]
    other.train(turned[["place", "noise"]], other.prepare_target(turned))
    assert one.bundle.content_hash == other.bundle.content_hash


def test_bundle_is_whole(pipeline: MLPipeline) -> None:
    assert pipeline.bundle.features == ("place", "noise")
    assert pipeline.bundle.recipe == "direction"
    assert pipeline.bundle.last_label_end == BARS.index[-1].to_pydatetime()
    assert pipeline.bundle.manifest.verdict == {}


def test_same_seed_same_model(pipeline: MLPipeline) -> None:
    again = MLPipeline(SETTINGS)
    again.train(FEATURES, again.prepare_target(BARS))
    assert again.bundle.content_hash == pipeline.bundle.content_hash
    other = MLPipeline(SETTINGS, seed=7)
    other.train(FEATURES, other.prepare_target(BARS))
    assert other.bundle.content_hash != pipeline.bundle.content_hash


def test_defaults_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SA_ML__PREDICTION_HORIZON", "7")
    assert MLPipeline().prepare_target(BARS).isna().sum() == 7


def test_untrained_one_says_so() -> None:
    with pytest.raises(TrainingError, match="call train first"):
        MLPipeline(SETTINGS).predict(FEATURES)


def test_broken_inputs_are_refused() -> None:
    made = MLPipeline(SETTINGS)
    target = made.prepare_target(BARS)
    with pytest.raises(MisalignedTarget, match="were 700 and 699 rows"):
        made.train(FEATURES, target[:-1])
    with pytest.raises(TooFewRows, match="expected 500 labelled rows or more, were 395"):
        made.train(FEATURES[:400], made.prepare_target(BARS[:400]))
    with pytest.raises(OneClass):
        made.train(FEATURES, target.where(target.isna(), 1.0))
    with pytest.raises(TrainingError, match="infinities in noise"):
        made.train(FEATURES.assign(noise=np.inf), target)
    with pytest.raises(MissingColumns, match="settle"):
        made.prepare_target(BARS, close_col="settle")


def test_holes_in_bars_are_refused() -> None:
    made = MLPipeline(SETTINGS)
    panel = pd.concat({"AA": BARS, "BB": BARS.drop(BARS.index[300])}, names=["symbol", "date"])
    with pytest.raises(HolesInBars, match="'BB': 1"):
        made.train(panel[["place", "noise"]], made.prepare_target(panel))
