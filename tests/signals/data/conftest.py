from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

HEADER = "date,open,high,low,close,volume"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write lines under a header as a CSV; by default daily bars of the symbol that the file's stem names."""

    def make(lines: Sequence[str], *, header: str = HEADER, name: str = "ABC.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join([header, *lines]) + "\n")
        return path

    return make
