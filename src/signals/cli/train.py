"""`vane train`: from bars to a judged, registered and, if it passed, promoted model."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from signals.cli.common import (
    AsJson,
    Calendar,
    DataPath,
    MarketPath,
    StampedOption,
    Symbols,
    Zone,
    console,
    emit_json,
    tell,
)
from signals.cli.inputs import Source, chosen_symbols, parse_time, read_inputs
from signals.cli.progress import stage_progress
from signals.cli.training import require_history, require_ready, train_and_register
from signals.cli.views import show_quality
from signals.cli.views_training import show_plan, show_verdict, show_windows

if TYPE_CHECKING:
    pass

__all__ = ["train"]


def train(
    data: DataPath,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    tz: Zone = None,
    symbols: Symbols = None,
    until: Annotated[str | None, typer.Option(help="Train on what was known by then; a date is 00:00 UTC.")] = None,
    trials: Annotated[
        int, typer.Option(min=0, help="Parameter sets to try in each window, on inner folds of its training rows.")
    ] = 0,
    selection: Annotated[
        bool,
        typer.Option(
            "--selection", help="Refit 24 fixed configurations in every window: how much is luck of choosing."
        ),
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1, help="With --trials: stop a window's search after so long. Another run may choose otherwise."
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Windows fitted at a time, one a process.", show_default="one a core")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Fit them on the workers of a dask scheduler, tcp://host:8786.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train on your bars, judge out of sample, register, and promote if the gate lets it pass.

    Example: vane train --data bars.csv --stamped session
    """
    from signals.config import load_settings
    from signals.recipes.direction import CONFIGURATIONS, recipe, search_space

    if seconds is not None and not trials:
        raise typer.BadParameter(
            "expected --trials with it: without a search there is nothing to stop", param_hint="--seconds"
        )
    asked, choice = parse_time(until, "--until"), chosen_symbols(symbols)
    source = Source(data, stamped, calendar, market, tz)
    require_ready(load_settings())
    inputs = read_inputs(source, choice)
    if jobs or dask:
        training = inputs.settings.training.model_copy(update={"jobs": jobs, "dask": dask})
        inputs = replace(inputs, settings=inputs.settings.model_copy(update={"training": training}))
    chosen, end = recipe(inputs.settings), asked or inputs.end
    if trials:
        space = search_space(inputs.settings).model_copy(update={"trials": trials, "seconds": seconds})
        chosen = chosen.model_copy(update={"search": space})
    if not as_json:
        show_quality(inputs)
    require_history(inputs, chosen, end)
    if not as_json:
        show_plan(chosen)
    with stage_progress() as progress:
        trained = train_and_register(
            inputs,
            chosen,
            end,
            actor="vane train",
            configurations=CONFIGURATIONS if selection else (),
            progress=progress,
        )
    if as_json:
        emit_json({"data": inputs.table.report.to_json(), **trained.to_json()})
        return
    if trained.own:
        tell(f"audited, as they are your own: {escape(', '.join(trained.own))} (briefly; vane audit does it at length)")
    show_windows(trained.result.windows)
    show_verdict(trained.result.verdict, trained.result.evidence.figures, inputs.settings.ml.confidence_threshold)
    version = trained.version.version_id
    console.print(f"  registered {version} in {trained.version.path}", markup=False, soft_wrap=True)
    console.print(f"  report: {trained.report}", markup=False, soft_wrap=True)
    tell(trained.in_force())
    replayed = "" if trained.version.passed else ", in shadow"
    later = "" if end < inputs.end else f", on bars that come after {end:%Y-%m-%d}"
    console.print(f"  next: vane models show {version}", markup=False, soft_wrap=True)
    same = "" if symbols is None else f" --symbols {shlex.quote(symbols)}"
    command = f"{source.command('backtest')}{same} --model {version}"
    console.print(f"  then: {command} (replays it{replayed}{later})", markup=False, soft_wrap=True)
