"""The quantities that fundamental features read, under the names that companies report them by."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CASH",
    "CURRENT_ASSETS",
    "CURRENT_DEBT",
    "CURRENT_LIABILITIES",
    "DEPRECIATION",
    "DIVIDENDS_PER_SHARE",
    "EARNINGS_PER_SHARE",
    "EQUITY",
    "LONG_TERM_DEBT",
    "NET_INCOME",
    "NONCURRENT_DEBT",
    "OPERATING_INCOME",
    "REVENUE",
    "SHARES_OUTSTANDING",
    "SHORT_TERM_DEBT",
    "Concept",
]


@dataclass(frozen=True, slots=True)
class Concept:
    """A quantity under the us-gaap (or dei) names that companies report it by.

    The names are one concept: the newest period under any of them wins, and within a period the name listed first.
    Twelve months of a flow are of one quantity: see `signals.features.trailing.trailing`.
    ``unit`` is a `Fundamental`'s, with ``{currency}`` for the quote currency.
    """

    unit: str
    names: tuple[str, ...]


_MONEY, _SHARES, _PER_SHARE = "{currency}", "shares", "{currency}/shares"

# Flows: twelve months. Balance sheet: instants.
NET_INCOME = Concept(_MONEY, ("NetIncomeLoss",))
EARNINGS_PER_SHARE = Concept(_PER_SHARE, ("EarningsPerShareDiluted",))
DIVIDENDS_PER_SHARE = Concept(_PER_SHARE, ("CommonStockDividendsPerShareDeclared",))
REVENUE = Concept(_MONEY, ("Revenues", "RevenueFromContractWithCustomerExcludingAssessedTax", "SalesRevenueNet"))
OPERATING_INCOME = Concept(_MONEY, ("OperatingIncomeLoss",))
# The cash flow statement's first: the others may also be a note's, on property alone (Apple until 2017).
DEPRECIATION = Concept(
    _MONEY,
    ("DepreciationAmortizationAndAccretionNet", "DepreciationDepletionAndAmortization", "DepreciationAndAmortization"),
)
EQUITY = Concept(_MONEY, ("StockholdersEquity",))
CASH = Concept(_MONEY, ("CashAndCashEquivalentsAtCarryingValue",))
CURRENT_ASSETS = Concept(_MONEY, ("AssetsCurrent",))
CURRENT_LIABILITIES = Concept(_MONEY, ("LiabilitiesCurrent",))
LONG_TERM_DEBT = Concept(_MONEY, ("LongTermDebt",))  # current maturities included
# Convertible notes where a sheet has no other line: beside one they may be part of it.
NONCURRENT_DEBT = Concept(
    _MONEY, ("LongTermDebtAndCapitalLeaseObligations", "LongTermDebtNoncurrent", "ConvertibleDebtNoncurrent")
)
CURRENT_DEBT = Concept(
    _MONEY, ("LongTermDebtAndCapitalLeaseObligationsCurrent", "LongTermDebtCurrent", "ConvertibleDebtCurrent")
)
SHORT_TERM_DEBT = Concept(_MONEY, ("ShortTermBorrowings", "CommercialPaper"))
# The count on a filing's cover is weeks younger than the one on its balance sheet.
SHARES_OUTSTANDING = Concept(_SHARES, ("EntityCommonStockSharesOutstanding", "CommonStockSharesOutstanding"))
