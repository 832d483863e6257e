"""Calibration: what it finds, what it refuses, what it never does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.records import F8, I8
from signals.errors import BundleDamaged, TrainingError
from signals.ml.calibration import ConfidenceCalibrator, Method

Draw = Callable[..., tuple[F8, F8, I8, I8]]
Distort = Callable[[F8, float, tuple[float, ...]], F8]
Loss = Callable[[F8, F8], float]

DAY = 86_400_000_000


def scale(found: ConfidenceCalibrator) -> float:
    slope = found.to_json()["slope"]
    assert isinstance(slope, float)
    return slope


def offsets(found: ConfidenceCalibrator) -> tuple[float, ...]:
    bias: Any = found.to_json()["bias"]
    return tuple(bias)


def test_undoes_overconfidence(drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn()
    found = ConfidenceCalibrator("temperature").fit(distorted(p, 2.5, (0, 0, 0)), y, timestamps=start, label_end=end)
    assert scale(found) == pytest.approx(1 / 2.5, rel=0.1)
    assert offsets(found) == (0.0, 0.0, 0.0)


def test_undoes_class_weights(drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn()
    raw = distorted(p, 1.5, (0.6, -0.9, 0.3))
    found = ConfidenceCalibrator().fit(raw, y, timestamps=start, label_end=end)
    assert np.abs(found.transform(raw) - p).max() < 0.06
    assert offsets(found) == pytest.approx((-0.4, 0.6, -0.2), abs=0.1)


def test_bias_sums_to_zero(drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn(100)
    found = ConfidenceCalibrator().fit(distorted(p, 1, (1, 0, 0)), y, timestamps=start, label_end=end)
    assert sum(offsets(found)) == pytest.approx(0, abs=1e-12)


def test_honest_probabilities_stay(drawn: Draw) -> None:
    p, y, start, end = drawn()
    found = ConfidenceCalibrator().fit(p, y, timestamps=start, label_end=end)
    assert np.abs(found.transform(p) - p).max() < 0.05


def test_none_changes_nothing(drawn: Draw) -> None:
    p, y, start, end = drawn(50)
    found = ConfidenceCalibrator("none").fit(p, 2 - y, timestamps=start, label_end=end)
    assert (found.transform(p) == p).all()


def test_contrary_model_is_silenced_not_inverted(drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn()
    found = ConfidenceCalibrator("temperature").fit(distorted(p, -1, (0, 0, 0)), y, timestamps=start, label_end=end)
    assert scale(found) == 0
    assert found.transform(p) == pytest.approx(np.full_like(p, 1 / 3))


@pytest.mark.parametrize("method", ["temperature", "bias_corrected_temperature"])
def test_loss_is_a_minimum(drawn: Draw, distorted: Distort, loss: Loss, method: Method) -> None:
    p, y, start, end = drawn(200)
    raw = distorted(p, 1.7, (0.4, 0, -0.4))
    found = ConfidenceCalibrator(method).fit(raw, y, timestamps=start, label_end=end)
    count = 200  # disjoint label intervals: one a date

    def objective(slope: float, bias: F8) -> float:
        penalty = 0.5 / count * ((slope - 1) ** 2 + float(bias @ bias))
        made = ConfidenceCalibrator.from_json({"method": method, "slope": slope, "bias": bias.tolist()})
        return loss(made.transform(raw), y) + penalty

    best = objective(scale(found), np.array(offsets(found)))
    nudges = [np.zeros(3)] if method == "temperature" else [np.zeros(3), *(np.eye(3) - 1 / 3), *(1 / 3 - np.eye(3))]
    for step in (-0.01, 0.0, 0.01):
        for nudge in nudges:
            assert objective(scale(found) + step, np.array(offsets(found)) + 0.01 * nudge) >= best - 1e-12


def test_dates_count_alike(drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn(300, 1)
    crowd = np.repeat(np.arange(300), np.where(np.arange(300) == 0, 200, 1))
    raw = distorted(p, 2, (0, 0, 0))
    many = ConfidenceCalibrator().fit(raw[crowd], y[crowd], timestamps=start[crowd], label_end=end[crowd])
    once = ConfidenceCalibrator().fit(raw, y, timestamps=start, label_end=end)
    assert scale(many) == pytest.approx(scale(once), rel=1e-4)


def test_overlapping_labels_are_less_evidence(drawn: Draw, distorted: Distort) -> None:
    p, y, start, _ = drawn(60, 1)
    raw = distorted(p, 3, (0, 0, 0))
    apart = ConfidenceCalibrator("temperature").fit(raw, y, timestamps=start, label_end=start + DAY)
    overlapping = ConfidenceCalibrator("temperature").fit(raw, y, timestamps=start, label_end=start + 20 * DAY)
    assert scale(apart) < scale(overlapping) < 1


def test_pandas_times_are_read(drawn: Draw) -> None:
    p, y, start, end = drawn(80, 1)
    index = pd.DatetimeIndex(start.view("datetime64[us]"), tz="UTC")
    ends: Any = pd.Series(index + pd.Timedelta(days=1))
    as_times: Any = index
    found = ConfidenceCalibrator().fit(p, y, timestamps=as_times, label_end=ends)
    assert found.to_json() == ConfidenceCalibrator().fit(p, y, timestamps=start, label_end=end).to_json()


def test_shuffled_rows_are_refused(drawn: Draw) -> None:
    p, y, start, end = drawn(50)
    order = np.random.default_rng(0).permutation(len(y))
    with pytest.raises(TrainingError, match="were shuffled"):
        ConfidenceCalibrator().fit(p[order], y[order], timestamps=start[order], label_end=end[order])


def test_broken_inputs_are_refused(drawn: Draw) -> None:
    p, y, start, end = drawn(50)
    fit = ConfidenceCalibrator().fit
    with pytest.raises(TrainingError, match="n outcomes"):
        fit(p, y[:-1], timestamps=start, label_end=end)
    with pytest.raises(TrainingError, match="n > 0"):
        fit(p[:0], y[:0], timestamps=start[:0], label_end=end[:0])
    with pytest.raises(TrainingError, match="sum to 1"):
        fit(p * 2, y, timestamps=start, label_end=end)
    with pytest.raises(TrainingError, match="sum to 1"):
        fit(np.where(p > 0.5, np.nan, p), y, timestamps=start, label_end=end)
    with pytest.raises(TrainingError, match="classes 0 to 2"):
        fit(p, y + 1, timestamps=start, label_end=end)
    with pytest.raises(TrainingError, match="known after its bar's close"):
        fit(p, y, timestamps=start, label_end=start)


def test_unknown_method_is_refused() -> None:
    wrong: Any = "beta"
    with pytest.raises(TrainingError, match="was 'beta'"):
        ConfidenceCalibrator(wrong)


def test_other_width_is_refused() -> None:
    with pytest.raises(TrainingError, match="expected 3 columns"):
        ConfidenceCalibrator().transform(np.full((4, 2), 0.5))


def test_json_round_trip_is_exact(drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn(100)
    found = ConfidenceCalibrator().fit(distorted(p, 2, (0.1, 0, 0)), y, timestamps=start, label_end=end)
    again = ConfidenceCalibrator.from_json(json.loads(json.dumps(found.to_json())))
    assert (again.transform(p) == found.transform(p)).all()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"method": "magic", "slope": 1, "bias": [0, 0, 0]},
        {"method": "none", "slope": "x", "bias": [0, 0, 0]},
        {"method": "none", "slope": -1, "bias": [0, 0, 0]},
        {"method": "none", "slope": float("nan"), "bias": [0, 0, 0]},
        {"method": "none", "slope": 1, "bias": 0},
        {"method": "none", "slope": 1, "bias": [0]},
    ],
)
def test_damaged_json_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(BundleDamaged):
        ConfidenceCalibrator.from_json(document)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([(1.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.2, 0.3, 0.5)]), min_size=1, max_size=6),
    st.floats(0, 5),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
)
def test_probabilities_stay_probabilities(rows: list[tuple[float, ...]], slope: float, bias: list[float]) -> None:
    made = ConfidenceCalibrator.from_json(
        {"method": "bias_corrected_temperature", "slope": slope, "bias": bias}
    ).transform(np.array(rows))
    assert np.isfinite(made).all()
    assert (made >= 0).all()
    np.testing.assert_allclose(made.sum(axis=1), 1.0)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.3, 4), st.integers(3, 40))
def test_fit_never_worsens_its_own_rows_beyond_the_prior(
    drawn: Draw, distorted: Distort, loss: Loss, seed: int, slope: float, dates: int
) -> None:
    p, y, start, end = drawn(dates, 2, seed)
    raw = distorted(p, slope, (0.3, 0, -0.3))
    found = ConfidenceCalibrator().fit(raw, y, timestamps=start, label_end=end)
    assert loss(found.transform(raw), y) <= loss(raw, y) + 1e-9
