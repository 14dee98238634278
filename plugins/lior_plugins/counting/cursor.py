"""A position in a text that moves forward and updates its addresses.

A token costs one step of the fields and one hash for each pattern, however long the text is. The addresses
equal those that :func:`lior_plugins.counting.engine.prepare` finds for the same position of the whole text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lior.compiling.compiled import entry, inner
from lior_plugins.counting import addresses, fields
from lior_plugins.counting.addresses import Program
from lior_plugins.counting.fields import FIELDS, REACH, Carried
from lior_plugins.counting.layout import TRAIL, Block, Ints

_CAPACITY = 4096
"""Maximum tokens in memory; when they are full, the last :data:`_KEPT` start the text anew."""
_KEPT = REACH + TRAIL


class Cells(NamedTuple):
    """Scores of ``J`` cells; the nearest has the largest sum over the last ``L`` tokens."""

    scores: NDArray[np.float64]
    """Contribution of each token, ``(L, V + 1, J)``; the last token id is a place before the document."""
    offset: NDArray[np.float64]
    """Constant term of each cell, ``(J,)``"""


NO_CELLS = Cells(np.zeros((0, 1, 1)), np.zeros(1))


class Route(NamedTuple):
    """A text and its next position, as compiled functions see them."""

    program: Program
    base: int
    """The pattern whose addresses are recorded in the trail."""
    cells: Cells
    shared: int
    """Number of cells that the memory distinguishes; a geometry with more cells shares them."""
    tokens: Ints
    depth: Ints
    along: Carried
    hashes: Ints
    near: NDArray[np.float64]
    based: Ints
    """Address of the base pattern at each position, -1 where it was not computed."""
    used: Ints
    """Number of tokens, and number of positions whose fields are computed, ``(2,)``."""


@inner
def locate(route, block, row):
    """Write addresses and fields of the next position to a row of ``block``."""
    tokens, depth, t = route.tokens, route.depth, route.used[0]
    if route.used[1] == t:
        fields.step(tokens, depth, t, route.along)
        route.used[1] += 1
    here = block.fields[row]
    fields.describe(tokens, depth, t, route.along, here)
    addresses.hash_at(route.program, tokens, depth, t, here, route.hashes, block.where[row])
    route.based[t] = block.where[row, route.base]
    for k in range(2):
        block.before[row, k] = tokens[t - 1 - k] + 1 if min(depth[t], t) > k else 0
    reach = min(depth[t], t)
    if len(route.cells.scores):
        block.cell[row] = _nearest(route, t, reach) % route.shared
    for k in range(TRAIL):
        back = TRAIL - k
        block.trail[row, k] = route.based[t - back] if back <= reach else -1


@inner
def _nearest(route, t, reach):
    """Return the geometry's cell at position ``t``, which ``reach`` tokens of the document precede."""
    scores, total = route.cells.scores, route.near
    for j in range(len(total)):
        total[j] = route.cells.offset[j]
    for lag in range(len(scores)):
        token = route.tokens[t - 1 - lag] if lag < reach else scores.shape[1] - 1
        for j in range(len(total)):
            total[j] += scores[lag, token, j]
    best = 0
    for j in range(1, len(total)):
        if total[j] > total[best]:
            best = j
    return best


@inner
def go_on(route, token):
    """Append a token."""
    route.tokens[route.used[0]] = token
    route.used[0] += 1


@entry
def _feed(route, tokens, block):
    """Append ``tokens``; the first row of ``block`` becomes the position after them."""
    if len(tokens) == 0:
        locate(route, block, 0)
    for token in tokens:
        go_on(route, token)
        locate(route, block, 0)


class Cursor:
    """The position after the last token of a document that grows."""

    def __init__(self, patterns: tuple[str, ...], base: int, cells: Cells, shared: int) -> None:
        self._fixed = addresses.compile_patterns(patterns), base, cells, shared
        self.finds_cells = bool(len(cells.scores))
        """Whether the cursor knows the geometry's cells; otherwise the caller gives them with each read."""
        self.block = blank(1, len(patterns))
        """Addresses and fields of the position, one row."""
        self._begin(np.zeros(0, np.int64), 0)

    def _begin(self, tokens: Ints, depth: int) -> None:
        """Restart from the last tokens; the first of them has place ``depth``."""
        # Starting at the first token suffices: earlier tokens have no influence.
        none = np.full(_CAPACITY, -1, np.int64)
        self.route = Route(
            *self._fixed,
            np.zeros(_CAPACITY, np.int64),
            depth + np.arange(_CAPACITY),
            fields.carry(_CAPACITY),
            np.zeros(self.block.where.shape[1], np.int64),
            np.zeros(len(self._fixed[2].offset)),
            none,
            np.zeros(2, np.int64),
        )
        _feed(self.route, tokens[:0], self.block)
        if len(tokens):
            _feed(self.route, tokens, self.block)

    def feed(self, tokens: Sequence[int] | Ints) -> None:
        """Append ``tokens`` to the document."""
        fresh = np.asarray(tokens, np.int64)
        if len(fresh) and self.make_room(len(fresh)):
            _feed(self.route, fresh, self.block)
        elif len(fresh):
            used = int(self.route.used[0])
            text = np.concatenate([self.route.tokens[:used], fresh])
            kept = text[-_KEPT:]
            self._begin(kept, int(self.route.depth[0]) + len(text) - len(kept))

    def make_room(self, count: int) -> bool:
        """Reserve space in the route for ``count`` more tokens; returns whether that is possible."""
        used = int(self.route.used[0])
        if used + count < _CAPACITY:
            return True
        if count >= _CAPACITY - _KEPT:
            return False
        first = max(used - _KEPT, 0)
        self._begin(self.route.tokens[first:used].copy(), int(self.route.depth[first]))
        return True


def blank(rows: int, patterns: int) -> Block:
    """Return a block of ``rows`` positions, to be filled by :func:`locate`; the tokens are -1."""
    ints = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
    return Block(
        where=ints(rows, patterns),
        fields=ints(rows, len(FIELDS)),
        before=ints(rows, 2),
        cell=ints(rows),
        trail=ints(rows, TRAIL),
        tokens=np.full(rows, -1, np.int64),
        time=ints(rows),
    )
