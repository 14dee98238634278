"""Texts followed token by token: the addresses of whole texts."""

from __future__ import annotations

import numpy as np
import pytest

from lior_plugins.counting import cursor, layout
from lior_plugins.counting.engine import Engine, prepare

PATTERNS = ("", "1", "1-2", "1-3", "word-1 word", "column 1", "after next next-2", "heading ~1-3", "above 1")
NUMBERS = np.random.default_rng(0)


def engine(window: int) -> Engine:
    plan = layout.plan(
        PATTERNS,
        nested=4,
        base=1,
        joint=[[0, 1, 2, 3, 4, 5]],
        gates=("longest", "pair", "always"),
        cells=1,
        discounts=(0.7, 0.95, 1.1),
        novel_discounts=(0.7, 1.0, 1.2),
        recent=0.35,
        slowest=0.075,
    )
    return Engine(plan, PATTERNS, window=window, budget=0)


def prose(size: int) -> np.ndarray:
    """Words, lines, headings and empty lines, drawn at random."""
    words = [b"the", b"cat", b"sat", b"Mat.", b"on", b"a", b"\n", b"\n\n", b"NAME:\n", b"x" * 40]
    drawn = NUMBERS.integers(len(words), size=size)
    return np.frombuffer(b" ".join(words[i] for i in drawn), np.uint8)[:size].astype(np.int64)


@pytest.mark.parametrize("parts", [(1,), (700, 1, 30), (1300,), (5000, 1)])
def test_a_cursor_finds_what_a_whole_text_says(parts):
    text, memory = prose(6000), engine(1)
    place, end = memory.cursor(), 0
    while end < len(text):
        for part in parts:
            place.feed(text[end : end + part])
            end = min(end + part, len(text))
            tokens = np.append(text[:end], 0)
            if end % 11 == 0 or part > 1:
                whole = prepare(memory.plan, PATTERNS, tokens, np.arange(end + 1), end, 0, still=True)
                for name in ("where", "fields", "before", "trail"):
                    assert np.array_equal(getattr(whole, name), getattr(place.block, name)), (name, end)


def test_a_long_feed_keeps_the_place():
    place = engine(1).cursor()
    place.feed(prose(3 * cursor._CAPACITY))
    assert int(place.route.depth[place.route.used[0]]) == 3 * cursor._CAPACITY
