from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from signals.config import DataSettings, Settings
from signals.data.calendar import TradingCalendar
from signals.data.provider import InMemoryProvider
from signals.data.records import BarColumns
from signals.errors import FeatureError
from signals.feature_store import FeatureStore
from signals.features.building import build

SYMBOLS = tuple(f"S{number:03d}" for number in range(120))

BUILDER = """
import sys
from pathlib import Path
import numpy as np
from signals.config import DataSettings, Settings
from signals.data.provider import InMemoryProvider
from signals.data.records import BarColumns
from signals.features.building import build

with np.load(sys.argv[1]) as file:
    provider = InMemoryProvider(BarColumns(name, file["time"], file[name]) for name in file.files if name != "time")
settings = Settings(data=DataSettings(features_dir=Path(sys.argv[2])))
build(provider, settings, provider.symbols(), workers=2, progress=lambda *told: print(told[1], flush=True))
"""


@pytest.fixture(scope="module")
def bars(history: Callable[..., BarColumns]) -> list[BarColumns]:
    one = history(count=300)
    return [BarColumns(symbol, one.time, one.values * (1 + place)) for place, symbol in enumerate(SYMBOLS)]


def settings_in(folder: Path) -> Settings:
    return Settings(data=DataSettings(features_dir=folder))


def test_build_that_was_killed_goes_on(bars: list[BarColumns], tmp_path: Path, calendar: TradingCalendar) -> None:
    folder, file = tmp_path / "features", tmp_path / "bars.npz"
    np.savez(file, time=bars[0].time, **{each.symbol: each.values for each in bars})  # type: ignore[arg-type]
    command = [sys.executable, "-c", BUILDER, str(file), str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603
    assert child.stdout is not None
    told = 0
    while told < 16:  # symbols said to be done
        told = int(child.stdout.readline())
    os.killpg(child.pid, signal.SIGKILL)  # the builder and its two workers: a session of their own
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    settings, provider = settings_in(folder), InMemoryProvider(bars)
    built = build(provider, settings, SYMBOLS, workers=1)
    assert told <= len(built.kept) < len(SYMBOLS)
    assert sorted(built.kept + built.computed) == list(SYMBOLS)
    store = FeatureStore(settings, calculators=())
    found = store.get_features(SYMBOLS, None, None, provider)
    for symbol in (built.kept[0], built.kept[-1], built.computed[0]):
        np.testing.assert_array_equal(found.loc[symbol].to_numpy(), store.history(symbol, provider).to_numpy())
    assert build(provider, settings, SYMBOLS, workers=1).computed == ()


def test_changed_symbols_only_are_computed_again(bars: list[BarColumns], tmp_path: Path) -> None:
    settings, few = settings_in(tmp_path), bars[:3]
    names = [each.symbol for each in few]
    assert build(InMemoryProvider(few), settings, names, workers=1).computed == tuple(names)
    changed = BarColumns(names[1], few[1].time, few[1].values * 2)
    built = build(InMemoryProvider([few[0], changed, few[2]]), settings, names, workers=1)
    assert built.computed == (names[1],)
    assert built.kept == (names[0], names[2])


def test_damaged_files_are_computed_again(bars: list[BarColumns], tmp_path: Path) -> None:
    settings, provider = settings_in(tmp_path), InMemoryProvider(bars[:2])
    names = [each.symbol for each in bars[:2]]
    build(provider, settings, names, workers=1)
    path = tmp_path / f"{names[0]}.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    assert build(provider, settings, names, workers=1).computed == (names[0],)


def test_progress_counts_symbols(bars: list[BarColumns], tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    names = [each.symbol for each in bars[:10]]
    build(InMemoryProvider(bars[:10]), settings_in(tmp_path), names, workers=1, progress=lambda *at: told.append(at))
    assert told == [("features", 0, 10), ("features", 8, 10), ("features", 10, 10)]


def test_folder_that_cannot_be_written_is_an_error(bars: list[BarColumns], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="file"):
        build(InMemoryProvider(bars[:1]), settings_in(tmp_path / "file" / "features"), [SYMBOLS[0]], workers=1)


def test_no_worker_is_refused(bars: list[BarColumns], tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="workers: expected one or more, was 0"):
        build(InMemoryProvider(bars[:1]), settings_in(tmp_path), [SYMBOLS[0]], workers=0)
