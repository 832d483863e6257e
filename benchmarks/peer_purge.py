"""What mlfinpy, skfolio and purgedcv train and test on: run by `benchmarks.purge` with the peers' own Python.

``python benchmarks/peer_purge.py FOLDER GROUPS TEST_GROUPS`` reads ``rows.parquet`` there (t, end, and the sessions
between, sorted by t) and writes ``splits.parquet``: one line a row that a system trains or tests on. It imports nothing
of ours, and leaves out a peer that is not installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import comb
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

Folds: TypeAlias = Iterable[tuple[Any, Any]]
Found: TypeAlias = Iterator[tuple[str, str, Folds]]
"""How a system was set, the scheme, and its folds."""


def main(folder: Path, groups: int, test_groups: int) -> None:
    """Write what each installed peer makes of the rows."""
    rows = pd.read_parquet(folder / "rows.parquet")
    parts = []
    for system, peer in PEERS.items():
        try:
            for setting, scheme, folds in peer(rows, groups, test_groups):
                for number, (train, test) in enumerate(folds):
                    named = {"system": system, "setting": setting, "scheme": scheme, "fold": number}
                    parts += [pd.DataFrame({**named, "part": "train", "row": np.asarray(train, np.int64)})]
                    parts += [pd.DataFrame({**named, "part": "test", "row": np.asarray(test, np.int64)})]
        except ImportError:
            continue
    empty = pd.DataFrame(columns=["system", "setting", "scheme", "fold", "part", "row"])
    (pd.concat(parts) if parts else empty).to_parquet(folder / "splits.parquet", index=False)


def _mlfinpy(rows: pd.DataFrame, groups: int, test_groups: int) -> Found:
    from mlfinpy.cross_validation import CombinatorialPurgedKFold

    ends = pd.Series(rows["end"].to_numpy(), pd.DatetimeIndex(rows["t"]))
    splitter = CombinatorialPurgedKFold(groups, test_groups, samples_info_sets=ends)  # it sets its embargo to 0 itself
    # Behind its last fold the generator raises, so that it must not be asked for one more.
    yield "", "combinatorial", islice(splitter.split(ends.to_frame()), comb(groups, test_groups))


def _skfolio(rows: pd.DataFrame, groups: int, test_groups: int) -> Found:
    from skfolio.model_selection import CombinatorialPurgedCV, WalkForward

    X, symbols, block = rows[["sessions"]], len(rows) // rows["t"].nunique(), len(rows) // groups
    settings = {"longest horizon": int(rows["sessions"].max()), "mean horizon": round(rows["sessions"].mean())}
    if rows["sessions"].nunique() == 1:
        settings = {"": int(rows["sessions"].iloc[0])}
    for setting, sessions in settings.items():
        # It knows no label intervals, but a number of rows that are left out next to a test.
        gap = sessions * symbols
        combined = CombinatorialPurgedCV(groups, test_groups, purged_size=gap)
        yield setting, "combinatorial", ((train, np.concatenate(tests)) for train, tests in combined.split(X))
        walk = WalkForward(test_size=block, train_size=block - gap, purged_size=gap, expand_train=True)
        yield setting, "time-ordered", walk.split(X)


def _purgedcv(rows: pd.DataFrame, groups: int, test_groups: int) -> Found:
    from purgedcv import CombinatorialPurgedCV, WalkForwardSplit

    block = len(rows) // groups
    # Its intervals lack their end; a microsecond of padding, the resolution of the rows, closes them.
    for setting, padding in {"as it comes": None, "closed intervals": pd.Timedelta(microseconds=1)}.items():
        times = {"prediction_times": rows["t"], "evaluation_times": rows["end"], "purge_horizon": padding}
        yield setting, "combinatorial", CombinatorialPurgedCV(groups, test_groups, **times).split(rows)
        yield setting, "time-ordered", WalkForwardSplit(groups - 1, block, **times).split(rows)


PEERS: dict[str, Callable[[pd.DataFrame, int, int], Found]] = {
    "mlfinpy": _mlfinpy,
    "skfolio": _skfolio,
    "purgedcv": _purgedcv,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
