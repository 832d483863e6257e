from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from signals.data.provider import SECTOR_GROUP, DataProvider, InMemoryProvider
from signals.data.records import Adjusted, BarColumns, Fundamental, InsiderTransaction, Membership
from strategy.bars import OHLCV

AT = datetime(2024, 1, 2, 21, tzinfo=UTC)


def later(days: int) -> datetime:
    return AT + timedelta(days=days)


def columns(symbol: str, days: int, close: float = 10.0) -> BarColumns:
    return BarColumns.of(symbol, [OHLCV(symbol, later(day), close, close, close, close, 1.0) for day in range(days)])


def asset(known: int, value: float) -> Fundamental:
    return Fundamental("A", later(known), "Assets", "USD", None, date(2023, 12, 31), value)


def test_it_is_a_data_provider() -> None:
    provider: DataProvider = InMemoryProvider([columns("B", 1), columns("A", 1)])
    assert list(provider.symbols()) == ["A", "B"]
    assert provider.adjusted is Adjusted.SPLIT


def test_bars_hold_both_ends() -> None:
    provider = InMemoryProvider([columns("A", 5)])
    assert [bar.timestamp for bar in provider.bars("A", later(1), later(3))] == [later(1), later(2), later(3)]


def test_an_unknown_symbol_is_empty() -> None:
    provider = InMemoryProvider()
    assert len(provider.columns("NO")) == 0
    assert provider.bars("NO", later(0), later(9)) == []
    assert provider.facts(Fundamental, "NO") == ()


def test_every_load_grows_the_revision() -> None:
    provider = InMemoryProvider()
    before = provider.revision
    provider.load([columns("A", 1)])
    provider.load()
    assert provider.revision == before + 2


def test_bars_replace_those_of_the_same_symbol_only() -> None:
    provider = InMemoryProvider([columns("A", 2), columns("B", 2)])
    provider.load([columns("A", 3, close=20.0)])
    assert provider.columns("A").values[:, 3].tolist() == [20, 20, 20]
    assert len(provider.columns("B")) == 2


def test_facts_merge_by_known_at() -> None:
    provider = InMemoryProvider(facts=[asset(5, 5.0), asset(1, 1.0)])
    provider.load(facts=[asset(3, 3.0)])
    assert [fact.value for fact in provider.facts(Fundamental, "A")] == [1, 3, 5]


def test_loads_may_overlap() -> None:
    sale = InsiderTransaction("A", AT, AT.date(), -10.0, -100.0)
    provider = InMemoryProvider(facts=[sale, sale])
    provider.load(facts=[sale, sale, replace(sale, known_at=later(1))])
    assert provider.facts(InsiderTransaction, "A") == (sale, sale, replace(sale, known_at=later(1)))


def test_facts_of_another_kind_stay_apart() -> None:
    provider = InMemoryProvider(facts=[asset(1, 1.0), Membership("A", AT, "universe", AT)])
    assert len(provider.facts(Membership, "A")) == 1


def test_adjusted_stays_until_said_otherwise() -> None:
    provider = InMemoryProvider(adjusted=Adjusted.NONE)
    seen = [provider.adjusted]
    provider.load([columns("A", 1)])
    seen.append(provider.adjusted)
    provider.load(adjusted=Adjusted.SPLIT)
    assert [*seen, provider.adjusted] == [Adjusted.NONE, Adjusted.NONE, Adjusted.SPLIT]


def sector(name: str, known: int, since: int, until: int | None = None) -> Membership:
    return Membership("A", later(known), SECTOR_GROUP + name, later(since), None if until is None else later(until))


@pytest.mark.parametrize(
    ("at", "name"),
    [
        (0, None),  # not known yet
        (2, "Tech"),
        (4, "Tech"),  # Media is in force, and not known
        (6, "Media"),
        (9, None),  # Media has ended and covers Tech no more
    ],
)
def test_sector_as_it_was_known(at: int, name: str | None) -> None:
    records = [sector("Tech", 1, 0, 8), sector("Media", 5, 3, 8), Membership("A", AT, "universe", AT)]
    assert InMemoryProvider(facts=records).sector("A", later(at)) == name


def test_a_reader_never_sees_half_a_load() -> None:
    provider = InMemoryProvider([columns("A", 1, 1.0), columns("B", 1, 1.0)])
    torn: list[tuple[float, float]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            held = provider._snapshot  # one reference is all that a reader takes
            pair = (held.columns["A"].values[0, 3], held.columns["B"].values[0, 3])
            if pair[0] != pair[1]:
                torn.append(pair)

    reader = threading.Thread(target=watch)
    reader.start()
    for close in range(2, 300):
        provider.load([columns("A", 1, close), columns("B", 1, close)])
    done.set()
    reader.join()
    assert torn == []
    assert provider.revision == 299


def test_two_sectors_of_one_instant_are_one_whoever_came_first() -> None:
    one, other = sector("Energy", 0, 0), sector("Utilities", 0, 0)
    found = {InMemoryProvider(facts=order).sector("A", later(1)) for order in ((one, other), (other, one))}
    assert found == {"Utilities"}


def test_a_later_record_of_a_membership_closes_it() -> None:
    opened = Membership("A", later(0), SECTOR_GROUP + "Energy", later(0))
    closed = Membership("A", later(5), SECTOR_GROUP + "Energy", later(0), later(7))
    provider = InMemoryProvider(facts=[opened, closed])
    assert [provider.sector("A", later(day)) for day in (4, 6, 7, 9)] == ["Energy", "Energy", None, None]


def test_a_membership_known_in_advance_begins_when_it_begins() -> None:
    provider = InMemoryProvider(facts=[Membership("A", later(0), SECTOR_GROUP + "Energy", later(3))])
    assert [provider.sector("A", later(day)) for day in (2, 3)] == [None, "Energy"]
