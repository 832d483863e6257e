from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from structlog.testing import capture_logs

from signals import feature_store
from signals.config import DataSettings, Settings
from signals.data.calendar import TradingCalendar
from signals.data.provider import InMemoryProvider
from signals.data.records import BarColumns, InsiderTransaction, SectorMedian, ShortInterest, from_micros
from signals.errors import FeatureError
from signals.feature_store import FeatureStore
from signals.features.catalog import names
from signals.features.fundamental import SECTORS
from strategy.slices import Slice

START = datetime(2014, 1, 1, tzinfo=UTC)


def history(symbol: str, seed: int, count: int = 300) -> BarColumns:
    rng = np.random.default_rng(seed)
    closes = TradingCalendar("XNYS").closes
    first = int(np.searchsorted(closes, 1_388_600_000_000_000))  # 2014-01-01
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, count)))
    values = np.column_stack([close * 1.001, close * 1.01, close * 0.99, close, rng.lognormal(12, 0.3, count)])
    return BarColumns(symbol, closes[first : first + count], values)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(Settings(data=DataSettings(features_dir=tmp_path / "features")))


@pytest.fixture
def provider() -> InMemoryProvider:
    return InMemoryProvider([history("BRK/B", 1), history("AAA", 2, 200), history("SPY", 3), history("^VIX", 4)])


def test_frame_of_one_symbol(store: FeatureStore) -> None:
    bars = history("AAA", 1)
    frame = store.compute_features("AAA", bars, history("SPY", 2), history("^VIX", 3), history("XLE", 4))
    assert tuple(frame.columns) == names()
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    assert frame.index.name == "date"
    assert str(frame.index.dtype) == "datetime64[us, UTC]"
    assert frame.index[0].to_pydatetime() == from_micros(int(bars.time[0]))
    kernel = [name for name in names() if name in ("return_252", "market_beta_60", "strength_sector_20", "month_end")]
    assert frame[kernel].iloc[-1].notna().all()


def test_bars_may_come_as_objects(store: FeatureStore) -> None:
    bars = history("AAA", 1, 60)
    pd.testing.assert_frame_equal(store.compute_features("AAA", bars.bars()), store.compute_features("AAA", bars))


def test_bars_that_are_none_are_refused(store: FeatureStore) -> None:
    bars = history("AAA", 1, 10)
    bars.values[3, 3] = -1
    with pytest.raises(FeatureError, match="AAA at 2014"):
        store.compute_features("AAA", bars)


def test_a_provider_of_bars_that_are_none_is_refused(store: FeatureStore, provider: InMemoryProvider) -> None:
    provider.columns("AAA").values[3, 1] = 1.0
    with pytest.raises(FeatureError, match="AAA at 2014"):
        store.get_features(["AAA"], None, None, provider)


def test_missing_sources_are_missing_values_and_said_once(store: FeatureStore) -> None:
    with capture_logs() as logs:
        frame = store.compute_features("AAA", history("AAA", 1))
        store.compute_features("BBB", history("BBB", 2))
    said = [entry["source"] for entry in logs if entry["event"] == "features.source_missing"]
    assert sorted(said) == sorted(
        [
            "market",
            "volatility",
            "sector",
            "fundamentals",
            "sector fundamentals",
            "insider transactions",
            "short interest",
        ]
    )
    for name in ("market_beta_60", "volatility_level", "strength_sector_20", "pe", "insider_net_buys_90d"):
        assert frame[name].isna().all()


def test_facts_reach_their_features(store: FeatureStore) -> None:
    bars = history("AAA", 1)
    known = from_micros(int(bars.time[100]))
    frame = store.compute_features(
        "AAA",
        bars,
        insider_transactions=[InsiderTransaction("AAA", known, known.date(), 10.0, 500.0)],
        short_interest=[ShortInterest("AAA", known, date(2014, 5, 1), 1e5, 3.0)],
        sector_fundamentals=[SectorMedian(SECTORS[3], known, pe=10.0)],
    )
    assert frame["insider_net_buys_90d"].isna().iloc[:100].all()
    assert frame["insider_net_buys_90d"].iloc[100] == 1
    assert frame["short_days_to_cover"].iloc[100] == 3
    assert (frame["sector_energy"] == 1).all()


def test_facts_about_another_company_are_refused(store: FeatureStore) -> None:
    bars = history("AAA", 1)
    known = from_micros(int(bars.time[100]))
    with pytest.raises(FeatureError, match="some about BBB"):
        store.compute_features(
            "AAA", bars, insider_transactions=[InsiderTransaction("BBB", known, known.date(), 10.0, 500.0)]
        )


