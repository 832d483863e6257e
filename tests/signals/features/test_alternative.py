from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from signals.data.calendar import TradingCalendar
from signals.data.records import (
    F8,
    I8,
    ActionKind,
    Adjusted,
    CorporateAction,
    InsiderTransaction,
    ShortInterest,
    to_micros,
)
from signals.features.alternative import FEATURES, WIDTH, AlternativeFacts, features
from signals.features.point_in_time import F4
from signals.features.share_basis import ShareBasis, say_once

CALENDAR = TradingCalendar("XNYS")
NAMES = [feature.name for feature in FEATURES]
START = datetime(2024, 1, 1, 21, tzinfo=UTC)
MIXED = ("insider_net_shares_90d", "short_interest_ratio", "short_interest_change")


@dataclass(frozen=True)
class FactInputs:
    time: I8
    close: F8
    average_volume: F8
    insider: Sequence[InsiderTransaction]
    short_interest: Sequence[ShortInterest]
    actions: Sequence[CorporateAction]
    adjusted: Adjusted


def compute(given_: FactInputs) -> F4:
    shares = ShareBasis.of(given_.actions, given_.adjusted)
    facts = AlternativeFacts(given_.insider, given_.short_interest, shares, CALENDAR)
    session = CALENDAR.closed_by(given_.time)
    return features(facts.states.at(given_.time), session, given_.close, given_.average_volume)


def on(days: float) -> datetime:
    return START + timedelta(days=days)


def day(number: int) -> date:
    return on(number).date()


def trade(
    known: float, shares: float, value: float | None = None, *, transacted: int | None = None
) -> InsiderTransaction:
    traded = day(int(known) - 2) if transacted is None else day(transacted)
    return InsiderTransaction("A", on(known), traded, shares, shares * 5.0 if value is None else value)


def report(settled: int, shares: float, *, known: float | None = None, cover: float = 2.0) -> ShortInterest:
    return ShortInterest("A", on(settled + 11 if known is None else known), day(settled), shares, cover)


def split(effective: float, ratio: float) -> CorporateAction:
    return CorporateAction("A", on(effective - 20), ActionKind.SPLIT, effective=on(effective), ratio=ratio)


def inputs(
    days: tuple[float, ...],
    *,
    insider: tuple[InsiderTransaction, ...] = (),
    short_interest: tuple[ShortInterest, ...] = (),
    actions: tuple[CorporateAction, ...] = (),
    adjusted: Adjusted = Adjusted.NONE,
) -> FactInputs:
    return FactInputs(
        time=np.array([to_micros(on(number)) for number in days], np.int64),
        close=np.full(len(days), 5.0),
        average_volume=np.full(len(days), 100.0),
        insider=insider,
        short_interest=short_interest,
        actions=actions,
        adjusted=adjusted,
    )


def column(rows: F4, name: str) -> list[float]:
    return [float(value) for value in rows[:, NAMES.index(name)]]


def test_every_feature_has_its_column() -> None:
    rows = compute(inputs((1, 2, 3)))
    assert rows.shape == (3, len(FEATURES))
    assert rows.dtype == np.float32


def test_a_missing_source_is_missing() -> None:
    assert np.isnan(compute(inputs((1, 2)))).all()


def test_no_rows() -> None:
    assert compute(inputs((), insider=(trade(1, 5),), short_interest=(report(1, 5),))).shape == (0, len(FEATURES))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("insider_net_buys_90d", 1.0),
        ("insider_net_shares_90d", 0.4),
        ("insider_net_value_90d", 0.4),
        ("insider_buy_ratio_90d", 2 / 3),
    ],
)
def test_insiders(name: str, value: float) -> None:
    rows = compute(inputs((40,), insider=(trade(10, 50), trade(20, -30), trade(30, 20), trade(35, 0))))
    assert column(rows, name) == pytest.approx([value])


def test_insiders_count_from_filing_and_for_ninety_days() -> None:
    rows = compute(inputs((9.99, 10, 99.99, 100), insider=(trade(10, 50),)))
    np.testing.assert_array_equal(column(rows, "insider_net_buys_90d"), [np.nan, 1, 1, 0])


def test_an_empty_window_is_a_true_zero_without_ratio() -> None:
    rows = compute(inputs((200,), insider=(trade(10, 50),)))
    for name in ("insider_net_buys_90d", "insider_net_shares_90d", "insider_net_value_90d"):
        assert column(rows, name) == [0.0]
    assert np.isnan(column(rows, "insider_buy_ratio_90d"))


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_no_volume_gives_no_ratio(volume: float) -> None:
    given_ = inputs((40,), insider=(trade(10, 50),), short_interest=(report(1, 5.0),))
    rows = compute(replace(given_, average_volume=np.array([volume])))
    for name in ("insider_net_shares_90d", "insider_net_value_90d", "short_interest_ratio"):
        assert np.isnan(column(rows, name))


