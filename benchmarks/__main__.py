"""The command ``python -m benchmarks``: lists the benchmarks, runs one, or runs all and writes the page."""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.page import page
from benchmarks.timer import Result

__all__ = ["main"]

_HERE = Path(__file__).parent
_SHARED = {
    "__init__",
    "__main__",
    "data",
    "near_efficient",
    "page",
    "peer_pandas",
    "peer_pbo",
    "peer_purge",
    "skill",
    "timer",
}


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Vane against its peers.")
    parser.add_argument("name", nargs="?", help="the benchmark to run; none: list them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, else to the terminal")
    parser.add_argument("--full", action="store_true", help="tuning: six windows and what was gained on them, an hour")
    parser.add_argument("--page", type=Path, metavar="FILE", help="run all, one process each, and write this page")
    given = parser.parse_args(arguments)
    known = _benchmarks()
    if given.page:
        return _all(known, given.page)
    if given.name is None:
        for name, says in known.items():
            print(f"{name:16} {says}")
        return 0
    if given.name not in known:
        parser.error(f"no benchmark {given.name!r}; there are: {', '.join(known)}")
    run = importlib.import_module(f"benchmarks.{given.name}").run
    if given.full and "full" not in inspect.signature(run).parameters:
        parser.error(f"{given.name} has no --full")
    result: Result = run(full=True) if given.full else run()
    text = json.dumps({"benchmark": given.name, **asdict(result)}, indent=1, ensure_ascii=False) + "\n"
    if given.json:
        given.json.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0


def _benchmarks() -> dict[str, str]:
    """Return the name and the first line of the docstring of each benchmark, without importing any."""
    files = sorted(path for path in _HERE.glob("*.py") if path.stem not in _SHARED)
    return {path.stem: (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0] for path in files}


def _all(known: dict[str, str], out: Path) -> int:
    # One process each: what one benchmark loads and holds must not show in the next.
    found, failed = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, says in known.items():
            print(f"{name} ...", flush=True)
            file = Path(folder) / f"{name}.json"
            command = [sys.executable, "-m", "benchmarks", name, "--json", str(file)]
            if subprocess.run(command, check=False).returncode:  # noqa: S603 (our own module, no shell)
                failed.append(name)
                continue
            found.append((name, says, json.loads(file.read_text(encoding="utf-8"))))
    if failed:
        print(f"failed: {', '.join(failed)}; {out} is left as it was", file=sys.stderr)
        return 1
    out.write_text(page(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
