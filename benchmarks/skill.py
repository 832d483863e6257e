"""What was tried to find skill: variants of the recipe on real stocks, each by its pooled walk-forward record.

``python -m benchmarks.skill --symbols 100`` prints the table of docs/training.md; naming variants runs those.
It is no benchmark with a bound, and too long for ``make bench``: a minute or two a variant with 100 symbols.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from benchmarks.data import REAL
from signals.config import DataSettings, Settings
from signals.data.records import from_micros
from signals.feature_store import FeatureStore
from signals.ml.dataset import Dataset
from signals.ml.recipe import CalibrationSpec, EstimatorSpec, FeatureSet, Recipe, TargetSpec, WeightSpec
from signals.ml.trainer import Trainer
from signals.ml.windows import pooled
from signals.recipes.direction import recipe

__all__ = ["main"]

_SHALLOW: Mapping[str, int | float | str] = {
    "max_depth": 3,
    "learning_rate": 0.05,
    "subsample": 0.5,
    "colsample_bytree": 0.5,
    "min_child_weight": 300,
    "max_bin": 32,
}
_BALANCED: Mapping[str, Any] = {
    "weights": WeightSpec(kind="balanced"),
    "calibration": CalibrationSpec(method="bias_corrected_temperature"),
}
_SIX = ("hist_vol_10", "hist_vol_20", "hist_vol_60", "atr_14", "bollinger_width", "range")
_SKILLS = ("skill_frequencies", "skill_volatility", "skill_direction")


def _shallow(trees: int, **changed: Any) -> dict[str, Any]:
    return {"estimator": EstimatorSpec(params={"n_estimators": trees, **_SHALLOW}), **changed}


def _by_volatility(horizon: int = 5, **changed: Any) -> TargetSpec:
    return TargetSpec(horizon=horizon, up=0.5, down=-0.5, unit="volatility", **changed)


VARIANTS: Mapping[str, dict[str, Any]] = {
    "as shipped": {},
    "classes balanced, market-wide features": {"features": FeatureSet(market_wide=True), **_BALANCED},
    "shallow, 150 trees, balanced, market-wide": _shallow(150, features=FeatureSet(market_wide=True), **_BALANCED),
    "shallow, 150 trees, market-wide": _shallow(150, features=FeatureSet(market_wide=True)),
    "shallow, 300 trees": _shallow(300),
    "shallow, 150 trees": _shallow(150),
    "shallow, 60 trees": _shallow(60),
    "shallow, 150 trees, six volatility features": _shallow(150, features=FeatureSet(names=_SIX)),
    "shallow, 60 trees, ranks": _shallow(60),
    "shallow, 60 trees, uniqueness": _shallow(60, weights=WeightSpec(kind="none", uniqueness=True)),
    "shallow, 60 trees, half-life 126": _shallow(60, weights=WeightSpec(kind="none", half_life=126)),
    "volatility units": {"target": _by_volatility()},
    "volatility units, shallow, 60 trees": _shallow(60, target=_by_volatility()),
    "volatility units, shallow, 60 trees, ranks": _shallow(60, target=_by_volatility()),
    "volatility units, shallow, 60 trees, open to open": _shallow(60, target=_by_volatility(prices="open_open")),
    "volatility units, 20 sessions, shallow, 60 trees": _shallow(60, target=_by_volatility(20)),
}
"""By name, what differs from the shipped recipe; a name that ends in ``ranks`` sees each feature's rank on its date."""


def main(arguments: list[str] | None = None) -> int:
    """Run the variants asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skill", description=__doc__.partition("\n")[0])
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help="by name; none: all")
    parser.add_argument("--symbols", type=int, default=100, help="evenly through the alphabet")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.variants) - VARIANTS.keys())
    if unknown:
        parser.error(f"no variant {unknown[0]!r}; there are: {'; '.join(VARIANTS)}")
    if not REAL.exists():
        print("no real data beside the project", file=sys.stderr)
        return 1
    heads = ["variant", "rows", "windows ahead", "over frequencies", "over volatility", "UP against DOWN", "ECE"]
    print(f"| {' | '.join(heads)} |\n|---|{'---:|' * (len(heads) - 1)}")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    with tempfile.TemporaryDirectory() as folder:
        made = _datasets(Path(folder), given.symbols)
        for name in given.variants or VARIANTS:
            print(_line(name, *made(name)), flush=True)
    return 0


def _datasets(folder: Path, count: int) -> Callable[[str], tuple[Trainer, Recipe, Dataset]]:
    from signals.data.parquet import read_bars

    settings = Settings(data=DataSettings(market="^GSPC", features_dir=folder))
    table = read_bars(REAL / "stocks_daily_2013_2018.parquet", stamped="session", on_bad="quarantine")
    market = read_bars(REAL / "market_daily_2006_2021.parquet", stamped="session", symbols=["^GSPC", "^VIX"])
    provider = table.provider()
    provider.load(market.columns.values())
    names = sorted(table.columns)
    symbols = names[:: max(1, len(names) // count)][:count]
    until = from_micros(max(int(table.columns[symbol].time[-1]) for symbol in symbols))
    trainer = Trainer(FeatureStore(settings, calculators=()), settings)

    def made(name: str) -> tuple[Trainer, Recipe, Dataset]:
        chosen = recipe(settings).model_copy(update=VARIANTS[name])
        data = trainer.dataset(chosen, provider, symbols, until)
        return trainer, chosen, _ranked(data) if name.endswith("ranks") else data

    return made


def _ranked(data: Dataset) -> Dataset:
    """Return every feature as its rank on its date; the volatility table keeps the feature that it reads."""
    from signals.ml.baselines import VOLATILITY

    ranks = data.X.groupby(level="date").rank(pct=True).astype("float32")
    return replace(data, X=ranks.assign(**{VOLATILITY: data.X[VOLATILITY]}), fingerprint=f"{data.fingerprint} ranks")


def _line(name: str, trainer: Trainer, chosen: Recipe, data: Dataset) -> str:
    windows = trainer.validate(chosen, data)
    figures = pooled(windows).figures
    ahead = sum(window["skill_frequencies"] > 0 for window in windows)
    skills = [f"{figures[each]:+.2%} ({figures[f'{each}_lower']:+.2%})" for each in _SKILLS]
    cells = [name, f"{len(data):,}", f"{ahead} of {len(windows)}", *skills, f"{figures['ece']:.1%}"]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
