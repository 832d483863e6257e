from __future__ import annotations

import numpy as np
import pytest

from signals.ml.alarms import Alarms


def states(checks: str, persist: tuple[int, int], cooldown: int = 0) -> str:
    """``x`` is a check out of line, ``o`` one beyond the threshold; ``R`` is raised, ``C`` cleared, ``.`` silence."""
    alarms = Alarms(1, persist, cooldown)
    said = ""
    for number, check in enumerate(checks, 1):
        raised, cleared = alarms.check(np.array([check == "x"]), np.array([check == "-"]), number)
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
        ("xxxooooo-", (3, 5), 0, "..R.....C"),
        ("xxxooo-o", (3, 5), 0, "..R...C."),
        ("xxx-o-", (3, 5), 0, "..R..C"),
        ("oooooo", (1, 1), 0, "......"),
    ],
)
def test_k_of_n_and_the_cool_down(checks: str, persist: tuple[int, int], cooldown: int, said: str) -> None:
    assert states(checks, persist, cooldown) == said


def test_things_are_told_apart() -> None:
    alarms = Alarms(3, (2, 2), 0)
    for number, out_of_line in enumerate([[True, False, True], [True, True, False]], 1):
        found = np.array(out_of_line)
        raised, cleared = alarms.check(found, ~found, number)
    assert (raised.tolist(), cleared.tolist(), alarms.raised.tolist()) == ([0], [], [True, False, False])
