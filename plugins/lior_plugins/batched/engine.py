"""The counting memory and its mixture as tensors; same results as :mod:`lior.counting.engine`.

The state is on one device. Everything that depends on the text alone is computed for a whole block
(:mod:`lior_plugins.batched.history`, :mod:`lior_plugins.batched.inputs`). The rest is done for each window by
operations that never wait for the device (:mod:`lior_plugins.batched.window`); their number does not depend
on the length of a window, so long windows are faster, and 64 tokens are recommended. On a GPU the order of
sums is not fixed: two runs agree up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lior.counting import locations
from lior.counting.engine import (
    AHEAD,
    BLOCK,
    FROZEN,
    PRUNE_TO,
    Prediction,
    Segment,
    WeightSets,
    prepare,
    select,
    split_blocks,
)  # fmt: skip
from lior.counting.layout import DENSE, TRAIL, WIDEST, Block, Ints, Plan, Rates, Weights
from lior.counting.locations import MAX_VOCAB, Store
from lior.counting.packed import Packed
from lior.counting.stream import floor
from lior.errors import UsageError
from lior_plugins.batched import inputs, lookup
from lior_plugins.batched.graphs import Replay
from lior_plugins.batched.history import History
from lior_plugins.batched.inputs import WindowInputs
from lior_plugins.batched.lookup import Places
from lior_plugins.batched.table import Table
from lior_plugins.batched.window import DeviceWeights


def fits(alphabet: Ints) -> bool:
    """Whether the batched engine takes an alphabet: each token needs a column and learned parameters."""
    return len(alphabet) <= DENSE and (not len(alphabet) or int(alphabet.max()) < WIDEST)


class BatchedEngine:
    """Counters on a device and options of a recipe; methods as of :class:`lior.counting.engine.Engine`."""

    def __init__(
        self, plan: Plan, patterns: tuple[str, ...], *, window: int, budget: int, device: torch.device
    ) -> None:
        self.plan, self.patterns, self.window, self.budget = plan, patterns, window, budget
        self.device = device
        # A block is prepared in many small operations, between which a GPU waits: large blocks are faster.
        self._block = BLOCK if budget or device.type != "cuda" else 4 * BLOCK
        self.clock = 0
        self._table = Table(device)
        self._replay = Replay()
        self._numbers: DeviceWeights | None = None

    @property
    def store(self) -> Store:
        """A copy of the memory in the form of the streaming engine."""
        return locations.unpack(self.packed())

    def packed(self) -> Packed:
        """The memory in canonical order."""
        return self._table.packed()

    def clear(self) -> None:
        """Forget all tokens."""
        self._table, self.clock = Table(self.device), 0

    def load(self, store: Store, clock: int) -> None:
        """Replace the memory by ``store``, of ``clock`` tokens."""
        self._table, self.clock = Table.of(locations.pack(store), self.device), clock

    @torch.no_grad()
    def write(self, segment: Segment) -> None:
        """Count the tokens of ``segment`` without reading them."""
        for lo, hi in segment.blocks(self._block):
            here = self._prepared(segment.tokens[:hi], segment.depth[:hi], lo, None)
            self._history(here, hi - lo, write=True).keep(self._table)
            self._pass(hi - lo)

    @torch.no_grad()
    def read(
        self,
        tokens: Ints,
        depth: Ints,
        positions: Ints,
        alphabet: Ints,
        learned: WeightSets,
        *,
        ahead: int,
        cell: Ints | None = None,
    ) -> Prediction:
        """Predict the tokens at ``positions`` of a text, read ``ahead`` tokens from now; nothing changes.

        ``cell (B,)`` is the cell of the geometric gate at each position, 0 without one.
        """
        out = Prediction.empty(len(positions), len(alphabet))
        if not out.p.size:
            return out
        columns, sets = self._columns(alphabet), self._distinct(learned)
        numbers = self._load(sets, (FROZEN,) * len(sets), alphabet)
        for begin, end, chosen in split_blocks(positions):
            whole = self._prepared(tokens[:end], depth[:end], begin, self.clock + ahead)
            here = select(whole, chosen, positions - begin, cell)
            _, x, unseen = self._inputs(here, columns, sets, len(alphabet), len(chosen), write=False)
            rows = self._replay.run(numbers, self._table.columns.logit, x, adapt=False)
            out.p[chosen] = floor(rows.flatten(0, 1)).cpu().numpy()
            out.weight_set[chosen] = unseen.cpu().numpy()
        return out

    @torch.no_grad()
    def partial_fit(
        self,
        segment: Segment,
        alphabet: Ints,
        learned: WeightSets,
        rates: tuple[Rates, Rates],
        *,
        write: bool,
    ) -> Prediction:
        """Predict the tokens of a segment, each window before ``learned`` is updated by it.

        With ``write`` the tokens are counted as well.
        """
        out = Prediction.empty(len(segment.tokens) - segment.start, len(alphabet))
        if not len(alphabet):
            if write:
                self.write(segment)
            return out
        columns, sets = self._columns(alphabet), self._distinct(learned)
        numbers = self._load(sets, rates[: len(sets)], alphabet)
        found = []
        for lo, hi in segment.blocks(self._block // self.window * self.window):
            now = None if write else self.clock + AHEAD
            here = self._prepared(segment.tokens[:hi], segment.depth[:hi], lo, now)
            part = slice(lo - segment.start, hi - segment.start)
            here = segment.prepared(here, lo, hi)
            history, x, unseen = self._inputs(here, columns, sets, len(alphabet), self.window, write=write)
            rows = self._replay.run(numbers, self._table.columns.logit, x, adapt=True)
            found.append((part, rows.flatten(0, 1)[: hi - lo], unseen[: hi - lo]))
            if write:
                history.keep(self._table)
                self._pass(hi - lo)
        for part, p, unseen in found:
            out.p[part], out.weight_set[part] = floor(p).cpu().numpy(), unseen.cpu().numpy()
        numbers.put(sets, alphabet)
        return out

    def _pass(self, tokens: int) -> None:
        """Advance the clock by a counted block; keep within the budget."""
        self.clock += tokens
        if self.budget and self._table.size() > self.budget:
            self._table.prune(int(self.budget * PRUNE_TO), self.clock)

    def _distinct(self, learned: WeightSets) -> tuple[Weights, ...]:
        """The weight sets in use: one if no position counts as unseen or both are the same object."""
        return learned[:1] if self.plan.unseen_contexts >= TRAIL or learned[0] is learned[1] else learned

    def _prepared(self, tokens: Ints, depth: Ints, start: int, clock: int | None) -> Block:
        """The block of ``tokens[start:]``; without ``clock`` the time advances by one for each token."""
        now = self.clock if clock is None else clock
        return prepare(self.plan, self.patterns, tokens, depth, start, now, still=clock is not None)

    def _inputs(
        self,
        here: Block,
        column: Tensor,
        sets: tuple[Weights, ...],
        alphabet: int,
        window: int,
        *,
        write: bool,
    ) -> tuple[History, WindowInputs, Tensor]:
        """The history and inputs of a block, and which of its positions follow unseen contexts.

        ``column (V,)`` is the column of each token id, -1 outside of the alphabet.
        """
        size, pad = len(here.tokens), -len(here.tokens) % window
        padded = Block(*(np.pad(c, ((0, pad), *((0, 0),) * (c.ndim - 1))) for c in here))
        history = self._history(padded, size, write=write)
        fields, before, cell, tokens, time = (
            self._here(c) for c in (padded.fields, padded.before, padded.cell, padded.tokens, padded.time)
        )
        position = torch.arange(size + pad, device=self.device)
        valid = position < size
        begin = position // window * window if write else torch.zeros_like(position)
        unseen = torch.zeros_like(position)
        if self.plan.unseen_contexts < TRAIL:
            trail = self._here(padded.trail)
            unknown = (trail >= 0) & ~history.there(self._table, trail, begin)
            unseen = (unknown.sum(1) > self.plan.unseen_contexts).long()
        target = torch.where(valid & (tokens >= 0), column[tokens.clamp(min=0)], -1)
        which = unseen if len(sets) > 1 else torch.zeros_like(unseen)
        places = Places(before, fields, cell, time, begin, valid, target, which)
        found = lookup.find(self.plan, history, places, column)
        few_shapes = self.device.type == "cuda"  # each shape is captured as a graph of its own
        return history, inputs.build(self.plan, found, places, alphabet, window, few_shapes), unseen

    def _history(self, here: Block, size: int, *, write: bool) -> History:
        """The history of a block; positions from ``size`` on are padding."""
        where, tokens = self._here(here.where), self._here(here.tokens)
        valid = torch.arange(len(tokens), device=self.device) < size
        return History(self._table, self.plan, where, tokens if write else None, valid, self.clock)

    def _here(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

    def _columns(self, alphabet: Ints) -> Tensor:
        """Column of each token id, -1 outside of the alphabet, int64 ``(MAX_VOCAB,)``."""
        if not fits(alphabet):
            raise UsageError(
                f"path = batched: an alphabet of {len(alphabet)} tokens up to {int(alphabet.max())} is too"
                f" large; allowed are {DENSE} tokens below {WIDEST}, or path = stream"
            )
        column = torch.full((MAX_VOCAB,), -1, device=self.device)
        column[self._here(alphabet)] = torch.arange(len(alphabet), device=self.device)
        return column

    def _load(self, sets: Sequence[Weights], rates: Sequence[Rates], alphabet: Ints) -> DeviceWeights:
        """The learned parameters on the device, in the arrays used before if these fit: graphs need them."""
        fresh, before = DeviceWeights.of(sets, rates, alphabet, self.device), self._numbers
        if before is None or any(a.shape != b.shape for a, b in zip(before, fresh, strict=True)):
            self._numbers = fresh
            return fresh
        for own, new in zip(before, fresh, strict=True):
            own.copy_(new)
        return before
