"""Arrays of the streaming mixture: what is fixed, what is learned, and room to work in.

The jitted functions of this package take these named tuples of arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lior.counting import addresses
from lior.counting.fields import FIELDS
from lior.counting.locations import MAX_VOCAB

LANES = 16
"""Rows over the alphabet are padded to a multiple of this, so that loops over them are vector code."""

COUNT_BINS, REST_BINS, CONTEXT_BINS = 10, 8, 12
AGE_BINS, AGE_COUNTS = 24, 5
CONFIDENCES = 30
JOINT = 6
"""Patterns whose states for a token are looked up together: 4 states each."""
ESTIMATION_BINS = 24
LONGEST_BINS = 6
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
}
"""Gate -> number of its values; ``longest`` has six for each nested order, ``cell`` one for each cell."""

SECONDARY = (256, 4096, 64)
"""Contexts of the three secondary estimations: previous token, the last two, place in word and line."""


MOST = 0.999
"""Most that the discounts take of a distribution."""
TINY = 1e-9
"""What keeps logarithms finite."""
SQUARE_RATE, SQUARE_FLOOR = 0.005, 0.02
"""Rate of the running squares of the weights' statistics, and what is added to their roots."""

TRAIL = 64
"""Contexts before a position of which those that the memory does not know are counted."""


class Plan(NamedTuple):
    """What a recipe fixes."""

    nested: int
    """How many of the patterns are nested contexts, shortest first."""
    base: int
    """The nested context under the other patterns."""
    parent: NDArray[np.int64]
    """A location is made only where that of its parent pattern exists; -1 for no parent; ``(S,)``."""
    joint: NDArray[np.int64]
    """Patterns looked up together, ``(J, 6)``."""
    joint_bit: NDArray[np.int64]
    """Place of each pattern in each of them, -1 when it is not in it, ``(J, S)``."""
    gate_kind: NDArray[np.int64]
    """Which of :data:`GATES` each weight table looks at, ``(G,)``."""
    gate_begin: NDArray[np.int64]
    """Where its rows begin in the table of weights, ``(G + 1,)``."""
    discounts: NDArray[np.float32]
    """Of occurrences 0, 1, 2 and 3 or more; then the same for novel occurrences, ``(8,)``."""
    recent: float
    """Share of the recency-aware part in an expert's distribution."""
    slowest: float
    """Least rate of the recent shares."""
    unseen_contexts: int
    """Most unknown contexts before a position for the first of two sets of learned numbers."""


class Learned(NamedTuple):
    """What the delta rule moves, float32; the squares are running means of squared statistics."""

    own: NDArray[np.float32]
    """Weight of each pattern by its own confidence, ``(S, CONFIDENCES)``."""
    own_square: NDArray[np.float32]
    gated: NDArray[np.float32]
    """Weights of all patterns for each value of each gate, ``(rows, S)``."""
    gated_square: NDArray[np.float32]
    token: NDArray[np.float32]
    """What a token adds to each pattern's weight: everywhere, and by place, ``(1 + PLACES, S, V)``."""
    state: NDArray[np.float32]
    """Logit of a counter's state: count, rest, first, and where else the token is known, ``(S, …)``."""
    age: NDArray[np.float32]
    """Logit of a counter's age and count, ``(S, AGE_BINS * AGE_COUNTS)``."""
    joint: NDArray[np.float32]
    """Logit of the states of six patterns together, ``(J, 4 ** 6)``."""
    bias: NDArray[np.float32]
    """Logit of each token, ``(V,)``."""
    secondary: NDArray[np.float32]
    """Correction of the logit by context and probability, ``(rows, ESTIMATION_BINS)``."""


class Rates(NamedTuple):
    """Step sizes."""

    weight: float
    token: float
    table: float
    logit: float
    bias: float
    secondary: float


