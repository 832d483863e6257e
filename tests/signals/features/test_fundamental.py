from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from signals.data.calendar import TradingCalendar
from signals.data.records import F8, I8, ActionKind, Adjusted, CorporateAction, Fundamental, SectorMedian, to_micros
from signals.data.sec import read_company_facts
from signals.features.batch import FactFeatures
from signals.features.concepts import DEPRECIATION, NET_INCOME, REVENUE
from signals.features.fundamental import FEATURES, SECTORS, WIDTH, FundamentalFacts, features
from signals.features.point_in_time import DAY, F4
from signals.features.share_basis import ShareBasis, say_once
from signals.features.symbol_facts import SymbolFacts

CALENDAR = TradingCalendar("XNYS")
NAMES = [feature.name for feature in FEATURES]
START = datetime(2020, 1, 1, 21, tzinfo=UTC)
LATER = 800
MONEY = ("pe", "pb", "ps", "ev_ebitda", "dividend_yield")


@dataclass(frozen=True)
class FactInputs:
    time: I8
    close: F8
    sector: Sequence[str | None] | None
    fundamentals: Sequence[Fundamental]
    actions: Sequence[CorporateAction]
    adjusted: Adjusted
    currency: str = "USD"


def compute(given_: FactInputs) -> F4:
    shares = ShareBasis.of(given_.actions, given_.adjusted)
    facts = FundamentalFacts(given_.fundamentals, shares, CALENDAR, currency=given_.currency)
    medians = np.full((len(given_.time), 4), np.nan)
    session = CALENDAR.closed_by(given_.time)
    return features(facts.states.at(given_.time), medians, session, given_.close, given_.sector)


def on(days: float) -> datetime:
    return START + timedelta(days=days)


def fact(concept: str, value: float, *, known: float, end: int, days: int = 0, unit: str = "USD") -> Fundamental:
    last = date(2020, 1, 1) + timedelta(days=end)
    return Fundamental("A", on(known), concept, unit, last - timedelta(days=days - 1) if days else None, last, value)


def year(concept: str, value: float, *, known: float = 30, end: int = 0, unit: str = "USD") -> Fundamental:
    return fact(concept, value, known=known, end=end, days=365, unit=unit)


def sheet(concept: str, value: float, *, known: float = 30, end: int = 0, unit: str = "USD") -> Fundamental:
    return fact(concept, value, known=known, end=end, unit=unit)


COMPANY = (
    year("NetIncomeLoss", 200.0),
    year("NetIncomeLoss", 160.0, known=-335, end=-365),
    year("EarningsPerShareDiluted", 2.0, unit="USD/shares"),
    year("CommonStockDividendsPerShareDeclared", 0.5, unit="USD/shares"),
    year("Revenues", 1000.0),
    year("Revenues", 800.0, known=-335, end=-365),
    year("OperatingIncomeLoss", 250.0),
    year("DepreciationDepletionAndAmortization", 50.0),
    sheet("StockholdersEquity", 500.0),
    sheet("LongTermDebt", 300.0),
    sheet("ShortTermBorrowings", 100.0),
    sheet("CashAndCashEquivalentsAtCarryingValue", 200.0),
    sheet("AssetsCurrent", 450.0),
    sheet("LiabilitiesCurrent", 300.0),
    sheet("CommonStockSharesOutstanding", 100.0, unit="shares"),
)


def inputs(
    facts: tuple[Fundamental, ...] = COMPANY,
    days: tuple[float, ...] = (40.0,),
    close: tuple[float, ...] | F8 = (20.0,),
    *,
    actions: tuple[CorporateAction, ...] = (),
    adjusted: Adjusted = Adjusted.NONE,
) -> FactInputs:
    return FactInputs(
        time=np.array([to_micros(on(day)) for day in days], np.int64),
        close=np.array(close, np.float64),
        sector=None,
        fundamentals=facts,
        actions=actions,
        adjusted=adjusted,
    )


def column(rows: F4, name: str) -> list[float]:
    return [float(value) for value in rows[:, NAMES.index(name)]]


def one(name: str, given_: FactInputs) -> float:
    return column(compute(given_), name)[0]


