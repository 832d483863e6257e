from __future__ import annotations

from html.parser import HTMLParser

import pytest

from strategy import html

VOID = {"meta"}


class Balanced(HTMLParser):
    """Holds the tags that are open, and every text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(text: str) -> Balanced:
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []
    return parser


HOSTILE = "<script>alert('x')</script>&\""


@pytest.mark.parametrize(
    "made",
    [
        html.section(HOSTILE, html.paragraph(HOSTILE), note=HOSTILE),
        html.cards([(HOSTILE, HOSTILE)]),
        html.bullets([(HOSTILE, True), (HOSTILE, False), (HOSTILE, None)]),
        html.table([HOSTILE], [[HOSTILE]], long=0),
    ],
)
def test_text_stays_text(made: html.Markup) -> None:
    found = parsed(html.page(HOSTILE, HOSTILE, made))
    assert "script" not in found.seen
    assert sum(HOSTILE in text for text in found.texts) >= 3


def test_a_page_loads_nothing() -> None:
    text = html.page("t", "s", html.paragraph("p"))
    assert "http://" not in text.replace("http-equiv", "")
    assert "https://" not in text
    assert "default-src 'none'" in text


def test_a_good_and_a_bad_point_are_told_apart() -> None:
    text = html.bullets([("kept", True), ("broken", False), ("said", None)])
    assert '<li class="good">kept</li><li class="bad">broken</li><li>said</li>' in text


def test_only_the_long_column_may_break() -> None:
    assert '<td>a</td><td class="long">b</td>' in html.table(["x", "y"], [["a", "b"]], long=1)
