"""Splitters as scikit-learn calls them, and the table of their folds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from signals.errors import MisalignedTarget, TooFewRows
from signals.ml.dataset import Labels
from signals.ml.splits import CombinatorialPurged, Splitter, TimeOrderedFolds, WalkForward, fold_text

DAYS = pd.date_range("2019-01-01 21:00", periods=300, freq="B", tz="UTC", unit="us")
SPLITTERS = [
    WalkForward(4, 2, 2, 5),
    WalkForward(4, 2, 2, 5, expanding=True),
    TimeOrderedFolds(4, 5),
    CombinatorialPurged(5, 2, 5),
]
each = pytest.mark.parametrize("splitter", SPLITTERS, ids=lambda one: type(one).__name__)


@pytest.fixture(scope="module")
def labels() -> Labels:
    index = pd.MultiIndex.from_product([["A", "B"], DAYS], names=["symbol", "date"])
    end = pd.Series(np.tile(DAYS.shift(5), 2), index, dtype=DAYS.dtype)
    return Labels(pd.Series(np.random.default_rng(0).integers(0, 3, len(index)).astype(float), index), end)


@pytest.fixture(scope="module", name="X")
def features(labels: Labels) -> pd.DataFrame:
    noise = np.random.default_rng(1).normal(size=(len(labels.value), 2))
    return pd.DataFrame(noise + labels.value.to_numpy()[:, None], labels.value.index, ["one", "other"])


@each
def test_cross_val_score_is_the_loop_by_hand(splitter: Splitter, labels: Labels, X: pd.DataFrame) -> None:
    y, model = labels.value, LogisticRegression(C=0.1)
    by_hand = []
    for train, test, _ in splitter.split(labels):
        fitted = model.fit(X.iloc[train], y.iloc[train])
        by_hand.append(accuracy_score(y.iloc[test], fitted.predict(X.iloc[test])))
    assert len(by_hand) > 2
    assert cross_val_score(model, X, y, cv=splitter.as_cv(labels)).tolist() == by_hand


@each
def test_grid_search_takes_it(splitter: Splitter, labels: Labels, X: pd.DataFrame) -> None:
    cv = splitter.as_cv(labels)
    search = clone(GridSearchCV(LogisticRegression(), {"C": [1e-3, 1.0]}, cv=cv)).fit(X, labels.value)
    assert search.n_splits_ == cv.get_n_splits(X, labels.value) == len(list(splitter.split(labels)))
    assert search.best_score_ > 0.4


def test_arrays_and_plain_row_numbers_are_taken_as_they_come(labels: Labels, X: pd.DataFrame) -> None:
    cv = SPLITTERS[0].as_cv(labels)
    wanted = [train.tolist() for train, _ in cv.split()]
    for given in (X.to_numpy(), X.to_numpy().tolist(), X.reset_index(drop=True)):
        assert [train.tolist() for train, _ in cv.split(given)] == wanted


def test_rows_in_another_order_are_refused(labels: Labels, X: pd.DataFrame) -> None:
    with pytest.raises(MisalignedTarget, match="order of the labels"):
        cross_val_score(LogisticRegression(), X.iloc[::-1], labels.value, cv=SPLITTERS[0].as_cv(labels))


def test_another_number_of_rows_is_refused(labels: Labels, X: pd.DataFrame) -> None:
    with pytest.raises(MisalignedTarget, match="600 rows of the labels, were 599"):
        next(SPLITTERS[0].as_cv(labels).split(X.iloc[1:]))


def test_no_fold_is_refused(labels: Labels, X: pd.DataFrame) -> None:
    with pytest.raises(TooFewRows, match="expected a fold or more, was none"):
        cross_val_score(LogisticRegression(), X, labels.value, cv=WalkForward(24, 6, 3).as_cv(labels))


def test_a_fold_with_nothing_to_train_on_is_refused(labels: Labels) -> None:
    with pytest.raises(TooFewRows, match=r"fold 0 of TimeOrderedFolds\(folds=4, embargo=60\).*were 0 and 120"):
        list(TimeOrderedFolds(4, 60).as_cv(labels).split())


def test_names_its_splitter_and_not_its_rows(labels: Labels) -> None:
    assert repr(TimeOrderedFolds(4, 5).as_cv(labels)) == "TimeOrderedFolds(folds=4, embargo=5).as_cv(600 labels)"


@each
def test_audit_is_one_row_a_fold(splitter: Splitter, labels: Labels) -> None:
    table, splits = splitter.audit(labels), list(splitter.split(labels))
    assert len(table) == len(splits)
    dates = labels.value.index.get_level_values("date")
    for (_, row), split in zip(table.iterrows(), splits, strict=True):
        assert {name: row[name] for name in split.audit.to_json()} == split.audit.to_json()
        assert (row["train_start"], row["train_end"]) == (dates[split.train].min(), dates[split.train].max())
        assert (row["test_start"], row["test_end"]) == (dates[split.test].min(), dates[split.test].max())
    assert (table["overlaps"] == 0).all()
    assert (table["purged"] > 0).all()


def test_audit_counts_the_blocks_of_a_test(labels: Labels) -> None:
    assert CombinatorialPurged(4, 2).audit(labels)["test_blocks"].tolist() == [1, 2, 2, 1, 2, 1]
    assert set(WalkForward(4, 2, 2).audit(labels)["test_blocks"]) == {1}


def test_audit_of_nothing_trained_on_says_so(labels: Labels) -> None:
    table = TimeOrderedFolds(4, 60).audit(labels)
    assert table["train_rows"].tolist() == [0, 120, 240, 360]
    assert table["train_start"].isna().tolist() == [True, False, False, False]
    assert "none" in fold_text(table).splitlines()[1]


def test_text_is_one_line_a_fold(labels: Labels) -> None:
    head, first, *_ = lines = fold_text(WalkForward(4, 2, 2, 5).audit(labels)).splitlines()
    assert " ".join(head.split()) == "train rows dates test blocks rows dates purged embargoed overlaps"
    assert " ".join(first.split()) == "0 2019-01-01 to 2019-04-23 162 81 2019-05-01 to 2019-06-28 1 86 43 10 0 0"
    assert len(lines) == 1 + len(list(WalkForward(4, 2, 2, 5).split(labels)))
    assert max(map(len, lines)) <= 120


def test_text_of_no_fold(labels: Labels) -> None:
    assert fold_text(WalkForward(24, 6, 3).audit(labels)) == "no fold"
