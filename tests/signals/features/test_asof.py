from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from signals.features.asof import joined, positions

INSTANTS = st.lists(st.integers(-5, 5), max_size=12)
GROUPS = st.lists(st.tuples(INSTANTS.map(sorted), INSTANTS), max_size=5)


def starts(parts: list[list[int]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def flat(parts: list[list[int]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([each for part in parts for each in part], np.int64)


@given(GROUPS)
def test_join_equals_row_by_row_oracle(groups: list[tuple[list[int], list[int]]]) -> None:
    known, time = [each[0] for each in groups], [each[1] for each in groups]
    value = np.arange(float(len(flat(known))))
    got = joined(flat(known), value, starts(known), flat(time), starts(time))
    expected, first = [], 0
    for facts, instants in groups:
        for now in instants:
            visible = [place for place, instant in enumerate(facts) if instant <= now]
            expected.append(value[first + visible[-1]] if visible else np.nan)
        first += len(facts)
    np.testing.assert_array_equal(got, expected)


@given(INSTANTS.map(sorted), INSTANTS)
def test_long_steps_equal_numpy(known: list[int], time: list[int]) -> None:
    facts = np.repeat(np.array(known, np.int64), 40)  # so that the gallop has room
    instants = np.array([*time, *sorted(time)], np.int64)
    out = np.empty(len(instants), np.int64)
    positions(facts, np.array([0, len(facts)]), instants, np.array([0, len(instants)]), out)
    np.testing.assert_array_equal(out, np.searchsorted(facts, instants, side="right") - 1)


def test_arrays_that_may_not_be_written_are_read() -> None:
    known = np.array([1, 3], np.int64)
    known.setflags(write=False)
    out = np.empty(1, np.int64)
    positions(known, np.array([0, 2]), known[1:], np.array([0, 1]), out)
    assert out.tolist() == [1]
