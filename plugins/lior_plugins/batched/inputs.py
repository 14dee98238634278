"""The inputs of the mixture that depend on the text alone, computed for all windows of a block at once.

They are the experts' distributions, the table entries that belong to each token and counter, and the rows
that the gates select. :mod:`lior_plugins.batched.window` combines them with the learned parameters. The
formulas are those of :mod:`lior.counting.mixture`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lior.counting.addresses import mix
from lior.counting.fields import FIELDS
from lior.counting.locations import MAX_VOCAB, RECENCY_ONE
from lior_plugins.batched.lookup import Found, Places
from lior_plugins.batched.table import SEEN_BITS, expand

# isort: off
from lior.counting.layout import (
    AGE_BINS, AGE_COUNTS, CONFIDENCES, CONTEXT_BINS, COUNT_BINS, ESTIMATION_ROWS, JOINT, LONGEST_BINS, MOST,
    PLACES, REST_BINS, TINY, Plan,
)  # fmt: skip

PLACED = 1 + PLACES
"""Tables of token weights in a set: one for all places, then one for each place."""

_STATES = COUNT_BINS * REST_BINS * 2
_PLACED_STATES = _STATES * CONTEXT_BINS
_COUNT_ENDS = (1, 2, 3, 4, 6, 9, 14, 24, 60)
_REST_ENDS = (0, 1, 2, 4, 8, 16, 40)
_COLUMN, _RUN = FIELDS.index("column"), FIELDS.index("length")


class WindowInputs(NamedTuple):
    """Inputs of ``K`` windows of ``W`` positions; the last five columns list the ``R`` counters they read."""

    log_p: Tensor
    """Log-probabilities of the experts, 0 for absent ones, float32 ``(K, W, S, A)``."""
    present: Tensor
    """1 for each pattern with a location, float32 ``(K, W, S)``."""
    own: Tensor
    """Entry of each pattern's weight by its own confidence, int64 ``(K, W, S)``."""
    row: Tensor
    """Row of each gate in the table of weights, int64 ``(K, W, G)``."""
    place: Tensor
    """Index of the table of token weights, int64 ``(K, W)``."""
    estimate: Tensor
    """Rows of the two contexts of secondary estimation, int64 ``(K, W, 2)``."""
    which: Tensor
    """Index of the weight set, int64 ``(K, W)``; the entries in other columns are of that set."""
    target: Tensor
    """Column of the token to predict, -1 for none, int64 ``(K, W)``."""
    joint: Tensor
    """Entry of each token's joint states, int64 ``(K, W, J, A)``."""
    cell: Tensor
    """Position ``w`` and column ``a`` as ``w * A + a``, ``W * A`` for padding, int64 ``(K, R)``."""
    state: Tensor
    """Entry in the table of states, int64 ``(K, R)``."""
    age: Tensor
    """Entry in the table of ages, int64 ``(K, R)``."""
    counter: Tensor
    """Number in the table of counters, int64 ``(K, R)``."""
    noise: Tensor
    """Uniform in [0, 1), for the stochastic rounding of the step of the logit, float32 ``(K, R)``."""

    def window(self, k: int) -> WindowInputs:
        """The inputs of one window, without the first axis."""
        return WindowInputs(*(column[k] for column in self))


