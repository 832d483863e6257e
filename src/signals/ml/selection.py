"""What choosing costs: how often the best in sample is not good out of sample, and a Sharpe ratio after many tries.

Both figures are about a set of configurations that were all evaluated on the same dates. Performance and returns are
arrays of shape (dates, configurations), one value a date, larger is better, all finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from signals.data.records import F8, I8
from signals.errors import TrainingError

__all__ = ["Deflated", "deflated_sharpe", "effective_trials", "pbo", "rank_logits", "sharpe"]

MOST_BLOCKS = 20
"""Beyond it the splits into halves no longer fit in memory: 22 blocks have 705,432."""

ALIKE = 0.5
"""Mean correlation above which configurations count as one trial."""


def pbo(performance: F8, blocks: int = 16, *, measure: Literal["mean", "sharpe"] = "mean") -> float:
    """Return the probability of backtest overfitting by combinatorially symmetric cross-validation.

    It is the share of `rank_logits` that are 0 or less: how often the configuration that was best in one half of the
    blocks does no better than the median in the other (Bailey, Borwein, Lopez de Prado and Zhu 2017). 0.5 is what
    choosing among equals gives; ties with the median count as overfit.

    Parameters
    ----------
    performance
        Shape (dates, configurations).
    blocks
        Even number of contiguous blocks, the first ones a date longer where they do not divide evenly. Nothing is
        purged between them: blocks should be much longer than a label.
    measure
        Of a half: the mean, or the mean over the standard deviation (n - 1), 0 where nothing varies.

    Raises
    ------
    TrainingError
        If there are fewer than two configurations or dates than blocks, a value is not finite, or the blocks are odd,
        fewer than 2 or more than 20.
    """
    return float((rank_logits(performance, blocks, measure=measure) <= 0).mean())


def rank_logits(performance: F8, blocks: int = 16, *, measure: Literal["mean", "sharpe"] = "mean") -> F8:
    """Return log(w / (1 - w)) for each way of choosing half of the blocks, in the order of `itertools.combinations`.

    w = rank / (configurations + 1), where rank, from 1 for the worst, is that of the in-sample best among all
    configurations out of sample; ties share their mean rank, and of several best in sample the first is taken. See
    `pbo` for the arguments.
    """
    _require(performance, blocks)
    parts = np.array_split(performance, blocks)
    picks = np.array(list(combinations(range(blocks), blocks // 2)))
    sizes = np.array([len(part) for part in parts], np.float64)
    count = sizes[picks].sum(axis=1)[:, None]
    inside = _half(parts, picks) / count
    if measure == "sharpe":
        # Squares around the overall mean: around 0 the difference of two large sums would lose the variance.
        centred = [part - performance.mean(axis=0) for part in parts]
        shifted = _half(centred, picks) / count
        spread = _half([part**2 for part in centred], picks) - count * shifted**2
        deviation = np.sqrt(np.maximum(spread, 0.0) / np.maximum(count - 1, 1.0))
        inside = np.divide(inside, deviation, out=np.zeros_like(inside), where=deviation > 1e-12 * np.abs(inside))
    # The complement of a choice is that choice's mirror image in the order of combinations.
    outside = inside[::-1]
    best = inside.argmax(axis=1)
    own = np.take_along_axis(outside, best[:, None], axis=1)
    rank = (outside < own).sum(axis=1) + ((outside == own).sum(axis=1) + 1) / 2
    return np.asarray(np.log(rank / (performance.shape[1] + 1 - rank)))


def _half(parts: list[F8], picks: I8) -> F8:
    """Sum the blocks of every choice, one block after another, so that equal columns have equal sums."""
    sums = np.array([part.sum(axis=0) for part in parts])
    total = sums[picks[:, 0]]
    for place in range(1, picks.shape[1]):
        total += sums[picks[:, place]]
    return np.asarray(total)


def _require(performance: F8, blocks: int) -> None:
    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        raise TrainingError(f"expected an even number of blocks from 2 to {MOST_BLOCKS}, was {blocks}")
    if performance.ndim != 2 or performance.shape[1] < 2 or len(performance) < blocks:
        raise TrainingError(
            f"expected {blocks} dates or more of two configurations or more, was shape {performance.shape}; give a "
            "longer record or fewer blocks"
        )
    if not np.isfinite(performance).all():
        raise TrainingError("expected a finite performance on every date, was NaN or infinite; leave such dates out")


def sharpe(returns: F8) -> F8:
    """Return mean over standard deviation (n - 1) of each column, a date's, not a year's; NaN where nothing varies."""
    varies = np.ptp(returns, axis=0) > 0
    deviation = returns.std(axis=0, ddof=1)
    return np.asarray(np.divide(returns.mean(axis=0), deviation, out=np.full_like(deviation, math.nan), where=varies))


def effective_trials(returns: F8) -> int:
    """Return how many different configurations there are: clusters of their correlations.

    Average linkage on 1 - correlation, cut where the mean correlation between two clusters is 0.5: copies are one
    trial, independent columns one each.

    Parameters
    ----------
    returns
        Shape (dates, configurations); every column must vary.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if returns.shape[1] == 1:
        return 1
    distance = np.asarray(1.0 - np.corrcoef(returns, rowvar=False))
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(np.maximum(distance, 0.0), checks=False), method="average")
    return int(fcluster(tree, 1.0 - ALIKE, criterion="distance").max())


@dataclass(frozen=True)
class Deflated:
    """A Sharpe ratio read with the number of tries in mind; all ratios are those of a date, not of a year.

    Parameters
    ----------
    sharpe
        What was reached.
    by_luck
        What the best of `trials` tries without any skill is expected to reach.
    probability
        That the true ratio is above `by_luck`: the deflated Sharpe ratio.
    trials
        Independent tries that were counted.
    """

    sharpe: float
    by_luck: float
    probability: float
    trials: float


def deflated_sharpe(returns: F8, spread: float, trials: float) -> Deflated:
    """Return the deflated Sharpe ratio (Bailey and Lopez de Prado 2014) of one series of daily net returns.

    Parameters
    ----------
    returns
        Fractions, one a date, shape (dates,).
    spread
        Standard deviation of the Sharpe ratios (a date's) over the configurations that were tried.
    trials
        Independent tries, 1 or more.

    Returns
    -------
    Deflated
        All but `trials` NaN where the returns do not vary.

    Notes
    -----
    ``by_luck = spread * ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e)))`` with Euler's g and the normal quantile z, 0 for one
    try; ``probability = F((SR - by_luck) sqrt(T - 1) / sqrt(1 - skew SR + (kurtosis - 1) / 4 SR^2))`` with the moments
    of the sample, and SR with its deviation over n - 1.
    """
    from scipy.stats import kurtosis, norm, skew

    reached = float(sharpe(returns[:, None])[0]) if len(returns) > 1 else math.nan
    if math.isnan(reached):
        return Deflated(math.nan, math.nan, math.nan, trials)
    by_luck = 0.0
    if trials > 1:
        first, second = norm.ppf(1.0 - 1.0 / trials), norm.ppf(1.0 - 1.0 / (trials * math.e))
        by_luck = spread * float((1.0 - np.euler_gamma) * first + np.euler_gamma * second)
    tails = float(kurtosis(returns, fisher=False))
    variance = 1.0 - float(skew(returns)) * reached + (tails - 1.0) / 4.0 * reached**2
    score = (reached - by_luck) * math.sqrt(len(returns) - 1) / math.sqrt(variance)
    return Deflated(reached, by_luck, float(norm.cdf(score)), trials)
