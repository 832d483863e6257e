"""What reading found: how many rows were kept and refused, why, and what looks odd without being wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from signals.data.cells import NO_TIME
from signals.data.faults import KINDS
from signals.data.jumps import split_like_jumps
from signals.data.records import BarColumns, from_micros
from signals.data.rows import Rows
from signals.data.stamps import delays

__all__ = ["WARMUP_BARS", "Jump", "Problem", "QualityReport", "report_on"]

WARMUP_BARS = 512
"""Bars of history before a decision: as far back as the slowest average of the catalogue remembers in float32."""

_EXAMPLES = 3
_EPOCH_DAY = date(1970, 1, 1)


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
    """A split-like jump: `time` is the close of the first bar on the new level, `ratio` its open over the close before."""

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
    zero_volumes: Mapping[str, int]
    short_histories: Mapping[str, int]
    bar_seconds: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: times in ISO 8601, problems by class, warnings with their counts."""
        warnings = {
            "split_like_jumps": [{**asdict(jump), "time": jump.time.isoformat()} for jump in self.jumps],
            "missing_sessions": _counted(
                {name: [str(day) for day in days] for name, days in self.missing_sessions.items()}
            ),
            "late_starters": {
                "count": len(self.late_starters),
                "symbols": {name: str(day) for name, day in self.late_starters.items()},
            },
            "incomplete_symbols": {"count": len(self.incomplete), "symbols": list(self.incomplete)},
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
    kept = int(sound.sum())
    edges = (
        [from_micros(int(rows.time[sound].min())), from_micros(int(rows.time[sound].max()))] if kept else [None, None]
    )
    missing, starts, incomplete = _sessions(rows)
    empty = rows.code[rows.values[:, 4] == 0]
    counts = {name: len(each) for name, each in columns.items()}
    return QualityReport(
        files=tuple(each.name for each in rows.raw),
        symbols=len(columns),
        read=len(sound),
        kept=kept,
        quarantined=len(sound) - kept,
        first=edges[0],
        last=edges[1],
        problems=_problems(rows),
        jumps=tuple(jump for each in columns.values() for jump in _jumps(each)),
        missing_sessions=missing,
        late_starters=starts,
        incomplete=incomplete,
        zero_volumes={
            rows.symbols[code]: int(n) for code, n in zip(*np.unique(empty, return_counts=True), strict=True)
        },
        short_histories={name: n for name, n in counts.items() if n < WARMUP_BARS},
        bar_seconds=tuple(sorted(set(rows.bar_seconds.values()))),
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


def _sessions(rows: Rows) -> tuple[dict[str, tuple[date, ...]], dict[str, date], tuple[str, ...]]:
    """Return missing sessions, late starts and incomplete symbols, of all rows whose time is known."""
    timed = np.flatnonzero(rows.time != NO_TIME)
    if not len(timed):
        return {}, {}, ()
    calendar = rows.calendar
    closes = rows.time[timed] - delays(rows.symbols, calendar)[rows.code[timed]]
    # The session a bar belongs to is the one that closes with it or next.
    session = np.minimum(np.searchsorted(calendar.closes, closes), len(calendar.closes) - 1)
    pairs = np.unique(np.column_stack([rows.code[timed], session]), axis=0)
    earliest, latest = int(session.min()), int(session.max())
    missing, starts, incomplete = {}, {}, []
    starts_at = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    for own in np.split(pairs, starts_at[1:]):
        name, held = rows.symbols[own[0, 0]], own[:, 1]
        holes = np.setdiff1d(np.arange(held[0], held[-1]), held, assume_unique=True)
        if len(holes):
            missing[name] = tuple(_day(calendar.days[each]) for each in holes)
        if held[0] > earliest:
            starts[name] = _day(calendar.days[held[0]])
        if len(held) < latest - earliest + 1:
            incomplete.append(name)
    return missing, starts, tuple(incomplete)


def _day(number: int) -> date:
    return _EPOCH_DAY + timedelta(days=int(number))


def _counted(by_symbol: Mapping[str, list[str]]) -> dict[str, Any]:
    return {"count": sum(len(each) for each in by_symbol.values()), "symbols": dict(by_symbol)}
