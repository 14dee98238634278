"""Columns of texts as coordinates: the prediction of a ridge regression of the targets on a text, and its
length.

A text is represented by the words that it shares with other texts (term frequency times inverse document
frequency, normalised to length 1). Alternatively its vector comes from a sentence encoder, a plugin of the
kind ``embedder``. The regression that predicts a training row does not include that row, so the metric sees
how informative texts are for new rows. Words are stored as hashes; words of a single text are not stored.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any, Self

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import normalize

from lior import registry
from lior.errors import MissingPackage, PluginError
from lior_tables.fitting import Progress
from lior_tables.rows import Floats

ENCODER = "e5"
"""The sentence encoder of ``texts="auto"``; the variable ``LIOR_EMBEDDER`` names another one, or none."""
_MOST = 1_000
"""Maximum number of different texts for which ``auto`` uses the encoder: each takes 20 to 60 milliseconds."""
_WIDTH = 2**18
_LOOKED_AT = 1_000
"""Number of texts used to decide whether words recur."""
_PARTS = 5
_BATCH, _REMEMBERED = 50, 5_000
_read: dict[tuple[str, str], NDArray[np.float32]] = {}
"""Vectors of the texts that this process read last, by the digest of the embedder."""


def _whole(given: Any) -> NDArray[np.int64]:
    return np.asarray(given, dtype=np.int64)


@attrs.frozen(eq=False)
class Texts:
    """A map from texts to coordinates."""

    by: str
    """``words``, or the name of an embedder."""
    digest: str
    """Digest of the embedder; empty for words."""
    kept: NDArray[np.int64] = attrs.field(converter=_whole)
    """Hashes of the words that are used, ascending ``(K,)``."""
    rarity: Floats = attrs.field(converter=np.asarray)
    """Inverse document frequency of each, ``(K,)``."""
    slopes: Floats = attrs.field(converter=np.asarray)
    """Slopes of the regressions, ``(K or width, targets)``."""
    level: Floats = attrs.field(converter=np.asarray)
    """Intercepts of the regressions, ``(targets,)``."""

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        codes: NDArray[np.int64],
        y: Floats,
        weights: Floats,
        by: str,
        parts: NDArray[np.int64],
        say: Progress | None,
    ) -> tuple[Self, Floats]:
        """Learn the map; ``codes`` is the index of each row's text, -1 for none.

        Returns
        -------
        tuple[Texts, Floats]
            The map, and raw coordinates ``(rows, targets + 1)`` of the training rows.

        Raises
        ------
        MissingPackage
            For an embedder whose packages are not installed.
        """
        found = cls(chosen(by, len(texts)), "", [], np.empty(0), np.empty((0, y.shape[1])), np.empty(0))
        if found.by == "words":
            counts = _count(texts)
            rows = np.bincount(counts.indices, minlength=_WIDTH)
            kept = np.flatnonzero(rows > 1)
            rarity = 1.0 + np.log((1.0 + len(texts)) / (1.0 + rows[kept]))
            found = attrs.evolve(found, kept=kept, rarity=rarity)
        else:
            found = attrs.evolve(found, digest=_embedder(found.by).digest)
        features, there = found._features(texts, say), codes >= 0
        raw = np.full((len(codes), y.shape[1]), np.nan)
        for part in range(_PARTS):
            here, others = there & (parts == part), there & (parts != part)
            if here.any() and others.any():
                raw[here] = _regression(features, codes, y, weights, others)(features[codes[here]])
        whole = _regression(features, codes, y, weights, there)
        found = attrs.evolve(found, slopes=whole.slopes, level=whole.level)
        return found, np.column_stack([raw, _lengths(texts, codes)])

    def raw(self, texts: Sequence[str], codes: NDArray[np.int64]) -> Floats:
        """Return raw coordinates ``(rows, targets + 1)``; NaN for a row without a text.

        Raises
        ------
        ValueError
            When the embedder differs from the one that the map was learned with.
        MissingPackage
            As :meth:`fit`.
        """
        if self.by != "words" and _embedder(self.by).digest != self.digest:
            raise ValueError(f"the texts were read by another version of {self.by!r}; fit the model again")
        values = _Line(self.slopes, self.level)(self._features(texts))
        return np.column_stack(
            [np.where((codes < 0)[:, None], np.nan, values[codes]), _lengths(texts, codes)]
        )

    def _features(self, texts: Sequence[str], say: Progress | None = None) -> Any:
        """Return a row of numbers for each text, sparse for words; at least one row."""
        given = list(texts) or [""]
        if self.by == "words":
            counts = _count(given)[:, self.kept].astype(np.float64)
            counts.data = 1.0 + np.log(counts.data)
            return normalize(counts.multiply(self.rarity).tocsr())
        embedder, new = _embedder(self.by), [each for each in given if (self.digest, each) not in _read]
        for begin in range(0, len(new), _BATCH):
            if say is not None:
                say("reading texts", begin / len(new))
            some = new[begin : begin + _BATCH]
            _read.update(zip(((self.digest, each) for each in some), embedder.embed(some), strict=True))
        found = np.stack([_read[self.digest, each] for each in given]).astype(np.float64)
        while len(_read) > _REMEMBERED:
            del _read[next(iter(_read))]
        return found


@attrs.frozen(eq=False)
class _Line:
    slopes: Floats
    level: Floats

    def __call__(self, features: Any) -> Floats:
        values: Floats = features @ self.slopes + self.level
        return values


def words_recur(texts: Sequence[str]) -> bool:
    """Return whether a text shares, on average, a word with some but not all other texts."""
    some = [texts[i] for i in np.unique(np.linspace(0, len(texts) - 1, _LOOKED_AT).astype(int))]
    counts = _count(some)
    rows = np.bincount(counts.indices, minlength=_WIDTH)
    return bool(rows[(rows > 1) & (rows < len(some))].sum() >= len(some))


def chosen(by: str, different: int) -> str:
    """Return the reader of this many different texts: ``auto`` is the encoder if it is installed."""
    if by != "auto":
        return by
    name = os.environ.get("LIOR_EMBEDDER", ENCODER)
    if name and different <= _MOST:
        with contextlib.suppress(MissingPackage, PluginError):
            _embedder(name)
            return name
    return "words"


def _embedder(name: str) -> Any:
    return registry.get("embedder", name)()


def _count(texts: Sequence[str]) -> csr_matrix:
    """Return how often each text has each word, ``(texts, hashes)``."""
    words = HashingVectorizer(n_features=_WIDTH, alternate_sign=False, norm=None, token_pattern=r"\w+")
    return words.transform(texts)


def _lengths(texts: Sequence[str], codes: NDArray[np.int64]) -> Floats:
    """Return the logarithm of the word count of each row's text."""
    words = np.log1p([len(text.split()) for text in texts] or [0])
    return np.where(codes < 0, np.nan, words[codes])


def _regression(
    features: Any, codes: NDArray[np.int64], y: Floats, weights: Floats, rows: NDArray[np.bool_]
) -> _Line:
    """Fit a ridge regression on standardised targets; its penalty is one mean squared distance from the
    mean."""
    if not rows.any():
        return _Line(np.zeros((features.shape[1], y.shape[1])), np.zeros(y.shape[1]))
    x, unit = features[codes[rows]], np.where(y.std(0) > 0, y.std(0), 1.0)
    spread = float(x.multiply(x).sum() if hasattr(x, "multiply") else np.square(x).sum()) / x.shape[0]
    spread -= float(np.square(np.asarray(x.mean(0))).sum())
    fitted = Ridge(alpha=max(spread, 1e-9), solver="auto").fit(x, y[rows] / unit, weights[rows])
    slopes = np.atleast_2d(fitted.coef_).T * unit
    return _Line(slopes, np.atleast_1d(fitted.intercept_) * unit)
