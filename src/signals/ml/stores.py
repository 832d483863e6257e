"""What a registry may have beside its folder: a mirror that follows it, and a store that holds the truth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from signals.ml.activations import Activation
    from signals.ml.registry import ModelRegistry

__all__ = ["Mirror", "Store"]


class Mirror(Protocol):
    """Follows a registry."""

    def follow(self, registry: ModelRegistry) -> bool:
        """Copy what has changed; must not raise where it cannot."""


class Store(Protocol):
    """Where the truth lies if not in the registry's folder: `signals.ml.postgres`."""

    refresh_seconds: float

    def pull(self, root: Path) -> None:
        """Copy what is new into the folder."""

    def add(self, recipe: str, version_id: str, folder: Path, figures: Mapping[str, float]) -> None:
        """Store a version; refuse other bytes under the same name."""

    def append(self, recipe: str, activation: Activation) -> bool:
        """Store an activation; return False where its number is taken."""
        ...
