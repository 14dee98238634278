"""Strict typing of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_origin

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.config.options import RawText, check_keywords, check_table, conform, in_words, option, parse
from lior.errors import UsageError
from tests.cases import cases


@cases(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (int | None, "a whole number"),
        (tuple[str, ...], "a list, each text"),
        (list[int], "a list, each a whole number"),
        (dict, "any value"),
        (Mapping[str, float], "a table, each value a number"),
        (dict[str, tuple[int, ...]], "a table, each value a list, each a whole number"),
    ],
)
def test_types_in_words(hint, words):
    assert in_words(hint) == words


@cases(
    ("text", "hint", "value"),
    [
        ("3", int, 3),
        ("3", float, 3.0),
        ("3", str, "3"),
        ("true", bool, True),
        ("inf", float, float("inf")),
        ('"3"', str, "3"),
        ("{ a = 3 }", dict[str, float], {"a": 3.0}),
    ],
)
def test_text_is_read_as_the_type_asked_for(text, hint, value):
    found = conform(RawText(text), hint)
    assert found == value
    assert type(found) is (get_origin(hint) or hint)


@cases(
    ("value", "hint"),
    [
        (True, int),
        (True, float),
        (1, bool),
        (1.0, int),
        (1, str),
        ("1", int),
        ([1], tuple[str, ...]),
        ({"a": "1"}, Mapping[str, float]),
        ({1: 1.0}, Mapping[str, float]),
        (3, Mapping[str, float]),
        ("x", int | None),
    ],
)
def test_nothing_else_is_converted(value, hint):
    with pytest.raises(TypeError):
        conform(value, hint)


@given(st.text(max_size=20))
def test_parsing_never_fails(text):
    parse(text)


def test_field_without_a_default_must_be_given():
    @attrs.frozen
    class Needs:
        a: int

    _, (fault,) = check_table(Needs, {})
    assert fault == ("a", "must be given")


@attrs.frozen(kw_only=True)
class Extra:
    depth: int = option(3, help="layers", low=1)


@check_keywords(Extra)
def build(width: int, *, height: int = 1, **extra: int) -> tuple[int, int, int]:
    return width, height, Extra(**extra).depth


def test_known_keywords_are_passed_on():
    assert build(1, height=2, depth=4) == (1, 2, 4)
    assert build(width=1) == (1, 1, 3)


@cases(
    ("name", "said"),
    [
        ("hieght", "Did you mean 'height'?"),
        ("dept", "Did you mean 'depth'?"),
        ("colour", "Known: width, height, depth."),
    ],
)
def test_an_unknown_keyword_is_one_line(name, said):
    with pytest.raises(UsageError) as caught:
        build(1, **{name: 2})
    assert str(caught.value) == f"build: no argument {name!r}. {said}"


def test_a_missing_argument_is_still_a_type_error():
    with pytest.raises(TypeError):
        build()
