"""Address patterns against a reference that reads each context by itself, token by token."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior import corpus
from lior.corpus import Source
from lior.counting.addresses import ADDRESS_BITS, REACH, Fields, addresses, parse
from lior.errors import UsageError
from lior.interfaces import Text
from lior.testing.strategies import LAW, seeds
from lior_plugins.memories.sdm import ORDERS, PATTERNS
from lior_plugins.tokenizers.bytes import Bytes

ALL = (
    *(f"1-{m}" if m else "" for m in ORDERS),
    *PATTERNS,
    "1", "3,1", "word-1", "word-2", "column", "128", "1-128", "column word-2",
)  # fmt: skip
FIELDS = [*(("lag", k) for k in (1, 2, 7, 127, REACH)), *(("word", j) for j in range(3)), ("column", 0)]
LONGEST_WORD, LONGEST_GAP, LONGEST_LINE = 32, 15, 63

documents = st.lists(
    st.lists(
        st.sampled_from(
            (
                *(b"a", b"B", b"b", b"It's", b"the", b" ", b"\n", b". ", b"7", "é".encode()),
                *(b"." * 15, b"." * 16, b"x" * 31, b"x" * 32, b"x" * 33, b"ab" * 40),
            )
        ),
        min_size=1,
        max_size=25,
    ).map(b"".join),
    min_size=1,
    max_size=4,
)


def corpus_of(texts):
    return corpus.build([Source(str(i), text) for i, text in enumerate(texts)], Bytes())


def text_of(texts):
    built = corpus_of(texts)
    return built.text(0, len(built))[0]


def real_text(count=3000):
    return b"".join(source.data for source in corpus.embedded()[:40])[:count]


# --- the reference: a context is the bytes of the document before a position ---


def letter(byte):
    return bytes([byte]).isalpha() or byte == ord("'") or byte > 127


def words_before(context, count=3):
    """The current word's letters so far, then the words before it, latest first; ``None`` if too far."""
    found, end, gap = [], len(context), 0
    for number in range(count):
        if number:
            while end and not letter(context[end - 1]):
                end, gap = end - 1, gap + 1
            if not end or gap > LONGEST_GAP:
                return found + [None] * (count - number)
        start = end
        while start and end - start < LONGEST_WORD and letter(context[start - 1]):
            start -= 1
        found.append(context[start:end].lower())
        end, gap = start, 0
    return found


def slow_field(context, kind, index):
    if kind == "lag":
        return context[-index] if index <= len(context) else None
    if kind == "word":
        return words_before(context)[index] or None
    return min(len(context.rpartition(b"\n")[2]), LONGEST_LINE)


def contexts_of(texts):
    return [text[:end] for text in texts for end in range(len(text))]


def assert_one_to_one(values, expected):
    """Equal values where the reference is equal, and different ones where it differs."""
    assert len(values) == len(expected)
    pairs = set(zip(values, expected, strict=True))
    assert len(pairs) == len(set(values)), "different contexts share a value"
    assert len(pairs) == len(set(expected)), "one context has several values"


@LAW
@given(texts=documents)
def test_fields_are_those_of_the_reference(texts):
    fields = Fields(text_of(texts))
    contexts = contexts_of(texts)
    for kind, index in FIELDS:
        values = fields.get(kind, index)
        expected = [slow_field(context, kind, index) for context in contexts]
        assert_one_to_one(values.tolist(), expected)
        missing = [value is None for value in expected]
        assert (values == 0).tolist() == missing, f"{kind} {index}: 0 means not there"


def test_words_by_example():
    assert words_before(b"") == [b"", None, None]
    assert words_before(b"to BE or no") == [b"no", b"or", b"be"]
    assert words_before(b"it's, so ") == [b"", b"so", b"it's"]
    assert words_before(b"a" + b"." * 16) == [b"", None, None]


