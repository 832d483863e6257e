from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.data.records import F8
from signals.features import kernels
from signals.features.batch import F4, KERNEL
from signals.features.catalog import CATALOGUE, names

FEATURES = CATALOGUE[KERNEL]
Run = Callable[[F8], F4]
Same = Callable[[F4, F4], bool]


def real_histories(folder: Path, *symbols: str) -> Iterator[F8]:
    """Bars of these symbols, of all where none is named; KO stands for the references."""
    chosen = [("symbol", "in", [*symbols, "KO"])] if symbols else None
    table = pd.read_parquet(folder / "stocks_daily_2013_2018.parquet", filters=chosen).dropna()
    market = table[table["symbol"] == "KO"].set_index("date")["close"]
    for _, rows in table.groupby("symbol"):
        bars = rows[["open", "high", "low", "close", "volume"]].to_numpy(np.float64)
        level = market.reindex(rows["date"]).to_numpy(np.float64) * np.linspace(1, 2, len(bars)) ** 0.5
        yield np.ascontiguousarray(np.column_stack([bars, level, level[::-1], level]))


def forgets(bars: F8, cut: int, run: Run, same: Same) -> list[str]:
    """The features that still show, from their lookback on, that history began at `cut`."""
    whole, later = run(bars), run(bars[cut:])
    return [f.name for i, f in enumerate(FEATURES) if not same(whole[cut + f.lookback :, i], later[f.lookback :, i])]


@pytest.mark.real_data
@pytest.mark.parametrize("cut", [1, 57, 300, 513])
def test_real_history_does_not_show_its_start(real_data: Path, run: Run, same: Same, cut: int) -> None:
    for bars in real_histories(real_data, "AAPL", "NFLX", "LNT"):
        assert forgets(bars, cut, run, same) == []


@pytest.mark.soak
@pytest.mark.real_data
def test_no_real_history_shows_its_start(real_data: Path, run: Run, same: Same) -> None:
    for bars in real_histories(real_data):
        for cut in range(3, len(bars), 97):
            assert forgets(bars, cut, run, same) == []


def test_first_value_is_where_values_begin(kernel_input: F8, run: Run) -> None:
    full = kernel_input.copy()
    full[0, 6] = 20.0  # the index closes later than the symbol, so its first bar is not known yet
    out = run(full)
    begins = np.argmax(~np.isnan(out), axis=0)
    assert {f.name: int(row) for f, row in zip(FEATURES, begins, strict=True)} == {
        f.name: f.first_value for f in FEATURES
    }


@settings(max_examples=15)
@given(cut=st.integers(1, 180))
def test_rows_from_the_lookback_on_do_not_know_where_history_began(
    kernel_input: F8, run: Run, same: Same, cut: int
) -> None:
    assert forgets(kernel_input, cut, run, same) == []


def test_history_begins_where_the_state_says(kernel_input: F8, run: Run, same: Same) -> None:
    out = np.empty((len(kernel_input), kernels.N_FEATURES), np.float32)
    kernels.run(kernel_input, 100, np.zeros(kernels.N_STATE), out)
    assert same(out[100:], run(kernel_input[100:]))


@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, 699), max_size=4, unique=True))
def test_resuming_gives_the_same_bits(kernel_input: F8, run: Run, same: Same, cuts: list[int]) -> None:
    state, parts = np.zeros(kernels.N_STATE), []
    ends = [*sorted(cuts), len(kernel_input)]
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        first = max(start - kernels.WINDOW, 0)
        out = np.empty((end - first, kernels.N_FEATURES), np.float32)
        kernels.run(kernel_input[first:end], start - first, state, out)
        parts.append(out[start - first :])
    assert same(np.concatenate(parts), run(kernel_input))


@settings(max_examples=10)
@given(cut=st.integers(1, 699), noise=st.sampled_from([np.nan, 1e-3, 1e9]))
def test_what_comes_later_changes_nothing(kernel_input: F8, run: Run, same: Same, cut: int, noise: float) -> None:
    poisoned = kernel_input.copy()
    poisoned[cut:] = noise
    assert same(run(kernel_input)[:cut], run(poisoned)[:cut])


def rescaled(bars: F8, k: float) -> F8:
    return np.ascontiguousarray(bars * [k, k, k, k, 1 / k, 1, 1, 1])


def test_powers_of_two_change_no_bit(kernel_input: F8, run: Run, same: Same) -> None:
    assert same(run(rescaled(kernel_input, 8.0)), run(kernel_input))


@settings(max_examples=10)
@given(k=st.floats(0.001, 1000))
def test_scale_does_not_matter(kernel_input: F8, run: Run, k: float) -> None:
    whole = run(kernel_input)
    scale = np.nanmax(np.abs(whole), axis=0)
    np.testing.assert_allclose(run(rescaled(kernel_input, k)) / scale, whole / scale, rtol=2e-7, atol=1e-9)