def build(
    plan: Plan, found: Found, places: Places, alphabet: int, window: int, few_shapes: bool
) -> WindowInputs:
    """The inputs of all windows of a block, over an alphabet of that size.

    Parameters
    ----------
    few_shapes
        Pads the counters of a window up to a power of two.
    """
    n, patterns = found.pair.shape
    present = found.present
    number = torch.arange(plan.nested, device=present.device)
    longest = (number * present[:, : plan.nested]).amax(1)
    row, place, estimate = _gates(plan, places, found, longest)
    which = places.which[:, None]
    own = (which * patterns + torch.arange(patterns, device=present.device)) * CONFIDENCES
    own = own + _confidence(found)[found.pair]
    record = found.records.pair * alphabet + found.records.column
    dense = (
        _experts(plan, found, record, alphabet), present.float(), own, row + which * int(plan.gate_begin[-1]),
        place + places.which * PLACED, estimate + which * (2 * ESTIMATION_ROWS), places.which, places.target,
        _joint(plan, found, record, alphabet) + which[:, :, None] * (len(plan.joint) * 4**JOINT),
    )  # fmt: skip
    flat = _flat(plan, found, places, longest, record, alphabet)
    return WindowInputs(
        *(each.view(n // window, window, *each.shape[1:]) for each in dense),
        *_by_window(flat, n // window, window, window * alphabet, few_shapes),
    )


def _confidence(found: Found) -> Tensor:
    """Confidence of a location, from 1: by occurrences and distinct tokens; 0 without a location."""
    n, u = found.totals.occurrences, found.totals.distinct
    much = torch.bucketize(n, n.new_tensor((1, 2, 4, 8, 20, 80)))
    return (1 + much * 4 + torch.bucketize(u, u.new_tensor((1, 2, 5)))) * (n > 0)


# --- experts ---


def _experts(plan: Plan, found: Found, record: Tensor, alphabet: int) -> Tensor:
    """Log-probabilities ``(n, S, A)``; those of patterns that are not nested are relative to their base."""
    totals, pair, content = found.totals, found.records.pair, found.records.content
    discounts = torch.from_numpy(plan.discounts).to(pair.device)
    inverse = 1 / totals.occurrences.clamp(min=1).float()
    left = (totals.taken * inverse).clamp(max=MOST)
    above = (content.occurrences.float() - discounts[content.occurrences.clamp(max=3)]).clamp(min=0)
    values = (1 - plan.recent) * inverse[pair] * above
    values += plan.recent / RECENCY_ONE * (1 - left[pair]) * content.recency.float()
    own = torch.zeros(len(totals.occurrences), alphabet, device=pair.device)
    own.view(-1)[record] = values
    p, left = own[found.pair], left[found.pair][:, :, None]
    chain, base = _chain(plan, found, record, alphabet)
    p[:, : plan.nested].addcmul_(left[:, : plan.nested], chain)
    p[:, plan.nested :].addcmul_(left[:, plan.nested :], base[:, None])
    p.add_(TINY).log_()
    p[:, plan.nested :] -= base.add(TINY).log()[:, None]
    return p.mul_(found.present[:, :, None])


def _chain(plan: Plan, found: Found, record: Tensor, alphabet: int) -> tuple[Tensor, Tensor]:
    """Continuation distributions (Kneser and Ney): one below each nested context, and that of the base."""
    totals, novel = found.totals, found.records.content.novel
    discounts = torch.from_numpy(plan.discounts[4:]).to(record.device)
    inverse = 1 / totals.novel.clamp(min=1).float()
    left = (totals.novel_taken * inverse).clamp(max=MOST)
    own = torch.zeros(len(totals.novel), alphabet, device=record.device)
    own.view(-1)[record] = (novel.float() - discounts[novel.clamp(max=3)]) * inverse[found.records.pair]
    left = torch.where(totals.novel > 0, left, 1.0)  # without novel occurrences the base stays
    below = own.new_full((len(found.pair), alphabet), 1 / alphabet)
    chain, base = [], below
    for i in range(plan.nested):
        chain.append(below)
        pair = found.pair[:, i]
        below = left[pair][:, None] * below + own[pair]
        base = below if i <= plan.base else base
    return torch.stack(chain, 1), base


# --- gates ---


def _gates(plan: Plan, places: Places, found: Found, longest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the gates ``(n, G)``, place ``(n,)``, and rows of secondary estimation ``(n, 2)``."""
    fields, last = places.fields, (places.before[:, 0] - 1) & 255
    deepest = found.pair.gather(1, longest[:, None])[:, 0]
    n, u = found.totals.occurrences[deepest], found.totals.distinct[deepest]
    sure = torch.bucketize(n, n.new_tensor((1, 4)))
    spread = torch.where(u <= 1, sure, torch.where(u <= 2, 3, torch.where(u <= 5, 4, 5)))
    run, column = fields[:, _RUN].contiguous(), fields[:, _COLUMN]
    place = torch.bucketize(run, run.new_tensor((0, 2, 5)))
    start = (column == 1).long()
    pair = mix(mix(torch.full_like(run, 3), places.before[:, 0]), places.before[:, 1])
    words = torch.nn.functional.pad(found.totals.occurrences[found.pair], (0, 3))[
        :, plan.nested : plan.nested + 3
    ]
    seen = (words > 0).long() + (words > words.new_tensor((8, 3, 2)))
    word = (seen * seen.new_tensor((1, 3, 9))).sum(1)
    expected, mask = _expected(found)[deepest], ESTIMATION_ROWS - 1
    values = (
        longest * LONGEST_BINS + spread,
        last,
        word * 3 + torch.bucketize(run, run.new_tensor((0, 3))),
        place * 2 + start,
        ((column - 1) // 4).clamp(max=15) * 16 + run.clamp(max=7) * 2 + start,
        (pair >> 20) & 1023,
        places.cell,
        torch.zeros_like(run),
        expected & 255,
    )
    rows = [int(b) + values[k] for k, b in zip(plan.gate_kind, plan.gate_begin[:-1], strict=True)]
    row = torch.stack(rows, 1) if rows else fields[:, :0]
    deep = torch.bucketize(longest, longest.new_tensor((3, 5)))
    return (
        row,
        1 + place + 4 * deep,
        torch.stack([expected & mask, ESTIMATION_ROWS + (places.before[:, 0] & mask)], 1),
    )


def _expected(found: Found) -> Tensor:
    """Token counted most in each pair, plus 1; of equals the last one, then the least; 0 for none."""
    pair, content, most = found.records.pair, found.records.content, MAX_VOCAB - 1
    key = (content.occurrences.long() * 2 + content.front) * MAX_VOCAB + most - found.records.token
    best = torch.full_like(found.totals.occurrences, -1).scatter_reduce_(0, pair, key, "amax")
    return torch.where(best < 0, 0, most - best % MAX_VOCAB + 1)


# --- counters ---


def _joint(plan: Plan, found: Found, record: Tensor, alphabet: int) -> Tensor:
    """Entries of the joint states of every token, int64 ``(n, J, A)``."""
    n, groups = len(found.pair), len(plan.joint)
    count, total = found.records.content.occurrences, found.totals.occurrences[found.records.pair]
    level = torch.zeros(len(found.totals.occurrences), alphabet, dtype=torch.int64, device=record.device)
    level.view(-1)[record] = torch.where(2 * count > total, 3, torch.where(count >= 2, 2, 1))
    out = torch.empty(n, groups, alphabet, dtype=torch.int64, device=record.device)
    for q in range(groups):
        out[:, q] = q * 4**JOINT
        for i in np.flatnonzero(plan.joint_bit[q] >= 0):
            out[:, q] += level[found.pair[:, i]] << int(plan.joint_bit[q, i])
    return out


def _known(plan: Plan, found: Found, record: Tensor, alphabet: int) -> Tensor:
    """The longest nested context with a counter of each token, 0 for none, int64 ``(n, A)``."""
    there = torch.zeros(len(found.totals.occurrences), alphabet, dtype=torch.bool, device=record.device)
    there.view(-1)[record] = True
    known = torch.zeros(len(found.pair), alphabet, dtype=torch.int64, device=record.device)
    for i in range(plan.nested):
        known.masked_fill_(there[found.pair[:, i]], i)
    return known


def _flat(
    plan: Plan, found: Found, places: Places, longest: Tensor, record: Tensor, alphabet: int
) -> dict[str, Tensor]:
    """The counter columns of :class:`WindowInputs` in the order of the position ``at``."""
    patterns, (pairs, column, token, number, content) = found.pair.shape[1], found.records
    length = torch.bincount(pairs, minlength=len(found.totals.occurrences))
    pair = found.pair.flatten()
    event, r = expand((length.cumsum(0) - length)[pair], length[pair])
    at, i = event // patterns, event % patterns
    known, most = _known(plan, found, record, alphabet).view(-1)[at * alphabet + column[r]], longest[at]
    step = (known > 2).long() + (known > 4) + (known > 6)
    nested = (known - i).clamp(max=3) * 3 + (most - i).clamp(max=2)
    place = torch.where(i < plan.nested, nested, step * 3 + (most - known).clamp(max=2))
    rest = (found.totals.occurrences[pairs] - content.occurrences).clamp(min=0)
    count_bin = torch.bucketize(content.occurrences, content.occurrences.new_tensor(_COUNT_ENDS))
    bins = (count_bin * REST_BINS + torch.bucketize(rest, rest.new_tensor(_REST_ENDS))) * 2 + content.front
    time, which = places.time[at], places.which[at]
    age = ((time >> 2) - content.seen[r]) & ((1 << SEEN_BITS) - 1)
    age_bin = torch.frexp(age.float())[1].clamp(max=AGE_BINS - 1)  # the number of bits
    hashed = (mix(time, i << 16 | token[r]) >> 40) & 0xFFFF
    few = content.occurrences.clamp(max=AGE_COUNTS) - 1
    return {
        "at": at, "column": column[r],
        "state": (which * patterns + i) * _PLACED_STATES + place * _STATES + bins[r],
        "age": (which * patterns + i) * (AGE_BINS * AGE_COUNTS) + age_bin * AGE_COUNTS + few[r],
        "counter": number[r], "noise": hashed.float() / 65536,
    }  # fmt: skip


def _by_window(
    flat: dict[str, Tensor], windows: int, window: int, none: int, few_shapes: bool
) -> tuple[Tensor, ...]:
    """The columns of ``flat`` as ``(K, R)``, padded.

    Padding belongs to no position. Its entries are spread over the tables: zeros that are all added to one
    entry would wait for each other.
    """
    at = flat["at"] // window
    begin = torch.searchsorted(at, torch.arange(windows + 1, device=at.device))
    most = max(int((begin[1:] - begin[:-1]).max()) if windows else 0, 1)
    size = 1 << (most - 1).bit_length() if few_shapes else most
    spot = at * size + torch.arange(len(at), device=at.device) - begin[at]
    spread = torch.arange(windows * size, device=at.device) % size
    out = []
    cell = flat["at"] % window * (none // window) + flat["column"]
    for name, values in (("cell", cell), *((k, flat[k]) for k in ("state", "age", "counter", "noise"))):
        column = torch.full_like(spread, none) if name == "cell" else spread % _SPREAD[name]
        column = column.to(values.dtype)
        column[spot] = values
        out.append(column.view(windows, size))
    return tuple(out)


_SPREAD = {"state": _PLACED_STATES, "age": AGE_BINS * AGE_COUNTS, "counter": 1, "noise": 1}
"""Number of entries that padding is spread over: those of the first pattern; counter 0 is unused."""
