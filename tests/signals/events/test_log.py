from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from signals.errors import EventConflict, EventLogError
from signals.events.codec import encode_decision
from signals.events.log import EventLog
from signals.events.schema import Decision, Event, EventKind
from strategy.signal import canonical_json

Make = Callable[..., Decision]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog(tmp_path / "deep" / "events.db") as made:
        yield made


def drift(make: Make, day: int, value: float = 0.5) -> Event:
    return Event(EventKind.DRIFT, make(day).timestamp, {"detector": "psi", "value": value})


def rows(log: EventLog, table: str) -> int:
    with sqlite3.connect(log.path) as db:
        count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 (a constant of the test)
    db.close()
    return int(count)


def test_nothing_is_made_before_the_first_write(log: EventLog, make_decision: Make) -> None:
    assert (log.read(), log.cursor("x"), list(log.decisions("ml", 5)), log.latest(3)) == ([], None, [], [])
    assert not log.path.parent.exists()


def test_tables_and_settings_are_those_of_the_contract(log: EventLog, make_decision: Make) -> None:
    log.append([drift(make_decision, 0)])
    assert log._open().execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert log._open().execute("PRAGMA synchronous").fetchone()[0] == 2
    assert log._open().execute("PRAGMA user_version").fetchone()[0] == 1
    names = {row[0] for row in log._query("SELECT name FROM sqlite_master WHERE type='table'", ())}
    assert names == {"events", "decisions", "cursors", "journal"}


def test_record_writes_decision_events_and_cursors(log: EventLog, make_decision: Make) -> None:
    decision = make_decision()
    log.record(decision, [drift(make_decision, 0)], cursors={"feed:bars": "17-0"})
    kinds = [event.kind for event in log.read()]
    assert kinds == [EventKind.SIGNAL, EventKind.SIGNAL, EventKind.ABSTENTIONS, EventKind.DRIFT]
    assert [event.id for event in log.read()[:2]] == [signal.id for signal in decision.signals]
    assert log.cursor("feed:bars") == "17-0"
    assert encode_decision(next(log.decisions("ml", 1))) == encode_decision(decision)


def test_shadow_signals_have_their_own_kind(log: EventLog, make_decision: Make) -> None:
    log.record(make_decision(shadow=True))
    assert len(log.read(kinds=[EventKind.SHADOW_SIGNAL])) == 2
    assert log.read(kinds=[EventKind.SIGNAL]) == []


def test_a_signal_may_be_made_by_shadow_and_active_model(log: EventLog, make_decision: Make) -> None:
    log.record(make_decision())
    log.record(make_decision(shadow=True))
    assert len(log.read(kinds=[EventKind.SIGNAL, EventKind.SHADOW_SIGNAL])) == 4


def test_the_same_decision_again_changes_nothing(log: EventLog, make_decision: Make) -> None:
    for _ in range(2):
        log.record(make_decision(), [drift(make_decision, 0)])
    assert (rows(log, "decisions"), rows(log, "events")) == (1, 4)


def test_another_decision_at_the_same_instant_is_refused_whole(log: EventLog, make_decision: Make) -> None:
    log.record(make_decision())
    with pytest.raises(EventConflict, match="decided once"):
        log.record(make_decision(seed=1), cursors={"feed": "2"})
    assert (rows(log, "decisions"), rows(log, "events"), log.cursor("feed")) == (1, 3, None)


def test_append_counts_new_rows(log: EventLog, make_decision: Make) -> None:
    one, two = drift(make_decision, 0), drift(make_decision, 1)
    assert log.append([one]) == 1
    assert log.append([one, two, two]) == 1


def test_an_id_with_another_body_is_refused_whole(log: EventLog, make_decision: Make) -> None:
    one = drift(make_decision, 0)
    log.append([one])
    forged = Event(one.kind, one.at, {"detector": "accuracy"}, id=one.id)
    with pytest.raises(EventConflict, match=one.id):
        log.append([drift(make_decision, 1), forged], cursors={"relay": "1"})
    assert (log.read(), log.cursor("relay")) == ([one], None)


def test_an_event_conflict_undoes_the_decision_too(log: EventLog, make_decision: Make) -> None:
    one = drift(make_decision, 0)
    log.append([one])
    with pytest.raises(EventConflict):
        log.record(make_decision(), [Event(one.kind, one.at, {}, id=one.id)])
    assert rows(log, "decisions") == 0


def test_a_body_that_json_cannot_name_is_refused_whole(log: EventLog, make_decision: Make) -> None:
    with pytest.raises(ValueError, match="JSON"):
        log.append([drift(make_decision, 0), drift(make_decision, 1, float("nan"))])
    assert log.read() == []


def test_bodies_are_canonical_and_events_come_back_equal(log: EventLog, make_decision: Make) -> None:
    event = Event(EventKind.OUTCOME, make_decision().timestamp, {"z": 1, "a": [0.1, None, {"b": True}]}, version=3)
    log.append([event])
    assert log._query("SELECT body FROM events", ()) == [(canonical_json(dict(event.body)),)]
    assert log.read() == [event]


