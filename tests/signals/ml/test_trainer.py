"""The trainer: rows known by an instant, windows, verdict, bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from signals.config import DataSettings, MLSettings, ModelSettings, MonitorSettings, Settings, XGBParams
from signals.data.calendar import TradingCalendar
from signals.data.provider import InMemoryProvider
from signals.data.records import (
    ActionKind,
    Adjusted,
    BarColumns,
    CorporateAction,
    InsiderTransaction,
    Membership,
    from_micros,
    to_micros,
)
from signals.errors import FeatureError, TooFewRows, TrainingError
from signals.feature_store import FeatureStore
from signals.features.catalog import model_features
from signals.ml.artifact import load_bundle, save_bundle
from signals.ml.dataset import Dataset
from signals.ml.recipe import EstimatorSpec, FeatureSet, Range, Recipe, SearchSpec, SplitSpec
from signals.ml.trainer import Trainer, TrainingResult
from signals.ml.validation import pooled
from signals.ml.workers import Workers
from signals.recipes.direction import recipe

SYMBOLS = ("AA", "BB", "CC")
BARS = 420
NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def walk(symbol: str, seed: int) -> BarColumns:
    """Return daily bars in trends of 25 sessions, up and down in turn."""
    random = np.random.default_rng(seed)
    trend = np.where((np.arange(BARS) + 9 * seed) // 25 % 2, 0.01, -0.01)
    close = 40 * np.exp(np.cumsum(trend + 0.004 * random.normal(size=BARS)))
    opening = np.concatenate([[40.0], close[:-1]])
    high, low = np.maximum(opening, close) * 1.002, np.minimum(opening, close) / 1.002
    closes = TradingCalendar("XNYS").closes
    first = int(np.searchsorted(closes, to_micros(datetime(2015, 1, 1, tzinfo=UTC))))
    volume = np.round(1e5 * random.lognormal(size=BARS))
    values = np.ascontiguousarray(np.column_stack([opening, high, low, close, volume]))
    return BarColumns(symbol, closes[first : first + BARS].copy(), values)


COLUMNS = [walk(symbol, seed) for seed, symbol in enumerate(SYMBOLS, start=1)]
PROVIDER = InMemoryProvider(COLUMNS)
END = from_micros(int(COLUMNS[0].time[-1]))
NAMES = ("return_5", "return_21", "hist_vol_20", "rsi_14")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        data=DataSettings(features_dir=tmp_path_factory.mktemp("features")),
        models=ModelSettings(dir=tmp_path_factory.mktemp("models")),
        ml=MLSettings(min_training_samples=150, xgb_params=XGBParams(n_estimators=15, max_depth=3, learning_rate=0.2)),
        monitor=MonitorSettings(window=30),
    )


@pytest.fixture(scope="module")
def trainer(settings: Settings) -> Trainer:
    return Trainer(FeatureStore(settings), settings, threads=1, clock=lambda: NOW)


@pytest.fixture(scope="module")
def small(settings: Settings) -> Recipe:
    split = SplitSpec(train_months=8, test_months=4, step_months=2)
    return recipe(settings).model_copy(update={"features": FeatureSet(names=NAMES), "split": split})


@pytest.fixture(scope="module")
def data(trainer: Trainer, small: Recipe) -> Dataset:
    return trainer.dataset(small, PROVIDER, SYMBOLS, END)


@pytest.fixture(scope="module")
def heard() -> list[tuple[str, int, int]]:
    return []


@pytest.fixture(scope="module")
def result(trainer: Trainer, small: Recipe, data: Dataset, heard: list[tuple[str, int, int]]) -> TrainingResult:
    return trainer.run(small, data, END, lambda stage, done, total: heard.append((stage, done, total)))


def test_last_horizon_rows_have_no_label(data: Dataset) -> None:
    assert len(data) == len(SYMBOLS) * (BARS - 5)
    assert data.label_end.max() == to_micros(END)


def test_labels_are_the_returns_of_the_bars(data: Dataset) -> None:
    close = COLUMNS[1].values[:, 3]
    moved = close[5:] / close[:-5] - 1
    wanted = 1.0 + (moved > 0.01) - (moved < -0.01)
    assert (data.labels.value.xs("BB", level="symbol").to_numpy() == wanted).all()


def test_rows_are_those_known_by_then(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    until = from_micros(int(COLUMNS[0].time[300]))
    early = trainer.dataset(small, PROVIDER, SYMBOLS, until - timedelta(seconds=1))
    assert early.label_end.max() == COLUMNS[0].time[299]
    assert (data.label_end <= COLUMNS[0].time[299]).sum() == len(early)
    np.testing.assert_array_equal(data.x[: len(early)], early.x)
    np.testing.assert_array_equal(data.y[: len(early)], early.y)


def test_features_are_the_recipes(data: Dataset, small: Recipe) -> None:
    assert tuple(data.X.columns) == small.features.names


def test_no_names_mean_all_model_features(trainer: Trainer, settings: Settings) -> None:
    narrow = trainer.dataset(recipe(settings), PROVIDER, SYMBOLS, END)
    assert tuple(narrow.X.columns) == model_features(market_wide=False)
    wide = recipe(settings).model_copy(update={"features": FeatureSet(market_wide=True)})
    assert tuple(trainer.dataset(wide, PROVIDER, SYMBOLS, END).X.columns) == model_features()


def test_order_of_symbols_does_not_matter(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    assert trainer.dataset(small, PROVIDER, ["CC", "AA", "BB", "AA"], END).fingerprint == data.fingerprint


def test_no_label_across_a_jump(trainer: Trainer, small: Recipe) -> None:
    values = COLUMNS[0].values.copy()
    values[200:, :4] /= 4.0
    values[:, 4] = 1e5
    jumped = InMemoryProvider([BarColumns("AA", COLUMNS[0].time, values), *COLUMNS[1:]])
    rows = trainer.dataset(small, jumped, SYMBOLS, END).labels.value.xs("AA", level="symbol").index
    kept = {to_micros(date.to_pydatetime()) for date in rows}
    gone = [place for place in range(BARS - 5) if int(COLUMNS[0].time[place]) not in kept]
    assert gone == [195, 196, 197, 198, 199]


def test_horizon_counts_sessions_on_which_nobody_traded(trainer: Trainer, small: Recipe) -> None:
    halted = [BarColumns(c.symbol, np.delete(c.time, 200), np.delete(c.values, 200, axis=0)) for c in COLUMNS]
    found = trainer.dataset(small, InMemoryProvider(halted), SYMBOLS, END)
    assert len(found) == len(SYMBOLS) * (BARS - 5 - 2)
    assert int(COLUMNS[0].time[195]) not in found.timestamps


def test_intraday_horizon_counts_bars(trainer: Trainer, small: Recipe) -> None:
    time = COLUMNS[0].time[0] + np.arange(BARS, dtype=np.int64) * 60_000_000
    minutes = InMemoryProvider([BarColumns("AA", time, COLUMNS[0].values)])
    made = trainer.dataset(small, minutes, ["AA"], END)
    assert len(made) == BARS - 5
    assert (made.label_end - made.timestamps == 5 * 60_000_000).all()


@pytest.mark.parametrize("symbols", [["AA", "ZZ"], []])
def test_symbol_without_bars_is_named(trainer: Trainer, small: Recipe, symbols: Sequence[str]) -> None:
    with pytest.raises(TrainingError, match=r"\['ZZ'\]" if symbols else "every symbol"):
        trainer.dataset(small, PROVIDER, symbols, END)


def test_unknown_feature_is_named(trainer: Trainer, small: Recipe) -> None:
    wrong = small.model_copy(update={"features": FeatureSet(names=("rsi_14", "crystal_ball"))})
    with pytest.raises(FeatureError, match="crystal_ball"):
        trainer.dataset(wrong, PROVIDER, SYMBOLS, END)


def test_fit_uses_nothing_after_until(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    until = from_micros(int(COLUMNS[0].time[350]))
    late = trainer.fit(small, data, until)
    early = trainer.fit(small, trainer.dataset(small, PROVIDER, SYMBOLS, until), until)
    assert late.files() == early.files()
    assert late.last_label_end == until
    assert late.content_hash == early.content_hash


def test_fit_twice_gives_the_same_bytes(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    assert trainer.fit(small, data, END).manifest.to_bytes() == trainer.fit(small, data, END).manifest.to_bytes()


def test_nothing_known_is_refused(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    with pytest.raises(TooFewRows, match="expected labels known by 2015-01-02"):
        trainer.fit(small, data, datetime(2015, 1, 2, 22, tzinfo=UTC))


def test_bundle_is_named_for_the_clock(result: TrainingResult) -> None:
    assert result.bundle.version_id == "20240506_070809"
    assert result.bundle.manifest.created_at == NOW


def test_manifest_says_what_was_done(result: TrainingResult, small: Recipe, data: Dataset) -> None:
    manifest = result.bundle.manifest
    assert manifest.recipe_sha256 == small.sha256()
    assert manifest.data.fingerprint == data.fingerprint
    assert manifest.data.adjusted == "split"
    assert manifest.data.sectors == "none"
    assert manifest.split == {
        "train_months": 8,
        "test_months": 4,
        "step_months": 2,
        "embargo": None,
        "expanding": False,
    }
    assert manifest.reference.window == 30
    assert manifest.libraries.keys() >= {"python", "numpy", "pandas", "xgboost", "vane-signals"}
    assert manifest.train.start == from_micros(int(COLUMNS[0].time[0]))
    assert manifest.train.last_label_end == END


def test_features_without_values_are_logged(trainer: Trainer, small: Recipe) -> None:
    wide = small.model_copy(update={"features": FeatureSet(names=(*NAMES, "pe", "volatility_level"))})
    data = trainer.dataset(wide, PROVIDER, SYMBOLS, END)
    with capture_logs() as logs:
        bundle = trainer.fit(wide, data, END)
    note = "2 of 6 features had no value in training: pe, volatility_level"
    assert bundle.manifest.notes == [note]
    assert [entry["note"] for entry in logs if entry["event"] == "training.features"] == [note]


def test_run_judges_nothing_after_until(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    until = from_micros(int(COLUMNS[0].time[-30]))
    whole = trainer.run(small, data, until)
    cut = trainer.run(small, trainer.dataset(small, PROVIDER, SYMBOLS, until), until)
    assert [window.to_json() for window in whole.windows] == [window.to_json() for window in cut.windows]
    assert whole.evidence == cut.evidence
    assert whole.bundle.content_hash == cut.bundle.content_hash


def test_progress_is_optional(trainer: Trainer, small: Recipe, data: Dataset, result: TrainingResult) -> None:
    again = trainer.run(small, data, END)
    assert again.bundle.manifest.to_bytes() == result.bundle.manifest.to_bytes()
    assert again.verdict == result.verdict


def test_universe_membership_is_no_sector(trainer: Trainer, small: Recipe) -> None:
    member = Membership("AA", END, "universe:large", END)
    data = trainer.dataset(small, InMemoryProvider(COLUMNS, [member]), SYMBOLS, END)
    assert trainer.fit(small, data, END).manifest.data.sectors == "none"


def test_windows_and_verdict_go_on_record(result: TrainingResult) -> None:
    manifest = result.bundle.manifest
    assert manifest.windows == [window.to_json() for window in result.windows]
    assert manifest.verdict == result.verdict.to_json()
    assert manifest.verdict["sentences"]


def test_windows_never_overlap_their_training(result: TrainingResult) -> None:
    assert len(result.windows) >= 3
    for window in result.windows:
        assert window["overlaps"] == 0
        assert window["train_end"] < window["start"]


def test_windows_expand_where_the_recipe_says_so(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    split = SplitSpec(train_months=10, test_months=4, step_months=4, expanding=True)
    windows = trainer.validate(small.model_copy(update={"split": split}), data)
    assert {window["train_start"] for window in windows} == {from_micros(data.timestamps[0])}
    rows = [window["train_rows"] for window in windows]
    assert len(set(rows)) == len(rows) > 1


def test_planted_trend_has_skill(result: TrainingResult) -> None:
    assert result.evidence.figures["skill_frequencies"] > 0.1
    assert result.evidence.figures["accuracy"] > 0.6


def test_progress_is_told(result: TrainingResult, heard: list[tuple[str, int, int]]) -> None:
    windows = len(result.windows)
    assert heard == [*(("validate", done, windows) for done in range(1, windows + 1)), ("fit", 0, 1), ("fit", 1, 1)]


def test_manifest_holds_the_recipe_as_it_was_given(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    searching = small.model_copy(
        update={"search": SearchSpec(space={"max_depth": Range(low=1, high=3, whole=True)}, trials=1, folds=2)}
    )
    held = trainer.fit(searching, data, END).manifest
    assert Recipe.model_validate(held.recipe_spec) == searching
    assert held.params.params["max_depth"] in (1, 2, 3)


def test_the_active_version_is_compared_on_what_it_was_not_trained_on(
    trainer: Trainer, small: Recipe, data: Dataset, result: TrainingResult
) -> None:
    again = trainer.run(small, data, END, active=result.bundle)
    assert again.verdict.figures["dates_active"] == 0
    assert "not enough evidence" in again.verdict.sentences[-3]
    assert again.verdict.passed == result.verdict.passed
    until = from_micros(int(COLUMNS[0].time[280]))
    early = trainer.run(small, data, END, active=trainer.fit(small, data, until))
    assert early.verdict.figures["dates_active"] == BARS - 5 - 281 - 5
    assert not math.isnan(early.verdict.figures["skill_active"])


def test_an_active_version_of_another_recipe_is_fitted_anew(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    heard: list[tuple[str, int, int]] = []
    other = small.model_copy(update={"estimator": EstimatorSpec(params={"n_estimators": 5, "max_depth": 1})})
    active = trainer.fit(other, data, END)
    found = trainer.run(small, data, END, lambda *told: heard.append(told), active=active)
    theirs = pooled(trainer.validate(other, data))
    mine = found.evidence.figures["log_loss"]
    assert found.verdict.figures["dates_active"] == found.evidence.figures["dates"]
    assert found.verdict.figures["skill_active"] == pytest.approx(1 - mine / theirs.figures["log_loss"])
    assert ("active", 1, len(found.windows)) in heard


def test_selection_goes_on_record(trainer: Trainer, small: Recipe, data: Dataset) -> None:
    heard: list[tuple[str, int, int]] = []
    tried = ({"max_depth": 1}, {"max_depth": 2}, {"learning_rate": 0.05})
    found = trainer.run(
        small, data, END, lambda *told: heard.append(told), configurations=tried, attempts=3
    ).bundle.manifest.verdict
    assert found["figures"]["configurations"] == 3
    assert found["figures"]["attempts"] == 3
    assert 0 <= found["figures"]["pbo"] <= 1
    assert 0 <= found["figures"]["deflated_sharpe"] <= 1
    assert any(sentence.startswith("Selection: of 3 configurations") for sentence in found["sentences"])
    assert "3 earlier attempts at this gate" in found["sentences"][-1]
    fits = 3 * sum(stage == "validate" for stage, *_ in heard)
    assert [told for told in heard if told[0] == "selection"][-1] == ("selection", fits, fits)


def test_selection_needs_closes(trainer: Trainer, small: Recipe, data: Dataset, result: TrainingResult) -> None:
    with pytest.raises(TrainingError, match=r"make them by Trainer\.dataset"):
        trainer.selection(small, ({"max_depth": 1}, {"max_depth": 2}), replace(data, closes=None), result.windows)


def test_windows_that_are_searched_are_the_same_on_two_workers(
    settings: Settings, small: Recipe, data: Dataset, tmp_path: Path
) -> None:
    space = {"max_depth": Range(low=2, high=4, whole=True), "learning_rate": Range(low=0.05, high=0.3, log=True)}
    search = SearchSpec(space=space, trials=2, folds=2, most_trees=10, patience=5)
    searched = small.model_copy(update={"search": search})
    made = []
    for jobs in (1, 2):
        heard: list[tuple[str, int, int]] = []
        apart = settings.model_copy(update={"models": ModelSettings(dir=tmp_path / str(jobs))})
        trainer = Trainer(FeatureStore(apart), apart, threads=2, workers=Workers(jobs))
        windows = trainer.validate(
            searched, data, lambda stage, done, total, heard=heard: heard.append((stage, done, total))
        )
        trials = [told[1:] for told in heard if told[0] == "trials"]
        assert trials == [(done, 2 * len(windows)) for done in range(1, 2 * len(windows) + 1)]
        assert [told[1:] for told in heard if told[0] == "validate"] == [
            (done, len(windows)) for done in range(1, len(windows) + 1)
        ]
        made.append([window.to_json() for window in windows])
    assert made[0] == made[1]
    assert all(window["params"]["n_estimators"] <= search.most_trees for window in made[0])  # the recipe says 15


def test_signals_of_a_run_have_returns(result: TrainingResult, data: Dataset) -> None:
    assert data.closes is not None
    assert data.closes.symbols == SYMBOLS
    np.testing.assert_array_equal(data.closes.values[:, 1], COLUMNS[1].values[:, 3])
    assert result.evidence.figures["trade_dates"] > 30
    assert result.evidence.figures["sharpe"] > 1  # the trends of `walk` are there to be found


def test_result_survives_the_disk(result: TrainingResult, tmp_path: Path) -> None:
    folder = save_bundle(result.bundle, tmp_path / result.bundle.version_id)
    assert load_bundle(folder, recipe="direction").manifest == result.bundle.manifest


def test_origin_follows_the_provider(trainer: Trainer, small: Recipe) -> None:
    member = Membership("AA", END, "sector:Tech", END)
    raw = InMemoryProvider(COLUMNS, [member], adjusted=Adjusted.NONE)
    until = from_micros(int(COLUMNS[0].time[200]))
    whole = trainer.dataset(small, raw, SYMBOLS, END)
    for rows in (whole, trainer.dataset(small, raw, SYMBOLS, until)):
        origin = trainer.fit(small, rows, until).manifest.data
        assert (origin.adjusted, origin.sectors) == ("none", "as-of")


def test_splits_of_some_and_not_of_others_are_refused(trainer: Trainer, small: Recipe) -> None:
    first = from_micros(int(COLUMNS[0].time[0]))
    splits = [CorporateAction(name, first, ActionKind.SPLIT, first, 1.0) for name in SYMBOLS]
    filed = [InsiderTransaction(name, first, first.date(), 10.0, 1000.0) for name in SYMBOLS[:2]]
    with pytest.raises(FeatureError, match=f"1 of 2 have none .{SYMBOLS[1]}"):
        trainer.dataset(small, InMemoryProvider(COLUMNS, [*filed, splits[0]]), SYMBOLS, END)
    assert len(trainer.dataset(small, InMemoryProvider(COLUMNS, [*filed, *splits[:2]]), SYMBOLS, END))


def test_a_map_of_one_day_used_for_the_past_is_named(trainer: Trainer, small: Recipe) -> None:
    made = from_micros(int(COLUMNS[0].time[0])), from_micros(int(COLUMNS[0].time[50]))
    for since, told in zip(made, ("current-only", "as-of"), strict=True):
        members = [Membership(name, since, "sector:Tech", since) for name in SYMBOLS]
        provider = InMemoryProvider(COLUMNS, members)
        rows = trainer.dataset(small, provider, SYMBOLS, END)
        assert trainer.fit(small, rows, END).manifest.data.sectors == told


def test_short_history_has_no_window(trainer: Trainer, small: Recipe) -> None:
    until = from_micros(int(COLUMNS[0].time[200]))
    data = trainer.dataset(small, PROVIDER, SYMBOLS, until)
    with pytest.raises(TooFewRows, match="expected 12 months"):
        trainer.run(small, data, until)
