"""`auto`: simple on noise, no simpler than needed, judged on later dates alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from signals.data.records import F8, I8
from signals.errors import BundleDamaged, TooFewRows
from signals.ml.calibration import ConfidenceCalibrator
from signals.ml.calibration.choice import choose
from signals.ml.calibration.methods import METHODS
from signals.ml.calibration.rows import CalibrationRows

Draw = Callable[..., tuple[F8, F8, I8, I8]]
Distort = Callable[[F8, float, tuple[float, ...]], F8]
Loss = Callable[[F8, F8], float]


@pytest.fixture(scope="module")
def chosen(drawn: Draw, distorted: Distort) -> ConfidenceCalibrator:
    """Return `auto` on probabilities that are too sure and carry class weights."""
    p, y, start, end = drawn(800, 6, days=5)
    raw = distorted(p, 2.0, (0.8, -0.8, 0.0))
    return ConfidenceCalibrator("auto").fit(raw, y, timestamps=start, label_end=end)


def test_noise_leaves_the_simplest(drawn: Draw) -> None:
    picked = []
    for seed in range(20):
        p, y, start, end = drawn(300, 3, seed, days=5)
        picked.append(ConfidenceCalibrator("auto").fit(p, y, timestamps=start, label_end=end).chosen)
    assert set(picked) <= {"none", "temperature"}
    assert picked.count("none") >= 17


def test_overconfidence_alone_takes_temperature(drawn: Draw, distorted: Distort) -> None:
    for seed in range(4):
        p, y, start, end = drawn(400, 6, seed)
        raw = distorted(p, 2.0, (0.0, 0.0, 0.0))
        assert ConfidenceCalibrator("auto").fit(raw, y, timestamps=start, label_end=end).chosen == "temperature"


def test_class_weights_take_the_bias(chosen: ConfidenceCalibrator) -> None:
    assert chosen.chosen == "bias_corrected_temperature"


def test_different_slopes_take_vector_scaling(drawn: Draw) -> None:
    p, y, start, end = drawn(1000, 6, 3)
    raw: F8 = p ** np.array([2.5, 1.0, 0.5])
    raw /= raw.sum(axis=1, keepdims=True)
    assert ConfidenceCalibrator("auto").fit(raw, y, timestamps=start, label_end=end).chosen in ("vector", "platt")


def test_the_chosen_method_is_fitted_on_all_rows(chosen: ConfidenceCalibrator, drawn: Draw, distorted: Distort) -> None:
    p, y, start, end = drawn(800, 6, days=5)
    raw = distorted(p, 2.0, (0.8, -0.8, 0.0))
    named = ConfidenceCalibrator(chosen.chosen).fit(raw, y, timestamps=start, label_end=end)
    assert (named.transform(raw) == chosen.transform(raw)).all()


def test_candidates_are_scored_on_later_dates_alone(drawn: Draw, distorted: Distort, loss: Loss) -> None:
    """The scores are those of fits made here on each block's past, dates counting alike."""
    p, y, start, end = drawn(300, 4, days=3)
    raw = distorted(p, 1.5, (0.3, 0.0, -0.3))
    choice = choose(CalibrationRows.checked(raw, y, start, end))
    blocks = np.array_split(np.unique(start), 5)
    by_block = []
    for block in blocks[1:]:
        past, test = end < block[0], np.isin(start, block)
        made = ConfidenceCalibrator("platt").fit(raw[past], y[past], timestamps=start[past], label_end=end[past])
        by_block.append(loss(made.transform(raw[test]), y[test]))
    assert choice.dates == 240
    assert choice.log_loss["platt"] == pytest.approx(np.mean(by_block))  # as many rows a date, as many dates a block


def test_isotonic_is_no_candidate_without_its_evidence(chosen: ConfidenceCalibrator) -> None:
    assert chosen.choice is not None
    assert set(chosen.choice.log_loss) == set(METHODS) - {"isotonic"}


def test_isotonic_is_a_candidate_with_it(drawn: Draw) -> None:
    p, y, start, end = drawn(10_001, 1)
    bent = p**2 / (p**2 + (1 - p) ** 2)  # a distortion of each probability's own
    raw = bent / bent.sum(axis=1, keepdims=True)
    assert "isotonic" in choose(CalibrationRows.checked(raw, y, start, end)).log_loss


def test_too_few_dates_are_refused(drawn: Draw) -> None:
    p, y, start, end = drawn(130, 3)
    with pytest.raises(TooFewRows, match=r"expected 105 dates or more .* were 104 of 130; .* name a method"):
        ConfidenceCalibrator("auto").fit(p, y, timestamps=start, label_end=end)


def test_longer_labels_ask_for_more_dates(drawn: Draw) -> None:
    p, y, start, end = drawn(200, 3, days=40)
    with pytest.raises(TooFewRows, match="expected 200 dates"):
        ConfidenceCalibrator("auto").fit(p, y, timestamps=start, label_end=end)


def test_round_trip_keeps_the_choice(chosen: ConfidenceCalibrator, drawn: Draw) -> None:
    p, *_ = drawn(20)
    again = ConfidenceCalibrator.from_json(json.loads(json.dumps(chosen.to_json())))
    assert (again.method, again.chosen, again.choice) == ("auto", chosen.chosen, chosen.choice)
    assert (again.transform(p) == chosen.transform(p)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"method": "isotonic"},
        {"method": "magic"},
        {"dates": 0},
        {"dates": 2.5},
        {"log_loss": {"none": -1.0}},
        {"log_loss": {"magic": 1.0, "bias_corrected_temperature": 1.0}},
        {"log_loss": None},
        {"more": 1},
    ],
)
def test_damaged_choice_is_refused(chosen: ConfidenceCalibrator, change: dict[str, Any]) -> None:
    document: dict[str, Any] = json.loads(json.dumps(chosen.to_json()))
    document["choice"].update(change)
    with pytest.raises(BundleDamaged):
        ConfidenceCalibrator.from_json(document)
