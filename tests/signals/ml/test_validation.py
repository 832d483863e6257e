from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from signals.data.records import F8
from signals.errors import HolesInBars, MisalignedTarget, OneClass, TooFewRows, TrainingError
from signals.ml import metrics
from signals.ml.baselines import class_frequencies, volatility_table
from signals.ml.dataset import F4, Dataset, make_dataset
from signals.ml.gate import Gate
from signals.ml.recipe import EstimatorSpec, GateRule, Recipe, SplitSpec, TargetSpec
from signals.ml.returns import Closes
from signals.ml.splits import Split, WalkForward
from signals.ml.target import TargetResult, labels_of
from signals.ml.validation import Fit, WalkForwardValidator, WindowResult, evaluate, pooled
from signals.ml.windows import newest, pooled_returns
from strategy.backtest.execution import Execution

RULES = (
    GateRule(metric="skill_frequencies_lower", op=">", bound=0.0),
    GateRule(metric="skill_volatility_lower", op=">", bound=0.0),
    GateRule(metric="skill_direction_lower", op=">", bound=0.0),
    GateRule(metric="ece", op="<=", bound=0.03),
)
RECIPE = Recipe(name="direction", min_rows=100, metrics=(), primary="log_loss", gate=RULES)
HORIZON = RECIPE.target.horizon


@dataclass(frozen=True)
class Table:
    """Class frequencies by quantiles of one column, between training rows' edges."""

    edges: F8
    shares: F8
    column: int

    def predict(self, X: F4, /) -> F8:
        return np.asarray(self.shares[np.searchsorted(self.edges, X[:, self.column])])

    def predict_raw(self, X: F4, /) -> F8:
        raw = self.predict(X) ** 2
        return np.asarray(raw / raw.sum(axis=1, keepdims=True))


class Fitter:
    """Fits a `Table` on a column and keeps what it was given."""

    def __init__(self, name: str = "signal", cells: int = 8) -> None:
        self.name = name
        self.cells = cells
        self.seen: list[Dataset] = []

    def __call__(self, data: Dataset) -> Table:
        self.seen.append(data)
        column = list(data.X.columns).index(self.name)
        values = data.x[:, column].astype(np.float64)
        edges = np.quantile(values, np.arange(1, self.cells) / self.cells)
        mass = np.zeros((self.cells, 3))
        np.add.at(mass, (np.searchsorted(edges, values), data.y.astype(int)), data.date_weight)
        mass += 5 * class_frequencies(data).shares
        return Table(edges, mass / mass.sum(axis=1, keepdims=True), column)


