"""FeatureStore: batch frames, the live view, and the Parquet cache of one set of features."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import structlog

from signals.config import Settings, load_settings
from signals.data.calendar import TradingCalendar
from signals.data.provider import DataProvider
from signals.data.records import (
    I8,
    Adjusted,
    CorporateAction,
    Fundamental,
    InsiderTransaction,
    SectorMedian,
    ShortInterest,
)
from signals.errors import FeatureError
from signals.features import cache
from signals.features.bars import Bars, columns_of
from signals.features.batch import SymbolInputs, compute, compute_own
from signals.features.calculators import Calculators, FeatureCalculator, installed
from signals.features.catalog import CATALOGUE, names
from signals.features.facts import Medians, inputs_of
from signals.features.feature import Feature
from signals.features.live import LiveFeatures, Rows
from signals.features.sector_medians import known_medians
from signals.features.symbol_facts import SortedFacts, SymbolFacts

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FeatureStore", "LiveFeatures", "Rows"]

Maybe: TypeAlias = Bars | None


class FeatureStore:
    """Computes every feature of the catalogue: one definition for research and for the live bar.

    Parameters
    ----------
    settings
        Names the calendar, the reference symbols and the cache's folder; None: `load_settings`.
    calculators
        The user's own features, whose columns follow the catalogue's; None: those that installed packages offer under
        the entry-point group ``vane.features``.

    Attributes
    ----------
    features
        In the order of every frame's columns and every live row.

    Raises
    ------
    FeatureError
        If a calculator breaks its contract.
    """

    def __init__(
        self, settings: Settings | None = None, *, calculators: Iterable[FeatureCalculator] | None = None
    ) -> None:
        self._settings = (load_settings() if settings is None else settings).data
        self._calendar = TradingCalendar(self._settings.calendar)
        self._log = structlog.get_logger(__name__)
        self._calculators = Calculators(installed() if calculators is None else calculators)
        self.features: tuple[Feature, ...] = (*CATALOGUE, *self._calculators.features)
        self._said: set[str] = set()
        self._sorted = SortedFacts(self._calendar)
        self._medians: tuple[weakref.ref[DataProvider], int, Medians] | None = None

    @property
    def calculators(self) -> tuple[FeatureCalculator, ...]:
        """The user's own."""
        return self._calculators.each

    def compute_features(
        self,
        symbol: str,
        bars: Bars,
        spy_bars: Maybe = None,
        vix_bars: Maybe = None,
        sector_bars: Maybe = None,
        fundamentals: Sequence[Fundamental] | None = None,
        sector_fundamentals: Sequence[SectorMedian] | None = None,
        insider_transactions: Sequence[InsiderTransaction] | None = None,
        short_interest: Sequence[ShortInterest] | None = None,
        *,
        sector: str | None = None,
        actions: Sequence[CorporateAction] = (),
        adjusted: Adjusted = Adjusted.SPLIT,
    ) -> pd.DataFrame:
        """Return the features of one symbol at each of its bars.

        Parameters
        ----------
        bars, spy_bars, vix_bars, sector_bars
            `OHLCV` bars, `BarColumns`, or a frame of open, high, low, close, volume indexed by aware closing times,
            oldest first. A source that is None leaves its features NaN, which is logged once.
        sector
            The symbol's sector through all of history; None: the one that all `sector_fundamentals` are about, if any.
        actions, adjusted
            Corporate actions, and what the prices were adjusted for with hindsight: under ``split`` the splits that
            they were adjusted for, and no others (see `SymbolFacts`).

        Returns
        -------
        DataFrame
            float32, one column a feature in the catalogue's order, indexed by ``date``: the bar's close, UTC. Rows
            before a feature's `lookback` may depend on where history begins.

        Raises
        ------
        FeatureError
            If the bars are not bars: unsorted times, prices that are not positive and finite, high below low; if a fact
            is about another symbol.
        """
        others = {
            fact.symbol
            for facts in (fundamentals, insider_transactions, short_interest, actions)
            for fact in facts or ()
            if fact.symbol != symbol
        }
        if others:
            raise FeatureError(
                f"expected facts about {symbol!r}, were also some about {', '.join(sorted(others)[:3])}; give the "
                "symbol's own, or load all into a provider and call get_features"
            )
        medians = tuple(sector_fundamentals or ())
        about = {median.symbol for median in medians}
        if sector is None and len(about) == 1:
            sector = about.pop()
        columns = columns_of(symbol, bars)
        references = (
            None if given is None else columns_of(name, given)
            for name, given in (
                (self._settings.market, spy_bars),
                (self._settings.volatility, vix_bars),
                ("sector", sector_bars),
            )
        )
        market, volatility, sector_series = references
        facts = SymbolFacts(
            tuple(fundamentals or ()),
            {name: [median for median in medians if median.symbol == name] for name in {m.symbol for m in medians}},
            tuple(insider_transactions or ()),
            tuple(short_interest or ()),
            tuple(actions),
            adjusted,
        )
        sectors = None if sector is None else (sector,) * len(columns)
        inputs = SymbolInputs(columns, market, volatility, ((0, sector_series),), sectors, facts)
        return self._joined(self._compute(inputs), inputs)

    def get_features(
        self, symbols: Collection[str], start: datetime | None, end: datetime | None, data_provider: DataProvider
    ) -> pd.DataFrame:
        """Return the features of several symbols with ``start <= date <= end`` (None: open).

        History before `start` serves as warm-up. What was computed before from the same bars, references and facts is
        read from the cache; the rest is computed and saved. A user's own features are always computed: no file can know
        whether their code has changed.

        Returns
        -------
        DataFrame
            float32, indexed by ("symbol", "date"), sorted.

        Raises
        ------
        FeatureError
            If a symbol's bars are not bars.
        """
        import pandas as pd

        parts: dict[str, pd.DataFrame] = {}
        for symbol in sorted(set(symbols)):
            inputs = self._inputs(data_provider, symbol)
            if not len(inputs.columns):
                self._log.warning("features.no_bars", symbol=symbol)
                continue
            columns_of(symbol, inputs.columns)  # a provider of the user's own may hold anything
            key = cache.fingerprint(inputs, self._settings.calendar)
            whole = self.load(symbol, None, None, fingerprint=key)
            if whole is None:
                whole = self._compute(inputs)
                self.save(symbol, whole, fingerprint=key)
            parts[symbol] = _between(self._joined(whole, inputs), start, end)
        if parts:
            return pd.concat(parts, names=["symbol"])
        index = pd.MultiIndex.from_arrays([pd.Index([], dtype=object), _dates(np.empty(0, np.int64))])
        columns = names(self.features)
        return pd.DataFrame(np.empty((0, len(columns)), np.float32), index.set_names(["symbol", "date"]), columns)

    def history(self, symbol: str, data_provider: DataProvider) -> pd.DataFrame:
        """Return the features of one symbol at all of its bars, computed now: the cache is neither read nor written."""
        inputs = self._inputs(data_provider, symbol)
        return self._joined(self._compute(inputs), inputs)

    def build(self, inputs: SymbolInputs) -> bool:
        """Compute and save the catalogue's features of one symbol, unless what is saved is right; True if computed.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        path = cache.file_of(self._settings.features_dir, inputs.columns.symbol)
        key = cache.fingerprint(inputs, self._settings.calendar)
        if cache.read(path, key) is not None:
            return False
        cache.write(path, self._compute(inputs), key)
        return True

    def load(
        self, symbol: str, start: datetime | None, end: datetime | None, *, fingerprint: str
    ) -> pd.DataFrame | None:
        """Return a symbol's saved features with ``start <= date <= end``, or None.

        None where nothing was saved, where it was computed from other data or by another catalogue, and where the file
        is damaged.
        """
        frame = cache.read(cache.file_of(self._settings.features_dir, symbol), fingerprint)
        return None if frame is None else _between(frame, start, end)

    def save(self, symbol: str, features: pd.DataFrame, *, fingerprint: str) -> None:
        """Save a symbol's whole history of features; a folder that cannot be written is logged once, and no error."""
        try:
            cache.write(cache.file_of(self._settings.features_dir, symbol), features, fingerprint)
        except OSError as error:
            self._say_once("features.cache_not_written", folder=str(self._settings.features_dir), reason=str(error))

    def live(self, members: Collection[str], provider: DataProvider | None = None) -> LiveFeatures:
        """Return the live view of some symbols, with facts from `provider`."""
        return LiveFeatures(members, self._settings, provider, self._calculators)

    def _inputs(self, provider: DataProvider, symbol: str) -> SymbolInputs:
        # Medians are of a whole universe: worked out once for a provider as it stands, and not for each symbol.
        held, revision = self._medians, provider.revision
        if held is None or held[0]() is not provider or held[1] != revision:
            held = self._medians = weakref.ref(provider), revision, known_medians(provider, self._sorted)
        return inputs_of(provider, symbol, self._settings, held[2])

    def _compute(self, inputs: SymbolInputs) -> pd.DataFrame:
        import pandas as pd

        facts = inputs.facts
        sources = {
            "market": inputs.market,
            "volatility": inputs.volatility,
            "sector": any(series for _, series in inputs.sector_series),
            "fundamentals": facts.fundamentals,
            "sector fundamentals": facts.sector_medians,
            "insider transactions": facts.insider,
            "short interest": facts.short_interest,
        }
        for source, given in sources.items():
            if not given:
                self._say_once("features.source_missing", source=source, effect="its features are NaN")
        states = self._sorted.of(inputs.columns.symbol, facts)
        return pd.DataFrame(compute(inputs, self._calendar, states), _dates(inputs.columns.time), names())

    def _joined(self, ours: pd.DataFrame, inputs: SymbolInputs) -> pd.DataFrame:
        """Put the user's own features behind the catalogue's."""
        if not len(self._calculators):
            return ours
        import pandas as pd

        own = compute_own(inputs, self._calendar, self._calculators)
        return pd.DataFrame(np.concatenate([ours.to_numpy(), own], axis=1), ours.index, names(self.features))

    def _say_once(self, event: str, **fields: str) -> None:
        key = f"{event} {fields}"
        if key not in self._said:
            self._said.add(key)
            self._log.warning(event, **fields)


def _dates(micros: I8) -> pd.DatetimeIndex:
    import pandas as pd

    return pd.DatetimeIndex(micros.astype("datetime64[us]"), name="date").tz_localize("UTC")


def _between(frame: pd.DataFrame, start: datetime | None, end: datetime | None) -> pd.DataFrame:
    kept = np.ones(len(frame), np.bool_)
    if start is not None:
        kept &= np.asarray(frame.index >= start)
    if end is not None:
        kept &= np.asarray(frame.index <= end)
    return frame[kept]
