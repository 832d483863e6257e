from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from signals.errors import BundleUnknown, FeatureError
from signals.events.schema import Abstention, Decision, Event, EventKind, MemorySink
from signals.feature_store import FeatureStore
from signals.ml.artifact import ModelBundle
from signals.ml.monitoring import ModelMonitor
from signals.ml.source import FixedModel
from signals.ml_strategy import MLSignalStrategy
from strategy.backtest.replay import run_backtest
from strategy.backtest.result import BacktestResult
from strategy.engine import StrategyEngine
from strategy.signal import SignalDirection

Replay = Callable[..., tuple[BacktestResult, MemorySink]]


class NoModel:
    def at(self, timestamp: datetime) -> ModelBundle | None:
        return None


@pytest.fixture(scope="module")
def replay(planted: Any) -> Replay:
    """Replay the planted market; returns the result and everything that was recorded."""

    def run(**changed: Any) -> tuple[BacktestResult, MemorySink]:
        sink = MemorySink()
        strategy = MLSignalStrategy(
            changed.get("settings", planted.settings),
            store=FeatureStore(planted.settings),
            models=changed.get("models", FixedModel(planted.bundle)),
            provider=changed.get("provider", planted.provider),
            monitor=changed.get("monitor"),
            sink=sink,
        )
        bars = changed.get("bars", planted.bars)
        start, end = changed.get("start", planted.start), changed.get("end")
        return run_backtest(strategy, bars, start=start, end=end, shadow=changed.get("shadow", False)), sink

    return run


@pytest.fixture(scope="module")
def recorded(replay: Replay) -> tuple[BacktestResult, MemorySink]:
    return replay()


def strategy_of(planted: Any, **changed: Any) -> MLSignalStrategy:
    arguments: dict[str, Any] = {
        "store": FeatureStore(planted.settings),
        "models": FixedModel(planted.bundle),
        "provider": planted.provider,
    }
    return MLSignalStrategy(planted.settings, **(arguments | changed))


def same(first: Decision, second: Decision) -> bool:
    return (
        first.signals == second.signals
        and [signal.metadata for signal in first.signals] == [signal.metadata for signal in second.signals]
        and first.symbols == second.symbols
        and first.abstained == second.abstained
        and first.probabilities.tobytes() == second.probabilities.tobytes()
        and first.closes.tobytes() == second.closes.tobytes()
        and first.bin_counts.tobytes() == second.bin_counts.tobytes()
    )


def test_the_planted_signal_is_found(recorded: tuple[BacktestResult, MemorySink]) -> None:
    result, sink = recorded
    assert len(result.signals) >= 500
    assert result.failures == {}
    assert [signal.id for decision in sink.decisions for signal in decision.signals] == [s.id for s in result.signals]


def test_same_replay_twice_is_the_same_bits(recorded: tuple[BacktestResult, MemorySink], replay: Replay) -> None:
    again = replay()
    assert len(again[1].decisions) == len(recorded[1].decisions)
    assert all(map(same, recorded[1].decisions, again[1].decisions))
    assert again[0].summary() == recorded[0].summary()


def test_a_file_cut_after_the_replay_changes_nothing(
    planted: Any, recorded: tuple[BacktestResult, MemorySink], replay: Replay
) -> None:
    end = recorded[1].decisions[119].timestamp
    cut = {symbol: [bar for bar in bars if bar.timestamp <= end] for symbol, bars in planted.bars.items()}
    whole, short = replay(end=end)[1].decisions, replay(bars=cut)[1].decisions
    assert len(short) == 120
    assert all(map(same, whole, short))
    assert all(map(same, recorded[1].decisions, short))


def test_it_works_with_the_engines_data_alone(replay: Replay, recorded: tuple[BacktestResult, MemorySink]) -> None:
    alone = replay(provider=None)[1].decisions
    assert [d.probabilities.tobytes() for d in alone] == [d.probabilities.tobytes() for d in recorded[1].decisions]


