"""Fundamental features: what a company had reported by then, against the price.

A ratio to zero or to a negative figure means nothing (a loss has no price-earnings ratio): NaN, like what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from signals.data.calendar import TradingCalendar
from signals.data.records import F8, I8, Fundamental, SectorMedian, to_micros
from signals.features.concepts import (
    CASH,
    CURRENT_ASSETS,
    CURRENT_DEBT,
    CURRENT_LIABILITIES,
    DEPRECIATION,
    DIVIDENDS_PER_SHARE,
    EARNINGS_PER_SHARE,
    EQUITY,
    LONG_TERM_DEBT,
    NET_INCOME,
    NONCURRENT_DEBT,
    OPERATING_INCOME,
    REVENUE,
    SHARES_OUTSTANDING,
    SHORT_TERM_DEBT,
    Concept,
)
from signals.features.feature import Feature
from signals.features.gics import SECTORS, sector_columns
from signals.features.periods import Period
from signals.features.point_in_time import (
    DAY,
    F4,
    NEVER,
    Duration,
    States,
    Timeline,
    as_of,
    day_number,
    newest_before,
    over,
    revisions,
    to_float32,
)
from signals.features.share_basis import ShareBasis, say_once
from signals.features.trailing import Trailing, trailing

__all__ = ["FEATURES", "SECTORS", "STALE", "WIDTH", "FundamentalFacts", "features", "medians_of", "valuation"]


def _feature(name: str, meaning: str, *, of_peers: bool = False) -> Feature:
    return Feature(name, "fundamental", 0, 0, scale_free=True, meaning=meaning, cross_sectional=of_peers)


FEATURES: tuple[Feature, ...] = (
    _feature("pe", "close over diluted earnings per share of the last twelve months reported"),
    _feature("pb", "market value over shareholders' equity"),
    _feature("ps", "market value over revenue of the last twelve months reported"),
    _feature("ev_ebitda", "market value plus debt less cash, over a year's operating income before depreciation"),
    _feature("pe_rel", "pe over the sector's median", of_peers=True),
    _feature("pb_rel", "pb over the sector's median", of_peers=True),
    _feature("ps_rel", "ps over the sector's median", of_peers=True),
    _feature("ev_ebitda_rel", "ev_ebitda over the sector's median", of_peers=True),
    _feature("roe", "net income of the last twelve months reported over shareholders' equity"),
    _feature("current_ratio", "current assets over current liabilities of one balance sheet"),
    _feature("debt_to_equity", "total debt over shareholders' equity"),
    _feature("revenue_growth", "revenue of the last twelve months reported against the twelve before, as known then"),
    _feature(
        "earnings_growth", "net income of the last twelve months reported against the twelve before, as known then"
    ),
    _feature("dividend_yield", "dividends a share declared in the last twelve months reported over close"),
    _feature("sessions_since_filing", "sessions that have closed since anything was filed"),
    *(_feature(f"sector_{name.lower().replace(' ', '_')}", f"1 in the GICS sector {name}, else 0") for name in SECTORS),
)


BEHIND = 370
"""Days by which the year of dividends may lie behind the year of earnings: some report dividends once a year."""

STALE = 550
"""Days after which a figure that newer filings no longer bring is missing: a year, and half a year to file it."""


class _State(NamedTuple):
    """What was reported and in force, on the share basis of the instant; shapes (n,). Money in the quote currency."""

    shares: F8
    earnings_per_share: F8
    dividends_per_share: F8
    equity: F8
    revenue: F8
    ebitda: F8
    net_debt: F8
    roe: F8
    current_ratio: F8
    debt_to_equity: F8
    revenue_growth: F8
    earnings_growth: F8
    filed: F8  # sessions of the calendar that had closed by then


WIDTH = len(_State._fields)
"""Columns of what `FundamentalFacts` knows at an instant."""


class FundamentalFacts:
    """The reported figures of one symbol, sorted once and evaluated at any instants.

    They change only with a filing or a split: they are put together once for each of those, and a bar takes the row in
    force. Figures in another currency than `currency` are not looked at: converting them needs a rate as of t.
    """

    def __init__(
        self,
        fundamentals: Sequence[Fundamental],
        basis: ShareBasis,
        calendar: TradingCalendar,
        *,
        currency: str = "USD",
    ) -> None:
        self._basis = basis
        self._currency = currency
        self._filed = np.unique(np.array([to_micros(fact.known_at) for fact in fundamentals], np.int64))
        self._facts: dict[tuple[str, str], list[Fundamental]] = {}
        for fact in fundamentals:
            self._facts.setdefault((fact.concept, fact.unit), []).append(fact)
        self._trailing: dict[Concept, tuple[Trailing, Trailing]] = {}
        changes = np.unique(np.concatenate([self._filed, basis.active])) if fundamentals else self._filed
        self.states = States.of(changes, self._state(changes, calendar))
        if fundamentals and not basis.known:
            say_once("fundamental")

    def trailing(self, concept: Concept) -> Trailing:
        """Return a flow over the newest twelve months known."""
        return self._twelve_months(concept)[0]

    def year_before(self, concept: Concept) -> Trailing:
        """Return the flow over the twelve months before those of `trailing`, as known at each instant."""
        return self._twelve_months(concept)[1]

    def instant(self, concept: Concept) -> Timeline:
        """Return a figure of the newest balance sheet (or cover page) known."""
        found = [(fact, -name) for fact, name in self._named(concept) if Duration.INSTANT.holds(fact.days)]
        columns = [
            (to_micros(fact.known_at), day_number(fact.end), fact.value, rank, to_micros(fact.reported))
            for fact, rank in found
        ]
        known, end, value, rank, filed = zip(*columns, strict=True) if columns else ((), (), (), (), ())
        return as_of(revisions(known, end, value, rank, filed))

    def _state(self, time: I8, calendar: TradingCalendar) -> _State:
        """Put together what was in force at each instant of change; the instants rise."""
        counted, equity = self.instant(SHARES_OUTSTANDING), self._fresh(self.instant(EQUITY), time)
        shares = self._fresh(counted, time) * self._basis.factor(counted.filed_at(time), time)
        net_income, revenue = self.trailing(NET_INCOME), self._fresh(self.trailing(REVENUE), time)
        income, debt = self._fresh(net_income, time), self._debt(time)
        per_share, dividends = self.trailing(EARNINGS_PER_SHARE), self.trailing(DIVIDENDS_PER_SHARE)
        # Who stops paying reports no zero: dividends of an older year than the earnings' are over.
        paying = dividends.end_at(time) >= net_income.end_at(time) - BEHIND
        as_new = per_share.end_at(time) >= net_income.end_at(time)
        operating, depreciation = self.trailing(OPERATING_INCOME), self.trailing(DEPRECIATION)
        together = operating.end_at(time) == depreciation.end_at(time)
        return _State(
            shares=shares,
            earnings_per_share=np.where(as_new, self._fresh(per_share, time, self._basis), over(income, shares)),
            dividends_per_share=np.where(paying, self._fresh(dividends, time, self._basis), np.nan),
            equity=equity,
            revenue=revenue,
            ebitda=np.where(together, self._fresh(operating, time) + depreciation.at(time), np.nan),
            net_debt=debt - self._fresh(self.instant(CASH), time),
            roe=over(income, equity),
            current_ratio=self._current_ratio(time),
            debt_to_equity=over(debt, equity),
            revenue_growth=over(revenue, self.year_before(REVENUE).at(time)) - 1.0,
            earnings_growth=over(income, self.year_before(NET_INCOME).at(time)) - 1.0,
            filed=np.append(calendar.closed_by(self._filed), np.nan)[newest_before(self._filed, time)],
        )

    def _fresh(self, figure: Timeline | Trailing, time: I8, basis: ShareBasis | None = None) -> F8:
        """Return a figure in force, NaN where its period had ended more than `STALE` days before the newest filing.

        Filings age a figure and not time: a split must not, for no feature may tell that there was one.
        """
        value = figure.at(time, basis) if isinstance(figure, Trailing) else figure.at(time)
        filed = np.append(self._filed, NEVER)[newest_before(self._filed, time)]
        return np.where(figure.end_at(time) >= filed // DAY - STALE, value, np.nan)

    def _debt(self, time: I8) -> F8:
        """Sum the lines of debt of the newest balance sheet, those with an amount; NaN where it has none."""
        lines = [self.instant(c) for c in (LONG_TERM_DEBT, NONCURRENT_DEBT, CURRENT_DEBT, SHORT_TERM_DEBT)]
        ends = np.stack([line.end_at(time) for line in lines])
        value = np.stack([self._fresh(line, time) for line in lines])
        # An older sheet's debt over a newer one's equity is nobody's ratio, and lines that ended were not paid back.
        there = (ends == self.instant(EQUITY).end_at(time)) & ~np.isnan(value)
        total, noncurrent, current, short_term = np.where(there, value, 0.0)
        # Some report a single loan under the total's name: its parts then add up to more.
        owed = np.maximum(total, noncurrent + current) + short_term
        return np.where(there.any(axis=0), owed, np.nan)

    def _current_ratio(self, time: I8) -> F8:
        assets, liabilities = self.instant(CURRENT_ASSETS), self.instant(CURRENT_LIABILITIES)
        ratio = over(self._fresh(assets, time), liabilities.at(time))
        return np.where(assets.end_at(time) == liabilities.end_at(time), ratio, np.nan)

    def _twelve_months(self, concept: Concept) -> tuple[Trailing, Trailing]:
        if concept not in self._trailing:
            self._trailing[concept] = trailing(
                Period(
                    to_micros(f.known_at), to_micros(f.reported), name, f.value, day_number(f.start), day_number(f.end)
                )
                for f, name in self._named(concept)
                if f.start is not None
            )
        return self._trailing[concept]

    def _named(self, concept: Concept) -> list[tuple[Fundamental, int]]:
        """Return the facts under any of a concept's names, and the place of the name."""
        unit = concept.unit.format(currency=self._currency)
        return [(fact, place) for place, name in enumerate(concept.names) for fact in self._facts.get((name, unit), ())]