def without(*concepts: str) -> tuple[Fundamental, ...]:
    return tuple(known for known in COMPANY if known.concept not in concepts)


def split(effective: float, ratio: float) -> CorporateAction:
    return CorporateAction("A", on(effective - 20), ActionKind.SPLIT, effective=on(effective), ratio=ratio)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pe", 10.0),
        ("pb", 4.0),
        ("ps", 2.0),
        ("ev_ebitda", 2200 / 300),
        ("roe", 0.4),
        ("current_ratio", 1.5),
        ("debt_to_equity", 0.8),
        ("revenue_growth", 0.25),
        ("earnings_growth", 0.25),
        ("dividend_yield", 0.025),
        ("sessions_since_filing", 6.0),
    ],
)
def test_ratio(name: str, value: float) -> None:
    assert one(name, inputs()) == pytest.approx(value, rel=1e-6)


def test_every_feature_has_its_column() -> None:
    rows = compute(inputs(days=(1, 2, 3), close=(1, 2, 3)))
    assert rows.shape == (3, len(FEATURES))
    assert rows.dtype == np.float32


def test_no_rows_and_no_facts() -> None:
    assert compute(inputs((), (), ())).shape == (0, len(FEATURES))
    assert np.isnan(compute(inputs(()))).all()


def test_nothing_is_known_before_it_is_filed() -> None:
    assert np.isnan(column(compute(inputs(days=(29.99, 30), close=(20, 20))), "pe")).tolist() == [True, False]


@pytest.mark.parametrize(
    ("concept", "name", "zero"),
    [
        ("EarningsPerShareDiluted", "pe", 0.0),
        ("StockholdersEquity", "pb", 0.0),
        ("StockholdersEquity", "roe", 0.0),
        ("Revenues", "ps", 0.0),
        ("OperatingIncomeLoss", "ev_ebitda", -50.0),
        ("LiabilitiesCurrent", "current_ratio", 0.0),
    ],
)
@pytest.mark.parametrize("below", [0.0, -400.0])
def test_meaningless_denominator(concept: str, name: str, zero: float, below: float) -> None:
    value = zero + below
    facts = tuple(replace(known, value=value) if known.concept == concept else known for known in COMPANY)
    assert np.isnan(one(name, inputs(facts)))


def test_growth_from_a_loss_is_missing() -> None:
    facts = (year("NetIncomeLoss", 5.0, end=365, known=400), year("NetIncomeLoss", -5.0))
    assert np.isnan(one("earnings_growth", inputs(facts, (401,))))


def test_a_quarter_is_no_year() -> None:
    facts = (year("NetIncomeLoss", 5.0), fact("NetIncomeLoss", 2.0, known=100, end=91, days=91), COMPANY[8])
    assert one("roe", inputs(facts, (110,))) == pytest.approx(0.01)


def test_twelve_months_are_year_plus_interim_less_interim_before() -> None:
    facts = (
        *COMPANY,
        fact("NetIncomeLoss", 90.0, known=100, end=91, days=91),
        fact("NetIncomeLoss", 40.0, known=100, end=-274, days=91),
    )
    assert column(compute(inputs(facts, (99, 100), (20, 20))), "roe") == pytest.approx([0.4, 0.5])


@pytest.mark.parametrize("weeks", [12, 16, 24, 28, 36, 40])
def test_twelve_months_of_a_company_without_quarters_of_three_months(weeks: int) -> None:
    days = 7 * weeks
    facts = (
        *COMPANY,
        fact("NetIncomeLoss", 90.0, known=300, end=days, days=days),
        fact("NetIncomeLoss", 40.0, known=300, end=days - 365, days=days),
    )
    assert column(compute(inputs(facts, (299, 300), (20, 20))), "roe") == pytest.approx([0.4, 0.5])


def test_twelve_months_across_a_split_are_on_one_share_basis() -> None:
    unit = "USD/shares"
    facts = (
        year("EarningsPerShareDiluted", 2.0, unit=unit),
        fact("EarningsPerShareDiluted", 0.4, known=100, end=91, days=91, unit=unit),
        fact("EarningsPerShareDiluted", 0.2, known=100, end=-274, days=91, unit=unit),
    )
    given_ = inputs(facts, (40, 60, 110), (20, 10, 10), actions=(split(50, 2.0),))
    assert column(compute(given_), "pe") == pytest.approx([10.0, 10.0, 10 / (1.0 + 0.4 - 0.2)])


