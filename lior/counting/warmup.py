"""Warm-up: call every compiled function on a few tokens, so that numba compiles it for its argument types.

This is the program of the process that compiles; see :mod:`lior.counting.compiled`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lior.counting import batch_counting, layout, locations, matching, sampling, tracing
from lior.counting.coder import RangeCoder
from lior.counting.coding import Coding
from lior.counting.compiled import compiling
from lior.counting.engine import Engine, Segment
from lior.counting.layout import Rates

_PATTERNS = ("", "1")
_TOKENS, _DEPTH, _ALPHABET = np.array([1, 2, 1, 2]), np.arange(4), np.array([1, 2])
_RATES = Rates(1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3)
_LOW = 10
"""Added to the niceness: a tenth of a core that another process wants."""


def compile_all() -> None:
    """Compile and keep all functions; of several processes one compiles, and the others wait.

    Drawing takes long: a process of its own compiles it, so that two cores are busy until the end.
    """
    with compiling() as missing:
        if missing:
            engine = _training()
            child = _beside(_drawing, engine)
            os.nice(_LOW)  # the rest is not urgent: training needs the cores
            _others(engine)
            if child and os.waitpid(child, 0)[1]:
                raise RuntimeError("a process that compiles failed")


def _beside(call: Callable[..., None], *given: Any) -> int:
    """Call a function in a copy of this process, where no other needs the core; the copy, 0 for none."""
    if sys.platform != "linux":  # elsewhere system libraries do not bear copies
        call(*given)
        return 0
    if child := os.fork():
        return child
    status = 1
    try:
        os.nice(_LOW)
        call(*given)
        status = 0
    finally:
        os._exit(status)


def _training() -> Engine:
    """Call those without which training cannot go on."""
    plan = layout.plan(
        _PATTERNS,
        nested=2,
        base=1,
        joint=[[0, 1] * (layout.JOINT // 2)],
        gates=("longest",),
        cells=1,
        discounts=(0.7, 0.95, 1.1),
        novel_discounts=(0.7, 1.0, 1.2),
        recent=0.35,
        slowest=0.075,
    )
    learned = layout.fresh(plan, 256)
    segment = Segment(_TOKENS, _DEPTH, 0, cell=np.zeros(4, np.int64))
    engine = Engine(plan, _PATTERNS, window=2, budget=0)
    engine.partial_fit(segment, _ALPHABET, (learned, learned), (_RATES, _RATES), write=True)
    engine.write(segment)
    locations.reserve(engine.store, 1 << 13, 1 << 13)
    engine.load(locations.unpack(engine.packed()), engine.clock)
    batch_counting.build([segment], plan, _PATTERNS, parts=2)
    return engine


def _others(engine: Engine) -> None:
    learned = layout.fresh(engine.plan, 256)
    segment = Segment(_TOKENS, _DEPTH, 0, cell=np.zeros(4, np.int64))
    before = engine.store
    locations.inherit(before, before)
    locations.prune(before, 0, engine.clock)
    index = matching.append(matching.empty(1, 8), _TOKENS, np.ones(4, np.bool_))
    found = matching.Matches(np.zeros((4, 1), np.int64), np.zeros(4, np.int64))
    matching.find(index, _TOKENS, _DEPTH, np.arange(4), 1, found)
    tracing.trace(
        engine, _TOKENS, _DEPTH, np.array([3]), np.array([2]), _ALPHABET, (learned, learned), [segment]
    )
    words = RangeCoder()
    words.choose(np.ones(2))
    learner = layout.Learner((learned, learned), (_RATES, _RATES))
    others = np.array([3])
    coding = Coding(engine, engine.cursor(), _ALPHABET, learner, rows=1, others=others, unseen=0.1)
    coding.arrays.given[0] = 1
    coding.run(1, np.ones(16, np.float32), words)
    words.finish()
    engine.advance(1)


def _drawing(engine: Engine) -> None:
    learned = layout.fresh(engine.plan, 256)
    cursor = engine.cursor()
    engine.read_at([cursor], _ALPHABET, (learned, learned), ahead=0)
    race = sampling.Race(np.ones((1, 256)), 1.0, np.ones(16, np.float32), np.array([3]), 0.1)
    sampling.draw(engine, cursor, _ALPHABET, (learned, learned), race, ahead=0, thread=0)
