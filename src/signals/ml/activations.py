"""Activations: an append-only log of files, whose highest number is the truth.

Each record is written to a temporary file, fsynced, and hard-linked under the next number. A link fails where the name
exists, so two writers never share a number, no number is missing, and pointer and history are one step: kill -9 at any
moment leaves the log as it was before or after. A record holds its own hash and that of the one before it: what is
damaged or edited later is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from signals.errors import RegistryError
from signals.ml.durable import sync_folder, write_durably
from strategy.signal import canonical_json

__all__ = ["Activation", "ActivationLog", "Slot", "earlier", "newest_of"]

Slot = Literal["active", "shadow"]

_NAME = re.compile(r"\d{8}\.json")


@dataclass(frozen=True, slots=True)
class Activation:
    """One change of which version is in force.

    Parameters
    ----------
    number
        Place in the recipe's log, from 1.
    slot
        What the version is in force as.
    version_id, previous
        What is in force from here on and what was before; None: nothing.
    at
        When, aware UTC.
    actor, reason
        Who asked, and why.
    verdict
        The gate's verdict on the version.
    manifest_sha256
        Which bytes were meant by `version_id`.
    restores
        For a rollback: the number of the activation that it goes back to. Rolling back again goes on from there.
    before
        `sha256` of the record before this one; empty for the first.
    """

    number: int
    slot: Slot
    version_id: str | None
    previous: str | None
    at: datetime
    actor: str
    reason: str
    verdict: Mapping[str, Any]
    manifest_sha256: str
    restores: int | None = None
    before: str = ""

    @property
    def sha256(self) -> str:
        """Hash (hex) of all that the record says, the hash of the one before it included."""
        return hashlib.sha256(canonical_json(self._fields()).encode()).hexdigest()

    @property
    def origin(self) -> int:
        """The activation whose state this one is: its own, or the one that it restores."""
        return self.number if self.restores is None else self.restores

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, and their hash."""
        return {**self._fields(), "sha256": self.sha256}

    def _fields(self) -> dict[str, Any]:
        return {**asdict(self), "at": self.at.isoformat(), "verdict": dict(self.verdict)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Activation:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it cannot be what `to_json` wrote: a slot that nobody asks for would pass unseen, and the version before
            it would be in force again.
        """
        said = {name: value for name, value in fields.items() if name != "sha256"}
        made = cls(**{**said, "at": datetime.fromisoformat(fields["at"])})
        if made.sha256 != fields["sha256"]:
            raise ValueError("expected what its sha256 says, was changed since it was written")
        if made.slot not in get_args(Slot):
            raise ValueError(f"expected a slot of {', '.join(get_args(Slot))}, was {made.slot!r}")
        if made.at.tzinfo is None:
            raise ValueError(f"expected an aware time, was {fields['at']!r}")
        if made.restores is not None and not 0 < made.restores < made.number:
            raise ValueError(f"expected `restores` before {made.number}, was {made.restores!r}")
        return made


class ActivationLog:
    """The log of one recipe, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, number: int) -> Path:
        """Return the file of a number."""
        return self.folder / f"{number:08d}.json"

    def newest(self) -> int:
        """Return the highest number, 0 for an empty log."""
        if not self.folder.is_dir():
            return 0
        return max((int(file.stem) for file in self.folder.iterdir() if _NAME.fullmatch(file.name)), default=0)

    def read(self, until: int | None = None) -> list[Activation]:
        """Return the records up to the number `until` (None: all), oldest first.

        Raises
        ------
        RegistryError
            If a record is missing or damaged.
        """
        last = self.newest() if until is None else until
        found = [self._read(number) for number in range(1, last + 1)]
        for one, following in pairwise(found):
            if following.before != one.sha256:
                raise RegistryError(
                    f"{self.path(one.number)}: expected the activation that number {following.number} follows, was "
                    "another; restore it"
                )
        return found

    def append(self, activation: Activation) -> bool:
        """Make a record durable; return False, with nothing changed, where its number is taken."""
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self.folder / f".{activation.number:08d}.{secrets.token_hex(4)}.tmp"
        try:
            write_durably(written, canonical_json(activation.to_json()).encode() + b"\n")
            try:
                os.link(written, self.path(activation.number))
            except FileExistsError:
                return False
        finally:
            written.unlink(missing_ok=True)
        sync_folder(self.folder)
        return True

    def _read(self, number: int) -> Activation:
        path = self.path(number)
        try:
            made = Activation.from_json(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RegistryError(
                f"{path}: expected activation {number}, was not readable: {error}; restore it"
            ) from None
        if made.number != number:
            raise RegistryError(f"{path}: expected activation {number}, was {made.number}; restore it")
        return made


def newest_of(history: Sequence[Activation], slot: Slot) -> Activation | None:
    """Return the newest activation of a slot: what is in force there."""
    return next((entry for entry in reversed(history) if entry.slot == slot), None)


def earlier(history: Sequence[Activation], version_id: str | None) -> Activation:
    """Return the activation that a rollback goes back to: of a version, or (None) the one before what is in force.

    Raises
    ------
    RegistryError
        If there is none.
    """
    active = [entry for entry in history if entry.slot == "active" and entry.version_id is not None]
    if version_id is None:
        here = active[-1].origin if active else 0
        found = [entry for entry in active if entry.number < here]
    else:
        found = [entry for entry in active if entry.version_id == version_id]
    if not found:
        which = "" if version_id is None else f" of {version_id}"
        raise RegistryError(
            f"there is no earlier activation{which} to go back to; vane models promote puts one in force"
        )
    return found[-1]
