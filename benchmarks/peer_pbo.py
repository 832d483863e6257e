"""The probability of backtest overfitting by purgedcv: run by `benchmarks.pbo` with the peers' own Python.

``python benchmarks/peer_pbo.py FOLDER BLOCKS`` reads ``performance.npy`` there (dates, configurations) and writes
``found.json``: by measure the seconds of one run, the value, and the logits of all splits. It imports nothing of ours,
and writes nothing where purgedcv is not installed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np


def main(folder: Path, blocks: int) -> None:
    """Write what purgedcv makes of the performance."""
    try:
        from purgedcv import probability_of_backtest_overfitting
    except ImportError:
        return
    performance = np.load(folder / "performance.npy").T
    found = {}
    for measure, setting in {"mean": {"metric": np.mean}, "sharpe": {}}.items():
        began = time.perf_counter()
        result = probability_of_backtest_overfitting(performance, blocks, **setting)
        seconds = time.perf_counter() - began
        found[measure] = {"seconds": seconds, "pbo": result.pbo, "logits": result.logits.tolist()}
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
