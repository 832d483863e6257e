"""Honest probabilities with outcomes drawn from them, and distortions to undo."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from signals.data.records import F8, I8

Draw = Callable[..., tuple[F8, F8, I8, I8]]
Distort = Callable[[F8, float, tuple[float, ...]], F8]
Loss = Callable[[F8, F8], float]

DAY = 86_400_000_000


@pytest.fixture(scope="session")
def drawn() -> Draw:
    """Draw honest probabilities, classes drawn from them, times, label ends."""

    def draw(dates: int = 600, symbols: int = 5, seed: int = 1, days: int = 1) -> tuple[F8, F8, I8, I8]:
        random = np.random.default_rng(seed)
        rows = dates * symbols
        p = random.dirichlet((4.0, 4.0, 4.0), rows)
        y = (random.random(rows)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, 2).astype(np.float64)
        start = np.repeat(np.arange(dates, dtype=np.int64) * DAY, symbols)
        return p, y, start, start + days * DAY

    return draw


@pytest.fixture(scope="session")
def distorted() -> Distort:
    """Return softmax(slope * log p + bias)."""

    def distort(p: F8, slope: float, bias: tuple[float, ...]) -> F8:
        raw: F8 = np.exp(slope * np.log(p) + np.array(bias))
        return np.asarray(raw / raw.sum(axis=1, keepdims=True))

    return distort


@pytest.fixture(scope="session")
def loss() -> Loss:
    """Return the mean log loss of the rows."""
    return lambda p, y: float(-np.log(p[np.arange(len(y)), y.astype(int)]).mean())
