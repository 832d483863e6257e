from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from signals.cli.events import events, sentence
from signals.errors import EventLogError
from signals.events.log import EventLog
from signals.events.schema import Event, EventKind
from strategy.signal import JSON, Signal, SignalDirection

AT = datetime(2024, 1, 2, 21, tzinfo=UTC)

app = typer.Typer()
app.command()(events)


def psi(day: int, **more: JSON) -> Event:
    body: dict[str, JSON] = {
        "detector": "psi",
        "feature": "rsi_14",
        "value": 0.5,
        "threshold": 0.2,
        "window": 60,
        "model_version": "v1",
        "state": "raised",
    }
    return Event(EventKind.DRIFT, AT + timedelta(days=day), {**body, **more})


def signal(stale: bool = False) -> Event:
    made = Signal("IBM", AT, SignalDirection.LONG, 0.6, "ml", {"stale": stale}, AT + timedelta(days=7))
    return Event(EventKind.SIGNAL, AT, made.to_json(), id=made.id)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with EventLog("var/events.db") as made:
        made.append([signal(), *(psi(day) for day in range(4))])
    with EventLog("var/runs/r1/events.db") as made:
        made.append([psi(9)])
    return tmp_path / "var" / "events.db"


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code, result.output
    return result.output


def parsed(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(*arguments, "--json"))
    return found


def test_the_table_speaks_in_words(log: Path) -> None:
    text = run()
    assert "IBM LONG 0.600 until 2024-01-09 21:00" in text
    assert "raised: rsi_14: psi 0.500, threshold 0.200, last 60 slices" in text


def test_newest_events_oldest_first(log: Path) -> None:
    days = [event["at"][:10] for event in parsed("--limit", "2")]
    assert days == ["2024-01-04", "2024-01-05"]


def test_filters(log: Path) -> None:
    assert [event["kind"] for event in parsed("--kind", "signal")] == ["signal"]
    assert len(parsed("--kind", "signal", "--kind", "drift")) == 5
    assert len(parsed("--since", "2024-01-04")) == 2
    assert len(parsed("--since", "2024-01-04T21:01")) == 1


def test_json_has_the_whole_event(log: Path) -> None:
    event = psi(0)
    assert parsed("--kind", "drift", "--limit", "4")[0] == {
        "id": event.id,
        "kind": "drift",
        "version": 1,
        "at": event.at.isoformat(),
        "body": dict(event.body),
    }


def test_a_replay_s_log_by_id_or_by_path(log: Path) -> None:
    assert [event["at"][:10] for event in parsed("--run", "r1")] == ["2024-01-11"]
    assert parsed("--path", "var/runs/r1/events.db") == parsed("--run", "r1")


def test_no_log_yet_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "No events yet in var/events.db: verdicts" in run()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_log_names_the_newest_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("20240101_000000", "20240102_000000_9", "20240102_000000_10", "20240102_000000"):
        with EventLog(f"var/runs/{name}/events.db") as made:
            made.append([psi(0)])
    Path("var/runs/20250101_000000").mkdir()  # interrupted before anything was decided
    assert "vane events --run 20240102_000000_10\n" in run()


def test_abstentions_are_shown_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with EventLog("var/events.db") as made:
        made.append([Event(EventKind.ABSTENTIONS, AT, {"counts": {"no_bar": 2}})])
    assert "abstentions are shown with --kind abstentions" in run()
    assert parsed() == []
    assert "2 x no bar at this instant" in run("--kind", "abstentions")
    assert "--kind" not in run("--kind", "drift")


@pytest.mark.parametrize("where", [["--run", "r9"], ["--path", "none.db"]])
def test_a_named_log_must_be_there(log: Path, where: list[str]) -> None:
    assert isinstance(CliRunner().invoke(app, where).exception, EventLogError)


@pytest.mark.parametrize(
    "arguments",
    [["--run", "../x"], ["--run", "r1", "--path", "x"], ["--kind", "gossip"], ["--limit", "0"], ["--since", "soon"]],
)
def test_usage_errors_exit_with_2(log: Path, arguments: list[str]) -> None:
    run(*arguments, code=2)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (signal(stale=True), "IBM LONG 0.600 until 2024-01-09 21:00 (stale model)"),
        (psi(0, detector="accuracy", feature=None, state="cleared"), "cleared: accuracy 0.500, threshold 0.200, last"),
        (psi(0, detector="stale", value=15.0, threshold=14.0, feature=None), "model v1 is stale: 15 days behind"),
        (
            Event(EventKind.OUTCOME, AT, {"signal_id": "0123456789", "label": "UP", "realised_return": 0.025}),
            "signal 01234567 came out UP (+2.50%)",
        ),
        (
            Event(
                EventKind.OUTCOME,
                AT,
                {"signal_id": "0", "symbol": "IBM", "direction": "LONG", "label": "UP", "realised_return": 0.025},
            ),
            "IBM LONG came out UP (+2.50%)",
        ),
        (
            Event(EventKind.VERDICT, AT, {"version_id": "v1", "sentences": ["Refused: 1 of 4.", "Skill: no."]}),
            "v1: Refused: 1 of 4.",
        ),
        (Event(EventKind.VERDICT, AT, {"version_id": "v1", "sentences": []}), "version_id v1"),
        (
            Event(
                EventKind.ACTIVATION, AT, {"version_id": "v2", "slot": "active", "previous": None, "reason": "better"}
            ),
            "v2 in force as active, before it nothing: better",
        ),
        (
            Event(EventKind.ABSTENTIONS, AT, {"counts": {"no_bar": 2, "warming_up": 1}}),
            "no signal: 2 x no bar at this instant, 1 x too little history yet",
        ),
        (Event(EventKind.FEED, AT, {"fault": "late", "reason": "slow"}), "fault late, reason slow"),
        (Event(EventKind.DRIFT, AT, {"another": "schema"}, version=9), "another schema"),
    ],
)
def test_sentences(event: Event, words: str) -> None:
    assert sentence(event).startswith(words)
