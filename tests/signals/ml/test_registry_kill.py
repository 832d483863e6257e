"""Promoters are killed at random moments: no gap, no duplicate, no half record, no promise broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.registry import ModelRegistry

PROMOTER = """
import sys
from itertools import cycle
from signals.ml.registry import ModelRegistry

registry = ModelRegistry(sys.argv[1])
for version in cycle(sys.argv[2:]):
    if registry.promote(version):
        print(flush=True)
"""


def kill_two_promoters(root: Path, rng: np.random.Generator) -> int:
    """Return how many promotions both promised before they died."""
    command = [sys.executable, "-c", PROMOTER, str(root), "a", "b", "c"]
    children = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own interpreter)
        for _ in range(2)
    ]
    promised = 0
    for child in children:
        assert child.stdout is not None
        for _ in range(rng.integers(1, 10)):
            promised += len(child.stdout.readline())
    for child in children:
        for _ in range(rng.integers(0, 50_000)):
            pass
        child.kill()
    return promised + sum(len(child.communicate()[0]) for child in children)


def check(make_bundle: Callable[..., ModelBundle], folder: Path, times: int) -> None:
    registry, rng, promised = ModelRegistry(folder / "models"), np.random.default_rng(20240102), 0
    for seed, name in enumerate(("a", "b", "c")):
        registry.register(name, save_bundle(make_bundle(name, seed=seed), folder / name), {})
    for _ in range(times):
        promised += kill_two_promoters(registry.root, rng)
        history = registry.history()  # reads every number from 1: a gap or a half record raises
        assert [entry.previous for entry in history] == [None, *(entry.version_id for entry in history[:-1])]
        assert len(history) >= promised
        newest = registry.get_active()
        assert newest is not None
        assert newest.version_id == history[-1].version_id


def test_kill_leaves_a_whole_log(make_bundle: Callable[..., ModelBundle], tmp_path: Path) -> None:
    check(make_bundle, tmp_path, 1)


@pytest.mark.soak
def test_many_kills_leave_a_whole_log(make_bundle: Callable[..., ModelBundle], tmp_path: Path) -> None:
    check(make_bundle, tmp_path, 20)
