from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from pydantic import ValidationError

from signals.features.feature import Feature
from signals.ml.drift import BINS, FLOOR, Null, Reference, bin_counts, discoveries, psi, reference_of

Rows = NDArray[np.float32]


def feature(name: str, calculator: str = "technical", market_wide: bool = False) -> Feature:
    return Feature(name, calculator, 0, 0, True, "", market_wide)


def reference(x: Rows, symbols: int = 1, *, window: int = 20, features: list[Feature] | None = None) -> Reference:
    times = np.repeat(np.arange(len(x) // symbols, dtype=np.int64), symbols)
    return reference_of(x, times, features or [feature(f"f{i}") for i in range(x.shape[1])], window=window)


def noise(rows: int, columns: int = 1, seed: int = 0) -> Rows:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def autoregressive(dates: int, symbols: int, phi: float, rng: np.random.Generator) -> Rows:
    """Stationary with unit variance; 60% of each date's shocks are common to its symbols. Shape (dates, symbols)."""
    own, common = rng.normal(size=(dates, symbols)), rng.normal(size=(dates, 1))
    shocks = np.sqrt(0.4) * own + np.sqrt(0.6) * common
    x = np.copy(shocks)
    for date in range(1, dates):
        x[date] = phi * x[date - 1] + np.sqrt(1 - phi * phi) * shocks[date]
    made: Rows = x.astype(np.float32)
    return made


def test_bins_are_the_deciles_of_training() -> None:
    x = np.arange(1, 101, dtype=np.float32).reshape(-1, 1)
    made = reference(x)
    assert made.edges["f0"] == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]
    assert made.shares["f0"] == pytest.approx([0.1] * 10 + [0.0])


def test_a_value_on_an_edge_belongs_below() -> None:
    made = reference(np.arange(1, 101, dtype=np.float32).reshape(-1, 1))
    counts = bin_counts(made, np.array([[10.0], [10.1]], np.float32))
    assert counts[0].tolist() == [1, 1, *[0] * 9]


def test_the_outermost_bins_are_open_and_nan_has_its_own() -> None:
    made = reference(noise(500))
    counts = bin_counts(made, np.array([[-1e30], [-np.inf], [1e30], [np.inf], [np.nan]], np.float32))
    assert (counts[0, 0], counts[0, 9], counts[0, 10], counts.sum()) == (2, 2, 1, 5)


@given(
    values=arrays(np.float32, (7, 2), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)),
    training=arrays(np.float32, (40, 2), elements=st.floats(-100, 100, width=32) | st.just(float("nan"))),
)
@settings(max_examples=60)
def test_counts_are_those_of_a_plain_search(values: Rows, training: Rows) -> None:
    made = reference(training)
    counts = bin_counts(made, values)
    for place, name in made.watched:
        expected = [0] * BINS
        for value in values[:, place]:
            low = sum(np.float32(edge) < value for edge in made.edges[name])
            expected[BINS - 1 if np.isnan(value) else (9 if low == 9 else low)] += 1
        assert counts[place].tolist() == expected
    assert counts.dtype == np.uint16


def test_counts_of_no_rows_are_zero() -> None:
    assert not bin_counts(reference(noise(100, 2)), np.empty((0, 2), np.float32)).any()


def test_calendar_features_are_not_watched() -> None:
    made = reference(noise(100, 2), features=[feature("month", "temporal"), feature("rsi")])
    assert made.columns == ("month", "rsi")
    assert [name for _, name in made.watched] == ["rsi"]
    assert not bin_counts(made, noise(5, 2))[0].any()


def test_a_market_wide_feature_counts_once_a_date() -> None:
    # 20 symbols on one of two dates: by rows the median would be that date's value.
    x = np.array([[0.0]] * 3 + [[1.0]] * 20 + [[2.0]] * 2 + [[3.0]] * 2, np.float32)
    times = np.repeat(np.arange(4, dtype=np.int64), [3, 20, 2, 2])
    made = reference_of(x, times, [feature("vix", market_wide=True)], window=1)
    assert made.edges["vix"][1:] == [0.0, 1.0, 2.0, 3.0]
    assert made.shares["vix"][1:5] == [0.25, 0.25, 0.25, 0.25]


def test_shares_average_dates_not_rows() -> None:
    x = np.array([[1.0]] * 99 + [[2.0]], np.float32)
    times = np.repeat(np.array([0, 1], np.int64), [99, 1])
    made = reference_of(x, times, [feature("f")], window=1)
    assert made.shares["f"] == [0.0, 0.5, 0.5, 0.0]


def test_dates_before_the_first_value_are_left_out() -> None:
    x = noise(200)
    late = np.concatenate([np.full((300, 1), np.nan, np.float32), x])
    assert reference(late) == reference(x)


