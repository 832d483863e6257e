"""What an audit found: how much was compared, and every violation with the bar at which it first shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["AuditReport", "Count", "Untested", "Violation"]


@dataclass(frozen=True, slots=True)
class Violation:
    """A feature that changed although nothing that it may depend on did.

    Parameters
    ----------
    kind
        Which promise was broken: one of the kinds in `AuditReport.counts`.
    change
        What was done to the data.
    bar
        Close of the first bar that differs, aware UTC.
    expected, found
        The feature there before and after the change; NaN where it has no value.
    rows
        Bars that differ.
    """

    feature: str
    calculator: str
    symbol: str
    kind: str
    change: str
    bar: datetime
    expected: float
    found: float
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Return the violation for a JSON document; NaN is null."""
        body: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        values = {name: None if not math.isfinite(body[name]) else body[name] for name in ("expected", "found")}
        return {**body, **values, "bar": self.bar.isoformat()}


@dataclass(frozen=True, slots=True)
class Count:
    """How much was compared for one kind.

    Parameters
    ----------
    comparisons
        Features compared over all their bars in question, once a symbol and change; one that has no value at any of
        them, before or after the change, is no comparison.
    values
        Single values among them, missing ones left out.
    violations
        Comparisons that failed.
    """

    comparisons: int = 0
    values: int = 0
    violations: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.comparisons + other.comparisons, self.values + other.values, self.violations + other.violations
        )


@dataclass(frozen=True, slots=True)
class Untested:
    """A feature of which some promise was not tried, as it had no value where it would have been.

    Parameters
    ----------
    kinds
        The promises.
    wholly
        Whether that is all of them: the audit says nothing about the feature.
    ours
        Whether it is in the catalogue; else it is a calculator's of the user's own.
    """

    feature: str
    calculator: str
    lookback: int
    kinds: tuple[str, ...]
    wholly: bool
    ours: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields for a JSON document."""
        return {name: getattr(self, name) for name in self.__slots__} | {"kinds": list(self.kinds)}


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The outcome of an audit.

    Parameters
    ----------
    counts
        By kind, in the order in which they were tried.
    generated
        What was made up because it was not given, such as ``fundamentals``.
    untested
        Features for which something could not be tried.
    """

    symbols: tuple[str, ...]
    features: tuple[str, ...]
    cuts: int
    counts: Mapping[str, Count]
    violations: tuple[Violation, ...]
    generated: tuple[str, ...] = ()
    untested: tuple[Untested, ...] = ()

    @property
    def total(self) -> Count:
        """Everything compared."""
        return sum(self.counts.values(), Count())

    @property
    def passed(self) -> bool:
        """True where something was compared, every feature of the user's own among it, and nothing was violated."""
        unproved = any(each.wholly and not each.ours for each in self.untested)
        return self.total.comparisons > 0 and not self.violations and not unproved

    def to_json(self) -> dict[str, Any]:
        """Return the report for a JSON document."""
        total = self.total
        return {
            "symbols": list(self.symbols),
            "features": list(self.features),
            "cuts": self.cuts,
            "generated": list(self.generated),
            "comparisons": total.comparisons,
            "values": total.values,
            "passed": self.passed,
            "untested": [each.to_json() for each in self.untested],
            "violations": [violation.to_json() for violation in self.violations],
            "kinds": {
                kind: {"comparisons": count.comparisons, "values": count.values, "violations": count.violations}
                for kind, count in self.counts.items()
            },
        }
