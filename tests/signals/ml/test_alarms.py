from __future__ import annotations

import numpy as np
import pytest

from signals.ml.alarms import Alarms


def states(checks: str, persist: tuple[int, int], cooldown: int = 0) -> str:
    """``x`` is a check out of line; in the answer ``R`` is raised, ``C`` cleared, ``.`` silence."""
    alarms = Alarms(1, persist, cooldown)
    said = ""
    for number, check in enumerate(checks, 1):
        raised, cleared = alarms.check(np.array([check == "x"]), number)
        said += "R" if len(raised) else "C" if len(cleared) else "."
    return said


@pytest.mark.parametrize(
    ("checks", "persist", "cooldown", "said"),
    [
        ("xx-xx---", (3, 5), 0, "...R..C."),
        ("x-x-x---", (3, 5), 0, "....RC.."),
        ("x-x--x-x", (3, 5), 0, "........"),
        ("x-----", (1, 1), 0, "RC...."),
        ("x-----", (1, 5), 0, "R....C"),
        ("x-x-x-x-", (1, 1), 0, "RCRCRCRC"),
        ("x-x-x-x-", (1, 1), 3, "RC..RC.."),
        ("x-xxxxxx", (1, 1), 4, "RC...R.."),
    ],
)
def test_k_of_n_and_the_cool_down(checks: str, persist: tuple[int, int], cooldown: int, said: str) -> None:
    assert states(checks, persist, cooldown) == said


def test_things_are_told_apart() -> None:
    alarms = Alarms(3, (2, 2), 0)
    alarms.check(np.array([True, False, True]), 1)
    raised, cleared = alarms.check(np.array([True, True, False]), 2)
    assert (raised.tolist(), cleared.tolist(), alarms.raised.tolist()) == ([0], [], [True, False, False])
