from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from signals.ml.accuracy import AccuracyWatch, lower_bound, validated_accuracy
from signals.ml.alarms import Alarms

HORIZON, WINDOW = 5, 100


def overlapping(slices: int, symbols: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Share right of persistent guesses without skill on overlapping outcomes, by slice: expected 0.5."""
    prices = np.cumsum(rng.normal(size=(slices + HORIZON, symbols)), axis=0)
    outcomes = np.sign(prices[HORIZON:] - prices[:-HORIZON])
    guess, shocks = np.zeros((slices, symbols)), rng.normal(size=(slices, symbols))
    for now in range(1, slices):
        guess[now] = 0.95 * guess[now - 1] + shocks[now]
    shares: NDArray[np.float64] = np.asarray((np.sign(guess) == outcomes).mean(axis=1))
    return shares


def false_alarms(slices: int, symbols: int, seed: int) -> int:
    watch, alarm, raised = AccuracyWatch(WINDOW, HORIZON, 0.5, None), Alarms(1, (3, 5), 20), 0
    for number, share in enumerate(overlapping(slices, symbols, np.random.default_rng(seed))):
        watch.add(float(share), symbols)
        checked = watch.check()
        if checked is not None:
            below = np.array([checked[0] < checked[1]])
            raised += len(alarm.check(below, ~below, number)[0])
    return raised


@pytest.mark.parametrize("symbols", [1, 20])
def test_false_alarms_are_rare_with_overlapping_labels(symbols: int) -> None:
    # 20,000 bars; ADWIN has 22 false alarms in 5,000 such bars, DDM 32.
    assert sum(false_alarms(5000, symbols, seed) for seed in range(4)) <= 12


@pytest.mark.soak
def test_the_false_alarm_rate_over_many_bars() -> None:
    assert sum(false_alarms(5000, 5, seed) for seed in range(20)) <= 40


def test_a_model_that_has_turned_wrong_is_found() -> None:
    rng = np.random.default_rng(0)
    shares = np.clip(0.30 + 0.1 * rng.normal(size=WINDOW), 0, 1)
    bound = lower_bound(0.5, shares, WINDOW * 20, HORIZON)
    assert bound is not None
    assert shares.mean() < bound


def test_the_bound_of_independent_slices_is_near_three_binomial_errors() -> None:
    shares = np.random.default_rng(0).binomial(1, 0.5, 2000).astype(float)
    assert lower_bound(0.5, shares, 2000, 1) == pytest.approx(0.5 - 3 * 0.5 / np.sqrt(2000), rel=0.02)


def test_the_bound_never_falls_below_independent_rows() -> None:
    bound = lower_bound(0.5, np.full(100, 0.4), 100, 5)
    assert bound is not None
    assert bound < 0.5 - 3 * 0.05


def test_neighbouring_blocks_widen_the_bound() -> None:
    # Block means 0.4 four times, then 0.6 four times: variance 0.01, covariance of neighbours 0.01 * 5 / 7.
    bound = lower_bound(0.5, np.repeat([0.4, 0.6], 8), 10**9, 2)
    three_errors_of_seven_degrees = 4.5302
    error = np.sqrt((0.01 + 2 * 0.01 * 5 / 7) / 7)
    assert bound == pytest.approx(0.5 - three_errors_of_seven_degrees * error, rel=1e-3)


def test_too_few_blocks_say_nothing() -> None:
    assert lower_bound(0.5, np.full(100, 0.1), 100, 30) is None


def test_validated_accuracy_skips_windows_without_one() -> None:
    windows: list[dict[str, Any]] = [
        {"accuracy": 0.4},
        {"accuracy": None, "skipped": "too few rows"},
        {},
        {"accuracy": 0.5},
    ]
    assert validated_accuracy(windows) == pytest.approx(0.45)
    assert validated_accuracy([{"skipped": "x"}]) is None


def test_a_fixed_floor_takes_the_place_of_the_model_s_own() -> None:
    watch = AccuracyWatch(10, 5, 0.4, 0.5)
    for _ in range(9):
        watch.add(0.45, 3)
    assert watch.check() is None
    watch.add(0.45, 3)
    checked = watch.check()
    assert checked is not None
    assert checked == pytest.approx((0.45, 0.5))


def test_slices_without_outcomes_do_not_count() -> None:
    watch = AccuracyWatch(10, 2, 0.4, 0.5)
    for _ in range(20):
        watch.add(float("nan"), 0)
    assert watch.check() is None


def test_without_validated_accuracy_there_is_no_threshold() -> None:
    watch = AccuracyWatch(10, 2, None, None)
    for _ in range(10):
        watch.add(0.0, 5)
    assert watch.check() is None
