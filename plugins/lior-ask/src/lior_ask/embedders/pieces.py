"""Word pieces: the likeliest division of a text (T. Kudo, *Subword Regularization*, 2018)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby, pairwise

import attrs
import numpy as np

BEGIN, UNKNOWN, END = 0, 3, 2
"""Pieces that mark the beginning of a text, an unknown character, and the end of a text."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Hash multiplier: 2^64 divided by the golden ratio. It is odd, so that no information is lost."""
_FIRST = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
"""Masks that keep the first 0 to 8 of eight bytes."""
_SPACE = "\u2581"
"""The mark of a space in pieces."""
_KEPT = 1 << 15
"""Maximum number of words whose pieces are cached."""
_UNKNOWN = 10.0
"""Log probability by which an unknown character is below the least likely piece."""


@attrs.frozen(eq=False)
class Pieces:
    """The pieces of words by their numbers, with their log probabilities."""

    letters: np.ndarray
    """The bytes of all pieces, uint8."""
    ends: np.ndarray
    """The end of each piece in ``letters``, int64 ``(V + 1,)``, from 0."""
    scores: np.ndarray
    """The log probability of each piece, float32 ``(V,)``."""
    instead: dict[int, str]
    """The replacement of each character code."""

    def of(self, text: str) -> list[int]:
        """Return the pieces of a text by the likeliest division."""
        return self.divide([text])[0]

    def divide(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the pieces of each text. No piece has a space inside, so each word is divided once."""
        words = [self._words(text) for text in texts]
        known = {word: self._divided.get(word) for each in words for word in each}
        new = sorted((word for word, pieces in known.items() if pieces is None), key=len)
        for _, some in groupby(new, lambda word: len(word).bit_length()):  # of similar length
            alike = [*some]
            known |= zip(alike, self._divide(alike), strict=True)
        if len(self._divided) > _KEPT:
            self._divided.clear()
        self._divided.update((word, known[word]) for word in new)
        return [[piece for word in each for piece in known[word] or ()] for each in words]

    @cached_property
    def _divided(self) -> dict[bytes, list[int] | None]:
        """The cached pieces of words that were divided before."""
        return {}

    def _words(self, text: str) -> list[bytes]:
        """Return the words of a text, each with the mark of a space in front."""
        found = re.sub(" +", " ", f" {text.translate(self.instead)}").replace(" ", _SPACE)
        return [f"{_SPACE}{word}".encode("utf-8", "replace") for word in found.split(_SPACE)[1:]]

    def _divide(self, words: list[bytes]) -> list[list[int]]:
        """Return the likeliest division of each word, by dynamic programming over its bytes."""
        sizes = np.array([len(word) for word in words])
        letters = np.zeros((len(words), int(sizes.max())), np.uint8)
        letters[np.arange(letters.shape[1]) < sizes[:, None]] = np.frombuffer(b"".join(words), np.uint8)
        ways = self._ways(letters, sizes)
        best = np.full((len(words), letters.shape[1] + 1), -np.inf)
        best[:, 0] = 0
        back = np.zeros((2, *best.shape), np.int64)
        starts = np.flatnonzero(np.diff(ways[0], prepend=-1))
        for first, last in pairwise([*starts.tolist(), len(ways[0])]):
            end, begin, word, piece, worth = (each[first:last] for each in ways)
            scores = best[word, begin] + worth
            order = np.lexsort((-begin, scores))  # the last entry of a word wins
            word = word[order]
            best[word, end[0]] = scores[order]
            back[0, word, end[0]], back[1, word, end[0]] = begin[order], piece[order]
        found = list[list[int]]()
        for number, at in enumerate(sizes.tolist()):
            pieces = list[int]()
            while at > 0:
                pieces.append(int(back[1, number, at]))
                at = int(back[0, number, at])
            found.append(pieces[::-1])
        return found

    def _ways(self, letters: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return end, beginning, word, piece and score of all pieces in words, sorted by end.

        Every character may also be the unknown piece.
        """
        codes, order, longest = self._codes
        found = list[tuple[np.ndarray, ...]]()
        for length in range(1, min(longest, letters.shape[1]) + 1):
            count = letters.shape[1] - length + 1
            word, begin = np.nonzero(np.arange(count) + length <= sizes[:, None])
            code = _hash(letters, word * letters.shape[1] + begin, np.full(len(word), length))
            at = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
            hit = (codes[at] == code) & (order[at] != UNKNOWN)
            piece = order[at[hit]]
            found.append(
                (begin[hit] + length, begin[hit], word[hit], piece, self.scores[piece].astype(float))
            )
        starts = (letters & 0xC0) != 0x80
        word, begin = np.nonzero(starts & (np.arange(letters.shape[1]) < sizes[:, None]))
        end = np.append(begin[1:], 0)
        end[np.flatnonzero(np.diff(word, append=-1))] = sizes[np.unique(word, return_index=True)[0]]
        least = np.full(len(word), float(self.scores.min()) - _UNKNOWN)
        found.append((end, begin, word, np.full(len(word), UNKNOWN), least))
        ends, begins, words, pieces, scores = map(np.concatenate, zip(*found, strict=True))
        by = np.argsort(ends, kind="stable")
        return ends[by], begins[by], words[by], pieces[by], scores[by]

    @cached_property
    def _codes(self) -> tuple[np.ndarray, np.ndarray, int]:
        """The hashes of all pieces, ascending, their numbers, and the length of the longest in bytes."""
        lengths = np.diff(self.ends)
        codes = _hash(self.letters, self.ends[:-1], lengths)
        order = np.argsort(codes)
        return codes[order], order, int(lengths.max())


def _hash(letters: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return a hash of each byte range, uint64 ``(n,)``, computed eight bytes at a time."""
    padded = np.append(letters, np.zeros(8, np.uint8))
    eights = np.ndarray(len(padded) - 7, "<u8", padded, strides=(1,))
    codes, some = lengths.astype(np.uint64), np.arange(len(starts))
    for place in range(0, int(lengths.max(initial=0)), 8):
        some = some[lengths[some] > place]
        left = _FIRST[np.minimum(lengths[some] - place, 8)]
        codes[some] = codes[some] * _FACTOR + (eights[starts[some] + place] & left)
    return codes