def test_a_window_over_a_split_is_on_one_basis() -> None:
    insider = (trade(10, 50), trade(52, -60, transacted=51))
    rows = compute(inputs((40, 60), insider=insider, actions=(split(50, 2.0),)))
    assert column(rows, "insider_net_shares_90d") == pytest.approx([0.5, 0.4])


def test_insider_shares_are_on_the_basis_of_the_day_they_were_traded() -> None:
    late = trade(52, 50, transacted=49)
    rows = compute(inputs((60,), insider=(late,), actions=(split(50, 2.0),)))
    assert column(rows, "insider_net_shares_90d") == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("short_interest_ratio", 0.5),
        ("short_days_to_cover", 3.0),
        ("short_interest_change", 0.25),
        ("short_sessions_since_publication", 3.0),
    ],
)
def test_short_interest(name: str, value: float) -> None:
    reports = (report(0, 40.0), report(15, 50.0, cover=3.0))
    assert column(compute(inputs((30,), short_interest=reports)), name) == pytest.approx([value])


def test_short_interest_is_known_at_publication() -> None:
    rows = compute(inputs((10.99, 11), short_interest=(report(0, 40.0),)))
    np.testing.assert_allclose(column(rows, "short_interest_ratio"), [np.nan, 0.4], rtol=1e-6)


def test_a_restated_report_before_changes_the_change_only() -> None:
    reports = (report(0, 40.0), report(15, 50.0), report(0, 25.0, known=28))
    rows = compute(inputs((27, 28), short_interest=reports))
    assert column(rows, "short_interest_change") == pytest.approx([0.25, 1.0])
    assert column(rows, "short_interest_ratio") == pytest.approx([0.5, 0.5])


def test_a_gap_in_reports_gives_no_change() -> None:
    rows = compute(inputs((60,), short_interest=(report(0, 40.0), report(30, 50.0))))
    assert np.isnan(column(rows, "short_interest_change"))


def test_short_interest_over_a_split() -> None:
    reports = (report(30, 40.0), report(46, 100.0))
    rows = compute(inputs((44, 45, 60), short_interest=reports, actions=(split(45, 2.0),)))
    assert column(rows, "short_interest_ratio") == pytest.approx([0.4, 0.8, 1.0])
    assert column(rows, "short_interest_change")[2] == pytest.approx(0.25)


def test_hindsight_volumes_without_splits_are_not_mixed_with_shares() -> None:
    say_once.cache_clear()
    with capture_logs() as logs:
        rows = compute(
            inputs(
                (30, 300),
                insider=(trade(10, 50),),
                short_interest=(report(0, 40.0), report(15, 50.0)),
                adjusted=Adjusted.SPLIT,
            )
        )
    assert [entry["group"] for entry in logs] == ["alternative"]
    for place, name in enumerate(NAMES):
        assert np.isnan(rows[0, place]) == (name in MIXED)
    assert np.isnan(column(rows, "insider_net_shares_90d")).all()


def test_hindsight_volumes_with_splits_equal_volumes_as_traded() -> None:
    traded = replace(
        inputs(
            (40, 60),
            insider=(trade(10, 50),),
            short_interest=(report(20, 40.0),),
            actions=(split(50, 2.0),),
        ),
        close=np.array([10.0, 5.0]),
        average_volume=np.array([50.0, 100.0]),
    )
    adjusted = replace(
        traded, close=np.array([5.0, 5.0]), average_volume=np.array([100.0, 100.0]), adjusted=Adjusted.SPLIT
    )
    np.testing.assert_array_equal(compute(adjusted), compute(traded))


INSIDER = st.lists(
    st.builds(
        lambda known, lag, shares: trade(known, shares, transacted=known - lag),
        st.integers(0, 300),
        st.integers(0, 60),
        st.integers(-500, 500).map(float),
    ),
    max_size=25,
).map(tuple)
REPORTS = st.lists(
    st.builds(
        lambda number, shares, lag: report(15 * number, shares, known=15 * number + lag),
        st.integers(0, 18),
        st.integers(0, 500).map(float),
        st.sampled_from([9, 11, 27]),
    ),
    max_size=20,
).map(tuple)
SPLITS = st.lists(st.builds(split, st.integers(10, 300), st.sampled_from([0.1, 2.0, 3.0])), max_size=2).map(tuple)
ROWS = tuple(float(number) for number in range(0, 330, 7))


@given(INSIDER)
def test_insiders_equal_row_by_row_oracle(insider: tuple[InsiderTransaction, ...]) -> None:
    rows = compute(inputs(ROWS, insider=insider))
    for place, row in enumerate(ROWS):
        known = [f for f in insider if f.known_at <= on(row)]
        window = [f for f in known if f.known_at > on(row) - timedelta(days=90)]
        net = sum((f.shares > 0) - (f.shares < 0) for f in window) if known else np.nan
        shares = sum(f.shares for f in window) / 100.0 if known else np.nan
        expected = np.array([net, shares], np.float32)
        np.testing.assert_array_equal(rows[place, :2], expected)


