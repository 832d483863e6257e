"""`vane models`: which versions there are, which one is in force, and changing that."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from signals.cli.common import AsJson, console, emit_json, errors
from signals.cli.models_history import as_of, history
from signals.cli.models_mirror import mirror, mirror_of
from signals.cli.models_reproduce import reproduce
from signals.errors import BundleError, RegistryError

if TYPE_CHECKING:
    from signals.ml.registry import ModelRegistry, ModelVersion

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="List, inspect, promote, roll back and verify models.")
app.command()(history)
app.command("as-of")(as_of)
app.command()(reproduce)
app.command()(mirror)

_COUNTS = ("rows", "dates", "windows", "windows_skipped", "trade_dates", "configurations", "attempts")
_SHARES = ("accuracy", "coverage")
_LISTED = 5
"""Names after which a list of features is folded."""

_WIDEST = 1_000

Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version's id, as `vane models list` shows it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the history for ever.")]


@app.command("list")
def list_versions(as_json: AsJson = False) -> None:
    """List every registered version, oldest first.

    Example: vane models list --json
    """
    registry = _registry()
    versions = registry.list_versions()
    listed = {version.version_id for version in versions}
    for home in registry.versions_on_disk():
        if home.name not in listed:
            active = ", though it is the active version," if registry.in_force(home.parent.name) == home.name else ""
            errors.print(
                f"{home.name} cannot be read and{active} is not listed; what is wrong: vane models verify {home.name}",
                soft_wrap=True,
            )
    if as_json:
        emit_json([_row(registry, version) for version in versions])
        return
    if not versions:
        _none_yet(registry)
        return
    from rich.table import Table

    table = Table("version", "recipe", "created", "gate", "in force as", "log loss", box=None)
    for version in versions:
        row = _row(registry, version)
        loss = row["metrics"].get("log_loss")
        table.add_row(
            row["version_id"],
            row["recipe"],
            f"{version.created_at:%Y-%m-%d}",
            "passed" if row["passed"] else "refused",
            ", ".join(row["slots"]),
            "" if loss is None else f"{loss:.4f}",
        )
    # Ids are typed again: a line that is too long wraps at the terminal, and nothing is cut.
    table.width = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    console.print(table, crop=False)


@app.command()
def show(version_id: Version, as_json: AsJson = False) -> None:
    """Show what a version was trained on, what its gate said, and when it was in force.

    Example: vane models show 20240315_120000
    """
    registry = _registry()
    version = registry.version(version_id)
    manifest = registry.manifest(version_id)
    history = [entry.to_json() for entry in registry.history(version.recipe) if entry.version_id == version_id]
    if as_json:
        document = manifest.model_dump(mode="json", by_alias=True, exclude={"golden", "reference"})
        emit_json({**_row(registry, version), "manifest": document, "activations": history})
        return
    train, target = manifest.train, manifest.target
    console.print(f"[bold]{version_id}[/bold] ({version.recipe}), made {version.created_at:%Y-%m-%d %H:%M} UTC")
    console.print(f"  trained on   {train.start:%Y-%m-%d} to {train.end:%Y-%m-%d}, {len(manifest.features)} features")
    console.print(f"  predicts     {target.in_words()}")
    search = manifest.recipe_spec.get("search")
    searched = f", {search['trials']} trials each" if search else ""
    console.print(f"  windows      {len(manifest.windows)} walk-forward{searched}")
    _show_figures(version.metrics)
    console.print(f"  gate         {'passed' if version.passed else 'refused'}")
    for sentence in [*manifest.verdict.get("sentences", ()), *map(_folded, manifest.notes)]:
        console.print(Padding(Text(sentence), (0, 0, 0, 15), expand=False))
    for entry in history:
        said = f": {entry['reason']}" if entry["reason"] else ""
        console.print(f"  activation   {entry['number']} as {entry['slot']}, {entry['at'][:16]}{said}", markup=False)


@app.command()
def promote(
    version_id: Version,
    shadow: Annotated[bool, typer.Option("--shadow", help="Run it beside the active one; it trades nothing.")] = False,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Put a version in force. As active only where its gate let it through.

    Example: vane models promote 20240315_120000 --reason "passed on the new bars"
    """
    registry = _registry()
    slot = "shadow" if shadow else "active"
    if not shadow and not registry.version(version_id).passed:
        raise RegistryError(
            f"version {version_id} did not pass its gate, so it cannot be active; beside the active one, trading "
            f"nothing, it can run: vane models promote {version_id} --shadow"
        )
    changed = registry.promote(version_id, slot="shadow" if shadow else "active", actor=_actor(), reason=reason)
    _said(as_json, version_id, slot, changed)


