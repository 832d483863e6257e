from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from signals.errors import HolesInBars, MissingColumns, TrainingError, WrongType
from signals.ml.dataset import NOT_KNOWN, make_dataset, micros
from signals.ml.recipe import TargetSpec
from signals.ml.splits import WalkForward
from signals.ml.target import horizons_of, label_ends, labels_of, prepare_target

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


@hypothesis_settings(max_examples=60)
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
    result = labels_of(close, TargetSpec(horizon=horizon, up=0.013, down=-0.021))
    got = result.labels.value.dropna()
    assert dict(got.items()) == naive(close, horizon, 0.013, -0.021)
    assert sum(result.dropped.values()) + len(got) == len(close)


def test_thresholds_are_strict() -> None:
    assert run(100, 101, 100).pipe(labels_of, ONE).labels.value.tolist()[:2] == [1.0, 1.0]
    assert labels_of(run(100, 99), ONE).labels.value.iloc[0] == 1.0
    assert labels_of(run(100, 101.0001), ONE).labels.value.iloc[0] == 2.0
    assert labels_of(run(100, 98.9999), ONE).labels.value.iloc[0] == 0.0


def test_last_horizon_rows_have_no_label() -> None:
    labels = labels_of(run(*range(100, 112)), TargetSpec(horizon=5)).labels
    assert labels.value.isna().tolist() == [False] * 7 + [True] * 5
    assert labels.end.isna().tolist() == [False] * 7 + [True] * 5


def test_end_is_the_close_h_sessions_later() -> None:
    labels = labels_of(run(*range(100, 112)), TargetSpec(horizon=5)).labels
    assert labels.end.iloc[:7].tolist() == list(DATES[5:])
    assert str(labels.end.dtype) == "datetime64[us, UTC]"


def test_a_hole_gives_no_label_instead_of_another_bar() -> None:
    close = series({"A": {0: 100, 2: 120}, "B": {0: 100, 1: 100, 2: 100}})
    result = labels_of(close, ONE)
    assert np.isnan(result.labels.value.loc[("A", DATES[0])])
    assert result.dropped["no_bar"] == 1


def test_sessions_count_where_no_symbol_traded() -> None:
    close = run(100, 120).set_axis(pd.MultiIndex.from_product([["A"], DATES[[0, 2]]], names=["symbol", "date"]))
    assert labels_of(close, ONE).labels.value.iloc[0] == 2.0
    assert labels_of(close, ONE, sessions=micros(DATES)).dropped["no_bar"] == 1
    assert labels_of(close, TargetSpec(horizon=2), sessions=micros(DATES)).labels.value.iloc[0] == 2.0


def test_bar_off_the_sessions_is_counted() -> None:
    result = labels_of(run(100, 120, 130), ONE, sessions=micros(DATES[1:]))
    assert result.dropped["off_session"] == 1
    assert result.labels.value.tolist()[1] == 2.0
    assert labels_of(run(100, 101), ONE, sessions=np.empty(0, np.int64)).dropped["off_session"] == 2


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0, np.inf])
def test_bad_close_is_counted(bad: float) -> None:
    result = labels_of(run(100, bad, 102, 103), ONE)
    assert result.labels.value.isna().tolist() == [True, True, False, True]
    assert result.dropped["bad_close"] == 2


def test_label_across_a_jump_is_dropped() -> None:
    close = run(100, 100, 100, 50, 50, 50)
    jump = {"A": micros(DATES[3:4]), "B": micros(DATES[:1])}
    result = labels_of(close, TargetSpec(horizon=2), jumps=jump)
    assert result.labels.value.isna().tolist() == [False, True, True, False, True, True]
    assert result.dropped["jump"] == 2


def test_intraday_horizon_counts_bars() -> None:
    dates = pd.DatetimeIndex([datetime(2020, 1, 6, 20, 59, tzinfo=UTC), datetime(2020, 1, 7, 14, 31, tzinfo=UTC)])
    labels = labels_of(pd.Series([100.0, 110.0], dates), ONE).labels
    assert labels.value.iloc[0] == 2.0
    assert labels.end.iloc[0] == dates[1]


