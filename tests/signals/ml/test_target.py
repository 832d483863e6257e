from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.errors import HolesInBars, MissingColumns, WrongType
from signals.ml.dataset import NOT_KNOWN, micros
from signals.ml.recipe import TargetSpec
from signals.ml.target import label_ends, prepare_target, three_class

DATES = pd.date_range("2020-01-06 21:00", periods=12, freq="B", tz="UTC", unit="us")
ONE = TargetSpec(horizon=1)
REAL = Path(__file__).parents[4] / "shared" / "data" / "stocks_daily_2013_2018.parquet"


def series(closes: dict[str, dict[int, float]]) -> pd.Series:
    keys = [(symbol, DATES[at]) for symbol, row in closes.items() for at in row]
    index = pd.MultiIndex.from_tuples(keys, names=["symbol", "date"])
    return pd.Series([price for row in closes.values() for price in row.values()], index, dtype=float)


def run(*prices: float) -> pd.Series:
    return series({"A": dict(enumerate(prices))})


def naive(close: pd.Series, horizon: int, up: float, down: float) -> dict[tuple[str, pd.Timestamp], float]:
    dates = sorted(set(close.index.get_level_values("date")))
    out = {}
    for (symbol, date), price in zip(close.index, close, strict=True):
        at = dates.index(date) + horizon
        later = close.get((symbol, dates[at])) if at < len(dates) else None
        if later is not None:
            move = later / price - 1
            out[symbol, date] = 2.0 if move > up else 0.0 if move < down else 1.0
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["A", "B", "C"]),
        st.dictionaries(st.integers(0, 11), st.floats(50, 150), min_size=1),
        min_size=1,
    ),
    st.integers(1, 4),
)
def test_equals_a_naive_loop(closes: dict[str, dict[int, float]], horizon: int) -> None:
    close = series(closes)
    result = three_class(close, TargetSpec(horizon=horizon, up=0.013, down=-0.021))
    got = result.labels.value.dropna()
    assert dict(got.items()) == naive(close, horizon, 0.013, -0.021)
    assert sum(result.dropped.values()) + len(got) == len(close)


def test_thresholds_are_strict() -> None:
    assert run(100, 101, 100).pipe(three_class, ONE).labels.value.tolist()[:2] == [1.0, 1.0]
    assert three_class(run(100, 99), ONE).labels.value.iloc[0] == 1.0
    assert three_class(run(100, 101.0001), ONE).labels.value.iloc[0] == 2.0
    assert three_class(run(100, 98.9999), ONE).labels.value.iloc[0] == 0.0


def test_last_horizon_rows_have_no_label() -> None:
    labels = three_class(run(*range(100, 112)), TargetSpec(horizon=5)).labels
    assert labels.value.isna().tolist() == [False] * 7 + [True] * 5
    assert labels.end.isna().tolist() == [False] * 7 + [True] * 5


def test_end_is_the_close_h_sessions_later() -> None:
    labels = three_class(run(*range(100, 112)), TargetSpec(horizon=5)).labels
    assert labels.end.iloc[:7].tolist() == list(DATES[5:])
    assert str(labels.end.dtype) == "datetime64[us, UTC]"


def test_a_hole_gives_no_label_instead_of_another_bar() -> None:
    close = series({"A": {0: 100, 2: 120}, "B": {0: 100, 1: 100, 2: 100}})
    result = three_class(close, ONE)
    assert np.isnan(result.labels.value.loc[("A", DATES[0])])
    assert result.dropped["no_bar"] == 1


def test_sessions_count_where_no_symbol_traded() -> None:
    close = run(100, 120).set_axis(pd.MultiIndex.from_product([["A"], DATES[[0, 2]]], names=["symbol", "date"]))
    assert three_class(close, ONE).labels.value.iloc[0] == 2.0
    assert three_class(close, ONE, sessions=micros(DATES)).dropped["no_bar"] == 1
    assert three_class(close, TargetSpec(horizon=2), sessions=micros(DATES)).labels.value.iloc[0] == 2.0


