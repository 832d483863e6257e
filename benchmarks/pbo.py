"""The probability of backtest overfitting of 50 configurations on 1,000 dates, in 16 blocks."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks import peer_pbo, purge
from benchmarks.timer import OURS, Result, Row, absent, medians
from signals.data.records import F8

__all__ = ["run"]

DATES, CONFIGURATIONS, BLOCKS = 1_000, 50, 16
MEASURES: tuple[Literal["mean", "sharpe"], ...] = ("mean", "sharpe")
PEER = "purgedcv"

_NOTES = (
    f"{DATES} dates of {CONFIGURATIONS} columns of normal noise, the first three with a mean of 0.05, 0.03 and 0.01; "
    f"{BLOCKS} blocks, all 12,870 splits into halves; mean and sharpe are what a half is ranked by",
    "seconds: ours the median of 7 runs, the peer's one run of all splits in its own process and environment, after "
    "its imports; nothing is extrapolated",
    "conventions are the same in both: ranks over configurations + 1, ties at their mean rank, the first of several "
    "best, Sharpe over n - 1; the peer counts logits below 0, ours 0 too, which differ only where a rank is the "
    "median: with an even number of configurations and no ties never",
    "differs: splits in which the logits of the two are more than rounding apart",
    "the ratio seconds is our slower measure; same_value is 1 where value and every logit agree in both measures",
)


def run() -> Result:
    """Time both on the same performance, and compare the logit of every split."""
    from signals.ml.selection import pbo, rank_logits

    performance = generated()
    theirs = peer(performance)
    rows: list[Row] = []
    seconds, same = [], True
    for measure in MEASURES:
        taken = medians({OURS: partial(pbo, performance, BLOCKS, measure=measure)})[OURS]
        value = pbo(performance, BLOCKS, measure=measure)
        seconds.append(taken)
        rows.append({"system": OURS, "case": measure, "seconds": taken, "pbo": value})
        if measure not in theirs:
            rows.append(absent(PEER, measure))
            continue
        found = theirs[measure]
        # All halves are there in both, theirs named by the out-of-sample half, ours by the other one.
        apart = np.abs(rank_logits(performance, BLOCKS, measure=measure)[::-1] - np.array(found["logits"])) > 1e-9
        figures = {"seconds": found["seconds"], "pbo": found["pbo"], "differs": float(apart.sum())}
        rows.append({"system": PEER, "case": measure, **figures})
        same = same and value == found["pbo"] and not apart.any()
    ratios = {"seconds": max(seconds), **({"same_value": float(same)} if theirs else {})}
    return Result(rows, ratios, {"seconds": "≤ 0.05", "same_value": "≥ 1"}, _NOTES)


def generated() -> F8:
    """Return the performance, shape (dates, configurations)."""
    performance = np.random.default_rng(0).normal(size=(DATES, CONFIGURATIONS))
    performance[:, :3] += (0.05, 0.03, 0.01)
    return performance


def peer(performance: F8) -> Mapping[str, Mapping[str, Any]]:
    """Return what the peer found by measure, in a child process of its own environment; empty where it is missing."""
    if not purge.PYTHON.exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "performance.npy", performance)
        command = [str(purge.PYTHON), "-W", "ignore", peer_pbo.__file__, folder, str(BLOCKS)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (our own file, no shell)
        if done.returncode:
            raise RuntimeError(f"the peer's process ended with {done.returncode}:\n{done.stderr}")
        file = Path(folder) / "found.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}
