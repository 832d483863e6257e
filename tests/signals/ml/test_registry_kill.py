"""Promoters are killed at random moments: no gap, no duplicate, no half record, no promise broken."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path

import asyncpg
import numpy as np
import pytest
import redis

from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.mirror import ACTIVE, RedisMirror
from signals.ml.postgres import PostgresStore
from signals.ml.registry import ModelRegistry

MakeBundle = Callable[..., ModelBundle]
NAMES = ("a", "b", "c")
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["signals.ml.mirror", "signals.ml.postgres", "signals.ml.registry", "xgboost"])
Machine = tuple[Path, str, str]
"""A registry's folder, and the addresses of its mirror and its store, if it has them."""


def promote_for_ever(machine: Machine, promised: Connection) -> None:
    folder, url, dsn = machine
    mirror = RedisMirror(url) if url else None
    store = PostgresStore(dsn, refresh_seconds=0) if dsn else None
    registry = ModelRegistry(folder, mirror=mirror, store=store)
    for name in cycle(NAMES):
        if registry.promote(name):
            promised.send_bytes(b"in force")


def filled(registry: ModelRegistry, make_bundle: MakeBundle, folder: Path) -> ModelRegistry:
    for seed, name in enumerate(NAMES):
        registry.register(name, save_bundle(make_bundle(name, seed=seed), folder / name), {})
    return registry


def kill_promoters(machines: Sequence[Machine], rng: np.random.Generator) -> int:
    """Let each promote a few times, kill them, and return how many promotions they promised before they died."""
    running = []
    for machine in machines:
        heard, promised = PROCESSES.Pipe(duplex=False)
        child = PROCESSES.Process(target=promote_for_ever, args=(machine, promised))
        child.start()
        promised.close()
        running.append((child, heard))
    count = 0
    for _, heard in running:
        for _ in range(rng.integers(1, 10)):
            assert heard.recv_bytes()
            count += 1
    for child, heard in running:
        for _ in range(rng.integers(0, 50_000)):
            pass
        child.kill()
        child.join()
        with suppress(EOFError):
            while heard.recv_bytes():
                count += 1
        heard.close()
    return count


def check(
    registry: ModelRegistry, machines: Sequence[Machine], times: int, seed: int, look: Callable[[str, int], None]
) -> None:
    """Kill both promoters again and again; `look` is told what is in force, and by which activation."""
    rng, promised = np.random.default_rng([20240102, seed]), 0
    for _ in range(times):
        promised += kill_promoters(machines, rng)
        history = registry.history()  # reads every number from 1: a gap or a half record raises
        assert [entry.previous for entry in history] == [None, *(entry.version_id for entry in history[:-1])]
        assert len(history) >= promised
        newest = registry.get_active()
        assert newest is not None
        assert newest.version_id == history[-1].version_id
        registry.verify(newest.version_id)
        look(newest.version_id, history[-1].number)


def on_files(make_bundle: MakeBundle, folder: Path, times: int, seed: int) -> None:
    registry = filled(ModelRegistry(folder / "models"), make_bundle, folder)
    check(registry, [(registry.root, "", "")] * 2, times, seed, lambda version, number: None)


def on_redis(make_bundle: MakeBundle, folder: Path, times: int, seed: int, url: str) -> None:
    mirror = RedisMirror(url)
    client = redis.Redis.from_url(url, decode_responses=True)
    client.flushall()
    registry = filled(ModelRegistry(folder / "models"), make_bundle, folder)

    def look(version: str, number: int) -> None:
        # What was killed between its record and its copy leaves an older copy, and never a mixed one.
        held = client.hgetall(ACTIVE)
        assert registry.history()[int(held["direction:activation"]) - 1].version_id == held["direction"]
        mirror.rebuild(registry)
        assert client.hgetall(ACTIVE) == {"direction": version, "direction:activation": str(number)}

    check(registry, [(registry.root, url, "")] * 2, times, seed, look)
    client.close()


def on_postgres(make_bundle: MakeBundle, folder: Path, times: int, seed: int, dsn: str) -> None:
    async def fetch(sql: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(dsn)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    def look(version: str, number: int) -> None:
        held = asyncio.run(fetch("SELECT version_id, number FROM vane_activations WHERE in_force"))
        assert [tuple(row) for row in held] == [(version, number)]

    asyncio.run(fetch("DROP TABLE IF EXISTS vane_activations, vane_files, vane_versions"))
    store = PostgresStore(dsn, refresh_seconds=0)
    registry = filled(ModelRegistry(folder / "models", store=store), make_bundle, folder)
    machines = [(folder / name, "", dsn) for name in ("one", "two")]
    check(registry, machines, times, seed, look)


def test_kill_leaves_a_whole_log(make_bundle: MakeBundle, tmp_path: Path) -> None:
    on_files(make_bundle, tmp_path, 1, 0)


def test_kill_leaves_a_whole_copy_in_redis(make_bundle: MakeBundle, tmp_path: Path, redis_url: str) -> None:
    on_redis(make_bundle, tmp_path, 1, 0, redis_url)


def test_kill_leaves_a_whole_log_in_postgres(make_bundle: MakeBundle, tmp_path: Path, postgres_url: str) -> None:
    on_postgres(make_bundle, tmp_path, 1, 0, postgres_url)


# Twenty rounds on each of five registries: thousands of activations would measure how slow reading them gets.
parts = pytest.mark.parametrize("part", range(5))


@pytest.mark.soak
@parts
def test_many_kills_leave_a_whole_log(make_bundle: MakeBundle, tmp_path: Path, part: int) -> None:
    on_files(make_bundle, tmp_path, 20, part)


@pytest.mark.soak
@parts
def test_many_kills_leave_a_whole_copy_in_redis(
    make_bundle: MakeBundle, tmp_path: Path, redis_url: str, part: int
) -> None:
    on_redis(make_bundle, tmp_path, 20, part, redis_url)


@pytest.mark.soak
@parts
def test_many_kills_leave_a_whole_log_in_postgres(
    make_bundle: MakeBundle, tmp_path: Path, postgres_url: str, part: int
) -> None:
    on_postgres(make_bundle, tmp_path, 20, part, postgres_url)
