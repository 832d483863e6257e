"""Writes docs/performance.md from the benchmarks' JSON: each figure beside the command that measures it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["page"]

_HEAD = """# Performance

Written by `make bench`; do not edit. Where times are compared, peers and ours run in one process, taking turns, and
medians are shown. A peer that could not be installed is a row that says so. Bounds that are not reached are marked.
"""


def page(found: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """Return the whole page from (name, first line of the benchmark's docstring, its JSON)."""
    return "\n".join([_HEAD, _machine(), *(_section(*one) for one in found)])


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "pandas", "xgboost"))
    machine = f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine}, Python {platform.python_version()}, {libraries}.\n"
        + _idle()
    )


def _idle() -> str:
    # Medians of systems that take turns bear other work well, seconds do not.
    busy = os.getloadavg()[2] - 1.0
    return "" if busy < 0.5 else f"The machine was not idle: {busy:.1f} other processes ran meanwhile.\n"


def _section(name: str, says: str, found: Mapping[str, Any]) -> str:
    lines = [f"## {name}", "", says, "", f"`python -m benchmarks {name} --json {name}.json`", ""]
    figures = list(dict.fromkeys(key for row in found["rows"] for key in row if key not in ("system", "case")))
    lines += [_cells(["system", "case", *figures]), _cells(["---"] * 2 + ["---:"] * len(figures))]
    lines += [
        _cells([row["system"], row["case"], *(_shown(row.get(key, "")) for key in figures)]) for row in found["rows"]
    ]
    lines += ["", "| ratio | measured | must reach |", "|---|---:|---|"]
    reach = found.get("reach", {})
    lines += [
        _cells([key, _shown(value), _judged(value, reach.get(key, ""))]) for key, value in found["ratios"].items()
    ]
    return "\n".join([*lines, "", *(f"- {note}" for note in found.get("notes", ())), ""])


def _judged(value: float, bound: str) -> str:
    if not bound:
        return "no bound"
    sign, number = bound.split()
    met = value >= float(number) if sign == "≥" else value <= float(number)
    return bound if met else f"{bound}: **not reached**"


def _shown(value: object) -> str:
    return (
        f"{value:,.4g}"
        if isinstance(value, float) and abs(value) < 1e4
        else (f"{value:,.0f}" if isinstance(value, float) else str(value))
    )


def _cells(values: Iterable[object]) -> str:
    return "| " + " | ".join(str(value) for value in values) + " |"
