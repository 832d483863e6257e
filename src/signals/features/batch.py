"""All features of one symbol at every bar: what the store saves and models are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from signals.data.calendar import TradingCalendar
from signals.data.records import (
    F8,
    I8,
    BarColumns,
)
from signals.features import alternative, basis, cross_asset, fundamental, technical, temporal
from signals.features.calculators import Calculators
from signals.features.catalog import CATALOGUE
from signals.features.fundamental import medians_of
from signals.features.references import MARKET_WIDE, join, market_wide
from signals.features.symbol_facts import SymbolFacts, SymbolStates

__all__ = [
    "FACTS",
    "KERNEL",
    "TEMPORAL",
    "WIDE",
    "FactFeatures",
    "SymbolInputs",
    "compute",
    "compute_own",
    "fact_rows",
    "kernel_bars",
]

F4 = NDArray[np.float32]

KERNEL = slice(0, len(technical.FEATURES) + len(cross_asset.FEATURES) - len(MARKET_WIDE))
"""The catalogue's columns that the kernel writes."""
WIDE = slice(KERNEL.stop, KERNEL.stop + len(MARKET_WIDE))
"""Those that are the same for every symbol, from the references' own bars: see `references.market_wide`."""
FACTS = slice(WIDE.stop, WIDE.stop + len(fundamental.FEATURES) + len(alternative.FEATURES))
"""Those that facts decide, evaluated at any instants."""
TEMPORAL = slice(FACTS.stop, FACTS.stop + len(temporal.FEATURES))


@dataclass(frozen=True, slots=True)
class SymbolInputs:
    """What one symbol's features are computed from.

    Parameters
    ----------
    market, volatility
        Reference series, or None.
    sector_series
        Pairs of a row and the series that stands for the symbol's sector from that row on; the first row is 0.
    sectors
        The sector of each row as known then, or None where sectors are not known at all.
    """

    columns: BarColumns
    market: BarColumns | None = None
    volatility: BarColumns | None = None
    sector_series: tuple[tuple[int, BarColumns | None], ...] = ((0, None),)
    sectors: tuple[str | None, ...] | None = None
    facts: SymbolFacts = field(default_factory=SymbolFacts)


def kernel_bars(
    columns: BarColumns,
    steps: Sequence[basis.Step],
    references: tuple[BarColumns | None, BarColumns | None, BarColumns | None],
    calendar: TradingCalendar,
) -> F8:
    """Return the kernel's input, shape (n, 8): bars on one basis, then market, volatility and sector as of each."""
    bars = np.empty((len(columns), 8))
    price, volume = basis.factors(steps, columns.time)
    bars[:, :4] = columns.values[:, :4] * price[:, None]
    bars[:, 4] = columns.values[:, 4] / volume
    for place, reference in enumerate(references):
        bars[:, 5 + place] = join(columns.time, reference, calendar)
    return bars


class FactFeatures:
    """The fundamental and alternative features of one symbol, at any instants.

    `states` spares sorting the facts: those made of `facts` before.
    """

    def __init__(self, facts: SymbolFacts, calendar: TradingCalendar, states: SymbolStates | None = None) -> None:
        self._calendar = calendar
        self._states = states or SymbolStates(facts, calendar)
        self._medians = {name: medians_of(found) for name, found in facts.sector_medians.items()}

    def at(self, time: I8, close: F8, average_volume: F8, sectors: Sequence[str | None] | None) -> F4:
        """Return the features at instants, shape (n, k), float32; all NaN where nothing is known.

        Parameters
        ----------
        time
            Bar closes, microseconds since the epoch, shape (n,), in any order.
        close
            Closes at `time` in the bars' own unit, shape (n,), in the quote currency a share.
        average_volume
            Mean volume of the last 20 bars on the share basis of `time`, shape (n,); NaN before there are 20.
        sectors
            The sector of each row as known then; None where sectors are not known at all.
        """
        if self._states.empty and not sectors:
            return np.full((len(time), FACTS.stop - FACTS.start), np.nan, np.float32)
        known = self._states.at(time)
        medians = np.full((len(time), 4), np.nan)
        for name, states in self._medians.items():
            inside = np.array([sector == name for sector in sectors or ()], np.bool_)
            if len(inside):
                medians[inside] = states.at(time[inside])
        return fact_rows(known, medians, self._calendar.closed_by(time), close, average_volume, sectors)


