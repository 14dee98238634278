"""``exact``: every stored position, read by a softmax over the whole memory or the cells near the query.

The whole memory is read in blocks with a running maximum, so no ``queries × items`` matrix ever exists.
With ``probes`` a read visits only that many cells of an inverted list, which is fast enough for a memory of
every position of a text.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.geometry.neighbours import CellIndex
from lior.interfaces import Features, Scorer
from lior.plugins.devices import block_entries, fit_blocks
from lior.tensors import threads
from lior_plugins.memories.items import ItemMemory, ItemStore, normalise, raise_to

_BLOCK_ENTRIES = 1 << 20
"""Scores in memory at a time on the CPU."""
_QUERY_ROWS = 256
_TILE = 32
"""Number of items of one token that are added up together."""


@attrs.define(kw_only=True)
class Exact(ItemMemory):
    """Dense store of coordinates with their next tokens."""

    api_version: ClassVar[int] = 2
    name: ClassVar[str] = "exact"

    probes: int = option(0, help="cells of near items that a read visits; 0 = the whole memory", low=0)

    _tiles: _Tiles | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _cells: CellIndex | None = attrs.field(default=None, init=False, repr=False, eq=False)

    def _changed(self) -> None:
        self._tiles = self._cells = None

    def _distributions(self, z: Tensor, alphabet: Tensor, store: ItemStore, scorer: Scorer) -> Tensor:
        if self.probes:
            return self._near(z, alphabet, store, scorer)
        with threads(len(z) * store.z.numel()):
            tiles = self._tiled(store, scorer)
            column = torch.searchsorted(alphabet, tiles.token).clamp(max=len(alphabet) - 1)
            column = torch.where(alphabet[column] == tiles.token, column, len(alphabet))
            read = partial(self._whole, tiles=tiles, column=column, alphabet=len(alphabet), scorer=scorer)
            rows = [fit_blocks(partial(read, part), z.device) for part in z.split(_QUERY_ROWS)]
        return torch.cat(rows) if rows else z.new_empty(0, len(self.inverse_temperatures), len(alphabet))

    def _tiled(self, store: ItemStore, scorer: Scorer) -> _Tiles:
        if self._tiles is None:
            self._tiles = _Tiles.build(store, scorer)
        return self._tiles

    def _weighed(self, z: Tensor, store: ItemStore, scorer: Scorer) -> tuple[Tensor, Tensor]:
        if not self.probes:
            tiles = self._tiled(store, scorer)
            scores = scorer.scores(scorer.features(z, query=True), tiles.items)[0]
            return torch.arange(len(tiles.place), device=z.device), scores[tiles.place]
        cells = self._indexed(store, scorer)
        visits = [(cells.position[items], scores[0]) for _, _, items, scores in cells.visits(z, self.probes)]
        return torch.cat([items for items, _ in visits]), torch.cat([scores for _, scores in visits])

    def _indexed(self, store: ItemStore, scorer: Scorer) -> CellIndex:
        if self._cells is None:
            # A fixed seed: the same items give the same cells, for any order of writing.
            generator, numbers = Generator(store.z.device).manual_seed(0), torch.arange(len(store.z))
            numbers = numbers.to(store.z.device)
            with threads(store.z.numel()):
                self._cells = CellIndex.build(scorer, store.z, numbers, generator=generator)
        return self._cells

    def _whole(self, z: Tensor, tiles: _Tiles, column: Tensor, alphabet: int, scorer: Scorer) -> Tensor:
        """Return distributions of a few queries from all items; ``column`` of each tile is ``alphabet`` for
        none."""
        queries = scorer.features(z, query=True)
        hits = z.new_zeros(len(self.inverse_temperatures), len(z), alphabet + 1)
        top = z.new_full((len(z), 1), -torch.inf)
        size = block_entries(z.device, _BLOCK_ENTRIES) // max(len(z), 1)
        for block in range(0, len(column), max(size // _TILE, 1)):
            here = slice(block, block + max(size // _TILE, 1))
            rows = slice(here.start * _TILE, here.stop * _TILE)
            scores = scorer.scores(queries, tiles.items.rows(rows)).add_(tiles.counts[rows])
            higher = torch.maximum(top, scores.amax(1, keepdim=True))
            weights, fallen = scores.sub_(higher).exp_(), (top - higher).exp_().nan_to_num_()
            top = higher
            for level, power in enumerate(self.inverse_temperatures):
                sums = raise_to(weights, power).unflatten(1, (-1, _TILE)).sum(2)
                hits[level].mul_(raise_to(fallen, power)).index_add_(1, column[here], sums)
        return normalise(hits[..., :alphabet]).transpose(0, 1)

    def _near(self, z: Tensor, alphabet: Tensor, store: ItemStore, scorer: Scorer) -> Tensor:
        """Return distributions of queries from the items of the nearest cells."""
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


class _Tiles(NamedTuple):
    """All items, in tiles of :data:`_TILE` with the same token; unused entries of a tile count nothing.

    Sums over a token are sums over tiles, in one operation for all tokens, and a read does not wait for the
    device.
    """

    items: Features
    counts: Tensor
    """Added to a score: 0, or ``-inf`` without an item, ``(M * _TILE,)``."""
    token: Tensor
    """Token of each tile, int64 ``(M,)``."""
    place: Tensor
    """Place of each item among the tiles, int64 ``(N,)``."""

    @classmethod
    def build(cls, store: ItemStore, scorer: Scorer) -> _Tiles:
        """Build the tiles of a store, whose items are in the order of their tokens; waits for the device."""
        token, count = torch.unique_consecutive(store.token, return_counts=True)
        tiles = (count + _TILE - 1) // _TILE
        ahead = (tiles * _TILE - count).cumsum(0) - (tiles * _TILE - count)
        place = torch.arange(len(store.token), device=token.device) + ahead.repeat_interleave(count)
        token = token.repeat_interleave(tiles)
        item = torch.zeros(len(token) * _TILE, dtype=torch.int64, device=token.device)
        item[place] = torch.arange(len(place), device=token.device)
        counts = store.z.new_full((len(item),), -torch.inf)
        counts[place] = torch.zeros_like(place).to(counts)
        return cls(scorer.features(store.z[item], query=False), counts, token, place)
