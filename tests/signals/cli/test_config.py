from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from signals.cli.config import app
from signals.errors import ConfigError


def test_show_lists_every_setting() -> None:
    result = CliRunner().invoke(app, ["show"])
    assert result.exit_code == 0
    assert "ml.xgb_params.n_estimators" in result.output


def test_json_is_what_is_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SA_ML__PREDICTION_HORIZON", "3")
    result = CliRunner().invoke(app, ["show", "--json"])
    assert json.loads(result.output)["ml"]["prediction_horizon"] == 3


@pytest.mark.parametrize("options", [["show"], ["show", "--json"]])
def test_secrets_are_masked(monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    monkeypatch.setenv("SA_ALERTS__TELEGRAM_TOKEN", "123:hush")
    monkeypatch.setenv("SA_POSTGRES__DSN", "postgres://me:hush@localhost/db")
    result = CliRunner().invoke(app, options)
    assert "hush" not in result.output
    assert "**********" in result.output


def test_bad_setting_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SA_ML__UP_THRESHOLD", "-1")
    result = CliRunner().invoke(app, ["show"])
    assert isinstance(result.exception, ConfigError)
    assert "ml.up_threshold" in str(result.exception)
