"""PostgresStore: a registry whose truth lies in Postgres, for machines without a disk of their own.

A registry with a store works on its folder as ever, and the folder is a copy: `pull` brings what is new, changes go to
Postgres first. What was pulled stays when Postgres does not answer, so that a model in force stays in force.

Three tables in the connection's schema, made by the first `add`: ``vane_versions``, ``vane_files`` (a bundle's bytes)
and ``vane_activations``. A partial unique index lets one activation a recipe and slot be in force; an advisory lock
makes those who change it wait for each other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from signals.errors import RegistryError
from signals.ml.activations import Activation
from signals.ml.artifact import manifest_sha256
from signals.ml.postgres_copy import bring
from strategy.signal import canonical_json

__all__ = ["PostgresStore"]

Result = TypeVar("Result")

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
        self._run(lambda connection: bring(connection, root))

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
            # Not the message: it may quote the address.
            # A copy is written meanwhile: of an OSError the reason is told, a full disk is no matter of Postgres.
            known = isinstance(error, OSError) and error.errno
            reason = os.strerror(known) if known else type(error).__name__
            raise RegistryError(f"Postgres (postgres.dsn) could not be used: {reason}") from None


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
        if activation.version_id is not None:
            await _require_stored(connection, activation.version_id, activation.manifest_sha256)
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


async def _require_stored(connection: asyncpg.Connection, version_id: str, digest: str) -> None:
    held = await connection.fetchval("SELECT manifest_sha256 FROM vane_versions WHERE version_id = $1", version_id)
    if held != digest:
        was = "none" if held is None else "others"
        raise RegistryError(
            f"version {version_id}: expected its bytes in Postgres, were {was}; register it there first"
        )
