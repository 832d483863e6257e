"""Brings a registry's folder up to what Postgres holds: versions whose bytes are whole, and the log of activations."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import structlog

from signals.errors import BundleDamaged, RegistryError
from signals.ml.activations import Activation, ActivationLog
from signals.ml.artifact import manifest_sha256
from signals.ml.durable import move_in, write_durably
from signals.ml.versions import ACTIVATIONS, RECIPE, VERSION, write_figures
from strategy.signal import canonical_json

__all__ = ["bring"]

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_READ = {"isolation": "repeatable_read", "readonly": True}


async def bring(connection: asyncpg.Connection, root: Path) -> None:
    """Copy what is new; what is damaged, there or here, is left as it is, and the log says so."""
    async with connection.transaction(**_READ):
        if await connection.fetchval("SELECT to_regclass('vane_versions')") is None:
            return
        versions = "SELECT recipe, version_id, manifest_sha256, metrics FROM vane_versions"
        for recipe, version_id, digest, metrics in await connection.fetch(versions):
            _check(RECIPE, recipe)
            _check(VERSION, version_id)
            home = root / recipe / version_id
            if not home.exists():
                files = "SELECT name, sha256, content FROM vane_files WHERE version_id = $1"
                try:
                    _unpack(home, await connection.fetch(files, version_id), json.loads(metrics))
                except BundleDamaged as error:
                    _say(error)
            else:
                _compare(home, digest)
        for (recipe,) in await connection.fetch("SELECT DISTINCT recipe FROM vane_activations"):
            await _pull_log(connection, recipe, ActivationLog(root / recipe / ACTIVATIONS))


async def _pull_log(connection: asyncpg.Connection, recipe: str, log: ActivationLog) -> None:
    mine = log.newest()
    bodies = "SELECT number, body FROM vane_activations WHERE recipe = $1 AND number >= $2 ORDER BY number"
    found = dict(await connection.fetch(bodies, recipe, mine))
    if mine and found.pop(mine, None) != canonical_json(log.read(mine)[-1].to_json()):
        raise RegistryError(
            f"{log.folder}: expected a copy of what Postgres holds, was another log; give models.dir an empty folder"
        )
    for number, body in found.items():
        try:
            activation = Activation.from_json(json.loads(body))
        except (ValueError, TypeError, KeyError) as error:
            what = f"Postgres: expected activation {number} of {recipe}"
            raise RegistryError(f"{what}, was not readable: {error}") from None
        log.append(activation)  # where another process was faster, it wrote the same


def _unpack(home: Path, files: list[Any], figures: Mapping[str, float]) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}.", ignore_cleanup_errors=True) as folder:
        building = Path(folder) / home.name
        building.mkdir()
        for name, digest, content in files:
            _check(_FILE, name)
            if sha256(content).hexdigest() != digest:
                raise BundleDamaged(f"{home.name}/{name} in Postgres: expected the bytes that were stored, were others")
            write_durably(building / name, content)
        write_figures(home, figures)
        try:
            move_in(building, home)
        except RegistryError:
            if not home.exists():  # else another process was faster
                raise


def _compare(home: Path, digest: str) -> None:
    """Say where a copy is damaged: it is refused as it is loaded or promoted, and must not hold up the others."""
    try:
        if manifest_sha256(home) != digest:
            raise BundleDamaged(f"{home}: expected the bytes that Postgres holds, were others; move it away")
    except BundleDamaged as error:
        _say(error)


def _say(error: BundleDamaged) -> None:
    structlog.get_logger(__name__).error("registry.damaged", reason=str(error))


def _check(pattern: re.Pattern[str], name: str) -> None:
    """Refuse a name from the database that would leave the folder."""
    if not pattern.fullmatch(name):
        raise RegistryError(f"Postgres: expected a name of letters, digits and any of . _ -, was {name!r}")
