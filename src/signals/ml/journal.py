"""The journal that keeps every trial of a search: one file, one search at a time, and a torn end is cut off.

Importing this module imports Optuna.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from optuna.storages.journal import JournalFileBackend, JournalStorage

from signals.errors import TrainingError

__all__ = ["journal_storage"]


@contextmanager
def journal_storage(path: Path) -> Iterator[JournalStorage]:
    """Hold a journal for one search; another one that wants it waits.

    Raises
    ------
    TrainingError
        If the file cannot be read or written, now or later.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.with_name(f"{path.name}.held").open("w")
    with held:
        _hold(held.fileno(), path)
        with _told(path):
            _cut(path)
            storage = JournalStorage(_File(str(path)))
        yield storage


class _File(JournalFileBackend):
    """Optuna's file, whose errors name it."""

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        with _told(Path(self._file_path)):
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with _told(Path(self._file_path)):
            super().append_logs(logs)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # a damaged line is a ValueError
        raise TrainingError(
            f"{path}: the journal of the search cannot be read or written ({error}); make room, or delete the file and "
            "with it the trials so far, and train again: it goes on from what the file holds"
        ) from error


def _hold(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on this system: there two searches at once are the user's to avoid
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        structlog.get_logger(__name__).info("tuning.waiting", journal=str(path), note="another search holds it")
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _cut(path: Path) -> None:
    """Cut off a last line without an end: a write that a full disk, or a kill, broke off."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        body = file.read()
        whole = body.rfind(b"\n") + 1
        if whole < len(body):
            file.truncate(whole)
            file.flush()
            os.fsync(file.fileno())
