from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import pytest
from structlog.testing import capture_logs

SOURCE = """
from signals.features._jit import helper, kernel

@helper
def half(value):
    return value / 2.0

@kernel("f8(f8)")
def halved(value):
    return half(value) / 0.0 if value > 1.0 else half(value)
"""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("toy_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "toy_kernels.py"
    path.write_text(SOURCE)
    return path


def test_kernel_is_compiled_once_and_says_so(source: Path) -> None:
    with capture_logs() as first:
        assert load(source).halved(0.5) == 0.25
    with capture_logs() as second:
        assert load(source).halved(0.5) == 0.25
    assert [entry["event"] for entry in first] == ["features.kernel_compiling", "features.kernel_compiled"]
    assert second == []


def test_division_by_zero_is_infinite(source: Path) -> None:
    assert load(source).halved(2.0) == float("inf")


def test_other_signatures_are_refused(source: Path) -> None:
    with pytest.raises(TypeError):
        load(source).halved("text")


def test_without_a_folder_to_cache_in_it_still_compiles(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = numba.njit

    def nowhere(*given: Any, **options: Any) -> Any:
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'halved': no locator available for file")
        return genuine(*given, **options)

    monkeypatch.setattr(numba, "njit", nowhere)
    with capture_logs() as logs:
        assert load(source).halved(0.5) == 0.25
    assert next(entry["event"] for entry in logs) == "features.kernel_not_cached"


def test_changed_source_is_compiled_in(source: Path, tmp_path: Path) -> None:
    part = tmp_path / "toy_parts.py"
    part.write_text(SOURCE.partition("@kernel")[0])
    source.write_text(
        "import importlib.util as util\n"
        f"spec = util.spec_from_file_location('toy_parts', {str(part)!r})\n"
        "parts = util.module_from_spec(spec)\n"
        "spec.loader.exec_module(parts)\n"
        "half, kernel = parts.half, parts.kernel\n\n"
        f"@kernel('f8(f8)', [{str(part)!r}])\n"
        "def halved(value):\n    return half(value)\n"
    )
    assert load(source).halved(3.0) == 1.5
    with capture_logs() as again:
        load(source)
    # Another length: Python takes bytecode of the same second and length for current.
    part.write_text(part.read_text().replace("value / 2.0", "value / 4.000"))
    assert again == []
    with capture_logs() as changed:
        assert load(source).halved(3.0) == 0.75
    assert [entry["event"] for entry in changed] == ["features.kernel_compiling", "features.kernel_compiled"]


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_cache_is_made_anew(source: Path, ending: str) -> None:
    load(source)
    for path in source.parent.rglob(f"*halved-*.{ending}"):
        path.write_bytes(path.read_bytes()[:40])
    assert load(source).halved(0.5) == 0.25
    with capture_logs() as logs:
        assert load(source).halved(0.5) == 0.25
    assert logs == []