def test_a_signal_says_what_it_rests_on(planted: Any, recorded: tuple[BacktestResult, MemorySink]) -> None:
    for signal in recorded[0].signals:
        said = signal.metadata
        probabilities = np.array(said["probabilities"], dtype=float)
        assert signal.strength == said["confidence"] == probabilities.max()
        assert signal.strength > planted.settings.ml.confidence_threshold
        assert math.isclose(probabilities.sum(), 1.0, abs_tol=1e-9)
        assert said["prediction_class"] == probabilities.argmax()
        assert signal.direction is (SignalDirection.LONG if said["prediction_class"] == 2 else SignalDirection.SHORT)
        assert said["model_version"] == planted.bundle.version_id
        assert said["horizon_bars"] == 5


def test_expiry_is_the_close_of_bar_t_plus_horizon(planted: Any, recorded: tuple[BacktestResult, MemorySink]) -> None:
    closes = [bar.timestamp for bar in planted.bars["S00"]]
    for signal in recorded[0].signals[:200]:
        assert signal.expires_at == closes[closes.index(signal.timestamp) + 5]


def test_every_symbol_is_accounted_for(planted: Any, recorded: tuple[BacktestResult, MemorySink]) -> None:
    for decision in recorded[1].decisions:
        silent = [symbol for names in decision.abstained.values() for symbol in names]
        assert sorted([*silent, *(signal.symbol for signal in decision.signals)]) == sorted(planted.bars)


def test_the_threshold_silences(planted: Any, replay: Replay) -> None:
    deaf = planted.settings.model_copy(
        update={"ml": planted.settings.ml.model_copy(update={"confidence_threshold": 0.999})}
    )
    result, sink = replay(settings=deaf)
    assert result.signals == ()
    assert any(Abstention.BELOW_THRESHOLD in decision.abstained for decision in sink.decisions)


def test_the_threshold_itself_is_not_above(planted: Any, recorded: tuple[BacktestResult, MemorySink]) -> None:
    decision = recorded[1].decisions[-1]
    least = min(decision.signals, key=lambda signal: signal.strength)
    ml = planted.settings.ml.model_copy(update={"confidence_threshold": least.strength})
    strategy = MLSignalStrategy(
        planted.settings.model_copy(update={"ml": ml}),
        store=FeatureStore(planted.settings),
        models=FixedModel(planted.bundle),
        provider=planted.provider,
    )
    found = [signal.symbol for signal in strategy.generate_signals(dict(planted.bars))]
    assert found == [signal.symbol for signal in decision.signals if signal.strength > least.strength]


def test_old_models_are_marked(planted: Any, recorded: tuple[BacktestResult, MemorySink]) -> None:
    for signal in recorded[0].signals:
        assert signal.metadata["stale"] is (signal.timestamp - planted.start > timedelta(days=14))


def test_old_models_abstain_when_told_to(planted: Any, replay: Replay) -> None:
    strict = planted.settings.model_copy(
        update={"monitor": planted.settings.monitor.model_copy(update={"stale_action": "abstain"})}
    )
    _, sink = replay(settings=strict)
    assert list(sink.decisions[-1].abstained) == [Abstention.STALE_MODEL]
    assert sink.decisions[-1].signals == ()


def test_without_a_model_nobody_speaks(planted: Any, replay: Replay) -> None:
    result, sink = replay(models=NoModel())
    assert result.signals == ()
    assert sink.decisions[0].abstained == {Abstention.NO_MODEL: tuple(sorted(planted.bars))}
    assert sink.decisions[0].model_version is None


def test_a_model_from_the_future_is_refused(planted: Any, replay: Replay) -> None:
    before = planted.start - timedelta(days=30)
    result, sink = replay(start=before, end=planted.start - timedelta(days=1))
    assert result.signals == ()
    assert {reason for decision in sink.decisions for reason in decision.abstained} == {Abstention.MODEL_FROM_FUTURE}


def test_the_first_bar_decided_is_the_one_that_ended_the_training(planted: Any, replay: Replay) -> None:
    _, sink = replay(start=planted.start - timedelta(days=5), end=planted.start)
    *_, before, at = sink.decisions
    assert at.timestamp == planted.bundle.last_label_end
    assert list(before.abstained) == [Abstention.MODEL_FROM_FUTURE]
    assert Abstention.MODEL_FROM_FUTURE not in at.abstained