@settings(max_examples=50)
@given(INSIDER, INSIDER, REPORTS, REPORTS, SPLITS, st.sampled_from(ROWS))
def test_the_future_changes_nothing(
    insider: tuple[InsiderTransaction, ...],
    insider_poison: tuple[InsiderTransaction, ...],
    reports: tuple[ShortInterest, ...],
    report_poison: tuple[ShortInterest, ...],
    splits: tuple[CorporateAction, ...],
    end: float,
) -> None:
    later = timedelta(days=end + 1)
    seen_insider = tuple(f for f in insider if f.known_at <= on(end))
    seen_reports = tuple(f for f in reports if f.known_at <= on(end))
    rows = tuple(row for row in ROWS if row <= end)
    clean = inputs(
        rows,
        insider=seen_insider,
        short_interest=seen_reports,
        actions=tuple(f for f in splits if f.known_at <= on(end)),
    )
    poisoned = inputs(
        rows,
        insider=(*(replace(f, known_at=f.known_at + later) for f in insider_poison), *seen_insider),
        short_interest=(*(replace(f, known_at=f.known_at + later) for f in report_poison), *seen_reports),
        actions=splits,
    )
    assert compute(poisoned).tobytes() == compute(clean).tobytes()


@settings(max_examples=50)
@given(INSIDER, REPORTS, SPLITS, st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=5))
def test_any_rows_equal_all_rows(
    insider: tuple[InsiderTransaction, ...],
    reports: tuple[ShortInterest, ...],
    splits: tuple[CorporateAction, ...],
    chosen: list[int],
) -> None:
    whole = compute(inputs(ROWS, insider=insider, short_interest=reports, actions=splits))
    few = tuple(ROWS[place] for place in chosen)
    part = compute(inputs(few, insider=insider, short_interest=reports, actions=splits))
    assert part.tobytes() == whole[chosen].tobytes()


@settings(max_examples=50)
@given(INSIDER, REPORTS, st.sampled_from([0.25, 2.0, 8.0]))
def test_scale_free(insider: tuple[InsiderTransaction, ...], reports: tuple[ShortInterest, ...], scale: float) -> None:
    plain = inputs(ROWS, insider=insider, short_interest=reports)
    rescaled = replace(
        plain,
        close=plain.close * scale,
        average_volume=plain.average_volume / scale,
        insider=tuple(replace(f, shares=f.shares / scale) for f in insider),
        short_interest=tuple(replace(f, shares=f.shares / scale) for f in reports),
    )
    np.testing.assert_array_equal(compute(rescaled), compute(plain))


@given(INSIDER, REPORTS, SPLITS, st.sampled_from(ROWS))
def test_one_row_equals_the_row_of_many(
    insider: tuple[InsiderTransaction, ...],
    reports: tuple[ShortInterest, ...],
    splits: tuple[CorporateAction, ...],
    day: float,
) -> None:
    states = AlternativeFacts(insider, reports, ShareBasis.of(splits, Adjusted.NONE), CALENDAR).states
    many = states.at(np.array([to_micros(on(row)) for row in ROWS]))
    assert many.shape[1] == WIDTH
    assert states.row(to_micros(on(day))).tobytes() == many[ROWS.index(day)].tobytes()


@settings(max_examples=50)
@given(INSIDER, REPORTS, st.integers(10, 300), st.sampled_from([0.5, 2.0, 4.0]))
def test_split_of_bars_and_facts_together(
    insider: tuple[InsiderTransaction, ...], reports: tuple[ShortInterest, ...], day: int, ratio: float
) -> None:
    """What was traded or settled after a split is in new shares, and so are the bars: no feature can tell."""
    plain = inputs(ROWS, insider=insider, short_interest=reports)
    scale = np.where(np.array(ROWS) >= day, ratio, 1.0)
    first = on(day).date()
    halved = replace(
        plain,
        close=plain.close / scale,
        average_volume=plain.average_volume * scale,
        insider=tuple(replace(f, shares=f.shares * ratio) if f.transacted >= first else f for f in insider),
        short_interest=tuple(replace(f, shares=f.shares * ratio) if f.settled >= first else f for f in reports),
        actions=(split(day, ratio),),
    )
    np.testing.assert_array_equal(compute(halved), compute(plain))


def test_days_cut_off_are_missing() -> None:
    cut = (report(0, 50.0, known=10), replace(report(15, 60.0, known=25), days_to_cover=np.nan))
    rows = compute(inputs((20.0, 30.0), short_interest=cut))
    place = [feature.name for feature in FEATURES].index("short_days_to_cover")
    assert np.isnan(rows[:, place]).tolist() == [False, True]
