"""The inputs of the last slices against what they were in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from signals.config import MonitorSettings
from signals.data.records import F8, I8
from signals.events.schema import U2
from signals.ml.drift import BINS, Reference, discoveries, psi

__all__ = ["InputWatch"]

# Shares are added up as integers: a sum then does not depend on the path that led to it, and a restart is exact.
_SHARE_UNIT = 2**40


class InputWatch:
    """PSI of every watched feature over the last `window` slices; sums are kept, nothing is counted twice.

    The window is never shorter than the one that the null was measured with: shorter windows drift by themselves.
    """

    def __init__(self, reference: Reference, settings: MonitorSettings) -> None:
        self.places = [place for place, _ in reference.watched]
        self.names = [name for _, name in reference.watched]
        self.window = max(settings.window, reference.window)
        nulls = [reference.null[name] for name in self.names]
        self.thresholds: F8 = np.maximum([null.q99 for null in nulls], settings.psi_major)
        self.values: F8 | None = None
        self._shape = np.array([null.shape for null in nulls])
        self._scale = np.array([null.scale for null in nulls])
        self._rate = settings.fdr
        self._suspect = _quantiles(self._shape, self._scale, settings.fdr)
        self._whole = (len(reference.columns), BINS)
        self._expected = reference.matrix[self.places]
        self._ring: I8 = np.zeros((self.window, len(self.names), BINS), np.int64)
        self._sum: I8 = np.zeros((len(self.names), BINS), np.int64)
        self._seen = 0

    def add(self, counts: U2) -> NDArray[np.bool_] | None:
        """Take one slice's counts (columns, BINS); return which features are out of line, None until that is known."""
        if counts.shape != self._whole or not len(self.names):
            return None
        mine = counts[self.places].astype(np.float64)
        rows = mine.sum(axis=1, keepdims=True)
        if not rows.all():  # a slice without predictions says nothing about the inputs
            return None
        shares = np.rint(mine * (_SHARE_UNIT / rows)).astype(np.int64)
        slot = self._seen % self.window
        self._sum += shares - self._ring[slot]
        self._ring[slot] = shares
        self._seen += 1
        if self._seen < self.window:
            return None
        self.values = psi(self._expected, self._sum / (self.window * _SHARE_UNIT))
        return discoveries(self._p_values(self.values), self._rate) & (self.values > self.thresholds)

    def _p_values(self, values: F8) -> F8:
        from scipy.special import gammaincc

        # What is above the rate is no discovery and makes no other one: only how small the small ones are is looked up.
        p: F8 = np.ones(len(values))
        small = np.flatnonzero(values >= self._suspect)
        if len(small):
            known = self._shape[small] > 0
            p[small[~known]] = 0.0  # without a null that varies the fixed threshold alone decides
            small = small[known]
            p[small] = gammaincc(self._shape[small], values[small] / self._scale[small])
        return p


def _quantiles(shape: F8, scale: F8, rate: float) -> F8:
    """Return a little less than the PSI that is exceeded at `rate` under each null; 0 for a null of shape 0."""
    from scipy.special import gammainccinv

    known = shape > 0
    quantiles = np.zeros(len(shape))
    quantiles[known] = gammainccinv(shape[known], rate) * scale[known] * (1 - 1e-6)
    return quantiles
