"""Traces of ``sdm`` and ``match`` against dictionaries, sums in float64, and a search through all places."""

from __future__ import annotations

import math

import attrs
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.interfaces import Items, Query
from lior.testing.strategies import LAW
from lior_plugins.counting import layout, tracing
from lior_plugins.counting.addresses import locate
from lior_plugins.counting.layout import MOST, TINY
from lior_plugins.counting.locations import COUNTER
from lior_plugins.counting.stream import FLOOR
from lior_plugins.memories.exact import Exact
from lior_plugins.memories.match import Match
from lior_plugins.memories.sdm import Sdm
from tests.builtin.test_match import longest_matches, text_of
from tests.builtin.test_memories import Scorer, document
from tests.builtin.test_memories import holding as holding_items
from tests.cases import cases

ALPHABET = torch.tensor([*b"abcz"])
"""The last of them stands nowhere."""
LETTERS = st.lists(st.sampled_from(b"abc"), min_size=1, max_size=30)
ORDERS, FURTHER = (0, 1, 2), ("2-3",)
PATTERNS = ("", "1-1", "1-2", *FURTHER)
PARENTS = (-1, 0, 1, 0)
BASE = 1
DISCOUNTS, NOVEL = (0.0, 0.7, 0.95, 1.1), (0.0, 0.7, 1.0, 1.2)
WEIGHTS = (0.48 / 3, 0.48 / 3, 0.48 / 3, 0.3 / 4)


def plain_sdm():
    return Sdm(orders=ORDERS, patterns=FURTHER, base_order=1, joint=(), gates=(), recent=0.0)


def holding(memory, text):
    memory.learn([Items(text, 0, None)])
    return memory


@attrs.define
class Counted:
    """A counter: how often its token stood there, how often it was new in the longer context, and where."""

    novel: int = 0
    places: list = attrs.field(factory=list)


def addresses(text):
    return locate(text.tokens.numpy(), text.depth.numpy(), 0, PATTERNS).where


def counted(text):
    """Address -> token -> its counter: a location is made where that of its parent was there before."""
    table: dict[int, dict[int, Counted]] = {}
    where = addresses(text).tolist()
    columns = (text.tokens.tolist(), text.document.tolist(), text.depth.tolist())
    for at, token, *place in zip(where, *columns, strict=True):
        present = [address in table for address in at]
        new_in_longer = True
        for i in (2, 1, 0, 3):
            if not present[i] and PARENTS[i] >= 0 and not present[PARENTS[i]]:
                new_in_longer = True
                continue
            counters = table.setdefault(at[i], {})
            fresh = token not in counters
            here = counters.setdefault(token, Counted())
            here.places.append(tuple(place))
            here.novel += new_in_longer and i < len(ORDERS)
            new_in_longer = fresh
    return table


def discounted(counts, discounts, base):
    """Absolute discounting of ``counts`` over the ``base`` distribution; both by token."""
    n = sum(counts.values())
    taken = sum(discounts[min(c, 3)] for c in counts.values())
    left = min(taken / n, MOST)
    above = {s: max(c - discounts[min(c, 3)], 0) / n for s, c in counts.items()}
    return {s: left * p + above.get(s, 0.0) for s, p in base.items()}


def patterns_at(table, at):
    """Of each present pattern its part of the logits, its distribution and its counters."""
    uniform = dict.fromkeys(ALPHABET.tolist(), 1 / len(ALPHABET))
    chain, base, found = uniform, uniform, {}
    for i, address in enumerate(at):
        if address not in table:
            continue
        counters = table[address]
        p = discounted(
            {s: len(c.places) for s, c in counters.items()}, DISCOUNTS, chain if i < len(ORDERS) else base
        )
        logs = {s: math.log(q + TINY) for s, q in p.items()}
        if i >= len(ORDERS):
            logs = {s: log - math.log(base[s] + TINY) for s, log in logs.items()}
        found[i] = {s: WEIGHTS[i] * log for s, log in logs.items()}, p, counters
        if i < len(ORDERS):
            novel = {s: c.novel for s, c in counters.items()}
            if sum(novel.values()):
                chain = discounted(novel, NOVEL, chain)
            base = chain if i <= BASE else base
    return found


