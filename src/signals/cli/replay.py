"""Replay one model bar by bar, and what is worth telling about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from signals.events.schema import Decision, Event, EventKind

if TYPE_CHECKING:
    from signals.cli.inputs import Inputs
    from signals.events.log import EventLog
    from signals.ml.artifact import ModelBundle
    from strategy.backtest.execution import Execution
    from strategy.backtest.replay import Progress
    from strategy.backtest.result import BacktestResult

__all__ = ["CONFIDENCE_EDGES", "Replay", "RunRecord", "new_run", "replay_model"]

CONFIDENCE_EDGES = (0.0, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.70, 1.0)
"""Buckets of the largest of the three probabilities; a third is ignorance."""


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
        abstained: Counter[str] = Counter()
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
            "abstained": dict(sorted(abstained.items())),
            "drift": [{"at": event.at.isoformat(), **event.body} for event in drift],
            "backtest": self.result.summary(),
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
            shadow=shadow,
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
