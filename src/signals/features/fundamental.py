"""Fundamental features: what a company had reported by then, against the price.

A ratio to zero or to a negative figure means nothing (a loss has no price-earnings ratio): NaN, like what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from signals.data.records import F8, I8, Fundamental, SectorMedian, to_micros
from signals.features.feature import Feature
from signals.features.point_in_time import (
    DAY,
    F4,
    Duration,
    Revisions,
    Timeline,
    as_of,
    day_number,
    earlier,
    over,
    revisions,
    to_float32,
)
from signals.features.share_basis import ShareBasis, say_once

__all__ = ["FEATURES", "SECTORS", "Concept", "FundamentalFacts"]

SECTORS = (
    "Communication Services",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
)
"""The eleven GICS sectors since 2018."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A quantity under the us-gaap (or dei) names that companies report it by.

    The names are one concept: the newest period under any of them wins, and within a period the name listed first.
    ``unit`` is a `Fundamental`'s, with ``{currency}`` for the quote currency.
    """

    unit: str
    names: tuple[str, ...]


_MONEY, _SHARES, _PER_SHARE = "{currency}", "shares", "{currency}/shares"

# Flows: years only. Balance sheet: instants.
NET_INCOME = Concept(_MONEY, ("NetIncomeLoss",))
EARNINGS_PER_SHARE = Concept(_PER_SHARE, ("EarningsPerShareDiluted",))
DIVIDENDS_PER_SHARE = Concept(_PER_SHARE, ("CommonStockDividendsPerShareDeclared",))
REVENUE = Concept(_MONEY, ("Revenues", "RevenueFromContractWithCustomerExcludingAssessedTax", "SalesRevenueNet"))
OPERATING_INCOME = Concept(_MONEY, ("OperatingIncomeLoss",))
DEPRECIATION = Concept(
    _MONEY,
    ("DepreciationDepletionAndAmortization", "DepreciationAmortizationAndAccretionNet", "DepreciationAndAmortization"),
)
EQUITY = Concept(_MONEY, ("StockholdersEquity",))
CASH = Concept(_MONEY, ("CashAndCashEquivalentsAtCarryingValue",))
CURRENT_ASSETS = Concept(_MONEY, ("AssetsCurrent",))
CURRENT_LIABILITIES = Concept(_MONEY, ("LiabilitiesCurrent",))
LONG_TERM_DEBT = Concept(_MONEY, ("LongTermDebt",))  # current maturities included
NONCURRENT_DEBT = Concept(_MONEY, ("LongTermDebtNoncurrent",))
CURRENT_DEBT = Concept(_MONEY, ("LongTermDebtCurrent",))
SHORT_TERM_DEBT = Concept(_MONEY, ("ShortTermBorrowings", "CommercialPaper"))
# The count on a filing's cover is weeks younger than the one on its balance sheet.
SHARES_OUTSTANDING = Concept(_SHARES, ("EntityCommonStockSharesOutstanding", "CommonStockSharesOutstanding"))


def _feature(name: str, meaning: str) -> Feature:
    return Feature(name, "fundamental", 0, 0, scale_free=True, meaning=meaning)


FEATURES: tuple[Feature, ...] = (
    _feature("pe", "close over diluted earnings per share of the last year reported"),
    _feature("pb", "market value over shareholders' equity"),
    _feature("ps", "market value over revenue of the last year reported"),
    _feature("ev_ebitda", "market value plus debt less cash, over operating income before depreciation of a year"),
    _feature("pe_rel", "pe over the sector's median"),
    _feature("pb_rel", "pb over the sector's median"),
    _feature("ps_rel", "ps over the sector's median"),
    _feature("ev_ebitda_rel", "ev_ebitda over the sector's median"),
    _feature("roe", "net income of the last year reported over shareholders' equity"),
    _feature("current_ratio", "current assets over current liabilities of one balance sheet"),
    _feature("debt_to_equity", "total debt over shareholders' equity"),
    _feature("revenue_growth", "revenue of the last year reported against the year before it, as known then"),
    _feature("earnings_growth", "net income of the last year reported against the year before it, as known then"),
    _feature("dividend_yield", "dividends a share declared in the last year reported over close"),
    _feature("days_since_filing", "whole calendar days since anything was filed"),
    *(_feature(f"sector_{name.lower().replace(' ', '_')}", f"1 in the GICS sector {name}, else 0") for name in SECTORS),
)


class FundamentalFacts:
    """The reported figures of one symbol, sorted once and evaluated at any instants.

    Figures in another currency than `currency` are not looked at: converting them needs a rate as of t.
    """

    def __init__(
        self,
        fundamentals: Sequence[Fundamental],
        sector_medians: Mapping[str, Sequence[SectorMedian]],
        basis: ShareBasis,
        *,
        currency: str = "USD",
    ) -> None:
        self._basis = basis
        self._currency = currency
        self._filed = np.unique(np.array([to_micros(fact.known_at) for fact in fundamentals], np.int64))
        self._facts: dict[tuple[str, str], list[Fundamental]] = {}
        for fact in fundamentals:
            self._facts.setdefault((fact.concept, fact.unit), []).append(fact)
        self._timelines: dict[tuple[Concept, Duration, bool], Timeline] = {}
        self._medians = {name: _medians(facts) for name, facts in sector_medians.items()}
        if fundamentals and not basis.known:
            say_once("fundamental")

    def annual(self, concept: Concept) -> Timeline:
        """Return a flow over the last year reported; the one place where trailing twelve months would be composed."""
        return self._timeline(concept, Duration.YEAR)

    def year_before(self, concept: Concept) -> Timeline:
        """Return the flow over the year before that of `annual`, as known at each instant (52 or 53 weeks earlier)."""
        return self._timeline(concept, Duration.YEAR, before=True)

    def instant(self, concept: Concept) -> Timeline:
        """Return a figure of the newest balance sheet (or cover page) known."""
        return self._timeline(concept, Duration.INSTANT)

    def compute(self, time: I8, close: F8, sector: Sequence[str | None] | None) -> F4:
        """Return the features at each instant, shape (n, len(FEATURES)), float32."""
        equity = self.instant(EQUITY).at(time)
        income = self.annual(NET_INCOME).at(time)
        valuation = self._valuation(time, np.where(close > 0, close, np.nan), income, equity)
        columns = [
            *valuation,
            *map(over, valuation, self._median_rows(time, sector)),
            over(income, equity),
            self._current_ratio(time),
            over(self._debt(time), equity),
            over(self.annual(REVENUE).at(time), self.year_before(REVENUE).at(time)) - 1.0,
            over(income, self.year_before(NET_INCOME).at(time)) - 1.0,
            over(self._per_share(self.annual(DIVIDENDS_PER_SHARE), time), close),
            self._days_since_filing(time),
            *_sector_columns(sector, len(time)),
        ]
        return to_float32(columns)

    def _valuation(self, time: I8, close: F8, income: F8, equity: F8) -> list[F8]:
        reported = self.instant(SHARES_OUTSTANDING)
        shares = reported.at(time) * self._basis.factor(reported.filed_at(time), time)
        value = close * shares
        earnings = self.annual(EARNINGS_PER_SHARE)
        as_new = earnings.end_at(time) >= self.annual(NET_INCOME).end_at(time)
        per_share = np.where(as_new, self._per_share(earnings, time), over(income, shares))
        operating, depreciation = self.annual(OPERATING_INCOME), self.annual(DEPRECIATION)
        same_year = operating.end_at(time) == depreciation.end_at(time)
        ebitda = np.where(same_year, operating.at(time) + depreciation.at(time), np.nan)
        enterprise = value + self._debt(time) - self.instant(CASH).at(time)
        return [
            over(close, per_share),
            over(value, equity),
            over(value, self.annual(REVENUE).at(time)),
            over(enterprise, ebitda),
        ]

    def _per_share(self, figure: Timeline, time: I8) -> F8:
        return figure.at(time) / self._basis.factor(figure.filed_at(time), time)

    def _debt(self, time: I8) -> F8:
        """Sum the lines of the newest balance sheet that reports any debt: a line without an amount is left out there.

        NaN where no line was ever reported.
        """
        lines = [self.instant(c) for c in (LONG_TERM_DEBT, NONCURRENT_DEBT, CURRENT_DEBT, SHORT_TERM_DEBT)]
        ends = np.stack([line.end_at(time) for line in lines])
        value = np.stack([line.at(time) for line in lines])
        there = (ends == ends.max(axis=0)) & ~np.isnan(value)
        total, noncurrent, current, short_term = np.where(there, value, 0.0)
        owed = np.where(there[0], total, noncurrent + current) + short_term
        return np.where(there.any(axis=0), owed, np.nan)

    def _current_ratio(self, time: I8) -> F8:
        assets, liabilities = self.instant(CURRENT_ASSETS), self.instant(CURRENT_LIABILITIES)
        ratio = over(assets.at(time), liabilities.at(time))
        return np.where(assets.end_at(time) == liabilities.end_at(time), ratio, np.nan)

    def _days_since_filing(self, time: I8) -> F8:
        filed = np.concatenate([[0], self._filed])
        place = np.searchsorted(self._filed, time, side="right")
        return np.where(place > 0, (time - filed[place]) // DAY, np.nan)

    def _median_rows(self, time: I8, sector: Sequence[str | None] | None) -> F8:
        """Return the medians of each row's sector in force, shape (4, n): P/E, P/B, P/S, EV/EBITDA."""
        rows = np.full((4, len(time)), np.nan)
        for name, (known, values) in self._medians.items():
            inside = np.array([row == name for row in sector], np.bool_) if sector else np.zeros(len(time), np.bool_)
            rows[:, inside] = values[:, np.searchsorted(known, time[inside], side="right")]
        return rows

    def _timeline(self, concept: Concept, duration: Duration, *, before: bool = False) -> Timeline:
        key = concept, duration, before
        if key not in self._timelines:
            found = self._revisions(concept, duration)
            self._timelines[key] = earlier(found, days=365, tolerance=10) if before else as_of(found)
        return self._timelines[key]

    def _revisions(self, concept: Concept, duration: Duration) -> Revisions:
        unit = concept.unit.format(currency=self._currency)
        found = [
            (to_micros(fact.known_at), day_number(fact.end), fact.value, -place)
            for place, name in enumerate(concept.names)
            for fact in self._facts.get((name, unit), ())
            if duration.holds(fact.days)
        ]
        known, end, value, rank = zip(*found, strict=True) if found else ((), (), (), ())
        return revisions(known, end, value, rank)


def _medians(facts: Sequence[SectorMedian]) -> tuple[I8, F8]:
    """Return when medians became known, (k,), and their values behind a column of NaN, (4, k + 1)."""
    ordered = sorted(facts, key=lambda fact: fact.known_at)
    known = np.array([to_micros(fact.known_at) for fact in ordered], np.int64)
    values = [(np.nan,) * 4, *((fact.pe, fact.pb, fact.ps, fact.ev_ebitda) for fact in ordered)]
    return known, np.array(values, np.float64).T


def _sector_columns(sector: Sequence[str | None] | None, rows: int) -> F8:
    """Return one row a GICS sector, shape (11, n): NaN where the sector is not known or not one of GICS."""
    if sector is None:
        return np.full((len(SECTORS), rows), np.nan)
    place = {name: index for index, name in enumerate(SECTORS)}
    index = np.array([place.get(name, -1) if name else -1 for name in sector], np.int64)
    inside = index[None, :] == np.arange(len(SECTORS))[:, None]
    return np.where(index < 0, np.nan, inside.astype(np.float64))
