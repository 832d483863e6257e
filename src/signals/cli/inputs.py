"""What commands on bars start from: clean bars, a universe, reference series, and the settings that fit them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from signals.cli.common import errors
from signals.config import Settings
from signals.errors import DataError, MissingFile

if TYPE_CHECKING:
    from signals.data.provider import InMemoryProvider
    from signals.data.table import BarTable
    from strategy.bars import OHLCV

__all__ = ["Inputs", "load_inputs", "parse_time"]

_MARKETS = ("SPY", "^GSPC", "^SPX")
"""Series that can stand for the market, in the order in which they are looked for."""


@dataclass(frozen=True)
class Inputs:
    """Bars of a universe and of its reference series, in one provider.

    Parameters
    ----------
    universe
        Symbols that may be traded, sorted.
    settings
        Those in force, with the calendar and the market series of this run.
    quarantine
        File with the refused rows; None where there were none.
    """

    table: BarTable
    provider: InMemoryProvider
    universe: tuple[str, ...]
    settings: Settings
    quarantine: Path | None

    @property
    def end(self) -> datetime:
        """Close of the newest bar of the universe, aware UTC."""
        from signals.data.records import from_micros

        return from_micros(max(int(self.provider.columns(symbol).time[-1]) for symbol in self.universe))

    def bars(self, symbols: Collection[str] | None = None) -> Mapping[str, list[OHLCV]]:
        """Return the bars of the universe (or of some of it) and of the reference series."""
        data = self.settings.data
        references = {data.market, data.volatility, *data.sector_etfs.values()} & set(self.provider.symbols())
        chosen = {*(self.universe if symbols is None else symbols), *references}
        return {symbol: self.provider.columns(symbol).bars() for symbol in sorted(chosen)}


def load_inputs(
    table: BarTable,
    settings: Settings,
    *,
    calendar: str,
    stamped: str,
    market: Path | None = None,
    limit: int | None = None,
    quarantine: Path | None = None,
) -> Inputs:
    """Put a table of bars and a file of reference series together.

    Parameters
    ----------
    limit
        Keep this many symbols, those with the most bars (ties by name).

    Raises
    ------
    DataError
        If nothing is left to trade, or a file is refused.
    """
    references = _references(market, stamped, calendar)
    settings = _fitted(settings, calendar, references)
    data = settings.data
    named = {data.market, data.volatility, *data.sector_etfs.values()}
    tradable = [symbol for symbol in table.symbols if symbol not in named and len(table.columns[symbol])]
    if not tradable:
        raise DataError("bars of a symbol to trade", "reference series or nothing", hint="add symbols to --data")
    ranked = sorted(tradable, key=lambda symbol: (-len(table.columns[symbol]), symbol))
    universe = tuple(sorted(ranked[:limit] if limit else ranked))
    provider = table.provider()
    if references is not None:
        provider.load(references.columns.values())
    return Inputs(table, provider, universe, settings, quarantine)


def parse_time(text: str | None, option: str) -> datetime | None:
    """Read a date or an ISO 8601 time with zone; a bare date is 00:00 UTC.

    Raises
    ------
    typer.BadParameter
        Naming the option, if the text is neither.
    """
    if text is None:
        return None
    with suppress(ValueError):
        return datetime.combine(date.fromisoformat(text), time(tzinfo=UTC))
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    expected = "a date (2017-02-01, which is 00:00 UTC) or a time with zone (2017-02-01T21:00Z)"
    raise typer.BadParameter(f"expected {expected}, was {text!r}", param_hint=option)


def _references(market: Path | None, stamped: str, calendar: str) -> BarTable | None:
    from signals.data.parquet import read_bars

    if market is None:
        return None
    if not market.exists():
        raise MissingFile("a file with market series", "nothing there", file=str(market), hint="see --market")
    return read_bars(market, stamped=stamped, calendar=calendar, on_bad="quarantine")


def _fitted(settings: Settings, calendar: str, references: BarTable | None) -> Settings:
    """Return the settings with this run's calendar, and with a market series that is really there."""
    changed: dict[str, object] = {"calendar": calendar}
    if references is not None and settings.data.market not in references.columns:
        found = [symbol for symbol in _MARKETS if symbol in references.columns]
        if found:
            changed["market"] = found[0]
            errors.print(f"[dim]market series: {found[0]} (data.market is {settings.data.market}, not in --market)[/]")
    return settings.model_copy(update={"data": settings.data.model_copy(update=changed)})
