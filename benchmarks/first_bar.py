"""From the start of Python to the first signals of 500 symbols: imports, model, and features of 513 bars each."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.timer import OURS, Result, Row

__all__ = ["run"]

SYMBOLS, _REPEATS = 500, 5
_CHILD = """
import json, sys, time
began = time.perf_counter()
import numpy as np
from signals.config import Settings
from signals.data.records import BarColumns
from signals.events.log import EventLog
from signals.feature_store import FeatureStore
from signals.ml.artifact import load_bundle
from signals.ml.monitoring import ModelMonitor
from signals.ml.source import FixedModel
from signals.ml_strategy import MLSignalStrategy
imported = time.perf_counter()
folder, settings = sys.argv[1], Settings()
model = load_bundle(folder + "/model")
strategy = MLSignalStrategy(
    settings,
    store=FeatureStore(settings, calculators=()),
    models=FixedModel(model),
    monitor=ModelMonitor(model, settings.monitor),
    sink=EventLog(folder + "/" + sys.argv[2]),
)
made = time.perf_counter()
held = np.load(folder + "/bars.npz")
names, values = held["names"].tolist(), held["values"]
data = {name: BarColumns(name, held["time"], whole).bars() for name, whole in zip(names, values, strict=True)}
loaded = time.perf_counter()
strategy.generate_signals(data)
ended = time.perf_counter()
parts = {"imports": imported - began, "model": made - imported, "bars": loaded - made, "first_bar": ended - loaded}
print(json.dumps({**parts, "whole": ended - began}))
"""


def run() -> Result:
    """Time new processes; the first one, untimed, fills the kernels' cache."""
    from benchmarks.bar_latency import bundle, generated
    from signals.features.catalog import WARMUP
    from signals.ml.artifact import save_bundle

    with tempfile.TemporaryDirectory() as folder:
        save_bundle(bundle(), Path(folder) / "model")
        columns = generated(SYMBOLS, WARMUP + 1)
        np.savez(
            Path(folder) / "bars.npz",
            names=np.array([column.symbol for column in columns]),
            time=columns[0].time,
            values=np.stack([column.values for column in columns]),
        )
        found = [_child(folder, number) for number in range(_REPEATS + 1)][1:]
    seconds = {f"{part}_s": median(one[part] for one in found) for part in found[0]}
    row: Row = {"system": OURS, "case": f"{SYMBOLS} symbols, {WARMUP + 1} bars", **seconds}
    notes = (
        f"medians of {_REPEATS} processes with the kernels' cache on disk; imports, settings and model, bars as "
        "objects from arrays, and the first generate_signals, which builds every symbol's state, with monitor and log",
    )
    return Result([row], {"seconds": seconds["whole_s"]}, notes=notes)


def _child(folder: str, number: int) -> dict[str, float]:
    command = [sys.executable, "-c", _CHILD, folder, f"{number}.db"]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # noqa: S603 (our own text, no shell)
    return found
