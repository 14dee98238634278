"""Warm-up: read a sorted text of a few tokens, so that numba compiles every function for its argument types.

This is the program of the process that compiles; see :mod:`lior.compiling.compiled`.
"""

from __future__ import annotations

import numpy as np

from lior.compiling import compiling
from lior_archive import infinigram, origins, suffixes

_TOKENS, _DEPTH, _ALPHABET = np.array([1, 2, 1, 2]), np.arange(4), np.array([1, 2])
_LENGTHS, _DISCOUNTS = (1,), (0.7, 1.0, 1.2)


def compile_all() -> None:
    """Compile and cache all functions; if several processes start, one compiles and the others wait."""
    with compiling("lior_archive") as missing:
        if missing:
            text = suffixes.laid_out([_TOKENS.astype(np.uint8)])
            shard = suffixes.complete(text, np.arange(len(text), dtype=np.uint32), np.array([0]))
            reader = infinigram.Reader((shard,), _LENGTHS, _DISCOUNTS)
            reader.read(_TOKENS, _DEPTH, np.arange(4), _ALPHABET)
            places = np.arange(4)
            origins.trace((shard,), _TOKENS, _DEPTH, places, _TOKENS, _ALPHABET, _LENGTHS, _DISCOUNTS)
