"""Whole histories of the kernel's features, values a second and core, against TA-Lib and the usual pandas recompute."""

from __future__ import annotations

from benchmarks.data import bars
from benchmarks.timer import OURS, Result, Row, medians, peak_mb

__all__ = ["run"]


def run() -> Result:
    """Time every kernel feature of every symbol on one core."""
    import numpy as np

    from signals.features import kernels

    table, says = bars()
    whole = []
    for _, rows in table.groupby("symbol"):
        values = np.full((len(rows), 8), np.nan)
        values[:, :5] = rows[["open", "high", "low", "close", "volume"]].to_numpy()
        whole.append(values)

    def ours() -> object:
        made = []
        for one in whole:
            out = np.empty((len(one), kernels.N_FEATURES), np.float32)
            kernels.run(one, 0, np.zeros(kernels.N_STATE), out)
            made.append(out)
        return made

    peak = peak_mb(ours)
    seconds = medians({OURS: ours}, repeats=5)[OURS]
    count = len(table) * kernels.N_FEATURES
    row: Row = {
        "system": OURS,
        "case": "kernel",
        "seconds": seconds,
        "values_per_s_core": count / seconds,
        "peak_mb": peak,
    }
    return Result([row], {}, notes=(says,))
