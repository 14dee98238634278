"""Laws of the memory ``match``: the contract, and matches as a search through all places finds them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import UsageError
from lior.interfaces import Items, Query, Text
from lior.model import memories
from lior.testing.strategies import LAW
from lior_plugins.memories.match import Match


def text_of(*documents):
    tokens = torch.tensor([token for document in documents for token in document])
    depth = torch.tensor([place for document in documents for place in range(len(document))])
    number = torch.tensor([i for i, document in enumerate(documents) for _ in document])
    return Text(tokens, depth, number)


def longest_matches(documents, question, shortest, longest):
    """Document and place after each of the longest matches of a question's end, by looking everywhere."""
    places, best = [], 0
    for number, document in enumerate(documents):
        for place in range(len(document)):
            length, most = 0, min(longest, place, len(question))
            while length < most and document[place - 1 - length] == question[-1 - length]:
                length += 1
            if length >= shortest and length > best:
                places, best = [], length
            if length == best > 0:
                places.append((number, place))
    return places


LETTERS = st.lists(st.sampled_from(b"ab"), min_size=1, max_size=40)


@LAW
@given(documents=st.lists(LETTERS, min_size=1, max_size=3), question=LETTERS, shortest=st.integers(1, 4))
def test_the_longest_match_is_found(documents, question, shortest):
    memory = Match(shortest=shortest, longest=8, candidates=500, smoothing=0.01)
    memory.learn([Items(text_of(*documents), 0, None)])
    asked = text_of([*question, 0])
    evidence = memory.predict(Query(asked, torch.tensor([len(question)]), None), torch.tensor([*b"ab"]))
    follow = [documents[number][place] for number, place in longest_matches(documents, question, shortest, 8)]
    share = follow.count(97) / len(follow) if follow else 0.5
    assert evidence.log_p[0, 0, 0].exp() == pytest.approx(0.99 * share + 0.01 / 2, abs=1e-6)
    assert (evidence.gates[0] > 0) == bool(follow)


def test_a_sentence_read_once_is_quoted():
    sentence = b"the key hangs behind the blue clock"
    memory = Match()
    memory.learn([Items(text_of(sentence), 0, None)])
    asked = text_of(sentence)
    positions = torch.arange(6, len(sentence))
    evidence = memory.predict(Query(asked, positions, None), torch.arange(256))
    assert (evidence.log_p[:, 0].argmax(1) == asked.tokens[positions]).float().mean() > 0.9


def test_an_index_that_grows_keeps_its_places():
    sentence, more = b"the key hangs behind the blue clock", bytes(range(256)) * 16
    asked = Query(text_of(sentence), torch.arange(6, len(sentence)), None)
    memory, whole = Match(), Match()
    for each, parts in ((memory, [[sentence], [sentence, more]]), (whole, [[sentence, more]])):
        for documents in parts:
            stored = 0 if documents is parts[0] else len(sentence)
            each.learn([Items(text_of(*documents), stored, None)])
            each.predict(asked, torch.arange(256))  # makes the index
    one, other = (each.predict(asked, torch.arange(256)).log_p for each in (memory, whole))
    assert torch.equal(one, other)


def test_context_is_no_place():
    """Tokens before the stored ones that were never written, or are stored no longer, are not quoted."""
    sentence = b"the key hangs behind the blue clock and the key hangs behind the red door"
    items = Items(text_of(sentence), 0, None)
    asked = Query(text_of(sentence), torch.arange(6, 30), None)
    memory = Match()
    memory.learn([items._replace(start=36)])
    only = memory.predict(asked, torch.arange(256))
    memories.rewrite(memory, [items])
    memories.rewrite(memory, [items._replace(start=36)])
    assert torch.equal(memory.predict(asked, torch.arange(256)).log_p, only.log_p)
    trace = memory.trace(asked, asked.text.tokens[6:30], torch.arange(256))
    assert len(trace.offset)
    assert int(trace.offset.min()) >= 36


def test_the_shortest_is_not_longer_than_the_longest():
    with pytest.raises(UsageError, match="shortest = 9: at most longest, which is 8"):
        Match(shortest=9, longest=8)