def test_bar_off_the_sessions_is_counted() -> None:
    result = three_class(run(100, 120, 130), ONE, sessions=micros(DATES[1:]))
    assert result.dropped["off_session"] == 1
    assert result.labels.value.tolist()[1] == 2.0
    assert three_class(run(100, 101), ONE, sessions=np.empty(0, np.int64)).dropped["off_session"] == 2


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf])
def test_bad_close_is_counted(bad: float) -> None:
    result = three_class(run(100, bad, 102, 103), ONE)
    assert result.labels.value.isna().tolist() == [True, True, False, True]
    assert result.dropped["bad_close"] == 2


def test_label_across_a_jump_is_dropped() -> None:
    close = run(100, 100, 100, 50, 50, 50)
    jump = {"A": micros(DATES[3:4]), "B": micros(DATES[:1])}
    result = three_class(close, TargetSpec(horizon=2), jumps=jump)
    assert result.labels.value.isna().tolist() == [False, True, True, False, True, True]
    assert result.dropped["jump"] == 2


def test_intraday_horizon_counts_bars() -> None:
    dates = pd.DatetimeIndex([datetime(2020, 1, 6, 20, 59, tzinfo=UTC), datetime(2020, 1, 7, 14, 31, tzinfo=UTC)])
    labels = three_class(pd.Series([100.0, 110.0], dates), ONE).labels
    assert labels.value.iloc[0] == 2.0
    assert labels.end.iloc[0] == dates[1]


def test_row_order_does_not_matter() -> None:
    close = series({"B": dict.fromkeys(range(12), 100.0), "A": {at: 100.0 + 2 * at for at in range(12)}})
    mixed = close.sample(frac=1, random_state=1)
    assert three_class(mixed, ONE).labels.value.sort_index().equals(three_class(close, ONE).labels.value.sort_index())


def test_prepare_target_keeps_the_frame_index() -> None:
    frame = pd.DataFrame({"close": [100.0, 110.0, 100.0]}, pd.date_range("2020-01-01", periods=3))
    target = prepare_target(frame, spec=ONE)
    assert target.index.equals(frame.index)
    assert target.tolist()[:2] == [2.0, 0.0]
    assert np.isnan(target.iloc[2])


def test_prepare_target_reads_the_named_column() -> None:
    frame = run(100, 110).to_frame("last")
    assert prepare_target(frame, "last", spec=ONE).iloc[0] == 2.0
    with pytest.raises(MissingColumns, match="close_col="):
        prepare_target(frame)


def test_closes_as_text_are_refused() -> None:
    frame = pd.DataFrame({"close": ["1,000.5"] * len(DATES)}, DATES)
    with pytest.raises(WrongType, match="closes as numbers in 'close'"):
        prepare_target(frame)


def test_default_target_is_five_sessions() -> None:
    assert prepare_target(run(*range(100, 112)).to_frame("close")).notna().sum() == 7


def test_derived_ends_equal_those_of_the_labels() -> None:
    close = series({"A": dict.fromkeys(range(12), 100.0), "B": dict.fromkeys(range(3, 12), 100.0)})
    spec = TargetSpec(horizon=4)
    assert label_ends(close.index, 4).equals(three_class(close, spec).labels.end)


def test_holes_are_refused_by_name() -> None:
    close = series({"A": {0: 1, 2: 1}, "B": dict.fromkeys(range(3), 1)})
    with pytest.raises(HolesInBars, match=r"1 of 2 symbols.*'A': 1"):
        label_ends(close.index, 1)


def test_end_beyond_the_index_is_not_known() -> None:
    assert micros(label_ends(DATES, 11)).tolist() == [int(DATES[11].timestamp() * 1e6)] + [NOT_KNOWN] * 11


@pytest.mark.real_data
def test_real_stocks_match_pandas() -> None:
    if not REAL.exists():
        pytest.skip(f"real data: {REAL} is not there")
    frame = pd.read_parquet(REAL, columns=["date", "symbol", "close"])
    frame["date"] = pd.to_datetime(frame["date"], utc=True)
    complete = frame.groupby("symbol")["date"].transform("size") == frame["date"].nunique()
    close = frame[complete].set_index(["symbol", "date"])["close"].sort_index()
    target = prepare_target(close.to_frame())
    move = close.groupby("symbol").shift(-5) / close - 1
    sure = (move.abs() - 0.01).abs() > 1e-9
    expected = (1.0 + (move > 0.01) - (move < -0.01)).where(move.notna())
    assert len(close) > 500_000
    assert target[sure].equals(expected[sure].rename("target"))
    assert target.isna().equals(move.isna())
