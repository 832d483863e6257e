from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from signals.events.schema import Abstention, Decision
from strategy.signal import JSON, Signal, SignalDirection

START = datetime(2024, 1, 2, 21, tzinfo=UTC)
MakeDecision = Callable[..., Decision]


@pytest.fixture
def make_decision() -> MakeDecision:
    def make(day: int = 0, symbols: int = 3, *, shadow: bool = False, seed: int = 0) -> Decision:
        at = START + timedelta(days=day)
        rng = np.random.default_rng([seed, day])
        names = tuple(f"S{i:03d}" for i in range(symbols))
        metadata: dict[str, JSON] = {
            "confidence": 0.1 + 0.2,
            "probabilities": [0.1, 0.2, 0.7],
            "nested": {"a": [1, None, True]},
        }
        signals = tuple(
            Signal(name, at, SignalDirection.LONG, float(rng.random()), "ml", metadata, at + timedelta(days=7))
            for name in names[:2]
        )
        return Decision(
            timestamp=at,
            strategy_name="ml",
            model_version="20240101_000000",
            shadow=shadow,
            symbols=names,
            closes=rng.lognormal(size=symbols),
            probabilities=rng.dirichlet(np.ones(3), symbols).astype(np.float32),
            bin_counts=rng.integers(0, 60_000, (4, 11)).astype(np.uint16),
            abstained={Abstention.WARMING_UP: ("NEW",), Abstention.BELOW_THRESHOLD: names[2:]},
            signals=signals,
        )

    return make
