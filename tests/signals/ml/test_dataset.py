from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from signals.errors import FeatureError, MisalignedTarget, TrainingError
from signals.ml.dataset import (
    NOT_KNOWN,
    Dataset,
    Labels,
    class_values,
    class_weights,
    make_dataset,
    micros,
    panel_index,
)

DATES = pd.date_range("2020-01-01", periods=4, tz="UTC", unit="us")
INDEX = pd.MultiIndex.from_product([["B", "A"], DATES], names=["symbol", "date"])


def labels(index: pd.MultiIndex = INDEX) -> Labels:
    value = pd.Series(np.arange(len(index)) % 3, index, dtype=float)
    value.iloc[3] = np.nan
    return Labels(value, pd.Series(index.get_level_values("date"), index) + pd.Timedelta(days=1))


def dataset() -> Dataset:
    return make_dataset(pd.DataFrame({"f": np.arange(8.0)}, INDEX), labels())


def test_rows_are_sorted_by_date_then_symbol() -> None:
    data = dataset()
    assert list(data.X.index) == sorted(data.X.index, key=lambda key: (key[1], key[0]))
    assert data.X.index.names == ["symbol", "date"]


def test_rows_without_label_are_dropped() -> None:
    data = dataset()
    assert len(data) == 7
    assert ("B", DATES[3]) not in data.X.index


def test_values_stay_with_their_rows() -> None:
    data = dataset()
    frame = pd.DataFrame({"f": np.arange(8.0), "y": labels().value, "end": micros(labels().end)}, INDEX)
    for position, key in enumerate(data.X.index):
        assert (data.x[position, 0], data.y[position], data.label_end[position]) == tuple(frame.loc[key])
    assert data.x.dtype == np.float32
    assert data.x.flags.c_contiguous


def test_timestamps_are_microseconds() -> None:
    assert dataset().timestamps[0] == 1_577_836_800_000_000


def test_groups_count_timestamps() -> None:
    assert dataset().groups.tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_each_date_weighs_one() -> None:
    data = dataset()
    assert np.bincount(data.groups, data.date_weight).tolist() == [1.0, 1.0, 1.0, 1.0]


def test_take_keeps_rows_and_changes_the_fingerprint() -> None:
    data = dataset()
    part = data.take(np.array([1, 4]))
    assert part.X.equals(data.X.iloc[[1, 4]])
    assert part.y.tolist() == data.y[[1, 4]].tolist()
    assert part.fingerprint != data.fingerprint
    assert part.fingerprint == dataset().take(np.array([1, 4])).fingerprint


def test_take_refuses_shuffled_positions() -> None:
    with pytest.raises(TrainingError, match="rising"):
        dataset().take(np.array([4, 1]))


def test_empty_take() -> None:
    part = dataset().take(np.empty(0, np.int64))
    assert len(part) == len(part.groups) == len(part.date_weight) == 0


def test_fingerprint_follows_content_and_not_row_order() -> None:
    frame = pd.DataFrame({"f": np.arange(8.0)}, INDEX)
    given = labels()
    backwards = make_dataset(frame[::-1], Labels(given.value[::-1], given.end[::-1]))
    assert backwards.fingerprint == dataset().fingerprint
    frame.iloc[5, 0] = 99.0
    assert make_dataset(frame, given).fingerprint != dataset().fingerprint


def test_dates_of_another_unit_are_the_same_dates() -> None:
    given = labels(pd.MultiIndex.from_product([["B", "A"], DATES.as_unit("ns")], names=["symbol", "date"]))
    data = make_dataset(pd.DataFrame({"f": np.arange(8.0)}, INDEX), given)
    assert data.fingerprint == dataset().fingerprint
    assert data.X.index.equals(data.labels.value.index)


def test_other_index_is_refused() -> None:
    with pytest.raises(MisalignedTarget, match="one index"):
        make_dataset(pd.DataFrame({"f": np.arange(7.0)}, INDEX[:7]), labels())


