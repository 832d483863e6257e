"""`vane demo`: the whole tour on real bars, from the file to the latest decision."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.rule import Rule

from signals.cli.common import AsJson, Calendar, MarketPath, Symbols, Zone, console, emit_json, known_stamp, tell
from signals.cli.inputs import Choice, Inputs, Source, chosen_symbols, load_inputs, read_inputs
from signals.cli.progress import progress_bars, stage_progress
from signals.cli.replay import Replay, new_run, replay_model, runs_folder
from signals.cli.training import Trained, require_history, require_ready, train_and_register
from signals.cli.views import show_latest, show_quality
from signals.cli.views_replay import require_sound, show_replay
from signals.cli.views_training import show_plan, show_verdict, show_windows

if TYPE_CHECKING:
    from signals.ml.recipe import Recipe

__all__ = ["demo"]

_YEAR = timedelta(days=365)
_SYMBOLS = "50"


def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Your bars (CSV, Parquet, folder); default: samples.")
    ] = None,
    stamped: Annotated[
        str | None, typer.Option("--stamped", callback=known_stamp, help="With --data: open, close or session.")
    ] = None,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    tz: Zone = None,
    symbols: Symbols = _SYMBOLS,
    as_json: AsJson = False,
) -> None:
    """Train on real bars, judge, register, and replay the last year bar by bar.

    Examples: vane demo
              vane demo --data bars.csv --stamped session
    """
    from signals.config import load_settings

    if (data is None) != (stamped is None):
        raise typer.BadParameter(
            "say what a time in the file means (open, close, session); the two go together",
            param_hint="--data, --stamped",
        )
    started = datetime.now(UTC)
    choice = chosen_symbols(symbols)
    require_ready(load_settings())
    if data is None or stamped is None:
        inputs = _sample(choice)
    else:
        inputs = read_inputs(Source(data, stamped, calendar, market, tz), choice)
    tour = _Tour(inputs, quiet=as_json)
    trained = tour.train()
    replay = tour.replay(trained)
    seconds = (datetime.now(UTC) - started).total_seconds()
    if as_json:
        quality = inputs.table.report.to_json()
        emit_json({"data": quality, "training": trained.to_json(), "replay": replay.to_json(), "seconds": seconds})
    else:
        tour.finish(trained, replay, seconds)
    require_sound(replay)


class _Tour:
    """The demo's stages, in order."""

    def __init__(self, inputs: Inputs, *, quiet: bool) -> None:
        self.inputs = inputs
        self.quiet = quiet
        self.cut = inputs.end - _YEAR
        self.threshold = inputs.settings.ml.confidence_threshold

    def train(self) -> Trained:
        """Show the bars, then train on everything but the last year."""
        chosen = _recipe(self.inputs)
        if not self.quiet:
            self._title(1, "Bars")
            show_quality(self.inputs)
        require_history(self.inputs, chosen, self.cut, replay_months=12)
        if not self.quiet:
            tell(f"trained and judged on bars until {self.cut:%Y-%m-%d}; the year after that is kept for the replay")
            self._title(2, "Features, walk-forward, gate")
        with stage_progress() if not self.quiet else nullcontext() as progress:
            # A tour must never take the place of a model that somebody trades on.
            trained = train_and_register(
                self.inputs, chosen, self.cut, actor="vane demo", replace=False, progress=progress
            )
        if not self.quiet:
            self._show_training(trained, chosen)
        return trained

    def replay(self, trained: Trained) -> Replay:
        """Replay the year that nobody has seen: in shadow where the gate refused."""
        shadow = not trained.result.verdict.passed
        folder = new_run(runs_folder(self.inputs.settings), datetime.now(UTC))
        with progress_bars() if not self.quiet else nullcontext() as bars:
            task = None if bars is None else bars.add_task("replay of the last year, bar by bar", total=None)

            def advance(done: int, total: int) -> None:
                if bars is not None and task is not None:
                    bars.update(task, completed=done, total=total)

            bundle = trained.result.bundle
            return replay_model(self.inputs, bundle, folder, start=self.cut, shadow=shadow, progress=advance)

    def finish(self, trained: Trained, replay: Replay, seconds: float) -> None:
        """Show the replay, the newest decision, where everything is, and what to type next."""
        self._title(4, "Replay of the last year, bar by bar, through the strategy engine")
        if replay.shadow:
            tell("The gate refused the model, so it runs in shadow: signals are marked, nothing is traded.")
        show_replay(replay, self.threshold)
        if replay.decisions:  # none where the strategy failed at every slice
            last = replay.decisions[-1]
            self._title(5, f"Latest decision, {last.timestamp:%Y-%m-%d %H:%M} UTC")
            show_latest(last, self.threshold)
        self._title(6, "Where everything is, and what to type next")
        version = trained.version
        for label, text in (
            ("model", str(version.path)),
            ("report to look at", str(trained.report)),
            ("events of this run", str(replay.folder / "events.db")),
            ("why this verdict", f"vane models show {version.version_id}"),
            ("what happened", f"vane events --run {replay.folder.name}"),
            ("your own bars", "vane demo --data bars.csv --stamped session"),
        ):
            console.print(f"  {label:<19} {text}", soft_wrap=True, markup=False)
        tell(f"[dim]{seconds:.0f} seconds; vane is in .venv/bin[/]")

    def _show_training(self, trained: Trained, recipe: Recipe) -> None:
        figures = trained.result.evidence.figures
        bundle = trained.result.bundle
        tell(f"{len(bundle.features)} features a row, {figures['rows']:,.0f} rows out of sample")
        for note in bundle.manifest.notes:
            tell(f"[dim]{note.partition(':')[0]} (vane models show --json lists them)[/]")
        show_plan(recipe)
        show_windows(trained.result.windows)
        self._title(3, "Calibration and verdict")
        show_verdict(trained.result.verdict, figures, self.threshold)
        tell(f"version [bold]{trained.version.version_id}[/]: registered, {trained.in_force()}")
        if trained.result.verdict.passed and not trained.promoted:
            tell("a demo never replaces an active model; vane models promote does")

    def _title(self, number: int, text: str) -> None:
        console.print()
        console.print(Rule(f"[bold]{number} · {text}[/]", align="left", style="blue"))


def _sample(choice: Choice) -> Inputs:
    from signals.config import load_settings
    from signals.data.sample import sample_bars

    return load_inputs(sample_bars(), load_settings(), choice=choice)


def _recipe(inputs: Inputs) -> Recipe:
    """Return the recipe `direction` with tests that follow one another: half a year each, no date twice."""
    from signals.ml.recipe import SplitSpec
    from signals.recipes.direction import recipe

    return recipe(inputs.settings).model_copy(update={"split": SplitSpec(step_months=6)})
