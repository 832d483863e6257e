from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from benchmarks.timer import OURS

from benchmarks import pbo, purge

built = pytest.mark.skipif(not purge.PYTHON.exists(), reason="the peers' environment is made by `make bench`")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pbo, "DATES", 90)
    monkeypatch.setattr(pbo, "CONFIGURATIONS", 6)
    monkeypatch.setattr(pbo, "BLOCKS", 6)


def test_without_the_peers_environment_it_is_absent(
    small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(purge, "PYTHON", tmp_path / "python")
    found = pbo.run()
    assert [(row["system"], row["case"]) for row in found.rows if row.get("absent")] == [
        (pbo.PEER, measure) for measure in pbo.MEASURES
    ]
    assert [row["case"] for row in found.rows if row["system"] == OURS] == list(pbo.MEASURES)
    assert found.ratios.keys() == {"seconds"}


@pytest.mark.skipif(find_spec("purgedcv") is not None, reason="the peer is installed here")
def test_an_environment_without_the_peer_finds_nothing(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "PYTHON", Path(sys.executable))
    assert pbo.peer(pbo.generated()) == {}


@built
def test_the_peer_finds_the_same(small: None) -> None:
    found = pbo.run()
    assert found.ratios["same_value"] == 1
    assert [row["differs"] for row in found.rows if row["system"] == pbo.PEER] == [0, 0]
