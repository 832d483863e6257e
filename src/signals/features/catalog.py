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


# A store's features are the catalogue's and its users' own: what follows takes either.


@cache
def names(features: tuple[Feature, ...] = CATALOGUE) -> tuple[str, ...]:
    """Return the features' names in order."""
    return tuple(feature.name for feature in features)


def model_features(features: tuple[Feature, ...] = CATALOGUE, *, market_wide: bool = True) -> tuple[str, ...]:
    """Return the names that a model may see: the scale-free ones, in order.

    Parameters
    ----------
    market_wide
        Whether features that are the same for all symbols of a date are among them.
    """
    return tuple(
        feature.name for feature in features if feature.scale_free and (market_wide or not feature.market_wide)
    )


@cache
def catalogue_hash(features: tuple[Feature, ...] = CATALOGUE) -> str:
    """Return the SHA-256 of the features' canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json([asdict(feature) for feature in features]).encode()).hexdigest()
