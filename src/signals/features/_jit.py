"""How kernels are compiled: once, cached on disk, and said so. Importing this module compiles nothing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import structlog

__all__ = ["helper", "kernel"]

C = TypeVar("C", bound=Callable[..., Any])

# Everywhere below divisions follow IEEE (error_model "numpy": NaN and infinity instead of an exception), and `fastmath`
# stays off: sums keep their order, so that the same source gives the same bits wherever it is called from.


def helper(function: C) -> C:
    """Mark a function that is compiled into the kernels that call it.

    Where it lives in another file than the kernel, the kernel names that file among its sources.
    """
    import numba

    return cast(C, numba.njit(error_model="numpy")(function))


def kernel(signature: str, sources: Sequence[str] = ()) -> Callable[[C], C]:
    """Compile a function for one explicit signature when its module is imported, or load it from the cache.

    The cache lies beside the module, or in the user's cache folder where the package is read-only; where neither can
    be written, each process compiles anew.

    Parameters
    ----------
    signature
        Numba's, for instance ``f8(f8)``.
    sources
        Other files whose helpers and constants are compiled in: a change of one makes the kernel compile again.
    """

    def compile_(function: C) -> C:
        import numba

        log = structlog.get_logger(__name__)
        try:
            made = numba.njit(cache=True, error_model="numpy")(function)
            _watch(made, sources)
        except RuntimeError as error:  # Numba found no folder it may write
            log.warning("features.kernel_not_cached", kernel=function.__name__, reason=str(error))
            made = numba.njit(error_model="numpy")(function)
        folder = made.stats.cache_path
        if folder is None or not _cached(made, folder):
            log.info("features.kernel_compiling", kernel=function.__name__, note="once; a few seconds, then cached")
        began = time.perf_counter()
        try:
            made.compile(signature)
        except Exception as error:  # a damaged file of the cache raises whatever reading it comes upon
            if folder is None:
                raise
            log.warning("features.kernel_cache_damaged", kernel=function.__name__, reason=repr(error))
            _forget(made, folder)
            made.compile(signature)
        made.disable_compile()
        if not made.stats.cache_hits:
            log.info(
                "features.kernel_compiled",
                kernel=function.__name__,
                seconds=round(time.perf_counter() - began, 1),
                cache=folder,
            )
        return cast(C, made)

    return compile_


def _cached(made: Any, folder: str) -> bool:
    # What was compiled from other sources is there too, and will not do.
    try:
        return bool(made._cache._cache_file._load_index())
    except Exception:  # damaged: as good as not there
        _forget(made, folder)
        return False


def _forget(made: Any, folder: str) -> None:
    for path in Path(folder).glob(f"*{made.py_func.__name__}-*.nb?"):
        path.unlink(missing_ok=True)


def _watch(made: Any, sources: Sequence[str]) -> None:
    # Numba's own stamp is of the kernel's file alone; compiled code is loaded only where the whole stamp is the same.
    index = made._cache._cache_file
    index._source_stamp = (index._source_stamp, *(hashlib.sha256(Path(s).read_bytes()).digest() for s in sources))
