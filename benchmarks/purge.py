"""Leaks and rows dropped by purged splits of a panel, on fixed and variable horizons."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmarks import peer_purge
from benchmarks.timer import OURS, Result, Row, absent
from signals.data.records import I8

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run"]

SYMBOLS, DATES, GROUPS, TEST_GROUPS = 10, 480, 6, 2
HORIZONS = {"fixed horizon": (5, 5), "variable horizon": (1, 20)}
"""Fewest and most sessions until a label is known, drawn evenly for each row."""
COMBINATORIAL, TIME_ORDERED = "combinatorial", "time-ordered"
PYTHON = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
"""The peers' own environment: mlfinpy pins numpy below 2, pandas below 3 and an old numba."""

Folds: TypeAlias = list[tuple[I8, I8]]
System: TypeAlias = tuple[str, str]
"""Its name, and how it was set where there is a choice."""

_NOTES = (
    f"{SYMBOLS} symbols with the same {DATES} daily closes, sorted by time; horizons of 5 sessions, or 1 to 20 drawn "
    "for each row; embargo 0 everywhere; dates divide evenly, so that all systems have the same tests (compared)",
    f"combinatorial: {GROUPS} groups, {TEST_GROUPS} of them tested, 15 folds; time-ordered: each of 5 blocks tested on "
    "all before it; mlfinpy has no such split",
    "leaks: training rows whose interval [t, label known] meets that of a test row of the fold, both ends included, "
    "summed over folds, counted by comparing all pairs; leaks_half_open: without the end",
    "rows_dropped: rows outside the test (time-ordered: before it) that are not trained on, summed over folds",
    "purgedcv's intervals lack their end: as it comes, a label known at the first test close is trained on, a leak by "
    "our count, not by its own, that drops fewer rows; its option to pad, by one microsecond, closes the intervals",
    "skfolio knows no label intervals; it was given the rows of the longest or of the mean horizon to leave out",
    "the ratio rows_dropped is ours over the fewest of a peer with 0 leaks, the worst of the four cases",
)


def run() -> Result:
    """Count what each system leaks and drops, all on the same test rows."""
    rows: list[Row] = []
    shares = []
    for horizon, (fewest, most) in HORIZONS.items():
        panel = generated(fewest, most)
        theirs = peers(panel)
        for scheme, folds in ours(panel).items():
            systems = {(OURS, ""): folds, **theirs.get(scheme, {})}
            found = {system: counted(panel, each, scheme, folds) for system, each in systems.items()}
            for (name, setting), figures in found.items():
                rows.append({"system": name, "case": ", ".join(filter(None, (scheme, horizon, setting))), **figures})
            clean = [each["rows_dropped"] for (name, _), each in found.items() if name != OURS and not each["leaks"]]
            shares += [found[OURS, ""]["rows_dropped"] / min(clean)] if clean else []
        here = {name for systems in theirs.values() for name, _ in systems}
        rows += [absent(name, horizon) for name in peer_purge.PEERS if name not in here]
    ratios = {"leaks": float(sum(float(row["leaks"]) for row in rows if row["system"] == OURS))}
    if shares:
        ratios["rows_dropped"] = max(shares)
    return Result(rows, ratios, {"leaks": "≤ 0", "rows_dropped": "≤ 1"}, _NOTES)


def generated(fewest: int, most: int) -> pd.DataFrame:
    """Return the rows: symbol, t, end (microseconds, UTC without saying so) and the sessions between, sorted by t."""
    import pandas as pd

    days = pd.bdate_range("2015-01-02 21:00", periods=DATES + most).as_unit("us")
    place = np.repeat(np.arange(DATES), SYMBOLS)
    sessions = np.random.default_rng(0).integers(fewest, most + 1, len(place))
    symbols = np.tile([f"S{one}" for one in range(SYMBOLS)], DATES)
    return pd.DataFrame({"symbol": symbols, "t": days[place], "end": days[place + sessions], "sessions": sessions})


def ours(panel: pd.DataFrame) -> dict[str, Folds]:
    """Return our folds by scheme."""
    import pandas as pd

    from signals.ml.dataset import Labels
    from signals.ml.splits import CombinatorialPurged, TimeOrderedFolds

    index = pd.MultiIndex.from_arrays([panel["symbol"], panel["t"].dt.tz_localize("UTC")], names=["symbol", "date"])
    end = panel["end"].dt.tz_localize("UTC").set_axis(index)
    labels = Labels(pd.Series(1.0, index), end)
    schemes = {COMBINATORIAL: CombinatorialPurged(GROUPS, TEST_GROUPS), TIME_ORDERED: TimeOrderedFolds(GROUPS - 1)}
    return {scheme: list(splitter.as_cv(labels).split()) for scheme, splitter in schemes.items()}


def peers(panel: pd.DataFrame) -> Mapping[str, Mapping[System, Folds]]:
    """Return the folds of each installed peer by scheme, made in a child process of their own environment."""
    import pandas as pd

    if not PYTHON.exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        panel.drop(columns="symbol").to_parquet(Path(folder) / "rows.parquet")
        command = [str(PYTHON), "-W", "ignore", peer_purge.__file__, folder, str(GROUPS), str(TEST_GROUPS)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 (our own file, no shell)
        if done.returncode:
            raise RuntimeError(f"the peers' process ended with {done.returncode}:\n{done.stderr}")
        lines = pd.read_parquet(Path(folder) / "splits.parquet")
    found: dict[str, dict[System, Folds]] = {}
    for key, fold in lines.groupby(["scheme", "system", "setting", "fold"], sort=False):
        scheme, system, setting, _ = map(str, key)
        train, test = (fold.loc[fold["part"] == part, "row"].to_numpy(np.int64) for part in ("train", "test"))
        found.setdefault(scheme, {}).setdefault((system, setting), []).append((train, test))
    return found


def counted(panel: pd.DataFrame, folds: Folds, scheme: str, reference: Folds) -> dict[str, float]:
    """Return leaks and rows dropped, summed over folds whose tests must be those of the reference."""
    time, end = (panel[name].to_numpy().astype(np.int64) for name in ("t", "end"))
    leaks, half_open, dropped = 0, 0, 0
    for (train, test), (_, wanted) in zip(folds, reference, strict=True):
        np.testing.assert_array_equal(np.sort(test), np.sort(wanted))
        could = np.setdiff1d(np.arange(len(time)), test)
        if scheme == TIME_ORDERED:
            could = could[time[could] < time[test].min()]
        assert np.isin(train, could).all()
        dropped += len(np.setdiff1d(could, train))
        starts, ends = time[train][:, None], end[train][:, None]
        leaks += int(((starts <= end[test]) & (time[test] <= ends)).any(axis=1).sum())
        half_open += int(((starts < end[test]) & (time[test] < ends)).any(axis=1).sum())
    return {"leaks": leaks, "leaks_half_open": half_open, "rows_dropped": dropped}
