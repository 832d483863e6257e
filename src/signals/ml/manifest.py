"""The manifest of a model bundle: everything about a model that is not the model's own bytes."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from signals.errors import BundleDamaged, BundleUnknown
from signals.ml.drift import Reference
from signals.ml.recipe import EstimatorSpec, TargetSpec
from strategy.signal import canonical_json

__all__ = [
    "RESTORE",
    "SCHEMA",
    "DataOrigin",
    "FeatureEntry",
    "FileEntry",
    "Golden",
    "Manifest",
    "TargetEntry",
    "TrainRange",
]

SCHEMA = 1
"""Version of the manifest's schema; a bundle with a higher one is refused."""

RESTORE = "restore the bundle from a copy, or train again"
"""What to do about a damaged bundle."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_by_name=True)


class FileEntry(_Part):
    """Size in bytes and SHA-256 of one file of the bundle."""

    size: Annotated[int, Field(ge=0)]
    sha256: Sha256
    format: str = ""


class FeatureEntry(_Part):
    """One input column; its place in the list is its place in the matrix."""

    name: str
    dtype: Literal["f4"] = "f4"


class TargetEntry(_Part):
    """What the labels mean, as in the recipe's `TargetSpec`."""

    horizon: Annotated[int, Field(ge=1)]
    up: float
    down: float
    kind: Literal["three_class", "binary", "quintile", "return"] = "three_class"
    unit: Literal["fraction", "volatility"] = "fraction"
    prices: Literal["close_close", "open_open"] = "close_close"

    def in_words(self) -> str:
        """Return what UP and DOWN mean, with the unit and the prices."""
        return TargetSpec.model_validate(self.model_dump()).in_words()


class TrainRange(_Part):
    """Closes of the first and last training row, and of the last bar that any of their labels needed."""

    start: AwareDatetime
    end: AwareDatetime
    last_label_end: AwareDatetime


class DataOrigin(_Part):
    """What the rows were made of.

    `sectors` says ``current-only`` where a sector map of one day was used for all of the past, ``as-of`` where
    memberships carried their own times, ``none`` where there was no map. `references` names the market, volatility and
    sector series that the features saw: without them the model abstains.
    """

    fingerprint: str
    adjusted: Literal["split", "none"] = "split"
    sectors: Literal["current-only", "as-of", "none"] = "none"
    symbols: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


class Golden(_Part):
    """A few rows (None is NaN) and the calibrated probabilities that they must give, within `atol`."""

    rows: Annotated[list[list[float | None]], Field(min_length=1)]
    outputs: Annotated[list[list[float]], Field(min_length=1)]
    atol: Annotated[float, Field(gt=0, le=1e-4)] = 1e-6


class Manifest(_Part):
    """Contract 7's schema. `schema_version` is written as ``schema``.

    Parameters
    ----------
    recipe_spec
        The recipe as it was given, its search included, so that it can be fitted anew; `params` are what was found.
    windows
        One JSON object a walk-forward window; a window that was skipped holds the reason.
    verdict
        The gate's verdict as JSON; empty for a model that was never judged.
    reference
        The bins that drift is measured against, and what their index is like without drift.
    notes
        Sentences about the training that a reader should know, such as features that never had a value.
    """

    schema_version: Annotated[int, Field(alias="schema")] = SCHEMA
    version_id: FileName
    recipe: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    recipe_sha256: Sha256
    recipe_spec: dict[str, Any] = {}
    created_at: AwareDatetime
    files: dict[FileName, FileEntry]
    features: Annotated[list[FeatureEntry], Field(min_length=1)]
    catalogue_sha256: str = ""
    outputs: Annotated[list[str], Field(min_length=1)]
    target: TargetEntry
    train: TrainRange
    split: dict[str, Any] = {}
    params: EstimatorSpec
    seed: int = 0
    libraries: dict[str, str] = {}
    data: DataOrigin
    windows: list[dict[str, Any]] = []
    verdict: dict[str, Any] = {}
    reference: Reference
    golden: Golden
    notes: list[str] = []

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names) or list(self.reference.columns) != names:
            raise ValueError("expected distinct features, and a reference of the same ones in the same order")
        if any(len(row) != len(names) for row in self.golden.rows):
            raise ValueError(f"expected golden rows of {len(names)} features")
        return self

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of what decides a prediction: the files, the features' order, the outputs, the target.

        Name and time of creation are left out, so that the same model gives the same signal ids.
        """
        parts = {
            "files": {name: entry.sha256 for name, entry in self.files.items()},
            "features": [[feature.name, feature.dtype] for feature in self.features],
            "outputs": self.outputs,
            "target": self.target.model_dump(),
        }
        return hashlib.sha256(canonical_json(parts).encode()).hexdigest()

    def to_bytes(self) -> bytes:
        """Return ``manifest.json``, the same bytes for the same manifest."""
        content = self.model_dump(mode="json", by_alias=True)
        return (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes, source: str) -> Manifest:
        """Read ``manifest.json``; `source` is named in errors.

        Raises
        ------
        BundleUnknown
            If a newer version of Vane wrote it.
        BundleDamaged
            If it does not follow the schema.
        """
        try:
            document = json.loads(content)
        except ValueError as error:
            raise BundleDamaged(f"{source}: expected JSON, was not: {error}; {RESTORE}") from None
        schema = document.get("schema") if isinstance(document, dict) else None
        if isinstance(schema, int) and schema > SCHEMA:
            raise BundleUnknown(f"{source}: expected schema {SCHEMA} or older, was {schema}; upgrade vane-signals")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BundleDamaged(f"{source}: {place}: {first['msg']}; {RESTORE}") from None