def traced(table, at, token):
    """Place -> its share of the probability of ``token`` at the addresses ``at``."""
    found = patterns_at(table, at)
    logits = {s: sum(part[s] for part, _, _ in found.values()) for s in ALPHABET.tolist()}
    total = sum(map(math.exp, logits.values()))
    p = {s: math.exp(z) / total for s, z in logits.items()}
    effect = {
        i: part[token] - sum(p[s] * part[s] for s in p if s != token) / (1 - p[token])
        for i, (part, _, _) in found.items()
    }
    positive = sum(max(e, 0.0) for e in effect.values())
    share = {i: max(e, 0.0) / positive if positive else 0.0 for i, e in effect.items()}
    given = {}
    for i, (_, distribution, counters) in found.items():
        c = len(counters[token].places) if token in counters else 0
        above = max(c - DISCOUNTS[min(c, 3)], 0) / sum(len(each.places) for each in counters.values())
        given[i] = min(above / distribution[token], 1.0)
    placed = {i: share[i] * given[i] for i in found}
    carried = 0.0
    for i in (2, 1, 0):
        if i == BASE:
            carried += share.get(3, 0.0) * (1 - given.get(3, 0.0))
        if i in found:
            placed[i] += carried * given[i]
            carried = (carried + share[i]) * (1 - given[i])
    above_floor = p[token] * (1 - len(p) * FLOOR)
    places: dict[tuple[int, int], float] = {}
    for i, weight in placed.items():
        where = found[i][2][token].places if token in found[i][2] else []
        for place in where:
            part = weight / len(where) * above_floor / (above_floor + FLOOR)
            places[place] = places.get(place, 0.0) + part
    return {place: part for place, part in places.items() if part > 0}


@LAW
@given(documents=st.lists(LETTERS, min_size=1, max_size=3))
def test_counters_count_the_places_of_their_address_since_it_was_made(documents):
    text = text_of(*documents)
    snapshot = holding(plain_sdm(), text).snapshot()
    counters = snapshot["counters"].numpy().reshape(-1).view(COUNTER)
    at = snapshot["addresses"].repeat_interleave(snapshot["sizes"]).tolist()
    rows = zip(at, counters["token"].tolist(), counters["count"].tolist(), strict=True)
    table = counted(text)
    assert {(address, token): count for address, token, count in rows} == {
        (address, token): len(c.places) for address, known in table.items() for token, c in known.items()
    }


@settings(LAW, max_examples=30)
@given(
    documents=st.lists(LETTERS, min_size=1, max_size=3), question=LETTERS, token=st.sampled_from([*b"abcz"])
)
@example([b"ab" * 100 + b"c"], b"ababab", ord("c"))  # hardly more than what every token has
def test_sdm_traces_to_the_places_that_wrote_its_counters(documents, question, token):
    assert layout.parents(PATTERNS).tolist() == list(PARENTS)
    text, asked = text_of(*documents), text_of([*question, 0])
    memory, table = holding(plain_sdm(), text), counted(text)
    query = Query(asked, torch.tensor([len(question)]), None)
    trace = memory.trace(query, torch.tensor([token]), ALPHABET)
    expected = traced(table, addresses(asked).tolist()[-1], token)
    places = zip(trace.document.tolist(), trace.offset.tolist(), strict=True)
    assert dict(zip(places, trace.share.tolist(), strict=True)) == pytest.approx(expected, abs=2e-4)
    assert float(trace.stored) == pytest.approx(sum(expected.values()), abs=2e-4)


def test_effects_add_up_to_the_log_odds(monkeypatch):
    """``Σ effects = log p(y) / (1 − p(y)) + H(p without y)``, whatever the patterns."""
    seen = []
    placed = tracing._place
    monkeypatch.setattr(
        tracing, "_place", lambda plan, effect, own: (seen.append(effect), placed(plan, effect, own))[1]
    )
    text = text_of(b"abcabacabcbbacabaccabc" * 3)
    memory = holding(Sdm(joint=(), gates=(), recent=0.0), text)
    query = Query(text_of(b"bacab"), torch.arange(5), None)
    for token in b"abc":
        memory.trace(query, torch.full((5,), token), ALPHABET[:3])
        p = memory.predict(query, ALPHABET[:3]).log_p[:, 0].double().exp()
        column = b"abc".index(token)
        others = p.clone()
        others[:, column] = 0
        others /= others.sum(1, keepdim=True)
        entropy = -torch.special.xlogy(others, others).sum(1)
        odds = torch.logit(p[:, column])
        assert torch.from_numpy(seen.pop().sum(1)) == pytest.approx(odds + entropy, abs=1e-3)


