"""What a training shows: its windows, calibration and the gate's verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from signals.cli.common import console, tell

if TYPE_CHECKING:
    from signals.ml.gate import Verdict
    from signals.ml.recipe import Recipe
    from signals.ml.windows import WindowResult

__all__ = ["show_plan", "show_verdict", "show_windows"]

_HARDLY = 0.001
"""Share of rows above the threshold below which a model is as good as silent."""


def show_plan(recipe: Recipe) -> None:
    """Print how the windows are cut."""
    split = recipe.split
    growing = " and all before" if split.expanding else ""
    tell(
        f"windows: train {split.train_months} months{growing}, test {split.test_months}, step {split.step_months}; "
        "purged by each label's own end"
    )
    tell(f"labels: {recipe.target.in_words()}")


def show_windows(windows: Sequence[WindowResult]) -> None:
    """Print one line a walk-forward window: log loss against both baselines."""
    table = Table("tested from", "rows", "log loss", "frequencies", "volatility", "skill", "accuracy", "ECE", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for window in windows:
        span = f"{window['start']:%Y-%m-%d}" if window["start"] else "no rows"
        if window["skipped"]:
            table.add_row(span, f"{window['rows']:.0f}", f"[yellow]skipped:[/] {escape(window['skipped'])}")
            continue
        best = min(window["log_loss_frequencies"], window["log_loss_volatility"])
        color, sign = ("green", "✓") if window["log_loss"] < best else ("red", " ")
        table.add_row(
            span,
            f"{window['rows']:.0f}",
            f"[{color}]{window['log_loss']:.4f} {sign}[/]",
            f"{window['log_loss_frequencies']:.4f}",
            f"{window['log_loss_volatility']:.4f}",
            f"{window['skill_volatility']:+.2%}",
            f"{window['accuracy']:.1%}",
            f"{window['ece']:.3f}",
        )
    console.print(table)
    judged = [window for window in windows if not window["skipped"]]
    if judged:
        rows = sum(window["rows"] for window in judged)
        shares = {
            name: sum(window["rows"] * window["class_distribution"][name] for window in judged) / rows
            for name in judged[0]["class_distribution"]
        }
        tell(f"classes out of sample: {', '.join(f'{name} {share:.0%}' for name, share in shares.items())}")
    tell("[dim]log loss out of sample; ✓ beats both baselines; skill is over the volatility table[/]")


def show_verdict(verdict: Verdict, figures: Mapping[str, float], threshold: float) -> None:
    """Print calibration before and after, the gate's verdict in sentences, and how often the model would speak."""
    before, after = figures["log_loss_raw"], figures["log_loss"]
    judged = not math.isnan(after)
    if judged:
        tell(f"log loss {before:.4f} before calibration, {after:.4f} after")
        tell(f"calibration error {figures['ece_raw']:.1%} before, {figures['ece']:.1%} after")
    color = "green" if verdict.passed else "yellow"
    first, *rest = verdict.sentences
    tell(f"[bold {color}]{escape(first)}[/]")
    for sentence in rest:
        tell(escape(sentence), bullet=True)
    coverage = figures["coverage"]
    hardly = ": it will hardly ever speak" if coverage < _HARDLY else ""
    if judged:
        tell(f"UP or DOWN with confidence above {threshold:g} in {coverage:.1%} of out-of-sample rows{hardly}")