def test_a_feature_without_any_value_is_watched_for_values() -> None:
    made = reference(np.full((100, 1), np.nan, np.float32))
    assert (made.edges["f0"], made.shares["f0"], made.null["f0"].q99) == ([], [0.0, 1.0], 0.0)


def test_one_date_is_too_little() -> None:
    with pytest.raises(ValueError, match="two dates"):
        reference_of(noise(5), np.zeros(5, np.int64), [feature("f")], window=5)


def test_a_short_training_range_has_its_null_on_shorter_windows() -> None:
    assert reference(noise(40), window=60).null["f0"].window == 10


def test_json_round_trip() -> None:
    made = reference(noise(300, 3), features=[feature("b"), feature("month", "temporal"), feature("a")])
    back = Reference.model_validate_json(made.model_dump_json())
    assert back == made
    assert np.array_equal(bin_counts(back, noise(50, 3, 1)), bin_counts(made, noise(50, 3, 1)))


@pytest.mark.parametrize(
    "change",
    [
        {"edges": {}},
        {"columns": ("other",)},
        {"shares": {"f0": [1.0]}},
        {"edges": {"f0": [float(i) for i in range(10)]}, "shares": {"f0": [0.0] * 12}},
    ],
)
def test_a_reference_that_does_not_fit_together_is_refused(change: dict[str, Any]) -> None:
    made = reference(noise(100))
    with pytest.raises(ValidationError, match="expected"):
        Reference.model_validate({**made.model_dump(), **change})


def test_psi_of_known_shares() -> None:
    value = psi(np.array([0.5, 0.5]), np.array([0.25, 0.75]))
    assert value == pytest.approx(-0.25 * np.log(0.5) + 0.25 * np.log(1.5))


def test_psi_of_an_empty_bin_is_finite() -> None:
    assert psi(np.array([0.0, 1.0]), np.array([0.5, 0.5])) > 0.5 * np.log(0.4 / FLOOR)


shares = arrays(np.float64, 6, elements=st.floats(0.0, 1.0)).filter(lambda x: x.sum() > 0).map(lambda x: x / x.sum())


@given(shares, shares)
def test_psi_is_symmetric_and_never_negative(one: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    assert psi(one, other) >= 0
    assert psi(one, other) == pytest.approx(psi(other, one))
    assert psi(one, one) == 0


def test_discoveries_follow_benjamini_and_hochberg() -> None:
    p = np.array([0.041, 0.001, 0.9, 0.008, 0.039])
    assert discoveries(p, 0.05).tolist() == [False, True, False, True, False]
    assert not discoveries(np.array([]), 0.05).any()
    assert not discoveries(np.array([0.5, 0.6]), 0.05).any()


def test_an_outlier_hides_nothing() -> None:
    made = reference(noise(600), window=60)
    shifted = noise(60, seed=1) + 1
    shifted[0] = 1e9
    counts = bin_counts(made, shifted)[0]
    assert psi(made.matrix[0], counts / 60) > 0.5


@pytest.mark.parametrize("phi", [0.0, 0.9, 0.98])
def test_the_null_holds_under_autocorrelation(phi: float) -> None:
    rng, beyond, fixed, runs = np.random.default_rng(7), 0, 0, 40
    for _ in range(runs):
        x = autoregressive(504 + 60, 8, phi, rng)
        made = reference(x[:504].reshape(-1, 1), 8, window=60)
        actual = np.mean([bin_counts(made, row[:, None])[0] / 8 for row in x[504:]], axis=0)
        value = float(psi(made.matrix[0], actual))
        beyond += value > made.null["f0"].q99
        fixed += value > 0.2
    assert beyond <= 0.125 * runs
    # Where dates depend on each other, the usual fixed threshold would cry wolf.
    assert fixed >= 0.5 * runs or phi == 0.0


def test_a_null_without_variation_is_the_mean() -> None:
    assert reference(np.ones((80, 1), np.float32)).null["f0"] == Null(window=20, shape=0, scale=0, q99=0)


@pytest.mark.parametrize("now", [-5.0, 5.0])
def test_a_value_on_either_side_of_the_usual_one_is_drift(now: float) -> None:
    usual = np.zeros((1000, 1), np.float32)
    usual[::20] = np.linspace(0.1, 1, 50, dtype=np.float32)[:, None]
    reference = reference_of(
        usual, np.repeat(np.arange(250), 4), [Feature("a", "technical", 0, 0, True, "noise")], window=20
    )
    unchanged, moved = (bin_counts(reference, np.full((4, 1), value, np.float32)) / 4.0 for value in (0.0, now))
    assert psi(reference.matrix, unchanged)[0] < 0.2 < psi(reference.matrix, moved)[0]