def test_panel_is_sorted_by_symbol_and_date(store: FeatureStore, provider: InMemoryProvider) -> None:
    panel = store.get_features(["BRK/B", "AAA", "AAA"], None, None, provider)
    assert panel.index.names == ["symbol", "date"]
    assert panel.index.is_monotonic_increasing
    assert panel.index.get_level_values("symbol").unique().tolist() == ["AAA", "BRK/B"]
    assert len(panel) == 500
    assert str(panel.index.get_level_values("date").dtype) == "datetime64[us, UTC]"


def test_history_before_the_start_is_warm_up(store: FeatureStore, provider: InMemoryProvider) -> None:
    whole = store.get_features(["AAA"], None, None, provider).droplevel("symbol")
    start, end = whole.index[150], whole.index[160]
    part = store.get_features(["AAA"], start.to_pydatetime(), end.to_pydatetime(), provider).droplevel("symbol")
    pd.testing.assert_frame_equal(part, whole.iloc[150:161])


def test_panel_is_what_one_symbol_gives(store: FeatureStore, provider: InMemoryProvider) -> None:
    alone = store.compute_features("AAA", provider.columns("AAA"), provider.columns("SPY"), provider.columns("^VIX"))
    pd.testing.assert_frame_equal(store.get_features(["AAA"], None, None, provider).droplevel("symbol"), alone)


def test_second_call_reads_the_cache(
    store: FeatureStore, provider: InMemoryProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.get_features(["AAA", "BRK/B"], None, None, provider)

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(feature_store, "compute", never)
    pd.testing.assert_frame_equal(store.get_features(["AAA", "BRK/B"], None, None, provider), first)


def test_changed_data_is_never_served_from_the_cache(store: FeatureStore, provider: InMemoryProvider) -> None:
    old = store.get_features(["AAA"], None, None, provider)
    provider.load([history("AAA", 9, 200)])
    new = store.get_features(["AAA"], None, None, provider)
    assert not new["range"].equals(old["range"]) or not new["return_1"].equals(old["return_1"])
    provider.load([history("SPY", 9)])
    assert not store.get_features(["AAA"], None, None, provider)["market_beta_60"].equals(new["market_beta_60"])


def test_saved_features_are_loaded_in_range(store: FeatureStore) -> None:
    frame = store.compute_features("^VIX", history("^VIX", 1, 30))
    store.save("^VIX", frame, fingerprint="f")
    start, end = frame.index[3].to_pydatetime(), frame.index[7].to_pydatetime()
    found = store.load("^VIX", start, end, fingerprint="f")
    assert found is not None
    pd.testing.assert_frame_equal(found, frame.iloc[3:8])
    assert store.load("^VIX", start, end, fingerprint="g") is None


def test_folder_that_cannot_be_written_is_said_and_no_error(tmp_path: Path, provider: InMemoryProvider) -> None:
    (tmp_path / "file").write_text("in the way")
    store = FeatureStore(Settings(data=DataSettings(features_dir=tmp_path / "file")))
    with capture_logs() as logs:
        assert len(store.get_features(["AAA", "BRK/B"], None, None, provider)) == 500
    assert [entry["event"] for entry in logs].count("features.cache_not_written") == 1


def test_symbol_without_bars_is_said(store: FeatureStore, provider: InMemoryProvider) -> None:
    with capture_logs() as logs:
        empty = store.get_features(["NONE"], None, None, provider)
    assert logs[0]["symbol"] == "NONE"
    assert empty.shape == (0, len(names()))
    assert empty.index.names == ["symbol", "date"]


def test_settings_are_read_when_none_are_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SA_DATA__FEATURES_DIR", "elsewhere")
    store = FeatureStore()
    store.save("AAA", store.compute_features("AAA", history("AAA", 1, 5)), fingerprint="f")
    assert (tmp_path / "elsewhere" / "AAA.parquet").exists()


def test_live_row_is_the_panels_last(store: FeatureStore, provider: InMemoryProvider) -> None:
    panel = store.get_features(["AAA"], None, None, provider)
    bars = {symbol: provider.bars(symbol, START, START + timedelta(days=999)) for symbol in ("AAA", "SPY", "^VIX")}
    newest = bars["AAA"][-1]
    data = {symbol: [bar for bar in found if bar.timestamp <= newest.timestamp] for symbol, found in bars.items()}
    rows = store.live(["AAA"], provider).update(Slice(newest.timestamp, {"AAA": newest}), data)
    np.testing.assert_array_equal(rows.values, panel.to_numpy()[-1:])