def test_too_little_history_is_no_prediction(planted: Any, replay: Replay) -> None:
    short = dict(planted.bars) | {"S09": planted.bars["S09"][-200:]}
    _, sink = replay(bars=short)
    assert sink.decisions[-1].abstained[Abstention.WARMING_UP] == ("S09",)
    assert "S09" not in sink.decisions[-1].symbols


def test_a_symbol_behind_the_newest_instant_abstains(planted: Any) -> None:
    data = {symbol: list(bars) for symbol, bars in planted.bars.items()}
    del data["S03"][-1]
    strategy = strategy_of(planted)
    strategy.generate_signals(data)
    assert isinstance(strategy.sink, MemorySink)
    (decision,) = strategy.sink.decisions
    assert decision.abstained[Abstention.NO_BAR] == ("S03",)
    assert "S03" not in decision.symbols


def test_a_symbol_that_joins_later_changes_nobody_else(planted: Any, replay: Replay) -> None:
    late = dict(planted.bars) | {"S05": planted.bars["S05"][700:]}
    whole, sink = replay()[1].decisions, replay(bars=late)[1].decisions
    for first, second in zip(whole, sink, strict=True):
        others = [row for row, symbol in enumerate(first.symbols) if symbol != "S05"]
        assert first.probabilities[others].tobytes() == second.probabilities.tobytes()


def test_a_model_that_learnt_from_the_market_abstains_without_it(planted: Any, replay: Replay) -> None:
    origin = planted.bundle.manifest.data.model_copy(update={"references": ("SPY",)})
    manifest = planted.bundle.manifest.model_copy(update={"data": origin})
    models = FixedModel(replace(planted.bundle, manifest=manifest))
    result, sink = replay(models=models)
    assert result.signals == ()
    assert sink.decisions[0].abstained == {Abstention.NO_REFERENCE: tuple(sorted(planted.bars))}
    market = [replace(bar, symbol="SPY") for bar in planted.bars["S00"]]
    assert replay(models=models, bars=dict(planted.bars) | {"SPY": market})[0].signals != ()


def test_a_market_series_that_ended_is_not_there(planted: Any) -> None:
    origin = planted.bundle.manifest.data.model_copy(update={"references": ("SPY",)})
    models = FixedModel(replace(planted.bundle, manifest=planted.bundle.manifest.model_copy(update={"data": origin})))
    for missing, refused in ((1, False), (2, True)):  # one session's lag is how a series that closes later comes
        strategy = strategy_of(planted, models=models)
        market = [replace(bar, symbol="SPY") for bar in planted.bars["S00"][:-missing]]
        strategy.generate_signals(dict(planted.bars) | {"SPY": market})
        assert isinstance(strategy.sink, MemorySink)
        (decision,) = strategy.sink.decisions
        assert (Abstention.NO_REFERENCE in decision.abstained) is refused


def test_nothing_to_decide_is_nothing_recorded(planted: Any) -> None:
    strategy = strategy_of(planted)
    assert strategy.generate_signals({"SPY": list(planted.bars["S00"])}) == []
    assert strategy.generate_signals({}) == []
    assert isinstance(strategy.sink, MemorySink)
    assert not strategy.sink.decisions


def test_another_catalogue_is_refused(planted: Any) -> None:
    manifest = planted.bundle.manifest.model_copy(update={"catalogue_sha256": "0" * 64})
    strategy = strategy_of(planted, models=FixedModel(replace(planted.bundle, manifest=manifest)))
    with pytest.raises(BundleUnknown, match="another feature catalogue"):
        strategy.generate_signals(dict(planted.bars))


def test_a_model_of_columns_of_ones_own_is_refused_by_name(planted: Any) -> None:
    manifest = planted.bundle.manifest
    renamed = [entry.model_copy(update={"name": f"own_{entry.name}"}) for entry in manifest.features]
    own = replace(planted.bundle, manifest=manifest.model_copy(update={"features": renamed}))
    with pytest.raises(FeatureError, match="own_"):
        strategy_of(planted, models=FixedModel(own)).generate_signals(dict(planted.bars))


