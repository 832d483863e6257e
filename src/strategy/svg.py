"""Charts as inline SVG: no script, colours from the page, a text for those who do not see them.

Every chart is drawn in a box of 760 units and grows with the page. Colours are named ``a b c d grey bad``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from strategy.html import Markup

__all__ = ["Point", "Span", "bars", "ranked", "reliability", "timeline"]

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 760.0, 64.0, 12.0, 10.0, 28.0
_COLORS = ("a", "b", "c", "d")
_FINEST = 1e-9
"""A range smaller than this is drawn as one of length 1."""


@dataclass(frozen=True)
class Span:
    """A stretch of a timeline's row, on the row's own scale, in a colour; `title` is shown on hovering."""

    start: float
    end: float
    color: str
    title: str = ""


@dataclass(frozen=True)
class Point:
    """Where something that was stated with probability `stated` happened in the share `happened`, with its bounds."""

    stated: float
    happened: float
    lower: float | None = None
    upper: float | None = None
    title: str = ""


def timeline(
    rows: Sequence[tuple[str, Sequence[Span]]], ticks: Sequence[tuple[float, str]], *, label: str, keys: Keys = ()
) -> Markup:
    """Return rows of spans above one axis, as windows over time."""
    low = min(span.start for _, spans in rows for span in spans)
    high = max(span.end for _, spans in rows for span in spans)
    left, step = 96.0, 20.0
    height = _TOP + step * len(rows) + _BOTTOM
    x = _scale(low, high, left, _WIDTH - _RIGHT)
    drawn = [_vertical(x(at), height - _BOTTOM, name) for at, name in ticks if low <= at <= high]
    for place, (name, spans) in enumerate(rows):
        y = _TOP + step * place
        drawn.append(_text(left - 8, y + 13, name, "end"))
        for span in spans:
            wide = max(x(span.end) - x(span.start), 1.5)
            drawn.append(_rect(x(span.start), y + 3, wide, step - 7, span.color, span.title))
    return _figure(drawn, height, label, keys)


def bars(
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    label: str,
    form: Callable[[float], str] = "{:.2f}".format,
    height: float = 240.0,
) -> Markup:
    """Return groups of bars around zero, a group a name and a bar a series; NaN leaves a place empty."""
    known = [value for values in series.values() for value in values if math.isfinite(value)]
    low, high = min([0.0, *known]), max([0.0, *known])
    marks = _ticks(low, high)
    y = _scale(marks[0], marks[-1], height - _BOTTOM, _TOP)
    drawn = [_horizontal(y(mark), form(mark), zero=mark == 0) for mark in marks]
    room = (_WIDTH - _LEFT - _RIGHT) / max(len(names), 1)
    wide = min(26.0, 0.8 * room / max(len(series), 1))
    every = max(1, math.ceil(len(names) * 62 / (_WIDTH - _LEFT)))
    for place, name in enumerate(names):
        middle = _LEFT + room * (place + 0.5)
        if place % every == 0:
            drawn.append(_text(middle, height - 8, name, "middle"))
        for number, (what, values) in enumerate(series.items()):
            value = values[place]
            if math.isfinite(value):
                left, top = middle + wide * (number - len(series) / 2), min(y(0), y(value))
                title = f"{name}, {what}: {form(value)}"
                drawn.append(_rect(left, top, wide * 0.92, max(abs(y(value) - y(0)), 1), _COLORS[number], title))
    return _figure(drawn, height, label, [(_COLORS[number], what) for number, what in enumerate(series)])


def ranked(names: Sequence[str], values: Sequence[float], *, label: str, form: Callable[[float], str]) -> Markup:
    """Return horizontal bars, one a name, from the top down."""
    left, step = 210.0, 20.0
    x = _scale(0.0, max([*values, 1e-12]), left, _WIDTH - 70)
    drawn = []
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        y = _TOP + step * place
        drawn += [_text(left - 8, y + 13, name, "end", "ink"), _rect(left, y + 3, max(x(value) - left, 1), 14, "a")]
        drawn.append(_text(x(value) + 6, y + 13, form(value), "start"))
    return _figure(drawn, _TOP + step * len(names) + 6, label)


def reliability(series: Mapping[str, Sequence[Point]], *, label: str) -> Markup:
    """Return stated against happened; the dashed line is what a probability means, whiskers are the bounds."""
    every = [point for points in series.values() for point in points]
    seen = [v for p in every for v in (p.stated, p.happened, p.lower, p.upper) if v is not None]
    marks = _ticks(min(seen, default=0.0), max(seen, default=1.0))
    height = 380.0
    x, y = (_scale(marks[0], marks[-1], *ends) for ends in ((_LEFT, _WIDTH - _RIGHT), (height - _BOTTOM - 14, _TOP)))
    drawn = [_horizontal(y(mark), f"{mark:.0%}") for mark in marks]
    drawn += [_text(x(mark), height - 24, f"{mark:.0%}", "middle") for mark in marks]
    drawn.append(_text((_LEFT + _WIDTH) / 2, height - 4, "stated confidence", "middle"))
    ends = x(marks[0]), y(marks[0]), x(marks[-1]), y(marks[-1])
    drawn.append(_line(*ends, 'class="line-grey" stroke-dasharray="5 4"'))
    for color, points in zip(_COLORS, series.values(), strict=False):
        for one in points:
            if one.lower is not None and one.upper is not None:
                drawn.append(_line(x(one.stated), y(one.lower), x(one.stated), y(one.upper), f'class="line-{color}"'))
            drawn.append(
                f'<circle cx="{x(one.stated):.1f}" cy="{y(one.happened):.1f}" r="4" class="fill-{color}">'
                f"<title>{escape(one.title)}</title></circle>"
            )
    return _figure(drawn, height, label, list(zip(_COLORS, series, strict=False)))


Keys = Sequence[tuple[str, str]]


def _figure(drawn: Sequence[str], height: float, label: str, keys: Keys = ()) -> Markup:
    named = "".join(f'<span><i class="key {color}"></i> {escape(name)}</span>' for color, name in keys)
    caption = f'<figcaption class="keys">{named}</figcaption>' if named else ""
    return Markup(
        f'<figure>{caption}<div class="wide"><svg viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(label)}">{"".join(drawn)}</svg></div></figure>'
    )


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _ticks(low: float, high: float) -> list[float]:
    """Return some five round values that enclose low and high."""
    raw = (high - low if high - low > _FINEST else 1.0) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= raw)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


def _horizontal(y: float, name: str, *, zero: bool = False) -> str:
    kind = "zero" if zero else "grid"
    return _line(_LEFT, y, _WIDTH - _RIGHT, y, f'class="{kind}"') + _text(_LEFT - 8, y + 4, name, "end")


def _vertical(x: float, bottom: float, name: str) -> str:
    return _line(x, _TOP, x, bottom, 'class="grid"') + _text(x, bottom + 18, name, "middle")


def _line(x1: float, y1: float, x2: float, y2: float, rest: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {rest}/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, color: str, title: str = "") -> str:
    said = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="1.5" class="fill-{color}">'
        f"{said}</rect>"
    )
