from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, ClassVar, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from signals.config import DataSettings
from signals.data.provider import InMemoryProvider
from signals.data.records import BarColumns, Membership, ShortInterest, from_micros
from signals.features.facts import facts_of, inputs_of

History = Callable[..., BarColumns]
Edge: TypeAlias = tuple[int, int]  # a row, and microseconds from its close
Record: TypeAlias = tuple[str, Edge, Edge, Edge | None]
ROWS = 8
SETTINGS = DataSettings(sector_etfs={"Energy": "XLE", "Utilities": "XLU"})

EDGES = st.tuples(st.integers(0, ROWS - 1), st.integers(-1, 1))
RECORDS = st.tuples(st.sampled_from(["Energy", "Utilities", "Gold"]), EDGES, EDGES, st.none() | EDGES)


@settings(max_examples=60)
@given(records=st.lists(RECORDS, max_size=4))
def test_sectors_and_series_equal_those_asked_for_row_by_row(history: History, records: list[Record]) -> None:
    columns, xle = history(1, count=ROWS), history(4, count=ROWS, symbol="XLE")

    def at(edge: Edge) -> datetime:
        return from_micros(int(columns.time[edge[0]]) + edge[1])

    facts = [
        Membership("AAA", at(known), f"sector:{name}", at(since), until and at(until))
        for name, known, since, until in records
    ]
    provider = InMemoryProvider([columns, xle], facts)
    inputs = inputs_of(provider, "AAA", SETTINGS)
    expected = tuple(provider.sector("AAA", from_micros(int(time))) for time in columns.time)
    assert (inputs.sectors or (None,) * ROWS) == expected
    for row, sector in enumerate(expected):
        series = next(series for start, series in reversed(inputs.sector_series) if start <= row)
        assert (None if series is None else series.symbol) == SETTINGS.sector_etfs.get(sector or "")


def test_series_that_is_not_loaded_begins_once(history: History) -> None:
    # Every row at which a series begins computes the history before it anew.
    columns = history(1, count=ROWS)
    start = from_micros(int(columns.time[0]))
    provider = InMemoryProvider([columns], [Membership("AAA", start, "sector:Utilities", start)])
    assert [row for row, _ in inputs_of(provider, "AAA", SETTINGS).sector_series] == [0]


def test_a_list_that_grows_is_other_facts() -> None:
    class Growing(InMemoryProvider):
        held: ClassVar[list[ShortInterest]] = []

        def facts(self, kind: type[Any], symbol: str) -> Any:
            return self.held if kind is ShortInterest else ()

    provider = Growing()
    before = facts_of(provider, "AAA")
    provider.held.append(ShortInterest("AAA", from_micros(0), date(1970, 1, 1), 1.0, 1.0))
    assert facts_of(provider, "AAA") != before