@app.command()
def rollback(
    version_id: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Where to go back to; without it, the previous version.")
    ] = None,
    recipe: Annotated[str, typer.Option("--recipe", help="Whose previous version.")] = "direction",
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Go back to a version that was active before. The shadow slot has no way back: promote --shadow fills it anew.

    Example: vane models rollback --reason "drift since Monday"
    """
    registry = _registry()
    changed = registry.rollback(version_id, recipe=recipe, actor=_actor(), reason=reason)
    now = version_id or registry.history(recipe)[-1].version_id
    _said(as_json, str(now), "active", changed)


@app.command()
def verify(
    version_id: Annotated[str | None, typer.Argument(metavar="VERSION", help="Without it, every version.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check every byte of a version, the probabilities that it must give, and the history; exit 1 if one is refused.

    Example: vane models verify
    """
    registry = _registry()
    names = [home.name for home in registry.versions_on_disk()] if version_id is None else [version_id]
    found: dict[str, str | None] = {}
    for name in names:
        try:
            registry.verify(name)
            found[name] = None
        except BundleError as error:
            found[name] = str(error)
    if version_id is None:
        for recipe in sorted({home.parent.name for home in registry.versions_on_disk()}):
            try:
                registry.history(recipe)
            except RegistryError as error:
                found[f"history of {recipe}"] = str(error)
    if as_json:
        emit_json([{"version_id": name, "sound": said is None, "error": said} for name, said in found.items()])
    else:
        for name, said in found.items():
            mark = "[green]sound[/]  " if said is None else "[bold red]refused[/]"
            console.print(f"{mark} {name}")
            if said is not None:
                console.print(f"        {said}", markup=False, soft_wrap=True)
        if not found:
            _none_yet(registry)
    if any(found.values()):
        raise typer.Exit(1)


@app.command()
def register(
    folder: Annotated[
        Path, typer.Argument(help="A bundle's folder, as a training keeps it that could not register it.")
    ],
    as_json: AsJson = False,
) -> None:
    """Take in a model that was trained and not registered, its gate's verdict with it.

    Example: vane models register var/unregistered/20240315_120000
    """
    from signals.ml.versions import read_figures

    version = _registry().register(folder.name, folder, read_figures(folder))
    if as_json:
        emit_json({"version_id": version.version_id, "path": str(version.path), "passed": version.passed})
    else:
        console.print(f"[bold]{version.version_id}[/bold] is registered; see: vane models show {version.version_id}")


def _none_yet(registry: ModelRegistry) -> None:
    where = escape(f"{registry.root}/")
    console.print(f"No models yet in {where}. [bold]vane train[/bold] makes one.", soft_wrap=True)


def _show_figures(figures: Mapping[str, float]) -> None:
    """Print figures by name: counts as integers, skills and shares per cent, anything else with four digits."""
    width = max(map(len, figures), default=0)
    for name, value in sorted(figures.items()):
        if name in _COUNTS or name.startswith("windows_positive"):
            text = f"{value:,.0f} "
        elif name.startswith("skill_"):
            text = f"{value:+.2%}"
        else:
            text = f"{value:.2%}" if name in _SHARES or name.startswith("ece") else f"{value:.4f} "
        console.print(f"  {name:<{width}} {text:>12}")


def _folded(note: str) -> str:
    """Return a note without the list of features behind its colon, where that is long."""
    said, _, names = note.partition(": ")
    return note if names.count(",") < _LISTED else f"{said} (--json lists them)"


def _registry() -> ModelRegistry:
    from signals.config import load_settings
    from signals.events.log import EventLog
    from signals.ml.opening import open_registry

    settings = load_settings()
    return open_registry(settings, log=EventLog(settings.events.path), mirror=mirror_of(settings))


def _row(registry: ModelRegistry, version: ModelVersion) -> dict[str, Any]:
    shadow = registry.in_force(version.recipe, "shadow")
    slots = {"active": version.is_active, "shadow": shadow == version.version_id}
    return {
        "version_id": version.version_id,
        "recipe": version.recipe,
        "path": str(version.path),
        "created_at": version.created_at.isoformat(),
        "metrics": dict(version.metrics),
        "passed": version.passed,
        "slots": [slot for slot, holds in slots.items() if holds],
    }


def _said(as_json: bool, version_id: str, slot: str, changed: bool) -> None:
    if as_json:
        emit_json({"version_id": version_id, "slot": slot, "changed": changed})
    else:
        console.print(f"[bold]{version_id}[/bold] {'is now' if changed else 'was already'} {slot}.")


def _actor() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return "cli"
