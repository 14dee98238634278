"""Records of arrays that the compiled functions take: options, weights and buffers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import DTypeLike, NDArray

from lior_plugins.counting import addresses
from lior_plugins.counting.locations import COUNTER, MAX_VOCAB, Store

Ints = NDArray[np.int64]
Small = NDArray[np.int32]
Floats = NDArray[np.float32]

LANES = 16
"""Rows over the alphabet are padded to a multiple of this, so that loops over them are vectorised."""

DENSE = 512
"""Maximum size of an alphabet whose tokens all get a column; in a larger one, only candidates do."""
CANDIDATES = 1024
"""Maximum number of candidates, the tokens of a larger alphabet with a column of their own at a position."""
WIDEST = 4096
"""Maximum number of tokens with learned parameters of their own; further tokens share them."""

# --- indices of learned parameters ---

CONFIDENCES = 30
"""Number of confidences of a location: how often it was written × how many tokens it knows."""
COUNT_BINS, REST_BINS, CONTEXT_BINS = 10, 8, 12
STATES = COUNT_BINS * REST_BINS * 2
"""Number of states of a counter: its count × its location's other counts × whether its token came last."""
AGE_BINS, AGE_COUNTS = 24, 5
JOINT = 6
"""Number of patterns whose states for a token are looked up together, with 4 states each."""
LONGEST_BINS = 6
"""Number of confidences of the longest nested context."""
PLACES = 12
"""Places in a word × lengths of the longest context, for the weights of single tokens."""

GATES = {
    "longest": 0,
    "previous": 256,
    "words": 81,
    "position": 8,
    "layout": 256,
    "pair": 1024,
    "cell": 0,
    "always": 1,
    "expected": 256,
}
"""Number of values of each gate; ``longest`` has six for each nested order, ``cell`` one for each cell."""
(
    GATE_LONGEST,
    GATE_PREVIOUS,
    GATE_WORDS,
    GATE_POSITION,
    GATE_LAYOUT,
    GATE_PAIR,
    GATE_CELL,
    _,
    GATE_EXPECTED,
) = range(9)
"""Numbers of the gates, in the order of :data:`GATES`."""

ESTIMATION_ROWS, ESTIMATION_BINS = 128, 6
"""Size of secondary estimation: contexts and tokens are taken modulo the first number, probabilities have the
second number of bins."""
NATS_A_BIN = 2.0
"""Width of a bin of secondary estimation in nats; the last bin holds all smaller probabilities."""

# --- constants of the formulas ---

MOST = 0.999
"""Maximum share of a distribution that the discounts take."""
TINY = 1e-9
"""A constant added to probabilities, so that logarithms are finite."""
SQUARE_RATE, SQUARE_FLOOR = 0.005, 0.02
"""Rate of the running mean squares of the weights' gradients, and the constant added to their roots."""
CURVATURE_FIRST, CURVATURE_MOST = 10.0, 500.0
"""Initial curvature of a correction of secondary estimation, and the maximum that its steps use."""
NOVEL = 4
"""Index of the first discount of novel occurrences in :attr:`Plan.discounts`."""
TRAIL = 64
"""Number of contexts before a position among which the unseen ones are counted."""


class Plan(NamedTuple):
    """The options of a memory as arrays."""

    nested: int
    """Number of nested contexts among the patterns; they come first, the shortest first."""
    base: int
    """The nested context whose distribution the other patterns back off to."""
    parent: Ints
    """Parent of each pattern, -1 for none; a location is created only if the parent's exists; ``(S,)``."""
    joint: Ints
    """Groups of patterns whose states are looked up together, ``(J, 6)``."""
    joint_bit: Ints
    """First bit of each pattern's state in the joint state of each group, -1 outside of it, ``(J, S)``."""
    gate_kind: Ints
    """Number of each gate, ``(G,)``."""
    gate_begin: Ints
    """First row of each gate in the table of gate weights, ``(G + 1,)``."""
    discounts: Floats
    """Discounts of 0, 1, 2 and 3 or more occurrences, then of as many novel occurrences, ``(8,)``."""
    recent: float
    """Share of recency in an expert's distribution."""
    slowest: float
    """Minimum decay rate of recency."""
    unseen_contexts: int
    """Maximum number of unseen contexts before a position for the first of two weight sets."""


class Memory(NamedTuple):
    """A counting memory as compiled functions see it."""

    plan: Plan
    store: Store
    vocab: int
    """Maximum number of tokens that a location may know."""


