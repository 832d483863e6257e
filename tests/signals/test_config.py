"""Settings: the file is the defaults, overrides reach every depth, and what is wrong is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from signals.config import MLSettings, Settings, load_settings, settings_path
from signals.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
WriteSettings = Callable[[str], Path]


@pytest.fixture(autouse=True)
def empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings and an environment without overrides."""
    for name in [name for name in os.environ if name.upper().startswith("SA_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteSettings:
    def put(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text)
        monkeypatch.setenv("SA_CONFIG", str(path))
        return path

    return put


def test_shipped_file_equals_the_defaults() -> None:
    shipped = yaml.safe_load((REPOSITORY / "config/settings.yaml").read_text())
    assert shipped == Settings().model_dump(mode="json")


def test_ml_block_is_the_agreed_one() -> None:
    assert MLSettings().model_dump() == {
        "prediction_horizon": 5,
        "up_threshold": 0.01,
        "down_threshold": -0.01,
        "min_training_samples": 500,
        "retrain_interval_days": 7,
        "model_staleness_days": 14,
        "confidence_threshold": 0.55,
        "xgb_params": {
            "n_estimators": 300,
            "max_depth": 6,
            "learning_rate": 0.05,
            "subsample": 0.8,
            "colsample_bytree": 0.8,
            "min_child_weight": 5,
            "objective": "multi:softprob",
            "num_class": 3,
            "eval_metric": "mlogloss",
        },
    }


def test_defaults_without_a_file() -> None:
    assert settings_path() is None
    assert load_settings() == Settings()


def test_file_in_the_working_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/settings.yaml").write_text("ml: {prediction_horizon: 7}")
    assert load_settings().ml.prediction_horizon == 7


def test_named_file_comes_first(tmp_path: Path, write: WriteSettings) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/settings.yaml").write_text("ml: {prediction_horizon: 7}")
    assert settings_path() == Path("config/settings.yaml")
    write("ml: {prediction_horizon: 9}")
    assert load_settings().ml.prediction_horizon == 9


def test_named_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SA_CONFIG", "nowhere.yaml")
    with pytest.raises(ConfigError, match=r"SA_CONFIG: expected a settings file, but nowhere\.yaml is not there"):
        load_settings()


def test_file_sets_some_and_keeps_the_rest(write: WriteSettings) -> None:
    write("ml: {xgb_params: {max_depth: 3}}")
    made = load_settings()
    assert made.ml.xgb_params.max_depth == 3
    assert made.ml.xgb_params.n_estimators == 300
    assert made.ml.prediction_horizon == 5


def test_variable_overrides_the_file(write: WriteSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    write("ml: {prediction_horizon: 9, up_threshold: 0.02}")
    monkeypatch.setenv("SA_ML__PREDICTION_HORIZON", "3")
    made = load_settings().ml
    assert (made.prediction_horizon, made.up_threshold) == (3, 0.02)


def test_nested_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SA_ML__XGB_PARAMS__N_ESTIMATORS", "50")
    made = load_settings().ml.xgb_params
    assert (made.n_estimators, made.max_depth) == (50, 6)


def test_list_in_a_variable_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SA_LIVE__UNIVERSE", '["AAPL", "IBM"]')
    assert load_settings().live.universe == ("AAPL", "IBM")


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("SA_ML__PREDICTION_HORIZN", r"ml\.prediction_horizn: no such setting"),
        ("SA_ML__XGB_PARAMS__DEPTH", r"ml\.xgb_params\.depth: no such setting"),
        ("SA_MODEL__DIR", r"SA_MODEL__DIR: no such section, did you mean models\?; expected .* models"),
    ],
)
def test_unknown_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, named: str) -> None:
    monkeypatch.setenv(variable, "3")
    with pytest.raises(ConfigError, match=named):
        load_settings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("mll: {}", "mll: no such setting"),
        ("ml: {horizon: 3}", r"ml\.horizon: no such setting"),
        ("ml: {xgb_params: {gamma: 1}}", r"ml\.xgb_params\.gamma: no such setting"),
    ],
)
def test_unknown_key_is_named_with_its_file(write: WriteSettings, text: str, named: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError, match=named) as caught:
        load_settings()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ml: {prediction_horizon: 0}", r"ml\.prediction_horizon: .*, was 0"),
        ("ml: {prediction_horizon: soon}", r"ml\.prediction_horizon: .*, was 'soon'"),
        ("ml: {up_threshold: .nan}", r"ml\.up_threshold"),
        ("ml: {down_threshold: 0.01}", r"ml\.down_threshold"),
        ("ml: {confidence_threshold: 1.0}", r"ml\.confidence_threshold"),
        ("ml: {xgb_params: {subsample: 0}}", r"ml\.xgb_params\.subsample"),
        ("ml: {xgb_params: {objective: 'reg:squarederror'}}", r"ml\.xgb_params\.objective"),
        ("monitor: {psi_minor: 0.3}", "monitor: expected psi_minor <= psi_major, was 0.3 > 0.2"),
        ("monitor: {persist: [6, 5]}", "monitor: expected persist as K of N with K <= N, was 6 of 5"),
        ("models: {store: s3}", r"models\.store"),
        ("jobs: {retrain: Sunday}", r"jobs\.retrain"),
        ("jobs: {retrain: 'Sun 29:00'}", r"jobs\.retrain"),
        ("live: {health_port: 70000}", r"live\.health_port"),
    ],
)
def test_impossible_value_is_named(write: WriteSettings, text: str, named: str) -> None:
    write(text)
    with pytest.raises(ConfigError, match=named):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("SA_ML__CONFIDENCE_TRESHOLD", "0.6", "no such setting, did you mean confidence_threshold?"),
        ("SA_ML__QQQ", "0.6", "ml.qqq: no such setting"),
        ("sa_ml__confidence_threshold", "55", "expected a number below 1, was 55"),
        ("SA_ML__PREDICTION_HORIZON", "1.5", "expected a whole number, was '1.5'"),
        ("SA_ML__XGB_PARAMS", '{"max_depth": 99}', "ml.xgb_params.max_depth: expected a number of at most 16, was 99"),
        ("SA_LIVE__UNIVERSE", "[3]", "live.universe.0: expected text, was 3"),
        ("SA_MONITOR__PERSIST", "[3]", "monitor.persist.1: expected a value"),
        ("SA_MONITOR__PERSIST", "[1, 2, 3]", "monitor.persist: expected a list of 2"),
        ("SA_MONITOR__PERSIST", "[6, 5]", "expected persist as K of N with K <= N, was 6 of 5"),
        ("SA_JOBS__RETRAIN", "Sunday", "expected a text such as 'Sun 02:00', was 'Sunday'"),
        ("SA_ALERTS__TELEGRAM_TOKEN__A", "hunter2", "alerts.telegram_token: expected text"),
        ("SA_ALERTS", "hunter2", "lists and mappings are JSON"),
    ],
)
def test_a_wrong_variable_is_named_itself(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{variable}: ")
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_variable_is_not_blamed_for_the_file(write: WriteSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("{ml: {confidence_treshold: 0.6}, live: {health_port: 0}}")
    monkeypatch.setenv("SA_ML", '{"prediction_horizon": 3}')
    monkeypatch.setenv("SA_DATA__CALENDAR", "XLON")
    monkeypatch.setenv("SA_ML__UP_THRESHOLD", "2")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(caught.value) == (
        "SA_ML__UP_THRESHOLD: ml.up_threshold: expected a number below 1, was 2; "
        f"{path}: ml.confidence_treshold: no such setting, did you mean confidence_threshold?; "
        "live.health_port: expected a number of at least 1, was 0"
    )


def test_what_file_and_variable_break_together_names_both(
    write: WriteSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("monitor: {psi_major: 0.3}")
    monkeypatch.setenv("SA_MONITOR__PSI_MINOR", "0.4")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{path} with SA_MONITOR__PSI_MINOR: monitor: expected psi_minor <= psi_major")


@pytest.mark.parametrize("text", ["ml: {}\nlive: {}\nml: {}\n", "ml:\n  a: 1\n  ml: 2\n  ml: 3\n"])
def test_a_key_that_is_there_twice_is_refused(write: WriteSettings, text: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError, match=r"ml is there twice in line [34], column") as caught:
        load_settings()
    assert str(path) in str(caught.value)


def test_every_problem_is_named_at_once(write: WriteSettings) -> None:
    write("{ml: {prediction_horizon: 0}, live: {health_port: 0}}")
    with pytest.raises(ConfigError, match=r"ml\.prediction_horizon.*; live\.health_port"):
        load_settings()


@pytest.mark.parametrize("text", ["ml: [1, 2", "- 1\n- 2\n", "just words"])
def test_file_that_holds_no_settings(write: WriteSettings, text: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_is_not_text(write: WriteSettings) -> None:
    write("").write_bytes(b"ml: \xff\xfe")
    with pytest.raises(ConfigError, match="expected text in UTF-8"):
        load_settings()


def test_empty_file_is_the_defaults(write: WriteSettings) -> None:
    write("# nothing yet\n")
    assert load_settings() == Settings()


def test_variable_that_should_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SA_LIVE__UNIVERSE", "AAPL,IBM")
    with pytest.raises(ConfigError, match=r"^SA_LIVE__UNIVERSE: lists and mappings are JSON"):
        load_settings()


SECRETS = {
    "SA_REDIS__URL": "redis://:hunter2@localhost/0",
    "SA_POSTGRES__DSN": "postgresql://vane:hunter2@localhost/vane",
    "SA_ALERTS__SLACK_WEBHOOK": "https://hooks.slack.com/services/hunter2",
    "SA_ALERTS__TELEGRAM_TOKEN": "1:hunter2",
}


def test_secrets_are_masked_wherever_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SECRETS.items():
        monkeypatch.setenv(variable, value)
    made = load_settings()
    assert made.redis.url is not None
    assert made.redis.url.get_secret_value() == SECRETS["SA_REDIS__URL"]
    assert "hunter2" not in json.dumps(made.shown()) + repr(made) + str(made)
    assert made.shown()["redis"]["url"] == "**********"


@pytest.mark.parametrize("key", ["redis: {url: [hunter2]}", "alerts: {telegram_token: {a: hunter2}}", "redis: hunter2"])
def test_a_wrong_secret_is_not_repeated(write: WriteSettings, key: str) -> None:
    write(key)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings().ml, "prediction_horizon", 3)  # noqa: B010 (mypy knows that it is read-only)


def test_a_broken_file_is_placed_without_showing_its_lines(write: WriteSettings) -> None:
    write('alerts:\n  slack_webhook: "https://hooks.example/SECRET\n  telegram_token: [1\n')
    with pytest.raises(ConfigError, match=r"not YAML: .* line 4") as caught:
        load_settings()
    assert "hooks" not in str(caught.value)


def test_a_key_that_is_no_text_is_refused(write: WriteSettings) -> None:
    write("1: {a: 2}\n")
    with pytest.raises(ConfigError, match="1: no such setting"):
        load_settings()
