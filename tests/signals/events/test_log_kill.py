"""A writer is killed at a random moment: every acknowledged transaction is there, and only whole ones."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from signals.events.log import EventLog

WRITER = """
import sys
from datetime import UTC, datetime, timedelta
import numpy as np
from signals.events.log import EventLog
from signals.events.schema import Decision, Event, EventKind

log = EventLog(sys.argv[1])
first = int(log.cursor("feed") or -1) + 1
for number in range(first, first + 100_000):
    at = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    events = [Event(EventKind.OUTCOME, at, {"number": number, "part": part}) for part in range(3)]
    decision = Decision(at, "ml", None, False, ("A",), np.ones(1), np.ones((1, 3), "f4"), np.zeros((50, 11), "u2"))
    log.record(decision, events, cursors={"feed": str(number)})
    print(number, flush=True)
"""


def kill_one_writer(path: Path, rng: np.random.Generator) -> int:
    """Return the number of the last transaction that the writer acknowledged before it died."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603 (our own interpreter)
        assert child.stdout is not None
        for _ in range(rng.integers(1, 40)):
            line = child.stdout.readline()
        # A busy wait of random length puts the kill anywhere inside a later transaction.
        for _ in range(rng.integers(0, 20_000)):
            pass
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
    return int((line + rest).rsplit("\n", 2)[-2])


def check(path: Path, times: int) -> None:
    rng = np.random.default_rng(20240102)
    for _ in range(times):
        acknowledged = kill_one_writer(path, rng)
        with EventLog(path) as log:
            position = int(log.cursor("feed") or -1)
            numbers = [(event.body["number"], event.body["part"]) for event in log.read(limit=1_000_000)]
            decisions = sum(1 for _ in log.decisions("ml", 1_000_000))
        assert position >= acknowledged
        assert numbers == [(number, part) for number in range(position + 1) for part in range(3)]
        assert decisions == position + 1


def test_kill_leaves_whole_transactions(tmp_path: Path) -> None:
    check(tmp_path / "events.db", 3)


@pytest.mark.soak
def test_many_kills_leave_whole_transactions(tmp_path: Path) -> None:
    check(tmp_path / "events.db", 100)
