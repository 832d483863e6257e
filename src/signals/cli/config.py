"""`vane config`: which settings are in force, and where they came from."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.markup import escape
from rich.table import Table

from signals.cli.common import AsJson, console, emit_json
from signals.config import load_settings, settings_path

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Settings: the file, the environment, and what is in force.")


@app.callback()
def _group() -> None:
    """Keep `show` a subcommand although it is the only one."""


@app.command(epilog="Override one: [bold]SA_ML__PREDICTION_HORIZON=3 vane config show[/bold]")
def show(as_json: AsJson = False) -> None:
    """Print every setting in force; secrets are masked."""
    shown = load_settings().shown()
    if as_json:
        emit_json(shown)
        return
    path = settings_path()
    table = Table(
        "setting",
        "value",
        title=escape(f"from {path if path else 'defaults'}, then SA_* variables"),
        title_justify="left",
    )
    for key, value in _flat(shown):
        table.add_row(escape(key), escape(json.dumps(value)))
    console.print(table)


def _flat(section: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in section.items():
        name = f"{prefix}{key}"
        rows.extend(_flat(value, f"{name}.") if isinstance(value, dict) and value else [(name, value)])
    return rows