def pad(size: int) -> int:
    """``size`` rounded up to whole vectors."""
    return -(-size // LANES) * LANES


def parents(patterns: Sequence[str]) -> NDArray[np.int64]:
    """For each pattern the one with the most fields among those that look at a proper part of its fields."""
    fields = [frozenset(addresses.parse(pattern)) for pattern in patterns]
    out = []
    for mine in fields:
        within = [j for j, theirs in enumerate(fields) if theirs < mine]
        out.append(max(within, key=lambda j: (len(fields[j]), -j), default=-1))
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
    """The plan of a recipe; ``joint`` holds numbers of patterns, ``cells`` how many values that gate has."""
    sizes = [{"longest": nested * LONGEST_BINS, "cell": cells}.get(g) or GATES[g] for g in gates]
    bit = np.full((len(joint), len(patterns)), -1, np.int64)
    for row, group in enumerate(joint):
        for place, pattern in enumerate(group):
            bit[row, pattern] = 2 * place
    return Plan(
        nested, base, parents(patterns), np.array(joint, np.int64).reshape(-1, JOINT), bit,
        np.array([list(GATES).index(g) for g in gates], np.int64), np.cumsum([0, *sizes]).astype(np.int64),
        np.array([0.0, *discounts, 0.0, *novel_discounts], np.float32), recent, slowest, TRAIL,
    )  # fmt: skip


def fresh(plan: Plan, vocab: int) -> Learned:
    """Nothing learned: every pattern with the same small weight, everything else 0."""
    patterns = len(plan.parent)
    first = np.full(patterns, 0.3 / patterns, np.float32)
    first[: plan.nested] = 0.48 / plan.nested
    gated = np.zeros((plan.gate_begin[-1], patterns), np.float32)
    gated[: plan.gate_begin[:2][-1]] = first
    state = CONTEXT_BINS * COUNT_BINS * REST_BINS * 2
    return Learned(
        own=np.repeat(first[:, None], CONFIDENCES, 1),
        own_square=np.ones((patterns, CONFIDENCES), np.float32),
        gated=gated,
        gated_square=np.ones_like(gated),
        token=np.zeros((1 + PLACES, patterns, vocab), np.float32),
        state=np.zeros((patterns, state), np.float32),
        age=np.zeros((patterns, AGE_BINS * AGE_COUNTS), np.float32),
        joint=np.zeros((len(plan.joint), 4**JOINT), np.float32),
        bias=np.zeros(vocab, np.float32),
        secondary=np.zeros((sum(SECONDARY), ESTIMATION_BINS), np.float32),
    )


def widen(learned: Learned, vocab: int) -> Learned:
    """``learned`` with room for at least ``vocab`` tokens."""
    missing = vocab - len(learned.bias)
    if missing <= 0:
        return learned
    bias, token = np.pad(learned.bias, (0, missing)), np.pad(learned.token, ((0, 0), (0, 0), (0, missing)))
    return learned._replace(bias=bias, token=token)


DENSE = 512
"""Largest alphabet of which every token gets a column; of a larger one, the candidates do."""
CANDIDATES = 1024
"""Most tokens of a larger alphabet that get columns of their own at a position."""
WIDEST = 4096
"""Most tokens with learned numbers of their own; beyond, tokens share them."""


class Work(NamedTuple):
    """Room for ``W`` positions of a window, filled by reading them and used by learning from them."""

    size: NDArray[np.int64]
    """Columns in use, ``(W,)``."""
    tokens: NDArray[np.int64]
    """Place of each column's token among the learned numbers, ``(W, A)``."""
    target: NDArray[np.int64]
    """Column of the token that stands there, -1 for none, ``(W,)``."""
    columns: NDArray[np.int32]
    """Column of each token at one position, and the same with -1 for "any other", ``(2, V)``."""

    slot: NDArray[np.int64]
    """Slot of each pattern's location, negative when there is none, ``(W, S)``."""
    present: NDArray[np.int64]
    """Patterns with a location, ``(W, S)``, of which the first ``tally[w, 0]`` count."""
    tally: NDArray[np.int64]
    """How many patterns are present, how many counters were read, longest order, place, ``(W, 4)``."""
    confidence: NDArray[np.int64]
    """``(W, S)``."""
    row: NDArray[np.int64]
    """Row of each gate in the table of weights, ``(W, G)``."""
    counter: NDArray[np.int64]
    """Counters that were read, ``(W, R)``; with column, pattern, and places in ``state`` and ``age``."""
    column: NDArray[np.int32]
    pattern: NDArray[np.int32]
    state: NDArray[np.int32]
    age: NDArray[np.int32]
    joint: NDArray[np.int32]
    """States of each token, ``(W, J, A)``."""
    which: NDArray[np.int64]
    """Which of the two sets of learned numbers serves each position, ``(W,)``."""
    log_p: NDArray[np.float32]
    """What the experts say, ``(W, S, A)``."""
    first: NDArray[np.float32]
    """Distribution before secondary estimation, ``(W, A)``."""
    final: NDArray[np.float32]
    """Distribution after it, ``(W, A)``."""
    bin: NDArray[np.int32]
    """Lower bin of each token's probability, ``(W, A)``, and the share of the next one."""
    share: NDArray[np.float32]
    estimate: NDArray[np.int64]
    """Rows of the three secondary estimations, ``(W, 3)``."""
    dense: NDArray[np.float32]
    """Distributions of one position: experts, then the chain of nested contexts, ``(2 S + 2, A)``."""
    n: NDArray[np.int64]
    """Occurrences and distinct tokens of each location of one position, ``(S + 3, 2)``.

    The last three rows stay 0: a gate looks at three patterns after the nested ones, and there may be none.
    """
    longest: NDArray[np.int64]
    """The longest nested context that knows each token of one position, ``(A,)``."""


def work(plan: Plan, window: int, alphabet: int) -> Work:
    """Room for windows of that many positions over an alphabet of that size."""
    most = alphabet if alphabet <= DENSE else CANDIDATES + 1
    s, a, g, j = len(plan.parent), pad(most), len(plan.gate_kind), len(plan.joint)
    records = s * most
    vocab = MAX_VOCAB if alphabet > DENSE else 0
    ints = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
    small = lambda *shape: np.zeros(shape, np.int32)  # noqa: E731
    floats = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
    return Work(
        size=ints(window), tokens=ints(window, a), target=ints(window), columns=small(2, vocab),
        slot=ints(window, s), present=ints(window, s), tally=ints(window, 4), confidence=ints(window, s),
        row=ints(window, g), counter=ints(window, records), column=small(window, records),
        pattern=small(window, records), state=small(window, records), age=small(window, records),
        joint=small(window, j, a), which=ints(window), log_p=floats(window, s, a), first=floats(window, a),
        final=floats(window, a), bin=small(window, a), share=floats(window, a), estimate=ints(window, 3),
        dense=floats(2 * s + 2, a), n=ints(s + 3, 2), longest=ints(a),
    )  # fmt: skip


assert len(FIELDS) == 25  # the gates of ``mixture.py`` count on their order
