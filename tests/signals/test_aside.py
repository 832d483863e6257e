from __future__ import annotations

import os
import threading
import warnings

import pytest

from signals.aside import Aside


def test_a_task_runs_in_another_thread() -> None:
    aside = Aside()
    first, second = (aside.submit(threading.get_ident).result() for _ in range(2))
    assert first == second != threading.get_ident()


def test_what_a_task_raises_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        Aside().submit(lambda: 1 // 0).result()


def test_the_thread_ends_with_its_owner() -> None:
    aside = Aside()
    thread = aside.submit(threading.current_thread).result()
    del aside
    thread.join(10)
    assert not thread.is_alive()


def test_a_forked_child_has_a_thread_of_its_own() -> None:
    aside = Aside()
    aside.submit(int).result()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads: what a host may do is tested
        child = os.fork()
    if child == 0:  # nothing of the test runner may run in the child
        try:
            os._exit(0 if aside.submit(lambda: 7).result(timeout=10) == 7 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
