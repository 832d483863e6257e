from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from signals.config import MonitorSettings
from signals.events.schema import Decision, Event, EventKind, Outlook
from signals.features.feature import Feature
from signals.ml.artifact import ModelBundle
from signals.ml.drift import bin_counts
from signals.ml.monitoring import ModelMonitor
from signals.ml.watch import ModelWatch
from strategy.signal import Signal, SignalDirection

MakeBundle = Callable[..., ModelBundle]
SETTINGS = MonitorSettings(window=20, accuracy_window=20, persist=(2, 3), cooldown_bars=5)
NEVER = 10_000.0
NAMES = tuple(f"S{i}" for i in range(4))


def decisions(
    bundle: ModelBundle,
    slices: int,
    *,
    values: Callable[[int], NDArray[Any]] | None = None,
    closes: NDArray[Any] | None = None,
    guess: int | None = None,
    seed: int = 1,
    signals: bool = False,
) -> Iterator[Decision]:
    """One decision a day from the day after training; `values(slice)` are the inputs, shape (4, features)."""
    rng = np.random.default_rng(seed)
    for number in range(slices):
        at = bundle.trained_until + timedelta(days=number + 1)
        x = rng.normal(size=(4, len(bundle.features))) if values is None else values(number)
        row = np.full((4, 3), 0.2, np.float32)
        row[np.arange(4), rng.integers(0, 3, 4) if guess is None else guess] = 0.6
        made = tuple(Signal(name, at, SignalDirection.LONG, 0.6, "ml") for name in NAMES[:2]) if signals else ()
        yield Decision(
            at,
            "ml",
            bundle.version_id,
            False,
            NAMES,
            np.full(4, 100.0) if closes is None else closes[number],
            row,
            bin_counts(bundle.manifest.reference, x.astype(np.float32)),
            signals=made,
            outlook=Outlook(bundle.horizon, 0.01, -0.01, at + timedelta(days=bundle.horizon)),
        )


def fold(monitor: ModelMonitor, stream: Iterator[Decision] | Sequence[Decision]) -> list[tuple[int, Event]]:
    return [(number, event) for number, decision in enumerate(stream) for event in monitor.observe(decision)]


def said(events: list[tuple[int, Event]], detector: str) -> list[tuple[int, str, object]]:
    drift = [(number, event.body) for number, event in events if event.kind is EventKind.DRIFT]
    return [(number, str(b["state"]), b["feature"]) for number, b in drift if b["detector"] == detector]


def at_date(panel: NDArray[Any], number: int) -> NDArray[Any]:
    rows: NDArray[Any] = panel[number]
    return rows


@pytest.fixture(scope="module")
def bundle(make_bundle: MakeBundle) -> ModelBundle:
    # 24 windows of training, so that the null is known well.
    x = np.random.default_rng(0).normal(size=(480 * 4, 3)).astype(np.float32)
    return make_bundle(X=x, windows=[{"accuracy": 0.5}])


def test_nothing_is_said_for_no_reason(bundle: ModelBundle) -> None:
    monitor = ModelMonitor(bundle, SETTINGS, staleness_days=NEVER)
    assert said(fold(monitor, decisions(bundle, 300)), "psi") == []


def test_autocorrelated_inputs_raise_rarely(make_bundle: MakeBundle) -> None:
    raised, columns, dates, later = 0, 20, 504, 252
    for seed in range(3):
        rng = np.random.default_rng(seed)
        own, common = (rng.normal(size=(dates + later, width, columns)) for width in (4, 1))
        x = 0.6 * own + 0.8 * common
        for date in range(1, len(x)):
            x[date] = 0.95 * x[date - 1] + np.sqrt(1 - 0.95**2) * x[date]
        bundle = make_bundle(X=x[:dates].reshape(-1, columns).astype(np.float32), window=60)
        monitor = ModelMonitor(bundle, MonitorSettings(), staleness_days=NEVER)
        stream = decisions(bundle, later, values=partial(at_date, x[dates:]))
        events = fold(monitor, stream)
        raised += sum(state == "raised" for _, state, _ in said(events, "psi"))
    # 60 feature-years; a threshold of 0.2 would be broken by every feature in every year.
    assert raised <= 6


