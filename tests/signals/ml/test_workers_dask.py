"""A real dask scheduler and two workers on loopback: windows fitted there are the same as those fitted here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from signals.errors import OneClass, TrainingError
from signals.ml import workers
from signals.ml.dataset import Dataset
from signals.ml.recipe import CalibrationSpec, EstimatorSpec, Recipe
from signals.ml.splits import WalkForward
from signals.ml.validation import WalkForwardValidator
from signals.ml.workers import Workers

pytest.importorskip("distributed")

LOOPBACK = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")


@contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run a part of a cluster until the block ends; the block begins when it listens."""
    command = [sys.executable, "-m", *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)  # noqa: S603
    assert process.stderr is not None
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with started("distributed.cli.dask_scheduler", "--port", "0", *LOOPBACK) as process:
        yield wait_for(process, "Scheduler at:").split()[-1]


@pytest.fixture(scope="module")
def cluster(scheduler: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    worker = (
        "distributed.cli.dask_worker",
        scheduler,
        "--no-nanny",
        "--nthreads",
        "1",
        "--memory-limit",
        "0",
        *LOOPBACK,
    )
    folder = ("--local-directory", tmp_path_factory.mktemp("dask"))
    with started(*worker, *folder) as one, started(*worker, *folder) as other:
        for process in (one, other):
            wait_for(process, "Registered to:")
        yield scheduler


def refuse(shared: int, task: int) -> int:
    raise OneClass(f"task {task}: one class")


def windows(data: Dataset, recipe: Recipe, where: Workers) -> list[dict[str, Any]]:
    """Return what every window holds and said, the model's hash too."""
    progress: list[tuple[int, int]] = []
    found = WalkForwardValidator(recipe, workers=where, threads=2).run_dataset(
        data, WalkForward(6, 2, 2, recipe.embargo), progress=lambda done, total: progress.append((done, total))
    )
    assert progress == [(at, len(found)) for at in range(1, len(found) + 1)]
    records = [window.out_of_sample for window in found]
    assert len(found) == 4
    assert all(record is not None for record in records)
    rows = [record.calibrated.tobytes() for record in records if record is not None]
    return [{**window.to_json(), "rows": said} for window, said in zip(found, rows, strict=True)]


def test_a_scheduler_without_workers_is_told(scheduler: str) -> None:
    with pytest.raises(TrainingError, match=r"expected workers at tcp://127.0.0.1:\d+, were none; run: dask worker"):
        dict(Workers(dask=scheduler).run(max, 0, [1]))


def test_windows_are_the_same_on_a_cluster_in_processes_and_here(
    cluster: str, planted_data: Dataset, small_recipe: Recipe
) -> None:
    trees, folds = EstimatorSpec(params={"n_estimators": 4}), CalibrationSpec(folds=2)
    quick = small_recipe.model_copy(update={"calibration": folds, "estimator": trees})
    here = windows(planted_data, quick, Workers(1))
    assert all(len(window["model_sha256"]) == 64 for window in here)
    assert windows(planted_data, quick, Workers(2)) == here
    assert windows(planted_data, quick, Workers(dask=cluster)) == here


def test_an_error_on_the_cluster_is_the_error_here(cluster: str) -> None:
    with pytest.raises(OneClass, match=r"^task 1: one class$"):
        dict(Workers(dask=cluster).run(refuse, 0, [1]))


def test_no_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    with pytest.raises(TrainingError, match=r"expected a scheduler at tcp://127.0.0.1:1, was none"):
        dict(Workers(dask="tcp://127.0.0.1:1").run(max, 0, [1]))
