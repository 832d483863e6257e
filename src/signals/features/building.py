"""Building the cache of a whole universe: blocks of symbols on several cores, in bounded memory, resumable."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from signals.config import Settings
from signals.data.calendar import TradingCalendar
from signals.data.provider import DataProvider
from signals.errors import FeatureError
from signals.feature_store import FeatureStore
from signals.features.batch import SymbolInputs
from signals.features.facts import inputs_of
from signals.features.sector_medians import known_medians
from signals.features.symbol_facts import SortedFacts

__all__ = ["Built", "build"]

BLOCK = 8
"""Symbols handed to a worker at once; at most two blocks a worker are in memory beside the bars themselves."""


@dataclass(frozen=True, slots=True)
class Built:
    """Symbols whose features were computed, and those whose files were right already; both sorted."""

    computed: tuple[str, ...]
    kept: tuple[str, ...]


def build(
    provider: DataProvider,
    settings: Settings,
    symbols: Sequence[str],
    *,
    workers: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> Built:
    """Compute the catalogue's features of every symbol into the Parquet cache, one file a symbol.

    A symbol whose file was made of the same bars, facts and formulas is passed over, so that a build that was killed
    goes on where it was, and a later one computes what changed. Files appear whole or not at all.

    Parameters
    ----------
    workers
        Processes; 1 computes in this one.
    progress
        Called with ``"features"``, how many symbols are done, and how many there are.

    Raises
    ------
    FeatureError
        If `workers` is below one.
    OSError
        If the folder cannot be written.
    """
    from joblib import Parallel, delayed

    if workers < 1:
        raise FeatureError(f"workers: expected one or more, was {workers}")
    chosen = sorted(set(symbols))
    tell = progress or (lambda *_: None)
    tell("features", 0, len(chosen))
    run = Parallel(n_jobs=workers, return_as="generator_unordered")
    done: dict[str, bool] = {}
    for block in run(delayed(_block)(part, settings, workers > 1) for part in _parts(provider, settings, chosen)):
        done |= block
        tell("features", len(done), len(chosen))
    return Built(
        tuple(symbol for symbol in chosen if done[symbol]), tuple(symbol for symbol in chosen if not done[symbol])
    )


def _parts(provider: DataProvider, settings: Settings, symbols: Sequence[str]) -> Iterator[list[SymbolInputs]]:
    """Yield the inputs of each block when a worker is free for it."""
    medians = known_medians(provider, SortedFacts(TradingCalendar(settings.data.calendar)))
    for first in range(0, len(symbols), BLOCK):
        yield [inputs_of(provider, symbol, settings.data, medians) for symbol in symbols[first : first + BLOCK]]


def _block(parts: Sequence[SymbolInputs], settings: Settings, elsewhere: bool) -> dict[str, bool]:
    if elsewhere:
        # A worker process starts without its parent's settings of logging: standard output is not its to write on.
        import structlog

        structlog.configure(
            wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )
    store = FeatureStore(settings, calculators=())
    return {inputs.columns.symbol: store.build(inputs) for inputs in parts}
