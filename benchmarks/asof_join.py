"""As-of join of 1.25 million bars with 20,000 filings of 500 symbols, from arrays in memory to joined values."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timer import OURS, Result, Row, absent, medians, peak_mb
from signals.data.records import F8

__all__ = ["run"]

SYMBOLS, SESSIONS, FILINGS = 500, 2_500, 40
_DAY = 86_400_000_000
_CASES = ("sorted by symbol", "sorted by time")
_CHILD = "import json; from benchmarks import asof_join; print(json.dumps(asof_join.seconds()))"


def run() -> Result:
    """Time ours against polars and pandas on one thread, and against polars on all of them."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # read when polars is imported, which happens below
    ours = _ours()
    peak = peak_mb(ours)
    one = seconds()
    rows = _rows(one, "one thread", peak)
    ratios = {"vs_pandas": one[OURS] / one["pandas, sorted by time"]}
    polars = [one[name] for name in one if name.startswith("polars")]
    every: dict[str, float] = {}
    if polars:
        ratios["vs_polars"] = one[OURS] / min(polars)
        environment = {**os.environ, "POLARS_MAX_THREADS": str(os.cpu_count())}
        child = subprocess.run([sys.executable, "-c", _CHILD], env=environment, check=True, capture_output=True)  # noqa: S603 (our own module, no shell)
        every = json.loads(child.stdout)
        rows += [row for row in _rows(every, f"{os.cpu_count()} threads", peak) if row["system"] == "polars"]
        ratios["vs_polars_all_threads"] = every[OURS] / min(every[n] for n in every if n.startswith("polars"))
    notes = (
        f"{SYMBOLS} generated symbols of {SESSIONS:,} daily bars and {FILINGS} filings each, microseconds and float64",
        "time ratios, ours over the peer's faster layout; keys are integers and declared sorted, the values were "
        "compared and are equal",
        "ours runs on one thread; polars on all of them was timed in a process of its own, ours in turn with it",
    )
    return Result(rows, ratios, {"vs_polars": "≤ 1.2"}, notes)


def seconds() -> dict[str, float]:
    """Return the median seconds of each system installed, on the threads that polars was given."""
    systems: dict[str, Callable[[], F8]] = {OURS: _ours()}
    expected = systems[OURS]()
    for name, make in (("polars", _polars), ("pandas", _pandas)):
        for case in _CASES:
            by_time = case == _CASES[1]
            system = make(by_time=by_time)
            if system is None:
                continue
            order = _by_time() if by_time else slice(None)
            np.testing.assert_array_equal(system(), expected[order])
            systems[f"{name}, {case}"] = system
    return medians(systems)


def _rows(found: dict[str, float], threads: str, peak: float) -> list[Row]:
    rows: list[Row] = []
    for name, taken in found.items():
        system, _, layout = name.partition(", ")
        rows.append({"system": system, "case": f"{layout or _CASES[0]}, {threads}", "seconds": taken})
    rows[0]["peak_mb"] = peak
    if not any(row["system"] == "polars" for row in rows):
        rows.append(absent("polars", threads))
    return rows


def _arrays() -> dict[str, Any]:
    """Return bars and filings, symbol after symbol, rising within each."""
    rng = np.random.default_rng(0)
    closes = np.arange(SESSIONS) * _DAY + 21 * 3_600_000_000
    return {
        "time": np.tile(closes, SYMBOLS),
        "symbol": np.repeat(np.arange(SYMBOLS, dtype=np.uint32), SESSIONS),
        "known": np.sort(rng.integers(0, SESSIONS * _DAY, (SYMBOLS, FILINGS)), axis=1).ravel(),
        "filer": np.repeat(np.arange(SYMBOLS, dtype=np.uint32), FILINGS),
        "value": rng.normal(size=SYMBOLS * FILINGS),
    }


def _by_time() -> Any:
    return np.argsort(_arrays()["time"], kind="stable")


def _sides(*, by_time: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    given = _arrays()
    bars = {"symbol": given["symbol"], "time": given["time"]}
    filings = {"symbol": given["filer"], "time": given["known"], "value": given["value"]}
    if by_time:
        first, second = _by_time(), np.argsort(given["known"], kind="stable")
        bars = {name: column[first] for name, column in bars.items()}
        filings = {name: column[second] for name, column in filings.items()}
    return bars, filings


def _ours() -> Callable[[], F8]:
    from signals.features.asof import joined

    given = _arrays()
    known_starts, time_starts = np.arange(SYMBOLS + 1) * FILINGS, np.arange(SYMBOLS + 1) * SESSIONS
    return lambda: joined(given["known"], given["value"], known_starts, given["time"], time_starts)


def _polars(*, by_time: bool) -> Callable[[], F8] | None:
    try:
        import polars
    except ImportError:
        return None
    bars, filings = _sides(by_time=by_time)
    rising = polars.col("time").set_sorted()

    def join() -> F8:
        left, right = (polars.DataFrame(side).with_columns(rising) for side in (bars, filings))
        values = left.join_asof(right, on="time", by="symbol", check_sortedness=False)["value"]
        return np.asarray(values.to_numpy(), np.float64)  # nulls become NaN

    return join


def _pandas(*, by_time: bool) -> Callable[[], F8] | None:
    import pandas as pd

    if not by_time:
        return None  # merge_asof wants the whole column sorted
    bars, filings = _sides(by_time=True)

    def join() -> F8:
        left, right = pd.DataFrame(bars, copy=False), pd.DataFrame(filings, copy=False)
        return pd.merge_asof(left, right, on="time", by="symbol")["value"].to_numpy()

    return join
