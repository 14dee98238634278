"""Scores of the cross-encoder for the judge's cases."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import attrs
import numpy as np

from lior_ask.embedders import e5
from lior_ask.judging.cross_encoder import above, likeliest, widen
from lior_ask.judging.linear import Model

Texts = tuple[str, str, str]
"""A question, the headings above a passage, and the passage."""


def read_cases(found: Sequence[Any], first: Model) -> list[Any]:
    """Return the cases (:class:`lior_bench.judging.Case`) with the scores of the cross-encoder.

    ``first`` is the judge without a cross-encoder, which chooses the passages to read.
    """
    numbers = [likeliest(first.score(case.candidates)) for case in found]
    pairs = [_texts_of(case, some) for case, some in zip(found, numbers, strict=True)]
    with ProcessPoolExecutor(2) as pool:
        scores = pool.map(_read, pairs, chunksize=200)
        return [
            attrs.evolve(case, candidates=widen(case.candidates, some, values))
            for case, some, values in zip(found, numbers, scores, strict=True)
        ]


def _texts_of(case: Any, numbers: np.ndarray) -> list[Texts]:
    some = case.candidates
    return [(case.text, above(some, each), some.passages[each].text) for each in numbers.tolist()]


def _read(pairs: list[Texts]) -> np.ndarray:
    return e5.scores(pairs)