def test_restatement_counts_from_when_it_was_known() -> None:
    facts = (*COMPANY, year("NetIncomeLoss", 100.0, known=50))
    rows = compute(inputs(facts, (49, 50), (20, 20)))
    assert column(rows, "roe") == pytest.approx([0.4, 0.2])


def test_earnings_a_share_from_income_where_not_reported() -> None:
    assert one("pe", inputs(without("EarningsPerShareDiluted"))) == pytest.approx(10.0)


def test_earnings_a_share_of_an_older_year_do_not_stand_in() -> None:
    facts = (*COMPANY, year("NetIncomeLoss", 400.0, known=400, end=365))
    assert one("pe", inputs(facts, (401,))) == pytest.approx(5.0)


def test_revenue_under_its_older_name() -> None:
    facts = (year("SalesRevenueNet", 500.0), year("Revenues", 400.0, end=-365, known=-335))
    assert np.isnan(one("revenue_growth", inputs(facts)))  # nothing says that they are one quantity
    compared = year("SalesRevenueNet", 400.0, end=-365)
    assert one("revenue_growth", inputs((*facts, compared))) == pytest.approx(0.25)


def test_first_name_wins_within_a_filing() -> None:
    facts = (*COMPANY, year("SalesRevenueNet", 500.0))
    assert one("ps", inputs(facts)) == pytest.approx(2.0)


def test_cover_page_count_wins_over_the_balance_sheets() -> None:
    cover = sheet("EntityCommonStockSharesOutstanding", 50.0, end=14, unit="shares")
    assert one("ps", inputs((*COMPANY, cover))) == pytest.approx(1.0)


def test_sessions_count_from_the_instant_of_filing() -> None:
    # Filed at the close of Friday the 31st of January 2020, and before that on the 31st of January 2019.
    filed = inputs(days=(29.99, 30, 32.99, 33), close=(20,) * 4)
    assert column(compute(filed), "sessions_since_filing") == [251.0, 0.0, 0.0, 1.0]


def test_another_currency_is_not_mixed_in() -> None:
    facts = (*without("Revenues"), year("Revenues", 5.0, unit="JPY"))
    assert np.isnan(one("ps", inputs(facts)))


def test_quote_currency_is_asked_for() -> None:
    yen = tuple(replace(known, unit=known.unit.replace("USD", "JPY")) for known in COMPANY)
    assert one("pe", replace(inputs(yen), currency="JPY")) == pytest.approx(10.0)


def test_a_figure_that_filings_no_longer_bring_is_missing() -> None:
    newer = [year("NetIncomeLoss", 200.0, end=365 * n, known=365 * n + 30) for n in (1, 2)]
    newer += [sheet("StockholdersEquity", 500.0, end=365 * n, known=365 * n + 30) for n in (1, 2)]
    rows = compute(inputs((*COMPANY, *newer), (400.0, 800.0), (20, 20)))
    assert column(rows, "roe") == pytest.approx([0.4, 0.4])
    for name in ("ps", "dividend_yield", "current_ratio"):
        assert np.isnan(column(rows, name)).tolist() == [False, True]


def test_a_split_does_not_age_figures() -> None:
    rows = compute(inputs(days=(600.0, 800.0), close=(20, 10), actions=(split(700, 2.0),)))
    np.testing.assert_array_equal(rows[0, :10], rows[1, :10])
    assert column(rows, "pe") == [10.0, 10.0]


def test_debt_sums_the_lines_of_the_newest_balance_sheet() -> None:
    facts = (
        *without("LongTermDebt", "ShortTermBorrowings"),
        sheet("LongTermDebtNoncurrent", 150.0),
        sheet("LongTermDebtCurrent", 25.0),
        sheet("CommercialPaper", 75.0, end=-91, known=-60),
    )
    assert one("debt_to_equity", inputs(facts)) == pytest.approx(0.35)


