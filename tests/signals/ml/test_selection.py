from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from signals.data.records import F8
from signals.errors import TrainingError
from signals.ml.selection import deflated_sharpe, effective_trials, pbo, rank_logits, sharpe


def by_hand(performance: F8, blocks: int, measure: str) -> list[float]:
    """The logits of all splits, one row at a time."""
    places = np.array_split(np.arange(len(performance)), blocks)
    found = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([places[at] for at in chosen])
        outside = np.setdiff1d(np.arange(len(performance)), inside)
        score = [
            [
                column[rows].mean() if measure == "mean" else column[rows].mean() / column[rows].std(ddof=1)
                for column in performance.T
            ]
            for rows in (inside, outside)
        ]
        rank = stats.rankdata(score[1])[int(np.argmax(score[0]))]
        share = rank / (performance.shape[1] + 1)
        found.append(math.log(share / (1 - share)))
    return found


@pytest.mark.parametrize("measure", ["mean", "sharpe"])
@pytest.mark.parametrize(("dates", "blocks"), [(60, 6), (61, 4), (8, 2)])
def test_logits_are_those_counted_by_hand(measure: str, dates: int, blocks: int) -> None:
    performance = np.random.default_rng(dates).normal(0.1, 1.0, (dates, 7))
    found = rank_logits(performance, blocks, measure=measure)  # type: ignore[arg-type]  # parametrized
    assert found.tolist() == pytest.approx(by_hand(performance, blocks, measure))


def test_share_of_logits_at_or_below_zero() -> None:
    performance = np.random.default_rng(0).normal(size=(80, 9))
    logits = rank_logits(performance, 8)
    assert (logits == 0).any()  # an odd number of configurations has a median
    assert pbo(performance, 8) == np.mean(logits <= 0)


def test_one_configuration_that_is_always_better_is_no_overfit() -> None:
    performance = np.random.default_rng(0).normal(size=(160, 10))
    performance[:, 4] += 5
    assert pbo(performance) == 0.0


def test_what_wins_in_one_half_and_loses_in_the_other_is_overfit() -> None:
    # Each configuration is good in one block alone, and pays for it in all others.
    performance = np.repeat(np.eye(8) * 9 - 1, 10, axis=0) + 1e-6 * np.random.default_rng(0).normal(size=(80, 8))
    assert pbo(performance, 8) == 1.0


def test_choosing_among_equals_is_a_toss() -> None:
    found = [pbo(np.random.default_rng(seed).normal(size=(160, 20)), 8) for seed in range(60)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_copies_share_their_mean_rank() -> None:
    column = np.random.default_rng(0).normal(size=(100, 1))
    assert (rank_logits(np.tile(column, (1, 5)), 10) == 0).all()


def test_a_constant_has_a_sharpe_of_zero() -> None:
    performance = np.column_stack([np.full(40, 3.0), np.random.default_rng(0).normal(-1, 1, (40, 2))])
    assert (rank_logits(performance, 4, measure="sharpe") > 0).all()
    performance[:, 1:] += 5
    assert (rank_logits(performance, 4, measure="sharpe") < 2).all()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.floats(0.1, 100))
def test_scale_and_order_of_configurations_do_not_matter(seed: int, count: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    performance = rng.normal(size=(48, count))
    other = scale * performance[:, rng.permutation(count)]
    assert pbo(other, 6) == pbo(performance, 6)
    assert pbo(other, 6, measure="sharpe") == pbo(performance, 6, measure="sharpe")


@pytest.mark.parametrize("blocks", [0, 3, 22])
def test_impossible_blocks_are_refused(blocks: int) -> None:
    with pytest.raises(TrainingError, match="even number of blocks"):
        pbo(np.ones((100, 3)), blocks)


def test_impossible_records_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"was shape \(15, 3\)"):
        pbo(np.ones((15, 3)))
    with pytest.raises(TrainingError, match="two configurations"):
        pbo(np.ones((100, 1)))
    with pytest.raises(TrainingError, match="finite"):
        pbo(np.full((100, 3), np.nan))


