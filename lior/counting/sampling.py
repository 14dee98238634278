"""Drawing tokens in one compiled call, which reads the memory without learning.

The distribution of the memory is weighed as the outer mixer does (:mod:`lior.counting.coding`). A race
draws the token: the largest ``p^β / e`` wins, where the ``e`` are exponentially distributed. Tokens that
are much less likely than the likeliest do not take part (min-p: M. Nguyen et al., *Turning Up the Heat*,
2024).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lior.counting import cursor, stream
from lior.counting.coding import Chunk, fetch, weigh
from lior.counting.compiled import entry, inner
from lior.counting.cursor import Cursor
from lior.counting.engine import FROZEN, Engine, WeightSets
from lior.counting.layout import DENSE, Floats, Ints, Learner


class Race(NamedTuple):
    """The parameters of a draw beside the memory and the position."""

    noise: NDArray[np.float64]
    """Exponentially distributed numbers, ``(T, V)`` for ``T`` tokens."""
    beta: float
    """Inverse temperature."""
    least: float
    """Minimum probability of a token, relative to the likeliest."""
    mixing: Floats
    """Exponents of the outer mixer, one for each of :attr:`Chunk.sure`."""
    others: Ints
    """Tokens outside of the alphabet, ascending; all are equally likely."""
    unseen: float
    """Total probability of the tokens outside of the alphabet."""


@entry
def _run(route, memory, learner, chunk, race, buffers, out):
    """Draw tokens ``out (T,)``; the block is the position after the text, and moves with each."""
    for t in range(len(out)):
        out[t] = _one(memory, learner, chunk, race, race.noise[t], buffers)
        cursor.go_on(route, out[t])
        cursor.locate(route, chunk.block, 0)
        fetch(memory.store, chunk.block, 0)


@inner
def _one(memory, learner, chunk, race, noise, buffers):
    """Draw the token at the position of the block."""
    tokens, others, block = chunk.alphabet.tokens, race.others, chunk.block
    if len(chunk.unigram):
        stream._unigram(memory.store, block.where[0], chunk.alphabet, chunk.unigram)
    stream.read(memory, learner.sets, block, 0, chunk.alphabet, buffers, 0)
    stream._spread(chunk.alphabet, buffers, 0, chunk.unigram, chunk.log_p[0])
    size = weigh(chunk, 0, buffers.weight_set[0], race.mixing)
    chances, most, token = chunk.chances, -1.0, 0
    rest = chances[len(tokens)] / len(others) if size > len(tokens) else 0.0
    likeliest = rest
    for s in range(len(tokens)):
        likeliest = max(likeliest, chances[s])
    least = race.least * likeliest
    for s in range(len(tokens)):
        score = chances[s] ** race.beta / noise[tokens[s]]
        if score > most and chances[s] >= least:
            most, token = score, tokens[s]
    if size > len(tokens) and rest >= least:
        for s in range(len(others)):
            score = rest**race.beta / noise[others[s]]
            if score > most:
                most, token = score, others[s]
    return token


def draw(
    engine: Engine, place: Cursor, alphabet: Ints, learned: WeightSets, race: Race, *, ahead: int, thread: int
) -> list[int]:
    """Draw the tokens after ``place``, which moves on; ``ahead`` as in :meth:`Engine.read_at`.

    Threads with different numbers may draw side by side.
    """
    size, out = len(alphabet), np.zeros(len(race.noise), np.int64)
    place.make_room(len(out))
    place.block.time[:] = engine.clock + ahead
    chunk = Chunk(
        place.block,
        _NONE,
        np.empty((1, size), np.float32),
        np.empty(1, np.int64),
        engine.columns(alphabet),
        race.others,
        _EVEN,
        race.unseen,
        np.empty(size if size > DENSE else 0),
        np.empty(size + 1),
    )
    still = Learner(learned, (FROZEN, FROZEN))
    _run(place.route, engine.memory, still, chunk, race, engine.buffers(1, size, thread), out)
    return [int(token) for token in out]


_NONE, _EVEN = np.zeros(0, np.int64), np.zeros(0)
"""Empty arrays: a draw has no text to code, and no coder to choose among the other tokens."""
