"""What a window of the mixture is read from, worked out for all windows of a block at once.

Everything here depends on the text alone: what the experts say, which entries of the tables each token and
counter looks at, which rows the gates choose. :mod:`lior.counting.window` adds what was learned. The formulas
are those of :mod:`lior.counting.mixture`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lior.counting.addresses import mix
from lior.counting.history import History
from lior.counting.layout import (
    AGE_BINS, AGE_COUNTS, CONFIDENCES, COUNT_BINS, JOINT, LONGEST_BINS, REST_BINS, SECONDARY, Plan,
)  # fmt: skip
from lior.counting.locations import RECENCY_ONE
from lior.counting.table import SEEN_BITS, Columns, expand

_MOST = 0.999
_TINY = 1e-9
_STATES = COUNT_BINS * REST_BINS * 2
_PLACED = _STATES * 12
_COUNT_ENDS = (1, 2, 3, 4, 6, 9, 14, 24, 60)
_REST_ENDS = (0, 1, 2, 4, 8, 16, 40)


class Inputs(NamedTuple):
    """Windows of ``W`` positions, with what is read of the memory; the first axis is that of windows."""

    log_p: Tensor
    """What the experts say, 0 for absent ones, float32 ``(K, W, S, A)``."""
    present: Tensor
    """1 for each pattern with a location, float32 ``(K, W, S)``."""
    own: Tensor
    """Entry of each pattern's weight by its own confidence, int64 ``(K, W, S)``."""
    row: Tensor
    """Row of each gate in the table of weights, int64 ``(K, W, G)``."""
    place: Tensor
    """Which of the tables of single tokens' weights, int64 ``(K, W)``."""
    estimate: Tensor
    """Rows of the three secondary estimations, int64 ``(K, W, 3)``."""
    target: Tensor
    """Column of the token that stands there, -1 for none, int64 ``(K, W)``."""
    joint: Tensor
    """Entry of each token's joint states, int64 ``(K, W, J, A)``."""
    cell: Tensor
    """Of each counter read, position and column as ``w * A + s``, ``W * A`` for none, int64 ``(K, R)``."""
    state: Tensor
    """Its entry in the table of states, int64 ``(K, R)``."""
    age: Tensor
    """Its entry in the table of ages, int64 ``(K, R)``."""
    counter: Tensor
    """Its number in the table of counters, int64 ``(K, R)``."""
    noise: Tensor
    """What rounds the step of its logit at random, in [0, 1), float32 ``(K, R)``."""

    def window(self, k: int) -> Inputs:
        """The inputs of one window, without the first axis."""
        return Inputs(*(column[k] for column in self))


class Places(NamedTuple):
    """The positions of a block; ``n`` of them, a whole number of windows."""

    tokens: Tensor
    """int64 ``(n,)``."""
    before: Tensor
    """The last two tokens before each, plus 1; 0 for none; int64 ``(n, 2)``."""
    fields: Tensor
    """int64 ``(n, len(FIELDS))``."""
    cell: Tensor
    """Cell of the geometric gate, int64 ``(n,)``."""
    time: Tensor
    """How many tokens the memory held when each is read, int64 ``(n,)``."""
    begin: Tensor
    """The position at which its window begins, int64 ``(n,)``."""
    valid: Tensor
    """Which are there at all, bool ``(n,)``."""


class Records(NamedTuple):
    """The counters at the locations of every position, ``R`` of them, by position and pattern."""

    event: Tensor
    """Position and pattern as ``position * S + pattern``, int64."""
    column: Tensor
    """Column of the counter's token, -1 for none, int64."""
    number: Tensor
    """Its number in the table of counters, int64."""
    token: Tensor
    held: Columns

    def where(self, kept: Tensor) -> Records:
        """Those that ``kept (R,)`` marks."""
        some = kept.nonzero()[:, 0]
        held = Columns(*(column[some] for column in self.held))
        return Records(self.event[some], self.column[some], self.number[some], self.token[some], held)


