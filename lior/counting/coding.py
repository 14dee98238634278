"""Coding a text while it is learned, token by token: the loop of ``lior compress`` and ``decompress``.

Encoder and decoder run the same compiled function, so that their sums agree to the last bit. For each
position it finds the addresses, reads the memory, weighs its distribution as the outer mixer does, codes
the token, and learns. The weights of the mixer do not change meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import float32, float64
from numpy.typing import NDArray

from lior.counting import coder, cursor, locations, stream
from lior.counting.coder import DECODES, RangeCoder
from lior.counting.compiled import entry, inner
from lior.counting.cursor import Cursor
from lior.counting.kernels import exp, log, prefetch
from lior.counting.layout import DENSE, Alphabet, Block, Floats, Ints, Learner, row_of

if TYPE_CHECKING:
    from lior.counting.engine import Engine

SURE_BINS = 8
"""Number of bins of the largest probability, for the gate of the outer mixer."""


class Chunk(NamedTuple):
    """Positions of a text over one alphabet of ``A`` tokens, as compiled functions see them."""

    block: Block
    given: Ints
    """Tokens that an encoder codes, ``(B,)``; a decoder ignores them."""
    log_p: Floats
    """Distributions of the memory, ``(B, A)``."""
    sure: Ints
    """Gate of the outer mixer: bin of the largest probability, and the weight set, ``(B,)``."""
    alphabet: Alphabet
    others: Ints
    """Tokens outside of the alphabet, ascending; all are equally likely."""
    even: NDArray[np.float64]
    """Relative probabilities of the tokens outside of the alphabet."""
    unseen: float
    """Total probability of the tokens outside of the alphabet."""
    unigram: NDArray[np.float64]
    chances: NDArray[np.float64]
    """Probabilities of the alphabet's tokens, then of all others together, ``(A + 1,)``."""


@inner
def weigh(chunk, t, weight_set, mixing):
    """Write the probabilities at position ``t``, the memory's with the mixer's exponent; returns their
    count."""
    row, size = chunk.log_p[t], chunk.log_p.shape[1]
    top = float32(0)
    for s in range(size):
        top = max(top, row[s])
    sure = min(int(top * SURE_BINS), SURE_BINS - 1) + SURE_BINS * weight_set
    chunk.sure[t] = sure
    weight, highest = mixing[sure], float32(-np.inf)
    for s in range(size):
        row[s] = log(row[s])
        highest = max(highest, weight * row[s])
    total = 0.0
    for s in range(size):
        chunk.chances[s] = float64(exp(weight * row[s] - highest))
        total += chunk.chances[s]
    if len(chunk.others) == 0:
        return size
    chunk.chances[size] = total * chunk.unseen / (1.0 - chunk.unseen)
    return size + 1


@inner
def _code(chunk, t, size, words):
    """Code the token at position ``t``; returns it."""
    tokens, others = chunk.alphabet.tokens, chunk.others
    decodes = words.place[DECODES] == 1
    choice = 0
    if not decodes:
        choice = chunk.alphabet.column[chunk.given[t]]
        choice = len(tokens) if choice < 0 else choice
    choice = coder.choose(words, chunk.chances, size, choice)
    if choice < len(tokens):
        return tokens[choice]
    which = 0 if decodes else np.searchsorted(others, chunk.given[t])
    return others[coder.choose(words, chunk.even, len(others), which)]


@inner
def fetch(store, block, t):
    """Prefetch the slots of position ``t``."""
    size = len(store.slots)
    for i in range(block.where.shape[1]):
        prefetch(store.slots, locations.home(block.where[t, i], size))


@entry
def run(route, memory, learner, chunk, first, end, buffers, mixing, words):
    """Code and learn positions ``first .. end - 1`` of a chunk; returns the position where it stopped.

    It stops early after a token outside of the alphabet, which ends the chunk, and before a window that may
    need a larger store. The gradients of an unfinished window stay in ``buffers``.
    """
    plan, store, block, alphabet = memory.plan, memory.store, chunk.block, chunk.alphabet
    window, patterns = buffers.window, len(plan.parent)
    slot = np.zeros(patterns, np.int64)
    for t in range(first, end):
        w, place = row_of(buffers, t), t % window
        if place == 0 and not stream.room(store, learner, window, patterns, memory.vocab, True):
            return t
        cursor.locate(route, block, t)
        fetch(store, block, t)
        if place == 0 and len(chunk.unigram):
            stream._unigram(store, block.where[t], alphabet, chunk.unigram)
        stream.read(memory, learner.sets, block, t, alphabet, buffers, w)
        stream._spread(alphabet, buffers, w, chunk.unigram, chunk.log_p[t])
        token = _code(chunk, t, weigh(chunk, t, buffers.weight_set[w], mixing), words)
        block.tokens[t] = token
        stream.aim(alphabet, buffers, w, token)
        cursor.go_on(route, token)
        over = alphabet.column[token] < 0 or t + 1 == len(block.tokens)
        if place == window - 1 or over:
            begin = t - place
            stream.learn(learner, w - place, place + 1, buffers)
            stream.move_logits(store, learner, block, begin, t + 1, buffers, buffers.first, False)
            for k in range(begin, t + 1):
                locations.commit(store, plan, block.where[k], block.tokens[k], block.time[k], slot)
        if over:
            return t + 1
    return end


class Coding:
    """A chunk of at most ``rows`` tokens after a position, coded while a memory learns it.

    It takes as many calls as the mixer needs; :meth:`Engine.advance` ends it. ``others`` holds the tokens
    outside of the alphabet, ``unseen`` their total probability.
    """

    def __init__(
        self,
        engine: Engine,
        place: Cursor,
        alphabet: Ints,
        learner: Learner,
        *,
        rows: int,
        others: Ints,
        unseen: float,
    ) -> None:
        self._engine, self._cursor, self._learner = engine, place, learner
        size, patterns = len(alphabet), len(engine.plan.parent)
        block = cursor.blank(rows, patterns)
        block.time[:] = engine.clock + np.arange(rows)
        self.arrays = Chunk(
            block,
            np.zeros(rows, np.int64),
            np.zeros((rows, size), np.float32),
            np.zeros(rows, np.int64),
            engine.columns(alphabet),
            others,
            np.ones(len(others)),
            unseen,
            np.zeros(size if size > DENSE else 0),
            np.zeros(size + 1),
        )
        self.done = 0
        """Number of positions coded so far."""
        self._buffers = engine.buffers(engine.window, size)
        place.make_room(rows)

    def set_cell(self, cell: int) -> None:
        """Set the geometry's cell at the next position, if the cursor does not find it."""
        self.arrays.block.cell[self.done] = cell % self._cursor.route.shared

    def run(self, end: int, mixing: Floats, words: RangeCoder) -> bool:
        """Code positions up to ``end``; returns whether the chunk is finished.

        ``mixing`` holds the exponents of the outer mixer, one for each value of :attr:`Chunk.sure`.
        """
        words.make_room(2 * (end - self.done))
        before = self.done
        while True:
            self.done = run(
                self._cursor.route,
                self._engine.room_for(len(self.arrays.alphabet.tokens) + 1),
                self._learner,
                self.arrays,
                before,
                end,
                self._buffers,
                mixing,
                words.arrays,
            )
            fresh = self.done > before and self.arrays.alphabet.column[self.tokens[self.done - 1]] < 0
            if self.done == end or fresh:
                return fresh or self.done == len(self.arrays.given)
            self._engine.grow()
            before = self.done

    @property
    def tokens(self) -> Ints:
        """The tokens of all positions; positions that are not coded yet have -1."""
        return self.arrays.block.tokens