def test_convertible_notes_are_debt_where_a_sheet_has_no_other_line() -> None:
    bare = without("LongTermDebt", "ShortTermBorrowings")
    notes = sheet("ConvertibleDebtNoncurrent", 150.0), sheet("ConvertibleDebtCurrent", 25.0)
    assert one("debt_to_equity", inputs((*bare, *notes))) == pytest.approx(0.35)
    beside = sheet("LongTermDebtNoncurrent", 200.0), sheet("LongTermDebtCurrent", 50.0)
    assert one("debt_to_equity", inputs((*bare, *notes, *beside))) == pytest.approx(0.5)


def test_debt_of_an_older_balance_sheet_is_not_owed_now() -> None:
    facts = (*COMPANY, sheet("StockholdersEquity", 500.0, end=91, known=120))
    rows = compute(inputs(facts, (119.0, 121.0), (20, 20)))
    assert np.isnan(column(rows, "debt_to_equity")).tolist() == [False, True]


def test_parts_of_debt_outweigh_a_total_that_is_less() -> None:
    facts = (
        *without("LongTermDebt", "ShortTermBorrowings"),
        sheet("LongTermDebt", 6.0),
        sheet("LongTermDebtAndCapitalLeaseObligations", 150.0),
        sheet("LongTermDebtAndCapitalLeaseObligationsCurrent", 25.0),
    )
    assert one("debt_to_equity", inputs(facts)) == pytest.approx(0.35)


def test_dividends_that_were_stopped_are_not_paid_on() -> None:
    earned = [year("NetIncomeLoss", 200.0, end=end, known=end + 30) for end in (365, 456)]
    rows = compute(inputs((*COMPANY, *earned), (400.0, 490.0), (20, 20)))
    assert column(rows, "dividend_yield") == pytest.approx([0.025, np.nan], nan_ok=True)


def test_no_line_of_debt_is_not_no_debt() -> None:
    assert np.isnan(one("debt_to_equity", inputs(without("LongTermDebt", "ShortTermBorrowings"))))


def test_two_balance_sheets_make_no_current_ratio() -> None:
    facts = (*COMPANY, sheet("AssetsCurrent", 900.0, end=91, known=120))
    assert np.isnan(one("current_ratio", inputs(facts, (121,))))


def test_two_years_make_no_ebitda() -> None:
    facts = (*COMPANY, year("OperatingIncomeLoss", 900.0, end=365, known=400))
    assert np.isnan(one("ev_ebitda", inputs(facts, (401,))))


def test_price_without_meaning_gives_no_ratio() -> None:
    rows = compute(inputs(days=(40, 41), close=(np.nan, 0.0)))
    assert np.isnan([column(rows, name) for name in MONEY]).all()


def test_sector_median_as_known_then() -> None:
    given_, medians = (
        inputs(days=(40, 45, 45, 45), close=(20, 20, 20, 20)),
        {
            "Energy": (SectorMedian("Energy", on(45), pe=20.0), SectorMedian("Energy", on(10), pe=5.0, pb=8.0)),
            "Utilities": (SectorMedian("Utilities", on(0), pe=2.0),),
        },
    )
    facts = FactFeatures(SymbolFacts(given_.fundamentals, medians, adjusted=Adjusted.NONE), CALENDAR)
    rows = facts.at(given_.time, given_.close, np.full(4, np.nan), ("Energy", "Energy", "Utilities", None))
    np.testing.assert_allclose(column(rows, "pe_rel"), [2.0, 0.5, 5.0, np.nan])
    np.testing.assert_allclose(column(rows, "pb_rel"), [0.5, np.nan, np.nan, np.nan])


def test_sector_columns() -> None:
    given_ = replace(inputs(days=(1, 2, 3), close=(1, 2, 3)), sector=("Health Care", None, "Tech"))
    rows = compute(given_)
    first = NAMES.index("sector_communication_services")
    assert rows[0, first : first + 11].tolist() == [float(name == "Health Care") for name in SECTORS]
    assert np.isnan(rows[1:, first : first + 11]).all()


def test_hindsight_prices_without_splits_are_not_mixed_with_shares() -> None:
    say_once.cache_clear()
    with capture_logs() as logs:
        rows = compute(inputs(adjusted=Adjusted.SPLIT))
    assert np.isnan([column(rows, name) for name in MONEY]).all()
    assert column(rows, "roe") == pytest.approx([0.4])
    assert [entry["event"] for entry in logs] == ["share_basis_unknown"]


