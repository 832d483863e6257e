"""The README is true: every command in it runs, and its example works."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from signals.cli.app import app
from signals.feature_store import FeatureStore
from signals.ml.artifact import save_bundle
from signals.ml.registry import ModelRegistry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture
def _logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logs_as_before")
def test_vane_commands_run_in_order(trending_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SA_ML__XGB_PARAMS__N_ESTIMATORS", "12")
    monkeypatch.setenv("SA_ML__XGB_PARAMS__LEARNING_RATE", "0.3")
    shutil.copy(trending_csv, tmp_path)
    ran = [words[1:] for words in commands() if words[0] == "vane"]
    assert len(ran) >= 6
    for arguments in ran:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"vane {' '.join(arguments)}: {result.output}{result.exception!r}"


def test_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {words[1] for words in commands() if words[0] == "make"}
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_the_example_gives_signals(
    planted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = planted.bundle.manifest.model_copy(update={"verdict": {"passed": True, "sentences": ["Planted."]}})
    registry = ModelRegistry(tmp_path / "models")
    made = save_bundle(
        type(planted.bundle)(manifest, planted.bundle.estimator, planted.bundle.calibrator), tmp_path / "b"
    )
    registry.register(planted.bundle.version_id, made, {})
    registry.promote(planted.bundle.version_id, slot="shadow", actor="test")
    monkeypatch.chdir(tmp_path)
    example, *_ = blocks("python")
    assert len(example.splitlines()) <= 24
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102 (our own README)
    names["on_new_bars"](dict(planted.bars))
    said = capsys.readouterr().out
    assert planted.bundle.version_id in said
    assert "because" in said
    assert "silent:" in said


def test_the_calculator_is_short_and_passes_the_audit(planted: Any) -> None:
    _, example, _ = blocks("python")
    _, body = example.split("class ")
    lines = [line for line in f"class {body}".split("\n\n\n")[0].splitlines() if line.strip()]
    assert len(lines) < 10
    names: dict[str, Any] = {"provider": planted.provider, "settings": planted.settings}
    exec(compile(example.replace("cuts=40", 'cuts=2, symbols=["S00"]'), "README.md", "exec"), names)  # noqa: S102
    assert names["report"].passed, names["report"].violations
    assert "overnight_20" in names["report"].features
    assert {feature.name for feature in names["store"].features} >= {"overnight_20", "return_1"}


def test_a_recipe_of_one_s_own_is_judged(planted: Any, capsys: pytest.CaptureFixture[str]) -> None:
    *_, example = blocks("python")
    until = planted.bars["S00"][-1].timestamp
    store = FeatureStore(planted.settings)
    names: dict[str, Any] = {"provider": planted.provider, "settings": planted.settings, "store": store, "until": until}
    exec(compile(example.replace('"AAPL", "MSFT"', '"S00", "S01"'), "README.md", "exec"), names)  # noqa: S102
    assert len(names["result"].windows) > 3
    assert names["result"].bundle.manifest.target.unit == "volatility"
    assert "conditions" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_nothing_speaks_of_the_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/work/|/root/|/tmp/", page.read_text(encoding="utf-8")), page
