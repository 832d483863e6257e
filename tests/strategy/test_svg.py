from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategy.test_html import parsed

from strategy import svg

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def numbers(text: str, name: str) -> list[float]:
    return [float(found) for found in re.findall(rf'\b{name}="(-?[\d.]+)"', text)]


def test_bars_stand_on_zero_and_are_as_high_as_they_are_large() -> None:
    drawn = svg.bars(["a", "b", "c"], {"x": [1.0, -2.0, math.nan]}, label="x")
    tops, heights = numbers(drawn, "y")[-2:], numbers(drawn, "height")[-2:]
    rects = re.findall(r'<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', drawn)
    (up, up_high), (down, down_high) = [(float(y), float(high)) for y, high in rects]
    assert len(tops) == len(heights) == len(rects) == 2
    assert up + up_high == pytest.approx(down, abs=0.2)
    assert down_high == pytest.approx(2 * up_high, rel=0.01)


@given(st.lists(FINITE | st.just(math.nan), max_size=30))
def test_bars_of_anything_are_drawn_within_the_picture(values: list[float]) -> None:
    drawn = svg.bars([str(place) for place in range(len(values))], {"x": values}, label="x")
    parsed(drawn)
    assert "nan" not in drawn
    for name in ("x", "y", "width", "height"):
        assert all(-0.1 <= each <= 760.1 for each in numbers(drawn, name))


def test_a_timeline_keeps_order_and_length() -> None:
    spans = [svg.Span(0.0, 50.0, "a", "first"), svg.Span(50.0, 75.0, "c")]
    drawn = svg.timeline([("w", spans)], [(50.0, "half")], label="windows", keys=[("a", "trained")])
    first, second = numbers(drawn, "width")[-2:]
    assert first == pytest.approx(2 * second, abs=0.2)
    assert "<title>first</title>" in drawn
    assert "trained" in drawn


def test_what_is_as_likely_as_stated_lies_on_the_line() -> None:
    points = [svg.Point(0.2, 0.2), svg.Point(0.8, 0.8, 0.7, 0.9, "eight of ten")]
    drawn = svg.reliability({"after": points}, label="r")
    ends = re.search(r'x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)" class="line-grey"', drawn)
    assert ends is not None
    x1, y1, x2, y2 = map(float, ends.groups())
    for x, y in zip(numbers(drawn, "cx"), numbers(drawn, "cy"), strict=True):
        assert y == pytest.approx(y1 + (x - x1) / (x2 - x1) * (y2 - y1), abs=0.2)
    assert drawn.count('class="line-a"') == 1


def test_the_largest_of_a_ranking_is_the_longest() -> None:
    drawn = svg.ranked(["one", "two"], [0.5, 0.25], label="shares", form="{:.0%}".format)
    first, second = numbers(drawn, "width")[-2:]
    assert first == pytest.approx(2 * second, abs=0.2)
    assert "50%" in drawn


@given(FINITE, FINITE)
def test_ticks_enclose_and_are_few(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    marks = svg._ticks(low, high)
    slack = max(1e-6 * max(abs(low), abs(high)), 1e-9)  # what is finer is drawn as one
    assert marks[0] <= low + slack
    assert marks[-1] >= high - slack
    assert 2 <= len(marks) <= 8
