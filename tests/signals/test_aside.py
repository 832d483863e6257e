from __future__ import annotations

import os
import subprocess
import sys
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


def test_a_thread_that_cannot_start_runs_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    aside, ran = Aside(), list[str]()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        aside.submit(lambda: ran.append("first")).result()
        with pytest.raises(ZeroDivisionError):
            aside.submit(lambda: 1 // 0).result()
    aside.submit(lambda: ran.append("second")).result()
    assert ran == ["first", "second"]


ENDING = """
import atexit, threading
from signals.aside import Aside

aside = Aside()
aside.submit(int).result()
atexit.register(lambda: print(aside.submit(lambda: "at exit").result()))


def late():
    threading.main_thread().join()
    for _ in range(100):
        said = aside.submit(lambda: "late").result()
    print(said, flush=True)


threading.Thread(target=late).start()
"""


def test_the_last_bars_are_decided_while_the_interpreter_ends() -> None:
    ended = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout.split("\n"), ended.stderr) == (["late", "at exit", ""], "")