def test_a_split_changes_nothing() -> None:
    plain = compute(inputs(days=(40, 50, 60), close=(20, 21, 22)))
    halved = compute(inputs(days=(40, 50, 60), close=(20, 10.5, 11), actions=(split(50, 2.0),)))
    np.testing.assert_array_equal(halved, plain)


def test_hindsight_prices_with_splits_equal_prices_as_traded() -> None:
    traded = inputs(days=(40, 50, 60), close=(20, 10.5, 11), actions=(split(50, 2.0),))
    adjusted = replace(traded, close=np.array([10, 10.5, 11]), adjusted=Adjusted.SPLIT)
    np.testing.assert_array_equal(compute(adjusted), compute(traded))


def test_figures_filed_after_a_split_are_on_the_new_basis() -> None:
    restated = (
        year("EarningsPerShareDiluted", 1.0, known=55, unit="USD/shares"),
        sheet("CommonStockSharesOutstanding", 200.0, known=55, unit="shares"),
    )
    given_ = inputs((*COMPANY, *restated), (50, 60), (10.0, 10.0), actions=(split(50, 2.0),))
    assert column(compute(given_), "pe") == pytest.approx([10.0, 10.0])
    assert column(compute(given_), "ps") == pytest.approx([2.0, 2.0])


@pytest.mark.parametrize("effective", [0, 4, 13.5], ids=["midnight UTC", "midnight New York", "open"])
@pytest.mark.parametrize(("filed", "shares"), [(date(2024, 6, 7), 1e9), (date(2024, 6, 10), 1e8)])
def test_filed_on_the_eve_of_a_split_is_in_old_shares(effective: float, filed: date, shares: float) -> None:
    """What is filed on a Friday becomes known at Monday's open, when the split takes effect."""
    monday = datetime(2024, 6, 10, tzinfo=UTC)
    opened, begun = monday + timedelta(hours=13.5), monday + timedelta(hours=effective)
    action = CorporateAction("A", monday - timedelta(days=19), ActionKind.SPLIT, effective=begun, ratio=10.0)
    sheet_, year_ = date(2024, 6, 3), date(2023, 6, 4)
    facts = (
        Fundamental("A", opened, "EntityCommonStockSharesOutstanding", "shares", None, sheet_, 1e8, filed),
        Fundamental("A", opened, "EarningsPerShareDiluted", "USD/shares", year_, sheet_, 30.0, filed),
        Fundamental("A", opened, "StockholdersEquity", "USD", None, sheet_, 1e9, filed),
    )
    given_ = replace(inputs(facts, close=(15.0,), actions=(action,)), time=np.array([to_micros(monday) + DAY]))
    assert one("pb", given_) == pytest.approx(15.0 * shares / 1e9)
    assert one("pe", given_) == pytest.approx(15.0 / (30.0 * 1e8 / shares))


CONCEPTS = [(known.concept, known.unit) for known in COMPANY]
RANDOM_FACT = st.builds(
    lambda named, value, known, year_, quarters, days: fact(
        named[0], value, known=known, end=365 * year_ + 91 * quarters, days=days, unit=named[1]
    ),
    st.sampled_from(CONCEPTS),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.integers(0, LATER),
    st.integers(-2, 1),
    st.integers(0, 3),
    st.sampled_from([0, 91, 182, 273, 364, 371]),
)
FACTS = st.lists(RANDOM_FACT, max_size=30).map(tuple)
RANDOM_SPLITS = st.lists(st.builds(split, st.integers(10, LATER), st.sampled_from([0.1, 2.0, 3.0])), max_size=2)
ROWS = tuple(float(day) for day in range(0, LATER, 37))
CLOSE = np.linspace(3.0, 40.0, len(ROWS))


