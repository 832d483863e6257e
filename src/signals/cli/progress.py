"""Progress bars of long work, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from signals.cli.common import errors

if TYPE_CHECKING:
    from signals.ml.trainer import Progress as StageProgress

__all__ = ["progress_bars", "stage_progress"]

_STAGES = {
    "features": "features by symbol",
    "trials": "trials",
    "validate": "walk-forward windows",
    "selection": "configurations",
    "active": "windows of the active recipe",
    "fit": "final fit",
}


def progress_bars() -> Progress:
    """Return progress bars on standard error, so that standard output stays clean; they vanish when done."""
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )


@contextmanager
def stage_progress() -> Iterator[StageProgress]:
    """Show one progress bar a stage while the block runs."""
    with progress_bars() as bars:
        tasks: dict[str, Any] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(_STAGES.get(stage, stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield advance
