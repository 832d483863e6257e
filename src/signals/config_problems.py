"""What is wrong with settings, in sentences that name the variable or the file that said it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

__all__ = ["PREFIX", "nearest", "no_json", "problems_of", "variables"]

PREFIX = "SA_"

Place: TypeAlias = tuple[int | str, ...]

_SECRET = ("alerts", "redis", "postgres")
"""Sections whose values are never repeated: any of them could be a secret."""

_NUMBER = {
    "greater_than": "expected a number above {gt:g}",
    "greater_than_equal": "expected a number of at least {ge:g}",
    "less_than": "expected a number below {lt:g}",
    "less_than_equal": "expected a number of at most {le:g}",
    "finite_number": "expected a finite number",
}
_WORDS = _NUMBER | {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "expected a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "expected a number"),
    **dict.fromkeys(("model_type", "dict_type"), "expected keys and values"),
    "string_type": "expected text",
    "string_pattern_mismatch": "expected a text such as {default!r}",
    "tuple_type": "expected a list",
    "too_long": "expected a list of {max_length}",
    "missing": "expected a value",
    "literal_error": "expected {expected}",
}


def problems_of(error: ValidationError, settings: type[BaseModel], file: Path | None) -> str:
    """Return one sentence a problem, after the variable or the file that it came from."""
    said: dict[str, list[str]] = {}
    for problem in error.errors():
        place = problem["loc"][:-1] if problem["type"] == "missing" else problem["loc"]
        said.setdefault(_source(place, file), []).append(_sentence(dict(problem), settings))
    return "; ".join(f"{source}: {'; '.join(sentences)}" for source, sentences in said.items())


def no_json(settings: type[BaseModel]) -> list[str]:
    """Return the variables that should hold a list or a mapping as JSON, and do not."""
    found = []
    for place, name in variables().items():
        *sections, key = (part.lower() for part in place)
        field = _fields(settings, tuple(sections)).get(key)
        if field is not None and _is_compound(field.annotation) and not _holds(os.environ[name], ()):
            found.append(name)
    return sorted(found)


def variables() -> dict[tuple[str, ...], str]:
    """Return the environment's variables of ours, by the parts of their names in capitals."""
    ours = [name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() != f"{PREFIX}CONFIG"]
    return {tuple(name.upper().removeprefix(PREFIX).split("__")): name for name in ours}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a question that names what may have been meant, or nothing."""
    near = get_close_matches(name.lower(), list(known), n=1)
    return f", did you mean {near[0]}?" if near else ""


def _source(place: Place, file: Path | None) -> str:
    parts, ours = tuple(str(part).upper() for part in place), variables()
    for depth in range(len(parts), 0, -1):
        name = ours.get(parts[:depth])
        if name is not None and (depth == len(parts) or _holds(os.environ[name], place[depth:])):
            return name
    # What a whole section breaks, any of its keys may have broken.
    below = ", ".join(sorted(name for each, name in ours.items() if each[: len(parts)] == parts))
    return " with ".join(part for part in (str(file or ""), below) if part) or "settings"


def _holds(text: str, place: Place) -> bool:
    try:
        value = json.loads(text)
        for part in place:
            value = value[part]
    except (ValueError, TypeError, KeyError, IndexError):
        return False
    return True


def _sentence(problem: dict[str, Any], settings: type[BaseModel]) -> str:
    place, kind, value = problem["loc"], problem["type"], problem["input"]
    key = ".".join(str(part) for part in place)
    known = _fields(settings, place[:-1])
    if kind == "extra_forbidden":
        return f"{key}: no such setting{nearest(str(place[-1]), known)}"
    if kind not in _WORDS:
        expected = problem["msg"].removeprefix("Value error, ")
    else:
        default = known[place[-1]].default if place[-1] in known else None
        expected = _WORDS[kind].format(**problem.get("ctx", {}), default=default)
    # A whole section says nothing more.
    if not isinstance(value, (bool, int, float, str)) or place[0] in _SECRET:
        return f"{key}: {expected}"
    return f"{key}: {expected}, was {value if kind in _NUMBER else repr(value)}"


def _fields(settings: type[BaseModel], sections: Place) -> Mapping[str, FieldInfo]:
    for name in sections:
        field = settings.model_fields.get(str(name))
        if field is None or not _is_section(field.annotation):
            return {}
        settings = field.annotation
    return settings.model_fields


def _is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_compound(annotation: Any) -> bool:
    return _is_section(annotation) or get_origin(annotation) in (tuple, dict)
