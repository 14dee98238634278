"""Laws of the memory ``match``: the contract, and matches as a search through all places finds them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import UsageError
from lior.interfaces import Items, Query, Text
from lior.testing.memories import memory_contract
from lior.testing.strategies import LAW
from lior_plugins.memories.match import Match


class TestMatch(memory_contract(lambda: Match(shortest=2))): ...


class TestMatchLong(memory_contract(lambda: Match(shortest=5, longest=5, candidates=3))): ...


def text_of(*documents):
    tokens = torch.tensor([token for document in documents for token in document])
    depth = torch.tensor([place for document in documents for place in range(len(document))])
    number = torch.tensor([i for i, document in enumerate(documents) for _ in document])
    return Text(tokens, depth, number)


LETTERS = st.lists(st.sampled_from(b"ab"), min_size=1, max_size=40)


@LAW
@given(documents=st.lists(LETTERS, min_size=1, max_size=3), question=LETTERS, shortest=st.integers(1, 4))
def test_the_longest_match_is_found(documents, question, shortest):
    memory = Match(shortest=shortest, longest=8, candidates=500, smoothing=0.01)
    memory.stage(Items(text_of(*documents), 0, None))
    memory.commit()
    asked = text_of([*question, 0])
    evidence = memory.read(Query(asked, torch.tensor([len(question)]), None), torch.tensor([*b"ab"]))
    follow, best = [], 0
    for document in documents:
        for place in range(len(document)):
            length = 0
            while (
                length < min(8, place, len(question))
                and document[place - 1 - length] == question[-1 - length]
            ):
                length += 1
            if length >= shortest and length > best:
                follow, best = [], length
            if length == best > 0:
                follow.append(document[place])
    share = follow.count(97) / len(follow) if follow else 0.5
    assert evidence.log_p[0, 0, 0].exp() == pytest.approx(0.99 * share + 0.01 / 2, abs=1e-6)
    assert (evidence.gates[0] > 0) == bool(follow)


def test_a_sentence_read_once_is_quoted():
    sentence = b"the key hangs behind the blue clock"
    memory = Match()
    memory.stage(Items(text_of(sentence), 0, None))
    memory.commit()
    asked = text_of(sentence)
    positions = torch.arange(6, len(sentence))
    evidence = memory.read(Query(asked, positions, None), torch.arange(256))
    assert (evidence.log_p[:, 0].argmax(1) == asked.tokens[positions]).float().mean() > 0.9


def test_the_shortest_is_not_longer_than_the_longest():
    with pytest.raises(UsageError, match="shortest = 9: at most longest, which is 8"):
        Match(shortest=9, longest=8)
