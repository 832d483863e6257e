"""Share basis: reported shares and per-share figures in the unit of the bars that they meet."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signals.data.records import F8, I8, ActionKind, Adjusted, CorporateAction, to_micros
from signals.features.point_in_time import NEVER

__all__ = ["ShareBasis", "say_once"]


@dataclass(frozen=True, slots=True)
class ShareBasis:
    """Brings share counts to the basis on which the bars of an instant trade.

    A reported figure is on the basis in force on the day that it was filed: financial statements restate earlier
    periods for a split that took effect before they were filed (SEC Staff Accounting Bulletin, Topic 4.C), so neither
    the period counts nor `known_at`, for what is filed on a Friday evening becomes known at Monday's open, when a split
    may take effect. Bars as traded need the splits since then that had taken effect, and were known, by t. Bars
    adjusted with hindsight carry every split from the beginning, and so need all that came after the report, whenever
    they became known: this takes the hindsight out again.

    Only splits count: a spin-off or a dividend changes the price and not the number of shares.
    """

    effective: I8
    active: I8
    ratio: F8
    adjusted: Adjusted

    @classmethod
    def of(cls, actions: Sequence[CorporateAction], adjusted: Adjusted) -> ShareBasis:
        """Take the splits from a symbol's corporate actions; one that comes again is a revision of its ratio."""
        splits = sorted(
            (to_micros(action.effective), to_micros(action.known_at), action.ratio)
            for action in actions
            if action.kind is ActionKind.SPLIT
        )
        steps = [
            (effective, max(effective, known), ratio / before[2] if before[0] == effective else ratio)
            for before, (effective, known, ratio) in zip([(NEVER, NEVER, 1.0), *splits], splits, strict=False)
        ]
        columns = np.array([step[0] for step in steps], np.int64), np.array([step[1] for step in steps], np.int64)
        return cls(*columns, np.array([step[2] for step in steps], np.float64), adjusted)

    @property
    def known(self) -> bool:
        """False where prices were adjusted for splits that nobody told us."""
        return self.adjusted is Adjusted.NONE or len(self.ratio) > 0

    def factor(self, reported: I8, time: I8) -> F8:
        """Return shares in the bars' unit at `time` for one share reported at `reported`; NaN where not `known`.

        Multiply share counts by it and divide per-share figures by it. Both in microseconds, of shapes that broadcast.
        """
        factor = np.full(np.broadcast_shapes(reported.shape, time.shape), 1.0 if self.known else np.nan)
        for effective, active, ratio in zip(self.effective, self.active, self.ratio, strict=True):
            after = reported < effective
            counts = after & (active <= time) if self.adjusted is Adjusted.NONE else after
            factor = np.where(counts, factor * ratio, factor)
        return factor


@functools.cache
def say_once(group: str) -> None:
    """Log, once a process and feature group, why features that mix price and share units are NaN."""
    import structlog

    structlog.get_logger("signals.features").warning(
        "share_basis_unknown",
        group=group,
        reason="prices are adjusted for splits with hindsight, and no splits were given: features that mix price or "
        "volume with reported shares are NaN",
        remedy="give the splits that the prices were adjusted for as corporate actions (one of ratio 1 where a symbol "
        "never split), or bars as traded with adjusted='none'",
    )
