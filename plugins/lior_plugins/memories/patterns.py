"""The address patterns of `sdm` by default."""

from __future__ import annotations

ORDERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 18)
PATTERNS = (
    "word", "word-1 word", "word-2 word-1 word", "word-2 word", "word-3 word", "word stop 1", "word-1 1",
    "2-3", "2-4", "1,3", "3-6", "1,3-5", "2-6", "1-2,4-5",
    "column 1", "above 1", "margin half 1", "opening word", "heading word", "suffix word", "shape word",
    "~1-4", "~1-6", "marks",
    "after after-2 1", "next next-2 1", "next next-2 next-3", "after next next-2",
    "bag word", "sentence stop word",
)  # fmt: skip
JOINTS = (
    "1 | 1-2 | 1-3 | 1-4 | 1-5 | 1-6",
    "1-3 | 1-5 | word | word-1 word | ~1-4 | word-2 word",
    "1-2 | 2-3 | 1,3 | 1,3-5 | 2-6 | word-1 1",
)
