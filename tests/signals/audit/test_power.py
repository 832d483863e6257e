"""Faults put into our own code: an audit that finds nothing has to be one that would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from signals.audit import AuditReport, audit
from signals.config import Settings
from signals.data.provider import InMemoryProvider
from signals.data.records import Fact, Fundamental, InsiderTransaction
from signals.features.live import LiveFeatures, Rows
from signals.features.share_basis import ShareBasis
from strategy.bars import OHLCV
from strategy.slices import Slice

MakeProvider = Callable[..., InMemoryProvider]


@pytest.fixture
def run(make_provider: MakeProvider, settings: Settings) -> Callable[[], AuditReport]:
    return lambda: audit(make_provider(("AAA",), 160), settings, cuts=4, calculators=())


def broken(report: AuditReport, kind: str) -> set[str]:
    """Return the calculators whose features broke a kind of promise."""
    return {violation.calculator for violation in report.violations if violation.kind == kind}


@pytest.mark.parametrize(("kind", "calculator"), [(Fundamental, "fundamental"), (InsiderTransaction, "alternative")])
def test_facts_seen_before_they_were_known(
    run: Callable[[], AuditReport], monkeypatch: pytest.MonkeyPatch, kind: type[Fact], calculator: str
) -> None:
    honest = InMemoryProvider.facts

    def early(self: InMemoryProvider, asked: type[Fact], symbol: str) -> Sequence[Fact]:
        found = honest(self, asked, symbol)
        earlier = timedelta(days=45 if asked is kind else 0)
        return [replace(fact, known_at=fact.known_at - earlier) for fact in found]  # type: ignore[type-var]  # all are

    monkeypatch.setattr(InMemoryProvider, "facts", early)
    report = run()
    assert broken(report, "future facts") == {calculator}
    assert broken(report, "future bars") == set()


def test_share_counts_left_on_the_old_basis(run: Callable[[], AuditReport], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        ShareBasis, "factor", lambda self, reported, time: np.ones(np.broadcast_shapes(reported.shape, time.shape))
    )
    report = run()
    assert broken(report, "split") == {"fundamental", "alternative"}
    assert broken(report, "scale") == set()


def test_live_row_that_is_one_bit_off(run: Callable[[], AuditReport], monkeypatch: pytest.MonkeyPatch) -> None:
    honest = LiveFeatures.update

    def off(self: LiveFeatures, *arguments: object) -> Rows:
        rows = honest(self, *arguments)  # type: ignore[arg-type]
        values = rows.values.copy()
        values[:, 0] = np.nextafter(values[:, 0], np.float32(np.inf))
        return rows._replace(values=values)

    monkeypatch.setattr(LiveFeatures, "update", off)
    report = run()
    assert {(violation.kind, violation.feature) for violation in report.violations} == {("stream", "return_1")}


@pytest.mark.parametrize("heard", [0, 60])
def test_a_live_view_that_falls_silent_is_caught(
    run: Callable[[], AuditReport], monkeypatch: pytest.MonkeyPatch, heard: int
) -> None:
    honest = LiveFeatures.update

    def silent(self: LiveFeatures, slice_: Slice, data: Mapping[str, Sequence[OHLCV]]) -> Rows:
        rows = honest(self, slice_, data)
        long = len(data["AAA"]) > heard
        return Rows((), rows.values[:0], rows.ready[:0], ()) if long else rows

    monkeypatch.setattr(LiveFeatures, "update", silent)
    assert "technical" in broken(run(), "stream")
