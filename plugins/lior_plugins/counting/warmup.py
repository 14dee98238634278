"""Warm-up: call every compiled function on a few tokens, so that numba compiles it for its argument types.

This is the program of the process that compiles; see :mod:`lior.compiling.compiled`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lior.compiling import repetition
from lior.compiling.compiled import compiling
from lior.interfaces import Race
from lior_plugins.counting import layout, locations, matching, sampling, totals, tracing
from lior_plugins.counting.engine import Engine, Prediction, Segment
from lior_plugins.counting.fields import FIELDS

_PATTERNS = ("", "1")
_TOKENS, _DEPTH, _ALPHABET = np.array([1, 2, 1, 2]), np.arange(4), np.array([1, 2])
_LOW = 10
"""Added niceness: the process gets a tenth of a core that another process wants."""


def compile_all() -> None:
    """Compile and cache all functions; if several processes start, one compiles and the others wait.

    The loops that read and draw take longest: while each compiles, another process compiles other
    functions, so that two cores are busy. Training needs the first pair.
    """
    with compiling() as missing:
        if missing:
            engine = _engine()
            child = _beside(_counting, engine)
            _reading(engine)
            _await(child)
            engine.write(Segment(_TOKENS, _DEPTH, 0))
            os.nice(_LOW)  # the rest is not urgent: training needs the cores
            child = _beside(_drawing, engine)
            _others(engine)
            _await(child)


def _await(child: int) -> None:
    if child and os.waitpid(child, 0)[1]:
        raise RuntimeError("a process that compiles failed")


def _beside(call: Callable[..., None], *given: Any) -> int:
    """Call a function in a copy of this process; returns its process id, 0 for none."""
    if sys.platform != "linux":  # elsewhere system libraries do not bear copies
        call(*given)
        return 0
    if child := os.fork():
        return child
    status = 1
    try:
        call(*given)
        status = 0
    finally:
        os._exit(status)


def _engine() -> Engine:
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
    return Engine(plan, _PATTERNS, window=2, budget=0)


def _reading(engine: Engine) -> None:
    """Call the loop that reads, for a block that none of the other functions made."""
    learned, rows = layout.fresh(engine.plan, 256), np.zeros((4, 2), np.int64)
    fields, trail = np.zeros((4, len(FIELDS)), np.int64), np.full((4, layout.TRAIL), -1)
    block = layout.Block(rows, fields, rows.copy(), np.zeros(4, np.int64), trail, _TOKENS, np.arange(4))
    alphabet, out = engine.columns(_ALPHABET), Prediction.empty(4, len(_ALPHABET))
    engine.read_block((learned, learned), block, alphabet, engine.buffers(1, len(_ALPHABET)), out)


def _counting(engine: Engine) -> None:
    """Call the other functions that training needs."""
    segment = Segment(_TOKENS, _DEPTH, 0)
    engine.write(segment)
    locations.reserve(engine.store, 1 << 13, 1 << 13)
    engine.load(locations.unpack(engine.packed()), engine.clock)
    totals.build([segment], engine.plan, _PATTERNS, parts=2)


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


def _drawing(engine: Engine) -> None:
    learned = layout.fresh(engine.plan, 256)
    cursor = engine.cursor()
    engine.read_at([cursor], _ALPHABET, (learned, learned), ahead=0)
    given = np.ones((1, 256)), 1.0, 0.0, np.ones(16, np.float32), np.array([3]), 0.1
    race = Race(*given, repetition.UNLIMITED)
    sampling.draw(engine, cursor, _ALPHABET, (learned, learned), race, ahead=0, thread=0)
