"""What a feature declares about itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Feature"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the catalogue.

    Parameters
    ----------
    name
        Column name, unique in the catalogue.
    calculator
        Who computes it: ``technical``, ``cross_asset``, ``fundamental``, ``alternative`` or ``temporal``.
    first_value
        Bars that must precede a bar before the feature can have a value there.
    lookback
        Bars that must precede a bar before the start of history no longer shows in float32; at least `first_value`.
    scale_free
        Unchanged when this symbol's prices are multiplied by k, its volume divided by k, and its per-share facts and
        share counts rescaled alike. Only scale-free features reach a model.
    meaning
        One line, with the unit.
    market_wide
        The same for all symbols of a date, so it says nothing about which symbol to prefer.
    cross_sectional
        Depends on which other symbols are there. Only what declares so may.
    """

    name: str
    calculator: str
    first_value: int
    lookback: int
    scale_free: bool
    meaning: str
    market_wide: bool = False
    cross_sectional: bool = False

    @property
    def wide(self) -> str:
        """What of other symbols shows, as printed: ``yes`` (the same for all), ``peers`` (who is there), or nothing."""
        return "yes" if self.market_wide else "peers" if self.cross_sectional else ""
