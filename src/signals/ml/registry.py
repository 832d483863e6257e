"""ModelRegistry: which versions there are, which one is in force, and who decided that.

``models/<recipe>/<version_id>/`` is a bundle, ``models/<recipe>/<version_id>.metrics.json`` what it was registered
with, ``models/<recipe>/activations/`` the log. Nothing is ever overwritten. With a store, the folder is a copy of it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from signals.errors import ActivationConflict, BundleDamaged, BundleError, EventLogError, RegistryError, VaneError
from signals.events.schema import Event, EventKind
from signals.ml.activations import Activation, ActivationLog, Slot, earlier, newest_of
from signals.ml.artifact import MANIFEST, Manifest, ModelBundle, load_bundle, manifest_sha256
from signals.ml.durable import move_in
from signals.ml.manifest import RESTORE
from signals.ml.stores import Mirror, Store
from signals.ml.versions import (
    ACTIVATIONS,
    RECIPE,
    VERSION,
    ModelVersion,
    figures_file,
    finite,
    read_figures,
    write_figures,
)

if TYPE_CHECKING:
    from signals.events.log import EventLog

__all__ = ["Activation", "ModelRegistry", "ModelVersion", "Slot"]


class ModelRegistry:
    """The registry in a folder.

    Parameters
    ----------
    root
        ``models.dir`` of the settings; made when first needed.
    log
        Where activations are told as events; None: nowhere. The folder is the truth: events that a crash kept from
        being written are caught up by the next activation.
    mirror
        Follows every change for others to read; None: nobody does. One that fails holds up nothing.
    store
        Holds the truth; None: the folder does. What reads looks there every `refresh_seconds`, and goes on with the
        folder as it is where it gets no answer; what changes something looks there first, and fails.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        log: EventLog | None = None,
        mirror: Mirror | None = None,
        store: Store | None = None,
    ) -> None:
        self.root = Path(root)
        self._log = log
        self._mirror = mirror
        self._store = store
        self._looked = -math.inf

    def register(self, version_id: str, model_path: str | Path, metrics: Mapping[str, float]) -> ModelVersion:
        """Check a bundle's folder and move it in.

        Registering the same bytes again changes nothing.

        Raises
        ------
        BundleError
            If the bundle is damaged or does not give its golden probabilities.
        RegistryError
            If its name is not `version_id`, or that name is taken by other bytes.
        """
        _check_name(version_id)
        source = Path(model_path)
        bundle = load_bundle(source)
        if bundle.version_id != version_id:
            raise RegistryError(f"{source}: expected version {version_id!r}, was {bundle.version_id!r}")
        self.pull()
        home = self._find(version_id) or self.root / bundle.recipe / version_id
        if home.exists() and manifest_sha256(home) != manifest_sha256(source):
            raise RegistryError(f"version {version_id}: expected the registered bytes, were others; use a new id")
        if self._store is not None:
            self._store.add(bundle.recipe, version_id, source, finite(metrics))
        if home.exists():
            return self._version(home)
        home.parent.mkdir(parents=True, exist_ok=True)
        write_figures(home, metrics)
        try:
            move_in(source, home)
        except BaseException:
            figures_file(home).unlink(missing_ok=True)
            raise
        return self._version(home)

    def in_force(self, recipe: str = "direction", slot: Slot = "active") -> str | None:
        """Return the id of the version in force, None if there is none; its files are not read."""
        newest = newest_of(self.history(recipe), slot)
        return None if newest is None else newest.version_id

    def get_active(self, recipe: str = "direction", slot: Slot = "active") -> ModelVersion | None:
        """Return the version in force, None if there is none; `BundleError` if it is damaged."""
        return self._in_force(newest_of(self.history(recipe), slot))

    def promote(
        self, version_id: str, *, slot: Slot = "active", expected: int | None = None, actor: str = "", reason: str = ""
    ) -> bool:
        """Put a version in force; return False if it is in force already.

        Parameters
        ----------
        slot
            ``active`` is for versions that the gate let through; ``shadow`` runs beside it and trades nothing.
        expected
            Number of the newest activation that the caller knows (0: none); None: whatever it is.

        Raises
        ------
        RegistryError
            No such version, or the gate refused it.
        ActivationConflict
            There is a newer activation than `expected`.
        BundleError
            The bundle is damaged.
        EventLogError
            The version is in force, but its event could not be written.
        """
        self.pull()
        home = self._home(version_id)
        if slot == "active" and not self._version(home).passed:
            raise RegistryError(
                f"version {version_id} did not pass its gate, so it cannot be active: run it in shadow, or train anew"
            )
        return self._activate(home, slot, expected, actor, reason, restores=None)

    def rollback(
        self,
        version_id: str | None = None,
        *,
        recipe: str = "direction",
        expected: int | None = None,
        actor: str = "",
        reason: str = "",
    ) -> bool:
        """Go back to a version that was active before: `version_id`, or the recipe's previous one when None.

        Without a name, each rollback goes one activation further back. The gate is not asked again.

        Raises
        ------
        RegistryError
            There is no earlier activation (of that version).
        BundleError
            What it goes back to is damaged; the message names an older version that is whole.
        """
        self.pull()
        if version_id is not None:
            recipe = self._home(version_id).parent.name
        history = self.history(recipe)
        target = earlier(history, version_id)
        home = self._home(str(target.version_id))
        try:
            return self._activate(home, "active", expected, actor, reason, restores=target.origin)
        except BundleError as error:
            whole = self._whole_before(history, target)
            if whole is None:
                raise
            raise type(error)(f"{error}; or go further back: vane models rollback {whole}") from error

    def list_versions(self) -> list[ModelVersion]:
        """Return every version whose manifest can be read, oldest first; `versions_on_disk` names the others too."""
        found = []
        for home in self.versions_on_disk():
            with suppress(BundleError):
                found.append(self._version(home))
        return sorted(found, key=lambda version: (version.created_at, version.recipe, version.version_id))

    def attempts(self, recipe: str = "direction") -> int:
        """Count the versions of a recipe that the gate judged, refused ones too; a damaged one counts as judged."""
        count = 0
        for home in self.versions_on_disk():
            if home.parent.name == recipe:
                try:
                    count += bool(_manifest(home).verdict)
                except BundleError:
                    count += 1
        return count

    def versions_on_disk(self) -> list[Path]:
        """Return the folder of every version, damaged ones too."""
        self.refresh()
        homes = self.root.glob("*/*/")
        return sorted(home for home in homes if home.name != ACTIVATIONS and VERSION.fullmatch(home.name))

    def history(self, recipe: str = "direction") -> list[Activation]:
        """Return every activation of a recipe, oldest first."""
        self.refresh()
        return self.activations(recipe).read()

    def as_of(self, at: datetime, recipe: str = "direction") -> ModelVersion | None:
        """Return the version that was active at an instant (by the registry's own clock), None if none was."""
        return self._in_force(newest_of([entry for entry in self.history(recipe) if entry.at <= at], "active"))

    def activations(self, recipe: str = "direction") -> ActivationLog:
        """Return a recipe's log."""
        if not RECIPE.fullmatch(recipe):
            raise RegistryError(f"expected a recipe's name (lower-case letters, digits, dashes), was {recipe!r}")
        return ActivationLog(self.root / recipe / ACTIVATIONS)

    @property
    def stale(self) -> bool:
        """Whether it is time to look into the store."""
        return self._store is not None and time.monotonic() - self._looked >= self._store.refresh_seconds

    def refresh(self) -> None:
        """Look into the store, if it is time to; where it does not answer the log says so and the folder stays.

        Raises
        ------
        RegistryError
            If nothing was copied yet: it would look like no models.
        """
        if self.stale:
            try:
                self.pull()
            except VaneError as error:
                if not any(self.root.glob("*/*/")):
                    raise
                structlog.get_logger(__name__).error("registry.not_refreshed", reason=str(error))

    def pull(self) -> None:
        """Bring the folder to what the store holds; a registry of files is the truth itself.

        Raises
        ------
        RegistryError
            If the store does not answer.
        """
        if self._store is not None:
            self._looked = time.monotonic()
            self._store.pull(self.root)

    def load(self, activation: Activation, recipe: str = "direction") -> ModelBundle | None:
        """Load the bundle that an activation put in force, None if it put nothing.

        Raises
        ------
        BundleError
            If it is damaged, or no longer the bytes that were activated.
        """
        if activation.version_id is None:
            return None
        home = self._home(activation.version_id)
        bundle = load_bundle(home, recipe=recipe)
        _require_activated(home, activation)
        return bundle

    def verify(self, version_id: str) -> ModelBundle:
        """Check every byte and the golden rows of a version and return it; raise `BundleError` if it is refused."""
        home = self._home(version_id)
        read_figures(home)
        return _bundle(home)

    def version(self, version_id: str) -> ModelVersion:
        """Return a version as it is registered; raise `BundleError` if its manifest is damaged."""
        return self._version(self._home(version_id))

    def manifest(self, version_id: str) -> Manifest:
        """Return a version's manifest, without loading the model."""
        return _manifest(self._home(version_id))

    def _append(self, recipe: str, entry: Activation) -> bool:
        log = self.activations(recipe)
        if self._store is None:
            return log.append(entry)
        if not self._store.append(recipe, entry):
            return False
        log.append(entry)  # unless another process copied it in the meantime
        return True

    def _activate(
        self, home: Path, slot: Slot, expected: int | None, actor: str, reason: str, *, restores: int | None
    ) -> bool:
        manifest = _bundle(home).manifest
        log = self.activations(home.parent.name)
        while True:
            history = log.read()
            if expected is not None and expected != len(history):
                raise ActivationConflict(
                    f"expected {expected} as newest activation, was {len(history)}; look, then try again"
                )
            newest = newest_of(history, slot)
            previous = None if newest is None else newest.version_id
            if previous == manifest.version_id:
                return False
            entry = Activation(
                len(history) + 1,
                slot,
                manifest.version_id,
                previous,
                datetime.now(UTC),
                actor,
                reason,
                manifest.verdict,
                manifest_sha256(home),
                restores,
                history[-1].sha256 if history else "",
            )
            # Taken in the meantime: with `expected` the next round says so, without it the next number is tried.
            if self._append(home.parent.name, entry):
                if self._mirror is not None:
                    self._mirror.follow(self)
                self._tell(home.parent.name, [*history, entry])
                return True
            self.pull()

    def _whole_before(self, history: list[Activation], target: Activation) -> str | None:
        """Return the newest version that was active before an activation, is not in force, and is whole."""
        active = [entry.version_id for entry in history if entry.slot == "active"]
        earlier_ones = [entry.version_id for entry in history[: target.number] if entry.slot == "active"]
        for version_id in dict.fromkeys(reversed(earlier_ones)):
            if version_id not in (None, active[-1], target.version_id):
                with suppress(BundleError, RegistryError):
                    return self.verify(str(version_id)).version_id
        return None

    def _in_force(self, entry: Activation | None) -> ModelVersion | None:
        if entry is None or entry.version_id is None:
            return None
        home = self._home(entry.version_id)
        _require_activated(home, entry)
        return self._version(home)

    def _tell(self, recipe: str, history: list[Activation]) -> None:
        if self._log is None:
            return
        kind = EventKind.ACTIVATION
        try:
            self._log.append([Event(kind, entry.at, {"recipe": recipe, **entry.to_json()}) for entry in history])
        except EventLogError as error:
            newest = history[-1]
            raise EventLogError(
                f"{newest.version_id} is in force as {newest.slot} (activation {newest.number}), but its event could "
                f"not be written; the next activation catches up: {error}"
            ) from error

    def _find(self, version_id: str) -> Path | None:
        _check_name(version_id)
        found = [home for home in self.versions_on_disk() if home.name == version_id]
        return found[0] if found else None

    def _home(self, version_id: str) -> Path:
        home = self._find(version_id)
        if home is None:
            known = ", ".join(path.name for path in self.versions_on_disk()[-5:]) or "none"
            raise RegistryError(f"no version {version_id!r} in {self.root}; the newest there: {known}")
        return home

    def _version(self, home: Path) -> ModelVersion:
        manifest = _manifest(home)
        newest = newest_of(self.history(home.parent.name), "active")
        return ModelVersion(
            home.name,
            home.parent.name,
            home,
            _figures(home),
            manifest.created_at,
            newest is not None and newest.version_id == home.name,
            manifest.verdict.get("passed") is True,
        )


def _bundle(home: Path) -> ModelBundle:
    return load_bundle(home, recipe=home.parent.name)


def _figures(home: Path) -> dict[str, float]:
    # They are for people to read: a version without them is as good as before, and `verify` says what is wrong.
    try:
        return read_figures(home)
    except BundleDamaged as error:
        structlog.get_logger(__name__).warning("registry.no_figures", version=home.name, reason=str(error))
        return {}


def _manifest(home: Path) -> Manifest:
    path = home / MANIFEST
    try:
        return Manifest.from_bytes(path.read_bytes(), str(path))
    except OSError as error:
        raise BundleDamaged(f"{path}: expected a manifest, was {error.strerror}; {RESTORE}") from None


def _require_activated(home: Path, activation: Activation) -> None:
    if manifest_sha256(home) != activation.manifest_sha256:
        raise BundleDamaged(f"{home}: expected the bytes of activation {activation.number}, were others; restore it")


def _check_name(version_id: str) -> None:
    if not VERSION.fullmatch(version_id) or version_id == ACTIVATIONS:
        raise RegistryError(f"expected a version id of letters, digits and any of . _ -, was {version_id!r}")
