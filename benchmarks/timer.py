"""What every benchmark shares: interleaved repeats with their medians, peak memory, and the form of a result."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["OURS", "Result", "Row", "absent", "medians", "peak_mb"]

OURS = "ours"
Row = dict[str, str | float]


@dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Parameters
    ----------
    rows
        One for each system and case: ``system`` ("ours" or the peer's name), ``case``, and figures with plain names.
    ratios
        What the bounds are about.
    reach
        The bound of each ratio, as text ("≥ 0.5").
    notes
        What was counted, and what a reader must know to repeat or doubt it.
    """

    rows: list[Row]
    ratios: Mapping[str, float]
    reach: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def absent(system: str, case: str) -> Row:
    """Return the row of a peer that is not installed."""
    return {"system": system, "case": case, "absent": 1}


def medians(systems: Mapping[str, Callable[[], object]], repeats: int = 7) -> dict[str, float]:
    """Return the median seconds of each system, all of them run in turn `repeats` times after one untimed run.

    Taking turns shares out what the machine does besides; the collector of garbage rests meanwhile.
    """
    for system in systems.values():
        system()
    taken: dict[str, list[float]] = {name: [] for name in systems}
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeats):
            for name, system in systems.items():
                gc.collect()
                began = time.perf_counter()
                system()
                taken[name].append(time.perf_counter() - began)
    finally:
        if enabled:
            gc.enable()
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def peak_mb(system: Callable[[], object]) -> float:
    """Return by how many MiB the process's resident memory grows at most while `system` runs; NaN but on Linux.

    Memory that Python already holds and can use again is not counted: measure before the timed runs.
    """
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    gc.collect()
    try:
        clear.write_text("5")  # makes the peak start again from what is held now
    except OSError:
        return float("nan")
    before = _kib(status, "VmRSS")
    kept = system()
    grown = (_kib(status, "VmHWM") - before) / 1024.0
    del kept
    return grown


def _kib(status: Path, name: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1])
