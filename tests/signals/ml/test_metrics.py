from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import log_loss as sklearn_log_loss

from signals.data.records import F8, I8
from signals.ml import metrics

UNIFORM = np.full((4, 3), 1 / 3)
EMPTY = (np.empty((0, 3)), np.empty(0), np.empty(0, np.int64))


def rows(seed: int, count: int = 60) -> tuple[F8, F8, I8]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet((1, 1, 1), count), rng.integers(0, 3, count).astype(float), rng.integers(0, 9, count)


def naive_mean(values: F8, timestamps: I8) -> float:
    days = [[v for v, t in zip(values, timestamps, strict=True) if t == day] for day in sorted(set(timestamps))]
    return float(sum(sum(day) / len(day) for day in days) / len(days))


def test_log_loss_equals_sklearn_where_every_date_has_one_row() -> None:
    p, y, _ = rows(1)
    assert metrics.log_loss(p, y, np.arange(60)) == pytest.approx(sklearn_log_loss(y, p, labels=[0, 1, 2]))


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_dates_count_alike(seed: int) -> None:
    p, y, t = rows(seed)
    losses = np.array([-math.log(row[int(c)]) for row, c in zip(p, y, strict=True)])
    right = np.array([float(max(range(3), key=list(row).__getitem__) == c) for row, c in zip(p, y, strict=True)])
    sure = np.array([float(max(row[0], row[2]) > 0.5) for row in p])
    assert metrics.log_loss(p, y, t) == pytest.approx(naive_mean(losses, t))
    assert metrics.accuracy(p, y, t) == pytest.approx(naive_mean(right, t))
    assert metrics.coverage(p, t, threshold=0.5) == pytest.approx(naive_mean(sure, t))


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_direction_equals_a_naive_loop(seed: int) -> None:
    p, y, t = rows(seed)
    days = [
        [-math.log(p[at, int(y[at])] / (p[at, 0] + p[at, 2])) for at in range(60) if t[at] == day and y[at] != 1]
        for day in sorted(set(t))
    ]
    means = [sum(day) / len(day) for day in days if day]
    assert metrics.direction_by_date(p, y, t).tolist() == pytest.approx(means)
    assert metrics.log_loss_direction(p, y, t) == pytest.approx(np.mean(means))


def test_direction_does_not_see_how_likely_a_move_is() -> None:
    p, y, t = rows(1)
    bolder = p * [1.0, 3.0, 1.0]
    bolder /= bolder.sum(axis=1, keepdims=True)
    assert metrics.log_loss_direction(bolder, y, t) == pytest.approx(metrics.log_loss_direction(p, y, t))


def test_sure_of_flat_is_even_odds() -> None:
    p = np.array([[0.0, 1.0, 0.0]])
    assert metrics.log_loss_direction(p, np.array([2.0]), np.array([0])) == pytest.approx(metrics.EVEN)


def test_dates_without_a_move_carry_no_direction() -> None:
    p = np.tile([0.2, 0.2, 0.6], (3, 1))
    assert metrics.direction_by_date(p, np.array([1.0, 2.0, 1.0]), np.array([0, 1, 2])).tolist() == pytest.approx(
        [-math.log(0.75)]
    )
    assert math.isnan(metrics.log_loss_direction(p, np.ones(3), np.arange(3)))


def test_impossible_class_costs_a_finite_loss() -> None:
    p = np.array([[1.0, 0.0, 0.0]])
    assert metrics.log_loss(p, np.array([2.0]), np.array([0])) == pytest.approx(34.54, abs=0.01)


def test_flat_is_never_covered() -> None:
    p = np.array([[0.1, 0.8, 0.1], [0.8, 0.1, 0.1]])
    assert metrics.coverage(p, np.array([0, 0]), threshold=0.55) == 0.5


def test_threshold_itself_is_not_above() -> None:
    assert metrics.coverage(np.array([[0.0, 0.4, 0.6]]), np.array([0]), threshold=0.6) == 0.0


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_ece_equals_a_naive_loop(seed: int) -> None:
    p, y, t = rows(seed)
    dates = len(set(t))
    weight = [1 / (dates * list(t).count(day)) for day in t]
    total = 0.0
    for low in range(15):
        inside = [at for at in range(60) if low / 15 < p[at].max() <= (low + 1) / 15]
        total += abs(sum(weight[at] * (p[at].max() - (p[at].argmax() == y[at])) for at in inside))
    assert metrics.ece(p, y, t) == pytest.approx(total)


def test_ece_of_certainty() -> None:
    p = np.array([[1.0, 0, 0], [1.0, 0, 0]])
    assert metrics.ece(p, np.array([0.0, 2.0]), np.array([0, 1])) == pytest.approx(0.5)
    assert metrics.ece(p, np.array([0.0, 0.0]), np.array([0, 1])) == 0.0


def test_classwise_ece_of_the_shares_is_nothing() -> None:
    p = np.tile([0.25, 0.25, 0.5], (4, 1))
    assert metrics.classwise_ece(p, np.array([0.0, 1.0, 2.0, 2.0]), np.arange(4)) == pytest.approx((0, 0, 0))
    assert metrics.classwise_ece(p, np.zeros(4), np.arange(4)) == pytest.approx((0.75, 0.25, 0.5))


