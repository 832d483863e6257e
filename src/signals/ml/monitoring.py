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

Each model has its own, which stand still while another model is in force: a rollback finds them as they were. The
first two are raised when K of the last N checks were out of line (`persist`), cleared when fewer are and the figure
itself is within its threshold, and not raised again within `cooldown_bars` slices.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from signals.config import MonitorSettings
from signals.events.schema import Decision, Event
from signals.ml.outcomes import Outcomes
from signals.ml.watch import FeatureStatus, ModelWatch

if TYPE_CHECKING:
    from signals.ml.artifact import ModelBundle

__all__ = ["ModelMonitor"]

_DEFAULTS = MonitorSettings()
_KEPT = 4
"""Models that are remembered: those that a rollback may bring back."""


class ModelMonitor:
    """Watches the model in force, and what came of every decision.

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
        self._staleness = timedelta(days=staleness_days)
        self._outcomes = Outcomes()
        self._last: datetime | None = None
        self._open = False
        self._watches: OrderedDict[tuple[str, str], ModelWatch] = OrderedDict()
        self.follow(bundle)

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
        return self._watch.bundle

    @property
    def memory(self) -> int:
        """Decisions of the model on which the state depends.

        Aside from longer cool-downs, pauses without predictions, and an alarm that nothing but its figure, still beyond
        the threshold, holds up: it may have been raised earlier.
        """
        settings = self._settings
        longest = max(self._watch.window, settings.accuracy_window + self.bundle.horizon)
        return longest + settings.persist[1] + settings.cooldown_bars

    def follow(self, bundle: ModelBundle) -> None:
        """Watch another model from now on; the same one again changes nothing. Open outcomes go on maturing."""
        key = bundle.recipe, bundle.version_id
        if key not in self._watches:
            self._watches[key] = ModelWatch(bundle, self._settings, self._staleness)
        self._watches.move_to_end(key)
        self._watch = self._watches[key]
        if len(self._watches) > _KEPT:
            self._watches.popitem(last=False)

    def observe(self, decision: Decision) -> list[Event]:
        """Take the next slice's decision; return outcomes that matured and alarms that changed.

        Decisions of another model let outcomes mature, and are otherwise passed over. One that is not newer than the
        last is ignored: it was seen.
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
        matured = self._outcomes.mature(slice_)
        events = [event for outcome in matured for event in outcome.events]
        if slice_.model_version != self.bundle.version_id:
            return events
        return events + self._watch.take(slice_, matured)

    def keep(self, decision: Decision) -> None:
        """Let the decision mature whose slice `look` took last; a second one of that slice is ignored."""
        if self._open and decision.timestamp == self._last:
            self._outcomes.wait(decision)
            self._open = False

    def status(self) -> list[FeatureStatus]:
        """Return where every watched feature of the model in force stands, in the model's order."""
        return self._watch.status()
