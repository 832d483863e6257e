"""``vane features``: what the catalogue holds, and computing it for a whole universe."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from signals.cli.common import (
    AsJson,
    Calendar,
    DataPath,
    MarketPath,
    StampedOption,
    Symbols,
    Zone,
    console,
    counted,
    emit_json,
    tell,
)
from signals.cli.inputs import Source, chosen_symbols, read_inputs
from signals.cli.progress import stage_progress
from signals.cli.views import show_quality

if TYPE_CHECKING:
    from signals.features.feature import Feature

__all__ = ["app"]

app = typer.Typer(help="List the features, and compute them for a universe.", no_args_is_help=True)


@app.command(name="list")
def list_(
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/features.md.")] = False,
) -> None:
    """Show every feature: ours, then those of installed calculators."""
    from signals.feature_store import FeatureStore
    from signals.features.page import markdown_page

    if markdown:
        typer.echo(markdown_page(), nl=False)
        return
    features = FeatureStore().features
    if as_json:
        emit_json([asdict(feature) for feature in features])
    else:
        _show(features)


@app.command()
def build(
    data: DataPath,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    tz: Zone = None,
    symbols: Symbols = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that compute.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Compute a universe into the cache; what is there and still right is passed over, so a killed build goes on."""
    from signals.feature_store import FeatureStore
    from signals.features.building import build as run

    inputs = read_inputs(Source(data, stamped, calendar, market, tz), chosen_symbols(symbols))
    if not as_json:
        show_quality(inputs)
    with stage_progress() as progress:
        built = run(inputs.provider, inputs.settings, inputs.universe, workers=workers, progress=progress)
    folder = inputs.settings.data.features_dir
    if as_json:
        said = {"folder": str(folder), "computed": list(built.computed), "kept": list(built.kept)}
        emit_json({"data": inputs.table.report.to_json(), **said})
        return
    tell(f"{counted(len(built.computed), 'symbol')} computed, {len(built.kept):,} there already")
    if FeatureStore(inputs.settings).calculators:
        tell("features of your own are not in the files: they are computed whenever they are asked for")
    console.print(f"  one file a symbol in {folder}", markup=False, soft_wrap=True)


def _show(features: tuple[Feature, ...]) -> None:
    groups: dict[str, list[Feature]] = {}
    for feature in features:
        groups.setdefault(feature.calculator, []).append(feature)
    for calculator, members in groups.items():
        # Names and numbers keep their width; the meaning takes what is left and wraps.
        table = Table(box=None, title=calculator, title_justify="left", title_style="bold", padding=(0, 1))
        table.add_column("name", no_wrap=True)
        table.add_column("first", justify="right", no_wrap=True)
        table.add_column("lookback", justify="right", no_wrap=True)
        table.add_column("free", no_wrap=True)
        table.add_column("wide", no_wrap=True)
        table.add_column("meaning", overflow="fold")
        for feature in members:
            free = "yes" if feature.scale_free else "no"
            numbers = str(feature.first_value), str(feature.lookback)
            table.add_row(feature.name, *numbers, free, feature.wide, feature.meaning)
        console.print(table)
        console.print()
    tell(
        f"{counted(len(features), 'feature')}. first: bars before it has a value; lookback: bars before the start of "
        "history no longer shows; free: scale-free, so a model may see it; wide: the same for all symbols of a "
        "date, or dependent on which peers are there."
    )
