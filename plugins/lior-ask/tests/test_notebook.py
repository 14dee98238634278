"""Answers in notebooks: what is shown, and that every text is escaped."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from lior.interfaces import Passage, Result
from lior_ask.answer.record import Answer

HOSTILE = "<script>alert('x')</script>&amp;\"><img src=x>"


class Parsed(HTMLParser):
    """The tags of a piece of HTML, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def answer(text, *, found=True, result=None, said=""):
    passage = Passage(document=f"{text}.md", line=3, text=text)
    return Answer(
        question="?",
        found=found,
        confidence=0.96,
        answer=passage if found and not result else None,
        passages=((passage, 0.5),),
        method="settle",
        note=text,
        said=said,
        result=result,
    )


def result(text, count=1, **changes):
    rows = (Passage(document=f"{text}.csv", line=2, text=text),) * count
    return Result(operation="sum", value="5", about=text, rows=rows, unit=text, **changes)


@given(st.text(min_size=1) | st.just(HOSTILE))
def test_every_text_is_escaped(text):
    table = {"columns": (text,), "cells": ((text,),)}
    answers = [
        answer(text),
        answer(text, found=False),
        answer("x", said=text),
        answer(text, result=result(text), said=text),
        answer(text, result=result(text, **table)),
        answer(text, result=result(text, groups=((text, "1"), (text, "3")))),
    ]
    for each in answers:
        parsed = Parsed(each._repr_html_())
        assert parsed.tags <= {"div", "table", "thead", "tbody", "tr", "th", "td"}
        if text == HOSTILE:
            assert HOSTILE in parsed.text


def test_a_quotation_has_its_place_and_its_certainty():
    text = Parsed(answer("The certificate expired.")._repr_html_()).text
    assert text == "The certificate expired.The certificate expired..md:3  (very likely, 96%)"


def test_at_most_eight_rows_are_shown():
    html = answer("x", result=result("row", 11))._repr_html_()
    assert html.count("row.csv:2") == 8
    assert "and 3 more rows" in html


def test_bars_have_the_lengths_of_their_values():
    html = answer("x", result=result("€", groups=(("a", "1"), ("b", "-3"))))._repr_html_()
    assert "width:5.0em" in html
    assert "width:15.0em" in html
