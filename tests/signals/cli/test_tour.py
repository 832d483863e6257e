"""The commands that train and replay, from files to figures."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from signals.cli.app import app
from signals.errors import BundleDamaged, RegistryError, TooFewRows, VaneError
from signals.events.log import EventLog
from signals.events.schema import EventKind
from signals.ml_strategy import MLSignalStrategy
from strategy.bars import OHLCV
from strategy.signal import Signal


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"}).invoke(app, list(arguments))


def refusal(result: Result) -> VaneError:
    assert isinstance(result.exception, VaneError), result.output
    return result.exception


@pytest.fixture(scope="module")
def small() -> Any:
    """Keep fits small: the tour is what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SA_ML__XGB_PARAMS__N_ESTIMATORS", "12")
        patch.setenv("SA_ML__XGB_PARAMS__MAX_DEPTH", "3")
        patch.setenv("SA_ML__XGB_PARAMS__LEARNING_RATE", "0.3")
        yield patch


@pytest.fixture(scope="module")
def learnt(small: pytest.MonkeyPatch, trending_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the demo's model passed the gate."""
    folder = tmp_path_factory.mktemp("learnt")
    shutil.copy(trending_csv, folder)
    small.chdir(folder)
    result = invoke("demo", "--data", "bars.csv", "--stamped", "session", "--json")
    assert result.exit_code == 0, result.output
    (folder / "demo.json").write_text(result.stdout)
    return folder


@pytest.fixture
def here(learnt: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(learnt)
    return learnt


def test_a_model_that_earned_it_is_promoted_and_trades(here: Path) -> None:
    body = json.loads((here / "demo.json").read_text())
    assert body["training"]["verdict"]["passed"] is True
    assert body["training"]["promoted"] is True
    replay = body["replay"]
    assert replay["shadow"] is False
    assert replay["signals"] == replay["backtest"]["signals"] > 100
    assert replay["rows"] == sum(count for _, _, count in replay["confidence"]["buckets"])
    silent = sum(replay["abstained"].values())
    assert replay["rows"] == replay["signals"] + silent
    assert replay["backtest"]["failures"] == {}


def test_what_was_said_is_in_the_runs_log(here: Path) -> None:
    replay = json.loads((here / "demo.json").read_text())["replay"]
    with EventLog(here / replay["events"]) as log:
        assert len(log.read(kinds=[EventKind.SIGNAL], limit=100_000)) == replay["signals"]
        assert len(list(log.decisions("MLSignalStrategy", 10_000))) == replay["decisions"]


def test_signals_are_held_against_what_came(here: Path) -> None:
    replay = json.loads((here / "demo.json").read_text())["replay"]
    outcomes = replay["outcomes"]
    with EventLog(here / replay["events"]) as log:
        made = {event.id: event.body for event in log.read(kinds=[EventKind.SIGNAL], limit=100_000)}
        came = [event.body for event in log.read(kinds=[EventKind.OUTCOME], limit=100_000)]
    joined = [(made[str(body["signal_id"])]["direction"], body) for body in came]
    assert all(direction == body["direction"] for direction, body in joined)
    right = [(direction, body["label"]) in (("LONG", "UP"), ("SHORT", "DOWN")) for direction, body in joined]
    gains = [(1 if body["direction"] == "LONG" else -1) * float(str(body["realised_return"])) for body in came]
    assert outcomes["matured"] == len(came) > 100
    assert outcomes["right"] == pytest.approx(sum(right) / len(right))
    assert outcomes["mean_return"] == pytest.approx(sum(gains) / len(gains))
    assert 0 < outcomes["base_rate"] < outcomes["right"]
    assert outcomes["dates"] <= replay["decisions"]


def test_the_lowest_bucket_begins_at_ignorance(here: Path) -> None:
    replay = json.loads((here / "demo.json").read_text())["replay"]
    assert replay["confidence"]["buckets"][0][:2] == [0.33, 0.35]


def test_backtest_says_from_when_the_model_saw_nothing(here: Path) -> None:
    seen = json.loads((here / "demo.json").read_text())["replay"]["backtest"]["start"]
    early = invoke("backtest", "--data", "bars.csv", "--stamped", "session", "--start", "2018-01-02")
    lines = early.output.splitlines()
    (place,) = (number for number, line in enumerate(lines) if "it has seen everything until" in line)
    assert "--start 2018-01-02 is before that: until then it says nothing" in lines[place + 1]
    assert place < next(number for number, line in enumerate(lines) if "confidence (" in line)
    later = invoke("backtest", "--data", "bars.csv", "--stamped", "session", "--start", seen)
    assert "is before that" not in later.output
    Path("old.csv").write_text(
        "\n".join(line for line in Path("bars.csv").read_text().splitlines() if line < "2018" or "date" in line)
    )
    old = invoke("backtest", "--data", "old.csv", "--stamped", "session", "--start", "2017-12-20")
    assert "the bars end on 2017-12-29" in old.output


def test_a_replay_in_which_the_strategy_raised_fails(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = MLSignalStrategy.generate_signals
    asked = []

    def sometimes(self: MLSignalStrategy, data: dict[str, list[OHLCV]]) -> list[Signal]:
        asked.append(len(data))
        if len(asked) in (3, 5):
            raise ZeroDivisionError
        return decide(self, data)

    monkeypatch.setattr(MLSignalStrategy, "generate_signals", sometimes)
    for form in ([], ["--json"]):
        asked.clear()
        result = invoke("backtest", "--data", "bars.csv", "--stamped", "session", *form)
        assert result.exit_code == 1
        assert "account:" in result.stdout or json.loads(result.stdout)["backtest"]["failures"]
        assert f"error: MLSignalStrategy failed at 2 of {len(asked)} slices" in result.stderr


def test_backtest_replays_the_active_model_to_the_same_signals(here: Path) -> None:
    first = json.loads((here / "demo.json").read_text())["replay"]
    start = first["backtest"]["start"]
    result = invoke("backtest", "--data", "bars.csv", "--stamped", "session", "--start", start, "--json")
    again = json.loads(result.stdout)
    assert again["data"]["kept"] == 5600
    assert again["model_version"] == first["model_version"]
    assert again["backtest"] == first["backtest"]
    assert again["confidence"] == first["confidence"]
    ids = []
    for path in (first["events"], again["events"]):
        with EventLog(here / path) as log:
            ids.append([event.id for event in log.read(limit=100_000)])
    assert ids[0] == ids[1]


def test_backtest_speaks_to_people(here: Path) -> None:
    result = invoke("backtest", "--data", "bars.csv", "--stamped", "session", "--symbols", "2")
    assert result.exit_code == 0, result.output
    for said in ("a signal needs more than 0.55", "signals", "came true", "latest decision", "vane events --run"):
        assert said in result.output
    assert re.search(r"account: \+[\d.]+% after costs .*, drawdown\s+-[\d.]+%, ", result.output)
    run = result.output.split("next: vane events --run ")[1].strip()
    assert re.search(r"T\d (LONG|SHORT) came out (UP|FLAT|DOWN) \(", invoke("events", "--run", run).output)


def test_a_symbol_without_a_bar_is_counted(here: Path, tmp_path: Path) -> None:
    body = json.loads((here / "demo.json").read_text())
    last = body["replay"]["backtest"]["end"][:10]
    halted = tmp_path / "bars.csv"
    lines = Path("bars.csv").read_text().splitlines()
    halted.write_text("\n".join(line for line in lines if not line.startswith(f"{last},T2,")) + "\n")
    result = invoke("backtest", "--data", str(halted), "--stamped", "session", "--start", last, "--json")
    assert json.loads(result.stdout)["abstained"]["no_bar"] == 1


def test_an_unknown_version_is_refused(here: Path) -> None:
    error = refusal(invoke("backtest", "--data", "bars.csv", "--stamped", "session", "--model", "19990101_000000"))
    assert isinstance(error, RegistryError)
    assert "the newest there" in str(error)


def test_a_damaged_version_is_refused_by_its_name(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SA_MODELS__DIR", str(tmp_path / "models"))
    shutil.copytree("models", tmp_path / "models")
    (home,) = (tmp_path / "models" / "direction").glob("2*/")
    (home / "manifest.json").unlink()
    error = refusal(invoke("backtest", "--data", "bars.csv", "--stamped", "session", "--model", home.name))
    assert isinstance(error, BundleDamaged)


def test_the_promotion_is_an_event(here: Path) -> None:
    body = json.loads((here / "demo.json").read_text())
    with EventLog(here / "var" / "events.db") as log:
        (event,) = log.read(kinds=[EventKind.ACTIVATION])
    assert event.body["version_id"] == body["training"]["version_id"]
    assert event.body["actor"] == "vane demo"


def test_a_replay_without_predictions_praises_no_silence(here: Path) -> None:
    span = ["--start", "2014-02-01", "--end", "2014-03-01"]
    result = invoke("backtest", "--data", "bars.csv", "--stamped", "session", *span)
    assert "Not one row got a prediction" in result.output
    assert "Silence" not in result.output


def test_symbols_are_not_read_as_markup(here: Path) -> None:
    lines = Path("bars.csv").read_text().splitlines()
    odd = [line.replace(",T1,", ",[/red]X,").split(",") for line in lines[1:] if ",T1," in line]
    for row in odd[700:]:  # looks like a split, told with its symbol
        row[2:6] = [repr(float(price) / 10) for price in row[2:6]]
    odd[-1][6] = "-1"
    Path("odd.csv").write_text("\n".join([lines[0], *map(",".join, odd)]) + "\n")
    result = invoke("backtest", "--data", "odd.csv", "--stamped", "session")
    assert result.exit_code == 0, result.output
    assert "1 refused" in result.output
    assert "refused rows and their reasons: var/quarantine/odd.csv" in result.output
    assert result.output.count("[/red]X") >= 3


def test_no_active_model_is_said(noise_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    error = refusal(invoke("backtest", "--data", str(noise_csv), "--stamped", "session"))
    assert "no active model" in str(error)


def test_a_time_that_is_none_is_refused(here: Path) -> None:
    result = invoke("backtest", "--data", "bars.csv", "--stamped", "session", "--start", "yesterday")
    assert result.exit_code == 2
    assert "--start" in result.stderr


def test_noise_is_refused_and_replays_in_shadow(
    small: pytest.MonkeyPatch, noise_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("demo", "--data", str(noise_csv), "--stamped", "session")
    assert result.exit_code == 0, result.output
    for said in (
        "Refused",
        "registered, not promoted: the gate refused it; no model is active yet",
        "runs in shadow",
        "Latest decision",
        "vane models show",
    ):
        assert said in result.output
    assert list(Path("models/direction").glob("activations/*.json")) == []


def test_training_ends_where_it_is_told_to(
    small: pytest.MonkeyPatch, noise_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("train", "--data", str(noise_csv), "--stamped", "session", "--until", "2017-06-30", "--json")
    body = json.loads(result.stdout)
    manifest = json.loads((Path(body["path"]) / "manifest.json").read_text())
    assert manifest["train"]["last_label_end"] <= "2017-06-30"
    assert max(window["end"] for window in body["windows"]) <= "2017-06-30"


def test_too_little_history_is_said(trending_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = trending_csv.read_text().splitlines()
    Path("short.csv").write_text("\n".join([lines[0], *(line for line in lines if line < "2016-06")][:2000]) + "\n")
    error = refusal(invoke("demo", "--data", "short.csv", "--stamped", "session"))
    assert isinstance(error, TooFewRows)
    assert "last year" in str(error)


def test_data_needs_to_say_what_its_times_mean() -> None:
    assert invoke("demo", "--data", "bars.csv").exit_code == 2


def test_reference_series_are_looked_at_and_not_traded(here: Path, trending_csv: Path, tmp_path: Path) -> None:
    market = tmp_path / "market.csv"
    lines = trending_csv.read_text().splitlines()
    market.write_text("\n".join([lines[0], *(line.replace("T0", "^GSPC") for line in lines if ",T0," in line)]) + "\n")
    options = ["--data", "bars.csv", "--stamped", "session", "--market", str(market), "--json"]
    result = invoke("backtest", *options)
    body = json.loads(result.stdout)
    assert body["backtest"]["failures"] == {}
    assert "market series: ^GSPC" in result.stderr
    assert body["rows"] == 4 * body["decisions"]


def test_the_sample_tour_runs(small: pytest.MonkeyPatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SA_ML__XGB_PARAMS__N_ESTIMATORS", "3")
    result = invoke("demo")
    assert result.exit_code == 0, result.output
    for said in (
        "the model is stale, 15 days old where 14 are allowed",
        "AAPL, FB, GOOG, IBM, MSFT",
        "FB (196)",
        "too little history yet",
    ):
        assert said in result.output


@pytest.mark.real_data
def test_the_tour_runs_on_fifty_real_symbols(
    small: pytest.MonkeyPatch, real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SA_ML__XGB_PARAMS__N_ESTIMATORS", "3")
    result = invoke(
        "demo", "--data", str(real_data / "stocks_daily_2013_2018.parquet"), "--stamped", "session", "--json"
    )
    assert result.exit_code == 0, result.output
    body = json.loads(result.stdout)
    assert body["data"]["read"] == body["data"]["kept"] + body["data"]["quarantined"]
    assert (
        len(Path("var/quarantine/stocks_daily_2013_2018.csv").read_text().splitlines())
        == body["data"]["quarantined"] + 1
    )
    assert body["replay"]["rows"] == 50 * body["replay"]["decisions"]