def test_a_trace_is_of_what_a_read_says(monkeypatch):
    """With numbers learned: the same clock, weight set, and cell."""
    mixed = []
    above = tracing._above_floor
    monkeypatch.setattr(
        tracing, "_above_floor", lambda given, size: (mixed.append(given), above(given, size))[1]
    )
    memory = Sdm(recent=0.4, unseen_contexts=2, table_rate=(0.3, 0.3), window=1)
    items = [document(0, number, 100, torch.tensor([*b"abc"])) for number in range(4)]
    memory.fit(items[0], ALPHABET, progress=0.5, write=True)
    memory.fit(items[1], ALPHABET, progress=0.5, write=False)
    noisy = items[2]._replace(kept=torch.arange(100) % 3 > 0)
    memory.fit(noisy, ALPHABET, progress=0.5, write=False)
    query = Query(items[3].text, torch.arange(100), None, torch.arange(100) % 7)
    memory.trace(query, items[3].text.tokens, ALPHABET)
    p = memory.predict(query, ALPHABET).log_p[:, 0].exp().double()
    own = p[torch.arange(100), torch.searchsorted(ALPHABET, items[3].text.tokens)]
    assert mixed[0] * (1 - len(ALPHABET) * FLOOR) + FLOOR == pytest.approx(own.numpy(), rel=1e-5)


@cases("more", [0, 8])
def test_a_context_of_very_many_places_names_none(more):
    memory = holding(plain_sdm(), text_of(b"ab" * (tracing.LISTED + more)))
    query = Query(text_of(b"baba?"), torch.tensor([4]), None)
    trace = memory.trace(query, torch.tensor([98]), ALPHABET[:2])
    assert float(trace.stored) > 0.9
    assert (len(trace.share) == 0) == (more > 0)


@cases("letters", [b"\n .ab", b"ab"])
@cases("probes", [0, 2])
def test_items_have_their_part_of_the_softmax(probes, letters):
    """``share · p`` is the item's weight, and ``p`` less the smoothing what all items have."""
    alphabet = torch.tensor([*letters])
    scorer, asked = Scorer(), document(1, letters=alphabet)
    memory = holding_items(Exact(smoothing=0.1, probes=probes), document(0), document(0, 1))
    query = Query(asked.text, torch.arange(40), asked.z, scorer=scorer)
    trace = memory.trace(query, asked.text.tokens, alphabet)
    p = memory.predict(query, alphabet).log_p.exp().double()
    column = torch.searchsorted(alphabet, asked.text.tokens)
    own = p[torch.arange(40), :, column]
    stored = trace.stored * own
    assert_close(stored, torch.where(stored > 0, own - 0.1 / len(alphabet), 0.0), atol=1e-5, rtol=0)
    assert (stored > 0).double().mean() > 0.5
    z = torch.stack([document(0, d).z for d in (0, 1)])[trace.document, trace.offset]
    scores = scorer.scores(scorer.features(asked.z, query=True), scorer.features(z, query=False))
    weight = (
        scores[trace.row, torch.arange(len(z))].double()
        * torch.tensor(memory.inverse_temperatures)[trace.expert]
    )
    part = trace.share * own[trace.row, trace.expert]
    for row in range(40):  # weights of the same question and expert are as their scores tell
        for expert in range(len(memory.inverse_temperatures)):
            here = (trace.row == row) & (trace.expert == expert)
            ratio = part[here].log() - weight[here]
            assert_close(ratio, ratio.mean().expand_as(ratio), atol=1e-3, rtol=0)


@LAW
@given(documents=st.lists(LETTERS, min_size=1, max_size=3), question=LETTERS)
def test_match_traces_to_the_longest_matches(documents, question):
    memory = holding(Match(shortest=2, longest=6, candidates=500, smoothing=0.01), text_of(*documents))
    asked = text_of([*question, 0])
    query = Query(asked, torch.tensor([len(question)]), None)
    follow = longest_matches(documents, question, 2, 6)
    for token in ALPHABET.tolist():
        same = [(number, place) for number, place in follow if documents[number][place] == token]
        trace = memory.trace(query, torch.tensor([token]), ALPHABET)
        places = list(zip(trace.document.tolist(), trace.offset.tolist(), strict=True))
        assert sorted(places) == same
        p = float(memory.predict(query, ALPHABET).log_p[0, 0, ALPHABET.tolist().index(token)].exp())
        stored = 1 - 0.01 / len(ALPHABET) / p if same else 0.0
        assert float(trace.stored) == pytest.approx(stored, abs=1e-5)
        assert trace.share.tolist() == pytest.approx([stored / len(same)] * len(same) if same else [])