def test_row_order_does_not_matter() -> None:
    close = series({"B": dict.fromkeys(range(12), 100.0), "A": {at: 100.0 + 2 * at for at in range(12)}})
    mixed = close.sample(frac=1, random_state=1)
    assert labels_of(mixed, ONE).labels.value.sort_index().equals(labels_of(close, ONE).labels.value.sort_index())


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
    with pytest.raises(WrongType, match="prices as numbers in 'close'"):
        prepare_target(frame)


def test_default_target_is_five_sessions() -> None:
    assert prepare_target(run(*range(100, 112)).to_frame("close")).notna().sum() == 7


def test_derived_ends_equal_those_of_the_labels() -> None:
    close = series({"A": dict.fromkeys(range(12), 100.0), "B": dict.fromkeys(range(3, 12), 100.0)})
    for prices in ("close_close", "open_open"):
        spec = TargetSpec(horizon=4, prices=prices)
        assert label_ends(close.index, spec).equals(labels_of(close, spec, opens=close).labels.end)


def test_holes_are_refused_by_name() -> None:
    close = series({"A": {0: 1, 2: 1}, "B": dict.fromkeys(range(3), 1)})
    with pytest.raises(HolesInBars, match=r"1 of 2 symbols.*'A': 1"):
        label_ends(close.index, TargetSpec(horizon=1))


def test_end_beyond_the_index_is_not_known() -> None:
    assert (
        micros(label_ends(DATES, TargetSpec(horizon=11))).tolist()
        == [int(DATES[11].timestamp() * 1e6)] + [NOT_KNOWN] * 11
    )


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


def panel(seed: int, symbols: int = 12, sessions: int = 60) -> tuple[pd.Series, pd.Series]:
    """Closes and opens of a random walk, some of them missing."""
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2020-01-02 21:00", periods=sessions, tz="UTC").as_unit("us")
    index = pd.MultiIndex.from_product([[f"S{n:02}" for n in range(symbols)], dates], names=["symbol", "date"])
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (symbols, sessions)), axis=1))
    opens = close * np.exp(rng.normal(0, 0.005, close.shape))
    gone = rng.random(close.shape) < 0.02
    return tuple(pd.Series(np.where(gone, np.nan, each).ravel(), index) for each in (close, opens))  # type: ignore[return-value]  # two


def one_by_one(close: pd.Series, opens: pd.Series, spec: TargetSpec) -> pd.DataFrame:
    """Return, volatility of it and end of every row, one by one."""
    rows = []
    for symbol, group in close.groupby(level="symbol"):
        prices, dates = group.to_numpy(), group.index.get_level_values("date")
        bought = prices if spec.prices == "close_close" else opens.loc[symbol].to_numpy()
        wait = 0 if spec.prices == "close_close" else 1
        for at in range(len(prices)):
            first, last = at + wait, at + wait + spec.horizon
            known = last < len(prices)
            move = bought[last] / bought[first] - 1 if known else np.nan
            past = np.diff(np.log(prices[at - 20 : at + 1])) if at >= 20 else np.array([np.nan])
            spread = np.std(past, ddof=1) * spec.horizon**0.5 if at >= 20 else np.nan
            rows.append((move, spread, dates[last] if known and not np.isnan(move) else pd.NaT))
    return pd.DataFrame(rows, close.index, ["move", "spread", "end"])


@pytest.mark.parametrize("prices", ["close_close", "open_open"])
@pytest.mark.parametrize("kind", ["three_class", "binary", "return"])
def test_every_kind_is_what_a_loop_says(kind: Any, prices: Any) -> None:
    close, opens = panel(1)
    spec = TargetSpec(kind=kind, prices=prices, horizon=3, up=0.01, down=-0.02)
    expected = one_by_one(close, opens, spec)
    found = labels_of(close, spec, opens=opens).labels
    move = expected["move"]
    wanted = {
        "return": move,
        "binary": (move > 0.01).astype(float).where(move.notna()),
        "three_class": (1.0 + (move > 0.01) - (move < -0.02)).where(move.notna()),
    }[kind]
    np.testing.assert_allclose(found.value, wanted, rtol=1e-12)
    assert found.end.isna().tolist() == expected["end"].isna().tolist()
    assert (found.end.dropna() == pd.to_datetime(expected["end"].dropna(), utc=True)).all()


