"""Laws of the memory ``suffix``: counts as a search through all places finds them, whatever the shards."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import DataError, UsageError
from lior.interfaces import Items, Query
from lior.testing import suite
from lior.testing.strategies import LAW
from lior_archive import infinigram, origins, shards, suffixes
from lior_archive.infinigram import Reader
from lior_archive.memory import Suffix
from tests.builtin.test_match import text_of

LETTERS = st.lists(st.sampled_from(b"ab\0"), min_size=1, max_size=30)
LONGEST = 6


def counted(documents, question):
    """How often each token followed the last 0, 1, … tokens of the question, by looking everywhere."""
    found = np.zeros((LONGEST + 1, 256), np.int64)
    for document in documents:
        for place, token in enumerate(document):
            for k in range(min(LONGEST, place, len(question)) + 1):
                context = document[place - k : place]
                if token and 0 not in context and context == question[len(question) - k :]:
                    found[k, token] += 1
    return found


def shard_of(documents):
    return suffixes.build(suffixes.laid_out([np.array(each, np.uint8) for each in documents]))


LENGTHS, DISCOUNTS = (1, 3, LONGEST), (0.7, 1.0, 1.2)
ALPHABET = np.array([0, *b"abc"])


def expected(counts):
    """The distributions of the experts by the formula, from counts of contexts of each length."""
    counts = counts[:, ALPHABET]
    totals, p, found = counts.sum(1), np.full(len(ALPHABET), 1 / len(ALPHABET)), []
    for k in range(LONGEST + 1):
        tells = k == LONGEST or totals[k] != totals[k + 1] or k in LENGTHS
        if totals[k] and tells:
            kept = np.array([0, *DISCOUNTS])[np.minimum(counts[k], 3)]
            p = (counts[k] - kept + kept.sum() * p) / totals[k]
        if k in LENGTHS:
            found.append(p)
    return np.array(found)


def read_from(shards, question, positions, rows=None):
    """Distributions before positions of a question, which ends with any token."""
    reader, tokens = Reader(shards, LENGTHS, DISCOUNTS), np.array(question, np.int64)
    if rows is None:
        return reader.read(tokens, np.arange(len(tokens)), np.array(positions), ALPHABET)
    p = np.empty((len(positions), len(LENGTHS), len(ALPHABET)), np.float32)
    longest, sure = np.zeros((2, len(positions)), np.int64)
    infinigram.read(
        suffixes.table(shards),
        tokens,
        np.arange(len(tokens)),
        np.array(positions),
        ALPHABET,
        np.array(LENGTHS),
        np.array(DISCOUNTS),
        infinigram.nothing_kept(len(shards), len(ALPHABET), rows),
        p,
        longest,
        sure,
    )
    return p, longest, sure


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@LAW
@given(st.lists(LETTERS, min_size=1, max_size=5), LETTERS, st.integers(0, 5))
def test_distributions_are_those_of_all_places_however_the_documents_are_divided(documents, question, cut):
    found = read_from((shard_of(documents),), [*question, 0], [len(question)])
    assert np.allclose(found[0][0], expected(counted(documents, question)), atol=1e-6)
    context = question[len(question) - question[::-1].index(0) :] if 0 in question else question
    assert found[1][0] == max(
        k
        for k in range(LONGEST + 1)
        if k <= len(context) and (k == 0 or counted(documents, context[len(context) - k :])[k].any())
    )
    parts = tuple(shard_of(part) for part in (documents[cut:], documents[:cut]) if part)
    assert same(read_from(parts, [*question, 0], [len(question)]), found)


@LAW
@given(st.lists(LETTERS, min_size=1, max_size=5), LETTERS, st.booleans())
def test_positions_one_after_the_other_are_read_as_each_alone(documents, question, unwritten):
    text = suffixes.laid_out([np.array(each, np.uint8) for each in documents])
    shard = suffixes.build(text, np.arange(min(len(text) - 1, 2)) if unwritten else None)
    shards, tokens = (shard, shard_of([[97, 98]])), [*question, 0]
    found = read_from(shards, tokens, range(len(tokens)))
    for at in range(len(tokens)):
        alone = read_from(shards, tokens, [at])
        assert same(alone, [part[at : at + 1] for part in found])


@pytest.fixture(scope="module")
def long_text():
    """A text whose short contexts are in many blocks and in several spans, some of them always together."""
    words = [b"abc", b"ab", b"ccca", b"abc" * 12]
    drawn = np.random.default_rng(0).choice(len(words), 40_000, p=(0.4, 0.3, 0.2, 0.1))
    text = b"".join(words[i] for i in drawn)
    assert len(text) > 3 * suffixes.SPAN
    return text


def test_contexts_that_occurred_often_are_read_as_each_alone(long_text):
    text = np.frombuffer(long_text, np.uint8)
    halves = tuple(shard_of([part]) for part in (text[:100_000], text[100_000:]))
    question = [*text[5000:5400], 0, *text[:100], 0]
    found = read_from(halves, question, range(len(question)))
    assert same(read_from(halves, question, range(len(question))[::-1]), [part[::-1] for part in found])
    # With room for few contexts, most take each other's place.
    assert all(same(read_from(halves, question, range(len(question)), rows), found) for rows in (1, 2, 5))
    for at in (3, 100, 399):
        begin = max(at - LONGEST, 0)
        counts = np.zeros((LONGEST + 1, 256), np.int64)
        for half in (long_text[:100_000], long_text[100_000:]):
            counts += counted_in_long(half, bytes(question[begin:at]))
        assert np.allclose(found[0][at], expected(counts), atol=1e-6)


def counted_in_long(text, question):
    """As ``counted``, in a time that does not grow with the square of the text."""
    found = np.zeros((LONGEST + 1, 256), np.int64)
    for k in range(len(question) + 1):
        end = question[len(question) - k :]
        ends = (match.end() for match in re.finditer(b"(?=(%s))" % re.escape(end), text))
        followed = [text[begin + k] for begin in ends if begin + k < len(text)]
        found[k] = np.bincount(followed, minlength=256)
    return found


def test_a_context_that_was_not_written_is_followed_but_not_counted():
    memory = Suffix(lengths=(2,))
    text = text_of(b"abab")
    memory.learn([Items(text, 2, None)])  # "ab" is context only
    alphabet = torch.tensor([*b"abx"])
    after = lambda word: memory.predict(Query(text_of(word), torch.tensor([len(word) - 1]), None), alphabet)  # noqa: E731
    p = after(b"ab?").log_p[0, 0].exp()
    assert p.argmax() == 0  # a followed ab, in the text
    assert float(p[2]) > 0
    assert int(counts_of(memory)[ord("b")]) == int(counts_of(memory)[ord("a")]) == 1


def counts_of(memory):
    return np.bincount(memory._sorted().following, minlength=256)


def archived(folder, documents, sizes, names="abcde"):
    """An archive of documents, so many to a shard."""
    entries, begin = [], 0
    for number, size in enumerate(sizes):
        part = documents[begin : begin + size]
        begin += size
        spool = folder / f"{number:05}.spool"
        shards.spooled(
            spool, [np.frombuffer(each, np.uint8) for each in part], [*names[begin - size : begin]]
        )
        shards.write_shard(folder / f"{number:05}", spool, "0")
        entries.append(shards.Entry(f"{number:05}", sum(map(len, part)), len(part), "0"))
    shards.publish(folder, entries)
    return str(folder)


@LAW
@given(st.lists(LETTERS, min_size=1, max_size=5), LETTERS, st.integers(0, 5))
def test_places_and_the_uniform_rest_make_up_the_probability(documents, question, cut):
    parts = tuple(shard_of(part) for part in (documents[cut:], documents[:cut]) if part)
    rows, tokens = len(ALPHABET) - 1, np.array([*question, 0])
    positions, depth = np.full(rows, len(question)), np.arange(len(tokens))
    found = origins.trace(parts, tokens, depth, positions, ALPHABET[1:], ALPHABET, LENGTHS, DISCOUNTS)
    listed = np.zeros_like(found.stored)
    np.add.at(listed, (found.row, found.expert), found.share)
    assert np.allclose(listed, found.stored)  # no context has too many places to be listed
    assert all(
        parts[s].text[place] == ALPHABET[1:][row] for row, _, s, place, *_ in zip(*found[:5], strict=True)
    )
    p = read_from(parts, tokens, [len(question)])[0][0, :, 1:].T
    rest = p * (1 - found.stored)
    assert np.allclose(rest, rest[:1], atol=1e-6)


DOCUMENTS = [b"the cat sat on the mat\n" * 3, b"the dog sat on the log\n", b"a cat and a dog\n" * 2]


def read(memory, question=b"the cat sat on the ", begin=0):
    query = Query(text_of(question), torch.arange(begin, len(question)), None)
    return memory.predict(query, torch.tensor([*b"\n acdeghlmnost"]).sort().values)


def test_an_archive_predicts_as_the_same_text_in_memory(tmp_path):
    own = Suffix()
    own.learn([Items(text_of(*DOCUMENTS), 0, None)])
    for number, sizes in enumerate(((3,), (1, 2), (1, 1, 1))):
        (folder := tmp_path / str(number)).mkdir()
        memory = Suffix(archive=archived(folder, DOCUMENTS, sizes))
        assert torch.equal(read(memory).log_p, read(own).log_p)
        assert torch.equal(read(memory).gates[0], read(own).gates[0])


@pytest.mark.parametrize("share", [0.75, 0.0])  # of the machine's memory: what is beyond is not read ahead
def test_what_an_archive_predicts_needs_neither_its_text_nor_the_order(tmp_path, monkeypatch, share):
    monkeypatch.setattr(shards, "_SHARE", share)
    monkeypatch.setattr(shards, "CHECKED", 0)  # as of a large archive: the two files are damaged below
    place = archived(tmp_path, DOCUMENTS, (1, 2))
    expected = read(Suffix(archive=place), begin=9).log_p  # from within a text, where nothing is known before
    for file in [*tmp_path.glob("0*/text.npy"), *tmp_path.glob("0*/order.npy")]:
        head = file.read_bytes()[:128]
        file.write_bytes(head + bytes(file.stat().st_size - len(head)))
    assert torch.equal(read(Suffix(archive=place), begin=9).log_p, expected)


def test_places_in_an_archive_are_named_with_their_document_and_line(tmp_path):
    long = [b"one\ntwo\n", b"three\nfour\n"]  # two pieces of one document
    memory = Suffix(archive=archived(tmp_path, [*DOCUMENTS, *long], (2, 3), "abcdd"))
    memory.learn([Items(text_of(b"an own text"), 0, None)])
    alphabet = torch.tensor(sorted({*b"".join([*DOCUMENTS, *long, b"an own text"])}))
    for context, token, within, line in (
        (b"\nthr", b"e", b"ee\nfour", 3),
        (b"the d", b"o", b"og sat", 1),
        (b"an ow", b"n", None, 0),
    ):
        query = Query(text_of(context + b"?"), torch.tensor([len(context)]), None)
        trace = memory.trace(query, torch.tensor([*token]), alphabet)
        best = int(trace.share.argmax())
        number, offset = int(trace.document[best]), int(trace.offset[best])
        if within is None:
            assert (number, offset) == (0, len(context))
            continue
        document = trace.outside(number)
        assert bytes(document.tokens[offset:].tolist()).startswith(within)
        assert document.line == line
    with pytest.raises(UsageError, match="no document"):
        trace.outside(-6)
    (tmp_path / "00001" / "documents.json").write_text("{}")
    with pytest.raises(DataError, match="damaged"):
        Suffix(archive=str(tmp_path)).document(-1)


def test_text_that_is_learned_stands_beside_the_archive_and_is_forgotten_exactly(tmp_path):
    memory = Suffix(archive=archived(tmp_path, DOCUMENTS[:2], (2,)))
    before = read(memory)
    memory.learn([Items(text_of(DOCUMENTS[2]), 0, None)])
    assert not torch.equal(read(memory).log_p, before.log_p)
    memory.restore({})
    assert torch.equal(read(memory).log_p, before.log_p)


def test_a_damaged_archive_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no archive there"):
        Suffix(archive=str(tmp_path / "none"))
    place = archived(tmp_path, DOCUMENTS, (3,))
    file = tmp_path / "00000" / "order.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-4])
    with pytest.raises(DataError, match="damaged"):
        Suffix(archive=place)
    file.write_bytes(whole)
    for name in ("order", "sums", "parts"):  # places behind the end of the text, sums that fit nothing
        other = file.with_stem(name)
        sound = other.read_bytes()
        other.write_bytes(sound[:200] + b"\xff" * (len(sound) - 200))
        with pytest.raises(DataError, match=rf"damaged \(.*{name}\.npy: changed since it was written"):
            Suffix(archive=place)
        with monkeypatch.context() as patch:
            patch.setattr(shards, "CHECKED", 0)  # as of a large archive
            memory = Suffix(archive=place)
        assert read(memory).log_p.isfinite().all()
        query = Query(text_of(b"the cat "), torch.tensor([7]), None)
        memory.trace(query, torch.tensor([*b" "]), torch.tensor([*b" abcdefgh"]))
        other.write_bytes(sound)
    file.unlink()
    with pytest.raises(DataError, match=r"order\.npy"):
        Suffix(archive=place)
    manifest = tmp_path / "archive.json"
    for damaged in (manifest.read_text() + "}", "[]", "{}"):
        manifest.write_text(damaged)
        with pytest.raises(DataError, match=r"archive\.json: damaged \(.*run `lior archive` again"):
            Suffix(archive=place)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lengths": ()}, "lengths"),
        ({"lengths": (3, 3)}, "lengths"),
        ({"discounts": (1.5, 1.0, 1.0)}, "discounts"),
        ({"discounts": (0.5, 1.0)}, "discounts"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        Suffix(**options)


@pytest.mark.parametrize("option", [{"lengths": (2, 4)}, {"discounts": (0.4, 0.6, 0.8)}])
def test_each_option_changes_what_is_read(option):
    found = []
    for memory in (Suffix(), Suffix(**option)):
        memory.learn([Items(text_of(DOCUMENTS[0]), 0, None)])
        found.append(read(memory).log_p)
    assert found[0].shape != found[1].shape or not torch.equal(*found)


def test_tokens_that_are_no_bytes_are_refused():
    with pytest.raises(UsageError, match="tokenizer bytes"):
        Suffix().learn([Items(text_of([300, 2]), 0, None)])
    with pytest.raises(UsageError, match="tokenizer bytes"):
        Suffix().predict(Query(text_of([1, 2]), torch.tensor([1]), None), torch.tensor([1, 300]))


TestDefaults = suite("memory", Suffix)  # the laws of every memory
TestOneLength = suite("memory", lambda: Suffix(lengths=(2,)))  # the same with one expert