def test_read_pages_by_sequence_number(log: EventLog, make_decision: Make) -> None:
    events = [drift(make_decision, day) for day in range(5)]
    log.append(events)
    assert log.read(limit=2) == events[:2]
    assert log.entries(3) == [(4, events[3]), (5, events[4])]


def test_latest_is_oldest_first(log: EventLog, make_decision: Make) -> None:
    events = [drift(make_decision, day) for day in range(5)]
    log.append(events)
    assert log.latest(2) == events[3:]
    assert log.latest(9, since=events[2].at) == events[2:]
    assert log.latest(9, kinds=["alert"]) == []


def test_market_time_in_another_zone_is_the_same_instant(log: EventLog, make_decision: Make) -> None:
    at = make_decision().timestamp.astimezone(timezone(timedelta(hours=-5)))
    log.append([Event(EventKind.FEED, at, {"fault": "late"})])
    assert log.latest(1, since=make_decision().timestamp)[0].at == at


def test_decisions_are_the_newest_oldest_first(log: EventLog, make_decision: Make) -> None:
    for day in (2, 0, 1, 3):
        log.record(make_decision(day))
    assert [d.timestamp for d in log.decisions("ml", 3)] == [make_decision(day).timestamp for day in (1, 2, 3)]
    assert list(log.decisions("other", 3)) == []


def test_cursors_move(log: EventLog) -> None:
    log.append([], cursors={"relay:ml:signals": "1"})
    log.append([], cursors={"relay:ml:signals": "2"})
    assert log.cursor("relay:ml:signals") == "2"


def test_retain_deletes_what_is_older(log: EventLog, make_decision: Make) -> None:
    for day in range(3):
        log.record(make_decision(day, symbols=1))
    assert log.retain(make_decision(2).timestamp) == 4
    assert (rows(log, "events"), rows(log, "decisions")) == (2, 1)


def test_no_sequence_number_is_given_twice(log: EventLog, make_decision: Make) -> None:
    log.append([drift(make_decision, day) for day in range(3)])
    assert log.retain(make_decision(9).timestamp) == 2
    log.append([drift(make_decision, 4)])
    assert [number for number, _ in log.entries()] == [3, 4]


def test_close_then_use_opens_again(log: EventLog, make_decision: Make) -> None:
    log.append([drift(make_decision, 0)])
    log.close()
    log.close()
    assert len(log.read()) == 1


@pytest.mark.parametrize("replaced", [True, False])
def test_a_file_that_is_gone_takes_nothing_in(log: EventLog, make_decision: Make, replaced: bool) -> None:
    log.record(make_decision())
    for file in log.path.parent.glob(f"{log.path.name}*"):
        file.unlink()
    if replaced:
        EventLog(log.path).append([drift(make_decision, 0)])
    with pytest.raises(EventLogError, match="removed or replaced"):
        log.record(make_decision(1))
    log.record(make_decision(2))
    assert [decision.timestamp for decision in log.decisions("ml", 9)] == [make_decision(2).timestamp]


def test_a_reader_sees_whole_transactions_while_one_writes(log: EventLog, make_decision: Make) -> None:
    log.append([], cursors={"made": "yes"})
    torn: list[int] = []
    done = threading.Event()

    def watch() -> None:
        with EventLog(log.path) as reader:
            while not done.is_set():
                if (count := len(reader.read(limit=10_000))) % 3:
                    torn.append(count)

    reader = threading.Thread(target=watch)
    reader.start()
    for day in range(100):
        log.record(make_decision(day))
    done.set()
    reader.join()
    assert (torn, len(log.read())) == ([], 300)


def test_two_writers_open_a_new_file_at_once(tmp_path: Path, make_decision: Make) -> None:
    path, barrier, failures = tmp_path / "events.db", threading.Barrier(4), list[BaseException]()

    def write(worker: int) -> None:
        barrier.wait()
        try:
            with EventLog(path) as log:
                for day in range(10):
                    log.append([drift(make_decision, day, worker)])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with EventLog(path) as log:
        assert len(log.read()) == 40


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    path.write_bytes(np.random.default_rng(0).bytes(4096))
    with pytest.raises(EventLogError, match=r"events\.db"):
        EventLog(path).read()


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 9", "CREATE TABLE theirs(x)"])
def test_a_foreign_database_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "events.db"
    db = sqlite3.connect(path)
    db.execute(statement)
    db.close()
    before = path.read_bytes()
    with pytest.raises(EventLogError, match="expected schema 1"):
        EventLog(path).append([])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("change", ["kind = 'omen'", "body = '{'", "body = '[1]'", "at = 'noon'", "at = '2020-01-01'"])
def test_an_event_that_cannot_be_read_is_named(log: EventLog, make_decision: Make, change: str) -> None:
    log.append([drift(make_decision, 0)])
    with log._transaction() as db:
        db.execute(f"UPDATE events SET {change}")  # noqa: S608 (a constant of the test)
    with pytest.raises(EventLogError, match="event 1 is damaged, or of a newer version"):
        log.read()


def test_a_damaged_decision_is_named(log: EventLog, make_decision: Make) -> None:
    log.record(make_decision())
    with log._transaction() as db:
        db.execute("UPDATE decisions SET body = substr(body, 1, 200)")
    with pytest.raises(EventLogError, match="damaged"):
        list(log.decisions("ml", 1))
