"""ModelMonitor: is the model in use still to be trusted? A pure fold over decisions.

Three detectors, each of which speaks when it changes its mind and is silent otherwise:

``psi``
    Inputs of the last `window` slices against the bins frozen in training. A feature is out of line when its PSI is
    above both `psi_major` and the 99% quantile of the model's own null, and survives a false discovery rate of `fdr`
    over all features.
``accuracy``
    Share of right classes over the last `accuracy_window` matured slices, three standard errors below the model's own
    validated accuracy (or below `accuracy_floor`).
``stale``
    The decided bar is more than `staleness_days` later than the end of the training data. It is the request to
    retrain, made once a model.

The first two are raised when K of the last N checks were out of line (`persist`), cleared when fewer are and the figure
itself is within its threshold, and not raised again within `cooldown_bars` slices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from signals.config import MonitorSettings
from signals.events.schema import Decision, Event, EventKind
from signals.ml.accuracy import AccuracyWatch, validated_accuracy
from signals.ml.alarms import Alarms
from signals.ml.inputs import InputWatch
from signals.ml.outcomes import Outcomes
from strategy.signal import JSON

if TYPE_CHECKING:
    from signals.ml.artifact import ModelBundle

__all__ = ["FeatureStatus", "Level", "ModelMonitor"]

Level = Literal["none", "minor", "major", "drift"]

_DAY = timedelta(days=1)
_DEFAULTS = MonitorSettings()


@dataclass(frozen=True, slots=True)
class FeatureStatus:
    """Where one feature stands: `psi` is None until the window is full, `level` is ``drift`` while an alarm is up."""

    feature: str
    psi: float | None
    threshold: float
    level: Level


class ModelMonitor:
    """Watches one model at a time, and what came of every decision.

    Parameters
    ----------
    bundle
        The model; `follow` changes it.
    settings
        The section ``monitor``.
    staleness_days
        Age in days of bar time, from the end of the training data, from which the model is stale.
    """

    def __init__(
        self, bundle: ModelBundle, settings: MonitorSettings = _DEFAULTS, *, staleness_days: float = 14
    ) -> None:
        self._settings = settings
        self._staleness = staleness_days * _DAY
        self._outcomes = Outcomes()
        self._slices = 0
        self._last: datetime | None = None
        self._open = False
        self._watch(bundle)

    @classmethod
    def restore(
        cls,
        bundle: ModelBundle,
        decisions: Iterable[Decision],
        settings: MonitorSettings = _DEFAULTS,
        *,
        staleness_days: float = 14,
    ) -> Self:
        """Make the monitor that would have seen `decisions` (oldest first), in silence; hand it `memory` of them."""
        monitor = cls(bundle, settings, staleness_days=staleness_days)
        for decision in decisions:
            monitor.observe(decision)
        return monitor

    @property
    def bundle(self) -> ModelBundle:
        """The model that is watched."""
        return self._bundle

    @property
    def memory(self) -> int:
        """Decisions on which the state depends.

        Aside from longer cool-downs, pauses without predictions, and an alarm that nothing but its figure, still beyond
        the threshold, holds up: it may have been raised earlier.
        """
        settings = self._settings
        longest = max(self._inputs.window, settings.accuracy_window + self._bundle.horizon)
        return longest + settings.persist[1] + settings.cooldown_bars

    def follow(self, bundle: ModelBundle) -> None:
        """Watch another model from now on; the same one again changes nothing. Open outcomes go on maturing."""
        if bundle.version_id != self._bundle.version_id or bundle.recipe != self._bundle.recipe:
            self._watch(bundle)

    def observe(self, decision: Decision) -> list[Event]:
        """Take the next slice's decision; return outcomes that matured and alarms that changed.

        Decisions of another model count as slices and let outcomes mature. One that is not newer than the last is
        ignored: it was seen.
        """
        events = self.look(decision)
        self.keep(decision)
        return events

    def look(self, slice_: Decision) -> list[Event]:
        """Do the part of `observe` that needs no prediction: a live bar has it done while its rows are still near.

        Parameters
        ----------
        slice_
            What the decision will be, but for probabilities, abstentions and signals; `keep` wants it whole.
        """
        if self._last is not None and slice_.timestamp <= self._last:
            return []
        self._last, self._open = slice_.timestamp, True
        self._slices += 1
        matured = self._outcomes.mature(slice_)
        events = [event for outcome in matured for event in outcome.events]
        mine = [outcome for outcome in matured if outcome.decision.model_version == self._bundle.version_id]
        for outcome in mine:
            self._accuracy.add(outcome.accuracy, outcome.rows)
        if mine:
            events += self._check_accuracy(slice_.timestamp)
        if slice_.model_version == self._bundle.version_id:
            events += self._check_inputs(slice_) + self._check_age(slice_.timestamp)
        return events

    def keep(self, decision: Decision) -> None:
        """Let the decision mature whose slice `look` took last; a second one of that slice is ignored."""
        if self._open and decision.timestamp == self._last:
            self._outcomes.wait(decision, self._bundle.manifest.target)
            self._open = False

    def status(self) -> list[FeatureStatus]:
        """Return where every watched feature stands, in the model's order."""
        watch = self._inputs
        values = [None] * len(watch.names) if watch.values is None else watch.values.tolist()
        return [
            FeatureStatus(name, value, threshold, self._level(value, threshold, up))
            for name, value, threshold, up in zip(
                watch.names, values, watch.thresholds.tolist(), self._input_alarms.raised.tolist(), strict=True
            )
        ]

    def _watch(self, bundle: ModelBundle) -> None:
        settings = self._settings
        self._bundle = bundle
        self._stale = False
        self._inputs = InputWatch(bundle.manifest.reference, settings)
        self._input_alarms = Alarms(len(self._inputs.names), settings.persist, settings.cooldown_bars)
        self._accuracy = AccuracyWatch(
            settings.accuracy_window,
            bundle.horizon,
            validated_accuracy(bundle.manifest.windows),
            settings.accuracy_floor,
        )
        self._accuracy_alarm = Alarms(1, settings.persist, settings.cooldown_bars)

    def _check_inputs(self, decision: Decision) -> list[Event]:
        watch = self._inputs
        out_of_line = watch.add(decision.bin_counts)
        if out_of_line is None or watch.values is None:
            return []
        made = []
        changed = self._input_alarms.check(out_of_line, watch.values <= watch.thresholds, self._slices)
        for state, places in zip(("raised", "cleared"), changed, strict=True):
            for place in places.tolist():
                value, threshold = float(watch.values[place]), float(watch.thresholds[place])
                made.append(
                    self._event(decision.timestamp, "psi", state, value, threshold, watch.window, watch.names[place])
                )
        return made

    def _check_accuracy(self, at: datetime) -> list[Event]:
        checked = self._accuracy.check()
        if checked is None:
            return []
        value, threshold = checked
        below = np.array([value < threshold])
        changed = self._accuracy_alarm.check(below, ~below, self._slices)
        window = self._settings.accuracy_window
        return [
            self._event(at, "accuracy", state, value, threshold, window)
            for state, places in zip(("raised", "cleared"), changed, strict=True)
            if len(places)
        ]

    def _check_age(self, at: datetime) -> list[Event]:
        age = at - self._bundle.trained_until
        if self._stale or age <= self._staleness:
            return []
        self._stale = True
        return [self._event(at, "stale", "raised", age / _DAY, self._staleness / _DAY, None)]

    def _event(
        self,
        at: datetime,
        detector: str,
        state: str,
        value: float,
        threshold: float,
        window: int | None,
        feature: str | None = None,
    ) -> Event:
        body: dict[str, JSON] = {
            "detector": detector,
            "feature": feature,
            "value": value,
            "threshold": threshold,
            "window": window,
            "model_version": self._bundle.version_id,
            "state": state,
        }
        return Event(EventKind.DRIFT, at, body)

    def _level(self, value: float | None, threshold: float, raised: bool) -> Level:
        if raised:
            return "drift"
        if value is None or value < self._settings.psi_minor:
            return "none"
        return "major" if value > threshold else "minor"