@settings(max_examples=50)
@given(FACTS, FACTS, RANDOM_SPLITS, st.sampled_from(ROWS))
def test_the_future_changes_nothing(
    facts: tuple[Fundamental, ...], poison: tuple[Fundamental, ...], splits: list[CorporateAction], day: float
) -> None:
    past = tuple(f for f in facts if f.known_at <= on(day))
    future = tuple(replace(f, known_at=f.known_at + timedelta(days=day + 1)) for f in poison)
    rows = tuple(row for row in ROWS if row <= day)
    seen = [action for action in splits if action.known_at <= on(day)]
    clean = compute(inputs(past, rows, CLOSE[: len(rows)], actions=tuple(seen)))
    poisoned = compute(inputs((*future, *past), rows, CLOSE[: len(rows)], actions=tuple(splits)))
    np.testing.assert_array_equal(poisoned, clean)


@settings(max_examples=50)
@given(FACTS, RANDOM_SPLITS, st.lists(st.integers(0, len(ROWS) - 1), min_size=1, max_size=5))
def test_any_rows_equal_all_rows(
    facts: tuple[Fundamental, ...], splits: list[CorporateAction], chosen: list[int]
) -> None:
    whole = compute(inputs(facts, ROWS, CLOSE, actions=tuple(splits)))
    part = compute(inputs(facts, tuple(ROWS[row] for row in chosen), CLOSE[chosen], actions=tuple(splits)))
    assert part.tobytes() == whole[chosen].tobytes()


@given(FACTS, RANDOM_SPLITS, st.sampled_from(ROWS))
def test_one_row_equals_the_row_of_many(
    facts: tuple[Fundamental, ...], splits: list[CorporateAction], day: float
) -> None:
    states = FundamentalFacts(facts, ShareBasis.of(splits, Adjusted.NONE), CALENDAR).states
    many = states.at(np.array([to_micros(on(row)) for row in ROWS]))
    assert many.shape[1] == WIDTH
    assert states.row(to_micros(on(day))).tobytes() == many[ROWS.index(day)].tobytes()


@settings(max_examples=50)
@given(FACTS, st.integers(10, LATER), st.sampled_from([0.5, 2.0, 4.0]))
def test_split_of_bars_and_facts_together(facts: tuple[Fundamental, ...], day: int, ratio: float) -> None:
    """What is filed after a split is in new shares, bars after it are in new shares: no feature can tell."""
    factors = {"USD": 1.0, "USD/shares": 1 / ratio, "shares": ratio}
    split_facts = tuple(replace(f, value=f.value * factors[f.unit]) if f.known_at >= on(day) else f for f in facts)
    close = np.where(np.array(ROWS) >= day, CLOSE / ratio, CLOSE)
    after = compute(inputs(split_facts, ROWS, close, actions=(split(day, ratio),)))
    np.testing.assert_array_equal(after, compute(inputs(facts, ROWS, CLOSE)))


@settings(max_examples=50)
@given(FACTS, st.sampled_from([0.25, 2.0, 8.0]))
def test_scale_free(facts: tuple[Fundamental, ...], scale: float) -> None:
    factors = {"USD": 1.0, "USD/shares": scale, "shares": 1 / scale}
    rescaled = tuple(replace(f, value=f.value * factors[f.unit]) for f in facts)
    np.testing.assert_array_equal(compute(inputs(rescaled, ROWS, CLOSE * scale)), compute(inputs(facts, ROWS, CLOSE)))


# AAPL split 7 for 1 on 2014-06-09; the fiscal year 2013 was filed on 2013-10-30 with 39.75 earned a share.
APPLE_SPLIT = CorporateAction(
    "AAPL",
    datetime(2014, 4, 24, 13, 30, tzinfo=UTC),
    ActionKind.SPLIT,
    effective=datetime(2014, 6, 9, 13, 30, tzinfo=UTC),
    ratio=7.0,
)


@pytest.fixture(scope="module")
def apple() -> FactInputs:
    from pyarrow import parquet

    folder = Path(__file__).parents[3].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real market data is not beside the project")
    only = [("symbol", "==", "AAPL")]
    rows = parquet.read_table(folder / "sec_companyfacts.parquet", filters=only).to_pylist()
    facts = tuple(
        Fundamental(
            "AAPL",
            row["filed"].replace(hour=13, minute=30, tzinfo=UTC) + timedelta(days=1),
            row["concept"],
            row["unit"],
            row["start"] and row["start"].date(),
            row["end"].date(),
            row["val"],
        )
        for row in rows
        if row["filed"].year < 2015
    )
    bars = parquet.read_table(folder / "stocks_daily_2013_2018.parquet", filters=only).to_pylist()
    return replace(
        inputs(facts, (), (), adjusted=Adjusted.SPLIT),
        time=np.array([to_micros(bar["date"].replace(hour=21, tzinfo=UTC)) for bar in bars], np.int64),
        close=np.array([bar["close"] for bar in bars]),
    )


