"""Real filings, insiders' trades and short interest of one company, cut, restated and doubled at real instants."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from signals.data.calendar import TradingCalendar
from signals.data.insider import read_form4
from signals.data.records import ActionKind, Adjusted, CorporateAction, to_micros
from signals.data.sec import read_company_facts
from signals.data.short_interest import read_short_interest
from signals.features.batch import FactFeatures, fact_rows
from signals.features.concepts import EARNINGS_PER_SHARE
from signals.features.fundamental import FundamentalFacts
from signals.features.point_in_time import F4
from signals.features.share_basis import ShareBasis
from signals.features.symbol_facts import KNOWN, SymbolFacts, SymbolStates

FIRST, LAST = datetime(2022, 1, 3, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
CALENDAR = TradingCalendar("XNYS")
CUTS = range(60, 860, 100)

# NVDA split 4 for 1 on 2021-07-20 and 10 for 1 on 2024-06-10.
SPLITS = tuple(
    CorporateAction("NVDA", effective - timedelta(days=20), ActionKind.SPLIT, effective, ratio)
    for effective, ratio in (
        (datetime(2021, 7, 20, 13, 30, tzinfo=UTC), 4.0),
        (datetime(2024, 6, 10, 13, 30, tzinfo=UTC), 10.0),
    )
)


@pytest.fixture(scope="module")
def nvidia(real_data: Path) -> SymbolFacts:
    short = read_short_interest(real_data / "short_interest_2017_2025.parquet").facts
    return SymbolFacts(
        read_company_facts(real_data / "sec_companyfacts.parquet", symbols=["NVDA"]).facts,
        insider=[fact for fact in read_form4(real_data / "insider_form4.parquet").facts if fact.symbol == "NVDA"],
        short_interest=[fact for fact in short if fact.symbol == "NVDA"],
        actions=SPLITS,
        adjusted=Adjusted.NONE,
    )


@pytest.fixture(scope="module")
def time(calendar: TradingCalendar) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    inside = (calendar.closes >= to_micros(FIRST)) & (calendar.closes < to_micros(LAST))
    return calendar.closes[inside]


def rows(facts: SymbolFacts, time: np.ndarray[tuple[int], np.dtype[np.int64]]) -> F4:
    features = FactFeatures(facts, CALENDAR)
    return features.at(time, np.linspace(200.0, 900.0, 900)[: len(time)], np.full(len(time), 4e7), None)


def as_known(facts: SymbolFacts, until: int, *, poisoned: bool) -> SymbolFacts:
    """Take away what became known later, or restate it all."""

    def keep(known_at: datetime) -> bool:
        return to_micros(known_at) <= until

    if not poisoned:
        return replace(
            facts,
            fundamentals=[fact for fact in facts.fundamentals if keep(fact.known_at)],
            insider=[fact for fact in facts.insider if keep(fact.known_at)],
            short_interest=[fact for fact in facts.short_interest if keep(fact.known_at)],
            actions=[fact for fact in facts.actions if keep(fact.known_at)],
        )
    return replace(
        facts,
        fundamentals=[f if keep(f.known_at) else replace(f, value=f.value * -7.0) for f in facts.fundamentals],
        insider=[f if keep(f.known_at) else replace(f, shares=-f.shares, value=1e12) for f in facts.insider],
        short_interest=[f if keep(f.known_at) else replace(f, shares=1.0) for f in facts.short_interest],
        actions=[f if keep(f.known_at) else replace(f, ratio=0.001) for f in facts.actions],
    )


@pytest.mark.real_data
@pytest.mark.parametrize("poisoned", [False, True], ids=["removed", "restated"])
def test_what_became_known_later_changes_no_bit(
    nvidia: SymbolFacts, time: np.ndarray[tuple[int], np.dtype[np.int64]], poisoned: bool
) -> None:
    whole = rows(nvidia, time)
    assert np.isfinite(whole[:, [0, 1, 2, 3]]).all()  # there is something to change
    for cut in CUTS:
        known = as_known(nvidia, int(time[cut]), poisoned=poisoned)
        assert rows(known, time[: cut + 1]).tobytes() == whole[: cut + 1].tobytes()


@pytest.mark.real_data
def test_earnings_a_share_over_a_split(nvidia: SymbolFacts) -> None:
    held = FundamentalFacts(nvidia.fundamentals, ShareBasis.of(SPLITS, Adjusted.NONE), CALENDAR)
    months = [to_micros(datetime(2024, month, 20, 21, tzinfo=UTC)) for month in (5, 6, 12)]
    # The year to January 2024 and its first three quarters were filed before the split of June, the rest after it.
    by_hand = [11.93, (11.93 + 5.98 - 0.82) / 10, 11.93 / 10 + 2.04 - 0.70]
    earned = held.trailing(EARNINGS_PER_SHARE).at(np.array(months), ShareBasis.of(SPLITS, Adjusted.NONE))
    assert earned == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.real_data
def test_one_row_is_the_row_of_many(nvidia: SymbolFacts, time: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    features, volume = FactFeatures(nvidia, CALENDAR), np.array([4e7])
    whole = features.at(time, np.full(len(time), 500.0), np.full(len(time), 4e7), None)
    for row in CUTS:
        one = features.at(time[row : row + 1], np.array([500.0]), volume, None)
        assert one.tobytes() == whole[row].tobytes()


@pytest.mark.real_data
def test_rows_of_several_symbols_in_one_call(
    nvidia: SymbolFacts, time: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> None:
    several = [nvidia, SymbolFacts(insider=nvidia.insider, adjusted=Adjusted.NONE), SymbolFacts()]
    now, close, volume = time[600:601], np.array([500.0, 20.0, 3.0]), np.array([4e7, 1e6, np.nan])
    known = np.empty((3, KNOWN))
    for facts, row in zip(several, known, strict=True):
        SymbolStates(facts, CALENDAR).write(int(now[0]), row)
    session = CALENDAR.closed_by(np.repeat(now, 3))
    together = fact_rows(known, np.full((3, 4), np.nan), session, close, volume, ("Energy",) * 3)
    for place, facts in enumerate(several):
        one = slice(place, place + 1)
        alone = FactFeatures(facts, CALENDAR).at(now, close[one], volume[one], ("Energy",))
        assert alone.tobytes() == together[one].tobytes()