def test_sharpe_is_a_dates_and_unknown_where_nothing_varies() -> None:
    returns = np.array([[0.01, 0.1], [0.03, 0.1], [-0.01, 0.1]])
    found = sharpe(returns)
    assert found[0] == pytest.approx(0.01 / 0.02)
    assert math.isnan(found[1])


def test_copies_are_one_trial_and_independent_columns_one_each() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=(500, 4))
    copies = np.repeat(base, 3, axis=1) + 0.1 * rng.normal(size=(500, 12))
    assert effective_trials(base) == 4
    assert effective_trials(copies) == 4
    assert effective_trials(base[:, :1]) == effective_trials(np.tile(base[:, :1], (1, 6))) == 1


def test_opposites_are_not_alike() -> None:
    column = np.random.default_rng(0).normal(size=(100, 1))
    assert effective_trials(np.hstack([column, -column])) == 2


def returns_of(sharpe_ratio: float, dates: int = 1250) -> F8:
    """Return normal-like returns of exactly this Sharpe ratio."""
    noise = stats.norm.ppf((np.random.default_rng(0).permutation(dates) + 0.5) / dates)
    return np.asarray(0.01 * (noise / noise.std(ddof=1) + sharpe_ratio))


def test_the_published_example_of_a_deflated_ratio() -> None:
    # Bailey and Lopez de Prado (2014), "A numerical example": 2.5 a year over 5 years of 250 days, skewness -3,
    # kurtosis 10, 100 independent trials whose annual ratios have a variance of 1/2: SR0 0.1132, DSR 0.9004.
    found = deflated_sharpe(returns_of(2.5 / math.sqrt(250)), math.sqrt(0.5 / 250), 100)
    assert found.sharpe == pytest.approx(2.5 / math.sqrt(250))
    assert found.by_luck == pytest.approx(0.1132, abs=5e-5)
    # Its returns are skewed, these are not: the rest of the formula with skewness 0 and the kurtosis of the sample.
    tails = stats.kurtosis(returns_of(0.0), fisher=False)
    width = math.sqrt(1 + (tails - 1) / 4 * found.sharpe**2)
    assert found.probability == pytest.approx(stats.norm.cdf((found.sharpe - found.by_luck) * math.sqrt(1249) / width))


def test_losses_that_come_at_once_count_against_a_ratio() -> None:
    gains = 0.01 * np.random.default_rng(0).gumbel(size=1000)
    right = deflated_sharpe(gains - gains.mean() + 0.001, 0.0, 1).probability
    left = deflated_sharpe(-(gains - gains.mean()) + 0.001, 0.0, 1).probability
    assert 0.5 < left < right < 1


def test_one_try_is_not_deflated_and_many_are() -> None:
    found = [deflated_sharpe(returns_of(0.1), 0.05, trials) for trials in (1, 2, 10, 1000)]
    assert found[0].by_luck == 0.0
    assert sorted((each.probability for each in found), reverse=True) == [each.probability for each in found]
    assert found[-1].probability < 0.05 < 0.95 < found[0].probability


@pytest.mark.parametrize("dates", [0, 1, 50])
def test_returns_that_do_not_vary_have_no_ratio(dates: int) -> None:
    found = deflated_sharpe(np.zeros(dates), 0.1, 5)
    assert math.isnan(found.sharpe)
    assert math.isnan(found.probability)


def test_best_of_noise_looks_good_and_is_told_from_skill() -> None:
    rng = np.random.default_rng(0)
    fooled = []
    for _ in range(100):
        tried = rng.normal(size=(500, 30))
        ratios = sharpe(tried)
        best = tried[:, int(np.argmax(ratios))]
        plain = deflated_sharpe(best, 0.0, 1).probability
        fooled.append((plain > 0.95, deflated_sharpe(best, float(ratios.std(ddof=1)), 30).probability > 0.95))
    plain_share, deflated_share = np.mean(fooled, axis=0)
    assert plain_share > 0.6
    assert deflated_share < 0.05