def market(seed: int, drift: float = 0.0, symbols: int = 8, days: int = 1300) -> tuple[pd.DataFrame, TargetResult]:
    """Returns whose volatility clusters and, with a drift, whose sign the feature `signal` tells a little ahead.

    `latent` is the day's true volatility, sharper than what 20 days of returns say about the next.
    """
    rng = np.random.default_rng(seed)
    dates = pd.date_range("2015-01-02 21:00", periods=days, freq="B", tz="UTC", unit="us")
    shape = (days, symbols)
    log_vol = np.zeros(shape)
    for day in range(1, days):
        log_vol[day] = 0.98 * log_vol[day - 1] + 0.2 * rng.normal(size=symbols)
    signal = np.repeat(rng.normal(size=(days // HORIZON + 1, symbols)), HORIZON, axis=0)[:days]
    ahead = np.vstack([np.zeros((1, symbols)), signal[:-1]])
    moves = 0.008 * np.exp(0.5 * log_vol) * (rng.normal(size=shape) + drift * ahead)
    close = 100 * np.exp(np.cumsum(moves, axis=0))
    index = pd.MultiIndex.from_product([[f"S{at}" for at in range(symbols)], dates], names=["symbol", "date"])
    past = pd.DataFrame(moves).rolling(20).std().to_numpy()
    columns = {"signal": signal, "hist_vol_20": past, "latent": log_vol, "noise": rng.normal(size=shape)}
    frame = pd.DataFrame({name: each.T.ravel() for name, each in columns.items()}, index)
    return frame, labels_of(pd.Series(close.T.ravel(), index), RECIPE.target)


@pytest.fixture(scope="module")
def planted() -> tuple[pd.DataFrame, TargetResult]:
    return market(1, drift=0.4)


@pytest.fixture(scope="module")
def results(planted: tuple[pd.DataFrame, TargetResult]) -> list[WindowResult]:
    frame, target = planted
    return WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value)


def test_planted_direction_passes_the_gate(results: list[WindowResult]) -> None:
    verdict = Gate(RULES).judge(pooled(results))
    assert verdict.passed, verdict.sentences


@pytest.mark.parametrize("seed", range(4))
def test_noise_does_not_pass(seed: int) -> None:
    frame, target = market(seed, symbols=3)
    found = WalkForwardValidator(RECIPE, Fitter("noise")).run(frame, target.labels.value, 24, 6, 6)
    assert pooled(found).figures["skill_volatility_lower"] <= 0
    assert pooled(found).figures["skill_direction_lower"] <= 0
    assert not Gate(RULES).judge(pooled(found)).passed


class EvenFitter(Fitter):
    """Says of UP and DOWN the same."""

    def __call__(self, data: Dataset) -> Table:
        fitted = super().__call__(data)
        move = fitted.shares[:, [0, 2]].mean(axis=1)
        return replace(fitted, shares=np.column_stack([move, fitted.shares[:, 1], move]))


@pytest.mark.parametrize("fitter", [Fitter, EvenFitter])
@pytest.mark.parametrize("seed", range(3))
def test_sharper_volatility_without_direction_is_refused_for_that_alone(seed: int, fitter: type[Fitter]) -> None:
    frame, target = market(seed)
    found = WalkForwardValidator(RECIPE, fitter("latent")).run(frame, target.labels.value, 24, 6, 6)
    verdict = Gate(RULES).judge(pooled(found))
    assert [rule.metric for rule in RULES if not rule.holds(verdict.figures[rule.metric])] == ["skill_direction_lower"]
    assert not verdict.passed


@pytest.mark.parametrize("symbols", [3, 8])
def test_volatility_without_direction_beats_the_frequencies_only(symbols: int) -> None:
    frame, target = market(7, symbols=symbols)
    frame = frame.fillna({"hist_vol_20": 0.01})
    found = WalkForwardValidator(RECIPE, Fitter("hist_vol_20")).run(frame, target.labels.value, 24, 6, 6)
    figures = pooled(found).figures
    assert figures["skill_frequencies_lower"] > 0
    assert figures["skill_volatility_lower"] <= 0


@pytest.mark.parametrize("seed", range(4))
def test_volatility_of_one_symbol_does_not_pass(seed: int) -> None:
    frame, target = market(seed, symbols=1)
    frame = frame.fillna({"hist_vol_20": 0.01})
    found = WalkForwardValidator(RECIPE, Fitter("hist_vol_20")).run(frame, target.labels.value, 24, 6, 6)
    assert pooled(found).figures["skill_volatility_lower"] <= 0


def test_without_a_volatility_column_the_gate_refuses(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    found = WalkForwardValidator(RECIPE, Fitter()).run(frame[["signal"]], target.labels.value, 24, 6, 12)
    assert all(math.isnan(result["log_loss_volatility"]) for result in found)
    verdict = Gate(RULES).judge(pooled(found))
    assert not verdict.passed
    assert "hist_vol_20" in verdict.sentences[2]


def test_windows_follow_the_calendar(results: list[WindowResult]) -> None:
    assert [f"{result['start']:%Y-%m}" for result in results[:3]] == ["2017-01", "2017-04", "2017-07"]
    assert all(result["train_end"] < result["start"] <= result["end"] for result in results)
    assert all(result["overlaps"] == 0 and result["skipped"] is None for result in results)


def test_training_labels_were_known_before_the_test(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    fit = Fitter()
    found = WalkForwardValidator(RECIPE, fit).run(frame, target.labels.value, 24, 6, 6)
    for data, result in zip(fit.seen, found, strict=True):
        assert data.label_end.max() < result["start"].timestamp() * 1e6
        assert len(data) == result["train_rows"]


def test_figures_equal_metrics_on_the_test_rows(
    planted: tuple[pd.DataFrame, TargetResult], results: list[WindowResult]
) -> None:
    frame, target = planted
    data = make_dataset(frame, target.labels)
    split = next(iter(WalkForward(embargo_sessions=HORIZON).split(data.labels)))
    train, test = data.take(split.train), data.take(split.test)
    model = Fitter()(train)
    p, y, t = model.predict(test.x), test.y, test.timestamps
    table = volatility_table(train)
    assert table is not None
    by_volatility = table.predict(test.X["hist_vol_20"].to_numpy(np.float64))
    expected = {
        "rows": len(test),
        "dates": len(np.unique(t)),
        "accuracy": metrics.accuracy(p, y, t),
        "log_loss": metrics.log_loss(p, y, t),
        "log_loss_raw": metrics.log_loss(model.predict_raw(test.x), y, t),
        "log_loss_frequencies": metrics.log_loss(class_frequencies(train).predict(len(test)), y, t),
        "log_loss_volatility": metrics.log_loss(by_volatility, y, t),
        "log_loss_direction": metrics.log_loss_direction(p, y, t),
        "log_loss_direction_frequencies": metrics.log_loss_direction(class_frequencies(train).predict(len(test)), y, t),
        "log_loss_direction_volatility": metrics.log_loss_direction(by_volatility, y, t),
        "ece": metrics.ece(p, y, t),
        "ece_raw": metrics.ece(model.predict_raw(test.x), y, t),
        "ece_frequencies": metrics.ece(class_frequencies(train).predict(len(test)), y, t),
        **dict(zip(("ece_down", "ece_flat", "ece_up"), metrics.classwise_ece(p, y, t), strict=True)),
        "ece_classwise": sum(metrics.classwise_ece(p, y, t)) / 3,
        "rank_ic": metrics.rank_ic(p, y, t),
        "coverage": metrics.coverage(p, t, threshold=0.55),
    }
    assert {name: results[0][name] for name in expected} == expected
    shares = {name: float((y == at).mean()) for at, name in enumerate(("DOWN", "FLAT", "UP"))}
    assert results[0]["class_distribution"] == pytest.approx(shares)


def test_result_is_a_read_only_mapping(results: list[WindowResult]) -> None:
    result = results[0]
    assert dict(result)["accuracy"] == result["accuracy"]
    assert len(result) == len(list(result))
    with pytest.raises(TypeError):
        result["accuracy"] = 1.0  # type: ignore[index]  # what must not work


def test_result_goes_through_json(results: list[WindowResult]) -> None:
    body = json.loads(json.dumps(results[0].to_json(), allow_nan=False))
    assert body["start"] == results[0]["start"].isoformat()


def test_pooled_holds_every_date_once_by_the_newest_model(results: list[WindowResult]) -> None:
    record = newest(results)
    assert (np.diff(record.timestamps) >= 0).all()
    assert (np.unique(record.timestamps, return_counts=True)[1] == 8).all()
    by_hand: dict[int, list[tuple[datetime, tuple[float, ...]]]] = {}
    for result in results:
        assert result.out_of_sample is not None
        for at, time in enumerate(result.out_of_sample.timestamps):
            by_hand.setdefault(int(time), []).append((result["start"], tuple(result.out_of_sample.calibrated[at])))
    for time, said in by_hand.items():
        last = max(start for start, _ in said)
        expected = sorted(row for start, row in said if start == last)
        assert sorted(map(tuple, record.calibrated[record.timestamps == time])) == expected
    assert len(np.unique(record.timestamps)) == len(by_hand)


def prices(frame: pd.DataFrame) -> pd.Series:
    """Return closes that rise by as much as `signal` says, five sessions long, so that a buy of it earns."""
    signal = frame["signal"].to_numpy().reshape(frame.index.get_level_values("symbol").nunique(), -1)
    moves = np.concatenate([np.zeros((len(signal), 1)), signal[:, :-1]], axis=1)
    return pd.Series(100 * np.exp(0.002 * moves.cumsum(axis=1)).ravel(), frame.index)


def test_rank_ic_is_against_the_forward_return(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    close = prices(frame)
    found = WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value, 24, 6, 12, close=close)
    record = found[0].out_of_sample
    assert record is not None
    ahead = (close.groupby(level="symbol").shift(-HORIZON) / close - 1).swaplevel().sort_index()
    dates = pd.DatetimeIndex(record.timestamps.view("datetime64[us]"), tz="UTC")
    expected = ahead[ahead.index.get_level_values("date").isin(dates)]
    np.testing.assert_array_equal(record.forward, expected.to_numpy())
    assert found[0]["rank_ic"] == metrics.rank_ic(record.calibrated, expected.to_numpy(), record.timestamps) > 0.3


def test_sharpe_is_that_of_the_signals_after_costs(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    close = prices(frame)
    made = [
        WalkForwardValidator(RECIPE, Fitter(), confidence_threshold=threshold, cost_bps=cost).run(
            frame, target.labels.value, 24, 6, 6, close=close
        )
        for threshold, cost in ((0.5, 0.0), (0.5, 20.0), (0.99, 0.0))
    ]
    free, dear, silent = (pooled(found).figures for found in made)
    assert free["sharpe"] > dear["sharpe"]
    assert free["sharpe"] > 1
    assert free["trade_dates"] == sum(result["trade_dates"] for result in made[0]) > 30
    assert math.isnan(silent["sharpe"])
    assert silent["trade_dates"] == 0
    assert made[2][0].to_json()["sharpe"] is None


def test_pooled_returns_hold_every_day_once(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    validator = WalkForwardValidator(RECIPE, Fitter(), confidence_threshold=0.5)
    overlapping = validator.run(frame, target.labels.value, 24, 6, 3, close=prices(frame))
    earned = pooled_returns(overlapping)
    assert (np.diff(earned.days) > 0).all()
    record = newest(overlapping)
    whole = Closes.of_series(prices(frame))
    spoke = (record.calibrated.argmax(axis=1) != 1) & (record.calibrated.max(axis=1) > 0.5)
    assert earned.trade_dates == len(np.unique(record.timestamps[spoke]))
    again = replace(record, closes=whole).net_returns(0.5, HORIZON, Execution().cost_rate)
    np.testing.assert_array_equal(earned.values, again.values)
    assert earned.sharpe == pooled(overlapping).figures["sharpe"]


def test_closes_on_another_index_are_refused(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    with pytest.raises(MisalignedTarget, match="features and close"):
        WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value, close=prices(frame).iloc[1:])


def test_evidence_counts_dates_and_windows(results: list[WindowResult]) -> None:
    made = pooled(results)
    record = newest(results)
    assert made.figures["windows"] == len(results)
    assert made.figures["windows_skipped"] == 0
    assert len(made.dates) == made.figures["dates"] == len(np.unique(record.timestamps))
    assert np.mean(made.losses["model"]) == pytest.approx(made.figures["log_loss"])
    assert np.mean(made.direction["model"]) == pytest.approx(made.figures["log_loss_direction"])
    assert made.figures["skill_direction"] == pytest.approx(record.figures(0.55)["skill_direction"])


def test_windows_are_counted_and_their_worst_calibration_kept(results: list[WindowResult]) -> None:
    figures = pooled(results).figures
    over = [result["ece"] - result["ece_frequencies"] for result in results]
    assert figures["ece_windows"] == max(over) > min(over)
    for name in ("frequencies", "volatility", "direction"):
        assert figures[f"windows_positive_{name}"] == sum(result[f"skill_{name}"] > 0 for result in results) > 0
    assert math.isnan(pooled([]).figures["ece_windows"])


def test_blocks_are_at_least_the_horizon(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    long = RECIPE.model_copy(update={"target": TargetSpec(horizon=30)})
    found = WalkForwardValidator(long, Fitter()).run(frame, target.labels.value, 24, 6, 12)
    assert pooled(found).mean_block == 30


def test_appended_future_changes_no_earlier_window(
    planted: tuple[pd.DataFrame, TargetResult], results: list[WindowResult]
) -> None:
    frame, target = planted
    dates = frame.index.get_level_values("date")
    cut = dates <= sorted(set(dates))[1000]
    ends = target.labels.end[cut]
    known = ends <= dates[cut].max()
    short = WalkForwardValidator(RECIPE, Fitter()).run(
        frame[cut], target.labels.value[cut].where(known), label_end=ends.where(known)
    )
    assert 3 < len(short) < len(results)
    for before, after in zip(short[:-2], results, strict=False):
        assert dict(before) == dict(after)


def test_derived_label_ends_equal_given_ones(
    planted: tuple[pd.DataFrame, TargetResult], results: list[WindowResult]
) -> None:
    frame, target = planted
    given = WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value, label_end=target.labels.end)
    assert [dict(result) for result in given] == [dict(result) for result in results]


def test_holes_are_refused_without_label_ends(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    holed = frame.drop(frame.index[5])
    with pytest.raises(HolesInBars, match="label_end="):
        WalkForwardValidator(RECIPE, Fitter()).run(holed, target.labels.value.drop(frame.index[5]))


def test_other_target_index_is_refused(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    with pytest.raises(MisalignedTarget, match="reindex"):
        WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value.iloc[1:])


@pytest.mark.parametrize("given", ["target", "label_end"])
def test_the_same_rows_in_another_order_are_refused(given: str, planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    columns = {"target": target.labels.value, "label_end": target.labels.end}
    columns[given] = columns[given].iloc[::-1]
    with pytest.raises(MisalignedTarget, match="index"):
        WalkForwardValidator(RECIPE, Fitter()).run(frame, columns["target"], label_end=columns["label_end"])


def test_infinities_are_refused_before_anything_is_fitted(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    noise = frame["noise"].to_numpy().copy()
    noise[-HORIZON - 1] = -np.inf
    last = frame.assign(noise=noise)
    fit = Fitter()
    with pytest.raises(TrainingError, match="infinities in noise; mend the input"):
        WalkForwardValidator(RECIPE, fit).run(last, target.labels.value)
    assert fit.seen == []


def test_features_that_say_nothing_are_named_and_do_no_harm(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    dates = pd.DatetimeIndex(frame.index.get_level_values("date"))
    late = np.where(dates < pd.Timestamp("2017-06-01", tz="UTC"), np.nan, frame["noise"])
    odd = frame.assign(empty=np.nan, flat=7.0, gaps=np.where(dates.day == 1, 7.0, np.nan), late=late)
    quick = {"estimator": EstimatorSpec(params={"n_estimators": 5, "max_depth": 2})}
    found = WalkForwardValidator(RECIPE.model_copy(update=quick)).run(odd, target.labels.value, 24, 6, 6)
    assert [result["constant"] for result in found] == [
        ["empty", "flat", "gaps", "late"],
        *(["empty", "flat", "gaps"] for _ in found[1:]),
    ]
    assert all(result["log_loss"] < result["log_loss_frequencies"] for result in found)
    assert json.loads(json.dumps(found[0].to_json()))["constant"] == ["empty", "flat", "gaps", "late"]


def test_volatility_that_is_missing_everywhere_leaves_the_frequencies(
    planted: tuple[pd.DataFrame, TargetResult],
) -> None:
    frame, target = planted
    found = WalkForwardValidator(RECIPE, Fitter()).run(frame.assign(hist_vol_20=np.nan), target.labels.value, 24, 6, 12)
    for result in found:
        assert result["log_loss_volatility"] == pytest.approx(result["log_loss_frequencies"], abs=0.002)


def test_no_feature_at_all_is_refused(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    with pytest.raises(TrainingError, match="expected a feature or more, was none"):
        WalkForwardValidator(RECIPE).run(frame[[]], target.labels.value, 24, 6, 12)


def test_windows_begin_where_they_are_told_to(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    start = datetime(2015, 8, 10, 15, tzinfo=UTC)
    found = WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value, 24, 6, 6, start=start)
    assert f"{found[0]['train_start']:%Y-%m-%d %H:%M}" == "2015-08-10 21:00"
    assert f"{found[0]['start']:%Y-%m-%d}" == "2017-08-10"


def test_a_choice_is_made_for_one_window_after_another(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    heard: list[tuple[int, int, int]] = []

    def choose(data: Dataset, split: Split, /, *, threads: int, windows: int) -> Fit:
        heard.append((int(split.test[0]), threads, windows))
        if len(heard) == 2:
            raise TooFewRows("nothing to choose from")
        return Fitter()

    validator = WalkForwardValidator(RECIPE, choose=choose, threads=6)
    found = validator.run(frame, target.labels.value, 24, 6, 6)
    assert [result["skipped"] for result in found] == [None, "nothing to choose from", *[None] * (len(found) - 2)]
    assert heard == sorted(heard)
    assert {told[1:] for told in heard} == {(6, len(found))}


def test_names_of_classes_are_refused(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    with pytest.raises(TrainingError, match="see prepare_target"):
        WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value.map({0.0: "DOWN", 2.0: "UP"}))


def test_short_history_is_refused(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    early = frame.index.get_level_values("date") < pd.Timestamp("2016-01-01", tz="UTC")
    with pytest.raises(TooFewRows, match="30 months"):
        WalkForwardValidator(RECIPE, Fitter()).run(frame[early], target.labels.value[early])
    with pytest.raises(TooFewRows, match="0 rows"):
        WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value * np.nan)


@pytest.mark.parametrize("value", [-1.0, 1.5, 3.0])
def test_classes_that_are_none_are_refused(planted: tuple[pd.DataFrame, TargetResult], value: float) -> None:
    frame, target = planted
    values = target.labels.value.copy()
    values.iloc[np.flatnonzero(values.notna())[-1]] = value  # in the last window's test rows only
    with pytest.raises(TrainingError, match=f"expected classes 0, 1, 2 or NaN, were {value:g}"):
        WalkForwardValidator(RECIPE, Fitter()).run(frame, values)


def test_another_kind_of_target_is_refused(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    binary = RECIPE.model_copy(update={"target": RECIPE.target.model_copy(update={"kind": "binary"})})
    with pytest.raises(TrainingError, match="kind three_class, was 'binary'"):
        WalkForwardValidator(binary, Fitter()).run(frame, target.labels.value)


def test_single_class_is_skipped_with_a_reason(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    late = frame.index.get_level_values("date") >= pd.Timestamp("2017-03-01", tz="UTC")
    found = WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value.where(late, 1.0), 24, 6, 6)
    assert found[0]["skipped"] == "the training rows hold a single class"
    assert math.isnan(found[0]["accuracy"])
    assert found[0]["rows"] > 0
    assert found[1]["skipped"] is None
    assert pooled(found).figures["windows_skipped"] == 1


def test_too_few_rows_are_skipped_with_a_reason(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    strict = RECIPE.model_copy(update={"min_rows": 1_000_000})
    found = WalkForwardValidator(strict, Fitter()).run(frame, target.labels.value, 24, 6, 12)
    assert all("1000000 training rows" in result["skipped"] for result in found)
    assert not Gate(RULES).judge(pooled(found)).passed


def test_months_without_labels_are_skipped(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    dates = frame.index.get_level_values("date")
    gap = (dates >= pd.Timestamp("2017-01-01", tz="UTC")) & (dates < pd.Timestamp("2017-07-05", tz="UTC"))
    found = WalkForwardValidator(RECIPE, Fitter()).run(frame, target.labels.value.mask(gap), 24, 6, 6)
    assert found[0]["skipped"] == "no labelled bar in the test months"
    assert found[0]["start"] is None
    assert json.dumps(found[0].to_json(), allow_nan=False)


def test_a_fit_that_refuses_is_a_skipped_window(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    def refuse(data: Dataset) -> Table:
        raise OneClass("a fold holds one class")

    frame, target = planted
    found = WalkForwardValidator(RECIPE, refuse).run(frame, target.labels.value, 24, 6, 12)
    assert {result["skipped"] for result in found} == {"a fold holds one class"}


def test_progress_counts_windows(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    calls: list[tuple[int, int]] = []
    frame, target = planted
    found = WalkForwardValidator(RECIPE, Fitter()).run(
        frame, target.labels.value, 24, 6, 12, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(at, len(found)) for at in range(1, len(found) + 1)]


def test_a_window_is_a_function_of_its_arguments(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    data = make_dataset(frame, target.labels)
    splits = list(WalkForward(embargo_sessions=HORIZON).split(data.labels))
    backwards = [evaluate(Fitter(), data, split, RECIPE, 0.55) for split in reversed(splits)]
    forwards = [evaluate(Fitter(), data, split, RECIPE, 0.55) for split in splits]
    assert [dict(one) for one in reversed(backwards)] == [dict(one) for one in forwards]


def test_one_symbol_by_date(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    one, value = frame.droplevel("symbol").iloc[:1300], target.labels.value.droplevel("symbol").iloc[:1300]
    found = WalkForwardValidator(RECIPE, Fitter()).run(one, value, 24, 6, 6)
    assert found[0]["rows"] == found[0]["dates"]
    assert math.isnan(found[0]["rank_ic"])


def test_pooling_nothing_gives_no_evidence() -> None:
    assert pooled([]).dates == ()
    assert not Gate(RULES).judge(pooled([])).passed


def test_the_documented_call_fits_the_direction_recipe(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    validator = WalkForwardValidator()
    assert validator.recipe.name == "direction"
    quick = validator.recipe.model_copy(update={"estimator": EstimatorSpec(params={"n_estimators": 5, "max_depth": 2})})
    found = WalkForwardValidator(quick).run(frame, target.labels.value, train_months=24, test_months=6, step_months=24)
    assert len(found) == 2
    assert found[0]["log_loss"] < found[0]["log_loss_frequencies"]


def test_windows_expand_where_the_recipe_says_so(planted: tuple[pd.DataFrame, TargetResult]) -> None:
    frame, target = planted
    grows = RECIPE.model_copy(update={"split": SplitSpec(expanding=True)})
    found = WalkForwardValidator(grows, Fitter()).run(frame, target.labels.value, 24, 6, 6)
    assert {result["train_start"] for result in found} == {found[0]["train_start"]}
    assert len({result["train_rows"] for result in found}) == len(found) > 2
