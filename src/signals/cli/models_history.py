"""`vane models history` and `vane models as-of`: which version was in force when, who changed that, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from signals.cli.common import AsJson, console, emit_json
from signals.cli.inputs import parse_time

if TYPE_CHECKING:
    from signals.ml.activations import Activation, Slot
    from signals.ml.registry import ModelRegistry

__all__ = ["as_of", "history"]

_WIDEST = 1_000

Recipe = Annotated[str, typer.Option("--recipe", help="Whose history.")]


def history(recipe: Recipe = "direction", as_json: AsJson = False) -> None:
    """Show every change of what is in force, oldest first: when, from, to, who and why.

    Example: vane models history
    """
    entries = _registry().history(recipe)
    if as_json:
        emit_json([entry.to_json() for entry in entries])
        return
    if not entries:
        console.print(f"Nothing of {recipe} was ever in force. vane models promote puts a version there.", markup=False)
        return
    table = Table("", "when (UTC)", "as", "from", "to", "who", "why", box=None)
    for entry in entries:
        how = f" (back to {entry.restores})" if entry.restores is not None else ""
        table.add_row(
            str(entry.number),
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.slot,
            entry.previous or "nothing",
            (entry.version_id or "nothing") + how,
            entry.actor or "not said",
            entry.reason or "not said",
        )
    table.width = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    console.print(table, crop=False, markup=False)


def as_of(
    time: Annotated[str, typer.Argument(metavar="TIME", help="A date, which is 00:00 UTC, or a time with zone.")],
    recipe: Recipe = "direction",
    shadow: Annotated[bool, typer.Option("--shadow", help="Ask for the slot beside the active one.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say which version was active (or in shadow) at a time, since when, who put it there and why. Exit 1 if none was.

    Example: vane models as-of 2024-03-15T21:00Z
    """
    at = parse_time(time, "TIME")
    if at is None:
        raise typer.BadParameter("expected a time", param_hint="TIME")
    now = datetime.now(UTC)
    if at > now:
        raise typer.BadParameter(f"expected a time that has passed, it is {now:%Y-%m-%d %H:%M} UTC", param_hint="TIME")
    slot: Slot = "shadow" if shadow else "active"
    how = "in shadow" if shadow else "active"
    entry = _in_force(_registry().history(recipe), at, slot)
    version = None if entry is None else entry.version_id
    if as_json:
        document: dict[str, Any] = {"at": at.isoformat(), "recipe": recipe, "slot": slot, "version_id": version}
        emit_json(document | {"activation": None if entry is None else entry.to_json()})
    elif entry is None or version is None:
        emptied = "" if entry is None else f": {entry.actor or 'somebody'} took {entry.previous} out of force"
        console.print(f"No version of {recipe} was {how} at {at:%Y-%m-%d %H:%M} UTC{emptied}.", markup=False)
    else:
        who, why = entry.actor or "somebody who did not say", entry.reason or "no reason was given"
        console.print(f"{version} was {how} at {at:%Y-%m-%d %H:%M} UTC", markup=False)
        console.print(f"  since {entry.at:%Y-%m-%d %H:%M:%S} UTC, put there by {who}: {why}", markup=False)
        if entry.previous is not None:
            console.print(f"  in place of {entry.previous}", markup=False)
        for sentence in entry.verdict.get("sentences", ())[:1]:
            console.print(f"  its gate said then: {sentence}", markup=False)
    if version is None:
        raise typer.Exit(1)


def _in_force(entries: list[Activation], at: datetime, slot: Slot) -> Activation | None:
    from signals.ml.activations import newest_of

    return newest_of([entry for entry in entries if entry.at <= at], slot)


def _registry() -> ModelRegistry:
    from signals.config import load_settings
    from signals.ml.opening import open_registry

    return open_registry(load_settings())
