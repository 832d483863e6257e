"""EventLog: one SQLite file in which everything that happened is durable before anybody is told.

Each call is one transaction (WAL, synchronous FULL): after a crash, kill -9 included, a decision and all its events
are there or none of them is. One process writes at a time, others wait; readers never wait.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from signals.errors import EventConflict, EventLogError
from signals.events.codec import decode_decision, encode_decision
from signals.events.schema import Decision, Event, EventKind

__all__ = ["EventLog"]

SCHEMA = 1
_WAIT_SECONDS = 30.0
_NOTHING: Mapping[str, str] = MappingProxyType({})
_TABLES = (
    """CREATE TABLE events(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
       version INTEGER NOT NULL, at TEXT NOT NULL, recorded_at TEXT NOT NULL, body TEXT NOT NULL)""",
    "CREATE TABLE decisions(strategy TEXT, at TEXT, shadow INTEGER, body BLOB, PRIMARY KEY(strategy, at, shadow))",
    "CREATE TABLE cursors(name TEXT PRIMARY KEY, position TEXT NOT NULL)",
    "CREATE TABLE journal(at TEXT PRIMARY KEY, body BLOB NOT NULL)",
    f"PRAGMA user_version = {SCHEMA}",
)


class EventLog:
    """The durable sink (an `EventSink`), and what relays, alerts and `vane events` read.

    Parameters
    ----------
    path
        The SQLite file. It is made, with its parent folders, by the first write; until then the log reads as empty.

    Raises
    ------
    EventLogError
        From any method: the file is no event log, was written by a newer version, or the disk refused.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def record(
        self, decision: Decision, events: Sequence[Event] = (), *, cursors: Mapping[str, str] = _NOTHING
    ) -> None:
        """Make one decision, its own events, `events` and `cursors` durable, together or not at all.

        Recording the same decision again changes nothing.

        Raises
        ------
        EventConflict
            If another decision of the same strategy, instant and slot is there, or an event's id has another body.
        """
        key = (decision.strategy_name, _text(decision.timestamp), int(decision.shadow))
        own = decision.events()
        body = encode_decision(decision, [event.text for event in own[: len(decision.signals)]])
        with self._transaction() as db:
            added = db.execute("INSERT INTO decisions VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (*key, body))
            query = "SELECT body FROM decisions WHERE strategy=? AND at=? AND shadow=?"
            if not added.rowcount and db.execute(query, key).fetchone()[0] != body:
                raise EventConflict(
                    f"{key[0]!r} at {key[1]}: expected the decision that is recorded, was another; a slice is decided "
                    "once, so replay into a log of its own"
                )
            _insert(db, [*own, *events])
            _move(db, cursors)

    def append(self, events: Sequence[Event], *, cursors: Mapping[str, str] = _NOTHING) -> int:
        """Make events and cursors durable; return how many events are new.

        Raises
        ------
        EventConflict
            If an id is there with another kind, time or body; then nothing is written.
        """
        with self._transaction() as db:
            new = _insert(db, events)
            _move(db, cursors)
        return new

    def read(self, after: int = 0, *, kinds: Collection[str] = (), limit: int = 1000) -> list[Event]:
        """Return events in the order of recording; see `entries`."""
        return [event for _, event in self.entries(after, kinds=kinds, limit=limit)]

    def entries(self, after: int = 0, *, kinds: Collection[str] = (), limit: int = 1000) -> list[tuple[int, Event]]:
        """Return (sequence number, event) of up to `limit` events behind the number `after`, oldest first."""
        rows = self._query(*_select("seq > ?", after, kinds, "seq", limit))
        return [(row[0], _event(row)) for row in rows]

    def latest(self, limit: int, *, kinds: Collection[str] = (), since: datetime | None = None) -> list[Event]:
        """Return the newest `limit` events with market time at or after `since`, oldest first."""
        bound = "" if since is None else _text(since)
        return [_event(row) for row in reversed(self._query(*_select("at >= ?", bound, kinds, "seq DESC", limit)))]

    def cursor(self, name: str) -> str | None:
        """Return the position stored under `name`, None if there is none."""
        rows = self._query("SELECT position FROM cursors WHERE name=?", (name,))
        return str(rows[0][0]) if rows else None

    def decisions(self, strategy: str, last: int) -> Iterator[Decision]:
        """Return the newest `last` decisions of a strategy, oldest first."""
        query = "SELECT body FROM decisions WHERE strategy=? ORDER BY at DESC, shadow DESC LIMIT ?"
        return (decode_decision(row[0]) for row in reversed(self._query(query, (strategy, last))))

    def retain(self, before: datetime) -> int:
        """Delete what is older than `before` (market time); return the number of events deleted.

        The newest event always stays, so that no sequence number is given twice and cursors stay true.
        """
        bound = _text(before)
        with self._transaction() as db:
            gone = db.execute("DELETE FROM events WHERE at < ? AND seq < (SELECT max(seq) FROM events)", (bound,))
            db.execute("DELETE FROM decisions WHERE at < ?", (bound,))
            db.execute("DELETE FROM journal WHERE at < ?", (bound,))
            return gone.rowcount

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _query(self, query: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        if self._connection is None and not self.path.exists():
            return []
        with self._lock, self._named_errors():
            return self._open().execute(query, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._named_errors():
            self._require_there()
            db = self._open()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise EventLogError(f"event log {self.path}: {error}") from error

    def _require_there(self) -> None:
        # What is written to a file that has no name any more is lost, and SQLite would not say so.
        if self._connection is None or _identity(self.path) == self._file:
            return
        self.close()
        raise EventLogError(
            f"event log {self.path}: expected the file that was open, was removed or replaced; nothing was written, "
            "and the next write opens, or makes, the file of that name: restore it first, or begin a new log"
        )

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(db)
            except BaseException:
                db.close()
                raise
            self._connection, self._file = db, _identity(self.path)
        return self._connection

    def _prepare(self, db: sqlite3.Connection) -> None:
        schema = self._schema(db)  # before anything is written: switching to WAL would change a foreign file
        _write_ahead(db)
        db.execute("PRAGMA synchronous = FULL")
        if schema == SCHEMA:
            return
        db.execute("BEGIN IMMEDIATE")
        # Asked again inside the transaction: another process may have made the tables in between.
        if self._schema(db) != SCHEMA:
            for statement in _TABLES:
                db.execute(statement)
        db.execute("COMMIT")

    def _schema(self, db: sqlite3.Connection) -> int:
        """Return the file's schema, 0 for an empty one; refuse any other than ours."""
        # One statement sees one state, whatever another process commits in between.
        query = "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
        found, tables = db.execute(query).fetchone()
        if found not in (0, SCHEMA) or (found == 0 and tables):
            raise EventLogError(
                f"event log {self.path}: expected schema {SCHEMA}, was {found if found else 'a foreign database'}; "
                "name another file, or use the version of Vane that wrote it"
            )
        return int(found)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _write_ahead(db: sqlite3.Connection) -> None:
    # SQLite does not wait its usual time for this one switch, which several processes may want at once.
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _insert(db: sqlite3.Connection, events: Sequence[Event]) -> int:
    now = _text(datetime.now(UTC))
    rows = [(event.id, event.kind.value, event.version, _text(event.at), now, event.text) for event in events]
    before = db.total_changes
    db.executemany(
        "INSERT INTO events(id, kind, version, at, recorded_at, body) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT(id) DO NOTHING",
        rows,
    )
    new = db.total_changes - before
    for name, kind, version, at, _, body in rows if new < len(rows) else ():
        there = db.execute("SELECT kind, version, at, body FROM events WHERE id=?", (name,)).fetchone()
        if there != (kind, version, at, body):
            raise EventConflict(f"event {name}: expected the recorded {there[0]} of {there[2]}, was another body")
    return new


def _move(db: sqlite3.Connection, cursors: Mapping[str, str]) -> None:
    db.executemany("INSERT OR REPLACE INTO cursors VALUES (?, ?)", cursors.items())


def _select(
    condition: str, bound: int | str, kinds: Collection[str], order: str, limit: int
) -> tuple[str, tuple[Any, ...]]:
    names = [str(kind) for kind in kinds]
    marks = f" AND kind IN ({', '.join('?' * len(names))})" if names else ""
    columns = "seq, id, kind, version, at, body"
    # Only fixed text and question marks are put together here; every value is bound.
    query = f"SELECT {columns} FROM events WHERE {condition}{marks} ORDER BY {order} LIMIT ?"  # noqa: S608
    return query, (bound, *names, limit)


def _event(row: tuple[Any, ...]) -> Event:
    number, name, kind, version, at, body = row
    try:
        return Event(EventKind(kind), datetime.fromisoformat(at), json.loads(body), version, name)
    except (ValueError, TypeError) as error:
        raise EventLogError(
            f"event {number} is damaged, or of a newer version of Vane: {error}; use that version, or restore the file"
        ) from error


def _text(at: datetime) -> str:
    # UTC in ISO 8601 sorts as text in the order of time.
    return at.astimezone(UTC).isoformat()
