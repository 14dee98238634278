"""Bags of word pieces: they find passages near a question before the encoder has read them.

A piece has the vector ``softplus(⟨x, u⟩ + c) · W x``, where ``x`` is the vector of ``e5`` minus the mean of
all pieces. ``lior bench bags`` learns ``W``, ``u`` and ``c`` from questions and their answers (contrastive
learning). The vector of a text is the sum of its pieces, in any order: 7,306 passages take .3 s, the encoder
two minutes. The block that answers is among the 160 best by words and bags for 43 of 58 questions in other
words. It is among the 40 best by words for 19 of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import attrs
import numpy as np
from safetensors.numpy import load

from lior.interfaces import Forward, PassageView, Question
from lior_ask.arrays import blocks
from lior_ask.embedders import e5
from lior_ask.languages.dates import is_marked

WEIGHTS = "bags.safetensors"
"""Weights file: ``map`` (384, n), ``mean`` (384,), ``weight`` (384,), ``constant`` (1,), float16."""
_ENCODER = 0.8, -0.2
"""Slope and constant of the encoder's cosine by that of bags: least squares over the 40 passages nearest to
each of 1,500 questions in three manuals (PostgreSQL, GIMP in German, Vim). The correlation is .4 to .5."""
_BLOCK = 1 << 13
"""Number of entries or passages processed at a time."""


def cosines(view: PassageView, question: Question, rows: np.ndarray | None = None) -> np.ndarray:
    """Return cosines of a question with passages and their headings, float32 ``(n,)``.

    ``rows``, int64 ``(n,)``, selects passages; default: all.
    """
    space = view.kept(f"bags {_learned()[0]}", lambda: {"bags": _of_passages(view)})["bags"]
    space = space if rows is None else space[rows]
    asked = _sums(pieces_of(question.tokens)).sum(0)
    asked /= max(float(np.linalg.norm(asked)), 1e-9)
    return products(space, asked)


def products(space: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return the products of the directions of packed vectors, int8 ``(n, w)``, with a vector, float32."""
    found = np.empty(len(space), np.float32)
    for first in range(0, len(space), _BLOCK):
        part = space[first : first + _BLOCK].astype(np.float32)
        found[first : first + _BLOCK] = part @ vector / np.maximum(np.linalg.norm(part, axis=1), 1)
    return found


def as_encoder(cosines: np.ndarray) -> np.ndarray:
    """Return the cosines of the encoder that are to be expected for some of bags, float32 ``(n,)``."""
    slope, constant = _ENCODER
    found: np.ndarray = slope * cosines + np.float32(constant)
    return found


def pieces_of(words: Sequence[str]) -> list[list[int]]:
    """Return the pieces of each word; a date or an identifier has none."""
    said = ["" if is_marked(word) else word for word in words]
    found = e5.open_file().pieces.divide(said)
    return [pieces if word else [] for word, pieces in zip(said, found, strict=True)]


def terms_of(view: PassageView) -> tuple[list[list[int]], np.ndarray]:
    """Return the pieces of the commonest word of each term, and the term keys, int64, ascending."""
    commonest = dict[int, tuple[int, str]]()
    for word, term, documents in view.word_counts():
        commonest[term] = max(commonest.get(term, (0, "")), (documents, word))
    terms = sorted(commonest)
    return pieces_of([commonest[term][1] for term in terms]), np.array(terms, np.int64)


def _sums(pieces: list[list[int]]) -> np.ndarray:
    """Return the summed piece vectors of each word, float32 ``(W, n)``."""
    _, weights = _learned()

    def learned(x: np.ndarray) -> np.ndarray:
        return np.logaddexp(0, x @ weights["weight"] + weights["constant"])[:, None] * (x @ weights["map"])

    return _of_words(pieces, learned)


def spelled(pieces: list[list[int]]) -> np.ndarray:
    """Return the direction of the summed vectors of each word's pieces in ``e5``, float32 ``(W, 384)``."""
    found = _of_words(pieces, lambda x: x)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-9))


def _of_words(pieces: list[list[int]], of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the sum over each word's pieces of a function of their centred vectors, float32."""
    every = np.array([one for each in pieces for one in each], np.int64)
    used, place = np.unique(every, return_inverse=True)
    rows = of(e5.open_file().vectors(used) - _learned()[1]["mean"])
    starts = np.cumsum([0, *map(len, pieces)])
    return join(add_up(Forward(starts, place, np.ones(len(place), np.uint16)), rows))


@lru_cache(maxsize=1)
def _learned() -> tuple[str, dict[str, np.ndarray]]:
    """Return a hash of the file, and the weights, float32."""
    data = files("lior_ask.embedders").joinpath(WEIGHTS).read_bytes()
    weights = load(data)
    digest = hashlib.sha256(data).hexdigest()[:16]
    return digest, {name: each.astype(np.float32) for name, each in weights.items()}


def _of_passages(view: PassageView) -> np.ndarray:
    """Return the summed word vectors of each passage and its headings, scaled to int8, ``(N, n)``."""
    pieces, keys = terms_of(view)
    terms, place = _sums(pieces), np.zeros(int(keys.max(initial=0)) + 1, np.int64)
    place[keys] = np.arange(len(keys))

    def added(name: Literal["passage_", "context_"]) -> Iterator[tuple[slice, np.ndarray]]:
        entries = view.forward(name)
        return add_up(attrs.evolve(entries, terms=place[entries.terms]), terms)

    headings, at = join(added("context_")), view.layout.context_of
    return join((units, pack(sums + headings[at[units]])) for units, sums in added("passage_"))


def join(parts: Iterable[tuple[slice, np.ndarray]]) -> np.ndarray:
    """Return the rows of adjacent slices as one array."""
    return np.concatenate([part for _, part in parts])


def add_up(entries: Forward, terms: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of units, and for each unit the sum of its terms' rows of ``terms``, weighted by count."""
    sizes = np.diff(entries.starts)
    yield slice(0, 0), np.zeros((0, terms.shape[1]), np.float32)  # so that there is a part to join
    for units, part in blocks(entries, _BLOCK):
        found = np.zeros((units.stop - units.start, terms.shape[1]), np.float32)
        some = np.flatnonzero(sizes[units])
        if len(some):
            rows = terms[entries.terms[part]] * entries.counts[part][:, None].astype(np.float32)
            found[some] = np.add.reduceat(rows, entries.starts[some + units.start] - part.start)
        yield units, found


def pack(rows: np.ndarray) -> np.ndarray:
    """Return rows as int8, scaled to their largest number; only the direction matters."""
    scale = 127 / np.maximum(abs(rows).max(1, keepdims=True, initial=0), np.float32(1e-9))
    return np.rint(rows * scale).astype(np.int8)
