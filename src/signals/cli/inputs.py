"""What commands on bars start from: clean bars, a universe, reference series, and the settings that fit them."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import typer

from signals.cli.common import errors
from signals.config import DataSettings, Settings
from signals.errors import DataError, MissingFile

if TYPE_CHECKING:
    from signals.data.provider import InMemoryProvider
    from signals.data.table import BarTable
    from strategy.bars import OHLCV

__all__ = ["Choice", "Inputs", "Source", "chosen_symbols", "load_inputs", "parse_time", "read_inputs"]

Choice: TypeAlias = int | tuple[str, ...] | None
"""Which symbols: so many of those with the most bars, these by name, or all."""

_MARKETS = ("SPY", "^GSPC", "^SPX")
"""Series that can stand for the market, in the order in which they are looked for."""


@dataclass(frozen=True)
class Source:
    """Where bars are read from, and how their times are to be understood: the options of the command line."""

    data: Path
    stamped: str
    calendar: str = "XNYS"
    market: Path | None = None
    tz: str | None = None

    def options(self) -> str:
        """Return the options as one would type them, but for the path of the bars."""
        given = {
            "--stamped": self.stamped,
            "--calendar": None if self.calendar == "XNYS" else self.calendar,
            "--tz": self.tz,
        }
        return " ".join(f"{name} {shlex.quote(value)}" for name, value in given.items() if value is not None)

    def command(self, name: str) -> str:
        """Return a command line on the same bars."""
        market = "" if self.market is None else f" --market {shlex.quote(str(self.market))}"
        return f"vane {name} --data {shlex.quote(str(self.data))} {self.options()}{market}"


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
    source
        The files; None for the sample.
    """

    table: BarTable
    provider: InMemoryProvider
    universe: tuple[str, ...]
    settings: Settings
    quarantine: Path | None = None
    source: Source | None = None

    @property
    def start(self) -> datetime:
        """Close of the oldest bar of the universe, aware UTC."""
        from signals.data.records import from_micros

        return from_micros(min(int(self.provider.columns(symbol).time[0]) for symbol in self.universe))

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


def read_inputs(source: Source, choice: Choice = None) -> Inputs:
    """Read bars, set refused rows aside in ``var/quarantine``, and join the reference series.

    Raises
    ------
    DataError
        If no row is sound, nothing is left to trade, a symbol is unknown, or a file is refused.
    """
    from signals.config import load_settings
    from signals.data.parquet import read_bars

    settings = load_settings()
    aside = Path("var/quarantine") / f"{source.data.stem}.csv"
    table = read_bars(
        source.data,
        stamped=source.stamped,
        calendar=source.calendar,
        tz=source.tz,
        on_bad="quarantine",
        quarantine_to=aside,
        late={settings.data.volatility},
    )
    if not table.report.kept and table.report.problems:
        raise _nothing_sound(table, source)
    return load_inputs(table, settings, calendar=source.calendar, source=source, choice=choice, quarantine=aside)


def load_inputs(
    table: BarTable,
    settings: Settings,
    *,
    calendar: str = "XNYS",
    source: Source | None = None,
    choice: Choice = None,
    quarantine: Path | None = None,
) -> Inputs:
    """Put a table of bars and a file of reference series together.

    Parameters
    ----------
    quarantine
        Where refused rows were set aside, if there were any.

    Raises
    ------
    DataError
        If nothing is left to trade, a symbol is unknown, or a file is refused.
    """
    references = None if source is None else _references(source, settings.data)
    settings = _fitted(settings, calendar, references)
    data = settings.data
    named = {data.market, data.volatility, *data.sector_etfs.values()}
    tradable = [symbol for symbol in table.symbols if symbol not in named and len(table.columns[symbol])]
    if not tradable:
        raise DataError("bars of a symbol to trade", "reference series or nothing", hint="add symbols to --data")
    universe = _universe(table, tradable, choice)
    provider = table.provider()
    if references is not None:
        provider.load(references.columns.values())
    return Inputs(table, provider, universe, settings, quarantine if table.report.quarantined else None, source)


def chosen_symbols(text: str | None) -> Choice:
    """Read what `--symbols` says; a symbol whose name is a number is written with a comma behind it.

    Raises
    ------
    typer.BadParameter
        If it names nothing.
    """
    if text is None:
        return None
    with suppress(ValueError):
        if int(text) >= 1:
            return int(text)
        raise typer.BadParameter(f"expected 1 or more, was {text}", param_hint="--symbols")
    names = tuple(sorted({name.strip() for name in text.split(",")} - {""}))
    if not names:
        raise typer.BadParameter(f"expected a number or names, was {text!r}", param_hint="--symbols")
    return names


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


def _universe(table: BarTable, tradable: list[str], choice: Choice) -> tuple[str, ...]:
    if isinstance(choice, tuple):
        unknown = sorted(set(choice) - set(tradable))
        if unknown:
            shown = ", ".join(tradable[:8]) + (f" and {len(tradable) - 8} more" if len(tradable) > 8 else "")
            raise DataError(
                "symbols with sound bars to trade", f"none of {', '.join(unknown)}", hint=f"--symbols can name {shown}"
            )
        return choice
    ranked = sorted(tradable, key=lambda symbol: (-len(table.columns[symbol]), symbol))
    return tuple(sorted(ranked[:choice]))


def _nothing_sound(table: BarTable, source: Source) -> DataError:
    worst = table.report.problems[0]
    return DataError(
        "at least one sound row",
        f"none: all {table.report.quarantined:,} rows of {source.data} were refused, {worst.rows:,} of them for "
        f"{worst.kind}, for example {worst.examples[0]}",
        hint=f"see: vane data check {shlex.quote(str(source.data))} {source.options()}",
    )


def _references(source: Source, named: DataSettings) -> BarTable | None:
    from signals.data.parquet import read_bars

    market = source.market
    if market is None:
        return None
    if not market.exists():
        raise MissingFile("a file with market series", "nothing there", file=str(market), hint="see --market")
    # By their own exchange's closes: at the universe's they might be known hours before they were.
    return read_bars(
        market,
        stamped=source.stamped,
        calendar=named.market_calendar,
        tz=source.tz,
        on_bad="quarantine",
        late={named.volatility},
    )


def _fitted(settings: Settings, calendar: str, references: BarTable | None) -> Settings:
    """Return the settings with this run's calendar, and with a market series that is really there."""
    changed: dict[str, object] = {"calendar": calendar}
    if references is not None and settings.data.market not in references.columns:
        found = [symbol for symbol in _MARKETS if symbol in references.columns]
        if found:
            changed["market"] = found[0]
            errors.print(f"[dim]market series: {found[0]} (data.market is {settings.data.market}, not in --market)[/]")
        elif not references.columns.keys() & {settings.data.volatility, *settings.data.sector_etfs.values()}:
            wanted = ", ".join(dict.fromkeys((settings.data.market, *_MARKETS, settings.data.volatility)))
            raise DataError(
                f"a market or volatility series in --market ({wanted})",
                f"only {', '.join(sorted(references.columns)[:5])}",
                hint="the settings data.market and data.volatility name them",
            )
    return settings.model_copy(update={"data": settings.data.model_copy(update=changed)})
