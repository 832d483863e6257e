"""The page docs/features.md, made from the catalogue."""

from __future__ import annotations

from signals.features.catalog import CATALOGUE, WARMUP
from signals.features.feature import Feature

__all__ = ["markdown_page"]

_HEAD = f"""# Features

The {len(CATALOGUE)} features of the catalogue, in the order of every frame's columns. Made by
`vane features list --markdown`; a test holds page and catalogue equal. Missing is NaN, never 0; values are float32.

- **first**: bars that must precede a bar before the feature can have a value there.
- **lookback**: bars that must precede a bar before the beginning of history no longer shows, not in a single bit; the
  longest is {WARMUP}.
- **free**: scale-free, unchanged by a split. A model sees no others.
- **wide**: the same for all symbols of a date. What is marked *peers* depends on which other symbols are there.

What `vane audit` holds every feature to, a user's own among them, by changing what it may not depend on and comparing
bits:

| kind | promise |
|---|---|
| future bars | the row at t stays when bars after t are cut, noise, NaN or extremes, or continue differently |
| future facts | so it does when facts known after t are removed, added or restated |
| start | from the lookback on, the beginning of history does not show |
| stream | live, bar by bar, gives what batch gives, restarts included |
| universe | other symbols do not matter, but to what is marked *peers* |
| scale, split | what is scale-free stays when a share becomes another part of its company |
"""


def markdown_page() -> str:
    """Return the page, one table a calculator."""
    groups: dict[str, list[Feature]] = {}
    for feature in CATALOGUE:
        groups.setdefault(feature.calculator, []).append(feature)
    return "\n".join([_HEAD, *(_group(name, members) for name, members in groups.items())])


def _group(name: str, members: list[Feature]) -> str:
    lines = [f"## {name.replace('_', '-').capitalize()}", "", "| name | first | lookback | free | wide | meaning |"]
    lines.append("|---|---:|---:|---|---|---|")
    for each in members:
        free = "yes" if each.scale_free else "no"
        numbers = f"{each.first_value} | {each.lookback}"
        lines.append(f"| `{each.name}` | {numbers} | {free} | {each.wide} | {each.meaning} |")
    return "\n".join([*lines, ""])