def test_a_shift_of_one_sigma_is_raised_within_a_window(bundle: ModelBundle) -> None:
    rng = np.random.default_rng(3)

    def values(number: int) -> NDArray[Any]:
        x = rng.normal(size=(4, 3))
        x[:, 1] += number >= 60
        return x

    monitor = ModelMonitor(bundle, SETTINGS, staleness_days=NEVER)
    events = said(fold(monitor, decisions(bundle, 100, values=values)), "psi")
    assert [(state, name) for _, state, name in events] == [("raised", "f1")]
    assert 60 < events[0][0] <= 82
    assert [status.level for status in monitor.status()][1] == "drift"


def test_an_alarm_is_cleared_when_the_shift_ends(bundle: ModelBundle) -> None:
    rng = np.random.default_rng(4)
    stream = decisions(bundle, 120, values=lambda number: rng.normal(size=(4, 3)) + 2 * (30 <= number < 60))
    patient = SETTINGS.model_copy(update={"cooldown_bars": 60})
    events = said(fold(ModelMonitor(bundle, patient, staleness_days=NEVER), stream), "psi")
    assert sorted((name, state) for _, state, name in events) == [
        (name, state) for name in ("f0", "f1", "f2") for state in ("cleared", "raised")
    ]


def test_no_alarm_clears_above_its_threshold(bundle: ModelBundle) -> None:
    rng = np.random.default_rng(4)
    stream = decisions(bundle, 120, values=lambda number: rng.normal(size=(4, 3)) + 2 * (30 <= number < 60))
    # So strict a rate stops counting a feature as out of line long before its PSI is back within the threshold.
    strict = SETTINGS.model_copy(update={"cooldown_bars": 60, "fdr": 1e-6})
    events = fold(ModelMonitor(bundle, strict, staleness_days=NEVER), stream)
    bodies = [event.body for _, event in events if event.body.get("detector") == "psi"]
    cleared = [
        (float(str(body["value"])), float(str(body["threshold"]))) for body in bodies if body["state"] == "cleared"
    ]
    assert len(cleared) == 3
    assert all(value <= threshold for value, threshold in cleared)


def test_a_burst_of_missing_values_shows(bundle: ModelBundle) -> None:
    rng = np.random.default_rng(5)

    def values(number: int) -> NDArray[Any]:
        x = rng.normal(size=(4, 3))
        x[:, 2] = np.nan if number >= 40 else x[:, 2]
        return x

    events = said(
        fold(ModelMonitor(bundle, SETTINGS, staleness_days=NEVER), decisions(bundle, 60, values=values)), "psi"
    )
    assert [(state, name) for _, state, name in events] == [("raised", "f2")]


def test_a_drift_event_has_the_documented_body(bundle: ModelBundle) -> None:
    stream = decisions(bundle, 40, values=lambda number: np.full((4, 3), 9.0))
    events = [event for _, event in fold(ModelMonitor(bundle, SETTINGS, staleness_days=NEVER), stream)]
    body = next(event.body for event in events if event.kind is EventKind.DRIFT)
    assert set(body) == {"detector", "feature", "value", "threshold", "window", "model_version", "state"}
    assert (body["model_version"], body["window"], body["state"]) == (bundle.version_id, 20, "raised")
    assert isinstance(body["value"], float)
    assert isinstance(body["threshold"], float)
    assert body["value"] > body["threshold"] >= SETTINGS.psi_major


def test_the_window_is_never_shorter_than_the_null_s(bundle: ModelBundle) -> None:
    short = MonitorSettings(window=5, persist=(1, 1))
    stream = decisions(bundle, 40, values=lambda number: np.full((4, 3), 9.0))
    assert said(fold(ModelMonitor(bundle, short, staleness_days=NEVER), stream), "psi")[0][0] == 19


@pytest.mark.parametrize("nothing", [np.empty((0, 0), np.uint16), np.zeros((3, 11), np.uint16)])
def test_slices_without_predictions_do_not_thin_the_window(bundle: ModelBundle, nothing: NDArray[np.uint16]) -> None:
    stream = [
        replace(d, bin_counts=nothing) if number % 2 else d
        for number, d in enumerate(decisions(bundle, 60, values=lambda number: np.full((4, 3), 9.0)))
    ]
    assert said(fold(ModelMonitor(bundle, SETTINGS, staleness_days=NEVER), stream), "psi")[0][0] == 40


def test_status_before_and_after_the_window_is_full(bundle: ModelBundle) -> None:
    monitor = ModelMonitor(bundle, SETTINGS)
    assert [(status.psi, status.level) for status in monitor.status()] == [(None, "none")] * 3
    fold(monitor, decisions(bundle, 20))
    assert all(status.psi is not None and status.threshold >= 0.2 for status in monitor.status())


