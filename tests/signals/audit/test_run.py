from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from signals.audit import AuditReport, audit
from signals.audit.run import _cuts
from signals.config import Settings
from signals.data.parquet import read_bars
from signals.data.provider import InMemoryProvider
from signals.data.records import Fundamental
from signals.errors import FeatureError

MakeProvider = Callable[..., InMemoryProvider]


@pytest.fixture(scope="module")
def report(make_provider: MakeProvider, settings: Settings) -> AuditReport:
    return audit(make_provider(), settings, cuts=4)


def test_every_feature_keeps_every_promise(report: AuditReport) -> None:
    assert report.violations == ()
    assert report.passed


def test_every_kind_compares(report: AuditReport) -> None:
    kinds = {"future bars", "future facts", "start", "stream", "universe", "scale", "split"}
    assert report.counts.keys() == kinds
    assert all(count.comparisons > 0 and count.values > count.comparisons for count in report.counts.values())


def test_every_feature_is_compared_at_every_cut(report: AuditReport) -> None:
    assert report.counts["future bars"].comparisons == 4 * 5 * 2 * len(report.features)
    assert report.counts["future facts"].comparisons == 4 * 3 * 2 * len(report.features)


def test_what_was_not_given_is_named(report: AuditReport) -> None:
    assert {"SPY", "^VIX", "facts"} <= set(report.generated)


def test_given_facts_are_used(make_provider: MakeProvider, settings: Settings) -> None:
    provider = make_provider(("AAA",), 80)
    known = datetime(2013, 2, 1, 13, tzinfo=UTC)
    provider.load((), [Fundamental("AAA", known, "StockholdersEquity", "USD", None, known.date(), 5e8)])
    report = audit(provider, settings, cuts=2)
    assert "facts" not in report.generated
    assert report.passed


@hypothesis_settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), bars=st.integers(32, 90))
def test_generated_histories_hold(make_provider: MakeProvider, settings: Settings, seed: int, bars: int) -> None:
    report = audit(make_provider(("AAA", "BBB"), bars, seed), settings, cuts=2, seed=seed)
    assert report.violations == ()


def test_progress_ends_at_its_total(make_provider: MakeProvider, settings: Settings) -> None:
    last: dict[str, tuple[int, int]] = {}
    audit(make_provider(("AAA",), 60), settings, cuts=1, progress=lambda stage, *at: last.update({stage: at}))
    assert last
    assert all(done == total for done, total in last.values())


def test_the_same_seed_gives_the_same_audit(make_provider: MakeProvider, settings: Settings) -> None:
    one, other = (audit(make_provider(("AAA",), 60), settings, cuts=2, seed=3) for _ in range(2))
    assert one == other


def test_no_bars_are_refused(settings: Settings) -> None:
    with pytest.raises(FeatureError, match="bars of a symbol to audit"):
        audit(InMemoryProvider(), settings)


def test_no_cut_is_refused(make_provider: MakeProvider, settings: Settings) -> None:
    with pytest.raises(FeatureError, match="cuts: expected one or more, was 0"):
        audit(make_provider(), settings, cuts=0)


@given(count=st.integers(2, 300), cuts=st.integers(1, 400))
def test_cuts_leave_a_future_and_are_as_many_as_asked(count: int, cuts: int) -> None:
    instants = np.arange(count, dtype=np.int64) * 10
    found = _cuts(instants, cuts, 1)
    assert len(found) == min(cuts, count - 1)
    assert found[-1] < instants[-1]
    assert (np.diff(found) > 0).all()


@pytest.mark.real_data
def test_real_bars_hold(real_data: Path, settings: Settings) -> None:
    table = read_bars(
        real_data / "stocks_daily_2013_2018.parquet", stamped="session", symbols=["AAPL", "GOOG"], on_bad="quarantine"
    )
    report = audit(table.provider(), settings, cuts=3)
    assert report.violations == ()
    assert report.total.comparisons > 5_000