def test_an_id_names_the_model_s_content_and_not_its_name(planted: Any) -> None:
    def ids(**changed: Any) -> list[str]:
        bundle = replace(planted.bundle, manifest=planted.bundle.manifest.model_copy(update=changed))
        return [s.id for s in strategy_of(planted, models=FixedModel(bundle)).generate_signals(dict(planted.bars))]

    target = planted.bundle.manifest.target.model_copy(update={"up": 0.02})
    assert ids() == ids(version_id="another")
    assert not set(ids()) & set(ids(target=target))


def test_an_alarm_outlives_a_sink_that_failed(planted: Any) -> None:
    class FullDisk(MemorySink):
        full = True

        def record(self, decision: Decision, events: Sequence[Event] = ()) -> None:
            if self.full:
                raise OSError("no space left")
            super().record(decision, events)

    sink = FullDisk()
    strategy = strategy_of(planted, monitor=ModelMonitor(planted.bundle), sink=sink)
    earlier = {symbol: bars[:-1] for symbol, bars in planted.bars.items()}
    with pytest.raises(OSError, match="no space"):
        strategy.generate_signals(earlier)
    sink.full = False
    strategy.generate_signals(dict(planted.bars))
    stale = [event for event in sink.events if event.kind is EventKind.DRIFT]
    assert [(event.body["detector"], event.at) for event in stale] == [("stale", earlier["S00"][-1].timestamp)]
    assert strategy._unrecorded == []


def test_what_was_not_recorded_gets_no_outcome(planted: Any) -> None:
    class FullAtFirst(MemorySink):
        def record(self, decision: Decision, events: Sequence[Event] = ()) -> None:
            if decision.timestamp == first:
                raise OSError("no space left")
            super().record(decision, events)

    days = [{symbol: bars[: len(bars) - back] for symbol, bars in planted.bars.items()} for back in range(9, -1, -1)]
    first, sink = days[0]["S00"][-1].timestamp, FullAtFirst()
    strategy = strategy_of(planted, monitor=ModelMonitor(planted.bundle), sink=sink)
    with pytest.raises(OSError, match="no space"):
        strategy.generate_signals(days[0])
    for day in days[1:]:
        strategy.generate_signals(day)
    recorded = {signal.id for decision in sink.decisions for signal in decision.signals}
    told = {event.body["signal_id"] for event in sink.events if event.kind is EventKind.OUTCOME}
    assert told
    assert told <= recorded


def test_a_bar_without_predictions_has_everyone_s_close(planted: Any) -> None:
    sink = MemorySink()
    strategy = strategy_of(planted, models=NoModel(), sink=sink)
    strategy.generate_signals(dict(planted.bars))
    decision = sink.decisions[-1]
    assert decision.symbols == ()
    assert decision.others == {s: bars[-1].close for s, bars in planted.bars.items() if s in decision.others}
    assert len(decision.others) == len(decision.abstained[Abstention.NO_MODEL])


def test_outcomes_come_at_the_horizon_whatever_is_missing_between(planted: Any) -> None:
    days = [{symbol: bars[: len(bars) - back] for symbol, bars in planted.bars.items()} for back in (9, 8, 5, 4)]
    sink = MemorySink()
    strategy = strategy_of(planted, monitor=ModelMonitor(planted.bundle), sink=sink)
    for day in days:
        strategy.generate_signals(day)
    first = sink.decisions[0]
    assert first.outlook is not None
    assert first.outlook.until == sink.decisions[-1].timestamp
    told = {event.body["signal_id"]: event for event in sink.events if event.kind is EventKind.OUTCOME}
    assert set(told) == {signal.id for signal in first.signals}
    for signal in first.signals:
        past = planted.bars[signal.symbol]
        moved = past[-5].close / past[-10].close - 1
        assert told[signal.id].body["realised_return"] == pytest.approx(moved)


