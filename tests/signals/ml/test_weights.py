from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.records import F8, I8
from signals.ml.dataset import Dataset, Labels, class_weights, make_dataset
from signals.ml.recipe import WeightSpec
from signals.ml.weights import recency, sample_weights, uniqueness


def naive(symbols: I8, first: I8, last: I8) -> F8:
    """Average over a label's days of one over the labels of its symbol that live then, one by one."""
    found = []
    for symbol, start, end in zip(symbols, first, last, strict=True):
        days = range(int(start) + 1, int(end) + 1)
        peers = [
            sum(s == symbol and a < day <= b for s, a, b in zip(symbols, first, last, strict=True)) for day in days
        ]
        found.append(np.mean([1 / count for count in peers]))
    return np.array(found)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 8)), min_size=1, max_size=40, unique=True)
)
@settings(max_examples=60)
def test_uniqueness_is_what_a_loop_says(labels: list[tuple[int, int, int]]) -> None:
    symbols, first, length = (np.array(each, np.int64) for each in zip(*labels, strict=True))
    every = np.arange(40, dtype=np.int64)  # a symbol of its own has a date a day
    found = uniqueness(np.append(symbols, 9 + every), np.append(first, every), np.append(first + length, every + 1))
    np.testing.assert_allclose(found[: len(symbols)], naive(symbols, first, first + length), rtol=1e-12)


def test_labels_that_do_not_overlap_are_unique() -> None:
    time = np.arange(0, 50, 5, dtype=np.int64)
    assert uniqueness(np.zeros(10, np.int64), time, time + 5).tolist() == [1.0] * 10


def test_age_halves_a_row_after_its_half_life() -> None:
    time = np.repeat(np.arange(11, dtype=np.int64), 3)
    weight = recency(time, 5)
    assert weight[-1] == 1.0
    assert weight[-1 - 15] == 0.5
    assert weight[0] == 0.25


@pytest.fixture(scope="module")
def data() -> Dataset:
    rng = np.random.default_rng(0)
    dates = pd.bdate_range("2020-01-01", periods=60, tz="UTC").as_unit("us")
    index = pd.MultiIndex.from_product([["A", "B"], dates[:50]], names=["symbol", "date"])
    end = pd.Series(dates[5:55].append(dates[5:55]), index)
    value = pd.Series(rng.integers(0, 3, 100).astype(float), index)
    weight = pd.Series(rng.uniform(0.5, 2, 100), index)
    return make_dataset(pd.DataFrame({"x": rng.normal(size=100)}, index), Labels(value, end), weight)


def test_the_shipped_weights_are_the_classes_alone(data: Dataset) -> None:
    expected = data.weight.to_numpy() * class_weights(data.y, "balanced")
    np.testing.assert_array_equal(sample_weights(data, WeightSpec()), expected)


def test_what_is_asked_for_is_multiplied_and_of_mean_one(data: Dataset) -> None:
    plain = sample_weights(data, WeightSpec(kind="none"))
    rare = sample_weights(data, WeightSpec(kind="none", uniqueness=True)) / plain
    new = sample_weights(data, WeightSpec(kind="none", half_life=20)) / plain
    both = sample_weights(data, WeightSpec(kind="none", uniqueness=True, half_life=20)) / plain
    assert rare.mean() == pytest.approx(1.0)
    assert new.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(both, rare * new)
    # In the middle five labels of a symbol share each day; the first and the last share theirs with fewer.
    assert rare[0] > rare[50]
    assert rare[-1] > rare[50]
    assert new[-1] > new[0]
