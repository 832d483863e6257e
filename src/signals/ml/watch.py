"""ModelWatch: what is known of one model while it is in force, and the alarms that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from signals.config import MonitorSettings
from signals.events.schema import Event, EventKind
from signals.ml.accuracy import AccuracyWatch, validated_accuracy
from signals.ml.alarms import Alarms
from signals.ml.inputs import InputWatch
from strategy.signal import JSON

if TYPE_CHECKING:
    from signals.events.schema import Decision
    from signals.ml.artifact import ModelBundle
    from signals.ml.outcomes import Matured

__all__ = ["FeatureStatus", "Level", "ModelWatch"]

Level = Literal["none", "minor", "major", "drift"]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class FeatureStatus:
    """Where one feature stands: `psi` is None until the window is full, `level` is ``drift`` while an alarm is up."""

    feature: str
    psi: float | None
    threshold: float
    level: Level


class ModelWatch:
    """The detectors of one model. It takes the model's own slices only: while another is in force it stands still.

    Parameters
    ----------
    bundle
        The model.
    settings
        The section ``monitor``.
    staleness
        Age of the training data from which the model is stale.
    """

    def __init__(self, bundle: ModelBundle, settings: MonitorSettings, staleness: timedelta) -> None:
        self.bundle = bundle
        self._settings = settings
        self._staleness = staleness
        self._slices = 0
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

    @property
    def window(self) -> int:
        """Slices whose inputs are compared with the training data's."""
        return self._inputs.window

    def take(self, slice_: Decision, matured: Sequence[Matured]) -> list[Event]:
        """Take the model's next slice and what matured with it; return the alarms that changed."""
        self._slices += 1
        mine = [outcome for outcome in matured if outcome.decision.model_version == self.bundle.version_id]
        for outcome in mine:
            self._accuracy.add(outcome.accuracy, outcome.rows)
        events = self._check_accuracy(slice_.timestamp) if mine else []
        return [*events, *self._check_inputs(slice_), *self._check_age(slice_.timestamp)]

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

    def _check_inputs(self, slice_: Decision) -> list[Event]:
        watch = self._inputs
        out_of_line = watch.add(slice_.bin_counts)
        if out_of_line is None or watch.values is None:
            return []
        made = []
        changed = self._input_alarms.check(out_of_line, watch.values <= watch.thresholds, self._slices)
        for state, places in zip(("raised", "cleared"), changed, strict=True):
            for place in places.tolist():
                value, threshold = float(watch.values[place]), float(watch.thresholds[place])
                made.append(
                    self._event(slice_.timestamp, "psi", state, value, threshold, watch.window, watch.names[place])
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
        age = at - self.bundle.trained_until
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
            "model_version": self.bundle.version_id,
            "state": state,
        }
        return Event(EventKind.DRIFT, at, body)

    def _level(self, value: float | None, threshold: float, raised: bool) -> Level:
        if raised:
            return "drift"
        if value is None or value < self._settings.psi_minor:
            return "none"
        return "major" if value > threshold else "minor"
