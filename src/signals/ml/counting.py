"""The count of a slice's values above each edge, compiled.

Importing this module compiles the kernel (once, then cached): import it inside functions.
"""

from __future__ import annotations

from signals.data.records import I8
from signals.events.schema import F4
from signals.features._jit import kernel

__all__ = ["count_above"]


@kernel("void(Array(float32, 2, 'C', readonly=True), Array(float32, 2, 'C', readonly=True), int64[:, ::1])")
def count_above(values: F4, edges: F4, out: I8) -> None:
    """Add up, down each column, how many values lie above each edge, and in the last row how many are NaN.

    `values` (n, columns), `edges` (k, columns), `out` (k + 1, columns), zero before.
    """
    rows, columns = values.shape
    last = edges.shape[0]
    for row in range(rows):
        for edge in range(last):
            for column in range(columns):
                out[edge, column] += values[row, column] > edges[edge, column]
        for column in range(columns):
            out[last, column] += values[row, column] != values[row, column]
