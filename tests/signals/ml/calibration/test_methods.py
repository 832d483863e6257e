"""Every method: what it undoes, where it stays, what its parameters survive. A new method is held to the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.records import F8, I8
from signals.errors import BundleDamaged, TooFewRows
from signals.ml.calibration import ConfidenceCalibrator, Method
from signals.ml.calibration.isotonic import FEWEST_INTERVALS, IsotonicMap
from signals.ml.calibration.methods import METHODS, Named
from signals.ml.calibration.softmax import SoftmaxMap

Draw = Callable[..., tuple[F8, F8, I8, I8]]
Distort = Callable[[F8, float, tuple[float, ...]], F8]
Loss = Callable[[F8, F8], float]

ALL: tuple[Named, ...] = tuple(METHODS)
FITTED = [name for name in ALL if name != "none"]


@pytest.fixture(scope="module")
def fitted(drawn: Draw, distorted: Distort) -> dict[Method, ConfidenceCalibrator]:
    """Return every method fitted on probabilities too sure by a factor of 1.8, over as many dates as isotonic needs."""
    p, y, start, end = drawn(FEWEST_INTERVALS, 3, seed=5)
    raw = distorted(p, 1.8, (0.0, 0.0, 0.0))
    return {name: ConfidenceCalibrator(name).fit(raw, y, timestamps=start, label_end=end) for name in ALL}


def test_methods_are_those_that_can_be_asked_for() -> None:
    assert set(get_args(Method)) == {"auto", *METHODS}


@pytest.mark.parametrize("name", FITTED)
def test_undoes_overconfidence(
    name: Method, fitted: dict[Method, ConfidenceCalibrator], drawn: Draw, distorted: Distort, loss: Loss
) -> None:
    p, y, *_ = drawn(1500, 4, seed=77)
    raw = distorted(p, 1.8, (0.0, 0.0, 0.0))
    cost = loss(raw, y) - loss(p, y)
    assert loss(fitted[name].transform(raw), y) - loss(p, y) < 0.15 * cost


@pytest.mark.parametrize("name", ["bias_corrected_temperature", "platt", "isotonic"])
def test_undoes_class_weights(name: Method, drawn: Draw, distorted: Distort, loss: Loss) -> None:
    p, y, start, end = drawn(FEWEST_INTERVALS, 3, seed=6)
    raw = distorted(p, 1.0, (0.7, -0.2, -0.5))
    found = ConfidenceCalibrator(name).fit(raw, y, timestamps=start, label_end=end).transform(raw)
    assert found.mean(axis=0) == pytest.approx(np.bincount(y.astype(int)) / len(y), abs=0.01)
    assert loss(found, y) - loss(p, y) < 0.15 * (loss(raw, y) - loss(p, y))


def test_vector_scaling_undoes_what_one_temperature_cannot(drawn: Draw, loss: Loss) -> None:
    p, y, start, end = drawn(1500, 4, seed=8)
    slope, logs = np.array([0.5, 1.0, 1.7]), np.log(p)
    # The raw probabilities whose centred logarithms are those of p by these slopes, up to what a softmax takes away.
    logs -= (logs @ (1 / slope) / (1 / slope).sum())[:, None]
    raw: F8 = np.exp(logs / slope)
    raw /= raw.sum(axis=1, keepdims=True)
    losses: dict[Method, float] = {}
    for name in ("bias_corrected_temperature", "vector"):
        found = ConfidenceCalibrator(name).fit(raw, y, timestamps=start, label_end=end)
        losses[name] = loss(found.transform(raw), y)
    assert losses["vector"] < losses["bias_corrected_temperature"] - 0.005
    assert losses["vector"] == pytest.approx(loss(p, y), abs=0.005)


@pytest.mark.parametrize("name", ALL)
def test_honest_probabilities_stay(name: Method, drawn: Draw) -> None:
    p, y, start, end = drawn(FEWEST_INTERVALS, 3, seed=9)
    moved = ConfidenceCalibrator(name).fit(p, y, timestamps=start, label_end=end).transform(p) - p
    assert np.abs(moved).mean() < 0.02


@pytest.mark.parametrize("name", ["temperature", "bias_corrected_temperature", "vector", "platt"])
def test_few_dates_stay_nearer_the_identity(name: Method, drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn(200, 3, seed=3)
    raw = distorted(p, 3.0, (0.0, 0.0, 0.0))
    moved = []
    for dates in (3, 20, 200):
        rows = slice(0, dates * 3)
        found = ConfidenceCalibrator(name).fit(raw[rows], y[rows], timestamps=start[rows], label_end=end[rows])
        moved.append(np.abs(found.transform(raw) - raw).mean())
    assert moved[0] < 0.95 * moved[2]
    assert moved[1] < moved[2]


def test_vector_scaling_trusts_frequencies_of_few_years_little(drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn(100, 3, seed=6)
    raw = distorted(p, 1.0, (0.7, -0.2, -0.5))
    bias = {}
    for name in ("bias_corrected_temperature", "vector"):
        made = ConfidenceCalibrator(name).fit(raw, y, timestamps=start, label_end=end)
        assert isinstance(made.map, SoftmaxMap)
        bias[name] = np.abs(made.map.bias).max()
    assert bias["vector"] < 0.5 * bias["bias_corrected_temperature"]


def test_contrary_probabilities_are_silenced(drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn(600)
    raw = distorted(p, -1.0, (0.0, 0.0, 0.0))
    for name in ("vector", "platt"):
        document = ConfidenceCalibrator(name).fit(raw, y, timestamps=start, label_end=end).to_json()
        assert document["slope"] == pytest.approx([0.0] * 3)


def test_isotonic_curves_never_fall(fitted: dict[Method, ConfidenceCalibrator]) -> None:
    curves = fitted["isotonic"].map
    assert isinstance(curves, IsotonicMap)
    stated = np.repeat(np.linspace(0, 1, 400)[:, None], 3, axis=1)
    found = curves.curves(stated)
    assert (np.diff(found, axis=0) >= 0).all()
    assert (found > 0).all()


def test_isotonic_agrees_with_pooled_neighbours(drawn: Draw) -> None:
    """Pool adjacent violators by hand on the dates' weights, then draw to the frequencies by one interval."""
    p, y, start, end = drawn(FEWEST_INTERVALS, 1, seed=4)
    order = np.argsort(p[:, 1])
    blocks: list[list[float]] = []
    for right in (y[order] == 1).astype(float):
        blocks.append([right, 1.0])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            mean, count = blocks.pop()
            before, held = blocks.pop()
            blocks.append([(mean * count + before * held) / (count + held), count + held])
    fitted_by_hand = np.concatenate([np.full(int(count), mean) for mean, count in blocks])
    n = FEWEST_INTERVALS
    frequency = (n * (y == 1).mean() + 1 / 3) / (n + 1)
    curves = ConfidenceCalibrator("isotonic").fit(p, y, timestamps=start, label_end=end).map
    assert isinstance(curves, IsotonicMap)
    np.testing.assert_allclose(curves.curves(p[order])[:, 1], (n * fitted_by_hand + frequency) / (n + 1), atol=1e-12)


