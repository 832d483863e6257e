"""Aside: work that goes on in a second thread while the caller waits for something that holds no lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Aside"]

T = TypeVar("T")


class Aside:
    """One thread, started by the first task, ended with its owner. A forked child starts one of its own."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def submit(self, task: Callable[[], T]) -> Future[T]:
        """Begin a task; where the interpreter is ending, and starts no more of them, do it here and now."""
        # Threads do not survive a fork: the parent's pool would wait for ever in the child.
        if self._pool is None or self._process != os.getpid():
            self._pool, self._process = ThreadPoolExecutor(1, "vane-aside"), os.getpid()
        try:
            return self._pool.submit(task)
        except RuntimeError:
            # Pools are shut down as the main thread ends, before other threads and atexit have had their last bar. One
            # that could not start its thread keeps the task, so it is given up, or the task might run twice.
            self._pool = None
            return _here(task)


def _here(task: Callable[[], T]) -> Future[T]:
    done: Future[T] = Future()
    try:
        done.set_result(task())
    except BaseException as error:  # whatever it is reaches the caller as it does from a thread
        done.set_exception(error)
    return done
