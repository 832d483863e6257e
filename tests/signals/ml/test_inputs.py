from __future__ import annotations

import numpy as np
import pytest

from signals.config import MonitorSettings
from signals.ml.drift import BINS, Null, Reference
from signals.ml.inputs import InputWatch

WINDOW = 6


def watch(null: Null) -> InputWatch:
    """Watch one feature that lay below its only edge half of the time."""
    reference = Reference(columns=("a",), edges={"a": [0.0]}, shares={"a": [0.5, 0.5, 0.0]}, null={"a": null})
    return InputWatch(reference, MonitorSettings(window=WINDOW))


def out_of_line(null: Null, below: int) -> bool | None:
    """Say what a window of slices of 100 rows leads to, `below` of them below the edge."""
    counts = np.zeros((1, BINS), np.uint16)
    counts[0, :2] = below, 100 - below
    watched = watch(null)
    assert [watched.add(counts) for _ in range(WINDOW - 1)] == [None] * (WINDOW - 1)
    found = watched.add(counts)
    return None if found is None else bool(found[0])


NARROW = Null(window=WINDOW, shape=4.0, scale=0.001, q99=0.01)


@pytest.mark.parametrize(("below", "raised"), [(60, False), (80, True)])
def test_a_sure_but_small_shift_is_no_drift(below: int, raised: bool) -> None:
    # PSI 0.04 and 0.42: both are impossible under this null, the first is below `psi_major`.
    assert out_of_line(NARROW, below) is raised


@pytest.mark.parametrize(("below", "raised"), [(76, False), (90, True)])
def test_a_null_that_never_varied_decides_by_its_quantile(below: int, raised: bool) -> None:
    # PSI 0.30 and 0.88: above `psi_major` both, the first is below what training itself showed.
    assert out_of_line(Null(window=WINDOW, shape=0.0, scale=0.0, q99=0.5), below) is raised


def test_slices_of_any_size_count_alike() -> None:
    large, small = np.zeros((1, BINS), np.uint16), np.zeros((1, BINS), np.uint16)
    large[0, :2], small[0, :2] = (500, 500), (0, 1)
    watched = watch(NARROW)
    for counts in (large, small, large, small, large, small):
        watched.add(counts)
    assert watched.values is not None
    assert watched.values[0] == pytest.approx(0.25 * np.log(3.0))
