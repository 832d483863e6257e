from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
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
from signals.features.feature import Feature

MakeProvider = Callable[..., InMemoryProvider]


@pytest.fixture(scope="module")
def report(make_provider: MakeProvider, settings: Settings) -> AuditReport:
    return audit(make_provider(), settings, cuts=4)


def test_every_feature_keeps_every_promise(report: AuditReport) -> None:
    assert report.violations == ()
    assert report.passed


def test_every_kind_compares(report: AuditReport) -> None:
    kinds = {"future bars", "future facts", "market-wide", "start", "stream", "universe", "scale", "split"}
    assert report.counts.keys() == kinds
    assert all(count.comparisons > 0 and count.values > count.comparisons for count in report.counts.values())


def test_every_feature_is_compared_at_most_cuts(report: AuditReport) -> None:
    # Early cuts lie before the first value of what looks back a year, or of a company that has not filed.
    for kind, changes in (("future bars", 5), ("future facts", 3)):
        every = 4 * changes * 2 * len(report.features)
        assert 0.8 * every < report.counts[kind].comparisons <= every


def test_every_feature_was_tested(report: AuditReport) -> None:
    assert not [each.feature for each in report.untested if each.wholly]
    # History that begins at one of the four cuts is too short for what remembers two years.
    assert {each.kinds for each in report.untested} <= {("start",)}


def test_what_was_not_given_is_named(report: AuditReport) -> None:
    assert {"SPY", "^VIX", "fundamentals", "insider transactions", "sectors"} <= set(report.generated)


def test_given_facts_are_used(make_provider: MakeProvider, settings: Settings) -> None:
    provider = make_provider(("AAA",), 80)
    known = datetime(2013, 2, 1, 13, tzinfo=UTC)
    provider.load((), [Fundamental("AAA", known, "StockholdersEquity", "USD", None, known.date(), 5e8)])
    report = audit(provider, settings, cuts=2)
    assert "fundamentals" not in report.generated
    assert {"insider transactions", "short interest", "corporate actions", "sectors"} <= set(report.generated)
    assert report.passed


@hypothesis_settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
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
    with pytest.raises(FeatureError, match="bars of every symbol to audit, were none of any symbol"):
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


class Own:
    """A calculator of one feature, with a formula and a lookback to choose."""

    name = "own"

    def __init__(
        self, formula: Callable[[pd.DataFrame], pd.Series], lookback: int = 0, *, market_wide: bool = False
    ) -> None:
        self.formula = formula
        self.features = (Feature("mine", "own", 0, lookback, True, "mine", market_wide=market_wide),)

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"mine": self.formula(bars)}, bars.index)


def own(make_provider: MakeProvider, settings: Settings, calculator: Own) -> AuditReport:
    return audit(make_provider(bars=120), settings, cuts=2, calculators=[calculator])


def test_a_feature_without_a_value_is_no_proof(make_provider: MakeProvider, settings: Settings) -> None:
    report = own(make_provider, settings, Own(lambda bars: bars["close"] * np.nan))
    (mine,) = [each for each in report.untested if not each.ours]
    assert (mine.feature, mine.wholly) == ("mine", True)
    assert report.violations == ()
    assert not report.passed


def test_a_lookback_beyond_history_leaves_the_start_untested(make_provider: MakeProvider, settings: Settings) -> None:
    report = own(make_provider, settings, Own(lambda bars: bars["close"] / bars["close"].iloc[0], lookback=400))
    (mine,) = [each for each in report.untested if not each.ours]
    assert (mine.kinds, mine.wholly) == (("start",), False)
    assert report.passed


def test_what_differs_between_symbols_is_not_market_wide(make_provider: MakeProvider, settings: Settings) -> None:
    report = own(make_provider, settings, Own(lambda bars: bars["close"] / bars["open"], market_wide=True))
    assert {(violation.feature, violation.kind) for violation in report.violations} == {("mine", "market-wide")}
    honest = Own(lambda bars: bars["market"].pct_change(fill_method=None), 1, market_wide=True)
    assert own(make_provider, settings, honest).passed


def test_a_calculator_that_fails_is_named(make_provider: MakeProvider, settings: Settings) -> None:
    def nervous(bars: pd.DataFrame) -> pd.Series:
        if bars["close"].isna().any():
            raise ZeroDivisionError("a bar is missing")
        return bars["close"] / bars["open"]

    report = own(make_provider, settings, Own(nervous))
    (violation, *_) = report.violations
    assert (violation.feature, violation.kind) == ("mine", "error")
    assert "a bar is missing" in violation.change
    assert not report.passed
    assert report.counts["stream"].comparisons > 0  # the rest was tried


def test_a_calculator_that_fails_from_the_first_cannot_be_audited(
    make_provider: MakeProvider, settings: Settings
) -> None:
    with pytest.raises(FeatureError, match=r"calculator 'own' on AAA.*KeyError\('nothing'\)"):
        own(make_provider, settings, Own(lambda bars: bars["nothing"]))


def test_a_reference_is_no_symbol_to_audit(make_provider: MakeProvider, settings: Settings) -> None:
    provider = make_provider()
    with pytest.raises(FeatureError, match="a reference series"):
        audit(provider, settings, cuts=1, symbols=[*provider.symbols(), settings.data.market])


def test_market_wide_with_one_symbol_is_untested(make_provider: MakeProvider, settings: Settings) -> None:
    report = audit(make_provider(), settings, cuts=1, symbols=["AAA"])
    assert "market-wide" in {kind for untested in report.untested for kind in untested.kinds}


def test_a_symbol_without_bars_is_refused(make_provider: MakeProvider, settings: Settings) -> None:
    with pytest.raises(FeatureError, match="were none of BBX"):
        audit(make_provider(bars=60), settings, symbols=["AAA", "BBX"], cuts=1)
