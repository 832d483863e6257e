"""A registered version, and the figures that lie beside its bundle in ``<version_id>.metrics.json``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from signals.data.atomic import replacing
from signals.errors import BundleDamaged
from strategy.signal import canonical_json

__all__ = [
    "ACTIVATIONS",
    "RECIPE",
    "VERSION",
    "ModelVersion",
    "figures_file",
    "finite",
    "read_figures",
    "write_figures",
]

VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RECIPE = re.compile(r"[a-z][a-z0-9-]{0,63}")
ACTIVATIONS = "activations"
"""The folder of a recipe's log, beside its versions."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered version.

    Parameters
    ----------
    path
        Its bundle's folder.
    metrics
        Figures it was registered with.
    passed
        Whether the gate let it through.
    """

    version_id: str
    recipe: str
    path: Path
    metrics: Mapping[str, float]
    created_at: datetime
    is_active: bool
    passed: bool


def finite(figures: Mapping[str, float]) -> dict[str, float]:
    """Leave out what JSON cannot hold."""
    return {name: float(value) for name, value in figures.items() if math.isfinite(value)}


def write_figures(home: Path, figures: Mapping[str, float]) -> None:
    """Keep a version's figures; those that are not finite are left out."""
    with replacing(figures_file(home)) as path:
        path.write_text(canonical_json(finite(figures)) + "\n")


def read_figures(home: Path) -> dict[str, float]:
    """Return a version's figures, none where there is no file.

    Raises
    ------
    BundleDamaged
        If the file does not hold figures.
    """
    path = figures_file(home)
    try:
        return {name: float(value) for name, value in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BundleDamaged(f"{path}: expected figures, was not readable: {error}; restore or delete it") from None


def figures_file(home: Path) -> Path:
    """Return where a version's figures lie: beside its folder."""
    return home.with_name(f"{home.name}.metrics.json")
