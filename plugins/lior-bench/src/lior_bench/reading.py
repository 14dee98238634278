"""What cross-encoders think of the judge's cases: each folder is read by one that was not learned from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, lru_cache
from typing import Any

import attrs
import numpy as np
from safetensors.numpy import load_file

from lior_ask.judging.cross_encoder import above, join, likeliest, pieces, score, session, widen
from lior_ask.judging.linear import Model
from lior_bench.sets import folder

WEIGHTS = "lior-ask/src/lior_ask/judging/cross_encoder.safetensors"
OTHERS = "lior-bench/data/cross_encoders.safetensors"
"""Those that were not learned from a fifth of the folders."""
FOLDS = 5
Texts = tuple[str, str, str]
"""A question, what stands above a passage, and the passage."""


def texts_of(case: Any, numbers: Iterable[int]) -> list[Texts]:
    """The pairs of a case's question with some of its candidates."""
    some = case.candidates
    return [(case.text, above(some, each), some.passages[each].text) for each in numbers]


def read_cases(found: Sequence[Any], first: Model, learned: Iterable[str]) -> list[Any]:
    """The cases (:class:`lior_bench.judging.Case`) with the scores of a cross-encoder.

    Parameters
    ----------
    first
        The judge without a cross-encoder, which chooses what is read.
    learned
        Names of the folders that the cross-encoders were learned from, each but a fifth.
    """
    fold_of = {name: str(number % FOLDS) for number, name in enumerate(sorted(learned))}
    numbers = [likeliest(first.score(case.candidates)) for case in found]
    pairs = [texts_of(case, some) for case, some in zip(found, numbers, strict=True)]
    folds = [fold_of.get(case.world, "all") for case in found]
    with ProcessPoolExecutor(2) as pool:
        scores = pool.map(_read, folds, pairs, chunksize=200)
        return [
            attrs.evolve(case, candidates=widen(case.candidates, some, values))
            for case, some, values in zip(found, numbers, scores, strict=True)
        ]


def _read(fold: str, pairs: list[Texts]) -> np.ndarray:
    return np.array([_score(fold, pair) for pair in pairs])


@lru_cache(maxsize=1 << 18)
def _score(fold: str, pair: Texts) -> float:
    model, weights = _opened(fold)
    return score(model, weights, *join(*pieces(pair)))


@cache
def _opened(fold: str) -> tuple[Any, dict[str, np.ndarray]]:
    if fold == "all":
        weights = load_file(folder("plugins") / WEIGHTS)
    else:
        others = load_file(folder("plugins") / OTHERS)
        mine = (name for name in others if name.startswith(f"{fold}."))
        weights = {name.removeprefix(f"{fold}."): others[name] for name in mine}
    return session(weights), weights
