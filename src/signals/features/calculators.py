"""A user's own features: calculators, installed under the entry-point group ``vane.features`` or passed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from signals.data.records import F8, I8
from signals.errors import FeatureError
from signals.features.catalog import CATALOGUE
from signals.features.feature import Feature

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "Calculators", "FeatureCalculator", "installed"]

GROUP = "vane.features"
COLUMNS = ("open", "high", "low", "close", "volume", "market", "volatility", "sector")
"""What `FeatureCalculator.compute` gets: bars on one price basis, and the reference series' closes as of each bar."""


@runtime_checkable
class FeatureCalculator(Protocol):
    """One or more features of one symbol, computed by a plain pandas method.

    `compute` gets the whole history in batch and the last `lookback` + 1 bars live (the largest of its features), so a
    row may depend on nothing older, and on nothing newer than itself: ``vane audit`` holds it to that, bit for bit. It
    must not keep anything between two calls.
    """

    @property
    def name(self) -> str:
        """Who computes it; each feature's `calculator`."""
        ...

    @property
    def features(self) -> tuple[Feature, ...]:
        """The columns, with names that the catalogue does not have."""
        ...

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        """Return the features at every bar.

        Parameters
        ----------
        bars
            `COLUMNS` as float64, indexed by ``date``: the close, UTC, oldest first. A reference that is missing is NaN.

        Returns
        -------
        DataFrame
            On the same index, with the columns of `features`; NaN where there is no value.
        """
        ...


class Calculators:
    """Several calculators as one block of columns, which follow the catalogue's in frames and rows.

    Raises
    ------
    FeatureError
        If a calculator does not look like one, or a name is taken.
    """

    def __init__(self, calculators: Iterable[FeatureCalculator] = ()) -> None:
        self.each = tuple(calculators)
        taken = {feature.name for feature in CATALOGUE}
        for each in self.each:
            if not isinstance(each, FeatureCalculator) or isinstance(each, type):
                raise FeatureError(f"expected a calculator with name, features and compute, was {each!r}")
            for feature in each.features:
                _check(each, feature, taken)
                taken.add(feature.name)
        self.features = tuple(feature for each in self.each for feature in each.features)
        self.lookback = max((feature.lookback for feature in self.features), default=0)

    def __len__(self) -> int:
        return len(self.features)

    def compute(self, symbol: str, time: I8, bars: F8) -> NDArray[np.float32]:
        """Return the features, shape (n, len(self)), float32; what float32 cannot hold is NaN.

        Parameters
        ----------
        time
            Closes in microseconds, shape (n,).
        bars
            `COLUMNS`, shape (n, 8).
        """
        out = np.full((len(time), len(self)), np.nan, np.float32)
        first = 0
        for each in self.each:
            stop = first + len(each.features)
            if len(time):
                with np.errstate(all="ignore"):
                    values = _values(each, symbol, time, bars).astype(np.float32)
                out[:, first:stop] = np.where(np.isfinite(values), values, np.float32(np.nan))
            first = stop
        return out


def installed() -> tuple[FeatureCalculator, ...]:
    """Return one of each calculator that an installed package offers under ``vane.features``, sorted by entry name.

    Raises
    ------
    FeatureError
        If one cannot be made; it names the package.
    """
    return tuple(_made(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name))


def _made(entry: EntryPoint) -> FeatureCalculator:
    try:
        made: FeatureCalculator = entry.load()()
    except Exception as error:
        package = "a package" if entry.dist is None else entry.dist.name
        raise FeatureError(
            f"{GROUP} entry {entry.name!r} of {package} ({entry.value}): expected a class without arguments, was "
            f"{error!r}; mend the entry or uninstall {package}"
        ) from error
    return made


def _check(each: FeatureCalculator, feature: Feature, taken: set[str]) -> None:
    if feature.name in taken:
        raise FeatureError(f"calculator {each.name!r}: expected a name of its own, {feature.name!r} is taken")
    if feature.calculator != each.name:
        raise FeatureError(
            f"calculator {each.name!r}: expected feature {feature.name!r} to name it, was {feature.calculator!r}"
        )
    counts = feature.first_value, feature.lookback
    if not all(isinstance(count, int) for count in counts) or not 0 <= counts[0] <= counts[1]:
        raise FeatureError(
            f"calculator {each.name!r}: expected whole numbers 0 <= first_value <= lookback of {feature.name!r}, "
            f"were {feature.first_value} and {feature.lookback}"
        )


def _values(each: FeatureCalculator, symbol: str, time: I8, bars: F8) -> F8:
    import pandas as pd

    index = pd.DatetimeIndex(time.astype("datetime64[us]"), name="date").tz_localize("UTC")
    names: Sequence[str] = [feature.name for feature in each.features]
    what = f"calculator {each.name!r} on {symbol}"
    try:
        made = each.compute(pd.DataFrame(bars, index, list(COLUMNS), copy=True))
    except Exception as error:
        raise FeatureError(f"{what}: expected a frame of {', '.join(names)}, was {error!r}") from error
    if not isinstance(made, pd.DataFrame) or set(made.columns) != set(names) or not made.columns.is_unique:
        raise FeatureError(f"{what}: expected a frame of {', '.join(names)}, was {_shown(made)}")
    if not made.index.equals(index):
        raise FeatureError(f"{what}: expected a row for each of {len(index)} bars, was another index of {len(made)}")
    try:
        return np.ascontiguousarray(made[list(names)].to_numpy(np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise FeatureError(f"{what}: expected columns of numbers, was {error}") from None


def _shown(made: object) -> str:
    columns = getattr(made, "columns", None)
    return type(made).__name__ if columns is None else f"one of {', '.join(map(str, columns)) or 'no columns'}"