def column(out: F4, name: str) -> F4:
    return out[:, names().index(name)]


def test_price_that_stands_still_has_no_strength(kernel_input: F8, run: Run) -> None:
    still = kernel_input.copy()
    still[100:, :4] = still[99, 3]
    out = run(still)
    for name in ("rsi_14", "adx_14", "plus_di_14", "stochastic_k", "bollinger_position", "vol_regime_5_20"):
        assert np.isnan(column(out, name)[-1]), name
    assert column(out, "hist_vol_20")[-1] == 0


def test_long_standstill_is_forgotten(kernel_input: F8, run: Run, same: Same) -> None:
    still = kernel_input.copy()
    still[60:650, :4] = still[59, 3]
    for cut in (20, 40, 70, 120):
        whole, later = run(still)[cut + 512 :], run(still[cut:])[512:]
        assert [f.name for i, f in enumerate(FEATURES) if not same(whole[:, i], later[:, i])] == []


def test_without_volume_volume_features_are_missing(kernel_input: F8, run: Run) -> None:
    dry = kernel_input.copy()
    dry[:, 4] = 0
    out = run(dry)
    for name in ("obv_slope_20", "vwap_20_distance", "volume_ratio_5_20", "volume_ratio_1_20"):
        assert np.isnan(column(out, name)).all(), name


@pytest.mark.parametrize(
    ("place", "name", "window"),
    [(5, "market_beta_60", 61), (6, "volatility_level", 1), (5, "strength_market_20", 0)],
)
def test_reference_missing_once_is_missing_in_its_windows(
    kernel_input: F8, run: Run, same: Same, place: int, name: str, window: int
) -> None:
    holed = kernel_input.copy()
    holed[300, place] = np.nan
    whole, found = column(run(kernel_input), name), column(run(holed), name)
    missing = np.flatnonzero(np.isnan(found[300:])) + 300
    assert missing.tolist() == (list(range(300, 300 + window)) or [300, 320])
    kept = np.setdiff1d(np.arange(len(found)), missing)
    assert same(found[kept], whole[kept])


def memories(count: int) -> tuple[F8, F8]:
    """Memories that hold another history's leavings, and states of no history."""
    return np.full((count, kernels.MEMORY), 7.0), np.zeros((count, kernels.N_STATE))


def steps(bars: F8, held: tuple[F8, F8], slot: int) -> F4:
    out = np.empty((len(bars), 1, kernels.N_FEATURES), np.float32)
    for row in range(len(bars)):
        kernels.step(*held, np.array([slot]), bars[row : row + 1], out[row])
    return out[:, 0]


def holed(bars: F8, every: int) -> F8:
    """The bars with one value missing in every so many rows, in each column in turn."""
    found = bars.copy()
    for place, row in enumerate(range(every, len(bars), every)):
        found[row, place % 8] = np.nan
    return found


@pytest.mark.parametrize("every", [1000, 70, 300])
def test_steps_give_the_rows_of_a_run(kernel_input: F8, run: Run, same: Same, every: int) -> None:
    # Long enough for every ring to come round several times.
    bars = holed(np.concatenate([kernel_input, kernel_input * 1.25]), every)
    held = memories(2)
    assert same(steps(bars, held, 1), run(bars))
    assert (held[0][0] == 7).all()


LENGTHS = [1, 2, 3, 4, 15, 16, 17, 31, 63, 64, 65, 127, 251, 252, 253, 255, 256, 257, 513]


@pytest.mark.parametrize("length", LENGTHS)
def test_steps_go_on_from_a_run(kernel_input: F8, run: Run, same: Same, length: int) -> None:
    held = memories(1)
    out = np.empty((length, kernels.N_FEATURES), np.float32)
    kernels.run(kernel_input[:length], 0, held[1][0], out)
    kernels.fill(kernel_input[:length], held[0][0])
    assert same(steps(kernel_input[length:], held, 0), run(kernel_input)[length:])


def test_symbols_of_one_step_do_not_mix(kernel_input: F8, run: Run, same: Same) -> None:
    starts = (0, 40, 300)
    held = memories(3)
    out = np.empty((3, kernels.N_FEATURES), np.float32)
    for row in range(300):
        slots = np.roll(np.arange(3), row)
        kernels.step(*held, slots, kernel_input[[starts[slot] + row for slot in slots]], out)
    for slot, found in zip(slots, out, strict=True):
        assert same(found, run(kernel_input[starts[slot] : starts[slot] + 300])[-1])


def test_volumes_kept_are_the_newest(kernel_input: F8) -> None:
    held = memories(1)
    steps(kernel_input, held, 0)
    kept, count = held[0][0, kernels.VOLUMES_KEPT], len(kernel_input)
    assert [kept[row % len(kept)] for row in range(count - 20, count)] == kernel_input[-20:, 4].tolist()
