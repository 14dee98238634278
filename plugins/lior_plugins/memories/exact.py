"""``exact``: every stored position, read by a softmax over the whole memory or the cells near the query.

The whole memory is read in blocks with a running maximum, so no ``queries × items`` matrix ever exists. With
``probes`` a read visits that many cells of an inverted list only, which is fast enough for a memory of every
position of a text.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.geometry.neighbours import CellIndex
from lior.interfaces import Features, Scorer
from lior.tensors import threads
from lior_plugins.memories.items import ItemMemory, ItemStore, normalise, raise_to

_BLOCK_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 26}
_QUERY_ROWS = 256


@attrs.define(kw_only=True)
class Exact(ItemMemory):
    """Dense store of coordinates with their next tokens."""

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "exact"

    probes: int = option(0, help="cells of near items that a read visits; 0 = the whole memory", low=0)

    _features: Features | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _cells: CellIndex | None = attrs.field(default=None, init=False, repr=False, eq=False)

    def _changed(self) -> None:
        self._features = self._cells = None

    def _distributions(self, z: Tensor, alphabet: Tensor, store: ItemStore, scorer: Scorer) -> Tensor:
        if self.probes:
            return self._near(z, alphabet, store, scorer)
        with threads(len(z) * store.z.numel()):
            runs, items = _runs(store.token, alphabet), self._all(store, scorer)
            rows = [self._whole(part, alphabet, runs, items, scorer) for part in z.split(_QUERY_ROWS)]
        return torch.cat(rows) if rows else z.new_empty(0, len(self.inverse_temperatures), len(alphabet))

    def _all(self, store: ItemStore, scorer: Scorer) -> Features:
        if self._features is None:
            self._features = scorer.features(store.z, query=False)
        return self._features

    def _weighed(self, z: Tensor, store: ItemStore, scorer: Scorer) -> tuple[Tensor, Tensor]:
        if not self.probes:
            scores = scorer.scores(scorer.features(z, query=True), self._all(store, scorer))[0]
            return torch.arange(len(scores), device=z.device), scores
        cells = self._indexed(store, scorer)
        visits = [(cells.position[items], scores[0]) for _, _, items, scores in cells.visits(z, self.probes)]
        return torch.cat([items for items, _ in visits]), torch.cat([scores for _, scores in visits])

    def _indexed(self, store: ItemStore, scorer: Scorer) -> CellIndex:
        if self._cells is None:
            # A fixed seed: the same items give the same cells, in whatever order they were written.
            generator, numbers = Generator(store.z.device).manual_seed(0), torch.arange(len(store.z))
            numbers = numbers.to(store.z.device)
            with threads(store.z.numel()):
                self._cells = CellIndex.build(scorer, store.z, numbers, generator=generator)
        return self._cells

    def _whole(
        self, z: Tensor, alphabet: Tensor, runs: list[_Run], items: Features, scorer: Scorer
    ) -> Tensor:
        """Distributions of a few queries from all ``items``."""
        queries = scorer.features(z, query=True)
        hits = z.new_zeros(len(self.inverse_temperatures), len(z), len(alphabet))
        top = z.new_full((len(z), 1), -torch.inf)
        sharp = hits.new_tensor(self.inverse_temperatures)[:, None, None]
        size = max(_BLOCK_ELEMENTS.get(z.device.type, 1 << 20) // max(len(z), 1), 1)
        for lo in range(0, len(items.f), size):
            scores = scorer.scores(queries, items.rows(slice(lo, lo + size)))
            higher = torch.maximum(top, scores.amax(1, keepdim=True))
            hits *= ((top - higher).exp() ** sharp).nan_to_num_()
            top = higher
            weights = scores.sub_(higher).exp_()
            _add_by_token(hits, weights, runs, lo, self.inverse_temperatures)
        return normalise(hits).transpose(0, 1)

    def _near(self, z: Tensor, alphabet: Tensor, store: ItemStore, scorer: Scorer) -> Tensor:
        """Distributions of queries from the items of the nearest cells."""
        cells = self._indexed(store, scorer)
        hits = z.new_zeros(len(self.inverse_temperatures), len(z), len(alphabet))
        top = z.new_full((len(z), 1), -torch.inf)
        sharp = hits.new_tensor(self.inverse_temperatures)[:, None, None]
        for rows, _, items, scores in cells.visits(z, self.probes):
            higher = torch.maximum(top[rows], scores.amax(1, keepdim=True))
            scores = scores.sub_(higher)
            # A cell has few of all tokens, and exp is several times as fast as a power.
            tokens, number = store.token[cells.position[items]].unique(return_inverse=True)
            known = torch.isin(tokens, alphabet)
            same = (number[:, None] == known.nonzero()[:, 0]).to(scores)
            here = torch.stack([(scores * power).exp_() @ same for power in self.inverse_temperatures])
            decay = ((top[rows] - higher).exp() ** sharp).nan_to_num_()
            after = hits[:, rows] * decay
            after[:, :, torch.searchsorted(alphabet, tokens[known])] += here
            hits[:, rows] = after
            top[rows] = higher
        return normalise(hits).transpose(0, 1)


class _Run(NamedTuple):
    """Neighbouring items with the same token."""

    column: int
    """Of the token in the alphabet."""
    begin: int
    end: int


def _runs(tokens: Tensor, alphabet: Tensor) -> list[_Run]:
    """The runs of the ascending ``tokens`` that are in ``alphabet``; waits for the device once."""
    present, counts = torch.unique_consecutive(tokens, return_counts=True)
    column = torch.searchsorted(alphabet, present).clamp(max=len(alphabet) - 1)
    columns = torch.where(alphabet[column] == present, column, -1)
    ends = counts.cumsum(0)
    rows = torch.stack([columns, ends - counts, ends], 1).tolist()
    return [_Run(*row) for row in rows if row[0] >= 0]


def _add_by_token(
    hits: Tensor, weights: Tensor, runs: list[_Run], first: int, powers: tuple[float, ...]
) -> None:
    """Sum ``weights (B, K) ** powers`` over the items of each token into ``hits (len(powers), B, A)``.

    The items are those from ``first`` on. The loop is over tokens, whose items are a slice.
    """
    last = first + weights.shape[1]
    here = [(r.column, max(r.begin, first) - first, min(r.end, last) - first) for r in runs]
    for level, power in enumerate(powers):
        sharpened = raise_to(weights, power)
        for column, begin, end in here:
            if begin < end:
                hits[level, :, column] += sharpened[:, begin:end].sum(1)