def features(known: F8, medians: F8, session: I8, close: F8, sector: Sequence[str | None] | None) -> F4:
    """Return the features of rows of any symbols, shape (n, len(FEATURES)), float32.

    Parameters
    ----------
    known
        Rows of `FundamentalFacts.states`, shape (n, WIDTH).
    medians
        P/E, P/B, P/S and EV/EBITDA of each row's sector, shape (n, 4).
    session, close, sector
        Sessions that had closed by each row's instant, its close in the bars' own unit, and its sector as known then
        (None where sectors are not known at all).
    """
    state = _State(*known.T)
    ratios = valuation(known, close)
    return to_float32(
        [
            *ratios,
            *map(over, ratios, medians.T),
            state.roe,
            state.current_ratio,
            state.debt_to_equity,
            state.revenue_growth,
            state.earnings_growth,
            over(state.dividends_per_share, close),
            session - state.filed,
            *sector_columns(sector, len(close)),
        ]
    )


def valuation(known: F8, close: F8) -> list[F8]:
    """Return P/E, P/B, P/S and EV/EBITDA, shapes (n,); parameters as in `features`."""
    state, price = _State(*known.T), np.where(close > 0, close, np.nan)
    value = price * state.shares
    return [
        over(price, state.earnings_per_share),
        over(value, state.equity),
        over(value, state.revenue),
        over(value + state.net_debt, state.ebitda),
    ]


def medians_of(facts: Sequence[SectorMedian]) -> States:
    """Return the medians of one sector, (pe, pb, ps, ev_ebitda), by when they were known."""
    ordered = sorted(facts, key=lambda fact: fact.known_at)
    values = np.array([(fact.pe, fact.pb, fact.ps, fact.ev_ebitda) for fact in ordered], np.float64).reshape(-1, 4)
    return States.of(np.array([to_micros(fact.known_at) for fact in ordered], np.int64), list(values.T))
