"""What `vane train` says and leaves behind, and what refuses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from signals.cli.app import app
from signals.cli.views_training import show_plan
from signals.errors import ConfigError, FeatureError, RegistryError, TooFewRows
from signals.events.log import EventLog
from signals.events.schema import EventKind
from signals.features.feature import Feature
from signals.ml.artifact import ModelBundle, save_bundle
from signals.ml.recipe import SplitSpec
from signals.ml.registry import ModelRegistry
from signals.ml.trainer import Trainer
from signals.ml.workers import Workers
from signals.recipes.direction import recipe


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SA_ML__XGB_PARAMS__N_ESTIMATORS", "3")
    monkeypatch.setenv("SA_ML__XGB_PARAMS__MAX_DEPTH", "2")


def invoke(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1"}).invoke(app, [str(each) for each in arguments])


def test_a_refused_training_says_what_stays_and_what_to_type(noise_csv: Path, tmp_path: Path) -> None:
    result = invoke("train", "--data", noise_csv, "--stamped", "session", "--symbols", "N3,N1")
    assert result.exit_code == 0, result.output
    (version,) = ModelRegistry("models").list_versions()
    command = f"vane backtest --data {noise_csv} --stamped session --symbols N3,N1 --model {version.version_id}"
    for said in (
        "5,000 rows read = 5,000 kept + 0 refused",
        "2 of 4 symbols: N1, N3",
        "log loss out of sample; ✓ beats both baselines",
        "calibration error",
        f"registered {version.version_id} in models/direction/{version.version_id}",
        "windows: train 24 months, test 6, step 3; purged by each label's own end",
        "labels: 5 sessions ahead, from the close: UP above +1.00%, DOWN below -1.00%",
        "classes out of sample: DOWN ",
        "decided on, after costs: undefined, 0 dates with a signal, 30 needed",
        "UP or DOWN with confidence above 0.55 in 0.0% of out-of-sample rows: it will hardly ever speak",
        "not promoted: the gate refused it; no model is active yet",
        f"{command} (replays it, in shadow, on bars that come after 2018-12-18)",
    ):
        assert said in " ".join(result.output.split())
    with EventLog("var/events.db") as log:
        (event,) = log.read()
    assert (event.kind, event.at) == (EventKind.VERDICT, version.created_at)
    assert event.body["version_id"] == version.version_id
    assert event.body["passed"] is False
    assert event.body["figures"] == pytest.approx(version.metrics)
    listed = invoke("events")
    assert f"{version.version_id}: Refused: " in " ".join(listed.output.split())
    unnamed = invoke("backtest", "--data", noise_csv, "--stamped", "session").exception
    assert isinstance(unnamed, RegistryError)
    assert f"--model {version.version_id} (refused by its gate" in str(unnamed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--until", "2012-01-01"], "expected 30 months of bars (24 to train, 6 to test), were 0 until 2012"),
        (["train", "--until", "2016-03-01"], "were 25 until 2016-03-01: the bars begin on 2014-01-02"),
        (["demo"], "expected 42 months of bars (24 to train, 6 to test and 12 of the last year, kept for the replay)"),
    ],
)
def test_too_little_history_is_told_before_anything_is_computed(
    noise_csv: Path, arguments: list[str], said: str
) -> None:
    lines = noise_csv.read_text().splitlines()
    Path("bars.csv").write_text("\n".join(lines[:1] + lines[1:101] if arguments == ["demo"] else lines) + "\n")
    result = invoke(*arguments, "--data", "bars.csv", "--stamped", "session")
    assert isinstance(result.exception, TooFewRows)
    assert said in str(result.exception)
    assert "until" not in result.output
    assert "windows" not in result.output
    assert not Path("models").exists()


def test_thirty_months_and_a_year_suffice_for_a_tour(noise_csv: Path) -> None:
    lines = noise_csv.read_text().splitlines()
    kept = [line for line in lines[1:] if line < "2017-07-05"]
    Path("bars.csv").write_text("\n".join([lines[0], *kept]) + "\n")
    result = invoke("demo", "--data", "bars.csv", "--stamped", "session")
    assert result.exit_code == 0, result.output


def test_warnings_are_about_the_symbols_in_use(noise_csv: Path) -> None:
    lines = noise_csv.read_text().splitlines()
    short = [line.replace(",N0,", ",NEW,") for line in lines if ",N0," in line][-300:]
    Path("bars.csv").write_text("\n".join([*lines, *short]) + "\n")
    until = ("--data", "bars.csv", "--stamped", "session", "--until", "2014-06-01", "--symbols")
    assert "NEW" not in invoke("train", *until, "4").output
    assert "so never a signal: NEW (300)" in invoke("train", *until, "NEW,N1").output


def test_an_interrupted_training_says_that_nothing_was_registered(
    noise_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run", interrupted)
    result = invoke("train", "--data", noise_csv, "--stamped", "session")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "interrupted: nothing was registered"
    assert not Path("models").exists()


def test_any_interrupted_command_exits_with_130(noise_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("signals.data.parquet.read_bars", interrupted)
    result = invoke("backtest", "--data", noise_csv, "--stamped", "session")
    assert (result.exit_code, result.stderr) == (130, "interrupted; run it again\n")


def test_jobs_and_a_cluster_are_options_and_settings(noise_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Workers] = []

    class Watched(Trainer):
        def __init__(self, *arguments: Any, workers: Workers, **options: Any) -> None:
            given.append(workers)
            raise TooFewRows("seen")

    monkeypatch.setattr("signals.ml.trainer.Trainer", Watched)
    monkeypatch.setenv("SA_TRAINING__DASK", "tcp://10.0.0.1:8786")
    for options in ([], ["--jobs", "2"], ["--dask", "tcp://10.0.0.2:8786"]):
        invoke("train", "--data", noise_csv, "--stamped", "session", *options)
    assert given == [Workers(None, "tcp://10.0.0.1:8786"), Workers(2), Workers(None, "tcp://10.0.0.2:8786")]


def test_two_jobs_train_the_same_model(noise_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for jobs in ("1", "2"):
        folder = tmp_path / jobs
        folder.mkdir()
        monkeypatch.chdir(folder)  # two versions of one second would have one name
        common = ("train", "--data", noise_csv, "--stamped", "session", "--symbols", "2", "--until", "2017-01-15")
        made.append(json.loads(invoke(*common, "--json", "--jobs", jobs).stdout))
    one, two = made
    assert one["windows"] == two["windows"]
    assert one["verdict"] == two["verdict"]
    hashes = [window["model_sha256"] for window in one["windows"]]
    assert len(set(hashes)) == len(hashes) > 1


def test_an_active_model_that_stays_is_named(
    noise_csv: Path, tmp_path: Path, make_bundle: Callable[..., ModelBundle]
) -> None:
    registry = ModelRegistry("models")
    registry.register("v1", save_bundle(make_bundle("v1", passed=True), tmp_path / "v1"), {})
    registry.promote("v1")
    result = invoke("train", "--data", noise_csv, "--stamped", "session", "--symbols", "2")
    assert "not promoted: the gate refused it; v1 stays active" in result.output


def test_an_active_model_that_predicts_something_else_is_not_compared(
    noise_csv: Path, tmp_path: Path, make_bundle: Callable[..., ModelBundle]
) -> None:
    registry = ModelRegistry("models")
    registry.register("v1", save_bundle(make_bundle("v1", passed=True), tmp_path / "v1"), {})
    registry.promote("v1")
    invoke("train", "--data", noise_csv, "--stamped", "session", "--symbols", "2", "--until", "2016-08-01")
    (_, trained) = registry.list_versions()
    said = " ".join(registry.manifest(trained.version_id).verdict["sentences"])
    assert "Against the active version (it predicts another target): not enough evidence, 0 dates" in said


@pytest.mark.parametrize("damaged", ["v1/model.ubj", "v1/manifest.json", "v1.metrics.json"])
def test_a_damaged_active_model_does_not_keep_from_training(
    noise_csv: Path, tmp_path: Path, make_bundle: Callable[..., ModelBundle], damaged: str
) -> None:
    registry = ModelRegistry("models")
    registry.register("v1", save_bundle(make_bundle("v1", passed=True), tmp_path / "v1"), {})
    registry.promote("v1")
    Path("models/direction", damaged).write_bytes(b"no model")
    result = invoke("train", "--data", noise_csv, "--stamped", "session", "--symbols", "2", "--until", "2016-08-01")
    assert result.exit_code == 0, result.output
    assert "not promoted: the gate refused it; v1 stays active" in result.output


def test_a_store_that_is_down_is_said_before_training(
    noise_csv: Path, tmp_path: Path, make_bundle: Callable[..., ModelBundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    ModelRegistry("models").register("v1", save_bundle(make_bundle("v1"), tmp_path / "v1"), {})
    monkeypatch.setenv("SA_MODELS__STORE", "postgres")
    monkeypatch.setenv("SA_POSTGRES__DSN", "postgresql://127.0.0.1:9/vane")
    monkeypatch.setattr(Trainer, "run", lambda *_, **__: pytest.fail("it trained first"))
    result = invoke("train", "--data", noise_csv, "--stamped", "session", "--symbols", "2", "--until", "2016-08-01")
    assert isinstance(result.exception, RegistryError)


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [("SA_MODELS__DIR", "taken/models", "SA_MODELS__DIR"), ("SA_TRAINING__DEVICE", "cuda", "CUDA device")],
)
def test_what_would_refuse_the_model_later_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, told: str
) -> None:
    Path("taken").write_text("a file")
    (tmp_path / "nobody looks.csv").write_text("")
    monkeypatch.setattr("signals.ml.device.cuda_devices", lambda: 0)
    monkeypatch.setenv(setting, value)
    result = invoke("train", "--data", tmp_path / "nobody looks.csv", "--stamped", "session")
    assert isinstance(result.exception, ConfigError)
    assert told in str(result.exception)


def test_a_model_that_cannot_be_registered_is_kept(noise_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RegistryError("the store went down")

    with monkeypatch.context() as patch:
        patch.setattr(ModelRegistry, "register", refuse)
        result = invoke("train", "--data", noise_csv, "--stamped", "session", "--symbols", "2", "--until", "2016-08-01")
    said = str(result.exception)
    assert said.startswith("the store went down; the trained model is kept")
    assert invoke("models", "register", said.split()[-1]).exit_code == 0
    (version,) = ModelRegistry("models").list_versions()
    assert version.metrics["rows"] > 0


def test_selection_counts_configurations_and_earlier_attempts(
    noise_csv: Path, tmp_path: Path, make_bundle: Callable[..., ModelBundle]
) -> None:
    ModelRegistry("models").register("v1", save_bundle(make_bundle("v1", passed=False), tmp_path / "v1"), {})
    given = ("train", "--data", noise_csv, "--stamped", "session", "--symbols", "2", "--until", "2016-08-01")
    result = invoke(*given, "--selection", "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)["verdict"]["figures"]
    assert figures["configurations"] == 24
    assert figures["attempts"] == 1
    assert 0 <= figures["pbo"] <= 1


def test_the_plan_says_that_windows_grow(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(recipe().model_copy(update={"split": SplitSpec(expanding=True)}))
    assert "train 24 months and all before, test 6, step 3" in capsys.readouterr().out


def test_a_time_budget_without_a_search_is_wrong_usage(noise_csv: Path) -> None:
    result = invoke("train", "--data", noise_csv, "--stamped", "session", "--seconds", "5")
    assert result.exit_code == 2
    assert "--trials" in result.output


class Peek:
    name = "peek"
    features = (Feature("peek_5", "peek", 0, 5, True, "the return to come"),)

    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        return (bars["close"].shift(-5) / bars["close"]).to_frame("peek_5")


class Honest(Peek):
    def compute(self, bars: pd.DataFrame) -> pd.DataFrame:
        return (bars["close"] / bars["close"].shift(5)).to_frame("peek_5")


def test_a_feature_of_ones_own_that_looks_ahead_is_not_trained_on(
    trending_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signals.feature_store.installed", lambda: (Peek(),))
    refused = invoke("train", "--data", trending_csv, "--stamped", "session", "--symbols", "1").exception
    assert isinstance(refused, FeatureError)
    assert "knows what comes after it, was peek_5" in str(refused)
    toured = invoke("demo", "--data", trending_csv, "--stamped", "session", "--symbols", "1").exception
    assert isinstance(toured, FeatureError)
    assert not Path("models").exists()
    monkeypatch.setattr("signals.feature_store.installed", lambda: (Honest(),))
    trained = invoke("train", "--data", trending_csv, "--stamped", "session", "--symbols", "1")
    assert "they are your own: peek_5" in trained.output
