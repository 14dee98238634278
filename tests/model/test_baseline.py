"""The references: a unigram, and modified Kneser–Ney of order 4 from dictionaries."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import pytest
import torch

from lior.data import corpus
from lior.model.baseline import ORDER, Baseline, measure
from lior.model.kneser_ney import estimated_discounts
from lior.reading.documents import RawDocument, read_embedded
from lior_plugins.tokenizers.bytes import Bytes
from tests.cases import cases

VOCAB = 256


def corpus_of(*texts):
    return corpus.build_corpus([RawDocument(str(i), text) for i, text in enumerate(texts)], Bytes())


def random_text(count, seed, letters=b"abbc. "):
    generator = torch.Generator().manual_seed(seed)
    return bytes(letters[i] for i in torch.randint(len(letters), (count,), generator=generator))


def contexts_and_tokens(texts):
    """Each token with the four before it in its document, ``None`` before the beginning."""
    padded = [([None] * ORDER + list(text)) for text in texts]
    return [(tuple(p[i - ORDER : i]), p[i]) for p in padded for i in range(ORDER, len(p))]


def kneser_ney(train):
    """Counters per order: of the token after a context, by distinct longer contexts but in the last."""
    seen = [{(context[ORDER - m :], y) for context, y in train} for m in range(ORDER + 1)]
    continuations = [Counter((c[1:], y) for c, y in seen[m + 1]) for m in range(ORDER)]
    return [*continuations, Counter(train)]


def slow_probability(tables, discounts, context, alphabet):
    """Interpolated from the uniform distribution upwards; probabilities of ``alphabet``."""
    p = dict.fromkeys(alphabet, 1 / len(alphabet))
    for m, (table, taken) in enumerate(zip(tables, discounts, strict=True)):
        counts = table[context[ORDER - m :]]
        total = sum(counts.values())
        if total:
            cut = {y: taken[min(c, 3) - 1] for y, c in counts.items()}
            share = sum(cut.values()) / total
            p = {y: (counts.get(y, 0) - cut.get(y, 0)) / total + share * p[y] for y in alphabet}
    return p


def slow_measure(texts, train, vocab):
    """Nats per token of both references."""
    pairs = contexts_and_tokens(texts)
    train, rest = pairs[:train], pairs[train:]
    tables, discounts = [], []
    for counted in kneser_ney(train):
        nested = defaultdict(dict)
        for (context, y), c in counted.items():
            nested[context][y] = c
        tables.append(defaultdict(dict, nested))
        discounts.append(estimated_discounts(torch.tensor(list(counted.values()))))
    frequency = Counter(y for _, y in train)
    unseen = vocab - len(frequency)
    share = (sum(c == 1 for c in frequency.values()) + 1) / (len(train) + 2) if unseen else 0
    nats = [0.0, 0.0]
    for context, y in rest:
        known = y in frequency
        p = slow_probability(tables, discounts, context, list(frequency))
        for i, value in enumerate((frequency[y] / len(train), p.get(y, 0.0))):
            nats[i] -= math.log((1 - share) * value if known else share / unseen)
    return [n / len(rest) for n in nats]


@cases("seed", [0, 1, 2])
def test_both_are_those_of_the_dictionaries(seed):
    texts = [random_text(n, seed + i) for i, n in enumerate((150, 3, 120, 80))] + [b"abca Z!"]
    built = corpus_of(*texts)
    found = measure(built, 260, len(built), vocab=VOCAB)
    assert [found.unigram, found.order4] == pytest.approx(slow_measure(texts, 260, VOCAB), rel=1e-12)


def test_an_alphabet_that_is_complete_needs_no_share_for_the_unseen():
    texts = [random_text(300, 0, b"ab")]
    tokens = bytes(b - 97 for b in texts[0])
    built = corpus_of(tokens)
    found = measure(built, 200, 300, vocab=2)
    assert [found.unigram, found.order4] == pytest.approx(slow_measure([tokens], 200, 2), rel=1e-12)


def test_order_four_beats_the_unigram_on_real_text():
    text = b"".join(source.data for source in read_embedded()[:60])[:40000]
    found = measure(corpus_of(text), 36000, 40000, vocab=VOCAB)
    assert found.order4 < 0.8 * found.unigram


def test_bits_scale_with_tokens_per_byte():
    bits = Baseline(unigram=math.log(4), order4=math.log(2)).bits(0.5)
    assert bits == pytest.approx({"unigram": 1.0, "order4": 0.5})


def test_the_number_of_positions_at_a_time_is_no_matter(monkeypatch):
    text = corpus_of(random_text(900, 1))
    expected = measure(text, 500, 900, vocab=256)
    monkeypatch.setattr("lior.model.baseline._BLOCK", 64)
    found = measure(text, 500, 900, vocab=256)
    assert found.unigram == pytest.approx(expected.unigram, rel=1e-12)
    assert found.order4 == pytest.approx(expected.order4, rel=1e-12)
