"""PostgresStore: a registry whose truth lies in Postgres, for machines without a disk of their own.

A registry with a store works on its folder as ever, and the folder is a copy: `pull` brings what is new, changes go to
Postgres first. What was pulled stays when Postgres does not answer, so that a model in force stays in force.

Three tables in the connection's schema, made by the first `add`: ``vane_versions``, ``vane_files`` (a bundle's bytes)
and ``vane_activations``. A partial unique index lets one activation a recipe and slot be in force; an advisory lock
makes those who change it wait for each other.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import structlog

from signals.errors import BundleDamaged, RegistryError
from signals.ml.activations import Activation, ActivationLog
from signals.ml.artifact import manifest_sha256
from signals.ml.durable import move_in
from signals.ml.versions import ACTIVATIONS, RECIPE, VERSION, write_figures
from strategy.signal import canonical_json

__all__ = ["PostgresStore"]

Result = TypeVar("Result")

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CONNECT_SECONDS, _COMMAND_SECONDS = 5.0, 30.0
_TABLES = """
CREATE TABLE IF NOT EXISTS vane_versions (
    version_id text PRIMARY KEY, recipe text NOT NULL, manifest_sha256 text NOT NULL, metrics text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS vane_files (
    version_id text NOT NULL REFERENCES vane_versions, name text NOT NULL, sha256 text NOT NULL,
    content bytea NOT NULL, PRIMARY KEY (version_id, name));
CREATE TABLE IF NOT EXISTS vane_activations (
    recipe text NOT NULL, number integer NOT NULL, slot text NOT NULL, version_id text REFERENCES vane_versions,
    in_force boolean NOT NULL, body text NOT NULL, PRIMARY KEY (recipe, number));
CREATE UNIQUE INDEX IF NOT EXISTS vane_in_force ON vane_activations (recipe, slot) WHERE in_force;
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('vane:' || $1, 0))"
_READ = {"isolation": "repeatable_read", "readonly": True}


class PostgresStore:
    """A registry's versions and activations in Postgres.

    Parameters
    ----------
    dsn
        ``postgresql://...``; it may hold a password and is never logged.
    refresh_seconds
        How old the folder's copy may be when it is read. What changes something looks first, always.
    """

    def __init__(self, dsn: str, *, refresh_seconds: float = 60.0) -> None:
        self._dsn = dsn
        self.refresh_seconds = refresh_seconds

    def pull(self, root: Path) -> None:
        """Copy what is new into a registry's folder; a version whose bytes were damaged is left out (the log says so).

        Raises
        ------
        RegistryError
            If Postgres does not answer, or the folder holds activations that are not from there.
        """
        self._run(lambda connection: _pull(connection, root))

    def add(self, recipe: str, version_id: str, folder: Path, figures: Mapping[str, float]) -> None:
        """Store a version that was checked: its bundle's files and its figures, all or nothing.

        Raises
        ------
        RegistryError
            If Postgres does not answer, or has that name with other bytes.
        """
        self._run(lambda connection: _add(connection, recipe, version_id, folder, figures))

    def append(self, recipe: str, activation: Activation) -> bool:
        """Make a record durable and put it in force; return False, with nothing changed, where its number is taken.

        Raises
        ------
        RegistryError
            If Postgres does not answer (then look whether it is in force), or does not have the version.
        """
        return self._run(lambda connection: _append(connection, recipe, activation))

    def _run(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, Result]]) -> Result:
        # A thread of its own: the caller may stand in an event loop.
        with ThreadPoolExecutor(1, "vane-postgres") as pool:
            return pool.submit(asyncio.run, self._connected(work)).result()

    async def _connected(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, Result]]) -> Result:
        try:
            connection = await asyncpg.connect(self._dsn, timeout=_CONNECT_SECONDS, command_timeout=_COMMAND_SECONDS)
            try:
                return await work(connection)
            finally:
                await connection.close(timeout=_CONNECT_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
            # The class alone: messages may quote the address.
            raise RegistryError(f"Postgres (postgres.dsn) could not be used: {type(error).__name__}") from None


async def _pull(connection: asyncpg.Connection, root: Path) -> None:
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
                    structlog.get_logger(__name__).error("registry.damaged_in_store", reason=str(error))
            elif manifest_sha256(home) != digest:
                raise RegistryError(f"{home}: expected the bytes that Postgres holds, were others; move it away")
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
            (building / name).write_bytes(content)
        write_figures(home, figures)
        try:
            move_in(building, home)
        except RegistryError:
            if not home.exists():  # else another process was faster
                raise


async def _add(
    connection: asyncpg.Connection, recipe: str, version_id: str, folder: Path, figures: Mapping[str, float]
) -> None:
    async with connection.transaction():
        await connection.execute(_LOCK, "")
        if await connection.fetchval("SELECT to_regclass('vane_in_force')") is None:
            await connection.execute(_TABLES)
        digest = manifest_sha256(folder)
        held = await connection.fetchval("SELECT manifest_sha256 FROM vane_versions WHERE version_id = $1", version_id)
        if held is None:
            row = "INSERT INTO vane_versions (version_id, recipe, manifest_sha256, metrics) VALUES ($1, $2, $3, $4)"
            await connection.execute(row, version_id, recipe, digest, canonical_json(dict(figures)))
            contents = [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]
            await connection.executemany(
                "INSERT INTO vane_files (version_id, name, sha256, content) VALUES ($1, $2, $3, $4)",
                [(version_id, name, sha256(content).hexdigest(), content) for name, content in contents],
            )
        elif held != digest:
            raise RegistryError(f"version {version_id}: expected the registered bytes, were others; use a new id")


async def _append(connection: asyncpg.Connection, recipe: str, activation: Activation) -> bool:
    async with connection.transaction():
        await connection.execute(_LOCK, recipe)
        # Read after the lock: each statement sees what was committed before it.
        newest = await connection.fetchval("SELECT max(number) FROM vane_activations WHERE recipe = $1", recipe)
        if activation.number != (newest or 0) + 1:
            return False
        left = "UPDATE vane_activations SET in_force = false WHERE recipe = $1 AND slot = $2 AND in_force"
        await connection.execute(left, recipe, activation.slot)
        await connection.execute(
            "INSERT INTO vane_activations (recipe, number, slot, version_id, in_force, body) "
            "VALUES ($1, $2, $3, $4, true, $5)",
            recipe,
            activation.number,
            activation.slot,
            activation.version_id,
            canonical_json(activation.to_json()),
        )
    return True


def _check(pattern: re.Pattern[str], name: str) -> None:
    """Refuse a name from the database that would leave the folder."""
    if not pattern.fullmatch(name):
        raise RegistryError(f"Postgres: expected a name of letters, digits and any of . _ -, was {name!r}")
