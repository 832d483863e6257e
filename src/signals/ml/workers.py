"""Where independent tasks run: in this process, in processes of this machine (loky), or on a dask cluster."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from signals.errors import ConfigError, TrainingError
from signals.ml.fitting import cores

__all__ = ["Workers"]

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")

PATIENCE = 10
"""Seconds that a scheduler has to answer."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How many tasks run at a time, and where. What they return does not depend on it.

    Parameters
    ----------
    jobs
        Processes of this machine; 1 is this process, None as many as it has cores. On a cluster every thread of its
        workers takes a task, and `jobs` does not count.
    dask
        Address of a dask scheduler, ``tcp://host:8786``. Its workers need the same versions of everything, and they
        and it are trusted: tasks and results are pickled.

    Raises
    ------
    ConfigError
        If `jobs` is below one.
    """

    jobs: int | None = 1
    dask: str | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ConfigError(f"jobs: expected 1 or more, was {self.jobs}")

    def processes(self, tasks: int) -> int:
        """Return how many processes of this machine run so many tasks."""
        return max(1, min(self.jobs or cores(), tasks))

    def threads(self, tasks: int, available: int) -> int:
        """Return the threads of each task, so that processes times threads are the cores `available`."""
        return 1 if self.dask else max(1, available // self.processes(tasks))

    def here(self, tasks: int) -> bool:
        """Return whether so many tasks run in this process, one after another."""
        return self.dask is None and self.processes(tasks) == 1

    def run(self, function: Callable[[S, T], R], shared: S, tasks: Sequence[T]) -> Iterator[tuple[int, R]]:
        """Yield ``function(shared, task)`` of every task with its place, as they are done.

        Parameters
        ----------
        shared
            Given to every task. Its large arrays reach the processes of this machine as one file that all map, and each
            worker of a cluster once.

        Raises
        ------
        ConfigError
            If the extra ``dask`` is not installed.
        TrainingError
            If no scheduler answers, it has no workers, or a worker dies.
        """
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        with self._backend(shared) as options:
            run = Parallel(n_jobs=self.processes(len(tasks)), return_as="generator_unordered", **options)
            calls = (delayed(_placed)(function, shared, place, task) for place, task in enumerate(tasks))
            results = run(calls)
            try:
                for result in results:  # noqa: UP028 (`yield from` would close it before the warning is silenced)
                    yield result
            except TerminatedWorkerError as error:
                raise TrainingError(
                    "a worker process died, most likely for want of memory; run again with fewer jobs"
                ) from error
            finally:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", category=UserWarning, module="joblib")  # of what it gives up
                    results.close()

    @contextmanager
    def _backend(self, shared: object) -> Iterator[dict[str, Any]]:
        if self.dask is None:
            yield {"backend": "loky", "initializer": _deaf}
            return
        try:
            from distributed import Client
            from distributed.scheduler import KilledWorker
        except ImportError:
            raise ConfigError("dask: the extra is not installed; pip install 'vane-signals[dask]'") from None
        from joblib import parallel_config

        connect: Any = Client
        try:
            client = connect(self.dask, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise TrainingError(f"dask: expected a scheduler at {self.dask}, was none: {error}") from None
        with client:
            if not client.nthreads():
                raise TrainingError(f"dask: expected workers at {self.dask}, were none; run: dask worker {self.dask}")
            try:
                with parallel_config("dask", client=client, scatter=[shared]):
                    yield {}
            except KilledWorker as error:
                raise TrainingError(f"dask: workers died over and over: {error}") from error


def _deaf() -> None:
    """Leave Ctrl-C, which a terminal sends to every process, to the parent: it ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _placed(function: Callable[[S, T], R], shared: S, place: int, task: T) -> tuple[int, R]:
    return place, function(shared, task)
