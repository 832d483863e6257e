"""Every splitter against an oracle that compares each training row with each test row."""

from __future__ import annotations

import calendar
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.records import I8
from signals.errors import TrainingError
from signals.ml.dataset import Labels
from signals.ml.purging import B1, overlaps
from signals.ml.splits import CombinatorialPurged, Split, Splitter, TimeOrderedFolds, WalkForward


def panel(symbols: int, dates: int, longest: int, holes: float, seed: int) -> Labels:
    """Rows of several symbols in no order, with holes, each row with a horizon of its own, some without a label."""
    rng = np.random.default_rng(seed)
    days = pd.date_range("2020-01-02 21:00", periods=dates, freq="3D", tz="UTC", unit="us")
    index = pd.MultiIndex.from_product([[f"S{one}" for one in range(symbols)], days], names=["symbol", "date"])
    index = index[rng.permutation(np.flatnonzero(rng.random(len(index)) >= holes))]
    # Not only on the dates' own grid: a barrier may be touched within a session.
    late = rng.integers(0, longest + 1, len(index)) * 3 * 24 * 60 + rng.choice([0, 0, 17], len(index))
    end = index.get_level_values("date") + pd.to_timedelta(late, unit="m")
    value = pd.Series(np.where(rng.random(len(index)) < 0.1, np.nan, rng.integers(0, 3, len(index))), index)
    return Labels(value, pd.Series(end, index).where(value.notna()))


panels = st.builds(
    panel, st.integers(1, 4), st.integers(60, 90), st.integers(0, 25), st.sampled_from([0.0, 0.3]), st.integers(0, 999)
)
walks = st.builds(
    WalkForward, st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 6), st.booleans()
)
folds = st.builds(TimeOrderedFolds, st.integers(1, 5), st.integers(0, 6))
combined = st.integers(2, 6).flatmap(
    lambda groups: st.builds(CombinatorialPurged, st.just(groups), st.integers(1, groups - 1), st.integers(0, 6))
)
splitters: st.SearchStrategy[Splitter] = st.one_of(walks, folds, combined)


def candidates(splitter: Splitter, rows: pd.DataFrame, fold: int, test: pd.DataFrame) -> B1:
    """Say which rows would be trained on if neither purge nor embargo were."""
    labelled = np.asarray(rows["end"].notna())
    if isinstance(splitter, CombinatorialPurged):
        return np.asarray(labelled & ~rows.index.isin(test.index))
    start = rows["t"].min()
    if isinstance(splitter, WalkForward) and not splitter.expanding:
        start = months_on(start, fold * splitter.step_months)
    return np.asarray(labelled & rows["t"].between(start, test["t"].min(), inclusive="left"))


def embargoed(splitter: Splitter, rows: pd.DataFrame, fold: int, test: pd.DataFrame, group: I8) -> set[pd.Timestamp]:
    """Return the dates of the embargo: before the test, or behind each test block's last label."""
    dates = sorted(set(rows["t"]))
    if isinstance(splitter, CombinatorialPurged):
        reach = [test["end"][group[test.index] == one].max() for one in set(group[test.index])]
        return {day for end in reach for day in [late for late in dates if late > end][: splitter.embargo]}
    begins = test["t"].min()
    if isinstance(splitter, WalkForward):
        begins = months_on(dates[0], splitter.train_months + fold * splitter.step_months)
    before = [day for day in dates if day < begins]
    assert isinstance(splitter, WalkForward | TimeOrderedFolds)
    length = splitter.embargo_sessions if isinstance(splitter, WalkForward) else splitter.embargo
    return set(before[max(0, len(before) - length) :])


def months_on(start: pd.Timestamp, months: int) -> pd.Timestamp:
    """Return the day `months` calendar months after the day of `start`, the month's last if it has no such day."""
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return pd.Timestamp(year, month + 1, day, tz="UTC")


def table(labels: Labels) -> pd.DataFrame:
    return labels.end.rename("end").rename_axis(index={"date": "t"}).reset_index()


def meeting(rows: pd.DataFrame, test: pd.DataFrame) -> B1:
    """Say of each row whether its interval [t, label known] meets that of any test row: all pairs."""
    start, end = (rows[name].to_numpy()[:, None] for name in ("t", "end"))
    first, last = (test[name].to_numpy()[None, :] for name in ("t", "end"))
    return np.asarray(((start <= last) & (first <= end)).any(axis=1))


def with_tests(splitter: Splitter, labels: Labels) -> Iterator[tuple[int, Split]]:
    return ((fold, split) for fold, split in enumerate(splitter.split(labels)) if len(split.test))


