"""A collection is a function of its documents, whatever was added and removed before."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.ask.collection import Collection, strings
from lior.ask.words import language_of, stem, stop_words, tokens
from lior.errors import DataError, UsageError

LAW = settings(max_examples=60, deadline=None, database=None)
WORDS = (
    "boiler",
    "boilers",
    "reset",
    "the",
    "der",
    "die",
    "und",
    "nicht",
    "Schlüssel",
    "東京都",
    "x1",
    "a\x01b",
    "été",
    "",
)
passages = st.lists(
    st.tuples(*(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join) for _ in range(2))), max_size=4
)
documents = st.dictionaries(st.sampled_from(["a", "b", "b/c", "ä", "\udcff", "z z"]), passages, max_size=6)


def made(content):
    collection = Collection.empty()
    for name, found in content.items():
        put(collection, name, found)
    return collection


def put(collection, name, found):
    """Add a document of which every passage answers a question in words of its own."""
    said = {place: ["reset", "the", f"only{len(name)}", f"only{len(found)}"] for place in range(len(found))}
    collection.add(name, found, [place // 2 for place in range(len(found))], said)


def assert_equal(a, b):
    a, b = a.arrays(), b.arrays()
    assert list(a) == list(b)
    for name in a:
        assert a[name].dtype == b[name].dtype, name
        np.testing.assert_array_equal(a[name], b[name], name)


@LAW
@given(content=documents, other=documents, data=st.data())
def test_learned_and_forgotten_is_never_seen(content, other, data):
    expected = made(content)
    steps = [("add", name) for name in content]
    steps += [("other", name) for name in other if name not in content]
    collection = Collection.empty()
    for kind, name in data.draw(st.permutations(steps)):
        put(collection, name, (content if kind == "add" else other)[name])
        if data.draw(st.booleans()):
            collection = Collection.from_arrays(collection.arrays())
    for name in data.draw(st.permutations([name for name in other if name not in content])):
        collection.remove(name)
        if data.draw(st.booleans()):
            len(collection)
    assert_equal(collection, expected)


@LAW
@given(content=documents)
def test_counts_are_those_of_the_words(content):
    collection = made(content)
    table = collection.table
    terms = [bytes(term).decode() for term in strings(table.terms)]
    assert terms == sorted(set(terms))
    row = 0
    for name in sorted(content):
        assert collection.rows(name) == range(row, row + len(content[name]))
        language = language_of(w for text, _ in content[name] for w in tokens(text))
        for text, context in content[name]:
            known = [stem(w, language) for w in tokens(text) if w not in stop_words(language)]
            assert counts(table.text, terms, row) == Counter(known)
            above = table.context_starts[collection.documents.index(name)] + table.contexts[row]
            known = [stem(w, language) for w in tokens(context) if w not in stop_words(language)]
            assert counts(table.context, terms, above) == Counter(known)
            row += 1
    assert len(collection) == row


def counts(postings, terms, row):
    here = postings.rows == row
    return {terms[t]: int(c) for t, c in zip(postings.terms[here], postings.counts[here], strict=True)}


@LAW
@given(content=documents)
def test_opened_again_it_is_the_same(content):
    first = made(content)
    second = Collection.from_arrays(first.arrays())
    assert second.documents == first.documents == sorted(content)
    assert_equal(first, second)


@LAW
@given(content=documents)
def test_by_document_each_document_is_one_passage(content):
    joined = {
        name: [(" ".join([t for t, _ in found] + list(dict.fromkeys(c for _, c in found))), "")]
        for name, found in content.items()
    }
    whole, expected = made(content).by_document(), made(joined)
    languages = whole.table.languages.tolist() == expected.table.languages.tolist()
    if languages:  # a joined text may be of another language
        np.testing.assert_array_equal(whole.table.text.counts, expected.table.text.counts)
        np.testing.assert_array_equal(whole.table.text.rows, expected.table.text.rows)


def test_nothing_of_a_forgotten_document_remains():
    collection = Collection.empty()
    collection.add("secret", [("hunter2 password", "vault")], confirmed={0: ["safecracker"]})
    collection.add("public", [("weather", "")])
    collection.table  # noqa: B018
    collection.remove("secret")
    kept = b"".join(array.tobytes() for array in collection.arrays().values())
    for word in (b"hunter2", b"password", b"vault", b"secret", b"safecrack"):
        assert word not in kept


def test_a_count_beyond_the_largest_is_the_largest():
    collection = Collection.empty()
    collection.add("a", [("word " * 70_000, "")])
    assert collection.table.text.counts.tolist() == [65_535]


def test_wrong_use_is_refused():
    collection = Collection.empty()
    collection.add("a", [("word", "")])
    for wrong in (
        lambda: collection.add("a", []),
        lambda: collection.add("a\0", []),
        lambda: collection.add("b", [("x", "")], [0, 1]),
        lambda: collection.remove("b"),
        lambda: collection.rows("b"),
        lambda: collection.by_document().add("b", []),
    ):
        with pytest.raises(UsageError):
            wrong()
    assert collection.documents == ["a"]


def test_a_missing_array_is_refused():
    arrays = made({"a": [("boiler reset", "cellar")], "b": [("boiler", "")]}).arrays()
    for name in arrays:
        missing = {key: value for key, value in arrays.items() if key != name}
        with pytest.raises(DataError):
            Collection.from_arrays(missing)
