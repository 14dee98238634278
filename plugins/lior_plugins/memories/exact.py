"""``exact``: every stored position, read by a softmax over the whole memory.

Reads are blockwise with a running maximum, so no ``queries × items`` matrix
ever exists. Over its capacity the memory keeps the items of lowest priority,
where the priority is a hash of the item's place: a uniform sample that does
not depend on the order of writing (bottom-k sampling, E. Cohen and
H. Kaplan, 2007).
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Tensor

from lior.counting.addresses import mix
from lior.errors import UsageError
from lior.interfaces import Evidence, Features, Items, Query, Scorer, State
from lior.options import option

_CONFIDENCE_BINS = 8
_BLOCK_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 26}
_QUERY_ROWS = 256


class _Store(NamedTuple):
    """Items in the order of their tokens."""

    z: Tensor
    token: Tensor
    document: Tensor
    offset: Tensor

    def at(self, index: Tensor) -> _Store:
        return _Store(*(t[index] for t in self))

    @property
    def place(self) -> Tensor:
        """One number per (document, offset)."""
        return self.document << 40 | self.offset


@attrs.define(kw_only=True)
class Exact:
    """Dense store of coordinates with their next tokens."""

    api_version: ClassVar[int] = 1
    needs_geometry: ClassVar[bool] = True

    capacity: int = option(131072, help="items kept, a uniform sample beyond; 0 = all", low=0)
    sharpness: tuple[float, ...] = option((1.0, 2.0, 3.0), help="multiples of β, one expert each")
    smoothing: float = option(
        0.02, help="share of the uniform distribution in each expert", low=1e-6, high=0.5
    )

    _store: _Store | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _staged: list[_Store] = attrs.field(factory=list, init=False, repr=False, eq=False)
    _scorer: Scorer | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _features: Features | None = attrs.field(default=None, init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not self.sharpness or not all(0 < s < math.inf for s in self.sharpness):
            raise UsageError(f"sharpness = {list(self.sharpness)}: allowed are finite numbers above 0")

    @property
    def context(self) -> int:
        """None: coordinates come from outside, and no token is looked at."""
        return 0

    @property
    def experts(self) -> tuple[str, ...]:
        """One expert a sharpness."""
        return tuple(f"retrieval ×{s:g}" for s in self.sharpness)

    def gate_sizes(self, alphabet: int) -> tuple[int, ...]:
        """How peaked the first expert is."""
        return (_CONFIDENCE_BINS,)

    # --- writing ---

    def stage(self, items: Items) -> None:
        """Hold ``items``.

        Raises
        ------
        UsageError
            When they come without coordinates.
        """
        if items.z is None:
            raise UsageError("memory 'exact' stores coordinates, and these items have none: give Items.z")
        text, at = items.text, slice(items.start, None)
        self._staged.append(_Store(items.z, text.tokens[at], text.document[at], text.depth[at]))

    def commit(self) -> int:
        """Append the staged items, then drop what exceeds the capacity."""
        count = sum(len(s.token) for s in self._staged)
        if not count:
            return 0
        parts = [self._store, *self._staged] if self._store is not None else self._staged
        self._staged = []
        self._keep(_Store(*(torch.cat(column) for column in zip(*parts, strict=True))))
        return count

    def _keep(self, store: _Store) -> None:
        if self.capacity and len(store.token) > self.capacity:
            priority = mix(mix(torch.zeros_like(store.offset), store.document), store.offset)
            store = store.at(priority.topk(self.capacity, largest=False, sorted=False).indices)
        canonical = store.place.argsort()
        self._store = store.at(canonical[store.token[canonical].argsort(stable=True)])
        self._features = None

    def discard(self) -> None:
        """Drop the staged items."""
        self._staged = []

    def erase(self, items: Items) -> int:
        """Remove the items at the same places. Below the capacity this is exact; above it, items
        that had been dropped in favour of the erased ones must be written again."""
        if self._store is None:
            return 0
        at = slice(items.start, None)
        places = items.text.document[at] << 40 | items.text.depth[at]
        keep = ~torch.isin(self._store.place, places)
        removed = len(keep) - int(keep.sum())
        self._store = self._store.at(keep)
        self._features = None
        return removed

    # --- reading ---

    def attach(self, scorer: Scorer | None) -> None:
        """Use ``scorer`` from now on."""
        self._scorer = scorer
        self._features = None

    def read(self, query: Query, alphabet: Tensor) -> Evidence:
        """One distribution a sharpness, and one gate.

        Raises
        ------
        UsageError
            Without coordinates in the query, or before a geometry was attached.
        """
        if self._scorer is None or query.z is None:
            raise UsageError("memory 'exact' needs a geometry: attach a scorer and give Query.z")
        runs = [] if self._store is None else _runs(self._store.token, alphabet)
        rows = [self._read(z, alphabet, runs) for z in query.z.split(_QUERY_ROWS)]
        p = torch.cat(rows) if rows else query.z.new_empty(0, len(self.sharpness), len(alphabet))
        top = p[:, 0].amax(1)
        gate = (top * _CONFIDENCE_BINS).long().clamp(max=_CONFIDENCE_BINS - 1)
        p = (1 - self.smoothing) * p + self.smoothing / len(alphabet)
        return Evidence(p.log_(), (gate,))

    def _read(self, z: Tensor, alphabet: Tensor, runs: list[_Run]) -> Tensor:
        """Distributions ``(B, sharpness, A)`` of a few queries."""
        hits = z.new_zeros(len(self.sharpness), len(z), len(alphabet))
        store, scorer = self._store, self._scorer
        if store is None or not len(store.token) or scorer is None:
            return hits.transpose(0, 1) + 1.0 / len(alphabet)
        if self._features is None:
            self._features = scorer.features(store.z, query=False)
        queries, items = scorer.features(z, query=True), self._features
        top = z.new_full((len(z), 1), -torch.inf)
        sharp = hits.new_tensor(self.sharpness)[:, None, None]
        size = max(_BLOCK_ELEMENTS.get(z.device.type, 1 << 20) // max(len(z), 1), 1)
        for lo in range(0, len(store.token), size):
            scores = scorer.scores(queries, items.rows(slice(lo, lo + size)))
            higher = torch.maximum(top, scores.amax(1, keepdim=True))
            hits *= ((top - higher).exp() ** sharp).nan_to_num_()
            top = higher
            weights = scores.sub_(higher).exp_()
            _add_by_token(hits, weights, runs, lo, self.sharpness)
        total = hits.sum(2, keepdim=True)
        p = torch.where(total > 0, hits / total.clamp(min=1e-30), torch.full_like(hits, 1.0 / len(alphabet)))
        return p.transpose(0, 1)

    # --- state ---

    def snapshot(self) -> State:
        """The items in the order of their places; nothing at all of an empty memory."""
        if self._store is None or not len(self._store.token):
            return {}
        store = self._store.at(self._store.place.argsort())
        return {name: value.clone() for name, value in store._asdict().items()}

    def restore(self, snapshot: State) -> None:
        """Become the memory of ``snapshot``."""
        self._staged = []
        self._store, self._features = None, None
        if snapshot:
            self._keep(_Store(**snapshot))


class _Run(NamedTuple):
    """Neighbouring items with the same token."""

    column: int
    """Of the token in the alphabet."""
    begin: int
    end: int


def _runs(tokens: Tensor, alphabet: Tensor) -> list[_Run]:
    """The runs of ``tokens``, which ascend, that are in ``alphabet``; waits for the device once."""
    present, counts = torch.unique_consecutive(tokens, return_counts=True)
    column = torch.searchsorted(alphabet, present).clamp(max=len(alphabet) - 1)
    columns = torch.where(alphabet[column] == present, column, -1)
    ends = counts.cumsum(0)
    rows = torch.stack([columns, ends - counts, ends], 1).tolist()
    return [_Run(*row) for row in rows if row[0] >= 0]


def _add_by_token(
    hits: Tensor, weights: Tensor, runs: list[_Run], first: int, sharpness: tuple[float, ...]
) -> None:
    """Sum ``weights (B, K) ** sharpness`` over the items of each token into ``hits (sharpness, B, A)``.

    ``weights`` are those of the items from ``first`` on. The loop is over
    tokens, whose items are a slice.
    """
    last = first + weights.shape[1]
    here = [(r.column, max(r.begin, first) - first, min(r.end, last) - first) for r in runs]
    for level, power in enumerate(sharpness):
        powered = weights if power == 1 else weights.square() if power == 2 else weights**power
        for column, begin, end in here:
            if begin < end:
                hits[level, :, column] += powered[:, begin:end].sum(1)
