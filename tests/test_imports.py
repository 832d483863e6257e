"""What importing costs, what a package shows, and who may import whom (docs/design.md, "Rooms")."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[1] / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
PACKAGES = [path for path in MODULES if path.name == "__init__.py"]

HEAVY = ("pandas", "xgboost", "sklearn", "numba", "scipy", "exchange_calendars", "pyarrow", "typer", "redis", "asyncpg")

CHILD = """
import json, sys
import numpy

seen = []
def hook(event, arguments):
    if event.startswith("socket.") or event == "subprocess.Popen":
        seen.append(event)
    elif event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so")):
        seen.append(f"open {arguments[0]}")

sys.addaudithook(hook)
import signals, strategy
print(json.dumps({"seen": seen, "modules": sorted(sys.modules)}))
"""

# A module may import from rooms of its own rank or below. `errors` and `config` are leaves that everyone may import.
RANKS = {
    "errors": 0,
    "config": 0,
    "config_problems": 0,
    "data": 1,
    "events": 1,
    "features": 2,
    "feature_store": 2,
    "audit": 2,
    "ml": 3,
    "recipes": 3,
    "aside": 0,
    "emission": 4,
    "ml_strategy": 4,
    "alerts": 5,
    "live": 5,
    "jobs": 5,
    "demo": 6,
    "cli": 6,
}


def dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Yield the absolute name of every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{dotted(path)}: expected absolute imports only"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if is_module(node.module, alias.name))


def is_module(package: str, name: str) -> bool:
    folder = SOURCE.joinpath(*package.split("."))
    return (folder / name).is_dir() or (folder / f"{name}.py").is_file()


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_importing_both_packages_loads_nothing_heavy_and_opens_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)  # noqa: S603
    told = json.loads(done.stdout)
    loaded = {name.split(".")[0] for name in told["modules"]}
    assert {"signals", "strategy"} <= loaded
    assert loaded.isdisjoint(HEAVY)
    assert told["seen"] == []


@pytest.mark.parametrize("path", PACKAGES, ids=dotted)
def test_packages_show_exactly_what_they_list(path: Path) -> None:
    module = importlib.import_module(dotted(path))
    shown = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }
    listed = getattr(module, "__all__", [])
    assert shown <= set(listed)
    assert all(hasattr(module, name) for name in listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("path", [path for path in MODULES if path not in PACKAGES], ids=dotted)
def test_every_module_lists_its_public_names(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return
    pytest.fail(f"{dotted(path)} has no __all__")


@pytest.mark.parametrize("path", sorted((SOURCE / "strategy").rglob("*.py")), ids=dotted)
def test_strategy_imports_the_standard_library_and_numpy(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported(path)}
    assert roots <= sys.stdlib_module_names | {"numpy", "strategy"}


@pytest.mark.parametrize("path", sorted((SOURCE / "signals").rglob("*.py")), ids=dotted)
def test_no_room_imports_from_above(path: Path) -> None:
    here = room(dotted(path))
    if not here:
        return  # signals/__init__.py; what it may hold is tested above
    assert here in RANKS, f"draw the room {here!r} in docs/design.md and give it a rank here"
    rooms = {room(name) for name in imported(path) if name.split(".")[0] == "signals"} - {"", here}
    assert {name for name in rooms if RANKS[name] > RANKS[here]} == set()
    if RANKS[here] == 0:
        assert rooms <= {"errors", "config_problems"}


@pytest.mark.parametrize("path", sorted((SOURCE / "signals/events").rglob("*.py")), ids=dotted)
def test_events_know_signals_and_errors_only(path: Path) -> None:
    ours = {name for name in imported(path) if name.split(".")[0] in ("signals", "strategy")}
    assert {name for name in ours if room(name) != "events"} <= {"signals.errors", "strategy.signal"}
