"""Laws of the memory ``match``: the contract, and matches as a search through all places finds them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.errors import UsageError
from lior.interfaces import Items, Query, Text
from lior.model import memories
from lior.testing.strategies import LAW
from lior_plugins.counting.matching import LENGTHS
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


def missed(memory):
    """Missed tokens by the class of the match's length."""
    return memory._chained().missed.tolist()


def looked_up(documents, shortest, longest):
    """The same, by looking everywhere in the text before each token."""
    found = [0] * (len(LENGTHS) + 1)
    for number, document in enumerate(documents):
        for place, token in enumerate(document):
            before = [*documents[:number], document[:place]]
            # A document's beginning has no match; the place asked for is no part of the text before it.
            places = longest_matches(before, document[:place], shortest, longest) if place else []
            length = max((common(before[n], p, document, place, longest) for n, p in places), default=0)
            follow = {before[n][p] for n, p in places}
            if follow != {token}:
                found[np.searchsorted(LENGTHS, length, side="right") if len(follow) == 1 else 0] += 1
    return found


def common(text, place, other, at, longest):
    length = 0
    while length < min(place, at, longest) and text[place - 1 - length] == other[at - 1 - length]:
        length += 1
    return length


@LAW
@given(documents=st.lists(LETTERS, min_size=1, max_size=3), shortest=st.integers(1, 4), cut=st.integers(1, 9))
def test_missed_tokens_are_counted_before_they_are_stored(documents, shortest, cut):
    """Also in parts, in another order, with a larger index, and after another document is forgotten."""

    def make():
        return Match(shortest=shortest, longest=12, candidates=500)

    whole, parts, turned, forgetful = (make() for _ in range(4))
    items = Items(text_of(*documents), 0, None)
    whole.learn([items])
    assert missed(whole) == looked_up(documents, shortest, 12)
    cut = min(cut, len(items.text.tokens) - 1)
    if cut:
        parts.learn([Items(Text(*(column[:cut] for column in items.text)), 0, None)])
        missed(parts)  # makes the index, which then grows
    parts.learn([items._replace(start=cut)])
    assert missed(parts) == missed(whole)
    for number in reversed(range(len(documents))):
        here = items.text.document == number
        turned.learn([Items(Text(*(column[here] for column in items.text)), 0, None)])
        missed(turned)
    assert missed(turned) == missed(whole)
    forgetful.learn([Items(text_of(*documents, b"abababababaab" * 200), 0, None)])
    assert missed(forgetful) != missed(whole)
    memories.rewrite(forgetful, [items])
    assert missed(forgetful) == missed(whole)
    turned.restore(forgetful.snapshot())
    assert missed(turned) == missed(whole)


def pieces(count, seed=0):
    """Sentences made of a few pieces."""
    draw = np.random.default_rng(seed).choice
    who, verb = ["The old baker", "My neighbour", "Our little dog"], [" is looking for ", " has hidden "]
    what = ["the key of the garden door", "a loaf of white bread", "the letter from the captain"]
    return "".join(f"{draw(who)}{draw(verb)}{draw(what)}. " for _ in range(count))


def test_a_match_is_trusted_less_in_recombined_text():
    memory = Match()
    sentence = b"The launch of the great balloon is on the fourth of May."
    memory.learn([Items(text_of(sentence), 0, None)])
    at = torch.arange(40, 45)
    gate = memory.predict(Query(text_of(sentence), at, None), torch.arange(256)).gates[0]
    (trust,) = memory.abilities.trust
    assert (trust[gate] == 1).all(), "text that never misled is quoted"
    text = pieces(200).encode()
    memory.learn([Items(text_of(sentence, text), len(sentence), None)])
    gate = memory.predict(Query(text_of(text[:200]), torch.arange(60, 200), None), torch.arange(256)).gates[0]
    assert trust[gate].max() == 0


def test_the_shortest_is_not_longer_than_the_longest():
    with pytest.raises(UsageError, match="shortest = 9: at most longest, which is 8"):
        Match(shortest=9, longest=8)
