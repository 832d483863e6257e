from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from structlog.testing import capture_logs

from signals.data.records import I8, ActionKind, Adjusted, CorporateAction, to_micros
from signals.features.share_basis import ShareBasis, say_once

START = datetime(2024, 1, 1, tzinfo=UTC)


def at(*days: float) -> I8:
    return np.array([to_micros(START + timedelta(days=day)) for day in days], np.int64)


def split(effective: float, known: float, ratio: float, kind: ActionKind = ActionKind.SPLIT) -> CorporateAction:
    return CorporateAction(
        "A", START + timedelta(days=known), kind, effective=START + timedelta(days=effective), ratio=ratio
    )


def test_as_traded_counts_splits_since_the_report() -> None:
    basis = ShareBasis.of([split(10, 5, 2.0), split(20, 15, 3.0)], Adjusted.NONE)
    assert basis.factor(at(1), at(9, 10, 19, 20)).tolist() == [1.0, 2.0, 2.0, 6.0]
    assert basis.factor(at(10), at(10, 20)).tolist() == [1.0, 3.0]


def test_as_traded_waits_until_a_split_is_known() -> None:
    basis = ShareBasis.of([split(10, 12, 2.0)], Adjusted.NONE)
    assert basis.factor(at(1), at(11, 12)).tolist() == [1.0, 2.0]


def test_hindsight_prices_carry_all_later_splits() -> None:
    basis = ShareBasis.of([split(10, 5, 2.0), split(20, 15, 3.0)], Adjusted.SPLIT)
    assert basis.factor(at(1, 10, 20), at(2)).tolist() == [6.0, 3.0, 1.0]


def test_hindsight_prices_without_splits_have_no_basis() -> None:
    basis = ShareBasis.of([split(10, 5, 1.0, ActionKind.DIVIDEND)], Adjusted.SPLIT)
    assert not basis.known
    assert np.isnan(basis.factor(at(1), at(2))).all()


def test_a_split_of_one_says_that_there_was_none() -> None:
    basis = ShareBasis.of([split(0, 0, 1.0)], Adjusted.SPLIT)
    assert basis.known
    assert basis.factor(at(-5), at(2)).tolist() == [1.0]


def test_as_traded_without_actions_is_on_one_basis() -> None:
    assert ShareBasis.of([], Adjusted.NONE).factor(at(1), at(2, 3)).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", [ActionKind.SPIN_OFF, ActionKind.DIVIDEND, ActionKind.SYMBOL_CHANGE])
def test_other_actions_leave_share_counts(kind: ActionKind) -> None:
    assert ShareBasis.of([split(10, 5, 2.0, kind)], Adjusted.NONE).factor(at(1), at(20)).tolist() == [1.0]


def test_a_corrected_ratio_replaces_the_first() -> None:
    basis = ShareBasis.of([split(10, 15, 4.0), split(10, 5, 2.0)], Adjusted.NONE)
    assert basis.factor(at(1), at(14, 15)).tolist() == [2.0, 4.0]


def test_reason_is_logged_once_a_group() -> None:
    say_once.cache_clear()
    with capture_logs() as logs:
        say_once("fundamental")
        say_once("fundamental")
        say_once("alternative")
    assert [entry["group"] for entry in logs] == ["fundamental", "alternative"]
    assert "adjusted='none'" in logs[0]["remedy"]