def test_isotonic_needs_thousands_of_intervals(drawn: Draw) -> None:
    p, y, start, end = drawn(FEWEST_INTERVALS, 1, days=2)  # every second interval overlaps the one before
    with pytest.raises(TooFewRows, match=r"expected 2,000 label intervals .* were 1,000"):
        ConfidenceCalibrator("isotonic").fit(p, y, timestamps=start, label_end=end)


@pytest.mark.parametrize("name", ALL)
def test_certainty_stays_finite(name: Method, fitted: dict[Method, ConfidenceCalibrator]) -> None:
    rows = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [1e-300, 1.0, 0.0]])
    found = fitted[name].transform(rows)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


@pytest.mark.parametrize("name", ALL)
def test_a_row_alone_gives_what_it_gives_among_others(
    name: Method, fitted: dict[Method, ConfidenceCalibrator], drawn: Draw
) -> None:
    p, *_ = drawn(20, 5, seed=2)
    together = fitted[name].transform(p)
    assert (np.concatenate([fitted[name].transform(row[None]) for row in p]) == together).all()


@pytest.mark.parametrize("name", ALL)
def test_round_trip_is_exact(name: Method, fitted: dict[Method, ConfidenceCalibrator], drawn: Draw) -> None:
    p, *_ = drawn(30, seed=2)
    again = ConfidenceCalibrator.from_json(json.loads(json.dumps(fitted[name].to_json())))
    assert again.to_json() == fitted[name].to_json()
    assert again.method == again.chosen == name
    assert (again.transform(p) == fitted[name].transform(p)).all()


