"""An inverted index is a function of its documents, whatever was added and deleted before."""

from __future__ import annotations

import copy
from collections import Counter
from contextlib import closing
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres import server

from lior.errors import UsageError
from lior_ask.index.inverted import CONTEXT, TEXT, InvertedIndex
from lior_ask.index.postgres import PostgreSQL
from lior_ask.index.sqlite import SQLite
from lior_ask.languages.words import language_of, stem, stop_words, tokens
from lior_ask.testing import content

LAW = settings(max_examples=15, database=None)
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


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def new(request):
    """Makes a database of each store, in which nothing is."""
    if request.param == "sqlite":
        yield SQLite
        return
    schemas, opened = count(), list[PostgreSQL]()
    with server() as found:

        def make() -> PostgreSQL:
            opened.append(PostgreSQL(f"{found.address}?schema=s{next(schemas)}"))
            for earlier in opened[:-9]:  # a server has few connections, and what is not closed lives on
                earlier.close()
            del opened[:-9]
            return opened[-1]

        yield make


def opened_again(database):
    """A copy of an index in memory; the same of a server, by another connection."""
    if isinstance(database, SQLite):
        return copy.deepcopy(database)
    database.close()
    return database


def made(texts):
    index = InvertedIndex()
    for name, found in texts.items():
        put(index, name, found)
    return index


def put(index, name, found):
    """Add a document of which every passage answers a question in words of its own."""
    said = {place: ["reset", "the", f"only{len(name)}", f"only{len(found)}"] for place in range(len(found))}
    index.add(name, found, [place // 2 for place in range(len(found))])
    index.confirm(name, said)


@LAW
@given(texts=documents, other=documents, data=st.data())
def test_added_and_deleted_in_any_order_is_never_seen(new, texts, other, data):
    expected = made(texts)
    steps = [("add", name) for name in texts]
    steps += [("other", name) for name in other if name not in texts]
    index = InvertedIndex(new())

    def read():
        index.flush()
        with index.database.reading():
            return content(index)

    def sometimes():
        nonlocal index
        kind = data.draw(st.sampled_from(["go on", "read", "open again"]))
        if kind == "read":
            read()
        if kind == "open again":
            index.flush()
            index = InvertedIndex(opened_again(index.database))

    for kind, name in data.draw(st.permutations(steps)):
        put(index, name, (texts if kind == "add" else other)[name])
        sometimes()
    for name in data.draw(st.permutations([name for name in other if name not in texts])):
        index.delete(name)
        sometimes()
    with closing(index.database):
        assert read() == content(expected)
        assert not isinstance(index.database, SQLite) or index.database.sound()


def test_a_new_term_is_seen_after_the_others_were_read(new):
    index = InvertedIndex(new())
    for document, word in (("a", "kiln"), ("b", "glaze")):
        index.add(document, [(word, "")])
        index.flush()
        with index.database.reading():
            read = [each.stem for each in index.terms()]
        with index.database.reading():
            assert [each.stem for each in index.terms()] == read
    assert read == ["glaze", "kiln"]


@LAW
@given(texts=documents)
def test_counts_are_those_of_the_words(texts):
    index, row = made(texts), 0
    layout = index.layout
    for name in sorted(texts):
        assert index.rows(name) == range(row, row + len(texts[name]))
        language = language_of(w for text, _ in texts[name] for w in tokens(text))
        for text, context in texts[name]:
            first = int(np.flatnonzero(layout.context_of == layout.context_of[row])[0])
            for each, field, place in ((text, TEXT, row), (context, CONTEXT, first)):
                known = Counter(stem(w, language) for w in tokens(each) if w not in stop_words(language))
                assert counts(index, known, field, place) == known
            row += 1
    assert len(index) == row


def counts(index, stems, field, row):
    found = {}
    for each in stems:
        rows, times = index.postings(index.term(each).id, field)
        found[each] = int(times[rows == row].sum())
    return found


@LAW
@given(texts=documents)
def test_by_document_each_document_is_one_passage(texts):
    joined = {
        name: [(" ".join([t for t, _ in found] + list(dict.fromkeys(c for _, c in found))), "")]
        for name, found in texts.items()
    }
    whole, expected = made(texts).by_document(), made(joined)
    if whole.layout.languages.tolist() == expected.layout.languages.tolist():
        for each in {term for name in joined for term in content(expected)["passage_terms"]}:
            one, other = (i.postings(i.term(each).id) for i in (whole, expected))
            assert sorted(zip(*map(np.ndarray.tolist, one), strict=True)) == sorted(
                zip(*map(np.ndarray.tolist, other), strict=True)
            )
        assert whole.layout.lengths.tolist() == [
            int(expected.layout.lengths[list(expected.rows(name))].sum()) for name in sorted(joined)
        ]


def test_nothing_of_a_deleted_document_remains(tmp_path):
    """Many documents share pages and words with those that go; words of their own leave every byte."""
    database = SQLite(tmp_path / "counts")
    index = InvertedIndex(database)
    for round_ in range(4):
        with database.writing():
            for number in range(round_ * 40, round_ * 40 + 40):
                words = " ".join(f"secret{number}x{n}" for n in range(number % 37))
                said = {0: [f"asked{number}y"]} if number % 3 else {}
                index.add(f"name{number}z", [(f"the weather {words}", f"vault{number}w")] * 3)
                index.confirm(f"name{number}z", said)
            index.flush()
        for number in range(round_ * 30, round_ * 40, 1 + round_ % 3):
            if f"name{number}z" in index:
                index.delete(f"name{number}z")
        kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        for number in range(round_ * 40 + 40):
            words = [f"secret{number}x", f"asked{number}y", f"vault{number}w", f"name{number}z"]
            if f"name{number}z" not in index:
                assert not [word for word in words if word.encode() in kept]


def test_one_document_lies_in_several_blocks_of_postings():
    index = InvertedIndex()
    index.add("small", [("boiler", "heating")])
    index.add("large", [(f"boiler n{number % 7}", "") for number in range(66_000)])
    rows, counts = index.postings(index.term("boiler").id)
    assert np.array_equal(np.sort(rows), np.arange(66_001))
    assert (counts == 1).all()
    index.delete("large")
    assert content(index) == content(made_of("small", [("boiler", "heating")]))


def made_of(name, found):
    index = InvertedIndex()
    index.add(name, found)
    return index


def test_a_count_beyond_the_largest_is_the_largest():
    index = made_of("a", [("word " * 70_000, "")])
    assert index.postings(index.term("word").id)[1].tolist() == [65_535]
    assert index.layout.lengths.tolist() == [65_535]


def test_wrong_use_is_refused():
    index = made_of("a", [("word", "")])
    for wrong in (
        lambda: index.add("a", []),
        lambda: index.add("a\0", []),
        lambda: index.add("b", [("x", "")], [0, 1]),
        lambda: index.delete("b"),
        lambda: index.rows("b"),
    ):
        with pytest.raises(UsageError):
            wrong()
    assert index.documents == ["a"]


def test_what_is_computed_is_kept_until_a_change(tmp_path):
    times = []

    def compute():
        times.append(1)
        return {"sizes": np.arange(len(times))}

    for number in range(4):
        index = InvertedIndex(SQLite(tmp_path / "counts"))
        if number == 2:
            index.add("a", [("word", "")])
        assert len(index.kept("sizes", compute)["sizes"]) == len(times)
    assert len(times) == 2
