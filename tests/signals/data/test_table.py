from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from signals.data.parquet import read_bars
from signals.data.records import Adjusted, Fundamental

Write = Callable[..., Path]

HEADER = "symbol,date,open,high,low,close,volume"
A = ["A,2024-01-02,1,1,1,1,1", "A,2024-01-03,2,2,2,2,2"]
B = ["B,2024-01-02,3,3,3,3,3"]


def fingerprint(write: Write, lines: list[str], adjusted: Adjusted = Adjusted.SPLIT) -> str:
    return read_bars(write(lines, header=HEADER), stamped="session", adjusted=adjusted).fingerprint


def test_fingerprint_knows_no_order_of_files(write: Write, tmp_path: Path) -> None:
    together = fingerprint(write, A + B)
    write(B, header=HEADER, name="split/1.csv")
    write(A, header=HEADER, name="split/2.csv")
    assert read_bars(tmp_path / "split", stamped="session").fingerprint == together


def test_fingerprint_knows_content(write: Write) -> None:
    changed = [*A[:1], "A,2024-01-03,2,2,2,2,2.0000001"]
    variants = [A, A + B, A[:1], changed, [line.replace("A,", "C,") for line in A]]
    prints = [fingerprint(write, lines) for lines in variants] + [fingerprint(write, A, Adjusted.NONE)]
    assert len(set(prints)) == len(prints)


def test_provider_holds_bars_and_facts(write: Write) -> None:
    table = read_bars(write(A + B, header=HEADER), stamped="session", adjusted=Adjusted.NONE)
    at = datetime(2024, 1, 2, tzinfo=UTC)
    fact = Fundamental("A", at, "Assets", "USD", None, at.date(), 1.0)
    provider = table.provider([fact])
    assert (list(provider.symbols()), provider.adjusted) == (["A", "B"], Adjusted.NONE)
    assert provider.facts(Fundamental, "A") == (fact,)
    assert provider.columns("A").values[:, 3].tolist() == [1, 2]
