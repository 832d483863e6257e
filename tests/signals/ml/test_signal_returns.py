from __future__ import annotations

import numpy as np
import pytest

from signals.data.records import F8, BarColumns
from signals.ml.signal_returns import net_returns, sides_of

DAY = 86_400_000_000


def bars(symbol: str, close: list[float], skip: tuple[int, ...] = ()) -> BarColumns:
    kept = [at for at in range(len(close)) if at not in skip]
    return BarColumns(symbol, np.array(kept) * DAY, np.repeat(np.array(close)[kept, None], 5, axis=1))


def earned(sides: list[int], days: list[int], names: list[str], held: list[BarColumns], cost: float = 0.0) -> F8:
    signs = np.array(sides, np.int8)
    return net_returns(signs, np.array(days) * DAY, names, held, horizon=2, cost=cost)


def test_sides_are_those_above_the_threshold() -> None:
    said = np.array([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.25, 0.55]])
    assert sides_of(said, 0.55).tolist() == [1, -1, 0, 0]


def test_a_signal_earns_the_moves_of_its_horizon_with_its_part_of_the_capital() -> None:
    found = earned([1, 0], [0, 1], ["A", "A"], [bars("A", [100, 110, 99, 50])])
    assert found.tolist() == pytest.approx([0.5 * 0.10, 0.5 * -0.10, 0.0])


def test_a_sale_earns_what_falls() -> None:
    assert earned([-1], [0], ["A"], [bars("A", [100, 90, 90])]).tolist() == pytest.approx([0.05, 0.0])


def test_signals_of_a_date_share_its_part() -> None:
    held = [bars("A", [100, 110, 110]), bars("B", [100, 100, 130]), bars("C", [1, 9, 1])]
    found = earned([1, 1, 0], [0, 0, 0], ["A", "B", "C"], held)
    assert found.tolist() == pytest.approx([0.25 * 0.1, 0.25 * 0.3])


def test_costs_are_paid_on_entry_and_exit() -> None:
    found = earned([1], [0], ["A"], [bars("A", [100, 100, 100])], cost=0.01)
    assert found.tolist() == pytest.approx([-0.5 * 0.01, -0.5 * 0.01])


def test_a_renewed_signal_is_not_traded_anew() -> None:
    found = earned([1, 1, 1, 1], [0, 1, 2, 3], ["A"] * 4, [bars("A", [100] * 6)], cost=0.01)
    assert found.tolist() == pytest.approx([-0.005, -0.005, 0.0, 0.0, -0.01])
    turned = earned([1, -1], [0, 1], ["A"] * 2, [bars("A", [100] * 4)], cost=0.01)
    assert turned.tolist() == pytest.approx([-0.005, -0.005, -0.01])


def test_a_session_without_a_bar_has_no_move_and_the_next_has_it_all() -> None:
    held = [bars("A", [100, 0, 120], skip=(1,)), bars("B", [100, 100, 100])]
    assert earned([1], [0], ["A"], held).tolist() == pytest.approx([0.0, 0.5 * 0.2])


def test_what_comes_before_the_first_row_is_not_counted() -> None:
    assert len(earned([1], [3], ["A"], [bars("A", [100.0] * 9)])) == 2
