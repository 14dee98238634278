"""Drawing tokens in one compiled call, which reads the memory without learning.

The distribution of the memory is weighed as the outer mixer does. A race draws the token: the largest
``p^β / e`` wins, where the ``e`` are exponentially distributed. Tokens that are much less likely than the
likeliest do not take part (min-p: M. Nguyen et al., *Turning Up the Heat*, 2024), and neither do those that
would repeat a unit more often than the text does (:mod:`lior.compiling.repetition`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, float64
from numpy.typing import NDArray

from lior.compiling import repetition
from lior.compiling.compiled import entry, inner
from lior.interfaces import Race
from lior_plugins.counting import cursor, locations, stream
from lior_plugins.counting.cursor import Cursor
from lior_plugins.counting.engine import FROZEN, Engine, WeightSets
from lior_plugins.counting.kernels import exp, log, prefetch
from lior_plugins.counting.layout import DENSE, Alphabet, Block, Floats, Ints, Learner

SURE_BINS = 8
"""Number of bins of the largest probability, for the gate of the outer mixer."""


class Place(NamedTuple):
    """A position over an alphabet of ``A`` tokens, and scratch arrays, as compiled functions see them."""

    block: Block
    log_p: Floats
    """Distribution of the memory, ``(A,)``."""
    alphabet: Alphabet
    unigram: NDArray[np.float64]
    chances: NDArray[np.float64]
    """Probabilities of the alphabet's tokens, then of all others together, ``(A + 1,)``."""


@entry
def _run(route, memory, learner, place, race, buffers, out):
    """Draw tokens ``out (T,)``; the block is the position after the text, and moves with each."""
    for t in range(len(out)):
        out[t] = _one(memory, learner, place, race, race.noise[t], buffers)
        if race.limits.times:
            repetition.extend(race.limits, out[t])
        cursor.go_on(route, out[t])
        cursor.locate(route, place.block, 0)
        _fetch(memory.store, place.block)


@inner
def _fetch(store, block):
    """Prefetch the slots of the position."""
    size = len(store.slots)
    for i in range(block.where.shape[1]):
        prefetch(store.slots, locations.home(block.where[0, i], size))


@inner
def _weigh(place, weight_set, race):
    """Write the probabilities at the position, the memory's with the mixer's exponent; returns their
    count."""
    row, size = place.log_p, len(place.log_p)
    top = float32(0)
    for s in range(size):
        top = max(top, row[s])
    sure = min(int(top * SURE_BINS), SURE_BINS - 1) + SURE_BINS * weight_set
    weight, highest = race.mixing[sure], float32(-np.inf)
    for s in range(size):
        row[s] = log(row[s])
        highest = max(highest, weight * row[s])
    total = 0.0
    for s in range(size):
        place.chances[s] = float64(exp(weight * row[s] - highest))
        total += place.chances[s]
    if len(race.others) == 0:
        return size
    place.chances[size] = total * race.unseen / (1.0 - race.unseen)
    return size + 1


@inner
def _one(memory, learner, place, race, noise, buffers):
    """Draw the token at the position of the block."""
    tokens, others, block = place.alphabet.tokens, race.others, place.block
    if len(place.unigram):
        stream._unigram(memory.store, block.where[0], place.alphabet, place.unigram)
    stream.read(memory, learner.sets, block, 0, place.alphabet, buffers, 0)
    stream._spread(place.alphabet, buffers, 0, place.unigram, place.log_p)
    size = _weigh(place, buffers.weight_set[0], race)
    chances = place.chances
    if race.limits.times:
        for i in range(repetition.bar(race.limits)):
            column = place.alphabet.column[race.limits.barred[i]]
            if column >= 0:
                chances[column] = 0.0
    most, token = -1.0, 0
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
    here = Place(
        place.block,
        np.empty(size, np.float32),
        engine.columns(alphabet),
        np.empty(size if size > DENSE else 0),
        np.empty(size + 1),
    )
    still = Learner(learned, (FROZEN, FROZEN))
    _run(place.route, engine.memory, still, here, race, engine.buffers(1, size, thread), out)
    return [int(token) for token in out]
