"""Batches for the updates of the metric: queries, and the items of the memory that they are compared with.

The items are a uniform sample of the memory. With ``geometry.near`` they are the nearest items of each
query and a uniform sample of the other items, each weighted by the number of items that it represents. The
sum over the items of a batch then estimates the sum over the memory without bias (importance sampling; R.
Neal, 2001). From a plain sample of ``K`` of ``N`` items the metric would learn a width that suits a memory
of ``K`` items. The queries of a batch come in groups of neighbours, which share nearest items and so leave
room for more queries. With ``geometry.keys = 0`` the items are the whole memory, each once, which a GPU
compares at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import torch
from torch import Generator, Tensor

from lior.config import GeometryConfig
from lior.data.corpus import Corpus, gather_contexts
from lior.geometry.neighbours import CellIndex
from lior.geometry.retrieval import Batch, Geometry, Part
from lior.interfaces import State
from lior.plugins.devices import block_entries
from lior.tensors import sub

_PROBES = 4
_POOL = 1 << 20
"""Maximum number of items that are searched for neighbours."""
_LEAST_SAMPLE = 0.25
"""Minimum share of the uniform sample in the items of a batch."""
_ENCODE_BLOCK = 65536
_SAMPLE_BLOCK = 4096
_PART_ENTRIES = 1 << 19
"""Maximum number of scores in memory on the CPU when queries are compared with the whole memory."""


@attrs.frozen
class BatchSampler:
    """A sampler of queries and memory items from positions in a corpus."""

    corpus: Corpus
    reach: int
    vocab: int
    config: GeometryConfig
    asked: Corpus | None = None
    """Corpus of the queries' contexts, of the same length; ``None`` for ``corpus`` itself."""

    def positions(self, lo: int, hi: int, count: int, generator: Generator) -> Tensor:
        """Return random positions in ``lo .. hi - 1``, int64 ``(count,)``."""
        return torch.randint(lo, hi, (count,), generator=generator, device=self.corpus.tokens.device)

    def blocks(self, items: int, count: int, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield up to ``count`` positions of ``0 .. items - 1``, each once, as contexts and tokens."""
        tokens = self.corpus.tokens
        at = torch.randperm(items, generator=generator, device=tokens.device)[:count].sort().values
        for part in at.split(_SAMPLE_BLOCK):
            yield self.contexts(part), tokens[part].long()

    def sample(self, items: int, generator: Generator) -> Tensor:
        """Return the uniform sample among a batch's items, from ``0 .. items - 1``; all of them with ``keys =
        0``."""
        near, keys = self.config.near * self.config.group, self.config.keys
        if not keys:
            return torch.arange(items, device=self.corpus.tokens.device)
        count = max(keys - near, math.ceil(keys * _LEAST_SAMPLE)) if near else keys
        return self.positions(0, items, min(count, items), generator)

    def batch(self, queries: Tensor, sample: Tensor, items: int, near: Tensor | None = None) -> Batch:
        """Return queries at positions ``(B,)`` against ``sample`` and the items ``near``.

        Parameters
        ----------
        near
            Nearest items of each query, int64 ``(B, N)``, -1 for none; ``None`` for a plain sample.
        """
        tokens = self.corpus.tokens
        parts: tuple[Part, ...]
        if near is None:
            keys = sample.sort().values
            parts = tuple(self._blocks(queries, keys))
        else:
            keys = torch.cat([near[near >= 0], sample]).unique()
            parts = tuple(self._parts(queries, keys, sample.unique(), near, items))
        return Batch(
            self.contexts(queries, self.asked),
            tokens[queries].long(),
            self.contexts(keys),
            tokens[keys].long(),
            parts,
        )

    def _blocks(self, queries: Tensor, keys: Tensor) -> Iterator[Part]:
        """Yield all queries against blocks of the items ``keys``, which are sorted."""
        size = max(block_entries(keys.device, _PART_ENTRIES) // len(queries), 1)
        rows, columns = self._excluded(queries, keys)
        order = columns.argsort()
        rows, columns = rows[order], columns[order]
        begins = range(0, len(keys), size)
        ends = torch.searchsorted(columns, torch.tensor(begins, device=keys.device)[1:]).tolist()
        for begin, some, at in zip(begins, rows.tensor_split(ends), columns.tensor_split(ends), strict=True):
            items = slice(begin, min(begin + size, len(keys)))
            yield Part(slice(0, len(queries)), items, (some, at - begin))

    def _parts(
        self, queries: Tensor, keys: Tensor, sample: Tensor, near: Tensor, items: int
    ) -> Iterator[Part]:
        """Yield groups of queries against the items near to one of them, and the sample of all others."""
        size = self.config.group
        for begin in range(0, len(queries), size):
            here = slice(begin, min(begin + size, len(queries)))
            own, log_weight = _weigh(near[here], sample, items)
            yield Part(here, torch.searchsorted(keys, own), self._excluded(queries[here], own), log_weight)

    def _excluded(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return pairs of queries and the items within ``exclude`` of them, a range of the sorted keys."""
        exclude = self.config.exclude
        first = torch.searchsorted(keys, queries - exclude, right=True)
        length = torch.searchsorted(keys, queries + exclude) - first
        rows = torch.repeat_interleave(length)
        columns = torch.arange(len(rows), device=keys.device) + (first - (length.cumsum(0) - length))[rows]
        return rows, columns

    def contexts(self, positions: Tensor, corpus: Corpus | None = None) -> Tensor:
        """Return contexts ``(B, reach)`` at ``positions`` of ``corpus``, or else of the sampler's own."""
        corpus = corpus or self.corpus
        return gather_contexts(corpus.tokens, positions, corpus.depth(positions), self.reach, self.vocab)


def _weigh(near: Tensor, sample: Tensor, items: int) -> tuple[Tensor, Tensor]:
    """Return the sorted positions of a batch's items, and the log of how many items each represents."""
    certain = near[near >= 0].unique()
    others = sample[~torch.isin(sample, certain)]
    represented = math.log((items - len(certain)) / len(others)) if len(others) else 0.0
    keys = torch.cat([certain, others])
    log_weight = torch.zeros(len(keys), device=keys.device)
    log_weight[len(certain) :] = represented
    order = keys.argsort()
    return keys[order], log_weight[order]


@attrs.frozen
class BatchProbe:
    """The objective of a batch, in the form of :class:`lior.interfaces.Probe`."""

    geometry: Geometry
    statistics: State
    batch: Batch

    def loss(self, params: State) -> float:
        """Return the mean retrieval loss in nats."""
        return float(self.geometry.loss(self.statistics | params, self.batch))

    def phases(self, params: State, nudge: float) -> State:
        """Return the two-phase statistic of every parameter."""
        return self.geometry.phases(self.statistics | params, self.batch, nudge)[0]


@attrs.define
class BatchStream:
    """The batches of a run in their order, and the fixed calibration batch that measures progress."""

    sampler: BatchSampler
    geometry: Geometry
    memory: int
    """Number of items, at the positions ``0 .. memory - 1``."""
    generator: Generator
    _drawn: State = attrs.field(factory=dict, init=False)
    """``queries`` and their nearest items ``near``, drawn ahead; for the calibration batch ``calibration``
    (queries), ``sample`` and ``near_calibration``. Entries that were not drawn yet are absent."""

    def set_calibration(self, lo: int, hi: int) -> None:
        """Choose the queries of :meth:`calibration` from positions ``lo .. hi - 1``."""
        sampler = self.sampler
        self._drawn["calibration"] = sampler.positions(lo, hi, sampler.config.batch, self.generator)
        self._drawn["sample"] = sampler.sample(self.memory, self.generator)

    def state(self) -> State:
        """Return tensors for :meth:`restore`."""
        return dict(self._drawn)

    def restore(self, state: State) -> None:
        """Continue as the stream that gave ``state``."""
        self._drawn = dict(state)

    def calibration(self) -> Batch:
        """Return the same queries and sample each time, with the nearest items found last."""
        drawn = self._drawn
        return self.sampler.batch(
            drawn["calibration"], drawn["sample"], self.memory, drawn.get("near_calibration")
        )

    def draw(self, state: State, update: int) -> Batch:
        """Return the batch of update number ``update``, in order from 0; ``state`` is the state of the
        geometry.

        With ``geometry.near`` the nearest items are searched every ``refresh`` updates.
        """
        config, sampler = self.sampler.config, self.sampler
        if not config.near:
            queries = sampler.positions(0, self.memory, config.batch, self.generator)
            return sampler.batch(queries, sampler.sample(self.memory, self.generator), self.memory)
        place = update % config.refresh
        if not place:
            self._refresh(state, config.batch * min(config.refresh, config.updates - update))
        rows = slice(place * config.batch, (place + 1) * config.batch)
        sample = sampler.sample(self.memory, self.generator)
        return sampler.batch(self._drawn["queries"][rows], sample, self.memory, self._drawn["near"][rows])

    def _refresh(self, state: State, count: int) -> None:
        """Draw the next ``count`` queries; find the nearest items of these and of the calibration batch."""
        config = self.sampler.config
        pool = torch.arange(self.memory, device=self.generator.device)
        if self.memory > _POOL:
            pool = self.sampler.positions(0, self.memory, _POOL, self.generator).unique()
        z = self._coordinates(state, pool)
        index = CellIndex.build(self.geometry.scorer(state), z, pool, generator=self.generator)
        self._drawn["queries"] = index.groups(count, config.group, generator=self.generator)
        for queries, near in (("queries", "near"), ("calibration", "near_calibration")):
            if (at := self._drawn.get(queries)) is not None:
                z = self._coordinates(state, at)
                self._drawn[near] = index.search(z, at, config.near, probes=_PROBES, exclude=config.exclude)

    def _coordinates(self, state: State, positions: Tensor) -> Tensor:
        encoder = sub(state, "encoder")
        parts = [self.sampler.contexts(part) for part in positions.split(_ENCODE_BLOCK)]
        return torch.cat([self.geometry.encoder.encode(encoder, part) for part in parts])
