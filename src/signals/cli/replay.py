"""Replay one model bar by bar, and what is worth telling about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from signals.events.schema import Abstention, Decision, Event, EventKind
from signals.ml.outcomes import CLASSES, Outcomes

if TYPE_CHECKING:
    from signals.cli.inputs import Inputs
    from signals.config import Settings
    from signals.events.log import EventLog
    from signals.ml.artifact import ModelBundle
    from strategy.backtest.execution import Execution
    from strategy.backtest.replay import Progress
    from strategy.backtest.result import BacktestResult

__all__ = ["CONFIDENCE_EDGES", "Replay", "RunRecord", "new_run", "replay_model", "runs_folder"]

CONFIDENCE_EDGES = (0.33, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.70, 1.0)
"""Buckets of the largest of the three probabilities, which is never below a third: ignorance."""

_CLASS = {"LONG": "UP", "SHORT": "DOWN"}
"""The class that makes a signal's direction come true."""


@dataclass
class RunRecord:
    """The sink of one run: durable in the run's own event log, and kept for the summary."""

    log: EventLog
    decisions: list[Decision] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def record(self, decision: Decision, events: Sequence[Event] = ()) -> None:
        """Make one decision durable and remember it."""
        self.log.record(decision, events)
        self.decisions.append(decision)
        self.events.extend(events)


@dataclass(frozen=True)
class Replay:
    """A finished run."""

    folder: Path
    bundle: ModelBundle
    shadow: bool
    result: BacktestResult
    decisions: Sequence[Decision]
    events: Sequence[Event]

    def to_json(self) -> dict[str, Any]:
        """Return the run's figures as JSON values."""
        rows = sum(len(decision.symbols) for decision in self.decisions)
        made = sum(len(decision.signals) for decision in self.decisions)
        # The engine shows a strategy only who has a bar; who was expected and had none is the engine's to count.
        abstained = Counter({Abstention.NO_BAR.value: sum(self.result.absences.values())})
        for decision in self.decisions:
            abstained.update({reason.value: len(names) for reason, names in decision.abstained.items()})
        drift = [event for event in self.events if event.kind is EventKind.DRIFT]
        return {
            "model_version": self.bundle.version_id,
            "shadow": self.shadow,
            "events": str(self.folder / "events.db"),
            "decisions": len(self.decisions),
            "rows": rows,
            "signals": made,
            "signal_share": made / rows if rows else None,
            "confidence": self.confidence(),
            "abstained": {reason: count for reason, count in sorted(abstained.items()) if count},
            "outcomes": self.outcomes(),
            "drift": [{"at": event.at.isoformat(), **event.body} for event in drift],
            "backtest": self.result.summary(),
        }

    def outcomes(self) -> dict[str, Any]:
        """Return what came of the signals, shadow ones too, as far as the replay's bars reach.

        ``matured`` signals of ``dates`` decisions; the share that came true (LONG and UP, SHORT and DOWN), ``right``;
        the share of all rows in those classes, LONG and SHORT weighed as in the signals, ``base_rate``; the mean close
        to close return in the signals' direction, ``mean_return``. None where nothing matured.
        """
        waiting, totals = Outcomes(), np.zeros(len(CLASSES), np.int64)
        came, decided = [], set()
        for decision in self.decisions:
            for matured in waiting.mature(decision):
                totals += matured.labels
                came += [event.body for event in matured.events]
                decided |= {matured.decision.timestamp} if matured.events else set()
            waiting.wait(decision)
        if not came:
            return {"matured": 0, "dates": 0, "right": None, "base_rate": None, "mean_return": None}
        shares = dict(zip(CLASSES, (totals / totals.sum()).tolist(), strict=True))
        wanted = [_CLASS[str(body["direction"])] for body in came]
        signs = [1.0 if name == "UP" else -1.0 for name in wanted]
        returns = [sign * float(str(body["realised_return"])) for sign, body in zip(signs, came, strict=True)]
        return {
            "matured": len(came),
            "dates": len(decided),
            "right": float(np.mean([name == body["label"] for name, body in zip(wanted, came, strict=True)])),
            "base_rate": float(np.mean([shares[name] for name in wanted])),
            "mean_return": float(np.mean(returns)),
        }

    def confidence(self) -> dict[str, Any]:
        """Return how the largest probability of each row is distributed: quantiles, and rows in each bucket."""
        found = [decision.probabilities.max(axis=1) for decision in self.decisions if len(decision.symbols)]
        if not found:
            return {"quantiles": {}, "buckets": []}
        values = np.concatenate(found).astype(np.float64)
        counts, _ = np.histogram(values, bins=CONFIDENCE_EDGES)
        quantiles = {f"{share:.0%}": float(np.quantile(values, share)) for share in (0.05, 0.5, 0.95, 1.0)}
        edges = zip(CONFIDENCE_EDGES[:-1], CONFIDENCE_EDGES[1:], counts.tolist(), strict=True)
        return {"quantiles": quantiles, "buckets": [[low, high, count] for low, high, count in edges]}


def runs_folder(settings: Settings) -> Path:
    """Return where the logs of replays lie: ``runs`` beside the event log of live."""
    return settings.events.path.parent / "runs"


def new_run(root: Path, now: datetime) -> Path:
    """Return a new folder for one run's events, named for the moment (UTC)."""
    name = f"{now:%Y%m%d_%H%M%S}"
    for suffix in ("", *(f"_{number}" for number in range(2, 1000))):
        folder = root / f"{name}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{root / name}: a thousand runs in one second")


def replay_model(
    inputs: Inputs,
    bundle: ModelBundle,
    folder: Path,
    *,
    start: datetime | None,
    end: datetime | None = None,
    shadow: bool,
    execution: Execution | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Run a model through the strategy engine on recorded bars, every decision made durable in `folder`."""
    from signals.events.log import EventLog
    from signals.feature_store import FeatureStore
    from signals.ml.monitoring import ModelMonitor
    from signals.ml.source import FixedModel
    from signals.ml_strategy import MLSignalStrategy
    from strategy.backtest.replay import DEFAULT_EXECUTION, run_backtest

    settings = inputs.settings
    with EventLog(folder / "events.db") as log:
        record = RunRecord(log)
        strategy = MLSignalStrategy(
            settings,
            store=FeatureStore(settings),
            models=FixedModel(bundle),
            provider=inputs.provider,
            monitor=ModelMonitor(bundle, settings.monitor, staleness_days=settings.ml.model_staleness_days),
            sink=record,
        )
        result = run_backtest(
            strategy,
            inputs.bars(),
            execution=execution or DEFAULT_EXECUTION,
            start=start,
            end=end,
            shadow=shadow,
            progress=progress,
        )
    return Replay(folder, bundle, shadow, result, record.decisions, record.events)
