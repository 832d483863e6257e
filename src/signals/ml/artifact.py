"""The model bundle on disk: written whole or not at all, read byte by checked byte.

A bundle is a folder: the estimator's native files, ``calibration.json``, ``manifest.json`` and ``manifest.sha256``.
The manifest holds size and SHA-256 of the first two; the last holds the manifest's own hash in the format of
``sha256sum``, so that ``sha256sum -c manifest.sha256`` works. That guards against damage, not against someone who may
write to the folder: such a one can write a whole new bundle.

Native loaders crash the process on damaged bytes, so each file is read once into memory and checked there, and only the
checked bytes are handed on.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from signals.data.records import F8
from signals.errors import BundleDamaged, BundleError, BundleUnknown, FeatureError, GoldenRowsDiffer
from signals.events.schema import F4
from signals.ml import estimators
from signals.ml.calibration import ConfidenceCalibrator
from signals.ml.estimators import Estimator
from signals.ml.manifest import RESTORE, FileEntry, Manifest
from strategy.signal import canonical_json

__all__ = [
    "CALIBRATION",
    "MANIFEST",
    "MANIFEST_HASH",
    "Manifest",
    "ModelBundle",
    "load_bundle",
    "manifest_sha256",
    "save_bundle",
]

MANIFEST = "manifest.json"
MANIFEST_HASH = "manifest.sha256"
CALIBRATION = "calibration.json"

_SHOWN = 12  # hexadecimal digits of a hash that a message shows
_MANIFEST_LIMIT = 64 * 2**20  # bytes; a manifest beyond that is not ours


@dataclass(frozen=True)
class ModelBundle:
    """A model with all that is needed to use, check and name it. Made by the trainer and by `load_bundle`."""

    manifest: Manifest
    estimator: Estimator
    calibrator: ConfidenceCalibrator

    @property
    def version_id(self) -> str:
        """Name of the version, unique within a recipe."""
        return self.manifest.version_id

    @property
    def recipe(self) -> str:
        """Name of the recipe it was made by."""
        return self.manifest.recipe

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the input columns, in order."""
        return tuple(feature.name for feature in self.manifest.features)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the output columns, in order."""
        return tuple(self.manifest.outputs)

    @property
    def horizon(self) -> int:
        """Sessions (bars, intraday) that a prediction looks ahead."""
        return self.manifest.target.horizon

    @property
    def trained_until(self) -> datetime:
        """Close of the newest bar that training saw, aware UTC: what the model's age is counted from.

        Labels look ahead, so this is where the last label ended, not the last training row.
        """
        return self.manifest.train.last_label_end

    @property
    def last_label_end(self) -> datetime:
        """The instant at which the last training label was known; deciding an earlier bar would be hindsight."""
        return self.manifest.train.last_label_end

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what decides a prediction; see `Manifest.content_hash`."""
        return self.manifest.content_hash

    def require_catalogue(self, catalogue: str) -> None:
        """Raise `BundleUnknown` unless the model was trained on the features that `catalogue_hash` describes so."""
        if self.manifest.catalogue_sha256 != catalogue:
            raise BundleUnknown(
                f"model {self.version_id} was trained on another feature catalogue than this one: its features may "
                "mean something else; train again, or install the version of Vane, and of the calculators, that made it"
            )

    def predict_raw(self, X: F4) -> F8:
        """Return uncalibrated outputs, shape (n, outputs), for rows (n, features) in the order of `features`."""
        return self.estimator.predict(X)

    def predict(self, X: F4) -> F8:
        """Return calibrated probabilities DOWN, FLAT, UP, shape (n, 3), for rows (n, features) ordered as `features`.

        Raises
        ------
        FeatureError
            If the rows do not have that many columns.
        """
        if X.ndim != 2 or X.shape[1] != len(self.manifest.features):
            raise FeatureError(f"expected rows of {len(self.manifest.features)} features, was shape {X.shape}")
        return self.calibrator.transform(self.predict_raw(X))

    def files(self) -> dict[str, bytes]:
        """Return every file of the bundle but the manifest and its hash."""
        return bundle_files(self.estimator, self.calibrator)


def bundle_files(estimator: Estimator, calibrator: ConfidenceCalibrator) -> dict[str, bytes]:
    """Return what the manifest's ``files`` describes, by name."""
    return {**estimator.files(), CALIBRATION: (canonical_json(calibrator.to_json()) + "\n").encode()}


def file_entries(files: Mapping[str, bytes], formats: Mapping[str, str]) -> dict[str, FileEntry]:
    """Return size, SHA-256 and format of each file."""
    return {
        name: FileEntry(size=len(content), sha256=_digest(content), format=formats.get(name, "json"))
        for name, content in files.items()
    }


