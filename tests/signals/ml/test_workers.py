"""Tasks on workers: what comes back, and how errors, deaths and interrupts end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from signals.errors import ConfigError, OneClass, TrainingError
from signals.ml import workers
from signals.ml.dataset import Dataset
from signals.ml.workers import Workers


def times(shared: int, task: int) -> tuple[int, int]:
    return os.getpid(), shared * task


def mapped(frame: pd.DataFrame, task: int) -> bool:
    """Return whether the frame's values lie in a file that is mapped, and can still be read."""
    values: Any = frame.to_numpy()
    assert float(values[task, 0]) == task
    while values is not None and not isinstance(values, np.memmap):
        values = values.base
    return values is not None


def derived(data: Dataset, task: int) -> tuple[bool, int]:
    return "x" in vars(data), len(data.x)


def refuse(shared: int, task: int) -> int:
    raise OneClass(f"task {task}: one class")


def die(shared: int, task: int) -> int:
    os._exit(9)


def test_every_task_comes_back_with_its_place() -> None:
    found = dict(Workers(2).run(times, 10, [3, 1, 2]))
    assert {place: value for place, (_, value) in found.items()} == {0: 30, 1: 10, 2: 20}
    assert os.getpid() not in {pid for pid, _ in found.values()}


def test_large_arrays_are_mapped_and_not_copied() -> None:
    frame = pd.DataFrame(np.arange(400_000, dtype=np.float32).reshape(2, -1).T)
    assert dict(Workers(2).run(mapped, frame, [0, 1])) == {0: True, 1: True}


def test_derived_arrays_of_a_dataset_stay_at_home(planted_data: Dataset) -> None:
    assert len(planted_data.x) == len(planted_data)
    assert "x" in vars(planted_data)
    assert dict(Workers(2).run(derived, planted_data, [0, 1])) == dict.fromkeys((0, 1), (False, len(planted_data)))


def test_an_error_in_a_worker_is_the_error_here() -> None:
    with pytest.raises(OneClass, match=r"^task 1: one class$"):
        dict(Workers(2).run(refuse, 0, [1]))


def test_a_worker_that_dies_is_told_in_words() -> None:
    with pytest.raises(TrainingError, match=r"a worker process died.*fewer jobs"):
        dict(Workers(2).run(die, 0, [1, 2]))
    assert len(dict(Workers(2).run(times, 1, [1, 2]))) == 2


@pytest.mark.parametrize(
    ("jobs", "tasks", "processes", "threads"),
    [(1, 11, 1, 8), (2, 11, 2, 4), (3, 11, 3, 2), (16, 2, 2, 4), (16, 11, 11, 1)],
)
def test_processes_times_threads_are_the_cores(jobs: int, tasks: int, processes: int, threads: int) -> None:
    assert (Workers(jobs).processes(tasks), Workers(jobs).threads(tasks, 8)) == (processes, threads)
    assert Workers(jobs).here(tasks) == (jobs == 1)


def test_no_number_of_jobs_means_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cores", lambda: 3)
    assert Workers(None).processes(11) == 3
    assert Workers(None).here(1)


def test_a_cluster_takes_one_thread_a_task_and_is_never_here() -> None:
    cluster = Workers(1, "tcp://10.0.0.1:8786")
    assert cluster.threads(11, 8) == 1
    assert not cluster.here(1)


def test_no_jobs_are_refused() -> None:
    with pytest.raises(ConfigError, match="jobs: expected 1 or more, was 0"):
        Workers(0)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'vane-signals\[dask\]'"):
        dict(Workers(dask="tcp://127.0.0.1:1").run(times, 1, [1]))


# The thread of loky's that watches the workers can end with a KeyError when they are killed just as it sends out the
# next task (joblib/loky#663); they have been killed by then.
@pytest.mark.filterwarnings("ignore:Exception in thread ExecutorManagerThread")
def test_a_reader_that_stops_ends_the_tasks() -> None:
    results = Workers(2).run(times, 1, range(100))
    assert next(results)[0] in range(100)
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(dict(Workers(2).run(times, 1, [1, 2]))) == 2


def test_an_interrupt_ends_all_processes_in_silence(tmp_path: Path) -> None:
    """Ctrl-C on a terminal reaches every process of the group."""
    script = textwrap.dedent(
        """
        import os, threading
        from signals.ml.workers import Workers

        def wait(shared, task):
            os.write(1, b"begun\\n")  # in one piece, unlike print's
            threading.Event().wait(60)

        try:
            list(Workers(2).run(wait, 0, [0, 1]))
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    path = tmp_path / "script.py"
    path.write_text(script)
    with subprocess.Popen(  # noqa: S603 (our own interpreter and script)
        [sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
        os.killpg(process.pid, signal.SIGINT)
        # It returns when the last process that could write is gone.
        said, complained = process.communicate(timeout=30)
    assert (said, complained, process.returncode) == ("interrupted\n", "", 0)
