"""One row through prediction and calibration, against the bare prediction of the same trees."""

from __future__ import annotations

import numpy as np
import xgboost as xgb

from benchmarks.bar_latency import bundle
from benchmarks.timer import OURS, Result, Row, medians

__all__ = ["run"]

_PEER = "Booster.inplace_predict"
_ROWS, _REPEATS = 500, 41


def run() -> Result:
    """Predict rows one by one, both sides on the same ones, taking turns."""
    model = bundle()
    bare = xgb.Booster({"nthread": 1})
    bare.load_model(bytearray(model.files()["model.ubj"]))
    bare.set_param({"nthread": 1})
    made = np.random.default_rng(0).normal(size=(_ROWS, 1, len(model.features)))
    rows = list(made.astype(np.float32))

    def ours() -> None:
        for row in rows:
            model.predict(row)

    def peer() -> None:
        for row in rows:
            bare.inplace_predict(row, missing=np.nan, validate_features=False)

    taken = medians({OURS: ours, _PEER: peer}, _REPEATS)
    case = f"one row of {len(model.features)} features"
    found: list[Row] = [
        {"system": system, "case": case, "microseconds": seconds / _ROWS * 1e6} for system, seconds in taken.items()
    ]
    notes = (
        f"medians of {_REPEATS} turns of {_ROWS} rows each, one thread; model of 300 rounds, 3 classes, depth 6",
        f"ours checks the shape, predicts and calibrates ({model.calibrator.chosen}), as float64; the peer returns "
        "what the trees say, as float32",
    )
    return Result(found, {"vs_bare_predict": taken[OURS] / taken[_PEER]}, {"vs_bare_predict": "≤ 1.5"}, notes)