def test_other_weight_index_is_refused() -> None:
    with pytest.raises(MisalignedTarget, match="weights"):
        make_dataset(pd.DataFrame({"f": np.arange(8.0)}, INDEX), labels(), pd.Series(1.0, INDEX[:4]))


def test_labels_on_two_indexes_are_refused() -> None:
    with pytest.raises(MisalignedTarget, match="value and end"):
        Labels(labels().value, labels().end.iloc[:3])


def test_an_endless_label_is_refused() -> None:
    wrong = Labels(labels().value.replace(2.0, np.inf), labels().end)
    with pytest.raises(TrainingError, match="inf"):
        make_dataset(pd.DataFrame({"f": np.arange(8.0)}, INDEX), wrong)


def test_naive_dates_are_read_as_utc() -> None:
    index = panel_index(pd.date_range("2020-01-01", periods=2))
    assert index.get_level_values("date")[0] == pd.Timestamp("2020-01-01", tz="UTC")
    assert set(index.get_level_values("symbol")) == {""}


def test_other_zones_keep_the_instant() -> None:
    index = panel_index(pd.DatetimeIndex(["2020-01-01 16:00"], tz="America/New_York"))
    assert index[0][1] == pd.Timestamp("2020-01-01 21:00", tz="UTC")


def test_levels_are_put_in_order() -> None:
    swapped = INDEX.swaplevel()
    assert panel_index(swapped).equals(INDEX)


def test_repeated_row_is_refused() -> None:
    with pytest.raises(TrainingError, match="second one of 'A'"):
        panel_index(INDEX.append(INDEX[-1:]))


@pytest.mark.parametrize(("symbols", "dates"), [(["B", None], [0, 1]), (["B", "A"], [0, -1])])
def test_row_without_symbol_or_date_is_refused(symbols: list[str | None], dates: list[int]) -> None:
    times = pd.DatetimeIndex([DATES[at] if at >= 0 else pd.NaT for at in dates])
    with pytest.raises(TrainingError, match="none on 1, the first at position 1"):
        panel_index(pd.MultiIndex.from_arrays([symbols, times], names=["symbol", "date"]))


def test_text_among_the_features_is_named() -> None:
    frame = pd.DataFrame({"f": np.arange(8.0), "g": ["1,000.5"] * 8}, INDEX)
    with pytest.raises(FeatureError, match="feature 'g': expected numbers"):
        make_dataset(frame, labels())


def test_feature_that_comes_twice_is_named() -> None:
    with pytest.raises(FeatureError, match="'f' twice"):
        make_dataset(pd.DataFrame(np.zeros((8, 2)), INDEX, columns=["f", "f"]), labels())


def test_names_of_classes_are_no_classes() -> None:
    with pytest.raises(TrainingError, match="see prepare_target"):
        class_values(pd.Series(["UP", "DOWN"]))


def test_index_without_dates_is_refused() -> None:
    with pytest.raises(TrainingError, match="RangeIndex"):
        panel_index(pd.RangeIndex(3))
    with pytest.raises(TrainingError, match="to_datetime"):
        panel_index(pd.MultiIndex.from_product([["A"], [1, 2]], names=["symbol", "date"]))


def test_missing_end_is_not_known() -> None:
    assert micros(pd.Series([pd.NaT, DATES[0]]))[0] == NOT_KNOWN


@pytest.mark.parametrize("y", [[0, 0, 0, 2], [0, 1, 2, 2, 2], [1, 1]])
def test_balanced_weights_make_classes_alike(y: list[float]) -> None:
    weight = class_weights(np.array(y, float), "balanced")
    sums = Counter[float]()
    for value, one in zip(y, weight, strict=True):
        sums[value] += one
    assert weight.sum() == pytest.approx(len(y))
    assert set(np.round(list(sums.values()), 12)) == {round(len(y) / len(set(y)), 12)}


def test_no_class_weights() -> None:
    assert class_weights(np.array([0.0, 2.0]), "none").tolist() == [1.0, 1.0]
