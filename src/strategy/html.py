"""The page shell of every report: one self-contained HTML file, nothing loaded from anywhere, light and dark.

Everything that is put into a page as text is escaped here; `Markup` is what was made here or in `strategy.svg`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NewType

__all__ = ["Markup", "bullets", "cards", "join", "page", "paragraph", "section", "table"]

Markup = NewType("Markup", str)
"""HTML that is safe to put into a page."""

_STYLE = """
:root { color-scheme: light dark; --back: #fbfaf8; --card: #fff; --ink: #1d2327; --soft: #5d6970; --line: #dcdfe0;
  --a: #2563a8; --b: #b35c1e; --c: #2f7d4f; --d: #8a5aa8; --bad: #b3261e; --good: #2f7d4f; --grey: #9aa4aa; }
@media (prefers-color-scheme: dark) { :root { --back: #14181b; --card: #1c2226; --ink: #e6e9ea; --soft: #9aa7ae;
  --line: #333c42; --a: #6aa9e9; --b: #e2955a; --c: #6cc08e; --d: #bf97dc; --bad: #f2867d; --good: #6cc08e;
  --grey: #6b777e; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1.15rem; margin: 0 0 .3rem; }
.sub, .note, figcaption { color: var(--soft); }
.sub { margin: .3rem 0 1.5rem; }
.note, figcaption { font-size: .9rem; margin: .2rem 0 .8rem; max-width: 48rem; }
section, .card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; }
section { margin: 0 0 1rem; }
.cards { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); margin: 0 0 1rem; }
.card .name { color: var(--soft); font-size: .85rem; }
.card .value { font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; background:
  linear-gradient(90deg, var(--card) 50%, transparent) left / 2.5rem 100% no-repeat local,
  linear-gradient(270deg, var(--card) 50%, transparent) right / 2.5rem 100% no-repeat local,
  linear-gradient(90deg, var(--grey), transparent) left / .8rem 100% no-repeat scroll,
  linear-gradient(270deg, var(--grey), transparent) right / .8rem 100% no-repeat scroll; }
.wide > svg { min-width: 34rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.long { white-space: normal; text-align: left; min-width: 16rem; }
ul { margin: .3rem 0; padding-left: 0; list-style: none; }
li { padding-left: 1.5rem; position: relative; margin: .2rem 0; }
li::before { content: "•"; position: absolute; left: .3rem; color: var(--soft); }
li.good::before { content: "✓"; color: var(--good); } li.bad::before { content: "✗"; color: var(--bad); }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; }
svg text { fill: var(--soft); } svg .ink { fill: var(--ink); }
svg .grid { stroke: var(--line); } svg .zero { stroke: var(--soft); }
.fill-a { fill: var(--a); } .fill-b { fill: var(--b); } .fill-c { fill: var(--c); } .fill-d { fill: var(--d); }
.fill-grey { fill: var(--grey); } .fill-bad { fill: var(--bad); }
.line-a { stroke: var(--a); } .line-b { stroke: var(--b); } .line-c { stroke: var(--c); } .line-d { stroke: var(--d); }
.line-grey { stroke: var(--grey); }
.key { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; vertical-align: -.08rem; }
.key.a { background: var(--a); } .key.b { background: var(--b); } .key.c { background: var(--c); }
.key.d { background: var(--d); } .key.grey { background: var(--grey); } .key.bad { background: var(--bad); }
.keys span { margin-right: 1rem; white-space: nowrap; }
@media print { section { break-inside: avoid; } }
"""


def page(title: str, subtitle: str, *parts: Markup) -> str:
    """Return a whole page."""
    # The policy forbids what a page of ours never has, should anything ever get past the escaping.
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="sub">{escape(subtitle)}</p>\n{join(*parts)}\n</main>\n</body>\n</html>\n'
    )


def section(title: str, *parts: Markup, note: str = "") -> Markup:
    """Return a titled box; `note` says how to read it."""
    said = f'<p class="note">{escape(note)}</p>\n' if note else ""
    return Markup(f"<section>\n<h2>{escape(title)}</h2>\n{said}{join(*parts)}\n</section>")


def cards(figures: Sequence[tuple[str, str]]) -> Markup:
    """Return a row of (name, value) cards."""
    each = (
        f'<div class="card"><div class="name">{escape(name)}</div><div class="value">{escape(value)}</div></div>'
        for name, value in figures
    )
    return Markup(f'<div class="cards">{"".join(each)}</div>')


def paragraph(text: str) -> Markup:
    """Return a paragraph of text."""
    return Markup(f"<p>{escape(text)}</p>")


def bullets(items: Sequence[tuple[str, bool | None]]) -> Markup:
    """Return a list of (text, whether it is good), None for neither."""
    kinds = {True: ' class="good"', False: ' class="bad"', None: ""}
    return Markup(f"<ul>{''.join(f'<li{kinds[good]}>{escape(text)}</li>' for text, good in items)}</ul>")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, long: int | None = None) -> Markup:
    """Return a table, the first column to the left and the others to the right; column `long` may break its lines."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td{_long(place, long)}>{escape(cell)}</td>' for place, cell in enumerate(row))}</tr>"
        for row in rows
    )
    return Markup(f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def join(*parts: Markup) -> Markup:
    """Return parts one below the other."""
    return Markup("\n".join(parts))


def _long(place: int, long: int | None) -> str:
    return ' class="long"' if place == long else ""
