"""Times on the wall to instants in UTC."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from signals.data.cells import B1, NO_OFFSET, NO_TIME, Times
from signals.data.faults import Faults
from signals.data.records import I8
from signals.errors import ConfigError, MixedZones, NaiveTime

__all__ = ["instants"]


def instants(found: Times, faults: Faults, tz: str | None) -> I8:
    """Return microseconds since the epoch, shape (n,), `NO_TIME` where there is no usable time, and mark why.

    Offsets may differ within a file only where one zone explains them all: that of the column, or `tz`. Without a
    written offset a time is of `tz`; one that the change to or from summer time makes ambiguous is refused.

    Raises
    ------
    ConfigError
        If `tz` is no IANA zone.
    """
    _check_zone(tz)
    known = ~found.null & ~found.wrong & ~found.dated
    naive = known & (found.offset == NO_OFFSET)
    aware = known & ~naive
    made = np.full(len(known), NO_TIME)
    made[aware] = found.wall[aware] - found.offset[aware]
    if naive.any() and aware.any():
        faults.mark(aware if naive[np.argmax(known)] else naive, MixedZones, "time")
    if tz is None:
        faults.mark(naive, NaiveTime, "time")
    else:
        made[naive] = _localise(found.wall[naive], tz)
        faults.mark(naive & (made == NO_TIME), NaiveTime, "time")
    if not found.named and len(np.unique(found.offset[aware])) > 1:
        faults.mark(_strangers(found, made, aware, tz), MixedZones, "time")
    return made


def _strangers(found: Times, made: I8, aware: B1, tz: str | None) -> B1:
    """Return rows whose offset is not that of `tz` then, or without one, not that of the first row."""
    if tz is None:
        return np.asarray(aware & (found.offset != found.offset[np.argmax(aware)]))
    import pandas as pd

    shown = pd.DatetimeIndex(made[aware].astype("datetime64[us]"), tz="UTC").tz_convert(tz).tz_localize(None)
    strange = np.zeros(len(aware), bool)
    strange[aware] = shown.to_numpy().astype("datetime64[us]").astype(np.int64) != found.wall[aware]
    return strange


def _localise(wall: I8, tz: str) -> I8:
    import pandas as pd

    index = pd.DatetimeIndex(wall.astype("datetime64[us]")).tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
    # NaT is the least int64, which is NO_TIME.
    return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)


def _check_zone(tz: str | None) -> None:
    if tz is None:
        return
    try:
        ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(f"tz: expected an IANA zone such as America/New_York, was {tz!r}") from None
