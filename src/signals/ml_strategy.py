"""MLSignalStrategy: features of the bar, the model of that instant, calibrated probabilities, signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from signals.aside import Aside
from signals.emission import Emission
from signals.errors import FeatureError
from signals.events.schema import F4, F8, Abstention, Decision, Event, EventSink, MemorySink
from strategy.base import REFERENCE_PREFIX, BaseStrategy
from strategy.signal import Signal
from strategy.slices import Slice

if TYPE_CHECKING:
    from signals.config import Settings
    from signals.data.provider import DataProvider
    from signals.feature_store import FeatureStore
    from signals.ml.artifact import ModelBundle
    from signals.ml.monitoring import ModelMonitor
    from signals.ml.source import ModelSource
    from strategy.bars import OHLCV

__all__ = ["MLSignalStrategy", "ml_signal"]


class MLSignalStrategy(BaseStrategy):
    """Calibrated UP/DOWN/FLAT probabilities as signals.

    Parameters
    ----------
    settings
        Thresholds, staleness and the names of the reference series.
    store
        Where features come from.
    models
        Answers which model is in force at an instant.
    provider
        Facts (fundamentals, insiders, short interest, sectors); without one, features that need them are NaN.
    monitor
        Watches every decision; None: nobody watches.
    sink
        Where each decision goes, together with the monitor's events; the default remembers in memory.
    name
        Unique within an engine; a challenger in shadow beside the active model needs one of its own.
    """

    description = "Three-class direction from gradient-boosted trees, calibrated and gated"
    min_hold_days = 3

    def __init__(
        self,
        settings: Settings,
        *,
        store: FeatureStore,
        models: ModelSource,
        provider: DataProvider | None = None,
        monitor: ModelMonitor | None = None,
        sink: EventSink | None = None,
        name: str = "MLSignalStrategy",
    ) -> None:
        from signals.features.catalog import catalogue_hash, names

        self.name = name
        self.warmup_bars = max(feature.lookback for feature in store.features)
        self._catalogue, self._columns = catalogue_hash(store.features), names(store.features)
        self.sink: EventSink = MemorySink() if sink is None else sink
        self._settings = settings
        self._models = models
        self._provider = provider
        self._monitor = monitor
        data = settings.data
        self._references = frozenset({data.market, data.volatility, *data.sector_etfs.values()})
        self._live = store.live((), provider)
        self._emission = Emission(settings, name)
        self._aside = Aside()
        self._unrecorded: list[Event] = []
        self._listed: tuple[tuple[str, ...], tuple[str, ...]] = (), ()

    def get_parameters(self) -> dict[str, object]:
        """Return the part of the settings that decides on signals."""
        return self._settings.ml.model_dump(mode="json")

    def get_required_data(self) -> list[str]:
        """Return bars, the reference series and, with a provider, facts."""
        facts = ["fundamentals", "insider", "short_interest"] if self._provider is not None else []
        return ["ohlcv", *facts, *(f"{REFERENCE_PREFIX}{symbol}" for symbol in sorted(self._references))]

    def reset(self, symbol: str | None = None) -> None:
        """Forget cached feature state of one symbol (None: of all)."""
        self._live.reset(symbol)

    def generate_signals(self, data: dict[str, list[OHLCV]]) -> list[Signal]:
        """Decide on the newest instant in `data`; record one `Decision` in the sink.

        Returns
        -------
        list of Signal
            LONG or SHORT where the calibrated probability of UP or DOWN is the largest of the three and above the
            threshold. A symbol without a signal is counted in the decision with its reason.
        """
        slice_ = self._slice(data)
        if slice_ is None:
            return []
        abstained: dict[Abstention, tuple[str, ...]] = {}
        if slice_.missing:
            abstained[Abstention.NO_BAR] = tuple(sorted(slice_.missing))
        bundle = self._models.at(slice_.timestamp)
        refusal = self._refusal(bundle, slice_.timestamp, data)
        if bundle is None or refusal is not None:
            abstained[refusal or Abstention.NO_MODEL] = tuple(slice_.bars)
            closes = self._closes(slice_)
            others = dict(zip(slice_.bars, closes.tolist(), strict=True))
            decision = replace(self._unpredicted(slice_, bundle), abstained=abstained, others=others)
            self._look(decision, bundle)
            self._record(decision)
            return []
        return self._decide(slice_, data, bundle, abstained)

    def explain(self, signal: Signal) -> list[tuple[str, float]]:
        """Return each feature's contribution to the margin of the signal's class, largest first.

        Exact tree contributions (log-odds units), computed only now: they cost milliseconds a row.

        Raises
        ------
        FeatureError
            If the signal was not emitted by this object, or too long ago.
        """
        return self._emission.explain(signal)

    def _slice(self, data: Mapping[str, Sequence[OHLCV]]) -> Slice | None:
        given = tuple(data)
        if given != self._listed[0]:  # by identity first: an engine passes the same symbols at every bar
            self._listed = given, tuple(symbol for symbol in sorted(given) if symbol not in self._references)
        newest = {symbol: bars[-1] for symbol in self._listed[1] if (bars := data[symbol])}
        if not newest:
            return None
        stamps = [bar.timestamp for bar in newest.values()]
        timestamp = max(stamps)
        if stamps.count(timestamp) == len(stamps):
            return Slice(timestamp, newest, frozenset())
        current = {symbol: bar for symbol, bar in newest.items() if bar.timestamp == timestamp}
        return Slice(timestamp, current, frozenset(newest.keys() - current.keys()))

    def _refusal(
        self, bundle: ModelBundle | None, timestamp: datetime, data: Mapping[str, Sequence[OHLCV]]
    ) -> Abstention | None:
        if bundle is None:
            return Abstention.NO_MODEL
        # A model that learnt from the market's series would quietly be another model without it.
        needed = bundle.manifest.data.references
        if needed and not self._live.has_references(needed, timestamp, data):
            return Abstention.NO_REFERENCE
        if bundle.last_label_end > timestamp:
            return Abstention.MODEL_FROM_FUTURE
        if self._settings.monitor.stale_action == "abstain" and self._emission.stale(bundle, timestamp):
            return Abstention.STALE_MODEL
        return None

    def _decide(
        self,
        slice_: Slice,
        data: dict[str, list[OHLCV]],
        bundle: ModelBundle,
        abstained: dict[Abstention, tuple[str, ...]],
    ) -> list[Signal]:
        bundle.require_catalogue(self._catalogue)
        columns = _positions(bundle.features, self._columns)
        self._live.admit(slice_.bars)
        rows = self._live.update(slice_, data)
        symbols, values = rows.symbols, rows.values
        if not rows.ready.all():
            symbols, values = tuple(compress(symbols, rows.ready.tolist())), values[rows.ready]
            abstained[Abstention.WARMING_UP] = tuple(sorted(set(rows.symbols) - set(symbols)))
        features = values if columns is None else values.take(columns, axis=1)
        # The monitor has a look while XGBoost, which holds no lock, predicts.
        looking = self._aside.submit(partial(self._seen, slice_, symbols, features, bundle))
        try:
            probabilities = bundle.predict(features) if symbols else np.empty((0, 3), np.float64)
        finally:
            seen = looking.result()
        signals, quiet = self._emission.signals(slice_.timestamp, symbols, probabilities, features, bundle)
        decision = replace(
            seen,
            probabilities=probabilities.astype(np.float32),
            abstained=abstained | quiet,
            signals=tuple(signals),
        )
        self._record(decision)
        return signals

    def _seen(self, slice_: Slice, symbols: tuple[str, ...], features: F4, bundle: ModelBundle) -> Decision:
        """Return the decision without what the prediction decides; the monitor has seen it."""
        from signals.ml.drift import bin_counts

        closes, others = self._closes(slice_), dict[str, float]()
        if len(symbols) < len(closes):
            others = dict(zip(slice_.bars, closes.tolist(), strict=True))
            closes = np.array([others.pop(symbol) for symbol in symbols], np.float64)
        counts = bin_counts(bundle.manifest.reference, features)
        outlook = self._emission.outlook(bundle, slice_.timestamp)
        blank = self._unpredicted(slice_, bundle)
        seen = replace(blank, symbols=symbols, closes=closes, others=others, bin_counts=counts, outlook=outlook)
        self._look(seen, bundle)
        return seen

    def _unpredicted(self, slice_: Slice, bundle: ModelBundle | None) -> Decision:
        return Decision(
            timestamp=slice_.timestamp,
            strategy_name=self.name,
            model_version=None if bundle is None else bundle.version_id,
            shadow=self.shadow,
            symbols=(),
            closes=np.empty(0, np.float64),
            probabilities=np.empty((0, 3), np.float32),
            bin_counts=np.empty((0, 0), np.uint16),
        )

    def _closes(self, slice_: Slice) -> F8:
        self._live.admit(slice_.bars)
        return self._live.closes(slice_)

    def _look(self, slice_: Decision, bundle: ModelBundle | None) -> None:
        if self._monitor is None:
            return
        if bundle is not None:
            self._monitor.follow(bundle)
        # The monitor speaks once: what is not recorded, as prediction or sink fail, goes with the next decision.
        self._unrecorded += self._monitor.look(slice_)

    def _record(self, decision: Decision) -> None:
        self.sink.record(decision, tuple(self._unrecorded))
        self._unrecorded.clear()
        # What is not recorded gets no outcome: its signals reached nobody.
        if self._monitor is not None:
            self._monitor.keep(decision)


def ml_signal() -> MLSignalStrategy:
    """Make the strategy from the settings in force and the registry's active model (the entry point ``ml_signal``)."""
    from signals.config import load_settings
    from signals.feature_store import FeatureStore
    from signals.ml.opening import open_registry
    from signals.ml.source import ActiveModel

    settings = load_settings()
    store = FeatureStore(settings)
    models = ActiveModel(open_registry(settings), features=store.features)
    return MLSignalStrategy(settings, store=store, models=models)


@lru_cache(maxsize=8)
def _positions(features: tuple[str, ...], available: tuple[str, ...]) -> list[int] | None:
    """Return where the model's features stand in the store's rows; None: they are those rows."""
    if features == available:
        return None
    position = {name: column for column, name in enumerate(available)}
    own = [name for name in features if name not in position]
    if own:
        raise FeatureError(
            f"the model needs {', '.join(own)}, which the catalogue does not have: a model of columns of one's own "
            "can be asked by MLPipeline.predict, but no strategy can compute them from bars"
        )
    return [position[name] for name in features]
