"""A registered version, and the figures that lie beside its bundle in ``<version_id>.metrics.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from signals.data.atomic import replacing
from signals.errors import BundleDamaged
from strategy.signal import canonical_json

__all__ = ["ModelVersion", "read_figures", "write_figures"]


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


def write_figures(home: Path, figures: Mapping[str, float]) -> None:
    """Keep a version's figures; those that are not finite are left out."""
    finite = {name: float(value) for name, value in figures.items() if math.isfinite(value)}
    with replacing(_beside(home)) as path:
        path.write_text(canonical_json(finite) + "\n")


def read_figures(home: Path) -> dict[str, float]:
    """Return a version's figures, none where there is no file.

    Raises
    ------
    BundleDamaged
        If the file does not hold figures.
    """
    path = _beside(home)
    try:
        return {name: float(value) for name, value in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BundleDamaged(f"{path}: expected figures, was not readable: {error}; restore or delete it") from None


def _beside(home: Path) -> Path:
    return home.with_name(f"{home.name}.metrics.json")
