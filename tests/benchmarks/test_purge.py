from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.timer import OURS

from benchmarks import peer_purge, purge
from signals.data.records import I8

built = pytest.mark.skipif(not purge.PYTHON.exists(), reason="the peers' environment is made by `make bench`")


def rows(*sessions: int) -> pd.DataFrame:
    """One symbol's rows, each with the days until its label is known."""
    days = pd.date_range("2020-01-01 21:00", periods=len(sessions), unit="us")
    return pd.DataFrame({"t": days, "end": days + pd.to_timedelta(sessions, unit="D")})


def at(*positions: int) -> I8:
    return np.array(positions, np.int64)


def test_leaks_and_dropped_rows_are_counted_by_pairs() -> None:
    panel, test = rows(1, 1, 2, 1, 1, 3, 0, 0, 0, 0), at(4, 5)
    folds = [(at(0, 1, 2, 3, 6, 8, 9), test)]  # 2 and 3 end on 4, 6 and 8 lie in what 5 reaches to
    found = purge.counted(panel, folds, purge.COMBINATORIAL, folds)
    assert found == {"leaks": 4, "leaks_half_open": 1, "rows_dropped": 1}
    forward = [(at(0, 2), test)]
    assert purge.counted(panel, forward, purge.TIME_ORDERED, folds) == {
        "leaks": 1,
        "leaks_half_open": 0,
        "rows_dropped": 2,
    }


def test_other_tests_than_ours_are_refused() -> None:
    with pytest.raises(AssertionError):
        purge.counted(rows(1, 1, 1, 1), [(at(0), at(3))], purge.COMBINATORIAL, [(at(0), at(2))])


def test_without_the_peers_environment_they_are_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(purge, "PYTHON", tmp_path / "python")
    monkeypatch.setattr(purge, "DATES", 120)
    found = purge.run()
    gone = [(row["system"], row["case"]) for row in found.rows if row.get("absent") == 1]
    assert gone == [(peer, horizon) for horizon in purge.HORIZONS for peer in peer_purge.PEERS]
    ours = [row for row in found.rows if row["system"] == OURS]
    assert len(ours) == 4
    assert all(row["leaks"] == 0 and float(row["rows_dropped"]) > 0 for row in ours)
    assert found.ratios == {"leaks": 0.0}


@pytest.mark.skipif(any(map(find_spec, peer_purge.PEERS)), reason="a peer is installed here")
def test_an_environment_without_peers_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "PYTHON", Path(sys.executable))
    assert purge.peers(purge.generated(1, 3)) == {}


@built
@pytest.mark.parametrize("horizon", purge.HORIZONS)
def test_closed_intervals_of_purgedcv_are_ours(horizon: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "DATES", 240)
    panel = purge.generated(*purge.HORIZONS[horizon])
    theirs = purge.peers(panel)
    for scheme, folds in purge.ours(panel).items():
        other = theirs[scheme]["purgedcv", "closed intervals"]
        assert [[part.tolist() for part in fold] for fold in folds] == [[p.tolist() for p in fold] for fold in other]
