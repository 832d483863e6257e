"""From bars to a judged model: features, labels, walk-forward windows, fit, gate. It knows no recipe by name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import structlog

from signals.data.provider import SECTOR_GROUP, DataProvider
from signals.data.records import BarColumns, Membership, to_micros
from signals.errors import FeatureError, TooFewRows, TrainingError
from signals.features.facts import require_splits
from signals.ml.artifact import ModelBundle
from signals.ml.assembly import assemble
from signals.ml.dataset import Dataset, make_dataset
from signals.ml.fitting import FittedModel, OutOfFold, cores, fit_calibrated
from signals.ml.manifest import DataOrigin
from signals.ml.recipe import FeatureSet, Recipe
from signals.ml.returns import Closes
from signals.ml.target import TargetResult, labels_of

if TYPE_CHECKING:
    from signals.config import DataSettings, Settings
    from signals.feature_store import FeatureStore
    from signals.features.feature import Feature
    from signals.ml.evidence import Evidence
    from signals.ml.gate import Verdict
    from signals.ml.splits import Split, WalkForward
    from signals.ml.tuning import Tuned
    from signals.ml.validation import Choose, Fit, WindowResult
    from signals.ml.workers import Workers

__all__ = ["FittedModel", "OutOfFold", "Progress", "Trainer", "TrainingResult", "fit_calibrated"]


class Progress(Protocol):
    """Told how far a stage is: ``progress("validate", 3, 11)``."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Take note; must not raise."""
        ...


@dataclass(frozen=True)
class TrainingResult:
    """What a run made: the bundle, with windows and verdict in its manifest, and what it was judged by."""

    bundle: ModelBundle
    windows: list[WindowResult]
    evidence: Evidence
    verdict: Verdict