def test_thresholds_in_units_of_volatility_move_with_it() -> None:
    close, opens = panel(2)
    spec = TargetSpec(unit="volatility", horizon=3, up=0.5, down=-0.5)
    expected = one_by_one(close, opens, spec)
    found = labels_of(close, spec)
    score = expected["move"] / expected["spread"]
    wanted = (1.0 + (score > 0.5) - (score < -0.5)).where(score.notna())
    np.testing.assert_array_equal(found.labels.value, wanted)
    assert found.dropped["no_volatility"] == int((expected["move"].notna() & expected["spread"].isna()).sum()) > 0
    scaled = labels_of(close * 1000.0, spec).labels.value
    np.testing.assert_array_equal(scaled, found.labels.value)


def test_volatility_does_not_know_where_history_began() -> None:
    close, _ = panel(3)
    spec = TargetSpec(unit="volatility", horizon=3, up=0.5, down=-0.5)
    late = close[close.index.get_level_values("date") >= close.index.get_level_values("date")[15]]
    whole, cut = (labels_of(each, spec).labels.value.unstack("symbol") for each in (close, late))
    pd.testing.assert_frame_equal(cut.iloc[20:], whole.iloc[35:])


def test_quintiles_are_ranks_of_the_date() -> None:
    close, opens = panel(4)
    found = labels_of(close, TargetSpec(kind="quintile", horizon=3)).labels.value
    moves = one_by_one(close, opens, TargetSpec(horizon=3))["move"]
    for date, value in found.groupby(level="date"):
        of_date = moves.xs(date, level="date").dropna()
        if len(of_date) < 10:
            assert value.isna().all()
            continue
        ranks = of_date.rank(method="first") - 1
        expected = (ranks * 5 // len(of_date)).reindex(value.index.get_level_values("symbol"))
        np.testing.assert_array_equal(value, expected)


@given(seed=st.integers(0, 100), cut=st.integers(25, 55), kind=st.sampled_from(["three_class", "return", "quintile"]))
@hypothesis_settings(max_examples=25)
def test_what_comes_after_a_label_s_end_changes_nothing(seed: int, cut: int, kind: Any) -> None:
    close, opens = panel(seed, symbols=11)
    spec = TargetSpec(kind=kind, unit="volatility" if kind == "three_class" else "fraction", prices="open_open")
    found = labels_of(close, spec, opens=opens).labels
    date = close.index.get_level_values("date")
    after = date > date[cut]
    other = labels_of(close.where(~after, close * 1.7), spec, opens=opens.where(~after, opens / 3)).labels
    known = (found.end <= date[cut]).to_numpy()
    np.testing.assert_array_equal(other.value[known], found.value[known])


def test_opens_are_asked_for() -> None:
    close, _ = panel(5, symbols=1)
    with pytest.raises(TrainingError, match="opens="):
        labels_of(close, TargetSpec(prices="open_open"))


def test_several_horizons_are_each_its_own() -> None:
    close, _ = panel(6)
    several = horizons_of(close, TargetSpec(), [1, 5])
    for horizon, found in several.items():
        alone = labels_of(close, TargetSpec(horizon=horizon)).labels
        pd.testing.assert_series_equal(found.labels.value, alone.value)
    with pytest.raises(TrainingError, match="each once"):
        horizons_of(close, TargetSpec(), [5, 5])


@pytest.mark.parametrize("spec", [TargetSpec(kind="return", prices="open_open"), TargetSpec(kind="binary", horizon=3)])
def test_purging_knows_every_kind_of_label(spec: TargetSpec) -> None:
    close, opens = panel(7, sessions=400)
    labels = labels_of(close, spec, opens=opens).labels
    frame = pd.DataFrame({"one": 1.0}, close.index)
    data = make_dataset(frame, labels)
    for split in WalkForward(6, 3, 3, spec.horizon).split(data.labels):
        assert split.audit.overlaps == 0
        assert data.label_end[split.train].max() < data.timestamps[split.test].min()
