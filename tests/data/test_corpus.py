"""How documents are laid out as one tensor of tokens."""

from __future__ import annotations

import attrs
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.data.corpus import build_corpus, build_parts, gather_contexts, until
from lior.reading.documents import RawDocument
from lior.testing.strategies import LAW
from lior_plugins.tokenizers.bytes import Bytes

VOCAB = 256
texts = st.lists(st.binary(max_size=12), min_size=1, max_size=6).filter(any)


def corpus_of(documents):
    return build_corpus([RawDocument(str(i), text) for i, text in enumerate(documents)], Bytes())


@LAW
@given(documents=texts)
def test_documents_stand_one_after_the_other(documents):
    built = corpus_of(documents)
    assert bytes(built.tokens.tolist()) == b"".join(documents)
    assert len(built) == built.bytes == sum(map(len, documents))
    assert built.names == tuple(str(i) for i, text in enumerate(documents) if text), "the empty are left out"
    text, start = built.text(0, len(built))
    assert start == 0
    expected = [(y, depth, i) for i, t in enumerate(filter(None, documents)) for depth, y in enumerate(t)]
    assert list(zip(*(column.tolist() for column in text), strict=True)) == expected
    assert built.depth(torch.arange(len(built))).tolist() == [depth for _, depth, _ in expected]


class Pairs(Bytes):
    """Two bytes to a token, one to the last of an odd number: tokens that depend on where a text is cut."""

    def encode(self, data):
        return torch.tensor([int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)])


@LAW
@given(documents=texts, data=st.data())
def test_no_token_crosses_a_cut_and_documents_stay_whole(documents, data):
    cut = data.draw(st.integers(0, sum(map(len, documents))))
    sources = [RawDocument(str(i), text) for i, text in enumerate(documents)]
    built, before = build_parts(sources, Pairs(), cut)
    size, expected, starts, heads = 0, [], [], 0
    for text in filter(None, documents):
        at = min(max(cut - size, 0), len(text))
        head, rest = (Pairs().encode(part).tolist() for part in (text[:at], text[at:]))
        starts.append(len(expected))
        expected += head + rest
        heads += len(head)
        size += len(text)
    assert (built.tokens.tolist(), built.starts.tolist(), before) == (expected, starts, heads)
    assert built.names == corpus_of(documents).names
    assert built.bytes == size


@LAW
@given(documents=texts, data=st.data())
def test_documents_until_a_byte_are_all_bytes_before_it(documents, data):
    cut = data.draw(st.integers(0, sum(map(len, documents))))
    parts = list(until([RawDocument("", text) for text in documents], cut))
    assert b"".join(parts) == b"".join(documents)[:cut]
    assert parts[:-1] == documents[: len(parts) - 1] or not parts


@LAW
@given(documents=texts, data=st.data())
def test_a_chunk_is_part_of_the_whole(documents, data):
    built = corpus_of(documents)
    lo = data.draw(st.integers(0, len(built)))
    hi = data.draw(st.integers(lo, len(built)))
    context = data.draw(st.integers(0, 9))
    text, start = built.text(lo, hi, context=context)
    whole, _ = built.text(0, len(built))
    assert start == min(lo, context)
    for column, full in zip(text, whole, strict=True):
        assert torch.equal(column, full[lo - start : hi])


@LAW
@given(documents=texts, data=st.data())
def test_chunks_stand_side_by_side(documents, data):
    built = corpus_of(documents)
    begins = data.draw(st.lists(st.integers(0, len(built) - 1), min_size=1, max_size=4))
    text, positions = built.chunks(begins, 3, len(built), context=2)
    inside = [p for begin in begins for p in range(begin, min(begin + 3, len(built)))]
    whole, _ = built.text(0, len(built))
    for column, full in zip(text, whole, strict=True):
        assert torch.equal(column[positions], full[inside])


@LAW
@given(documents=texts, reach=st.integers(1, 15))
def test_contexts_end_where_the_document_begins(documents, reach):
    built = corpus_of(documents)
    at = torch.arange(len(built))
    contexts = gather_contexts(built.tokens, at, built.depth(at), reach, VOCAB)
    padded = [[VOCAB] * reach + list(text) for text in documents]
    expected = [p[i - reach : i][::-1] for p in padded for i in range(reach, len(p))]
    assert contexts.tolist() == expected
    assert contexts.dtype == torch.int64


def test_documents_are_numbered_from_the_first():
    built = attrs.evolve(corpus_of([b"ab", b"c"]), first_document=7)
    assert built.text(0, 3)[0].document.tolist() == [7, 7, 8]


def test_nothing_is_an_empty_corpus():
    assert len(corpus_of([b""])) == 0
