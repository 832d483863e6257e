"""Parameters read from JSON: numbers alone, finite, of a size that a calibration can have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["exactly", "number", "numbers"]

LARGEST = 1e6
"""Beyond any slope or bias that a fit can reach; with far larger ones margins overflow."""


def exactly(document: Mapping[str, Any], *names: str) -> None:
    """Raise ValueError unless the document has these keys and no other."""
    if set(document) != set(names):
        raise ValueError(f"expected the keys {', '.join(sorted(names))}, were {', '.join(sorted(map(str, document)))}")


def number(value: object, low: float = -LARGEST, high: float = LARGEST) -> float:
    """Return a number within [low, high]; ValueError for anything else, NaN, text and booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"expected a number from {low:g} to {high:g}, was {value!r:.50}")
    return float(value)


def numbers(value: object, low: float = -LARGEST, high: float = LARGEST, *, least: int = 2) -> tuple[float, ...]:
    """Return a list of at least `least` numbers, each within [low, high]; ValueError for anything else."""
    if not isinstance(value, list | tuple) or len(value) < least:
        raise ValueError(f"expected a list of {least} numbers or more, was {value!r:.50}")
    return tuple(number(one, low, high) for one in value)
