"""``sdm``: sparse distributed memory with selected-coordinate addresses.

Every address pattern selects one hard location for a context; a location
holds token counters (P. Kanerva, *Sparse Distributed Memory*, 1988; pattern
design after Jaeckel). A write adds 1 to one counter per pattern, a read turns
the counters of each pattern into a distribution by absolute discounting:
``O(S)`` whatever the memory's size. Writes are integer additions, so their
order does not matter and erasing is exact.
"""

from __future__ import annotations

from typing import ClassVar

import attrs
import torch
from torch import Tensor

from lior.counting import addresses, counters, discounting
from lior.counting.counters import Counters
from lior.errors import UsageError
from lior.interfaces import Evidence, Items, Query, Scorer, State
from lior.options import option

ORDERS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 13, 18)
PATTERNS = (
    "word", "word-1 word", "word-2 word-1 word",
    "2-4", "2-3", "1,3", "3-6", "1,3-5", "2-6",
    "word-1 1", "column 1",
)  # fmt: skip

_MERGE_SHARE = 1 / 16
_CONFIDENCE_BINS = 6
_PREVIOUS_TOKENS = 257
_FURTHER_SURE = (8, 3, 2)
"""Counts above which the first three further patterns are sure: the less specific, the later."""


@attrs.define(kw_only=True)
class Sdm:
    """Counters at selected-coordinate addresses."""

    api_version: ClassVar[int] = 1
    needs_geometry: ClassVar[bool] = False

    orders: tuple[int, ...] = option(ORDERS, help="lengths of the nested contexts, ascending from 0")
    patterns: tuple[str, ...] = option(PATTERNS, help="further address patterns")
    base_order: int = option(3, help="nested context under the further patterns", low=0)
    discounts: tuple[float, ...] = option((0.7, 0.95, 1.1), help="discounts of counts 1, 2, 3 and more")

    _main: Counters = attrs.field(factory=counters.empty, init=False, repr=False, eq=False)
    _recent: Counters = attrs.field(factory=counters.empty, init=False, repr=False, eq=False)
    _staged: list[tuple[Tensor, Tensor]] = attrs.field(factory=list, init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.orders or self.orders[0] != 0 or sorted(set(self.orders)) != list(self.orders):
            raise UsageError(f"orders = {list(self.orders)}: allowed are ascending lengths from 0")
        if self.base_order not in self.orders:
            raise UsageError(f"base_order = {self.base_order}: allowed is one of {list(self.orders)}")
        if len(self.experts) > addresses.MAX_PATTERNS:
            raise UsageError(f"{len(self.experts)} patterns; at most {addresses.MAX_PATTERNS} fit")
        if not all(0 < d <= i for i, d in enumerate(self.discounts, 1)):
            raise UsageError(f"discounts = {list(self.discounts)}: the k-th must be in (0, k]")
        for pattern in self._address_patterns:
            addresses.parse(pattern)

    @property
    def context(self) -> int:
        """Tokens before a position that its addresses depend on."""
        return addresses.REACH

    @property
    def experts(self) -> tuple[str, ...]:
        """One expert a pattern."""
        return (*(f"order {m}" for m in self.orders), *self.patterns)

    @property
    def _address_patterns(self) -> tuple[str, ...]:
        return (*(f"1-{m}" if m else "" for m in self.orders), *self.patterns)

    def gate_sizes(self, alphabet: int) -> tuple[int, ...]:
        """Longest match × its confidence; previous token; confidence of the first three further patterns."""
        return (len(self.orders) * _CONFIDENCE_BINS, _PREVIOUS_TOKENS, 3 ** len(_FURTHER_SURE))

    # --- writing ---

    def stage(self, items: Items) -> None:
        """Compute the addresses of ``items`` and hold them."""
        self._staged.append(self._located(items))

    def _located(self, items: Items) -> tuple[Tensor, Tensor]:
        where = addresses.addresses(items.text, self._address_patterns, slice(items.start, None))
        return where, items.text.tokens[items.start :]

    def commit(self) -> int:
        """Count the staged items; small commits go to a small table that is merged now and then."""
        if not self._staged:
            return 0
        tokens = torch.cat([t for _, t in self._staged])
        written = counters.tally_locations([w for w, _ in self._staged], tokens)
        self._staged = []
        self._recent = counters.add(self._recent, written) if len(self._recent.keys) else written
        if len(self._recent.keys) > _MERGE_SHARE * len(self._main.keys):
            self._merge()
        return len(tokens)

    def _merge(self) -> None:
        main = self._main
        self._main = counters.add(main, self._recent) if len(main.keys) else self._recent
        self._recent = counters.empty(self._main.keys.device)

    def discard(self) -> None:
        """Drop the staged items."""
        self._staged = []

    def erase(self, items: Items) -> int:
        """Take back what the same items wrote.

        Raises
        ------
        UsageError
            When the memory does not hold them all; it is then left as it was.
        """
        locations, tokens = self._located(items)
        self._merge()
        # An empty memory does not know its device yet: the table that it begins with is on the CPU.
        main = self._main if len(self._main.keys) else counters.empty(tokens.device)
        rest = counters.add(main, counters.tally_locations([locations], tokens), sign=-1)
        if bool((rest.counts < 0).any()):
            raise UsageError("the items to erase were not all written to this memory; nothing was erased")
        self._main = rest
        return len(tokens)

    # --- reading ---

    def attach(self, scorer: Scorer | None) -> None:
        """Counts do not depend on the geometry."""

    def read(self, query: Query, alphabet: Tensor) -> Evidence:
        """One distribution a pattern and the three gates."""
        where = addresses.addresses(query.text, self._address_patterns, query.positions)
        counts = self._counts(where, alphabet)
        log_p = discounting.chain(
            counts, len(self.orders), self.orders.index(self.base_order), self.discounts
        )
        return Evidence(log_p.clamp_(min=1e-12).log_().transpose(0, 1), self._gates(counts, query))

    def _counts(self, where: Tensor, alphabet: Tensor) -> Tensor:
        column_of = torch.full((counters.MAX_VOCAB,), -1, dtype=torch.int64, device=alphabet.device)
        column_of[alphabet] = torch.arange(len(alphabet), device=alphabet.device)
        out = torch.zeros(where.numel(), len(alphabet), device=where.device)
        for table in (self._main, self._recent):
            counters.accumulate(table, where.reshape(-1), column_of, out)
        return out.view(*where.shape, len(alphabet))

    def _gates(self, counts: Tensor, query: Query) -> tuple[Tensor, ...]:
        total, distinct = counts.sum(2), (counts > 0).sum(2)
        orders = len(self.orders)
        index = torch.arange(orders, device=counts.device)
        longest = torch.where(total[:orders] > 0, index[:, None], 0).amax(0)
        n = total.gather(0, longest[None])[0]
        u = distinct.gather(0, longest[None])[0]
        sure = (n > 1).long() + (n > 4)
        confidence = torch.where(u <= 1, sure, 3 + (u > 2).long() + (u > 5))
        text, at = query.text, query.positions
        previous = torch.where(
            text.depth[at] > 0,
            text.tokens[(at - 1).clamp(min=0)] % (_PREVIOUS_TOKENS - 1),
            _PREVIOUS_TOKENS - 1,
        )
        words = torch.zeros_like(longest)
        for column, (t, high) in enumerate(zip(total[orders:], _FURTHER_SURE, strict=False)):
            words = words + 3**column * ((t > 0).long() + (t > high))
        return longest * _CONFIDENCE_BINS + confidence, previous, words

    # --- state ---

    def snapshot(self) -> State:
        """The counters in canonical order."""
        self._merge()
        return {"keys": self._main.keys.clone(), "counts": self._main.counts.clone()}

    def restore(self, snapshot: State) -> None:
        """Become the memory of ``snapshot``."""
        self._staged = []
        self._main = Counters(snapshot["keys"].clone(), snapshot["counts"].clone())
        self._recent = counters.empty(self._main.keys.device)