def save_bundle(bundle: ModelBundle, folder: Path | str) -> Path:
    """Write a bundle as `folder`: whole and durable when the call returns, absent or whole after a crash.

    Writing the same bundle again does nothing.

    Raises
    ------
    BundleError
        If `folder` exists with other bytes.
    """
    folder = Path(folder)
    manifest = bundle.manifest.to_bytes()
    files = {**bundle.files(), MANIFEST: manifest, MANIFEST_HASH: _hash_line(manifest)}
    if folder.exists():
        _require_same(folder, files)
        return folder
    building = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.tmp"
    try:
        building.mkdir(parents=True)
        for name, content in files.items():
            with (building / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _sync_folder(building)
        building.rename(folder)  # fails on a folder with content: nothing is ever overwritten
        _sync_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        if not folder.is_dir():
            raise BundleError(f"{folder}: could not be written: {error}; look at the disk and the rights") from error
        _require_same(folder, files)  # somebody else wrote it in between; the same bytes are fine
    return folder


def load_bundle(folder: Path | str, *, recipe: str | None = None) -> ModelBundle:
    """Read a bundle: size, SHA-256, schema, native loader, golden rows, in this order.

    Parameters
    ----------
    recipe
        The recipe that it must belong to; None: any.

    Raises
    ------
    BundleDamaged
        If a file is missing, or its size or hash are not those of the manifest.
    BundleUnknown
        If a newer version wrote it, or it belongs to another recipe.
    GoldenRowsDiffer
        If the model that was loaded does not give the probabilities that it must.
    """
    folder = Path(folder)
    content = _read(folder / MANIFEST, _MANIFEST_LIMIT)
    if _read(folder / MANIFEST_HASH, 1024) != _hash_line(content):
        short = _digest(content)[:_SHOWN]
        raise BundleDamaged(f"{folder / MANIFEST}: its SHA-256 {short} is not the one in {MANIFEST_HASH}; {RESTORE}")
    manifest = Manifest.from_bytes(content, str(folder / MANIFEST))
    if recipe is not None and manifest.recipe != recipe:
        raise BundleUnknown(f"{folder}: expected a bundle of recipe {recipe!r}, was {manifest.recipe!r}")
    files = {name: _checked(folder / name, entry) for name, entry in manifest.files.items()}
    if CALIBRATION not in files:
        raise BundleDamaged(f"{folder}: expected {CALIBRATION} among the manifest's files, was not; {RESTORE}")
    calibrator = ConfidenceCalibrator.from_json(json.loads(files.pop(CALIBRATION)))
    bundle = ModelBundle(manifest, estimators.load(files, manifest.params), calibrator)
    _check_golden(bundle, folder)
    return bundle


def manifest_sha256(folder: Path | str) -> str:
    """Return the SHA-256 (hex) of the folder's ``manifest.json``, which by its own hashes stands for the whole bundle.

    Raises
    ------
    BundleDamaged
        If there is none.
    """
    return _digest(_read(Path(folder) / MANIFEST, _MANIFEST_LIMIT))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_line(manifest: bytes) -> bytes:
    return f"{_digest(manifest)}  {MANIFEST}\n".encode()


def _read(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes; one byte more is read to see that there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise BundleDamaged(f"{path}: expected a file of the bundle, was {error.strerror}; {RESTORE}") from None
    if len(content) > limit:
        raise BundleDamaged(f"{path}: expected at most {limit} bytes, were more; {RESTORE}")
    return content


def _checked(path: Path, entry: FileEntry) -> bytes:
    content = _read(path, entry.size)
    if len(content) != entry.size:
        raise BundleDamaged(f"{path}: expected {entry.size} bytes, were {len(content)}; {RESTORE}")
    found = _digest(content)
    if found != entry.sha256:
        expected = entry.sha256[:_SHOWN]
        raise BundleDamaged(f"{path}: expected SHA-256 {expected}, was {found[:_SHOWN]}; {RESTORE}")
    return content


def _check_golden(bundle: ModelBundle, folder: Path) -> None:
    golden = bundle.manifest.golden
    wanted = np.array(golden.outputs, np.float64)
    try:
        found = bundle.predict(np.array(golden.rows, np.float32))  # None becomes NaN
    except FeatureError as error:
        raise GoldenRowsDiffer(f"{folder}: the model does not take its golden rows: {error}") from None
    if found.shape != wanted.shape:
        raise GoldenRowsDiffer(f"{folder}: expected golden outputs of shape {wanted.shape}, was {found.shape}")
    worst = float(np.abs(found - wanted).max())
    if not worst <= golden.atol:
        raise GoldenRowsDiffer(
            f"{folder}: expected its golden probabilities within {golden.atol}, was off by {worst:.3g}; the libraries "
            f"here give other numbers than those that it was trained with: train again"
        )


def _require_same(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            raise BundleError(f"{folder}: exists with another {name}; a version is never overwritten: use a new id")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
