"""Columns of cells to arrays of numbers, times and names, each with masks of the cells that are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from signals.data.records import F8, I8, to_micros

__all__ = ["B1", "DAY", "NO_OFFSET", "NO_TIME", "Numbers", "Times", "names", "numbers", "times"]

B1: TypeAlias = NDArray[np.bool_]

DAY = 86_400_000_000
"""Microseconds in a day."""

NO_TIME = np.iinfo(np.int64).min
NO_OFFSET = np.iinfo(np.int64).min

_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0.001}
_FIRST, _LAST = to_micros(datetime.min.replace(tzinfo=UTC)), to_micros(datetime.max.replace(tzinfo=UTC))

_NULLS = ("", "null", "none", "na", "n/a")
_NUMBER = r"^[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[iI][nN][fF]([iI][nN][iI][tT][yY])?|[nN][aA][nN])$"
_THOUSANDS = r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$"


class Numbers(NamedTuple):
    """A column of numbers, shape (n,): `values` is NaN wherever a mask is set."""

    values: F8
    null: B1
    wrong: B1
    thousands: B1


class Times(NamedTuple):
    """A column of times, shape (n,).

    `wall` is what the clock on the wall showed (microseconds, as if it were UTC), `offset` is wall minus UTC
    (`NO_OFFSET` where none was written), `dated` marks dates without a time of day. `named` says that the column has
    one named zone, so that offsets which differ are its summer and winter.
    """

    wall: I8
    offset: I8
    dated: B1
    null: B1
    wrong: B1
    named: bool = False


def numbers(column: Any) -> Numbers:
    """Return a column of a `pyarrow.Table` as numbers: text is read strictly, a truth value is not a number."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    none = np.zeros(len(column), bool)
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_string(column.type) or types.is_large_string(column.type):
        text, null = _text(column)
        thousands = _mask(pc.match_substring_regex(text, _THOUSANDS))
        wrong = ~_mask(pc.match_substring_regex(text, _NUMBER)) & ~null & ~thousands
        column = pc.if_else(pa.array(null | wrong | thousands), None, text).cast(pa.float64())
        return Numbers(_floats(column), null, wrong, thousands)
    null = _mask(column.is_null())
    if types.is_integer(column.type) or types.is_floating(column.type) or types.is_decimal(column.type):
        return Numbers(_floats(column.cast(pa.float64(), safe=False)), null, none, none)
    return Numbers(np.full(len(column), np.nan), null, ~null, none)


def times(column: Any) -> Times:
    """Return a column of a `pyarrow.Table` as times: timestamps, dates, or text in ISO 8601."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_string(column.type) or types.is_large_string(column.type):
        return _dates_without_clock(_times_from_text(column))
    null = _mask(column.is_null())
    nowhere = np.full(len(column), NO_OFFSET)
    none = np.zeros(len(column), bool)
    if not (types.is_date(column.type) or types.is_timestamp(column.type)):
        return Times(np.full(len(column), NO_TIME), nowhere, none, null, ~null)
    micros, wrong = _micros(column)
    if types.is_date(column.type):
        return Times(micros, nowhere, ~null & ~wrong, null, wrong)
    if column.type.tz is None:
        return _dates_without_clock(Times(micros, nowhere, none, null, wrong))
    instants = pa.array(micros, mask=null | wrong).cast(pa.timestamp("us", column.type.tz))
    try:
        wall = _integers(pc.local_timestamp(instants))
    except pa.ArrowInvalid:  # a zone that nobody knows
        return Times(np.full(len(column), NO_TIME), nowhere, none, null, ~null)
    return Times(wall, np.where(null | wrong, NO_OFFSET, wall - micros), none, null, wrong, named=True)


def names(column: Any) -> tuple[I8, list[str], B1]:
    """Return codes, the names they stand for, and which rows have no name (null or blank)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column.cast(pa.string())).combine_chunks()
    coded = pc.dictionary_encode(pc.fill_null(text, ""))
    values = [str(name) for name in coded.dictionary.to_pylist()]
    codes = np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int64)
    return codes, values, np.array([not name for name in values], bool)[codes]


def _times_from_text(column: Any) -> Times:
    import pyarrow.compute as pc

    text, null = _text(column)
    coded = pc.dictionary_encode(text)
    parsed = np.array([_parse(word or "") for word in coded.dictionary.to_pylist()], np.int64).reshape(-1, 4)
    each = parsed[coded.indices.to_numpy(zero_copy_only=False)]
    wrong = (each[:, 3] == 1) & ~null
    return Times(each[:, 0].copy(), each[:, 1].copy(), (each[:, 2] == 1) & ~null & ~wrong, null, wrong)


def _parse(word: str) -> tuple[int, int, int, int]:
    """Return wall, offset, whether it is a date alone, and whether it is no time at all."""
    try:
        time = datetime.fromisoformat(word)
    except ValueError:
        return NO_TIME, NO_OFFSET, 0, 1
    offset = time.utcoffset()
    written = NO_OFFSET if offset is None else offset // timedelta(microseconds=1)
    return to_micros(time.replace(tzinfo=UTC)), written, int(len(word) <= len("2024-01-02")), 0


def _micros(column: Any) -> tuple[I8, B1]:
    """Return microseconds, and which lie outside the years 1 to 9999, where a time has no date."""
    import pyarrow as pa
    from pyarrow import types

    ticks = _integers(column.cast(pa.int32()) if types.is_date32(column.type) else column)
    unit = DAY if types.is_date32(column.type) else _UNITS[getattr(column.type, "unit", "ms")]
    known = ticks != NO_TIME
    if unit < 1:
        return np.where(known, ticks // round(1 / unit), NO_TIME), np.zeros(len(ticks), bool)
    outside = known & ((ticks < _FIRST // unit) | (ticks > _LAST // unit))
    return np.where(known & ~outside, ticks * int(unit), NO_TIME), outside


def _dates_without_clock(found: Times) -> Times:
    # A data frame writes session dates as midnights: a column that knows no other hour and no zone is one of dates.
    known = ~found.null & ~found.wrong
    if known.any() and (found.offset[known] == NO_OFFSET).all() and (found.wall[known] % DAY == 0).all():
        return found._replace(dated=known)
    return found


def _text(column: Any) -> tuple[Any, B1]:
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.fill_null(pc.utf8_trim_whitespace(column.cast(pa.string())), "").combine_chunks()
    return text, _mask(pc.is_in(pc.utf8_lower(text), pa.array(_NULLS)))


def _mask(column: Any) -> B1:
    return np.asarray(column.to_numpy(zero_copy_only=False), bool)


def _floats(column: Any) -> F8:
    import pyarrow.compute as pc

    return np.array(pc.fill_null(column, float("nan")).to_numpy(zero_copy_only=False), np.float64)


def _integers(column: Any) -> I8:
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.array(pc.fill_null(column.cast(pa.int64()), NO_TIME).to_numpy(zero_copy_only=False), np.int64)
