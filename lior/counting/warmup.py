"""Warm-up: call every compiled function on a few tokens, so that numba compiles it for its argument types.

This is the program of the process that compiles; see :mod:`lior.counting.compiled`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from lior.counting import drawing, infinigram, layout, locations, matching, origins, suffixes, totals, tracing
from lior.counting.coder import RangeCoder
from lior.counting.compiled import compiling
from lior.counting.engine import Engine, Segment
from lior.counting.layout import Ints, Rates

_PATTERNS = ("", "1")


def compile_all() -> None:
    """Compile and keep all functions; of several processes one compiles, and the others wait."""
    with compiling() as missing:
        if missing:
            calls = _calls()
            next(calls)
            os.nice(19)  # the rest is not urgent: training needs the cores
            list(calls)


def _calls() -> Iterator[None]:
    """Call all functions that are kept; pause after those without which training cannot go on."""
    plan = layout.plan(
        _PATTERNS, nested=2, base=1, joint=[[0, 1] * (layout.JOINT // 2)], gates=("longest",), cells=1,
        discounts=(0.7, 0.95, 1.1), novel_discounts=(0.7, 1.0, 1.2), recent=0.35, slowest=0.075,
    )  # fmt: skip
    learned = layout.fresh(plan, 256)
    rates = Rates(1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3)
    tokens, depth, alphabet = np.array([1, 2, 1, 2]), np.arange(4), np.array([1, 2])
    segment = Segment(tokens, depth, 0, cell=np.zeros(4, np.int64))
    engine = Engine(plan, _PATTERNS, window=2, budget=0)
    engine.partial_fit(segment, alphabet, (learned, learned), (rates, rates), write=True)
    engine.write(segment)
    locations.reserve(engine.store, 1 << 13, 1 << 13)
    engine.load(locations.unpack(engine.packed()), engine.clock)
    totals.build([segment], plan, _PATTERNS, parts=2)
    yield
    before = engine.store
    locations.inherit(before, before)
    locations.prune(before, 0, engine.clock)
    index = matching.appended(matching.empty(1, 8), tokens, np.ones(4, np.bool_))
    found = matching.Matches(np.zeros((4, 1), np.int64), np.zeros(4, np.int64))
    matching.find(index, tokens, depth, np.arange(4), 1, found)
    _suffixes(tokens, depth, alphabet)
    tracing.trace(
        engine, tokens, depth, np.array([3]), np.array([2]), alphabet, (learned, learned), [segment]
    )
    cursor = engine.cursor()
    engine.read_at([cursor], alphabet, (learned, learned), ahead=0)
    race = drawing.Race(np.ones((1, 256)), 1.0, np.ones(16, np.float32), np.array([3]), 0.1)
    drawing.draw(engine, cursor, alphabet, (learned, learned), race, ahead=0, thread=0)
    words = RangeCoder()
    words.choose(np.ones(2))
    coding = engine.coding(
        cursor, alphabet, (learned, learned), (rates, rates), rows=1, others=np.array([3]), unseen=0.1
    )
    coding.arrays.given[0] = 1
    coding.run(1, np.ones(16, np.float32), words)
    words.finish()
    engine.advance(1)


def _suffixes(tokens: Ints, depth: Ints, alphabet: Ints) -> None:
    """Those that read a sorted text, without the package that sorts one."""
    text = suffixes.laid_out([tokens.astype(np.uint8)])
    shard = suffixes.completed(text, np.arange(len(text), dtype=np.uint32), np.array([0]))
    reader = infinigram.Reader((shard,), (1,), (0.7, 1.0, 1.2))
    reader.read(tokens, depth, np.arange(4), alphabet)
    origins.trace((shard,), tokens, depth, np.arange(4), tokens[:4], alphabet, (1,), (0.7, 1.0, 1.2))
