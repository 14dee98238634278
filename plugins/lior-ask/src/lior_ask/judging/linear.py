"""The judge: the candidate that answers a question, and the probability that any does, by learned weights.

There are two logistic models. The score of a candidate is a weighted sum of its features. The probability
that it is the one that answers is the softmax of the scores of all candidates (conditional logit: D.
McFadden, 1974). The probability that the best one answers at all is logistic. Its inputs are the score, the
lead over the next block, and the features of the candidate and of the question in this folder.

``lior bench judge`` learns both from folders of invented notes, mails, tables and manuals with questions.
Nearly half of the questions have no answer. Weights of features that can only support a passage are not
negative.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, ClassVar

import attrs
import numpy as np

from lior.interfaces import Candidates, Question
from lior_ask.index.vector_store import LARGE
from lior_ask.judging.features import FOLDER, NAMES, RETRIEVED

COLUMNS = (*NAMES, "read")
"""Features, and the score of a cross-encoder as the last column, if there is one."""
_STANDING = ("block", *RETRIEVED)
_STANDING_AT = [NAMES.index(name) for name in _STANDING]
SILENT = 30.0
"""Penalty of the score of a candidate that only asks, announces, or names content elsewhere. It is not
learned, since folders rarely contain the questions asked about them."""
_SILENT_AT = NAMES.index("silent")
_PASSAGES_AT = FOLDER.index("passages")


def of_best_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the inputs of the probability, if the features are ``columns``.

    The first inputs are the best candidate's score, its lead over the next block, and its block's share of
    the softmax. Then follow the distances of some features from the mean of all candidates, in standard
    deviations. The last ones are the candidate's features and those of the folder.
    """
    return ("score", "lead", "share", *(f"{name} stands out" for name in _STANDING), *columns, *FOLDER)


@attrs.frozen(eq=False)
class Weights:
    """A linear function of standardised numbers."""

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    constant: float = 0.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the function's values ``(...)`` for numbers ``(..., F)``."""
        found: np.ndarray = (values - self.mean) / self.scale @ self.weights + self.constant
        return found

    @classmethod
    def read(cls, record: Mapping[str, Any], names: tuple[str, ...]) -> Weights:
        """Return the weights of a part of the file, whose columns must be ``names``."""
        if tuple(record["names"]) != names:
            raise ValueError("the weights are of other features; learn them again: lior bench judge --write")
        mean, scale, weights = (np.array(record[key], np.float64) for key in ("mean", "scale", "weights"))
        return cls(mean, scale, weights, float(record["constant"]))


@attrs.frozen
class Model:
    """Both functions, the threshold of an answer, and the maximum probability."""

    weights: Weights
    answers: Weights
    least: float
    most: float = 0.99
    """The maximum probability: the share of right answers of 90 % and more in folders not learned from."""
    smaller: float = 0.0
    """The threshold in folders of at most :data:`LARGE` passages, if it is higher."""

    def score(self, candidates: Candidates) -> np.ndarray:
        """Return how well each candidate answers, float64 ``(C,)``."""
        return score(self.weights, candidates)

    def confidence(self, values: np.ndarray) -> np.ndarray:
        """Return the probability that the best candidate or its block answers, from :func:`of_best`."""
        found: np.ndarray = np.minimum(1 / (1 + np.exp(-self.answers(values))), self.most)
        return found


def score(weights: Weights, candidates: Candidates) -> np.ndarray:
    """Return weighted sums of the candidates' features, minus :data:`SILENT` if silent, float64 ``(C,)``."""
    found: np.ndarray = weights(candidates.features) - SILENT * candidates.features[:, _SILENT_AT]
    return found


@lru_cache(maxsize=1)
def models() -> dict[str, Model]:
    """Return the learned models by the evidence (:data:`~lior_ask.judging.features.LEVELS`).

    The models that also use a cross-encoder are "read" and "estimate+read".
    """
    record = json.loads(files("lior_ask.judging").joinpath("weights.json").read_text("utf-8"))
    found = {}
    for level, each in record["models"].items():
        names = COLUMNS if level.endswith("read") else NAMES
        weights = Weights.read(each["score"], names), Weights.read(each["answers"], of_best_names(names))
        numbers = (float(each.get(key, 0.0)) for key in ("least", "most", "smaller"))
        found[level] = Model(*weights, *numbers)
    return found


def of_best(candidates: Candidates, scores: np.ndarray) -> np.ndarray:
    """Return the values of :func:`of_best_names` for the candidate with the highest score, float64."""
    best = int(scores.argmax())
    others = scores[candidates.blocks != candidates.blocks[best]]
    lead = scores[best] - others.max() if len(others) else 10.0
    shares = np.exp(scores - scores[best])
    share = shares[candidates.blocks == candidates.blocks[best]].sum() / shares.sum()
    some = candidates.features[:, _STANDING_AT]
    out = (some[best] - some.mean(0)) / np.maximum(some.std(0), 1e-3)
    parts = [scores[best], min(lead, 10.0), share], out, candidates.features[best], candidates.folder
    return np.concatenate(parts)


@attrs.frozen(kw_only=True)
class Linear:
    """A judge by learned weights of the features; see this module."""

    api_version: ClassVar[int] = 1

    def scores(self, question: Question, candidates: Candidates) -> np.ndarray:
        """Return how well each candidate answers, float64 ``(C,)``."""
        return models()[self._level(candidates)].score(self._seen(question, candidates))

    def confidence(self, question: Question, candidates: Candidates, scores: np.ndarray) -> float:
        """Return the probability that the best candidate or its block answers, at least 0.01."""
        seen = self._seen(question, candidates)
        model = models()[self._level(candidates)]
        return max(float(model.confidence(of_best(seen, scores))), 0.01)

    def least(self, candidates: Candidates) -> float:
        """Return the minimum confidence of an answer."""
        model = models()[self._level(candidates)]
        large = candidates.folder[_PASSAGES_AT] > np.log1p(LARGE)
        return model.least if large else max(model.least, model.smaller)

    def _level(self, candidates: Candidates) -> str:
        return candidates.level

    def _seen(self, question: Question, candidates: Candidates) -> Candidates:
        return candidates
