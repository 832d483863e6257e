"""Cross-asset features: a symbol against the market, its sector and the volatility index; see `references` for joins.

Windows count the symbol's own bars, and a reference that is missing at one of them leaves the feature NaN there; only
what is market-wide counts the reference's own.
"""

from __future__ import annotations

from signals.features.feature import Feature

__all__ = ["FEATURES"]


def _own(name: str, before: int, meaning: str) -> Feature:
    return Feature(name, "cross_asset", before, before, scale_free=True, meaning=meaning)


def _wide(name: str, before: int, meaning: str) -> Feature:
    return Feature(name, "cross_asset", before, before, scale_free=True, meaning=meaning, market_wide=True)


FEATURES: tuple[Feature, ...] = (
    _own("market_correlation_60", 60, "correlation of 60 bar returns with the market's"),
    _own("market_beta_60", 60, "slope of 60 bar returns on the market's"),
    _own("strength_market_20", 20, "return over 20 bars minus the market's"),
    _own("strength_sector_20", 20, "return over 20 bars minus the sector's"),
    _wide("volatility_level", 0, "level of the volatility index, points"),
    _wide("market_return_20", 20, "the market's return over 20 of its bars, fraction"),
    _wide("volatility_change_5", 5, "change of the volatility index over 5 of its bars, fraction"),
    _wide("volatility_regime_60", 59, "volatility index over its mean of 60 of its bars, minus 1"),
)
