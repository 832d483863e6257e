from __future__ import annotations

import sys
from pathlib import Path

import pytest

from signals.config import ModelSettings, PostgresSettings, Settings
from signals.errors import ConfigError
from signals.ml.opening import open_registry


def settings(folder: Path, dsn: str | None) -> Settings:
    return Settings.model_validate(
        {
            "models": ModelSettings(dir=folder / "models", store="postgres"),
            "postgres": PostgresSettings.model_validate({"dsn": dsn}),
        }
    )


def test_files_need_no_store(tmp_path: Path) -> None:
    registry = open_registry(Settings(models=ModelSettings(dir=tmp_path)))
    assert (registry.root, registry.stale) == (tmp_path, False)


def test_postgres_is_looked_into(tmp_path: Path, postgres_url: str) -> None:
    registry = open_registry(settings(tmp_path, postgres_url))
    assert registry.stale
    assert registry.history("of-nobody") == []
    assert not registry.stale


def test_postgres_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected an address in postgres\.dsn, was null"):
        open_registry(settings(tmp_path, None))


def test_postgres_without_its_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    monkeypatch.delitem(sys.modules, "signals.ml.postgres", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'vane-signals\[postgres\]'"):
        open_registry(settings(tmp_path, "postgresql://localhost/x"))
