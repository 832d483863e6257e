"""`vane models reproduce`: fit a version again and compare the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from signals.cli.common import AsJson, Calendar, DataPath, MarketPath, StampedOption, Zone, console, emit_json
from signals.cli.inputs import Source, read_inputs
from signals.errors import BundleError

if TYPE_CHECKING:
    from signals.ml.registry import ModelRegistry

__all__ = ["reproduce"]


def reproduce(
    version_id: Annotated[str, typer.Argument(metavar="VERSION", help="As `vane models list` shows it.")],
    data: DataPath,
    stamped: StampedOption,
    calendar: Calendar = "XNYS",
    market: MarketPath = None,
    tz: Zone = None,
    as_json: AsJson = False,
) -> None:
    """Fit a version again from its manifest on the bars it was trained on; exit 1 if a byte differs.

    From what is registered, too: what is damaged there is said, and still compared with what the manifest names.

    Example: vane models reproduce 20240315_120000 --data bars.csv --stamped session
    """
    from signals.config import load_settings
    from signals.feature_store import FeatureStore
    from signals.ml.opening import open_registry
    from signals.ml.reproduce import reproduce as again

    registry = open_registry(load_settings())
    manifest = registry.manifest(version_id)
    damage = _damage(registry, version_id)
    inputs = read_inputs(Source(data, stamped, calendar, market, tz), tuple(manifest.data.symbols) or None)
    found = again(manifest, inputs.provider, FeatureStore(inputs.settings), inputs.settings)
    if as_json:
        emit_json({**found.to_json(), "damage": damage})
    else:
        same = "[green]the same bytes[/]" if found.identical else "[bold red]other bytes[/]"
        console.print(f"{version_id}, fitted again: {same}")
        for name, equal in found.files.items():
            console.print(f"  {name:<18} {'the same' if equal else 'differs'}", markup=False)
        if not found.same_data:
            console.print("  the data is not what it was trained on: other bars, facts or settings", markup=False)
        for name, (then, now) in found.libraries.items():
            console.print(f"  {name} was {then} then and is {now} now", markup=False)
        if damage is not None:
            console.print(f"  what is registered is damaged: {damage}", markup=False, style="red")
    if damage is not None or not found.identical:
        raise typer.Exit(1)


def _damage(registry: ModelRegistry, version_id: str) -> str | None:
    try:
        registry.verify(version_id)
    except BundleError as error:
        return str(error)
    return None
