"""Drawing a token in one compiled call, which reads the memory as it is.

It weighs the distribution of the memory as the outer mixer does (:mod:`lior.counting.coding`), and draws by a
race: the token with the largest ``p^β / e`` wins, where the ``e`` are exponentially distributed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lior.counting import cursor, stream
from lior.counting.coding import Chunk, fetch, weigh
from lior.counting.compiled import entry
from lior.counting.cursor import Cursor
from lior.counting.engine import FROZEN, Engine, WeightSets
from lior.counting.layout import DENSE, Floats, Ints, Learner


class Race(NamedTuple):
    """What a draw depends on beside the memory and the place."""

    noise: NDArray[np.float64]
    """Exponentially distributed numbers, ``(V,)``."""
    beta: float
    """Inverse temperature."""
    mixing: Floats
    """Exponents of the outer mixer, one for each of :attr:`Chunk.sure`."""
    others: Ints
    """All tokens outside of the alphabet, which are equally likely, ascending."""
    unseen: float
    """Probability of all of these together."""


@entry
def _run(route, memory, learner, chunk, race, buffers):
    """Draw a token; the block, which is the place behind the text, becomes the place behind the token."""
    tokens, others, block = chunk.alphabet.tokens, race.others, chunk.block
    if len(chunk.unigram):
        stream._unigram(memory.store, block.where[0], chunk.alphabet, chunk.unigram)
    stream.read(memory, learner.sets, block, 0, chunk.alphabet, buffers, 0)
    stream._spread(chunk.alphabet, buffers, 0, chunk.unigram, chunk.log_p[0])
    size = weigh(chunk, 0, buffers.weight_set[0], race.mixing)
    most, token = -1.0, 0
    for s in range(len(tokens)):
        score = chunk.chances[s] ** race.beta / race.noise[tokens[s]]
        if score > most:
            most, token = score, tokens[s]
    if size > len(tokens):
        each = (chunk.chances[len(tokens)] / len(others)) ** race.beta
        for s in range(len(others)):
            if each / race.noise[others[s]] > most:
                most, token = each / race.noise[others[s]], others[s]
    cursor.go_on(route, token)
    cursor.locate(route, block, 0)
    fetch(memory.store, block, 0)
    return token


def draw(
    engine: Engine, place: Cursor, alphabet: Ints, learned: WeightSets, race: Race, *, ahead: int
) -> int:
    """Draw the token behind ``place``, which moves on; ``ahead`` as in :meth:`Engine.read_at`."""
    size = len(alphabet)
    place.make_room(1)
    place.block.time[:] = engine.clock + ahead
    chunk = Chunk(
        place.block, _NONE, np.empty((1, size), np.float32), np.empty(1, np.int64), engine.columns(alphabet),
        race.others, _EVEN, race.unseen, np.empty(size if size > DENSE else 0), np.empty(size + 1),
    )  # fmt: skip
    still = Learner(learned, (FROZEN, FROZEN))
    return int(_run(place.route, engine.memory, still, chunk, race, engine.buffers(1, size)))


_NONE, _EVEN = np.zeros(0, np.int64), np.zeros(0)
"""A draw has no text to code, and no coder to choose among the other tokens."""