@pytest.mark.parametrize("name", [*ALL, "auto"])
def test_new_calibrator_is_the_identity_and_survives_json(name: Method, drawn: Draw) -> None:
    p, *_ = drawn(10)
    new = ConfidenceCalibrator(name)
    np.testing.assert_allclose(new.transform(p), p, atol=1e-12)
    again = ConfidenceCalibrator.from_json(json.loads(json.dumps(new.to_json())))
    assert again.to_json() == new.to_json()


slopes = st.floats(0, 50)
biases = st.floats(-20, 20)
curve = st.lists(st.tuples(st.floats(0, 1), st.floats(1e-6, 1)), min_size=1, max_size=9, unique_by=lambda knot: knot[0])


@st.composite
def documents(draw: st.DrawFn) -> dict[str, object]:
    """Draw parameters that a fit could have given."""
    name = draw(st.sampled_from(FITTED))
    if name == "isotonic":
        knots = [list(zip(*sorted(draw(curve)), strict=True)) for _ in range(3)]
        return {"method": name, "knots": [[list(x), sorted(y)] for x, y in knots]}
    bias = [0.0] * 3 if name == "temperature" else draw(st.lists(biases, min_size=3, max_size=3))
    many = name in ("vector", "platt")
    slope = draw(st.lists(slopes, min_size=3, max_size=3)) if many else draw(slopes)
    return {"method": name, "slope": slope, "bias": bias}


@settings(max_examples=120)
@given(documents(), st.lists(st.tuples(*[st.floats(0, 1)] * 3).filter(lambda row: sum(row) > 0), min_size=1))
def test_any_parameters_give_probabilities_and_survive_json(
    document: dict[str, object], rows: list[tuple[float, ...]]
) -> None:
    p = np.array(rows)
    p /= p.sum(axis=1, keepdims=True)
    made = ConfidenceCalibrator.from_json(document)
    found = made.transform(p)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert json.loads(json.dumps(made.to_json())) == document
    assert (ConfidenceCalibrator.from_json(made.to_json()).transform(p) == found).all()


SOUND = {"method": "vector", "slope": [1.0, 1.0], "bias": [0.0, 0.0]}
KNOTS = [[[0.1, 0.9], [0.2, 0.8]]] * 3


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"method": ["none"]},
        {**SOUND, "slope": 1.0},
        {**SOUND, "slope": [1.0, 1.0, 1.0]},
        {**SOUND, "slope": [1.0, -0.1]},
        {**SOUND, "slope": [1.0, "1"]},
        {**SOUND, "slope": [1.0, True]},
        {**SOUND, "slope": [1.0, 1e300]},
        {**SOUND, "bias": [0.0, float("nan")]},
        {**SOUND, "more": 1},
        {"method": "platt", "slope": [1.0, 1.0], "bias": [0.0, 0.0, 0.0]},
        {"method": "none", "slope": 2.0, "bias": [0.0, 0.0, 0.0]},
        {"method": "temperature", "slope": 2.0, "bias": [0.1, 0.0, -0.1]},
        {"method": "bias_corrected_temperature", "slope": [1.0, 1.0], "bias": [0.0, 0.0]},
        {"method": "isotonic", "knots": KNOTS[:1]},
        {"method": "isotonic", "knots": "knots"},
        {"method": "isotonic", "knots": [*KNOTS, [[0.1, 0.9]]]},
        {"method": "isotonic", "knots": [*KNOTS, [[0.9, 0.1], [0.2, 0.8]]]},
        {"method": "isotonic", "knots": [*KNOTS, [[0.1, 0.9], [0.8, 0.2]]]},
        {"method": "isotonic", "knots": [*KNOTS, [[0.1, 0.9], [0.2]]]},
        {"method": "isotonic", "knots": [*KNOTS, [[0.1, 0.9], [0.0, 0.2]]]},
        {"method": "isotonic", "knots": [*KNOTS, [[0.1, 1.9], [0.1, 0.2]]]},
        {"method": "isotonic", "knots": [*KNOTS, [[], []]]},
    ],
)
def test_nonsense_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(BundleDamaged, match="calibration: expected"):
        ConfidenceCalibrator.from_json(document)