def test_a_prediction_that_failed_costs_no_alarm_and_no_outcome(planted: Any) -> None:
    class Failing(FixedModel):
        def at(self, timestamp: datetime) -> ModelBundle:
            broken: ModelBundle = replace(planted.bundle, estimator=None)
            return broken

    days = [{symbol: bars[: len(bars) - back] for symbol, bars in planted.bars.items()} for back in range(6, -1, -1)]
    sinks = MemorySink(), MemorySink()
    for sink, fails in zip(sinks, (False, True), strict=True):
        strategy = strategy_of(planted, monitor=ModelMonitor(planted.bundle), sink=sink)
        if fails:
            works, strategy._models = strategy._models, Failing(planted.bundle)
            with pytest.raises(AttributeError):
                strategy.generate_signals(days[0])
            strategy._models = works
        for day in days:
            strategy.generate_signals(day)
    assert {EventKind.DRIFT, EventKind.OUTCOME} <= {event.kind for event in sinks[0].events}
    assert sinks[0].events == sinks[1].events


def test_the_monitor_follows_the_model(planted: Any) -> None:
    newer = planted.bundle.manifest.model_copy(update={"version_id": "newer"})
    monitor = ModelMonitor(planted.bundle)
    strategy = strategy_of(planted, models=FixedModel(replace(planted.bundle, manifest=newer)), monitor=monitor)
    strategy.generate_signals(dict(planted.bars))
    assert monitor.bundle.version_id == "newer"


def test_contributions_add_up_to_the_margin(planted: Any) -> None:
    strategy = strategy_of(planted)
    signals = strategy.generate_signals(dict(planted.bars))
    parts = strategy.explain(signals[0])
    sizes = [abs(value) for _, value in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0
    stranger = replace(signals[0], id="0" * 32)
    with pytest.raises(FeatureError, match="not kept"):
        strategy.explain(stranger)


def test_reset_changes_no_answer(planted: Any) -> None:
    strategy = strategy_of(planted)
    first = strategy.generate_signals(dict(planted.bars))
    strategy.reset("S01")
    assert strategy.generate_signals(dict(planted.bars)) == first
    strategy.reset()
    assert strategy.generate_signals(dict(planted.bars)) == first


def test_the_monitor_speaks_through_the_sink(planted: Any, replay: Replay) -> None:
    _, sink = replay(monitor=ModelMonitor(planted.bundle))
    kinds = {event.kind for event in sink.events}
    assert {EventKind.SIGNAL, EventKind.OUTCOME, EventKind.DRIFT} <= kinds
    stale = [event for event in sink.events if event.kind is EventKind.DRIFT and event.body["detector"] == "stale"]
    assert len(stale) == 1


def test_shadow_signals_are_marked_and_not_returned(planted: Any, replay: Replay) -> None:
    result, sink = replay(shadow=True)
    assert result.signals == ()
    assert sum(len(decision.signals) for decision in sink.decisions) >= 500
    assert EventKind.SHADOW_SIGNAL in {event.kind for event in sink.events}
    assert EventKind.SIGNAL not in {event.kind for event in sink.events}


def test_active_and_shadow_run_side_by_side(planted: Any) -> None:
    engine = StrategyEngine(planted.bars)
    engine.register_strategy(strategy_of(planted))
    engine.register_strategy(strategy_of(planted, name="challenger"), shadow=True)
    assert engine.list_strategies() == ["MLSignalStrategy", "challenger"]
    assert [engine.get_strategy(name).shadow for name in engine.list_strategies()] == [False, True]


def test_the_house_rules_are_met(planted: Any) -> None:
    strategy = strategy_of(planted)
    assert strategy.min_hold_days == 3
    assert strategy.warmup_bars >= 512
    assert {"ohlcv", "ref:SPY", "ref:^VIX", "fundamentals"} <= set(strategy.get_required_data())
    assert strategy.get_parameters()["confidence_threshold"] == 0.55


def test_the_entry_point_makes_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine = StrategyEngine(["AAPL"])
    engine.register_strategy("ml_signal")
    assert engine.list_strategies() == ["MLSignalStrategy"]
