"""Asks the processor for the memory of a symbol that is computed soon, so that its row does not wait for it.

Between two live bars a prediction sweeps the caches. What one row takes from a symbol's memory lies in some fifty
places, too few and too scattered for the processor to foresee. A hint changes no value. Helpers of
`signals.features.kernels`, which names this file as one of its sources.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from signals.data.records import F8
from signals.features._jit import helper
from signals.features._memory import CLOSE_ROWS, LEVEL_ROWS, LONG, SHORT, SHORT_ROWS, far, group, level
from signals.features._scratch import U8, Place

__all__ = ["fetch"]

# Values in a line of the cache, and distances that between them reach the lines that a row takes.
LINE = U8(8)
CLOSES_BACK = tuple(U8(n) for n in (0, 8, 16, 21, 48, 59, 63, 126, 252))
FAR_BACK = tuple(U8(n) for n in (0, 188, 196))
LEVELS_BACK = tuple(U8(n) for n in (0, 2, 20))


def _typed(_context: Any, array: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        number, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        pointer = builder.bitcast(builder.gep(held.data, [arguments[1]]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        # To be read, to be kept in the nearest cache, data.
        builder.call(hint, [pointer, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, place), generate


_hint = cast("Callable[[F8, Place], None]", intrinsic(_typed))


@helper
def fetch(memory: F8, n: Place) -> None:
    """Ask for what row number `n` takes from `memory`."""
    for i in range(U8(0), U8(16 * 8), LINE):
        _hint(memory, SHORT + group(n) * U8(8) + i)
    for i in range(U8(0), U8(16 * 4), LINE):
        _hint(memory, LONG + group(n) * U8(4) + i)
    _hint(memory, LONG + group(n - U8(2)) * U8(4) + (n - U8(2)) // U8(4) % U8(16) * U8(4))
    for i in range(SHORT_ROWS, LEVEL_ROWS, LINE):
        _hint(memory, i)
    for k in range(3):
        _hint(memory, level(n - LEVELS_BACK[k]))
    for k in range(9):
        _hint(memory, CLOSE_ROWS + (n - CLOSES_BACK[k]) % U8(256))
    for k in range(3):
        _hint(memory, far(n - FAR_BACK[k]))
