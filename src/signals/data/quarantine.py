"""The file of refused rows, with their reasons."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from signals.data.atomic import replacing
from signals.data.files import FIELDS
from signals.data.rows import Rows

__all__ = ["write_quarantine"]


def write_quarantine(rows: Rows, path: Path) -> None:
    """Write every refused row as it came, with its place and reason; a header alone where none was refused."""
    cells = ("symbol", "time", *FIELDS)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        out = csv.writer(handle)
        out.writerow(["file", "row", *cells, "reason", "expected", "got", "hint"])
        for index in np.flatnonzero(~rows.faults.sound).tolist():
            error = rows.error(index)
            as_came = [rows.text(index, name) for name in cells]
            reason = [type(error).__name__, error.expected, error.got, error.hint]
            out.writerow([error.file, error.row, *as_came, *reason])
