"""What facts say of a symbol is worked out once, until its facts are others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.records import Adjusted, SectorMedian, ShortInterest
from signals.features.symbol_facts import KNOWN, SortedFacts, SymbolFacts, SymbolStates

CALENDAR = TradingCalendar("XNYS")
KNOWN_AT = datetime(2020, 5, 11, 21, tzinfo=UTC)
REPORT = ShortInterest("AAA", KNOWN_AT, date(2020, 4, 30), 1000.0, 2.0)
FACTS = SymbolFacts(short_interest=(REPORT,), adjusted=Adjusted.NONE)


def test_states_are_kept_while_the_facts_are_equal() -> None:
    held = SortedFacts(CALENDAR)
    assert held.of("AAA", FACTS) is held.of("AAA", replace(FACTS, short_interest=(replace(REPORT),)))


def test_medians_of_peers_do_not_count() -> None:
    held = SortedFacts(CALENDAR)
    medians = {"Energy": [SectorMedian("Energy", KNOWN_AT, 1.0, 2.0, 3.0, 4.0)]}
    assert held.of("AAA", FACTS) is held.of("AAA", replace(FACTS, sector_medians=medians))


def test_other_facts_are_sorted_anew() -> None:
    held, time, row = SortedFacts(CALENDAR), int(KNOWN_AT.timestamp() * 1e6), np.empty(KNOWN)
    first = held.of("AAA", FACTS)
    other = replace(FACTS, short_interest=(replace(REPORT, shares=2000.0),))
    second = held.of("AAA", other)
    second.write(time, row)
    assert second is not first
    assert row.tobytes() == SymbolStates(other, CALENDAR).at(np.array([time]))[0].tobytes()


def test_symbols_are_kept_apart() -> None:
    held = SortedFacts(CALENDAR)
    first = held.of("AAA", FACTS)
    assert held.of("BBB", SymbolFacts()) is not first
    assert held.of("AAA", FACTS) is first


def test_states_of_no_facts_are_empty() -> None:
    assert SymbolStates(SymbolFacts(), CALENDAR).empty
    assert not SymbolStates(FACTS, CALENDAR).empty
