from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from signals.data.records import Adjusted, BarColumns
from signals.features import cache
from signals.features.batch import SymbolInputs
from signals.features.catalog import names
from signals.features.symbol_facts import SymbolFacts

History = Callable[..., BarColumns]


@pytest.fixture
def frame() -> pd.DataFrame:
    index = pd.DatetimeIndex(np.array([1, 2, 3]).astype("datetime64[us]"), name="date").tz_localize("UTC")
    values = np.arange(3 * len(names()), dtype=np.float32).reshape(3, -1)
    values[0, 0] = np.nan
    return pd.DataFrame(values, index, list(names()))


def test_what_was_written_is_read(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = tmp_path / "deep" / "AAA.parquet"
    cache.write(path, frame, "f1")
    found = cache.read(path, "f1")
    assert found is not None
    pd.testing.assert_frame_equal(found, frame)
    assert [file.name for file in path.parent.iterdir()] == ["AAA.parquet"]


def test_other_data_is_a_miss(tmp_path: Path, frame: pd.DataFrame) -> None:
    cache.write(tmp_path / "a", frame, "f1")
    assert cache.read(tmp_path / "a", "f2") is None


def test_other_catalogue_is_a_miss(tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write(tmp_path / "a", frame, "f1")
    monkeypatch.setattr(cache, "catalogue_hash", lambda: "another")
    assert cache.read(tmp_path / "a", "f1") is None


def test_other_columns_are_a_miss(tmp_path: Path, frame: pd.DataFrame) -> None:
    cache.write(tmp_path / "a", frame.iloc[:, ::-1], "f1")
    assert cache.read(tmp_path / "a", "f1") is None


def test_absent_foreign_and_damaged_files_are_misses(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = tmp_path / "a"
    assert cache.read(path, "f1") is None
    frame.to_parquet(path)
    assert cache.read(path, "f1") is None
    cache.write(path, frame, "f1")
    path.write_bytes(path.read_bytes()[:-20])
    assert cache.read(path, "f1") is None


def test_flipped_bits_are_never_served(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = tmp_path / "a"
    cache.write(path, frame, "f1")
    whole = path.read_bytes()
    values = whole.find(frame.to_numpy()[1, 50].tobytes())
    misses = 0
    for place in [values, *range(0, len(whole), len(whole) // 150)]:
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        found = cache.read(path, "f1")
        misses += found is None
        assert found is None or found.equals(frame), place
        assert place != values or found is None
    assert misses > 50


def test_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write(tmp_path / "a", frame, "f1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        cache.write(tmp_path / "a", frame, "f2")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert cache.read(tmp_path / "a", "f1") is not None


@pytest.mark.parametrize("symbol", ["^VIX", "BRK/B", "..", "a b", "ÄÖ", "AAA"])
def test_file_names_are_safe_and_distinct(tmp_path: Path, symbol: str) -> None:
    path = cache.file_of(tmp_path, symbol)
    assert path.parent == tmp_path
    assert path.name.isascii()
    assert not set(path.name) & set("/\\^ ")
    assert path != cache.file_of(tmp_path, symbol + "x")


def test_every_input_shows_in_the_fingerprint(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = history(1, count=5), history(2, count=5)
    inputs = SymbolInputs(one, one, one, ((0, one),))
    variants = [
        inputs,
        replace(inputs, columns=other),
        replace(inputs, market=other),
        replace(inputs, volatility=None),
        replace(inputs, sector_series=((0, other),)),
        replace(inputs, sector_series=((0, one), (2, None))),
        replace(inputs, sectors=("Energy",) * 5),
        replace(inputs, facts=SymbolFacts(adjusted=Adjusted.NONE)),
    ]
    prints = [cache.fingerprint(variant, "XNYS") for variant in variants] + [cache.fingerprint(inputs, "XLON")]
    assert cache.fingerprint(inputs, "XNYS") == prints[0]
    for part in ("_code_hash", "_sessions_hash"):
        with monkeypatch.context() as patch:
            patch.setattr(cache, part, lambda *_: "other")
            prints.append(cache.fingerprint(inputs, "XNYS"))
    assert len(set(prints)) == len(prints)