class Weights(NamedTuple):
    """A weight set: the parameters that the delta rule updates, float32.

    They are weights of experts, and tables of logits. The squares are running means of the squared
    gradients of the weights.
    """

    confidence_weight: Floats
    """Weight of each pattern by its location's confidence, ``(S, CONFIDENCES)``."""
    confidence_square: Floats
    gate_weight: Floats
    """Weights of all patterns for each value of each gate, ``(rows, S)``."""
    gate_square: Floats
    token_weight: Floats
    """Contribution of a token to each pattern's weight: everywhere, then by place, ``(1 + PLACES, S, V)``."""
    state_logit: Floats
    """Logit of a counter's state and of the other contexts that know its token, ``(S, CONTEXT_BINS *
    STATES)``."""
    age_logit: Floats
    """Logit of a counter's age and count, ``(S, AGE_BINS * AGE_COUNTS)``."""
    joint_logit: Floats
    """Logit of the states of six patterns together, ``(J, 4 ** 6)``."""
    bias: Floats
    """Logit of each token, ``(V,)``."""
    secondary: Floats
    """Secondary estimation (SSE/APM): correction of a logit by context, token and bin of its probability,
    ``(2 * ESTIMATION_ROWS, ESTIMATION_ROWS, ESTIMATION_BINS)``."""
    secondary_curvature: Floats
    """Sum of ``p (1 - p)`` over all that moved each correction."""


class Rates(NamedTuple):
    """Learning rates of each kind of parameter."""

    weight: float
    token: float
    table: float
    logit: float
    bias: float
    secondary: float
    """Share of Newton's step applied to a correction."""


class Learner(NamedTuple):
    """Two weight sets and their learning rates.

    The second set is used at positions with more unseen contexts before them than ``plan.unseen_contexts``.
    """

    sets: tuple[Weights, Weights]
    rates: tuple[Rates, Rates]


class Alphabet(NamedTuple):
    """The tokens that a distribution is over."""

    tokens: Ints
    """The tokens, ascending, ``(A,)``."""
    column: Small
    """Column of each token, -1 outside of the alphabet, ``(V,)``."""


class Block(NamedTuple):
    """Positions of a text with the addresses and fields of their contexts."""

    where: Ints
    """Addresses ``(B, S)``."""
    fields: Ints
    """Context fields, ``(B, len(FIELDS))``."""
    before: Ints
    """The last two tokens before each position, plus 1; 0 for none; ``(B, 2)``."""
    cell: Ints
    """Cell of the geometry, for the gate ``cell``, ``(B,)``."""
    trail: Ints
    """Addresses of the base contexts before each position, -1 for none, ``(B, TRAIL)``."""
    tokens: Ints
    """The token at each position, -1 where nothing is to be learned, ``(B,)``."""
    time: Ints
    """Number of tokens in the memory when each position is read, ``(B,)``."""


RECORD = np.dtype(
    [
        ("column", "u2"),
        ("count", "u2"),
        ("recency", "u2"),
        ("state", "u2"),
        ("prior", "i2"),
        ("age", "u1"),
        ("novel", "u1"),
    ]
)
"""Fields of a counter that enter the mixture: its token's column, occurrences, recency, table entry of
states, learned logit, table entry of ages, novel occurrences."""


