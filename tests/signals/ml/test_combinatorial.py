from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.errors import TooFewRows, TrainingError
from signals.ml.dataset import Labels
from signals.ml.splits import CombinatorialPurged

GROUPS = st.integers(2, 7).flatmap(lambda groups: st.tuples(st.just(groups), st.integers(1, groups - 1)))


def labels(dates: int, horizon: int, symbols: str = "A") -> Labels:
    """Labels of every date, known `horizon` dates later."""
    days = pd.date_range("2020-01-01 21:00", periods=dates + horizon, tz="UTC", unit="us")
    index = pd.MultiIndex.from_product([list(symbols), days[:dates]], names=["symbol", "date"])
    return Labels(pd.Series(1.0, index), pd.Series(np.tile(days[horizon:], len(symbols)), index, dtype=days.dtype))


@settings(max_examples=30)
@given(GROUPS, st.integers(7, 40))
def test_every_date_is_tested_once_a_path(chosen: tuple[int, int], dates: int) -> None:
    splitter, made = CombinatorialPurged(*chosen), labels(dates, 2, "AB")
    counts = np.bincount(np.concatenate([split.test for split in splitter.split(made)]), minlength=2 * dates)
    assert set(counts.tolist()) == {splitter.n_paths}


@given(GROUPS)
def test_paths_use_every_test_of_every_split_once(chosen: tuple[int, int]) -> None:
    splitter = CombinatorialPurged(*chosen)
    made = labels(3 * splitter.groups, 1)
    group, splits, paths = splitter.group_of(made), list(splitter.split(made)), splitter.paths()
    assert paths.shape == (splitter.n_paths, splitter.groups)
    for column, numbers in enumerate(paths.T):
        rows = np.flatnonzero(group == column).tolist()
        assert sorted(set(numbers)) == [at for at, split in enumerate(splits) if set(rows) <= set(split.test.tolist())]


def test_six_groups_of_which_two_give_fifteen_splits_and_five_paths() -> None:
    splitter = CombinatorialPurged(6, 2)
    assert (splitter.n_splits, splitter.n_paths) == (15, 5)  # Lopez de Prado (2018), section 12.4.1
    assert len(list(splitter.split(labels(60, 5)))) == 15
    assert splitter.paths()[0].tolist() == [0, 0, 1, 2, 3, 4]  # the first path of figure 12.1, counted from 0


@settings(max_examples=20)
@given(GROUPS)
def test_tests_are_all_choices_of_groups(chosen: tuple[int, int]) -> None:
    splitter, made = CombinatorialPurged(*chosen), labels(30, 2)
    blocks = np.array_split(np.arange(30), splitter.groups)
    wanted = [np.concatenate(choice).tolist() for choice in combinations(blocks, splitter.test_groups)]
    assert [split.test.tolist() for split in splitter.split(made)] == wanted
    assert len(wanted) == splitter.n_splits == comb(splitter.groups, splitter.test_groups)


def test_a_fixed_horizon_is_purged_on_both_sides() -> None:
    second = list(CombinatorialPurged(3, 1).split(labels(60, 5)))[1]
    assert second.train.tolist() == [*range(15), *range(45, 60)]
    assert (second.audit.purged, second.audit.embargoed) == (10, 0)


def test_embargo_begins_behind_the_last_label() -> None:
    second = list(CombinatorialPurged(3, 1, embargo=4).split(labels(60, 5, "AB")))[1]
    assert second.train[second.train < 60].tolist() == [*range(15), *range(49, 60)]
    assert (second.audit.purged, second.audit.embargoed) == (20, 8)


def test_one_long_label_moves_purge_and_embargo() -> None:
    made = labels(60, 1)
    end = made.end.copy()
    end.iloc[30] = made.value.index[50][1]
    second = list(CombinatorialPurged(3, 1, embargo=2).split(Labels(made.value, end)))[1]
    assert second.train.tolist() == [*range(19), *range(53, 60)]


def test_neighbouring_test_groups_are_one_block() -> None:
    split = next(iter(CombinatorialPurged(6, 2, embargo=3).split(labels(60, 5))))
    assert split.test.tolist() == list(range(20))
    assert split.train.tolist() == list(range(28, 60))


def test_a_horizon_beyond_a_group_reaches_over_it() -> None:
    first = next(iter(CombinatorialPurged(6, 1).split(labels(60, 25))))
    assert first.train.tolist() == list(range(35, 60))


def test_rows_without_a_label_are_in_no_group() -> None:
    made = labels(20, 3)
    value = made.value.mask(np.arange(20) % 4 == 0)
    holed = Labels(value, made.end.where(value.notna()))
    splitter = CombinatorialPurged(3, 2)
    assert (splitter.group_of(holed) == -1).tolist() == value.isna().tolist()
    for split in splitter.split(holed):
        assert value.iloc[np.concatenate([split.train, split.test])].notna().all()


def test_too_few_dates() -> None:
    with pytest.raises(TooFewRows, match="6 labelled dates or more, were 5"):
        next(iter(CombinatorialPurged(6, 2).split(labels(5, 1, "AB"))))


@pytest.mark.parametrize("numbers", [(6, 0, 0), (6, 6, 0), (1, 1, 0), (6, 2, -1)])
def test_impossible_groups_are_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(TrainingError, match="fewer test groups than groups"):
        CombinatorialPurged(*numbers)
