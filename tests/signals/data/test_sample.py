from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest

from signals.data.records import from_micros
from signals.data.sample import SAMPLE_SYMBOLS, sample_bars, split_ratios
from signals.data.table import BarTable
from signals.errors import ConfigError


@pytest.fixture(scope="module")
def sample() -> BarTable:
    return sample_bars()


def series(symbol: str, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(getattr(importlib.import_module("bokeh_sampledata.stocks"), symbol)[name], float)


def test_five_stocks_all_kept(sample: BarTable) -> None:
    assert sample.symbols == SAMPLE_SYMBOLS
    assert (sample.report.read, sample.report.quarantined) == (12_154, 0)
    assert sample.report.short_histories == {"FB": 196}


def test_bars_are_stamped_with_closes(sample: BarTable) -> None:
    assert from_micros(int(sample.columns["IBM"].time[0])).isoformat() == "2000-03-01T21:00:00+00:00"


@pytest.mark.parametrize("symbol", SAMPLE_SYMBOLS)
def test_the_close_is_the_adjusted_close(sample: BarTable, symbol: str) -> None:
    np.testing.assert_allclose(sample.columns[symbol].values[:, 3], series(symbol, "adj_close"), rtol=1e-12)


@pytest.mark.parametrize("symbol", SAMPLE_SYMBOLS)
def test_no_split_is_left(sample: BarTable, symbol: str) -> None:
    assert not [jump for jump in sample.report.jumps if jump.symbol == symbol]


def test_volume_has_the_splits_of_the_price(sample: BarTable) -> None:
    # Two for one on 2000-06-21 and 2005-02-28, seven for one in 2014: 28 of the last shares for one of the first.
    factor = sample.columns["AAPL"].values[:, 4] / series("AAPL", "volume")
    assert factor[[0, 77, 78, 1253, 1254, -1]].tolist() == [28, 28, 14, 14, 7, 7]


def test_a_dividend_leaves_volume_alone(sample: BarTable) -> None:
    # Microsoft paid 3 dollars on 2004-11-15, a tenth of its price; it split on 2003-02-18.
    factor = sample.columns["MSFT"].values[:, 4] / series("MSFT", "volume")
    assert sorted(set(factor.tolist())) == [1, 2]
    assert (factor == 2).sum() == 743


@pytest.mark.parametrize("split", [2, 3, 7, 1.5, 2.5, 0.5, 0.1])
def test_split_ratios_finds_simple_ratios(split: float) -> None:
    adjusted = np.array([10.0, 10.1, 10.2, 10.1])
    close = adjusted * np.array([split, split, 1, 1])
    np.testing.assert_allclose(split_ratios(close, adjusted), [1, 1, split, 1])


@pytest.mark.parametrize("share", [0.01, 0.1, 0.28])
def test_split_ratios_passes_over_dividends(share: float) -> None:
    adjusted = np.array([10.0, 10.1, 10.2])
    close = adjusted / np.array([1 - share, 1 - share, 1])
    assert split_ratios(close, adjusted).tolist() == [1, 1, 1]


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bokeh_sampledata.stocks", None)
    with pytest.raises(ConfigError, match=r"pip install 'vane-signals\[demo\]'"):
        sample_bars()