def test_levels_between_none_and_drift(bundle: ModelBundle) -> None:
    watch = ModelWatch(bundle, SETTINGS, timedelta(days=NEVER))
    levels = [watch._level(value, 0.2, raised=False) for value in (0.05, 0.15, 0.25)]
    assert levels == ["none", "minor", "major"]


def test_calendar_features_raise_nothing(make_bundle: MakeBundle) -> None:
    described = [Feature("month", "temporal", 0, 0, True, ""), Feature("rsi", "technical", 0, 0, True, "")]
    x = np.random.default_rng(0).normal(size=(480, 2)).astype(np.float32)
    bundle = make_bundle(X=x, features=described)
    stream = decisions(bundle, 40, values=lambda number: np.full((4, 2), 9.0))
    events = said(fold(ModelMonitor(bundle, SETTINGS, staleness_days=NEVER), stream), "psi")
    assert [name for _, _, name in events] == ["rsi"]


def test_outcomes_mature_horizon_slices_later(bundle: ModelBundle) -> None:
    closes = np.array([[100.0] * 4, [50.0] * 4, [102.0, 100.5, 1, 1], [100.0] * 4])
    stream = list(decisions(bundle, 4, closes=closes, signals=True))
    events = fold(ModelMonitor(bundle, SETTINGS, staleness_days=NEVER), stream)
    first, second = (event for number, event in events if number == 2)
    assert first.body == {
        "signal_id": stream[0].signals[0].id,
        "symbol": stream[0].signals[0].symbol,
        "direction": stream[0].signals[0].direction.value,
        "label": "UP",
        "realised_return": pytest.approx(0.02),
        "matured_at": stream[2].timestamp.isoformat(),
    }
    assert (second.body["label"], second.at) == ("FLAT", stream[2].timestamp)
    assert [number for number, _ in events] == [2, 2, 3, 3]


def test_a_symbol_without_a_close_then_has_no_outcome(bundle: ModelBundle) -> None:
    stream = list(decisions(bundle, 3, signals=True))
    gone = replace(stream[2], symbols=("S1", "S9"), closes=np.array([90.0, 1.0]), signals=())
    events = fold(ModelMonitor(bundle, SETTINGS, staleness_days=NEVER), [*stream[:2], gone])
    assert [(event.body["label"], event.body["signal_id"]) for _, event in events] == [
        ("DOWN", stream[0].signals[1].id)
    ]


def test_a_model_that_is_always_wrong_is_raised(bundle: ModelBundle) -> None:
    rising = np.cumprod(np.full((60, 4), 1.02), axis=0)
    monitor = ModelMonitor(bundle, SETTINGS, staleness_days=NEVER)
    events = said(fold(monitor, decisions(bundle, 60, closes=rising, guess=0)), "accuracy")
    # 20 slices must mature (two slices later each), and two checks of three must agree.
    assert events == [(22, "raised", None)]


def test_a_model_as_right_as_validated_is_left_alone(bundle: ModelBundle) -> None:
    rng = np.random.default_rng(6)
    walk = np.cumprod(1 + rng.choice([-0.02, 0.02], size=(400, 4)), axis=0)
    patient = SETTINGS.model_copy(update={"accuracy_window": 100})
    monitor = ModelMonitor(bundle, patient, staleness_days=NEVER)
    # Two steps of 2% up or down: FLAT comes half of the time, as validated.
    assert said(fold(monitor, decisions(bundle, 400, closes=walk, guess=1)), "accuracy") == []


def test_accuracy_recovers(bundle: ModelBundle) -> None:
    closes = np.concatenate([np.cumprod(np.full((40, 4), 1.02), axis=0), np.full((60, 4), 2.2)])
    monitor = ModelMonitor(bundle, SETTINGS, staleness_days=NEVER)
    events = said(fold(monitor, decisions(bundle, 100, closes=closes, guess=1)), "accuracy")
    assert [state for _, state, _ in events] == ["raised", "cleared"]


def test_staleness_is_said_once_and_again_for_the_next_model(bundle: ModelBundle, make_bundle: MakeBundle) -> None:
    monitor = ModelMonitor(bundle, SETTINGS, staleness_days=14)
    assert said(fold(monitor, decisions(bundle, 20)), "stale") == [(14, "raised", None)]
    newer = make_bundle("20200901_000000", X=np.zeros((480 * 4, 3), np.float32))
    monitor.follow(newer)
    stream = [replace(d, timestamp=d.timestamp + timedelta(days=30)) for d in decisions(newer, 5)]
    assert said(fold(monitor, stream), "stale") == [(0, "raised", None)]


