"""The counters that the positions of a block read, looked up once for each window and location.

All positions of a window read the memory as it is at the beginning of the window, and many of them read the
same locations. So counters are looked up for pairs of a window and a location, and positions refer to pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lior.counting.layout import Plan
from lior_plugins.batched.history import History
from lior_plugins.batched.table import Columns, expand


class Places(NamedTuple):
    """The ``n`` positions of a block, a whole number of windows."""

    before: Tensor
    """The last two tokens before each, plus 1; 0 for none; int64 ``(n, 2)``."""
    fields: Tensor
    """int64 ``(n, len(FIELDS))``."""
    cell: Tensor
    """Cell of the geometric gate, int64 ``(n,)``."""
    time: Tensor
    """How many tokens the memory holds when each is read, int64 ``(n,)``."""
    begin: Tensor
    """How many tokens of the block are stored when each is read, int64 ``(n,)``."""
    valid: Tensor
    """Which are text and not padding, bool ``(n,)``."""
    target: Tensor
    """Column of the token to predict, -1 for none, int64 ``(n,)``."""
    which: Tensor
    """Index of the weight set, int64 ``(n,)``."""


class Totals(NamedTuple):
    """Sums over the counters of each of ``P`` pairs of window and location; the last pair is empty."""

    occurrences: Tensor
    """int64 ``(P,)``."""
    distinct: Tensor
    """Distinct tokens, int64 ``(P,)``."""
    taken: Tensor
    """Sum of the discounts, float32 ``(P,)``."""
    novel: Tensor
    """Novel occurrences, int64 ``(P,)``."""
    novel_taken: Tensor
    """Sum of the discounts of novel occurrences, float32 ``(P,)``."""


class Records(NamedTuple):
    """The ``R`` counters of all pairs whose tokens have a column."""

    pair: Tensor
    """Index of the pair, int64 ``(R,)``, ascending."""
    column: Tensor
    """Column of the token, int64 ``(R,)``."""
    token: Tensor
    number: Tensor
    """Number of the counter in the table, int64 ``(R,)``."""
    content: Columns
    """Content of the counter."""


class Found(NamedTuple):
    """The locations that the positions of a block read, and their counters."""

    pair: Tensor
    """Pair of each pattern at each position, the last pair for absent ones, int64 ``(n, S)``."""
    totals: Totals
    records: Records

    @property
    def present(self) -> Tensor:
        """Which patterns have a location, bool ``(n, S)``."""
        return self.pair < len(self.totals.occurrences) - 1


def find(plan: Plan, history: History, places: Places, columns: Tensor) -> Found:
    """Look up the locations of all positions of a block.

    Parameters
    ----------
    columns
        Column of each token id, -1 outside of the alphabet, int64 ``(V,)``.
    """
    present = (history.made[history.location] < places.begin[:, None]) & places.valid[:, None]
    event = present.flatten().nonzero()[:, 0]
    size = len(history.made)
    both = (places.begin[:, None] * size + history.location).flatten()[event]
    distinct, number = torch.unique(both, return_inverse=True)
    pair = torch.full_like(history.location, len(distinct))
    pair.view(-1)[event] = number
    location, before = distinct % size, distinct // size
    pairs, counter = expand(history.begin[location], history.length[location])
    before = before[pairs]
    content = history.at(counter, before, pairs, len(distinct))
    there = (content.occurrences > 0).nonzero()[:, 0]
    pairs, counter, before = pairs[there], counter[there], before[there]
    content = Columns(*(column[there] for column in content))._replace(
        recency=history.recency(counter, before)
    )
    totals = _totals(plan, pairs, content, len(distinct) + 1)
    token = history.counters.token[counter]
    known = (columns[token] >= 0).nonzero()[:, 0]
    token, content = token[known], Columns(*(column[known] for column in content))
    records = Records(pairs[known], columns[token], token, history.counters.number[counter[known]], content)
    return Found(pair, totals, records)


def _totals(plan: Plan, pair: Tensor, content: Columns, pairs: int) -> Totals:
    parts = [content.occurrences.long(), torch.ones_like(pair), content.novel.long()]
    for values in (content.occurrences, content.novel):
        parts += [(values == 1).long(), (values == 2).long(), (values >= 3).long()]
    sums = torch.zeros(pairs, len(parts), dtype=torch.int64, device=pair.device)
    sums.index_add_(0, pair, torch.stack(parts, 1))
    count, distinct, novel, *classes = (column.contiguous() for column in sums.unbind(1))
    d = [float(x) for x in plan.discounts]
    taken = classes[0] * d[1] + classes[1] * d[2] + classes[2] * d[3]
    novel_taken = classes[3] * d[5] + classes[4] * d[6] + classes[5] * d[7]
    return Totals(count, distinct, taken, novel, novel_taken)
