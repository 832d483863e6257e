"""Reproduce: fit a registered version again from what its manifest says, and compare the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from signals.errors import BundleUnknown, TrainingError
from signals.features.catalog import catalogue_hash
from signals.ml.manifest import Manifest
from signals.ml.recipe import Recipe
from signals.ml.trainer import Trainer

if TYPE_CHECKING:
    from signals.config import Settings
    from signals.data.provider import DataProvider
    from signals.feature_store import FeatureStore

__all__ = ["Reproduced", "reproduce"]


@dataclass(frozen=True)
class Reproduced:
    """What fitting again gave.

    Parameters
    ----------
    same_data
        Whether features and labels have the fingerprint that the version was trained on.
    files
        By file of the bundle (booster, calibration), whether its bytes are the same.
    libraries
        Those of another version now: by name, (then, now).
    """

    version_id: str
    same_data: bool
    files: Mapping[str, bool]
    libraries: Mapping[str, tuple[str, str]]

    @property
    def identical(self) -> bool:
        """Whether every file has the same bytes."""
        return all(self.files.values())

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        libraries = {name: list(pair) for name, pair in self.libraries.items()}
        body = {"version_id": self.version_id, "identical": self.identical, "same_data": self.same_data}
        return {**body, "files": dict(self.files), "libraries": libraries}


def reproduce(manifest: Manifest, provider: DataProvider, store: FeatureStore, settings: Settings) -> Reproduced:
    """Fit a version again: its recipe with the parameters that were found, its seed, its symbols, until its last label.

    The same data gives the same bytes on the same platform with the same libraries; the number of threads does not
    matter.

    Parameters
    ----------
    provider
        The bars and facts that it was trained on; later ones do no harm.

    Raises
    ------
    TrainingError
        If the manifest does not hold its recipe, or the bars do not hold its symbols.
    BundleUnknown
        If its features are of another catalogue than the store's.
    """
    if not manifest.recipe_spec:
        raise TrainingError(f"version {manifest.version_id}: its manifest does not hold its recipe; train a new one")
    if manifest.catalogue_sha256 != catalogue_hash(store.features):
        raise BundleUnknown(
            f"version {manifest.version_id} was trained on another feature catalogue; install the version of Vane, and "
            f"of the calculators, that made it ({manifest.libraries.get('vane-signals', 'unknown')})"
        )
    try:
        recipe = Recipe.model_validate(manifest.recipe_spec)
    except ValidationError as error:
        raise TrainingError(f"version {manifest.version_id}: its recipe cannot be read: {error}") from None
    recipe = recipe.model_copy(update={"estimator": manifest.params, "search": None})
    trainer, until = Trainer(store, settings, seed=manifest.seed), manifest.train.last_label_end
    data = trainer.dataset(recipe, provider, manifest.data.symbols, until)
    made = trainer.fit(recipe, data, until).manifest
    now = made.libraries
    return Reproduced(
        manifest.version_id,
        data.fingerprint == manifest.data.fingerprint,
        {name: made.files.get(name) == entry for name, entry in manifest.files.items()},
        {name: (then, now.get(name, "none")) for name, then in manifest.libraries.items() if now.get(name) != then},
    )
