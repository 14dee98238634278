"""Laws of the memory ``suffix``: counts as a search through all places finds them, whatever the shards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import DataError, UsageError
from lior.interfaces import Items, Query
from lior.testing.strategies import LAW
from tests.builtin.test_match import text_of

pytest.importorskip("pydivsufsort")

from lior.counting import archive, suffixes
from lior_plugins.memories.suffix import Suffix

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


def counts_in(shards, question):
    tokens, counts = np.array([*question, 0]), np.zeros((1, LONGEST + 1, 256), np.uint32)
    for shard in shards:
        suffixes.count(shard, tokens, np.arange(len(tokens)), np.array([len(question)]), counts)
    counts[:, :, 0] = 0
    return counts[0]


@LAW
@given(st.lists(LETTERS, min_size=1, max_size=5), LETTERS, st.integers(0, 5))
def test_counts_are_those_of_all_places_however_the_documents_are_divided(documents, question, cut):
    expected = counted(documents, question)
    assert np.array_equal(counts_in([shard_of(documents)], question), expected)
    parts = [part for part in (documents[cut:], documents[:cut]) if part]
    assert np.array_equal(counts_in([shard_of(part) for part in parts], question), expected)


@LAW
@given(st.lists(LETTERS, min_size=1, max_size=5), LETTERS, st.booleans())
def test_positions_one_after_the_other_are_counted_as_each_alone(documents, question, unwritten):
    text = suffixes.laid_out([np.array(each, np.uint8) for each in documents])
    shard = suffixes.build(text, np.arange(min(len(text) - 1, 2)) if unwritten else None)
    tokens, depth = np.array([*question, 0]), np.arange(len(question) + 1)
    counts = np.zeros((len(tokens), LONGEST + 1, 256), np.uint32)
    suffixes.count(shard, tokens, depth, np.arange(len(tokens)), counts)
    for at in range(len(tokens)):
        alone = np.zeros((1, LONGEST + 1, 256), np.uint32)
        suffixes.count(shard, tokens, depth, np.array([at]), alone)
        assert np.array_equal(counts[at], alone[0])


def test_steps_through_ranges_of_many_blocks_are_searches():
    generator = np.random.default_rng(0)
    drawn = generator.choice(np.frombuffer(b"abc", np.uint8), 5 * suffixes.BLOCK)
    shard, tokens = shard_of([drawn]), drawn[:200].astype(np.int64)
    positions = np.arange(200)
    found, other = np.zeros((2, 200, 25, 256), np.uint32)
    suffixes.count(shard, tokens, positions, positions, found)
    suffixes.count(shard, tokens, positions, positions[::-1].copy(), other)
    assert np.array_equal(found, other[::-1])


def test_ranges_of_many_blocks_are_counted_from_their_sums():
    generator = np.random.default_rng(0)
    document = generator.choice(np.frombuffer(b"abc", np.uint8), 5 * suffixes.BLOCK)
    for question in (b"", b"a", b"ab", b"cba"):
        found = counts_in([shard_of([document])], question)
        for k in range(min(len(question), LONGEST) + 1):
            end = question[len(question) - k :]
            text = document.tobytes()
            followed = [text[p + k] for p in range(len(text) - k) if text[p : p + k] == end]
            assert np.array_equal(found[k], np.bincount(followed, minlength=256)), (question, k)


def test_a_context_that_was_not_written_is_followed_but_not_counted():
    memory = Suffix(lengths=(2,))
    text = text_of(b"abab")
    memory.write(Items(text, 2, None))  # "ab" is context only
    memory.commit()
    alphabet = torch.tensor([*b"abx"])
    after = lambda word: memory.read(Query(text_of(word), torch.tensor([len(word) - 1]), None), alphabet)  # noqa: E731
    p = after(b"ab?").log_p[0, 0].exp()
    assert p.argmax() == 0  # a followed ab, in the text
    assert float(p[2]) > 0
    assert int(counts_of(memory)[ord("b")]) == int(counts_of(memory)[ord("a")]) == 1


def counts_of(memory):
    return np.bincount(memory._sorted().following, minlength=256)


def archived(folder, documents, sizes):
    """An archive of documents, so many to a shard."""
    entries, begin = [], 0
    for number, size in enumerate(sizes):
        part = documents[begin : begin + size]
        begin += size
        spool = folder / f"{number:05}.spool"
        archive.spooled(spool, [np.frombuffer(each, np.uint8) for each in part], ["name"] * len(part))
        archive.write_shard(folder / f"{number:05}", spool, "0")
        entries.append(archive.Entry(f"{number:05}", sum(map(len, part)), len(part), "0"))
    archive.publish(folder, entries)
    return str(folder)


DOCUMENTS = [b"the cat sat on the mat\n" * 3, b"the dog sat on the log\n", b"a cat and a dog\n" * 2]


def read(memory, question=b"the cat sat on the "):
    query = Query(text_of(question), torch.arange(len(question)), None)
    return memory.read(query, torch.tensor([*b"\n acdeghlmnost"]).sort().values)


def test_an_archive_predicts_as_the_same_text_in_memory(tmp_path):
    own = Suffix()
    own.write(Items(text_of(*DOCUMENTS), 0, None))
    own.commit()
    for number, sizes in enumerate(((3,), (1, 2), (1, 1, 1))):
        (folder := tmp_path / str(number)).mkdir()
        memory = Suffix(archive=archived(folder, DOCUMENTS, sizes))
        assert torch.equal(read(memory).log_p, read(own).log_p)
        assert torch.equal(read(memory).gates[0], read(own).gates[0])


def test_text_that_is_learned_stands_beside_the_archive_and_is_forgotten_exactly(tmp_path):
    memory = Suffix(archive=archived(tmp_path, DOCUMENTS[:2], (2,)))
    before = read(memory)
    memory.write(Items(text_of(DOCUMENTS[2]), 0, None))
    memory.commit()
    assert not torch.equal(read(memory).log_p, before.log_p)
    memory.rewrite([])
    assert torch.equal(read(memory).log_p, before.log_p)


def test_a_damaged_archive_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no archive there"):
        Suffix(archive=str(tmp_path / "none"))
    place = archived(tmp_path, DOCUMENTS, (3,))
    file = tmp_path / "00000" / "order.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-4])
    with pytest.raises(DataError, match="damaged"):
        Suffix(archive=place)
    file.write_bytes(whole[:200] + b"\xff" * (len(whole) - 200))  # places behind the end of the text
    assert read(Suffix(archive=place)).log_p.isfinite().all()
    file.unlink()
    with pytest.raises(DataError, match=r"order\.npy"):
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


def test_tokens_that_are_no_bytes_are_refused():
    with pytest.raises(UsageError, match="tokenizer bytes"):
        Suffix().write(Items(text_of([300, 2]), 0, None))
    with pytest.raises(UsageError, match="tokenizer bytes"):
        Suffix().read(Query(text_of([1, 2]), torch.tensor([1]), None), torch.tensor([1, 300]))
