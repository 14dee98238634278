"""Fields of a context by example and by reference; addresses that do not depend on how a text is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.data import corpus
from lior.errors import UsageError
from lior.testing.strategies import LAW
from lior_plugins.counting import fields
from lior_plugins.counting.addresses import ADDRESS_BITS, locate, parse
from lior_plugins.counting.fields import FIELDS, REACH
from lior_plugins.memories.sdm import ORDERS, PATTERNS
from tests.cases import cases

ALL = (
    *(f"1-{m}" if m else "" for m in ORDERS),
    *PATTERNS,
    "1",
    "3,1",
    "word-1",
    "~1",
    "255",
    "1-200",
    "column word-2",
)

few = st.sampled_from(
    (b"a", b"B", b"it's", b"the ", b" ", b"\n", b". ", b"7", "é".encode(), b"\n\nHead\n", b"Bob ")
)
runs = st.builds(
    lambda piece, count: piece * count,
    st.sampled_from((b"x", b"ab", b".", b" ", b"-", b"\n", b"word ")),
    st.sampled_from((15, 33, 70, 199, 201, 256, 850, 1100)),
)
texts = st.lists(few | few | runs, min_size=1, max_size=40).map(b"".join)


def arrays(*documents):
    """Tokens and depths of documents one after the other."""
    tokens = np.frombuffer(b"".join(documents), np.uint8).astype(np.int64)
    return tokens, np.concatenate([np.arange(len(d), dtype=np.int64) for d in documents])


def sample(count):
    """Real text."""
    return Path(corpus.__file__).read_bytes()[:count]


def at(text, name):
    """The field ``name`` of the position after ``text``."""
    tokens, depth = arrays(text + b"?")
    return int(locate(tokens, depth, len(text), ("",)).fields[0, FIELDS.index(name)])


def word(text):
    return at(text, "word")


# --- fields by example ---


def test_words():
    assert word(b"") == word(b"one ") == 0
    assert word(b"one two") == word(b"TWO") != word(b"one") != 0
    assert word(b"it's") != word(b"it s")
    three = [at(b"one two three fo", f"word-{k}") for k in (1, 2, 3)]
    assert three == [word(b"three"), word(b"two"), word(b"one")]
    assert at(b"one two", "word-2") == 0
    assert word(b"a" * 32) == word(b"a" * 40) == word(b"b" + b"a" * 40) != word(b"a" * 31)


def test_a_word_is_forgotten_after_200_other_tokens():
    assert at(b"one" + b"." * 200, "word-1") == word(b"one")
    assert at(b"one" + b"." * 201, "word-1") == 0
    assert at(b"one two" + b"." * 201 + b"x ", "word-1") == word(b"x")
    assert at(b"one two" + b"." * 201 + b"x ", "word-2") == 0


def test_places_in_the_line():
    assert [at(t, "column") for t in (b"", b"ab", b"ab\n", b"ab\ncd")] == [1, 3, 1, 3]
    assert at(b"-" * 59, "column") == 60
    assert at(b"-" * 60, "column") == at(b"-" * 99, "column") == 61
    assert [at(b"-" * n, "half") for n in (0, 1, 2, 80, 200)] == [1, 1, 2, 41, 41]
    assert [at(t, "above") for t in (b"ab", b"ab\n", b"ab\nx", b"ab\nxy", b"ab\nxyz")] == [0, 98, 99, 11, 0]
    assert [at(t, "margin") for t in (b"abc", b"12345678\n", b"-" * 99 + b"\n")] == [1, 3, 16]


def test_words_of_the_line():
    assert at(b"the", "opening") == 0
    assert at(b"the cat", "opening") == at(b"x\n the cat sat", "opening") == word(b"the")
    assert at(b"the cat\n", "opening") == 0
    assert at(b"one two\nthree", "closing") == word(b"two")
    assert at(b"one two", "closing") == at(b"one\n\n", "closing") * 0 == 0


def test_headings():
    heading = at(b"x\n\nTitle\nab", "heading")
    assert heading == at(b"y y\n\nTitle\nqq\nq", "heading") != at(b"x\n\nTytle\nab", "heading")
    assert heading != 0
    assert at(b"x\n\nTitle", "heading") == 0, "a heading counts once it is read"
    assert at(b"x\n\nTitle\nab\n\n", "heading") == 0, "the next paragraph has its own"
    assert at(b"x\n\nTitle\n" + b"y" * 894, "heading") == heading
    assert at(b"x\n\nTitle\n" + b"y" * 895, "heading") == 0


def test_endings_and_shapes_of_words():
    assert at(b"nation ", "suffix") == at(b"a STATION, ", "suffix") != at(b"nations ", "suffix")
    assert at(b"nation cat ", "suffix-2") == at(b"nation ", "suffix")
    assert at(b"abc de ", "shape") == at(b"xyz uv ", "shape") != at(b"abcd de ", "shape")
    assert at(b"abc, de ", "shape") != at(b"abc de ", "shape")
    assert [at(t, "length") for t in (b"", b"one tw", b"a" * 40)] == [0, 2, 32]
    assert at(b"one two ", "bag") == at(b"two one ", "bag") != at(b"one one ", "bag")


def test_stops_names_and_sentences():
    assert at(b"a, b c", "stop") == ord(",") + 1
    assert at(b"a b", "stop") == 0
    assert at(b"the Bob ran", "name") == word(b"bob")
    assert at(b"Bob ran ", "name") == 0, "a line begins with a capital anyway"
    counts = [at(t, "sentence") for t in (b"one ", b"one two ", b"one two. ", b"one. Two three ")]
    assert counts == [2, 3, 1, 3]
    assert at(b"a b c d e f g ", "sentence") == at(b"a b c d e ", "sentence") == 6


def test_marks_are_of_the_last_tokens():
    assert at(b"ab, c", "marks") == at(b"AB. C", "marks") != at(b"ab, d", "marks")
    assert at(b"xx" + b"." * 50, "marks") == at(b"." * 50, "marks") == 0


def test_what_followed_before():
    assert [at(b"xaxbx", f) for f in ("after", "after-2")] == [ord("b") + 1, ord("a") + 1]
    assert at(b"xab", "after") == 0
    assert [at(b"xyaxybxycxy", f) for f in ("next", "next-2", "next-3")] == [ord(c) + 1 for c in "cba"]
    assert at(b"yxaxy", "next") == 0
    assert at(b"xa" + b"-" * 897 + b"x", "after") == ord("a") + 1
    assert at(b"xa" + b"-" * 900 + b"x", "after") == 0


# --- addresses against a reference of what lags, words and columns see ---


def letter(byte):
    return bytes([byte]).isalpha() or byte == ord("'") or byte > 127


def current_word(context):
    start = len(context)
    while start and len(context) - start < 32 and letter(context[start - 1]):
        start -= 1
    return context[start:].lower()


REFERENCE = {
    "": lambda c: (),
    "1-3": lambda c: tuple(c[-k] if k <= len(c) else None for k in (1, 2, 3)),
    "2,5": lambda c: tuple(c[-k] if k <= len(c) else None for k in (2, 5)),
    "~1-2": lambda c: tuple(c.lower()[-k] if k <= len(c) else None for k in (1, 2)),
    "word": current_word,
    "column 1": lambda c: (min(len(c.rpartition(b"\n")[2]), 60), c[-1:]),
    "length": lambda c: len(current_word(c)),
}


@LAW
@given(text=texts)
def test_an_address_stands_for_its_pattern_and_what_that_sees(text):
    text = text[:700]
    where = locate(*arrays(text), 0, tuple(REFERENCE)).where
    contexts = [text[:end] for end in range(len(text))]
    for column, (pattern, see) in enumerate(REFERENCE.items()):
        seen = [see(c) for c in contexts]
        pairs = set(zip(where[:, column].tolist(), seen, strict=True))
        assert len(pairs) == len(set(seen)) == len({a for a, _ in pairs}), pattern


def test_addresses_hold_the_number_of_their_pattern():
    where = locate(*arrays(sample(500)), 0, ALL).where
    assert (where >> ADDRESS_BITS == np.arange(len(ALL))).all()
    assert len(ALL) <= 64
    assert (where >> 48 == 0).all(), "a slot has room for 48 bits"


def test_an_address_does_not_depend_on_the_other_patterns():
    one, other = (
        locate(*arrays(sample(400)), 0, (*others, "1-3 word")).where[:, 2]
        for others in (("1", "1-3"), ("word", "~1-4"))
    )
    assert (one == other).all()


@cases("field", FIELDS)
def test_every_field_changes_some_address(field):
    where = locate(*arrays(sample(3000)), 0, (field, f"1 {field}")).where
    assert len(np.unique(where[:, 0])) > 1
    assert len(np.unique(where[:, 1])) > len(np.unique(locate(*arrays(sample(3000)), 0, ("1",)).where))


def test_constants_are_the_numbers_of_the_fields():
    found = {name: k for k, name in enumerate(FIELDS) if hasattr(fields, name.upper().replace("-", "_"))}
    assert {name: getattr(fields, name.upper().replace("-", "_")) for name in found} == found
    assert len(found) > 15


# --- what an address depends on ---


def assert_rows(tokens, depth, start, whole, rows):
    """The part of a text up to the last row has the addresses and fields of the whole."""
    found = locate(tokens, depth, start, ALL)
    assert (found.where == whole.where[rows]).all()
    different = [name for k, name in enumerate(FIELDS) if (found.fields[:, k] != whole.fields[rows, k]).any()]
    assert not different


@LAW
@given(text=texts, more=texts, starts=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_blocks_have_the_addresses_of_the_whole(text, more, starts):
    tokens, depth = arrays(text, more)
    whole = locate(tokens, depth, 0, ALL)
    for share in starts:
        start = int(share * len(tokens))
        end = min(start + 300, len(tokens))
        assert_rows(tokens[:end], depth[:end], start, whole, slice(start, end))


@cases(
    "text",
    [
        b"a" + b" " * 1100 + b"Bob said so. ",
        b"Title " * 3 + b"-" * 900 + b" Bob " + b"x" * 300 + b" and Ann ",
        b"\n\nHead\n" + b"word " * 300,
        b"w " + (b"." * 199 + b"w") * 9 + b" ",
        b"x" * 2500 + b" " + b"y" * 250 + b" Zoe ",
        b"line\n" * 3 + b"q" * 254 + b"\nab" * 400,
        b"xyaxyb" + b"-" * 895 + b"xyc" + b"-" * 200,
        sample(4000),
    ],
)
def test_nothing_before_the_reach_matters(text):
    tokens, depth = arrays(text)
    whole = locate(tokens, depth, 0, ALL)
    for here in range(REACH, len(text), 7):
        cut = slice(here - REACH, here + 1)
        assert_rows(tokens[cut], depth[cut], REACH, whole, slice(here, here + 1))


def test_tokens_beyond_bytes_have_fields_and_addresses():
    tokens = np.array([70, 65535, 300, 65535, 300, 10, 40000], np.int64)
    where = locate(tokens, np.arange(7), 0, ALL).where
    assert len(np.unique(where[:, ALL.index("1-2")])) == 6


# --- grammar ---


def test_parsing():
    assert parse("") == ()
    assert parse(" 1-3  word-1 ") == (*parse("1"), *parse("2"), *parse("3"), *parse("word-1"))
    assert parse("1,3-4 column") == (*parse("1 3 4"), *parse("column"))
    assert parse("~1-2") == (*parse("~1"), *parse("~2"))
    parts = [*FIELDS, "1", "255", "~1", "~255"]
    assert len({parse(part) for part in parts}) == len(parts)


WRONG = (
    "0",
    "256",
    "1-256",
    "3-2",
    "-3",
    "3-",
    "1,,2",
    "1,",
    "1-999999999999",
    "1.5",
    "1--2",
    "~",
    "~0",
    "~word",
    "a",
    "word-",
    "word-4",
    "words",
    "column-1",
    "1 x",
    "²",
)


@cases("pattern", WRONG)
def test_parse_errors_name_the_pattern(pattern):
    with pytest.raises(UsageError) as caught:
        parse(pattern)
    message = str(caught.value)
    assert message.startswith(f"address pattern {pattern!r}: ")
    assert "1-255" in message or "word-1" in message
