"""Days, bars and a strategy that says what its script says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from strategy import OHLCV, BaseStrategy, Signal, SignalDirection

FIRST = datetime(2024, 1, 1, 21, tzinfo=UTC)

Script = Mapping[datetime, Sequence[tuple[str, str, float]]]


def _day(number: float) -> datetime:
    return FIRST + timedelta(days=number)


def _bar(symbol: str = "A", day: float = 0, close: float = 100.0, open: float | None = None) -> OHLCV:  # noqa: A002
    opened = close if open is None else open
    return OHLCV(symbol, _day(day), opened, max(opened, close), min(opened, close), close, 1000.0)


class Scripted(BaseStrategy):
    """Say the script's (symbol, direction, strength) at its days; remember what was shown.

    Parameters
    ----------
    horizon
        Days until `expires_at`; None: signals have none.
    references
        Symbols to look at.
    """

    description = "says what its script says"
    warmup_bars = 0

    def __init__(
        self,
        script: Mapping[float, Sequence[tuple[str, str, float]]] | None = None,
        *,
        horizon: float | None = None,
        metadata: Mapping[str, int] | None = None,
        references: Sequence[str] = (),
        min_hold_days: int = 2,
        name: str = "scripted",
    ) -> None:
        self.name = name
        self.min_hold_days = min_hold_days
        self.seen: list[dict[str, OHLCV]] = []
        self._script = {_day(day): said for day, said in (script or {}).items()}
        self._horizon = horizon
        self._metadata = dict(metadata or {})
        self._references = references

    def get_required_data(self) -> list[str]:
        return ["ohlcv", *(f"ref:{symbol}" for symbol in self._references)]

    def generate_signals(self, data: dict[str, list[OHLCV]]) -> list[Signal]:
        self.seen.append({symbol: bars[-1] for symbol, bars in data.items()})
        now = max(bars[-1].timestamp for bars in data.values())
        until = None if self._horizon is None else now + timedelta(days=self._horizon)
        return [
            Signal(symbol, now, SignalDirection(direction), strength, self.name, self._metadata, until)
            for symbol, direction, strength in self._script.get(now, ())
        ]


@pytest.fixture(scope="session")
def day() -> Callable[[float], datetime]:
    return _day


@pytest.fixture(scope="session")
def bar() -> Callable[..., OHLCV]:
    return _bar


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    return Scripted
