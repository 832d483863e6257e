from __future__ import annotations

from pathlib import Path

import pytest
import typer

from signals.cli.inputs import Choice, Source, chosen_symbols, read_inputs
from signals.errors import DataError

DAYS = ("2024-01-02", "2024-01-03", "2024-01-04")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Three symbols, A with the fewest bars, and the market's own series among them."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{name},{day}" for name in ("B", "C", "SPY") for day in DAYS] + ["A,2024-01-02"]
    return Source(written("bars.csv", rows), "session")


def written(name: str, rows: list[str], cells: str = "1,1,1,1,1") -> Path:
    path = Path(name)
    path.write_text("\n".join(["symbol,date,open,high,low,close,volume", *(f"{row},{cells}" for row in rows)]) + "\n")
    return path


@pytest.mark.parametrize(
    ("text", "choice"),
    [(None, None), ("3", 3), ("B, A,", ("A", "B")), ("600519,", ("600519",)), ("A,A", ("A",))],
)
def test_symbols_are_a_number_or_names(text: str | None, choice: Choice) -> None:
    assert chosen_symbols(text) == choice


@pytest.mark.parametrize("text", ["0", "-2", "", " , "])
def test_symbols_that_name_nothing_are_wrong_usage(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        chosen_symbols(text)


@pytest.mark.parametrize(
    ("choice", "universe"),
    [(None, ("A", "B", "C")), (1, ("B",)), (2, ("B", "C")), (9, ("A", "B", "C")), (("A", "C"), ("A", "C"))],
)
def test_the_universe_is_what_was_chosen(source: Source, choice: Choice, universe: tuple[str, ...]) -> None:
    inputs = read_inputs(source, choice)
    assert inputs.universe == universe
    assert set(inputs.bars()) == {*universe, "SPY"}  # a reference stays one, whichever symbols are traded


@pytest.mark.parametrize("name", ["X", "SPY"])
def test_names_that_cannot_be_traded_are_refused_by_name(source: Source, name: str) -> None:
    with pytest.raises(DataError, match=f"none of {name}; --symbols can name A, B, C"):
        read_inputs(source, ("A", name))


@pytest.mark.parametrize(
    ("rows", "cells", "kind"),
    [
        (["A,2024-01-02 16:00:00", "A,2024-01-03 16:00:00"], "1,1,1,1,1", "NaiveTime"),
        (["A,2024-01-02T21:00Z", "A,2024-01-03T21:00Z"], '"1,001.5","1,001.5","1,001.5","1,001.5",1', "Thousands"),
        (["A,2024-01-02", "A,2024-01-03"], "1,1,1,1,1", "WrongType"),
    ],
)
def test_bars_without_a_sound_row_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str], cells: str, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        read_inputs(Source(written("my bars.csv", rows, cells), "close"))
    said = str(caught.value)
    assert f"all 2 rows of my bars.csv were refused, 2 of them for {kind}" in said
    assert "row 1" in said
    assert said.endswith("see: vane data check 'my bars.csv' --stamped close")


def test_times_without_zone_are_read_in_the_one_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = written("bars.csv", ["A,2024-01-02 16:00:00"])
    market = written("market.csv", ["^GSPC,2024-01-02 16:00:00"])
    inputs = read_inputs(Source(path, "close", market=market, tz="America/New_York"))
    assert f"{inputs.end:%H:%M %Z}" == "21:00 UTC"
    assert inputs.settings.data.market == "^GSPC"


def test_a_command_on_the_same_bars_has_the_same_options() -> None:
    plain = Source(Path("bars.csv"), "session")
    assert plain.command("backtest") == "vane backtest --data bars.csv --stamped session"
    full = Source(Path("a b.csv"), "close", "24/7", Path("m.csv"), "Europe/Paris")
    assert full.command("train") == (
        "vane train --data 'a b.csv' --stamped close --calendar 24/7 --tz Europe/Paris --market m.csv"
    )


@pytest.mark.parametrize(("exchange", "hour"), [(None, 21), ("XLON", 16)])
def test_market_series_close_with_their_own_exchange(
    source: Source, monkeypatch: pytest.MonkeyPatch, exchange: str | None, hour: int
) -> None:
    if exchange:
        monkeypatch.setenv("SA_DATA__MARKET_CALENDAR", exchange)
    monkeypatch.setenv("SA_DATA__VOLATILITY", "OWN")
    market = written("market.csv", [f"{name},{day}" for name in ("^GSPC", "OWN") for day in DAYS])
    given = Source(source.data, "session", "XLON", market)
    bars = read_inputs(given, None).bars()
    closes = {name: bars[name][0].timestamp.strftime("%H:%M") for name in ("B", "^GSPC", "OWN")}
    minutes = {16: "30", 21: "00"}[hour]
    assert closes == {"B": "16:30", "^GSPC": f"{hour}:{minutes}", "OWN": f"{hour}:{int(minutes) + 15}"}