class Buffers(NamedTuple):
    """Scratch arrays for the ``W`` positions of some windows, filled by reading, used by learning from them.

    Windows take turns: while one is learned from, another thread can read the next ones. So no two arrays
    share a cache line, nor do the rows of two windows. A column stands for a token of the alphabet; in a
    large alphabet for a candidate, and the last column for all other tokens. The ``K`` counters of the
    present locations are copied once at a position, location after location; ``R`` of them have a column.
    Arrays without the axis ``W`` belong to the position read last.
    """

    window: int
    """Number of positions of a window; see :func:`row_of`."""
    size: Ints  # columns in use, (W,)
    tokens: Ints  # index of each column's token among the learned parameters, (W, A)
    target: Ints  # column of the token at the position, -1 for none, (W,)
    columns: Small  # in a large alphabet each token's column; other tokens have the last, or -1; (2, V)

    slot: Ints  # slot of each pattern's location, negative if there is none, (W, S)
    present: Small  # patterns with a location, the first `tally[w, PATTERNS]` count, (W, S)
    tally: Ints  # patterns present, counters read, longest nested context, place; (W, 4), see below
    totals: Ints  # occurrences and distinct tokens of each location, (S + 3, 2); the last rows stay 0
    confidence: Small  # confidence of each pattern's location, (W, S)
    gate: Ints  # row of each gate in the table of gate weights, (W, G)
    estimate: Ints  # rows of the two contexts of secondary estimation, (W, 2)
    weight_set: Ints  # index (0 or 1) of the weight set, (W,)

    near: NDArray[np.void]  # copies of the counters of the present locations, one after the other, (K,)
    copied: NDArray[np.uint32]  # the first of each present location, then the last's end, (S + 1,)

    record: NDArray[np.void]  # features of each counter with a column, a `RECORD`, (W, R)
    words: NDArray[np.uint32]  # the same memory, (W, 3 R)
    begin: NDArray[np.uint32]  # the first of each present location, then the last's end, (W, S + 1)
    rank: Small  # rank of the counter in its location, (W, R)
    token: Small  # token of the counter
    mass: Floats  # sums over the counters of each present location, (W, S, 7), see below
    joint: NDArray[np.uint16]  # joint states of each column, (W, J, A)
    longest: Ints  # the longest nested context that knows each column's token, (A,)

    dense: Floats  # distributions of the experts, then the chain of nested contexts, (2 S + 2, A)
    log_p: Floats  # log-probabilities of the experts, (W, S, A)
    logits: Floats  # (A,)
    first: Floats  # distribution before secondary estimation, (W, A)
    bin: Small  # lower bin of each column's probability in secondary estimation, (W, A)
    share: Floats  # share of the next bin, (W, A)
    final: Floats  # distribution after secondary estimation, (W, A)

    gradient: Floats  # gradient of each pattern's weight, (W, S)
    sums: Floats  # sums of gradients, of their squares, and their number, (3, S)
    confidence_sums: Floats  # the same for the weights by confidence, (S, 3, CONFIDENCES)


PATTERNS, COUNTERS, LONGEST, PLACE = range(4)
"""Indices of :attr:`Buffers.tally`; the place is the row of the table of token weights."""
TAKEN, OCCURRED, NOVEL_TAKEN, NOVEL_OCCURRED, ABOVE, RECENT, NOVEL_ABOVE = range(7)
"""Indices of :attr:`Buffers.mass`: discounts and occurrences, then of novel occurrences. For tokens without a
column: the sum above the discounts, the recencies, and the novel occurrences above their discounts."""
OCCURRENCES, DISTINCT = range(2)
"""Indices of :attr:`Buffers.totals`."""
TOTAL, SQUARED, TIMES = range(3)
"""Indices of :attr:`Buffers.sums`."""


_CORRECTIONS = 2 * ESTIMATION_ROWS, ESTIMATION_ROWS, ESTIMATION_BINS


