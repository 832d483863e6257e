"""Calculators that cheat, in the ways that people do it by mistake: each is caught, by kind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest

from signals.audit import AuditReport, audit
from signals.config import Settings
from signals.data.provider import InMemoryProvider
from signals.errors import FeatureError
from signals.features.feature import Feature

MakeProvider = Callable[..., InMemoryProvider]
Formula = Callable[[pd.DataFrame], "pd.Series[float]"]


@dataclass
class One:
    """A calculator of one feature."""

    formula: Formula
    lookback: int = 20
    scale_free: bool = True
    name: str = "mine"
    features: tuple[Feature, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.features = (Feature("mine", self.name, 0, self.lookback, self.scale_free, "a test's"),)

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        return self.formula(bars).to_frame("mine")


@pytest.fixture
def kinds(make_provider: MakeProvider, settings: Settings) -> Callable[..., set[str]]:
    """Audit one formula and return the kinds of promise that it broke; nothing else may break any."""

    def run(
        formula: Formula, *, cuts: int = 4, bars: int = 140, symbols: Sequence[str] = ("AAA",), **declared: int
    ) -> set[str]:
        provider = make_provider(symbols, bars)
        report: AuditReport = audit(provider, settings, cuts=cuts, calculators=[One(formula, **declared)])  # type: ignore[arg-type]
        assert {violation.feature for violation in report.violations} <= {"mine"}
        assert not (report.violations and report.passed)
        return {violation.kind for violation in report.violations}

    return run


def test_honest_formulas_pass(kinds: Callable[..., set[str]]) -> None:
    assert kinds(lambda bars: bars["close"].pct_change(5, fill_method=None)) == set()
    assert kinds(lambda bars: bars["close"].shift(20) / bars["close"]) == set()
    assert kinds(lambda bars: bars["close"] / bars["high"].rolling(20).max()) == set()


def test_leak_of_one_bar(kinds: Callable[..., set[str]]) -> None:
    assert kinds(lambda bars: bars["close"].shift(-1) / bars["close"] - 1) >= {"future bars", "stream"}


def test_centred_window(kinds: Callable[..., set[str]]) -> None:
    assert kinds(lambda bars: bars["close"] / bars["close"].rolling(5, center=True).max()) >= {"future bars", "stream"}


def test_backfilled_filing(kinds: Callable[..., set[str]], make_provider: MakeProvider) -> None:
    time = make_provider(("AAA",), 140).columns("AAA").time
    filed = pd.DatetimeIndex(time[10::40].astype("datetime64[us]")).tz_localize("UTC")
    filings = pd.Series(np.arange(1.0, len(filed) + 1), filed)
    assert "future bars" in kinds(lambda bars: filings.reindex(bars.index).bfill())


def test_whole_sample_statistics(kinds: Callable[..., set[str]]) -> None:
    assert "future bars" in kinds(lambda bars: bars["close"] / bars["close"].max())


def test_peek_at_the_next_instant(kinds: Callable[..., set[str]]) -> None:
    def last_of_month(bars: pd.DataFrame) -> pd.Series[float]:
        month = pd.Series(pd.DatetimeIndex(bars.index).month, bars.index)
        return (month != month.shift(-1)).astype(float)

    assert "future bars" in kinds(last_of_month, cuts=39, bars=40)


def test_leak_at_one_single_bar_is_found_when_every_cut_is_asked_for(kinds: Callable[..., set[str]]) -> None:
    def once(bars: pd.DataFrame) -> pd.Series[float]:
        made = bars["close"] / bars["open"]
        if len(bars) > 11:
            made.iloc[10] = bars["close"].iloc[11] / bars["open"].iloc[10]
        return made

    assert "future bars" in kinds(once, cuts=39, bars=40)


def test_sum_since_the_beginning(kinds: Callable[..., set[str]]) -> None:
    broken = kinds(lambda bars: np.sign(bars["close"].diff()).cumsum())
    assert broken >= {"start", "stream"}
    assert "future bars" not in broken


def test_lookback_that_is_too_short(kinds: Callable[..., set[str]]) -> None:
    assert kinds(lambda bars: bars["close"] / bars["close"].shift(20), lookback=10) >= {"start", "stream"}


def test_price_that_calls_itself_scale_free(kinds: Callable[..., set[str]]) -> None:
    assert kinds(lambda bars: bars["close"]) == {"scale", "split"}
    assert kinds(lambda bars: bars["close"], scale_free=False) == set()


def test_memory_between_symbols(kinds: Callable[..., set[str]]) -> None:
    seen: list[float] = []

    def remembered(bars: pd.DataFrame) -> pd.Series[float]:
        seen.append(float(bars["close"].iloc[0]))
        return bars["close"] / bars["close"] + len(seen)

    assert "universe" in kinds(remembered, symbols=("AAA", "BBB"))


class FittedOnce(One):
    """A scaler that is fitted on the first history that it sees."""

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        if not hasattr(self, "mean"):
            self.mean = float(bars["close"].mean())
        return (bars["close"] / self.mean).to_frame("mine")


def test_memory_between_histories(make_provider: MakeProvider, settings: Settings) -> None:
    once = FittedOnce(lambda bars: bars["close"])
    report = audit(make_provider(("AAA",), 140), settings, cuts=4, calculators=[once])
    assert "future bars" in {violation.kind for violation in report.violations}


def test_what_cannot_be_copied_is_refused(make_provider: MakeProvider, settings: Settings) -> None:
    locked = One(lambda bars: bars["close"])
    locked.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(FeatureError, match=r"'mine': expected one that can be copied"):
        audit(make_provider(("AAA",), 140), settings, cuts=1, calculators=[locked])


def test_violation_says_where_and_what(make_provider: MakeProvider, settings: Settings) -> None:
    leak = One(lambda bars: bars["close"].shift(-1) / bars["close"])
    report = audit(make_provider(("AAA",), 60), settings, cuts=1, calculators=[leak])
    first = next(violation for violation in report.violations if violation.change.startswith("cut"))
    assert (first.feature, first.calculator, first.symbol, first.rows) == ("mine", "mine", "AAA", 1)
    assert np.isnan(first.found)
    assert first.expected > 0
    assert f"{first.bar:%Y-%m-%d}" in first.change
    assert first.to_json()["found"] is None
