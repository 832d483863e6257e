"""The catalogue: the one place that orders the features. Columns of every frame and row follow it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cache

from signals.features import alternative, cross_asset, fundamental, technical, temporal
from signals.features.feature import Feature
from strategy.signal import canonical_json

__all__ = ["CATALOGUE", "WARMUP", "catalogue_hash", "model_features", "names"]

CATALOGUE: tuple[Feature, ...] = (
    *technical.FEATURES,
    *cross_asset.FEATURES,
    *fundamental.FEATURES,
    *alternative.FEATURES,
    *temporal.FEATURES,
)

WARMUP = max(feature.lookback for feature in CATALOGUE)
"""Bars that must precede a bar before every feature is free of where history began."""


@cache
def names() -> tuple[str, ...]:
    """Return the features' names in the catalogue's order."""
    return tuple(feature.name for feature in CATALOGUE)


def model_features(*, market_wide: bool = True) -> tuple[str, ...]:
    """Return the names that a model may see: the scale-free ones, in order.

    Parameters
    ----------
    market_wide
        Whether features that are the same for all symbols of a date are among them.
    """
    return tuple(
        feature.name for feature in CATALOGUE if feature.scale_free and (market_wide or not feature.market_wide)
    )


@cache
def catalogue_hash() -> str:
    """Return the SHA-256 of the catalogue's canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json([asdict(feature) for feature in CATALOGUE]).encode()).hexdigest()
