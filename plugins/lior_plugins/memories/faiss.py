"""``faiss``: large memories on the CPU, read at the nearest items that an index finds.

Faiss (M. Douze et al., 2024) proposes items by an inverted list over the scorer's features. The scorer then
weighs them, and a read is one softmax over these neighbours. Items with near features have a low cost if
the product is a distance; with other products the neighbours are only a guess.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import attrs
import torch
from torch import Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.interfaces import Features, Scorer
from lior_plugins.memories.items import ItemMemory, ItemStore, normalise, raise_to

_QUERY_ROWS = 1024
_POINTS_PER_LIST = 64


@attrs.define(kw_only=True)
class Faiss(ItemMemory):
    """Items read by a softmax over approximate nearest neighbours.

    The index is built at the first read after a change of the items.

    Raises
    ------
    UsageError
        If faiss is not installed.
    """

    api_version: ClassVar[int] = 1
    name: ClassVar[str] = "faiss"

    neighbours: int = option(1024, help="items that a read weighs", low=1)
    lists: int = option(0, help="lists of the index; 0 = half the root of the number of items", low=0)
    probes: int = option(16, help="lists that are searched for neighbours", low=1)

    _features: Features | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _index: Any = attrs.field(default=None, init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        _module()

    def _changed(self) -> None:
        self._features = self._index = None

    def _distributions(self, z: Tensor, alphabet: Tensor, store: ItemStore, scorer: Scorer) -> Tensor:
        features = self._all(store, scorer)
        column = torch.searchsorted(alphabet, store.token).clamp(max=len(alphabet) - 1)
        column[alphabet[column] != store.token] = len(alphabet)  # an extra column, dropped at the end
        rows = [self._near(part, column, len(alphabet), features, scorer) for part in z.split(_QUERY_ROWS)]
        return torch.cat(rows) if rows else z.new_empty(0, len(self.inverse_temperatures), len(alphabet))

    def _all(self, store: ItemStore, scorer: Scorer) -> Features:
        if self._features is None:
            self._features = scorer.features(store.z, query=False)
            self._index = self._indexed(self._features.f)
        return self._features

    def _weighed(self, z: Tensor, store: ItemStore, scorer: Scorer) -> tuple[Tensor, Tensor]:
        items, queries = self._all(store, scorer), scorer.features(z, query=True)
        found = self._index.search(queries.f.cpu().numpy(), min(self.neighbours, len(items.f)))[1]
        near = torch.from_numpy(found)[0].to(z.device)
        near = near[near >= 0]
        return near, scorer.scores(queries, items.rows(near))[0]

    def _indexed(self, f: Tensor) -> Any:
        faiss, points = _module(), f.cpu().numpy()
        count = min(self.lists or max(math.isqrt(len(points)) // 2, 1), len(points))
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(points.shape[1]), points.shape[1], count)
        index.cp.min_points_per_centroid = 1  # no warning on standard error
        index.cp.max_points_per_centroid = _POINTS_PER_LIST
        index.train(points)
        index.add(points)
        index.nprobe = self.probes
        return index

    def _near(self, z: Tensor, column: Tensor, size: int, items: Features, scorer: Scorer) -> Tensor:
        """Return distributions of a few queries from the neighbours of each."""
        queries = scorer.features(z, query=True)
        count = min(self.neighbours, len(column))
        found = torch.from_numpy(self._index.search(queries.f.cpu().numpy(), count)[1]).to(z.device)
        scores = torch.full_like(found, -torch.inf, dtype=z.dtype)
        for row, near in enumerate(found):
            near = near[near >= 0]  # faiss pads with -1, at the end
            one = queries.rows(slice(row, row + 1))
            scores[row, : len(near)] = scorer.scores(one, items.rows(near))[0]
        columns = torch.where(found >= 0, column[found.clamp(min=0)], size)
        top = scores.masked_fill(columns == size, -torch.inf).amax(1, keepdim=True)
        weights = (scores - top.clamp(min=torch.finfo(z.dtype).min)).exp_()
        hits = z.new_zeros(len(z), len(self.inverse_temperatures), size + 1)
        for level, power in enumerate(self.inverse_temperatures):
            hits[:, level].scatter_add_(1, columns, raise_to(weights, power))
        return normalise(hits[:, :, :size])


def _module() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise UsageError("memory 'faiss' needs the package faiss-cpu: pip install 'lior[faiss]'") from error
    return faiss