class Totals(NamedTuple):
    """Of each location at each position, ``(n, S)``."""

    count: Tensor
    """Occurrences, int64."""
    distinct: Tensor
    """Distinct tokens, int64."""
    taken: Tensor
    """Sum of the discounts, float32."""
    novel: Tensor
    """Novel occurrences, int64."""
    novel_taken: Tensor
    """Sum of their discounts, float32."""


def build(
    plan: Plan, history: History, places: Places, columns: Tensor, alphabet: int, window: int, room: int
) -> Inputs:
    """The inputs of all windows of a block.

    Parameters
    ----------
    columns
        Column of each token id, -1 outside of the alphabet, int64 ``(V,)``.
    room
        Rounds up how many counters a window reads: 1 for no more than needed, 2 for powers of two.
    """
    n, patterns = history.location.shape
    present = (history.made[history.location] < places.begin[:, None]) & places.valid[:, None]
    records = _records(history, places, columns, present)
    totals = _totals(plan, records, present)
    records = records.where(records.column >= 0)
    longest = _longest(present[:, : plan.nested])
    log_p = _experts(plan, records, totals, present, alphabet)
    row, place, estimate = _gates(plan, places, totals, longest)
    own = torch.arange(patterns, device=present.device) * CONFIDENCES + _confidence(totals) * present
    target = torch.where(places.valid, columns[places.tokens], -1)
    joint = _joint(plan, records, totals, n, alphabet)
    dense = (log_p, present.float(), own, row, place, estimate, target, joint)
    flat = _flat(plan, records, totals, places, longest, n, alphabet)
    return Inputs(
        *(each.view(-1, window, *each.shape[1:]) for each in dense),
        *_by_window(flat, n // window, window, window * alphabet, room),
    )


# --- what is there ---


def _records(history: History, places: Places, columns: Tensor, present: Tensor) -> Records:
    location = history.location.flatten()
    event, counter = expand(history.begin[location], history.length[location] * present.flatten())
    before = places.begin[event // present.shape[1]]
    held = history.at(counter, before)
    there = (held.count > 0).nonzero()[:, 0]
    counter, before = counter[there], before[there]
    held = Columns(*(column[there] for column in held))._replace(recency=history.recency(counter, before))
    token = history.counters.token[counter]
    return Records(event[there], columns[token], history.counters.number[counter], token, held)


def _totals(plan: Plan, records: Records, present: Tensor) -> Totals:
    parts = [records.held.count.long(), torch.ones_like(records.event), records.held.novel.long()]
    for values in (records.held.count, records.held.novel):
        parts += [(values == k).long() for k in (1, 2)] + [(values >= 3).long()]
    sums = torch.zeros(present.numel(), len(parts), dtype=torch.int64, device=present.device)
    sums.index_add_(0, records.event, torch.stack(parts, 1))
    count, distinct, novel, *classes = sums.view(*present.shape, len(parts)).unbind(-1)
    d = [float(x) for x in plan.discounts]
    taken = classes[0] * d[1] + classes[1] * d[2] + classes[2] * d[3]
    novel_taken = classes[3] * d[5] + classes[4] * d[6] + classes[5] * d[7]
    return Totals(count, distinct, taken, novel, novel_taken)


def _longest(nested: Tensor) -> Tensor:
    """The longest of the nested contexts ``(n, N)`` that is present, 0 for none."""
    number = torch.arange(nested.shape[1], device=nested.device)
    return (number * nested).amax(1)


def _confidence(totals: Totals) -> Tensor:
    n, u = totals.count.contiguous(), totals.distinct.contiguous()
    much = torch.bucketize(n, n.new_tensor((1, 2, 4, 8, 20, 80)))
    return 1 + much * 4 + torch.bucketize(u, u.new_tensor((1, 2, 5)))


# --- experts ---


def _experts(plan: Plan, records: Records, totals: Totals, present: Tensor, alphabet: int) -> Tensor:
    """Log-probabilities of the nested contexts over their chain, of the others less their base, ``(n, S, A)``."""
    n, patterns = present.shape
    discounts = torch.from_numpy(plan.discounts).to(present.device)
    inverse = 1 / totals.count.clamp(min=1).float()
    left = (totals.taken * inverse).clamp(max=_MOST)
    count, recency = records.held.count, records.held.recency.float()
    above = (count.float() - discounts[count.clamp(max=3)]).clamp(min=0)
    own = (1 - plan.recent) * inverse.view(-1)[records.event] * above
    own += plan.recent / RECENCY_ONE * (1 - left.view(-1)[records.event]) * recency
    p = torch.zeros(n, patterns, alphabet, device=present.device)
    p.view(-1)[records.event * alphabet + records.column] = own
    chain, base = _chain(plan, records, totals, present, alphabet)
    p[:, : plan.nested] += left[:, : plan.nested, None] * chain
    p[:, plan.nested :] += left[:, plan.nested :, None] * base[:, None]
    p = p.add_(_TINY).log_()
    p[:, plan.nested :] -= base.add(_TINY).log()[:, None]
    return p * present[:, :, None]


def _chain(
    plan: Plan, records: Records, totals: Totals, present: Tensor, alphabet: int
) -> tuple[Tensor, Tensor]:
    """Kneser and Ney's continuation distributions under each nested context, and that under all others."""
    n, patterns = present.shape
    nested = records.where((records.event % patterns < plan.nested) & (records.held.novel > 0))
    event = nested.event // patterns * plan.nested + nested.event % patterns
    discounts = torch.from_numpy(plan.discounts[4:]).to(present.device)
    inverse = 1 / totals.novel[:, : plan.nested].clamp(min=1).float()
    left = (totals.novel_taken[:, : plan.nested] * inverse).clamp(max=_MOST)
    novel = nested.held.novel
    own = torch.zeros(n, plan.nested, alphabet, device=present.device)
    values = (novel.float() - discounts[novel.clamp(max=3)]) * inverse.reshape(-1)[event]
    own.view(-1)[event * alphabet + nested.column] = values
    has = (totals.novel[:, : plan.nested] > 0)[:, :, None]
    below = own.new_full((n, alphabet), 1 / alphabet)
    chain, base = [], below
    for i in range(plan.nested):
        chain.append(below)
        below = torch.where(has[:, i], left[:, i, None] * below + own[:, i], below)
        base = below if i <= plan.base else base
    return torch.stack(chain, 1), base


# --- gates ---


def _gates(plan: Plan, places: Places, totals: Totals, longest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of the gates ``(n, G)``, the place ``(n,)`` and the rows of the secondary estimations ``(n, 3)``."""
    fields, last = places.fields, (places.before[:, 0] - 1) & 255
    n, u = (each.gather(1, longest[:, None])[:, 0] for each in totals[:2])
    sure = torch.bucketize(n, n.new_tensor((1, 4)))
    spread = torch.where(u <= 1, sure, torch.where(u <= 2, 3, torch.where(u <= 5, 4, 5)))
    run, column = fields[:, 19].contiguous(), fields[:, 4]
    place = torch.bucketize(run, run.new_tensor((0, 2, 5)))
    start = (column == 1).long()
    pair = mix(mix(torch.full_like(run, 3), places.before[:, 0]), places.before[:, 1])
    words = torch.nn.functional.pad(totals.count, (0, 3))[:, plan.nested : plan.nested + 3]
    seen = (words > 0).long() + (words > words.new_tensor((8, 3, 2)))
    word = (seen * seen.new_tensor((1, 3, 9))).sum(1)
    values = (
        longest * LONGEST_BINS + spread,
        last,
        word * 3 + torch.bucketize(run, run.new_tensor((0, 3))),
        place * 2 + start,
        ((column - 1) // 4).clamp(max=15) * 16 + run.clamp(max=7) * 2 + start,
        (pair >> 20) & 1023,
        places.cell,
    )
    rows = [int(b) + values[k] for k, b in zip(plan.gate_kind, plan.gate_begin[:-1], strict=True)]
    row = torch.stack(rows, 1) if rows else fields[:, :0]
    second = SECONDARY[0] + ((pair >> 32) & 4095)
    third = SECONDARY[0] + SECONDARY[1] + ((column - 1) // 8).clamp(max=7) * 8 + place * 2 + start
    deep = torch.bucketize(longest, longest.new_tensor((3, 5)))
    return row, 1 + place + 4 * deep, torch.stack([last, second, third], 1)


# --- counters ---


def _joint(plan: Plan, records: Records, totals: Totals, n: int, alphabet: int) -> Tensor:
    """Entry of the joint states of every token, ``(n, J, A)``."""
    patterns, groups = totals.count.shape[1], len(plan.joint)
    bits = torch.from_numpy(plan.joint_bit).to(records.event.device)
    count, total = records.held.count, totals.count.view(-1)[records.event]
    level = torch.where(2 * count > total, 3, torch.where(count >= 2, 2, 1))
    cell = records.event // patterns * alphabet + records.column
    out = cell.new_zeros(groups, n * alphabet)
    for q in range(groups):
        bit = bits[q, records.event % patterns]
        out[q].index_add_(0, cell, torch.where(bit >= 0, level << bit.clamp(min=0), 0))
    out += torch.arange(groups, device=bits.device)[:, None] * 4**JOINT
    return out.view(groups, n, alphabet).transpose(0, 1).contiguous()


def _flat(
    plan: Plan, records: Records, totals: Totals, places: Places, longest: Tensor, n: int, alphabet: int
) -> dict[str, Tensor]:
    """What a window wants to know of every counter, ``(R,)`` each; ``at`` is its position in the block."""
    patterns = totals.count.shape[1]
    at, i, count = records.event // patterns, records.event % patterns, records.held.count
    cell = at * alphabet + records.column
    nested = i < plan.nested
    known = torch.zeros(n * alphabet, dtype=torch.int64, device=at.device)
    known = known.scatter_reduce_(0, cell, torch.where(nested, i, 0), "amax")[cell]
    most = longest[at]
    step = (known > 2).long() + (known > 4) + (known > 6)
    place = torch.where(
        nested, (known - i).clamp(max=3) * 3 + (most - i).clamp(max=2), step * 3 + (most - known).clamp(max=2)
    )
    rest = (totals.count.view(-1)[records.event] - count).clamp(min=0)
    bins = torch.bucketize(count, count.new_tensor(_COUNT_ENDS)) * REST_BINS
    bins = (bins + torch.bucketize(rest, rest.new_tensor(_REST_ENDS))) * 2 + records.held.front
    time = places.time[at]
    age = ((time >> 2) - records.held.seen) & ((1 << SEEN_BITS) - 1)
    age_bin = torch.frexp(age.float())[1].clamp(max=AGE_BINS - 1)  # the number of bits
    hashed = (mix(time, i << 16 | records.token) >> 40) & 0xFFFF
    return {
        "at": at, "column": records.column,
        "state": i * _PLACED + place * _STATES + bins,
        "age": i * (AGE_BINS * AGE_COUNTS) + age_bin * AGE_COUNTS + count.clamp(max=AGE_COUNTS) - 1,
        "counter": records.number, "noise": hashed.float() / 65536,
    }  # fmt: skip


def _by_window(
    flat: dict[str, Tensor], windows: int, window: int, none: int, room: int
) -> tuple[Tensor, ...]:
    """The columns of ``flat`` as ``(K, R)``, with as many places for each window.

    Places that are left over point at no position; their entries are spread out, so that adding nothing to
    them does not make one entry wait for all.
    """
    at = flat["at"] // window
    begin = torch.searchsorted(at, torch.arange(windows + 1, device=at.device))
    most = max(int((begin[1:] - begin[:-1]).max()) if windows else 0, 1)
    size = 1 << (most - 1).bit_length() if room > 1 else most
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


_SPREAD = {"state": _PLACED, "age": AGE_BINS * AGE_COUNTS, "counter": 1, "noise": 1}
"""How many entries the places left over are spread over: those of the first pattern; counter 0 is unused."""
