"""Reliability diagrams: buckets, dates behind them, intervals."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from signals.data.records import F8, I8
from signals.ml import metrics
from signals.ml.calibration import Reliability, ReliabilityCurve, reliability

Draw = Callable[..., tuple[F8, F8, I8, I8]]
Distort = Callable[[F8, float, tuple[float, ...]], F8]


@pytest.fixture(scope="module")
def found(drawn: Draw, distorted: Distort) -> Reliability:
    """Return the diagram of probabilities that are too sure, and of the honest ones."""
    p, y, start, _ = drawn(400, 6)
    return reliability(distorted(p, 2.0, (0.0, 0.0, 0.0)), p, y, start)


def gap(curve: ReliabilityCurve) -> float:
    rows = sum(bucket.rows for bucket in curve.buckets)
    return sum(bucket.rows * abs(bucket.stated - bucket.happened) for bucket in curve.buckets) / rows


def test_buckets_hold_every_row_once(found: Reliability) -> None:
    assert found.rows == 2400
    assert found.dates == 400
    for curve in (found.before, found.after):
        assert sum(bucket.rows for bucket in curve.buckets) == 2400
        assert all(bucket.low < bucket.stated <= bucket.high for bucket in curve.buckets)
        edges = [bucket.low for bucket in curve.buckets]
        assert edges == sorted(edges)


def test_errors_of_the_buckets_make_the_calibration_error(found: Reliability, drawn: Draw) -> None:
    p, y, start, _ = drawn(400, 6)
    assert found.after.ece == metrics.ece(p, y, start)
    for curve in (found.before, found.after):
        assert curve.ece == pytest.approx(gap(curve))  # as many rows a date: rows count alike too


def test_before_lies_below_what_it_states_and_after_does_not(found: Reliability) -> None:
    sure = [bucket for bucket in found.before.buckets if bucket.low > 0.6 and not bucket.too_few]
    assert len(sure) > 2
    assert all(bucket.upper is not None and bucket.upper < bucket.stated for bucket in sure)
    known = [bucket for bucket in found.after.buckets if bucket.lower is not None and bucket.upper is not None]
    inside = [bucket.lower <= bucket.stated <= bucket.upper for bucket in known]  # type: ignore[operator]
    assert np.mean(inside) >= 0.7


def test_shares_and_dates_are_those_of_a_plain_count() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.5, 0.4, 0.1], [0.9, 0.05, 0.05], [0.51, 0.29, 0.2]])
    y, start = np.array([0.0, 1.0, 0.0, 0.0]), np.array([1, 1, 1, 2])
    low, high = reliability(p, p, y, start, bins=2).before.buckets
    assert (low.low, low.high, low.rows, low.dates, low.stated, low.happened) == (0.0, 0.5, 2, 1, 0.5, 0.5)
    assert (high.rows, high.dates, high.happened) == (2, 2, 1.0)
    # The second date has one row, which counts as much as the three of the first.
    assert high.stated == pytest.approx((0.9 / 3 + 0.51) / (1 / 3 + 1))


def test_few_dates_say_so(drawn: Draw) -> None:
    p, y, start, _ = drawn(200, 5)
    p = np.where((start == start[0])[:, None], np.eye(3)[0], p)  # one date is certain
    after = reliability(p, p, y, start).after
    assert after.buckets[-1].dates < 30
    assert after.buckets[-1].too_few
    assert after.buckets[-1].upper is None
    assert any(not bucket.too_few for bucket in after.buckets)
    assert all(bucket.too_few == (bucket.dates < 30) for bucket in after.buckets)


def test_short_record_has_no_intervals(drawn: Draw) -> None:
    p, y, start, _ = drawn(104, 5)
    assert all(bucket.too_few for bucket in reliability(p, p, y, start).after.buckets)
    p, y, start, _ = drawn(105, 5)
    assert not all(bucket.too_few for bucket in reliability(p, p, y, start).after.buckets)
    assert all(bucket.too_few for bucket in reliability(p, p, y, start, horizon=22).after.buckets)


def test_more_symbols_on_a_date_are_no_more_evidence(drawn: Draw) -> None:
    """The same rows ten times over give the same interval, not one a third as wide."""
    p, y, start, _ = drawn(300, 2)
    once = reliability(p, p, y, start).after.buckets
    crowd = np.repeat(p, 10, axis=0)
    many = reliability(crowd, crowd, np.repeat(y, 10), np.repeat(start, 10)).after.buckets
    for bucket, crowded in zip(once, many, strict=True):
        assert crowded.rows == 10 * bucket.rows
        assert (crowded.dates, crowded.lower, crowded.upper) == (
            bucket.dates,
            None if bucket.lower is None else pytest.approx(bucket.lower),
            None if bucket.upper is None else pytest.approx(bucket.upper),
        )


def test_intervals_hold_the_truth_as_often_as_they_say(drawn: Draw) -> None:
    """Outcomes drawn from what is stated: the 90% interval of a bucket covers it about nine times in ten."""
    covered = []
    for seed in range(40):
        p, y, start, _ = drawn(300, 4, seed)
        covered += [
            bucket.lower <= bucket.stated <= bucket.upper
            for bucket in reliability(p, p, y, start, draws=200).after.buckets
            if bucket.lower is not None and bucket.upper is not None
        ]
    assert len(covered) > 200
    assert 0.8 <= np.mean(covered) <= 0.95


def test_order_of_the_rows_does_not_matter(found: Reliability, drawn: Draw, distorted: Distort) -> None:
    p, y, start, _ = drawn(400, 6)
    order = np.random.default_rng(0).permutation(len(y))
    again = reliability(distorted(p, 2.0, (0.0, 0.0, 0.0))[order], p[order], y[order], start[order])
    for mine, other in zip(found.after.buckets, again.after.buckets, strict=True):
        assert (mine.rows, mine.dates) == (other.rows, other.dates)
        assert mine.happened == pytest.approx(other.happened)
        assert mine.lower == (None if other.lower is None else pytest.approx(other.lower))


def test_json_holds_every_figure(found: Reliability) -> None:
    document = json.loads(json.dumps(found.to_json()))
    assert document["mean_block"] == 21
    assert document["after"]["ece"] == found.after.ece
    assert document["before"]["buckets"][0]["dates"] == found.before.buckets[0].dates
    assert set(document["after"]["buckets"][0]) == {
        *("low", "high", "stated", "happened", "rows", "dates", "lower", "upper")
    }
