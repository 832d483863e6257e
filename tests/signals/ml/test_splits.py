from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.errors import TooFewRows, TrainingError
from signals.ml.dataset import Labels
from signals.ml.purging import overlaps
from signals.ml.splits import Split, Splitter, TimeOrderedFolds, WalkForward

DAYS = pd.date_range("2019-01-31 21:00", "2022-01-31 21:00", freq="B", tz="UTC", unit="us")


def labels(
    symbols: str = "AB", dates: pd.DatetimeIndex = DAYS, horizons: tuple[int, ...] = (5,), seed: int = 0
) -> Labels:
    """Labels with horizons drawn for each row; those that end after the last date have none."""
    index = pd.MultiIndex.from_product([list(symbols), dates], names=["symbol", "date"])
    rng = np.random.default_rng(seed)
    later = np.tile(np.arange(len(dates)), len(symbols)) + rng.choice(horizons, len(index))
    inside = later < len(dates)
    end = pd.Series(dates[np.minimum(later, len(dates) - 1)], index).where(inside)
    return Labels(pd.Series(rng.integers(0, 3, len(index)).astype(float), index).where(inside), end)


def meets(given: Labels, split: Split) -> bool:
    """Say by a naive loop whether any training interval meets any test interval."""
    time, known = given.timestamps, given.known
    tests = sorted({(int(time[at]), int(known[at])) for at in split.test})
    return any(
        time[row] <= end and known[row] >= start
        for row in {(int(time[at]), int(known[at])): at for at in split.train}.values()
        for start, end in tests
    )


splitters = st.one_of(
    st.builds(WalkForward, st.integers(1, 8), st.integers(1, 4), st.integers(1, 4), st.integers(0, 9), st.booleans()),
    st.builds(TimeOrderedFolds, st.integers(2, 5), st.integers(0, 9)),
)


@settings(max_examples=40)
@given(splitters, st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(0, 5), st.integers(1, 3))
def test_no_training_label_meets_a_test(splitter: Splitter, horizons: list[int], seed: int, stride: int) -> None:
    made = labels("ABC", DAYS[:260:stride], tuple(horizons), seed)
    for split in splitter.split(made):
        assert len(split.test) == split.audit.test_rows
        assert not meets(made, split)
        assert split.audit.overlaps == 0
        assert not set(made.timestamps[split.train]) & set(made.timestamps[split.test])
        assert not np.isnan(made.value.to_numpy()[np.concatenate([split.train, split.test])]).any()


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), st.integers(400, 780), st.booleans())
def test_appended_future_changes_no_complete_window(
    train: int, test: int, step: int, cut: int, expanding: bool
) -> None:
    splitter = WalkForward(train, test, step, 3, expanding)
    short, full = labels("A", DAYS[:cut]), labels("A", DAYS)
    last = short.timestamps[short.value.notna()].max()
    for before, after in zip(splitter.split(short), splitter.split(full), strict=False):
        assert len(before.test) > 0
        assert short.timestamps[before.train].tolist() == full.timestamps[after.train].tolist()
        unchanged = full.timestamps[after.test] <= last
        assert short.timestamps[before.test].tolist() == full.timestamps[after.test][unchanged].tolist()


@settings(max_examples=30)
@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), st.integers(0, 9))
def test_expanding_contains_rolling(train: int, test: int, step: int, embargo: int) -> None:
    made = labels("AB", horizons=(2, 9))
    rolling, expanding = (list(WalkForward(train, test, step, embargo, grows).split(made)) for grows in (False, True))
    assert len(rolling) == len(expanding) > 1
    for fixed, grown in zip(rolling, expanding, strict=True):
        assert fixed.test.tolist() == grown.test.tolist()
        assert set(fixed.train) <= set(grown.train)
    assert rolling[0].train.tolist() == expanding[0].train.tolist()


def test_expanding_windows_all_begin_with_the_first_timestamp() -> None:
    made = labels("AB")
    for split in WalkForward(12, 6, 6, expanding=True).split(made):
        assert made.timestamps[split.train].min() == made.timestamps.min()


def test_windows_are_calendar_months_from_the_first_day() -> None:
    made = labels("A")
    splits = list(WalkForward(24, 6, 3).split(made))
    starts = [pd.Timestamp(made.timestamps[split.test][0], unit="us", tz="UTC").date() for split in splits]
    assert [str(day) for day in starts] == ["2021-02-01", "2021-04-30", "2021-08-02"][: len(starts)]
    assert len(splits) == 3
    assert made.timestamps[splits[1].train][0] == made.timestamps[made.timestamps >= 1_556_582_400_000_000][0]