def test_following_the_same_model_forgets_nothing(bundle: ModelBundle) -> None:
    monitor = ModelMonitor(bundle, SETTINGS)
    fold(monitor, decisions(bundle, 20))
    before = monitor.status()
    monitor.follow(bundle)
    assert monitor.status() == before
    assert before[0].psi is not None


def test_a_rollback_finds_the_model_s_watch_as_it_was(bundle: ModelBundle, make_bundle: MakeBundle) -> None:
    between = make_bundle("20200901_000000", seed=1)
    stream = list(decisions(bundle, 90, values=lambda number: np.full((4, 3), number / 30.0), guess=0, signals=True))
    theirs = [replace(d, model_version=between.version_id) for d in stream[40:50]]
    live = ModelMonitor(bundle, SETTINGS, staleness_days=30)
    said_so_far = fold(live, stream[:40])
    live.follow(between)
    fold(live, theirs)
    live.follow(bundle)
    after = fold(live, stream[50:])
    assert said(said_so_far, "stale")
    assert not said(after, "stale")
    restored = ModelMonitor.restore(bundle, [*stream[:40], *theirs], SETTINGS, staleness_days=30)
    assert after == fold(restored, stream[50:])
    assert live.status() == restored.status()


def test_following_another_model_starts_anew_but_outcomes_mature(bundle: ModelBundle, make_bundle: MakeBundle) -> None:
    monitor = ModelMonitor(bundle, SETTINGS, staleness_days=NEVER)
    old = list(decisions(bundle, 30, signals=True))
    fold(monitor, old[:29])
    newer = make_bundle("20200901_000000", seed=1)
    monitor.follow(newer)
    events = monitor.observe(replace(old[29], model_version=newer.version_id))
    assert [event.body["signal_id"] for event in events] == [signal.id for signal in old[27].signals]
    assert monitor.status()[0].psi is None
    assert monitor.bundle is newer


def test_decisions_of_another_model_are_no_evidence(bundle: ModelBundle) -> None:
    stream = [
        replace(d, model_version="another")
        for d in decisions(bundle, 60, values=lambda number: np.full((4, 3), 9.0), guess=0)
    ]
    assert fold(ModelMonitor(bundle, SETTINGS, staleness_days=1), stream) == []


def test_a_decision_seen_twice_counts_once(bundle: ModelBundle) -> None:
    once, twice = (ModelMonitor(bundle, SETTINGS, staleness_days=NEVER) for _ in range(2))
    stream = list(decisions(bundle, 40, signals=True))
    assert fold(once, stream) == [(n // 2, e) for n, e in fold(twice, [d for d in stream for _ in range(2)])]


def test_a_look_before_the_prediction_is_the_same(bundle: ModelBundle) -> None:
    whole, parted = (ModelMonitor(bundle, SETTINGS, staleness_days=NEVER) for _ in range(2))
    stream = list(decisions(bundle, 60, values=lambda number: np.full((4, 3), number / 9.0), guess=0, signals=True))
    for decision in stream:
        blank = replace(decision, probabilities=np.empty((0, 3), np.float32), abstained={}, signals=())
        events = parted.look(blank)
        parted.keep(decision)
        parted.keep(decision)
        assert events == whole.observe(decision)
    assert parted.status() == whole.status()


def test_a_restart_says_what_would_have_been_said(bundle: ModelBundle) -> None:
    rng = np.random.default_rng(8)
    walk = np.cumprod(1 + rng.normal(0, 0.02, (200, 4)), axis=0)
    shifted = [rng.normal(size=(4, 3)) + 1.5 * (number % 70 > 40) for number in range(200)]
    stream = list(decisions(bundle, 200, values=lambda number: shifted[number], closes=walk, signals=True))
    whole = ModelMonitor(bundle, SETTINGS, staleness_days=NEVER)
    expected = fold(whole, stream)
    assert len(said(expected, "psi")) >= 6
    for cut in (90, 117, 143):
        assert whole.memory <= cut
        restored = ModelMonitor.restore(bundle, stream[cut - whole.memory : cut], SETTINGS, staleness_days=NEVER)
        after = [(number + cut, event) for number, event in fold(restored, stream[cut:])]
        assert after == [(number, event) for number, event in expected if number >= cut]
    assert restored.status() == whole.status()