def fact_rows(
    known: F8, medians: F8, session: I8, close: F8, average_volume: F8, sectors: Sequence[str | None] | None
) -> F4:
    """Return the fundamental and alternative features of rows of any symbols, shape (n, k), float32.

    Parameters
    ----------
    known
        What `SymbolStates.write` wrote of each row's symbol, shape (n, KNOWN).
    medians
        P/E, P/B, P/S and EV/EBITDA of each row's sector, shape (n, 4).
    session
        Sessions of the calendar that had closed by each row's instant, shape (n,).
    close, average_volume, sectors
        As in `FactFeatures.at`.
    """
    reported, published = known[:, : fundamental.WIDTH], known[:, fundamental.WIDTH :]
    columns = (
        fundamental.features(reported, medians, session, close, sectors),
        alternative.features(published, session, close, average_volume),
    )
    return np.concatenate(columns, axis=1)


def compute(inputs: SymbolInputs, calendar: TradingCalendar, states: SymbolStates | None = None) -> F4:
    """Return every feature at every bar, shape (n, len(CATALOGUE)), float32.

    History is run again from its first bar wherever an action that became known late restates it, or the sector's
    series changes; nowhere else. `states` spares sorting the facts again: those made of ``inputs.facts`` before.
    """
    columns, facts = inputs.columns, inputs.facts
    time = columns.time
    out = np.full((len(time), len(CATALOGUE)), np.nan, np.float32)
    averages = np.full(len(time), np.nan)
    for low, bars, steps in _segments(inputs, calendar):
        high = len(bars)
        out[low:high, KERNEL] = _run(bars)[low:]
        averages[low:high] = basis.average_volume(bars[:, 4], basis.factors(steps, time[:high])[1])[low:]
    features = FactFeatures(facts, calendar, states)
    out[:, FACTS] = features.at(time, columns.values[:, 3], averages, inputs.sectors)
    out[:, TEMPORAL] = temporal.compute(time, calendar)
    out[:, WIDE] = market_wide(time, inputs.market, inputs.volatility, calendar)
    return out


def compute_own(inputs: SymbolInputs, calendar: TradingCalendar, calculators: Calculators) -> F4:
    """Return a user's own features at every bar, shape (n, len(calculators)), float32."""
    columns = inputs.columns
    out = np.full((len(columns), len(calculators)), np.nan, np.float32)
    for low, bars, _ in _segments(inputs, calendar) if len(calculators) else ():
        high = len(bars)
        out[low:high] = calculators.compute(columns.symbol, columns.time[:high], bars)[low:]
    return out


def _segments(inputs: SymbolInputs, calendar: TradingCalendar) -> Iterator[tuple[int, F8, tuple[basis.Step, ...]]]:
    """Yield a first row, and the kernel's input from the beginning of history to the last row that it is right for."""
    columns, facts = inputs.columns, inputs.facts
    changes = [row for row, _ in inputs.sector_series]
    starts = sorted({*changes, *basis.segments(facts.actions, facts.adjusted, columns.time)})
    for low, high in pairwise([*starts, len(columns)]):
        if low == high:
            continue
        sector = next(series for row, series in reversed(inputs.sector_series) if row <= low)
        steps = basis.applied(facts.actions, facts.adjusted, int(columns.time[high - 1]))
        past = BarColumns(columns.symbol, columns.time[:high], columns.values[:high])
        yield low, kernel_bars(past, steps, (inputs.market, inputs.volatility, sector), calendar), steps


def _run(bars: F8) -> F4:
    from signals.features import kernels

    out = np.empty((len(bars), kernels.N_FEATURES), np.float32)
    kernels.run(bars, 0, np.zeros(kernels.N_STATE), out)
    return out