class Trainer:
    """Trains any recipe.

    Parameters
    ----------
    store
        Makes the features.
    settings
        Calendar, and the window that drift will be watched in.
    seed
        Of everything random in a fit.
    threads
        Of all fits together; None: all cores. The model is the same bytes with any number.
    workers
        Where the walk-forward windows are fitted; None: in this process.
    clock
        Says when a bundle is created (aware UTC); nothing else looks at it.
    """

    def __init__(
        self,
        store: FeatureStore,
        settings: Settings,
        *,
        seed: int = 0,
        threads: int | None = None,
        workers: Workers | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._settings = settings
        self._seed = seed
        self._threads = threads
        self._workers = workers
        self._clock = clock
        self._log = structlog.get_logger(__name__)
        self._origins: dict[str, DataOrigin] = {}

    def dataset(self, recipe: Recipe, provider: DataProvider, symbols: Sequence[str], until: datetime) -> Dataset:
        """Build the rows whose labels were known by `until` (aware UTC).

        Raises
        ------
        TrainingError
            If a symbol has no bars by then.
        FeatureError
            If the recipe names a feature that the catalogue does not have, or only some symbols have splits.
        """
        columns = [provider.columns(symbol).between(None, until) for symbol in sorted(set(symbols))]
        without = [bars.symbol for bars in columns if not len(bars)]
        if without or not columns:
            raise TrainingError(
                f"expected bars by {until.isoformat()} of every symbol, were none of {without or symbols}"
            )
        require_splits(provider, [bars.symbol for bars in columns])
        frame = self._store.get_features([bars.symbol for bars in columns], None, until, provider)
        features = frame[list(_chosen(recipe.features, self._store.features))]
        target = _labels(columns, recipe, self._settings.data.calendar)
        labels = target.labels
        places = labels.value.index.get_indexer(features.index)
        data = make_dataset(features, labels.take(places), closes=Closes.of(columns))
        self._log.info("training.dataset", rows=len(data), unlabelled=dict(target.dropped))
        self._origins[data.fingerprint] = _origin(provider, columns, data.fingerprint, self._settings.data, until)
        return data

    def validate(self, recipe: Recipe, data: Dataset, progress: Progress | None = None) -> list[WindowResult]:
        """Fit and test on every walk-forward window of the recipe's split; see `WalkForwardValidator`."""
        from signals.ml.validation import WalkForwardValidator

        validator = WalkForwardValidator(
            recipe,
            choose=self._choose(recipe, progress),
            confidence_threshold=self._settings.ml.confidence_threshold,
            threads=self._threads,
            workers=self._workers,
        )
        return validator.run_dataset(
            data,
            _windows(recipe),
            progress=None if progress is None else lambda done, total: progress("validate", done, total),
        )

    def fit(self, recipe: Recipe, data: Dataset, until: datetime, progress: Progress | None = None) -> ModelBundle:
        """Fit on the rows whose labels were known by `until` (aware UTC); the bundle is not judged yet.

        Raises
        ------
        TooFewRows, OneClass
            If the rows do not suffice.
        """
        known = np.flatnonzero(data.label_end <= to_micros(until))
        if not len(known):
            raise TooFewRows(f"recipe {recipe.name!r}: expected labels known by {until.isoformat()}, were none")
        from signals.ml.tuning import tuned

        origin = self._origins.get(data.fingerprint) or DataOrigin(fingerprint=data.fingerprint)
        rows = data if len(known) == len(data) else data.take(known)
        chosen = recipe
        if recipe.search is not None:
            chosen = tuned(recipe, self.search(recipe, rows, progress=progress).params)
        fitted = fit_calibrated(chosen, rows, seed=self._seed, threads=self._threads)
        bundle = assemble(
            tuned(recipe, fitted.params),
            rows,
            fitted,
            created_at=self._clock(),
            origin=origin,
            seed=self._seed,
            window=self._settings.monitor.window,
            features=self._store.features,
        )
        given = {"recipe_spec": recipe.model_dump(mode="json")}
        bundle = replace(bundle, manifest=bundle.manifest.model_copy(update=given))
        for sentence in bundle.manifest.notes:
            self._log.warning("training.features", version=bundle.version_id, note=sentence)
        return bundle

    def run(
        self,
        recipe: Recipe,
        data: Dataset,
        until: datetime,
        progress: Progress | None = None,
        *,
        active: ModelBundle | None = None,
        configurations: Sequence[Mapping[str, int | float]] = (),
        attempts: int = 0,
    ) -> TrainingResult:
        """Validate, judge by the recipe's gate, fit on everything known by `until`; windows and verdict go on record.

        Rows whose labels were not known by `until` take no part in any of it.

        Parameters
        ----------
        active
            The version in force, compared on rows that it was not trained on: see `signals.ml.rival`. Where its recipe
            is another one, it is fitted anew in every window.
        configurations, attempts
            See `selection`; none: what choosing costs is not counted.
        """
        from signals.ml.gate import Gate
        from signals.ml.rival import rival_record
        from signals.ml.validation import pooled

        known = data.take(np.flatnonzero(data.label_end <= to_micros(until)))
        if data.fingerprint in self._origins:
            self._origins[known.fingerprint] = self._origins[data.fingerprint]
        windows = self.validate(recipe, known, progress)
        evidence = pooled(windows)
        if configurations:
            counted = self.selection(recipe, configurations, known, windows, attempts=attempts, progress=progress)
            evidence = replace(evidence, figures={**evidence.figures, **counted})

        def refit(theirs: Recipe, rows: Dataset) -> Evidence:
            return pooled(self.validate(theirs, rows, None if progress is None else _renamed(progress)))

        rival = None if active is None else rival_record(active, recipe, known, refit)
        verdict = Gate(recipe.gate).judge(evidence, rival)
        if progress is not None:
            progress("fit", 0, 1)
        bundle = self.fit(recipe, known, until, progress)
        if progress is not None:
            progress("fit", 1, 1)
        judged = {"windows": [window.to_json() for window in windows], "verdict": verdict.to_json()}
        bundle = replace(bundle, manifest=bundle.manifest.model_copy(update=judged))
        return TrainingResult(bundle, windows, evidence, verdict)

    def selection(
        self,
        recipe: Recipe,
        configurations: Sequence[Mapping[str, int | float]],
        data: Dataset,
        windows: Sequence[WindowResult],
        *,
        attempts: int = 0,
        progress: Progress | None = None,
    ) -> dict[str, float]:
        """Count what choosing costs: refit every configuration in every window; see `signals.ml.configurations`.

        Parameters
        ----------
        configurations
            Parameters over those of the recipe, 20 or more; two at least.
        data, windows
            From `dataset` and `validate`.
        attempts
            Earlier verdicts on models of this recipe: each was a try as well.

        Raises
        ------
        TrainingError
            If the rows were not made by `dataset`: their closes say what a signal earned.
        """
        from signals.ml.configurations import refit, selection_figures

        threshold = self._settings.ml.confidence_threshold
        told = None if progress is None else lambda done, total: progress("selection", done, total)
        tried = refit(
            recipe,
            configurations,
            data,
            list(_windows(recipe).split(data.labels)),
            threshold=threshold,
            threads=self._threads or cores(),
            seed=self._seed,
            progress=told,
        )
        return selection_figures(tried, windows, data, recipe.target.horizon, attempts)

    def search(
        self,
        recipe: Recipe,
        data: Dataset,
        *,
        start: Mapping[str, int | float] | None = None,
        progress: Progress | None = None,
    ) -> Tuned:
        """Choose parameters on the rows given, beginning with `start`; see `signals.ml.tuning`.

        Trials are kept in ``<models.dir>/<recipe>/tuning.journal``: a search that was broken off goes on from there.
        """
        from signals.ml import tuning

        return tuning.search(
            recipe,
            data,
            start=start,
            journal=self._settings.models.dir / recipe.name / "tuning.journal",
            threads=self._threads or cores(),
            seed=self._seed,
            progress=None if progress is None else lambda done, total: progress("trials", done, total),
        )

    def _choose(self, recipe: Recipe, progress: Progress | None) -> Choose:
        """Return what says how a window is fitted; with a search, each begins with what was best in the one before.

        So searches run one after another, each on all cores; what they found is then fitted wherever there is room.
        """
        last: dict[str, int | float] = {}
        places = itertools.count()

        def choose(data: Dataset, split: Split, /, *, threads: int, windows: int) -> Fit:
            from signals.ml.tuning import tuned

            chosen, place = recipe, next(places)
            if recipe.search is not None:
                told = None if progress is None else _part(progress, place, windows)
                last.update(self.search(recipe, data.take(split.train), start=dict(last), progress=told).params)
                chosen = tuned(recipe, last)
            return partial(fit_calibrated, chosen, seed=self._seed, threads=threads)

        return choose


def _part(progress: Progress, place: int, parts: int) -> Progress:
    """Return what tells of one of several equal parts as of a share of the whole."""
    return lambda stage, done, total: progress(stage, place * total + done, parts * total)


def _windows(recipe: Recipe) -> WalkForward:
    from signals.ml.splits import WalkForward

    split = recipe.split
    return WalkForward(split.train_months, split.test_months, split.step_months, recipe.embargo, split.expanding)


def _renamed(progress: Progress) -> Progress:
    """Tell the windows of the active version's recipe as a stage of their own."""
    return lambda stage, done, total: progress("active" if stage == "validate" else stage, done, total)


def _chosen(wanted: FeatureSet, available: tuple[Feature, ...]) -> tuple[str, ...]:
    from signals.features.catalog import model_features

    names = wanted.names or model_features(available, market_wide=wanted.market_wide)
    unknown = sorted(set(names) - {feature.name for feature in available})
    if unknown:
        raise FeatureError(f"expected features of the catalogue, were also {', '.join(unknown)}; see the catalogue")
    return names


def _labels(columns: Sequence[BarColumns], recipe: Recipe, calendar: str) -> TargetResult:
    import pandas as pd

    from signals.data.calendar import TradingCalendar
    from signals.data.jumps import split_like_jumps

    time = np.concatenate([bars.time for bars in columns])
    dates = pd.DatetimeIndex(time.view("datetime64[us]"), tz="UTC")
    symbols = np.repeat([bars.symbol for bars in columns], [len(bars) for bars in columns])
    index = pd.MultiIndex.from_arrays([symbols, dates], names=["symbol", "date"])
    opens, close = (pd.Series(np.concatenate([bars.values[:, place] for bars in columns]), index) for place in (0, 3))
    closes = TradingCalendar(calendar).closes
    # A horizon counts sessions where every bar is one, and bars where they lie within sessions.
    sessions = closes if np.isin(time, closes).all() else None
    jumps = {bars.symbol: bars.time[split_like_jumps(bars)] for bars in columns}
    return labels_of(close, recipe.target, opens=opens, sessions=sessions, jumps=jumps)


def _origin(
    provider: DataProvider, columns: Sequence[BarColumns], fingerprint: str, named: DataSettings, until: datetime
) -> DataOrigin:
    members = (member for bars in columns for member in provider.facts(Membership, bars.symbol))
    since = [to_micros(member.since) for member in members if member.group.startswith(SECTOR_GROUP)]
    sectors: Literal["current-only", "as-of", "none"] = "as-of" if since else "none"
    # Companies that are all in one sector from the same instant on, before the first bar, come from a map of one day.
    if len(since) > 1 and len(set(since)) == 1 and since[0] <= min(int(bars.time[0]) for bars in columns):
        sectors = "current-only"
    wanted = {named.market, named.volatility, *named.sector_etfs.values()}
    return DataOrigin(
        fingerprint=fingerprint,
        adjusted=provider.adjusted.value,
        sectors=sectors,
        symbols=tuple(bars.symbol for bars in columns),
        references=tuple(sorted(name for name in wanted if len(provider.columns(name).between(None, until)))),
    )
