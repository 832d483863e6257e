"""The methods of calibration by name, the simplest first: how each is fitted, and read from JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from signals.data.records import F8
from signals.ml.calibration.isotonic import FEWEST_INTERVALS, IsotonicMap, fit_isotonic
from signals.ml.calibration.platt import PlattMap, fit_platt
from signals.ml.calibration.rows import CalibrationRows
from signals.ml.calibration.softmax import SoftmaxMap, fit_softmax
from strategy.signal import JSON

__all__ = ["METHODS", "CalibrationMap", "Method", "Named"]

Named: TypeAlias = Literal["none", "temperature", "bias_corrected_temperature", "vector", "platt", "isotonic"]
Method: TypeAlias = Literal["auto", "none", "temperature", "bias_corrected_temperature", "vector", "platt", "isotonic"]


class CalibrationMap(Protocol):
    """What a fit gives: probabilities to probabilities."""

    @property
    def classes(self) -> int:
        """Number of columns."""
        ...

    def __call__(self, probabilities: F8) -> F8:
        """Return calibrated probabilities of the same shape (n, classes)."""
        ...

    def to_json(self) -> dict[str, JSON]:
        """Return the parameters; floats survive the round trip exactly."""
        ...


class _Method(NamedTuple):
    identity: CalibrationMap
    fit: Callable[[CalibrationRows], CalibrationMap]
    read: Callable[[Mapping[str, Any]], CalibrationMap]
    fewest_intervals: int = 1


def _leave(rows: CalibrationRows) -> SoftmaxMap:
    return SoftmaxMap(1.0, (0.0,) * rows.columns)


def _read_identity(document: Mapping[str, Any]) -> SoftmaxMap:
    found = SoftmaxMap.from_json(document, biased=False)
    if found.slope != 1.0:
        raise ValueError(f"expected a slope of 1, was {found.slope}")
    return found


METHODS: Final[Mapping[Named, _Method]] = {
    "none": _Method(SoftmaxMap(), _leave, _read_identity),
    "temperature": _Method(
        SoftmaxMap(), partial(fit_softmax, biased=False), partial(SoftmaxMap.from_json, biased=False)
    ),
    "bias_corrected_temperature": _Method(SoftmaxMap(), fit_softmax, SoftmaxMap.from_json),
    "vector": _Method(
        SoftmaxMap((1.0, 1.0, 1.0)), partial(fit_softmax, vector=True), partial(SoftmaxMap.from_json, vector=True)
    ),
    "platt": _Method(PlattMap(), fit_platt, PlattMap.from_json),
    "isotonic": _Method(IsotonicMap(), fit_isotonic, IsotonicMap.from_json, FEWEST_INTERVALS),
}
"""Free parameters for three classes: 0, 1, 3, 5, 6, and any number."""
