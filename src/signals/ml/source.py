"""Where a strategy gets the model of an instant from: one reference, swapped whole."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import structlog

from signals.features.catalog import catalogue_hash
from signals.ml.registry import Activation, ModelRegistry, Slot

if TYPE_CHECKING:
    from signals.features.feature import Feature
    from signals.ml.artifact import ModelBundle

__all__ = ["ActiveModel", "AsOfModels", "FixedModel", "ModelSource"]

_KEPT_FAILURES = 20


class ModelSource(Protocol):
    """Answers which model is in force."""

    def at(self, timestamp: datetime) -> ModelBundle | None:
        """Return the model for the slice at `timestamp` (aware UTC), None if there is none."""
        ...


class FixedModel:
    """One model for ever: replays and tests."""

    def __init__(self, bundle: ModelBundle) -> None:
        self._bundle = bundle

    def at(self, timestamp: datetime) -> ModelBundle | None:  # noqa: ARG002 (the same at every instant)
        """Return the model."""
        return self._bundle


class ActiveModel:
    """The registry's active model, live: whatever is in force when it is asked.

    The first call loads before it answers. Later calls cost one look whether the next activation's file is there; a new
    model is loaded and checked on a thread of its own, then one reference is swapped, so that a slice sees one model or
    the other. A registry's store is asked by that thread too. Any failure keeps the model in use.

    Parameters
    ----------
    recipe, slot
        Which log, and whose activations in it.
    features
        What the strategy's store computes; a model of other features is one that cannot be loaded. None: any is taken.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        recipe: str = "direction",
        slot: Slot = "active",
        *,
        features: Sequence[Feature] | None = None,
    ) -> None:
        self._registry = registry
        self._features = features
        self._recipe = recipe
        self._slot = slot
        self._log = registry.activations(recipe)
        self._bundle: ModelBundle | None = None
        self._number = 0
        self._loader: threading.Thread | None = None
        self._started = False
        self._failures: list[str] = []

    @property
    def failures(self) -> Sequence[str]:
        """Why models could not be loaded, oldest first; the newest twenty."""
        return tuple(self._failures)

    def at(self, timestamp: datetime) -> ModelBundle | None:  # noqa: ARG002 (live: the newest is in force)
        """Return the model in force, None if there is none."""
        if not self._started:
            self._started = True
            self._load()
        elif (self._loader is None or not self._loader.is_alive()) and self._has_news():
            self._loader = threading.Thread(target=self._load, name="vane-model-loader", daemon=True)
            self._loader.start()
        return self._bundle

    def wait(self) -> None:
        """Wait for a load that is under way."""
        if self._loader is not None:
            self._loader.join()

    def _has_news(self) -> bool:
        return self._log.path(self._number + 1).exists() or self._registry.stale

    def _load(self) -> None:
        newest = self._number
        try:
            self._registry.refresh()
            newest = self._log.newest()
            mine = [entry for entry in self._log.read(newest) if entry.slot == self._slot]
            # The log may have grown by the other slot only: then what is in use stays.
            if mine and mine[-1].number > self._number:
                bundle = self._registry.load(mine[-1], self._recipe)
                if bundle is not None and self._features is not None:
                    bundle.require_catalogue(catalogue_hash(tuple(self._features)))
                self._bundle = bundle
        except Exception as error:  # whatever it is, trading goes on with the model in use
            self._failures = [*self._failures[1 - _KEPT_FAILURES :], f"activation {newest}: {error}"]
            structlog.get_logger(__name__).error("models.not_loaded", activation=newest, reason=str(error))
        # A version that failed is not tried again at every slice; the next activation is.
        self._number = newest


class AsOfModels:
    """The model that was active at each instant, by the log as it is now: for replays of what live did."""

    def __init__(self, registry: ModelRegistry, recipe: str = "direction") -> None:
        self._registry = registry
        self._recipe = recipe
        self._history = [entry for entry in registry.history(recipe) if entry.slot == "active"]
        self._loaded: dict[str, ModelBundle | None] = {}

    def at(self, timestamp: datetime) -> ModelBundle | None:
        """Return the model that was active at `timestamp`, None if none was.

        Raises
        ------
        BundleError
            If it is damaged: a replay with another model than live had would be a lie.
        """
        entry = next((entry for entry in reversed(self._history) if entry.at <= timestamp), None)
        return None if entry is None else self._bundle(entry)

    def _bundle(self, entry: Activation) -> ModelBundle | None:
        if entry.manifest_sha256 not in self._loaded:
            self._loaded[entry.manifest_sha256] = self._registry.load(entry, self._recipe)
        return self._loaded[entry.manifest_sha256]