def on_date(given_: FactInputs, rows: F4, name: str, *dates: datetime) -> list[float]:
    places = np.searchsorted(given_.time, [to_micros(day) for day in dates])
    return [column(rows, name)[place] for place in places]


@pytest.mark.real_data
def test_apple_in_october_2013_was_not_cheap(apple: FactInputs) -> None:
    october = datetime(2013, 10, 31, 12, tzinfo=UTC)
    assert np.isnan(on_date(apple, compute(apple), "pe", october))
    told = compute(replace(apple, actions=(APPLE_SPLIT,)))
    assert on_date(apple, told, "pe", october) == pytest.approx([13.15], abs=0.05)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["pe", "pb", "ps", "dividend_yield"])
def test_apple_does_not_jump_at_its_split(apple: FactInputs, name: str) -> None:
    told = compute(replace(apple, actions=(APPLE_SPLIT,)))
    friday, monday = on_date(
        apple, told, name, datetime(2014, 6, 6, 12, tzinfo=UTC), datetime(2014, 6, 9, 12, tzinfo=UTC)
    )
    assert monday == pytest.approx(friday, rel=0.03)


@pytest.mark.real_data
def test_apple_twelve_months_by_hand(apple: FactInputs) -> None:
    held = FundamentalFacts(apple.fundamentals, ShareBasis.of((APPLE_SPLIT,), Adjusted.NONE), CALENDAR)
    days = [datetime(2013, 7, 24, 20, tzinfo=UTC), datetime(2013, 7, 25, 20, tzinfo=UTC)]
    days += [datetime(2013, 10, 31, 20, tzinfo=UTC), datetime(2014, 1, 29, 21, tzinfo=UTC)]
    time = np.array([to_micros(day) for day in days])
    # Millions: year 2012 and the halves to March; and the nine months to June; year 2013; and the quarters to December.
    income = [41_733 + 22_625 - 24_686, 41_733 + 29_525 - 33_510, 37_037, 37_037 + 13_072 - 13_078]
    assert held.trailing(NET_INCOME).at(time).tolist() == [value * 1e6 for value in income]
    before = [25_922 + 24_686 - 11_991, 25_922 + 33_510 - 19_299, 41_733, 41_733 + 13_078 - 13_064]
    assert held.year_before(NET_INCOME).at(time).tolist() == [value * 1e6 for value in before]


@pytest.mark.real_data
def test_depreciation_of_apple_is_that_of_its_cash_flow_statement(real_data: Path) -> None:
    table = read_company_facts(real_data / "sec_companyfacts.parquet", symbols=["AAPL"])
    held = FundamentalFacts(table.facts, ShareBasis.of((), Adjusted.NONE), CALENDAR)
    days = [datetime(2017, 11, 6, 21, tzinfo=UTC), datetime(2018, 2, 5, 21, tzinfo=UTC)]
    time = np.array([to_micros(day) for day in days])
    # Millions: year 2017; and the quarters to December. A note has depreciation alone, 8,200.
    assert held.trailing(DEPRECIATION).at(time).tolist() == [10_157e6, (10_157 + 2_745 - 2_987) * 1e6]


@pytest.mark.real_data
def test_revenue_of_nvidia_does_not_wait_for_the_annual_report(real_data: Path) -> None:
    """Years stand under one name, quarters under another; both gave one figure for the same year or quarter."""
    table = read_company_facts(real_data / "sec_companyfacts.parquet", symbols=["NVDA"])
    held = FundamentalFacts(table.facts, ShareBasis.of((), Adjusted.NONE), CALENDAR)
    time = np.array([to_micros(datetime(2020, 8, 20, 21, tzinfo=UTC))])
    # Millions: the year to January 2020, and the halves to July.
    assert held.trailing(REVENUE).at(time).tolist() == [(10_918 + 6_946 - 4_799) * 1e6]