def pad(size: int) -> int:
    """Round ``size`` up to whole vectors."""
    return -(-size // LANES) * LANES


def parents(patterns: Sequence[str]) -> Ints:
    """Return each pattern's parent, the largest pattern whose parts are a proper subset; -1 for none."""
    parsed = [frozenset(addresses.parse(pattern)) for pattern in patterns]
    out = []
    for mine in parsed:
        within = [j for j, theirs in enumerate(parsed) if theirs < mine]
        out.append(max(within, key=lambda j: (len(parsed[j]), -j), default=-1))
    return np.array(out, np.int64)


def plan(
    patterns: Sequence[str],
    *,
    nested: int,
    base: int,
    joint: Sequence[Sequence[int]],
    gates: Sequence[str],
    cells: int,
    discounts: Sequence[float],
    novel_discounts: Sequence[float],
    recent: float,
    slowest: float,
) -> Plan:
    """Return the options of a memory as arrays; ``joint`` holds indices of patterns, ``cells`` is a
    number."""
    sizes = [{"longest": nested * LONGEST_BINS, "cell": cells}.get(g) or GATES[g] for g in gates]
    bit = np.full((len(joint), len(patterns)), -1, np.int64)
    for row, group in enumerate(joint):
        for place, pattern in enumerate(group):
            bit[row, pattern] = 2 * place
    return Plan(
        nested,
        base,
        parents(patterns),
        np.array(joint, np.int64).reshape(-1, JOINT),
        bit,
        np.array([list(GATES).index(g) for g in gates], np.int64),
        np.cumsum([0, *sizes]).astype(np.int64),
        np.array([0.0, *discounts, 0.0, *novel_discounts], np.float32),
        recent,
        slowest,
        TRAIL,
    )


def fresh(plan: Plan, vocab: int) -> Weights:
    """Return initial weights: one value for all nested contexts, one for all other patterns, the rest 0."""
    patterns = len(plan.parent)
    first = np.full(patterns, 0.3 / patterns, np.float32)
    first[: plan.nested] = 0.48 / plan.nested
    gate_weight = np.zeros((plan.gate_begin[-1], patterns), np.float32)
    gate_weight[: plan.gate_begin[:2][-1]] = first
    return Weights(
        confidence_weight=np.repeat(first[:, None], CONFIDENCES, 1),
        confidence_square=np.ones((patterns, CONFIDENCES), np.float32),
        gate_weight=gate_weight,
        gate_square=np.ones_like(gate_weight),
        token_weight=np.zeros((1 + PLACES, patterns, vocab), np.float32),
        state_logit=np.zeros((patterns, CONTEXT_BINS * STATES), np.float32),
        age_logit=np.zeros((patterns, AGE_BINS * AGE_COUNTS), np.float32),
        joint_logit=np.zeros((len(plan.joint), 4**JOINT), np.float32),
        bias=np.zeros(vocab, np.float32),
        secondary=np.zeros(_CORRECTIONS, np.float32),
        secondary_curvature=np.zeros(_CORRECTIONS, np.float32),
    )


def widen(learned: Weights, vocab: int) -> Weights:
    """Pad ``learned`` to at least ``vocab`` tokens."""
    missing = vocab - len(learned.bias)
    if missing <= 0:
        return learned
    token_weight = np.pad(learned.token_weight, ((0, 0), (0, 0), (0, missing)))
    return learned._replace(bias=np.pad(learned.bias, (0, missing)), token_weight=token_weight)


TURNS = 4
"""Number of windows with rows in the buffers at a time."""


@njit(inline="always")
def row_of(buffers: Buffers, t: int) -> int:
    """Return the buffers' row of position ``t`` of a block; windows take turns, and their rows are apart."""
    window = buffers.window
    return t // window % TURNS * (len(buffers.slot) // TURNS) + t % window


def buffers(plan: Plan, window: int, alphabet: int) -> Buffers:
    """Return buffers for windows of ``window`` positions over an alphabet of ``alphabet`` tokens."""
    rows = TURNS * max(window, _APART)
    most = alphabet if alphabet <= DENSE else CANDIDATES + 1
    s, a, g, j = len(plan.parent), pad(most), len(plan.gate_kind), len(plan.joint)
    records = s * most
    vocab = MAX_VOCAB if alphabet > DENSE else 0
    ints = lambda *shape: _apart(shape, np.int64)  # noqa: E731
    small = lambda *shape: _apart(shape, np.int32)  # noqa: E731
    floats = lambda *shape: _apart(shape, np.float32)  # noqa: E731
    record = _apart((rows, records), RECORD)
    return Buffers(
        window=window,
        size=ints(rows),
        tokens=ints(rows, a),
        target=ints(rows),
        columns=small(2, vocab),
        slot=ints(rows, s),
        present=small(rows, s),
        tally=ints(rows, 4),
        totals=ints(s + 3, 2),
        confidence=small(rows, s),
        gate=ints(rows, g),
        estimate=ints(rows, 2),
        weight_set=ints(rows),
        near=_apart((s * MAX_VOCAB,), COUNTER),
        copied=_apart((s + 1,), np.uint32),
        record=record,
        words=record.view(np.uint32),
        begin=_apart((rows, s + 1), np.uint32),
        rank=small(rows, records),
        token=small(rows, records),
        mass=floats(rows, s, 7),
        joint=_apart((rows, j, a), np.uint16),
        longest=ints(a),
        dense=floats(2 * s + 2, a),
        log_p=floats(rows, s, a),
        logits=floats(a),
        first=floats(rows, a),
        bin=small(rows, a),
        share=floats(rows, a),
        final=floats(rows, a),
        gradient=floats(rows, s),
        sums=floats(3, s),
        confidence_sums=floats(s, 3, CONFIDENCES),
    )


_LINE = 128
_APART = 16
"""Minimum number of rows between two windows: more than a cache line in every array."""


def _apart(shape: tuple[int, ...], kind: DTypeLike) -> NDArray[Any]:
    """Return zeros that share no cache line with other arrays."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    whole = np.zeros(size + 2 * _LINE, np.uint8)
    first = -whole.ctypes.data % _LINE
    return whole[first : first + size].view(kind).reshape(shape)