@settings(max_examples=150)
@given(splitters, panels)
def test_trained_is_whatever_meets_no_test(splitter: Splitter, labels: Labels) -> None:
    rows = table(labels)
    for fold, split in with_tests(splitter, labels):
        test = rows.loc[split.test]
        could, met = candidates(splitter, rows, fold, test), meeting(rows, test)
        group = splitter.group_of(labels) if isinstance(splitter, CombinatorialPurged) else np.empty(0, np.int64)
        kept = rows["t"].isin(list(embargoed(splitter, rows, fold, test, group))).to_numpy()
        assert split.train.tolist() == rows.index[could & ~met & ~kept].tolist()
        assert split.audit.purged == (could & met).sum()
        assert split.audit.embargoed == (could & ~met & kept).sum()
        assert split.audit.overlaps == meeting(rows.loc[split.train], test).sum() == 0


@settings(max_examples=60)
@given(splitters, panels)
def test_tests_are_whole_timestamps(splitter: Splitter, labels: Labels) -> None:
    rows = table(labels)
    for _, split in with_tests(splitter, labels):
        of_dates = rows["end"].notna() & rows["t"].isin(rows.loc[split.test, "t"])
        assert split.test.tolist() == rows.index[of_dates].tolist()
        assert not set(rows.loc[split.train, "t"]) & set(rows.loc[split.test, "t"])


@settings(max_examples=40)
@given(splitters, panels, st.integers(0, 999))
def test_order_of_rows_and_names_of_symbols_do_not_matter(splitter: Splitter, labels: Labels, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(labels.value))
    other = labels.take(order)
    index = pd.MultiIndex.from_tuples(
        [(f"Z{9 - int(name[1:])}", date) for name, date in other.value.index], names=["symbol", "date"]
    )
    other = Labels(other.value.set_axis(index), other.end.set_axis(index))
    pairs = zip(splitter.split(labels), splitter.split(other), strict=True)
    for split, again in pairs:
        assert split.train.tolist() == sorted(order[again.train].tolist())
        assert split.test.tolist() == sorted(order[again.test].tolist())
        assert split.audit == again.audit


@settings(max_examples=60)
@given(panels, st.integers(0, 999))
def test_overlaps_are_those_of_all_pairs(labels: Labels, seed: int) -> None:
    rng = np.random.default_rng(seed)
    part = np.where(labels.value.notna(), rng.choice(3, len(labels.value), p=[0.6, 0.3, 0.1]), 2)
    rows, train, test = table(labels), part == 0, part == 1
    assert overlaps(labels.timestamps, labels.known, train, test) == meeting(rows[train], rows[test]).sum()


def test_each_row_reaches_as_far_as_its_own_label() -> None:
    days = pd.date_range("2020-01-01 21:00", periods=12, tz="UTC", unit="us")
    index = pd.MultiIndex.from_product([["A"], days], names=["symbol", "date"])
    later = [0, 1, 6, 0, 5, 0, 0, 0, 9, 0, 0, 0]  # days until each label is known
    labels = Labels(pd.Series(1.0, index), pd.Series(days + pd.to_timedelta(later, unit="D"), index))
    first, second, third = CombinatorialPurged(3, 1).split(labels)
    assert first.train.tolist() == [9, 10, 11]  # row 2 reaches to row 8
    assert second.train.tolist() == [0, 1, 3, 10, 11]  # row 2 reaches over row 4, row 4 to row 9
    assert third.train.tolist() == [0, 1, 3, 5, 6, 7]


def labels_of(index: pd.Index, end: pd.DatetimeIndex) -> Labels:
    return Labels(pd.Series(1.0, index), pd.Series(end, index))


DAYS = pd.date_range("2020-01-01 21:00", periods=40, tz="UTC", unit="us")


@pytest.mark.parametrize("splitter", [WalkForward(1, 1, 1), TimeOrderedFolds(), CombinatorialPurged()])
class TestRefused:
    def test_an_index_without_dates(self, splitter: Splitter) -> None:
        with pytest.raises(TrainingError, match='level "date"'):
            list(splitter.split(labels_of(pd.RangeIndex(40), DAYS)))

    def test_a_row_without_a_date(self, splitter: Splitter) -> None:
        index = DAYS.where(np.arange(40) != 7).rename("date")
        with pytest.raises(TrainingError, match="none on 1, the first at position 7"):
            list(splitter.split(labels_of(index, DAYS)))

    def test_a_label_known_before_its_bar(self, splitter: Splitter) -> None:
        with pytest.raises(TrainingError, match="position 3, 2 such rows"):
            list(splitter.split(labels_of(DAYS.rename("date"), DAYS.where(~np.isin(np.arange(40), [3, 9]), DAYS[0]))))