@LAW
@given(texts=documents)
def test_an_address_stands_for_its_pattern_and_what_that_sees(texts):
    rows = addresses(text_of(texts), ALL, slice(None))
    contexts = contexts_of(texts)
    for pattern, row in zip(ALL, rows, strict=True):
        seen = [tuple(slow_field(c, *field) for field in parse(pattern)) for c in contexts]
        assert_one_to_one(row.tolist(), seen)
    assert len(set(rows.flatten().tolist())) == sum(len(set(row.tolist())) for row in rows)


def test_distinct_contexts_of_a_real_text_have_distinct_addresses():
    text = real_text()
    rows = addresses(text_of([text]), ALL, slice(None))
    contexts = contexts_of([text])
    for pattern, row in zip(ALL, rows, strict=True):
        assert_one_to_one(row.tolist(), [tuple(slow_field(c, *f) for f in parse(pattern)) for c in contexts])


def test_addresses_leave_room_for_the_token():
    rows = addresses(text_of([real_text(500)]), ALL, slice(None))
    assert rows.dtype == torch.int64
    assert (rows >> ADDRESS_BITS == torch.arange(len(ALL))[:, None]).all()
    assert (rows << 16 >> 16 == rows).all()


@LAW
@given(texts=documents, seed=seeds())
def test_positions_select_columns(texts, seed):
    text = text_of(texts)
    at = torch.randint(len(text.tokens), (5,), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(addresses(text, ALL, at), addresses(text, ALL, slice(None))[:, at])


@LAW
@given(texts=documents, seed=seeds())
def test_the_future_does_not_matter(texts, seed):
    text = text_of(texts)
    here = int(torch.randint(len(text.tokens), (1,), generator=torch.Generator().manual_seed(seed)))
    tokens = text.tokens.clone()
    tokens[here:] = 97 + (tokens[here:] + 1) % 3
    changed = addresses(text._replace(tokens=tokens), ALL, slice(here, here + 1))
    assert torch.equal(changed, addresses(text, ALL, slice(here, here + 1)))


@LAW
@given(texts=documents)
def test_nothing_before_the_reach_matters(texts):
    texts = [*texts, b"word " * 30 + texts[0] + real_text(40)]
    text = text_of(texts)
    whole = addresses(text, ALL, slice(None))
    for here in range(REACH, len(text.tokens), 19):
        cut = Text(*(column[here - REACH : here + 1] for column in text))
        assert torch.equal(addresses(cut, ALL, slice(REACH, None)), whole[:, here : here + 1]), here


@LAW
@given(texts=documents, length=st.sampled_from((1, 5, 64)), seed=seeds())
def test_chunks_have_the_addresses_of_the_whole(texts, length, seed):
    built = corpus_of([*texts, real_text(200)])
    whole = addresses(built.text(0, len(built))[0], ALL, slice(None))
    begins = torch.randperm(len(built), generator=torch.Generator().manual_seed(seed))[:6].tolist()
    chunks, positions = built.chunks(begins, length, len(built), context=REACH)
    expected = [p for begin in begins for p in range(begin, min(begin + length, len(built)))]
    assert torch.equal(addresses(chunks, ALL, positions), whole[:, expected])


def test_parsing():
    assert parse("") == ()
    assert parse(" 1-3  word-1 ") == (("lag", 1), ("lag", 2), ("lag", 3), ("word", 1))
    assert parse("1,3-5 column word") == (
        ("lag", 1), ("lag", 3), ("lag", 4), ("lag", 5), ("column", 0), ("word", 0),
    )  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    [
        *("0", "129", "1-129", "3-2", "-3", "3-", "1,,2", "1,", "1-999999999999", "1.5", "1--2"),
        *("a", "word-", "word-3", "words", "column-1", "1 x"),
    ],
)
def test_parse_errors_name_the_pattern(pattern):
    with pytest.raises(UsageError) as caught:
        parse(pattern)
    message = str(caught.value)
    assert message.startswith(f"address pattern {pattern!r}: ")
    assert "1-128" in message or "word-1" in message