def test_only_complete_windows() -> None:
    assert len(list(WalkForward(24, 12, 3).split(labels("A")))) == 1
    assert len(list(WalkForward(24, 13, 3).split(labels("A")))) == 0
    assert list(WalkForward().split(labels("A", DAYS[:4]))) == []


@pytest.mark.parametrize(("last", "windows"), [("2019-06-27", 1), ("2019-06-26", 0)])
def test_a_window_may_lack_a_long_weekend(last: str, windows: int) -> None:
    dates = pd.date_range("2019-01-01 12:00", f"{last} 12:00", tz="UTC", unit="us")
    index = pd.MultiIndex.from_product([["A"], dates], names=["symbol", "date"])
    made = Labels(pd.Series(1.0, index), pd.Series(dates, index))
    assert len(list(WalkForward(3, 3, 3).split(made))) == windows


def test_whole_timestamps_over_all_symbols() -> None:
    made = labels("ABC")
    for split in WalkForward(12, 6, 6).split(made):
        assert (np.unique(made.timestamps[split.train], return_counts=True)[1] == 3).all()
        assert (np.unique(made.timestamps[split.test], return_counts=True)[1] == 3).all()


def test_purge_takes_exactly_the_horizon() -> None:
    made = labels("AB", horizons=(5,))
    split = next(iter(WalkForward(12, 6, 6).split(made)))
    days = np.unique(made.timestamps)
    gap = np.searchsorted(days, made.timestamps[split.test].min()) - np.searchsorted(
        days, made.timestamps[split.train].max()
    )
    assert gap == 6
    assert (split.audit.purged, split.audit.embargoed) == (10, 0)


def test_embargo_keeps_further_dates_free() -> None:
    made = labels("AB", horizons=(5,))
    plain, free = (next(iter(WalkForward(12, 6, 6, embargo).split(made))) for embargo in (0, 8))
    assert free.audit.embargoed == 6
    assert len(plain.train) - len(free.train) == 6
    assert (free.test == plain.test).all()


def test_audit_counts_rows_and_dates() -> None:
    made = labels("AB")
    split = next(iter(TimeOrderedFolds(4).split(made)))
    assert split.audit.to_json() == {
        "train_rows": len(split.train),
        "train_dates": len(split.train) // 2,
        "test_rows": len(split.test),
        "test_dates": len(split.test) // 2,
        "purged": 10,
        "embargoed": 0,
        "overlaps": 0,
    }


def test_overlaps_are_counted_apart_from_the_purge() -> None:
    made = labels("AB", horizons=(3,))
    time, known = made.timestamps, made.known
    days = np.unique(time)
    train, test = time < days[10], (time >= days[10]) & (time < days[20])
    assert overlaps(time, known, train, test) == 6


def test_folds_are_contiguous_blocks_of_dates() -> None:
    made = labels("AB")
    dates = np.unique(made.timestamps[made.value.notna()])
    blocks = [np.unique(made.timestamps[split.test]) for split in TimeOrderedFolds(4).split(made)]
    assert np.concatenate(blocks).tolist() == dates[len(dates) - sum(map(len, blocks)) :].tolist()
    assert {len(block) for block in blocks} == {len(dates) // 5, -(-len(dates) // 5)} or len({*map(len, blocks)}) == 1


def test_folds_train_on_earlier_dates_only() -> None:
    made = labels("AB")
    sizes = []
    for split in TimeOrderedFolds(4).split(made):
        assert made.known[split.train].max() < made.timestamps[split.test].min()
        sizes.append(len(split.train))
    assert sizes == sorted(sizes)
    assert sizes[0] > 0


def test_too_few_dates_for_the_folds() -> None:
    with pytest.raises(TooFewRows, match="5 labelled dates"):
        next(iter(TimeOrderedFolds(4).split(labels("A", DAYS[:9]))))


def test_rows_without_label_are_in_no_split() -> None:
    made = labels("A", DAYS[:100], horizons=(40,))
    assert all(max(split.train.max(initial=0), split.test.max()) < 60 for split in TimeOrderedFolds(3).split(made))


def test_no_label_at_all_gives_no_window() -> None:
    made = labels("A", DAYS[:30], horizons=(40,))
    assert list(WalkForward(1, 1, 1).split(made)) == []


@pytest.mark.parametrize("numbers", [(0, 0), (2, -1)])
def test_impossible_folds_are_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(TrainingError, match="1 fold or more"):
        TimeOrderedFolds(*numbers)


@pytest.mark.parametrize("months", [(0, 1, 1, 0), (1, 0, 1, 0), (1, 1, 0, 0), (1, 1, 1, -1)])
def test_impossible_windows_are_refused(months: tuple[int, int, int, int]) -> None:
    with pytest.raises(TrainingError, match="1 or more"):
        WalkForward(*months)
