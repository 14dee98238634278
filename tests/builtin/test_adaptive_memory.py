"""A memory that learns while it reads predicts real text better than the reference, and better with time."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch

from lior.data import corpus
from lior.interfaces import Items, Query
from lior.model import baseline
from lior.model.mixer import columns
from lior.reading.documents import RawDocument
from lior_plugins.memories.sdm import Sdm
from lior_plugins.tokenizers.bytes import Bytes

pytestmark = pytest.mark.slow
TRAIN, END, CHUNK = 54_000, 60_000, 6_000


class Costs(NamedTuple):
    """Nats per byte of the last tenth of 60 kB, the rest of which was read before."""

    order4: float
    once: float
    twice: float
    static: float
    tuned: float


def cost(log_p, text, lo):
    target = columns(text.tokens.long().unique(), text.tokens[lo : lo + len(log_p)].long())
    return -float(log_p[:, 0].double().gather(1, target[:, None]).mean())


def fit(memory, text, lo, hi, passes=(0, 1), *, write=True):
    """Let the memory fit a part of the text; the mean cost of its last chunk."""
    number, count = passes
    for begin in range(lo, hi, CHUNK):
        part, start = text.text(begin, min(begin + CHUNK, hi), context=memory.abilities.context)
        progress = min((number + begin / TRAIN) / count, 1.0)
        said = memory.fit(
            Items(part, start, None), text.tokens.long().unique(), progress=progress, write=write
        )
    return cost(said.log_p, text, begin)


def read(memory, text):
    """Mean cost of the last tenth, with the memory as it stands."""
    part, start = text.text(TRAIN, END, context=memory.abilities.context)
    query = Query(part, torch.arange(start, len(part.tokens)), None)
    return cost(memory.predict(query, text.tokens.long().unique()).log_p, text, TRAIN)


@pytest.fixture(scope="module")
def costs(sample):
    text = corpus.build_corpus([RawDocument("sample", sample.read_bytes())], Bytes())
    memory, other = Sdm(), Sdm()
    fit(memory, text, 0, TRAIN)
    once = fit(memory, text, TRAIN, END)
    fit(other, text, 0, TRAIN, (0, 2))
    other.rewrite(())
    fit(other, text, 0, TRAIN - CHUNK, (1, 2))
    tuned = Sdm()
    tuned.restore(other.snapshot())
    fit(tuned, text, TRAIN - CHUNK, TRAIN, write=False)
    for each in (tuned, other):
        fit(each, text, TRAIN - CHUNK, TRAIN, (1, 2))
    static, fitted = read(other, text), read(tuned, text)
    twice = fit(other, text, TRAIN, END)
    order4 = baseline.measure(text, TRAIN, END, vocab=256).order4
    return Costs(order4, once, twice, static, fitted)


def test_it_beats_modified_kneser_ney(costs):
    assert costs.once < 0.9 * costs.order4
    assert costs.static < costs.order4


def test_two_readings_are_better_than_one(costs):
    assert costs.twice < costs.once


def test_reading_on_is_better_than_standing_still(costs):
    assert costs.twice < costs.static


def test_what_is_learned_of_standing_still_serves_standing_still(costs):
    assert costs.tuned < costs.static