def test_skill_is_the_share_saved() -> None:
    assert metrics.skill(0.9, 1.0) == pytest.approx(0.1)
    assert metrics.skill(1.2, 1.0) == pytest.approx(-0.2)
    assert math.isnan(metrics.skill(0.9, 0.0))
    assert math.isnan(metrics.skill(0.9, math.nan))


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_rank_ic_equals_scipy(seed: int) -> None:
    p, y, t = rows(seed)
    daily = []
    for day in set(t):
        outcome = y[t == day]
        if len(outcome) >= 3 and len(set(outcome)) > 1:
            daily.append(spearmanr((p[:, 2] - p[:, 0])[t == day], outcome).statistic)
    assert metrics.rank_ic(p, y, t) == pytest.approx(np.mean(daily))


def test_rank_ic_leaves_out_missing_outcomes() -> None:
    p = np.array([[0.5, 0, 0.5], [0.4, 0, 0.6], [0.3, 0, 0.7], [0.2, 0, 0.8]])
    outcome = np.array([1.0, 2.0, 3.0, np.nan])
    assert metrics.rank_ic(p, outcome, np.zeros(4, np.int64)) == pytest.approx(1.0)


@pytest.mark.parametrize(("y", "t"), [([0, 1, 2, 0], [0, 0, 1, 1]), ([1, 1, 1, 1], [0, 0, 0, 0])])
def test_rank_ic_is_nan_where_no_date_says_anything(y: list[float], t: list[int]) -> None:
    p = np.random.default_rng(0).dirichlet((1, 1, 1), 4)
    assert math.isnan(metrics.rank_ic(p, np.array(y, float), np.array(t)))
    assert math.isnan(metrics.rank_ic(UNIFORM, np.array([0.0, 1, 2, 0]), np.zeros(4, np.int64)))


def test_no_rows_give_nan() -> None:
    p, y, t = EMPTY
    figures = [
        f(p, y, t)
        for f in (metrics.log_loss, metrics.log_loss_direction, metrics.accuracy, metrics.ece, metrics.rank_ic)
    ]
    figures += [metrics.coverage(p, t, threshold=0.5), *metrics.classwise_ece(p, y, t)]
    assert all(math.isnan(figure) for figure in figures)


def test_date_weights_sum_to_one() -> None:
    weight = metrics.date_weights(np.array([5, 3, 5, 5]))
    assert weight.tolist() == pytest.approx([1 / 6, 1 / 2, 1 / 6, 1 / 6])


def test_by_date_is_in_order() -> None:
    dates, means = metrics.by_date(np.array([1.0, 2.0, 3.0]), np.array([7, 2, 7]))
    assert (dates.tolist(), means.tolist()) == ([2, 7], [2.0, 2.0])


def test_bootstrap_of_independent_values_is_the_normal_bound() -> None:
    values = np.random.default_rng(3).normal(1.0, 1.0, 2000)
    bound = metrics.stationary_bootstrap(values, mean_block=1, draws=2000)
    assert bound == pytest.approx(values.mean() - 1.645 * values.std() / math.sqrt(2000), abs=0.004)


def test_bootstrap_widens_with_dependence() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=3000)
    smooth = np.convolve(noise, np.ones(10) / 10, "same")
    true_sd = 1.0 / math.sqrt(3000)
    narrow, wide = (smooth.mean() - metrics.stationary_bootstrap(smooth, block) for block in (1, 42))
    assert narrow < 0.5 * wide
    assert wide == pytest.approx(1.645 * true_sd, rel=0.25)


def test_bootstrap_equals_a_naive_loop() -> None:
    values, block, draws, seed = np.arange(40.0) ** 1.5, 4, 30, 9
    random = np.random.default_rng(seed)
    fresh = random.random((draws, 40)) < 1 / block
    starts = random.integers(0, 40, (draws, 40))
    means = []
    for draw in range(draws):
        at, picked = 0, []
        for place in range(40):
            at = int(starts[draw, place]) if place == 0 or fresh[draw, place] else (at + 1) % 40
            picked.append(values[at])
        means.append(np.mean(picked))
    assert metrics.stationary_bootstrap(values, block, draws, seed) == pytest.approx(np.quantile(means, 0.05))


def test_bootstrap_refuses_to_be_sure_of_little() -> None:
    assert math.isnan(metrics.stationary_bootstrap(np.ones(104), 21))
    assert metrics.stationary_bootstrap(np.ones(105), 21) == 1.0
    assert math.isnan(metrics.stationary_bootstrap(np.append(np.ones(200), np.nan), 21))


def test_bootstrap_is_deterministic() -> None:
    values = np.random.default_rng(3).normal(size=200)
    assert metrics.stationary_bootstrap(values, 5, seed=1) == metrics.stationary_bootstrap(values, 5, seed=1)
    assert metrics.stationary_bootstrap(values, 5, seed=1) != metrics.stationary_bootstrap(values, 5, seed=2)
