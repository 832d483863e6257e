"""What reading found: how many rows were kept and refused, why, and what looks odd without being wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from signals.data.cells import NO_TIME
from signals.data.faults import KINDS
from signals.data.gaps import OffSession, session_gaps
from signals.data.jumps import split_like_jumps
from signals.data.records import BarColumns, from_micros, to_micros
from signals.data.rows import Rows

__all__ = ["WARMUP_BARS", "Jump", "Problem", "QualityReport", "report_on"]

WARMUP_BARS = 512
"""Bars of history before a decision: as far back as the slowest average of the catalogue remembers in float32."""

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows that were refused for one reason.

    Parameters
    ----------
    kind
        Name of the error's class.
    fields
        How many of the `rows` showed it in which field; a row can show it in several.
    examples
        The first errors, as sentences.
    """

    kind: str
    rows: int
    fields: Mapping[str, int]
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """A split-like jump: the close of the first bar on the new level, and its open over the close before."""

    symbol: str
    time: datetime
    ratio: float


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The figures of one reading; ``read == kept + quarantined`` always.

    Parameters
    ----------
    problems
        Why rows were refused, most rows first.
    jumps
        Split-like jumps in what was kept.
    missing_sessions
        By symbol, sessions between its first and last row for which the files have no row at all (refused rows are
        there, and counted among the problems).
    late_starters
        By symbol, the session of its first row, where that is later than the earliest of all.
    incomplete
        Symbols without a row in every session from the first of all to the last: late starters, early leavers and those
        with missing sessions.
    off_session
        By symbol, bars that close at no session's close (16:00 on a day that closed at 13:00), and the first of them.
    zero_volumes
        By symbol, rows read with a volume of zero, refused ones included.
    short_histories
        By symbol, bars kept, where fewer than `WARMUP_BARS`.
    bar_seconds
        Lengths of a bar that were inferred from opens; empty where closes or sessions were given.
    """

    files: tuple[str, ...]
    symbols: int
    read: int
    kept: int
    quarantined: int
    first: datetime | None
    last: datetime | None
    problems: tuple[Problem, ...]
    jumps: tuple[Jump, ...]
    missing_sessions: Mapping[str, tuple[date, ...]]
    late_starters: Mapping[str, date]
    incomplete: tuple[str, ...]
    off_session: Mapping[str, OffSession]
    zero_volumes: Mapping[str, int]
    short_histories: Mapping[str, int]
    bar_seconds: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: times in ISO 8601, problems by class, warnings with their counts."""
        warnings = {
            "split_like_jumps": [{**asdict(jump), "time": jump.time.isoformat()} for jump in self.jumps],
            "missing_sessions": {
                "count": sum(len(days) for days in self.missing_sessions.values()),
                "symbols": {name: [str(day) for day in days] for name, days in self.missing_sessions.items()},
            },
            "late_starters": {
                "count": len(self.late_starters),
                "symbols": {name: str(day) for name, day in self.late_starters.items()},
            },
            "incomplete_symbols": {"count": len(self.incomplete), "symbols": list(self.incomplete)},
            "off_session": {
                "count": sum(each.bars for each in self.off_session.values()),
                "symbols": {
                    name: {"bars": each.bars, "first": each.first.isoformat()}
                    for name, each in self.off_session.items()
                },
            },
            "zero_volumes": {"count": sum(self.zero_volumes.values()), "symbols": dict(self.zero_volumes)},
            "short_histories": {
                "count": len(self.short_histories),
                "needed": WARMUP_BARS,
                "symbols": dict(self.short_histories),
            },
        }
        return {
            "files": list(self.files),
            "symbols": self.symbols,
            "read": self.read,
            "kept": self.kept,
            "quarantined": self.quarantined,
            "first": None if self.first is None else self.first.isoformat(),
            "last": None if self.last is None else self.last.isoformat(),
            "bar_seconds": list(self.bar_seconds),
            "problems": {
                each.kind: {"rows": each.rows, "fields": dict(each.fields), "examples": list(each.examples)}
                for each in self.problems
            },
            "warnings": warnings,
        }


def report_on(rows: Rows, columns: Mapping[str, BarColumns]) -> QualityReport:
    """Sum up checked rows and the columns made from the sound ones."""
    sound = rows.faults.sound
    times = rows.time[sound]
    # A stamp from the future is a mistake that would make every session up to it a missing one.
    closed = np.where(rows.time > to_micros(rows.now), NO_TIME, rows.time)
    gaps = session_gaps(closed, rows.code, rows.symbols, rows.calendar, rows.late)
    empty = np.unique(rows.code[rows.values[:, 4] == 0], return_counts=True)
    return QualityReport(
        files=tuple(each.name for each in rows.raw),
        symbols=len(columns),
        read=len(sound),
        kept=len(times),
        quarantined=len(sound) - len(times),
        first=from_micros(int(times.min())) if len(times) else None,
        last=from_micros(int(times.max())) if len(times) else None,
        problems=_problems(rows),
        jumps=tuple(jump for each in columns.values() for jump in _jumps(each)),
        missing_sessions=gaps.missing,
        late_starters=gaps.late,
        incomplete=gaps.incomplete,
        off_session=gaps.off,
        zero_volumes={rows.symbols[code]: int(n) for code, n in zip(*empty, strict=True)},
        short_histories={name: len(each) for name, each in columns.items() if len(each) < WARMUP_BARS},
        bar_seconds=rows.bar_seconds,
    )


def _problems(rows: Rows) -> tuple[Problem, ...]:
    made = []
    for code, kind in enumerate(KINDS, start=1):
        refused = np.flatnonzero(rows.faults.reason == code)
        if len(refused):
            fields = {field: n for (owner, field), n in rows.faults.fields.items() if owner is kind and field}
            examples = tuple(str(rows.error(int(each))) for each in refused[:_EXAMPLES])
            made.append(Problem(kind.__name__, len(refused), fields, examples))
    return tuple(sorted(made, key=lambda problem: (-problem.rows, problem.kind)))


def _jumps(columns: BarColumns) -> list[Jump]:
    ratios = {int(at): columns.values[at, 0] / columns.values[at - 1, 3] for at in split_like_jumps(columns)}
    return [Jump(columns.symbol, from_micros(int(columns.time[at])), round(float(r), 4)) for at, r in ratios.items()]
