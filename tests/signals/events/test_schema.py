from __future__ import annotations

from collections.abc import Callable

from signals.events.schema import Decision, Event, EventKind, MemorySink


def test_memory_keeps_the_newest(make_decision: Callable[..., Decision]) -> None:
    sink = MemorySink(keep=2)
    decisions = [make_decision(day) for day in range(10)]
    for decision in decisions:
        sink.record(decision, [Event(EventKind.DRIFT, decision.timestamp, {})])
    assert list(sink.decisions) == decisions[-2:]
    assert len(sink.events) == 20
    assert sink.events[-1] == Event(EventKind.DRIFT, decisions[-1].timestamp, {})
