"""Forgetful: a calculator that begins anew at every history."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from signals.errors import FeatureError

if TYPE_CHECKING:
    import pandas as pd

    from signals.features.calculators import FeatureCalculator

__all__ = ["Forgetful"]


class Forgetful:
    """Computes with a copy of a calculator as it was given.

    One that remembers the first history it saw, such as a scaler that is fitted once, would else give the same values
    in a world with another future, and pass.

    Raises
    ------
    FeatureError
        If the calculator cannot be copied.
    """

    def __init__(self, calculator: FeatureCalculator) -> None:
        self.name = calculator.name
        self.features = calculator.features
        try:
            self._given = deepcopy(calculator)
        except Exception as error:  # a user's object may raise anything as it is copied
            raise FeatureError(
                f"calculator {calculator.name!r}: expected one that can be copied (copy.deepcopy), was {error!r}"
            ) from error

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        """Return the features at every bar."""
        return deepcopy(self._given).compute(bars)
