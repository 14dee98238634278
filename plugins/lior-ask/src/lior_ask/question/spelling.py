"""Spelling correction: the words of a text that are most similar to an unknown word of a question."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from lior.interfaces import PassageView, Term
from lior_ask.arrays import best, idf_of

_COMPARED, _NEAREST = 40, 3
_CHANGE, _COMMON = 4.0, 0.3
"""Cost of a changed letter, and weight of a word's log document frequency."""
_LEAST = 0.3
"""Minimum cosine of a near word."""
_BUCKETS = 1 << 16
_LENGTHS = (1, 2, 3, 4)
"""Lengths of the grams, in letters."""
_BLOCK = 1 << 20
"""Number of letters of words compared at a time."""


@attrs.frozen(eq=False)
class _Vocabulary:
    """The character 1- to 4-grams of all words, in alphabetical order."""

    ids: np.ndarray
    """The key of each word, int64 ``(V,)``."""
    starts: np.ndarray
    """The first letter of each word in ``_word__word_``, and the end, int64 ``(V + 1,)``."""
    grams: tuple[np.ndarray, ...]
    """The hash of the gram of each length at each letter, uint16; grams across words are not used."""
    squares: np.ndarray
    """The squared idf of each hash, float64 ``(65536,)``."""
    norms: np.ndarray
    """The length of each word's vector, float64 ``(V,)``."""

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of ``values``, indexed by hash, over the grams of each word, float64 ``(V,)``."""
        out = np.zeros(len(self.ids))
        step = max(1, len(self.ids) * _BLOCK // max(len(self.grams[0]), 1))
        for first in range(0, len(self.ids), step):
            bounds = self.starts[first : first + step + 1]
            for size, grams in zip(_LENGTHS, self.grams, strict=True):
                found = values[grams[bounds[0] : bounds[-1]]]
                total = np.append(0, np.cumsum(found))
                ends = np.maximum(bounds[1:] - size + 1, bounds[:-1])
                out[first : first + step] += total[ends - bounds[0]] - total[bounds[:-1] - bounds[0]]
        return out


def corrections(view: PassageView, word: str) -> tuple[list[tuple[str, Term, float]], bool]:
    """Return known words near an unknown one, with term and weight, and whether it may be misspelt.

    The 40 words nearest by cosine of the idf-weighted 1- to 4-grams of ``_word_`` are compared letter by
    letter. The weights of the 3 best are ``softmax(0.3 ln df − 4 d)``, with ``d`` the :func:`differences`, as
    in a noisy channel. It may be a misspelling if at most one letter in four differs; otherwise the weights
    are multiplied by the cosine. (Words of documentation with random errors: the first is right for 93 %, by
    cosines alone for 64 %.)
    """
    known = view.derived("vocabulary", lambda: _vocabulary(view))
    if not len(known.ids):
        return [], False
    letters = np.frombuffer(f"_{word}_".encode(), np.uint8)
    own = np.bincount(np.concatenate(_grams(letters)), minlength=_BUCKETS) * known.squares
    norm = max(float(np.sqrt(own.sum())), 1e-9)
    cosines = known.sums(own) / (known.norms * norm)
    near = best(cosines, _COMPARED)
    found = view.words_by_id(known.ids[near].tolist())
    apart = differences(word, [name for name, _, _ in found])
    scores = _COMMON * np.log([documents for _, _, documents in found]) - _CHANGE * apart
    scores[(cosines[near] <= _LEAST) & (apart > len(word) // 4)] = -np.inf
    chosen = best(scores, min(_NEAREST, int(np.isfinite(scores).sum())))
    if not len(chosen):
        return [], False
    weights = np.exp(scores[chosen] - scores[chosen].max())
    slip = bool(apart[chosen].min() <= len(word) // 4)
    weights = weights / weights.sum() * (1 if slip else cosines[near[chosen]])
    pairs = zip(chosen.tolist(), weights.tolist(), strict=True)
    terms = [(found[place][0], view.term(found[place][1]), weight) for place, weight in pairs]
    return [(name, term, weight) for name, term, weight in terms if term is not None], slip


def differences(word: str, names: Sequence[str]) -> np.ndarray:
    """Return the edit distances of ``word`` to each name, with swaps of neighbouring letters, int64.

    >>> differences("boiler", ["biolers", "boiler", "oil"]).tolist()
    [2, 0, 3]
    """
    sizes = np.array([len(name) for name in names], np.int64)
    width = max(int(sizes.max(initial=0)), 1)
    letters = np.array(names, f"U{width}").view(np.uint32).reshape(len(names), width)
    column = np.arange(width + 1)
    row = before = np.tile(column, (len(names), 1))
    for place, letter in enumerate(word):
        same = letters == ord(letter)
        last, row = row, np.empty_like(row)
        row[:, 0] = place + 1
        row[:, 1:] = np.minimum(last[:, 1:] + 1, last[:, :-1] + ~same)
        if place:
            swapped = same[:, :-1] & (letters[:, 1:] == ord(word[place - 1]))
            row[:, 2:] -= (row[:, 2:] > before[:, :-2] + 1) & swapped  # one more than the swap at most
        row = np.minimum.accumulate(row - column, axis=1) + column  # letters inserted
        before = last
    found: np.ndarray = row[np.arange(len(names)), sizes]
    return found


def _vocabulary(view: PassageView) -> _Vocabulary:
    words, ids = view.vocabulary()
    letters = np.frombuffer(("_" + words.replace("\n", "__") + "_").encode(), np.uint8)
    ends = np.append(np.flatnonzero((letters[:-1] == ord("_")) & (letters[1:] == ord("_"))) + 1, len(letters))
    starts, grams = np.append(0, ends[: len(ids)]), _grams(letters)
    df = np.zeros(_BUCKETS, np.int64)
    for size, hashes in zip(_LENGTHS, grams, strict=True):
        across = np.concatenate([starts[1:] - back for back in range(1, size)] or [starts[:0]])
        df += np.bincount(hashes, minlength=_BUCKETS)
        df -= np.bincount(hashes[across[across < len(hashes)]], minlength=_BUCKETS)
    squares = idf_of(np.minimum(df, len(ids)), len(ids)) ** 2
    known = _Vocabulary(ids, starts, grams, squares, np.ones(len(ids)))
    return attrs.evolve(known, norms=np.sqrt(known.sums(squares)))


def _grams(letters: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the hashes of the 1- to 4-grams that begin at each letter."""
    found = []
    value = np.zeros(len(letters), np.uint32)
    for size in _LENGTHS:
        value = (
            value[: max(len(letters) - size + 1, 0)] * np.uint32(257) + letters[size - 1 :] + np.uint32(size)
        )
        found.append(((value * np.uint32(2654435761)) >> np.uint32(16)).astype(np.uint16))
    return tuple(found)
