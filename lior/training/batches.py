"""Batches to learn the geometry from: queries, and the part of the memory they are compared with.

A batch's items are a uniform sample. With ``geometry.near`` they are the nearest
items of each query and a uniform sample of all others, and an item of the sample
counts for as many as it stands for: then a batch's sum over items estimates the
sum over the whole memory without bias (importance sampling; R. Neal, 2001). From a
plain sample of ``K`` of ``N`` items the geometry learns to be as wide as a memory of
``K`` items needs. The queries of a batch come in groups from one place each, since
neighbours that are shared leave room for more of them.
"""

from __future__ import annotations

import math

import attrs
import torch
from torch import Generator, Tensor

from lior.config import GeometryConfig
from lior.data.corpus import Corpus, gather_contexts
from lior.geometry.neighbours import CellIndex
from lior.geometry.retrieval import Batch, Geometry
from lior.interfaces import State
from lior.tensors import sub

_PROBES = 4
_POOL = 1 << 20
"""Most items that are searched for neighbours."""
_LEAST_SAMPLE = 0.25
"""Share of a batch's items that is a uniform sample, at least."""
_ENCODE_BLOCK = 65536


@attrs.frozen
class BatchSampler:
    """Draws batches: random queries against a part of the memory."""

    corpus: Corpus
    reach: int
    vocab: int
    config: GeometryConfig
    asked: Corpus | None = None
    """What the contexts of queries are read from, of the same length; ``None`` for the corpus itself."""

    def positions(self, lo: int, hi: int, count: int, generator: Generator) -> Tensor:
        """Random positions of ``lo .. hi - 1``, int64 ``(count,)``."""
        return torch.randint(lo, hi, (count,), generator=generator, device=self.corpus.tokens.device)

    def sample(self, items: int, generator: Generator) -> Tensor:
        """The uniform sample of a batch's items, of ``0 .. items - 1``."""
        near, keys = self.config.near * self.config.batch, self.config.keys
        count = max(keys - near, math.ceil(keys * _LEAST_SAMPLE)) if near else keys
        return self.positions(0, items, min(count, items), generator)

    def batch(self, queries: Tensor, sample: Tensor, items: int, near: Tensor | None = None) -> Batch:
        """Queries at positions ``(B,)`` against ``sample`` and the items ``near`` them.

        Parameters
        ----------
        near
            Nearest items of each query, -1 for none; ``None`` leaves the sample as it is.
        """
        if near is None:
            keys, log_weight = sample.sort().values, None
        else:
            keys, log_weight = _weighed(near, sample, items)
        tokens, exclude = self.corpus.tokens, self.config.exclude
        # Items too near to a query are runs of the sorted keys.
        first = torch.searchsorted(keys, queries - exclude, right=True)
        length = torch.searchsorted(keys, queries + exclude) - first
        rows = torch.repeat_interleave(length)
        columns = torch.arange(len(rows), device=keys.device) + (first - (length.cumsum(0) - length))[rows]
        return Batch(
            self.contexts(queries, self.asked), tokens[queries].long(),
            self.contexts(keys), tokens[keys].long(),
            (rows, columns), log_weight,
        )  # fmt: skip

    def contexts(self, positions: Tensor, corpus: Corpus | None = None) -> Tensor:
        """Contexts ``(B, reach)`` at ``positions``, of another corpus when one is given."""
        corpus = corpus or self.corpus
        return gather_contexts(corpus.tokens, positions, corpus.depth(positions), self.reach, self.vocab)


def _weighed(near: Tensor, sample: Tensor, items: int) -> tuple[Tensor, Tensor]:
    """Sorted positions of the items of a batch, and the log of how many each stands for."""
    certain = near[near >= 0].unique()
    others = sample.unique()
    others = others[~torch.isin(others, certain)]
    stands_for = math.log((items - len(certain)) / len(others)) if len(others) else 0.0
    keys = torch.cat([certain, others])
    log_weight = torch.zeros(len(keys), device=keys.device)
    log_weight[len(certain) :] = stands_for
    order = keys.argsort()
    return keys[order], log_weight[order]


@attrs.define
class BatchStream:
    """The batches of a run, one after the other, and the one of the tail that tells the progress."""

    sampler: BatchSampler
    geometry: Geometry
    memory: int
    """Positions ``0 .. memory - 1`` are the items."""
    generator: Generator
    _tail: tuple[Tensor, Tensor] | None = attrs.field(default=None, init=False)
    _queries: Tensor | None = attrs.field(default=None, init=False)
    _near: Tensor | None = attrs.field(default=None, init=False)
    _near_tail: Tensor | None = attrs.field(default=None, init=False)

    def set_tail(self, lo: int, hi: int) -> None:
        """Choose the queries of :meth:`tail` from positions ``lo .. hi - 1``."""
        sampler = self.sampler
        queries = sampler.positions(lo, hi, sampler.config.batch, self.generator)
        self._tail = queries, sampler.sample(self.memory, self.generator)

    def snapshot(self) -> State:
        """What :meth:`restore` needs; absent are those that were not drawn yet."""
        tail, sample = self._tail or (None, None)
        parts = {"tail": tail, "sample": sample, "queries": self._queries, "near": self._near}
        parts |= {"near_tail": self._near_tail}
        return {name: value for name, value in parts.items() if value is not None}

    def restore(self, snapshot: State) -> None:
        """Go on as the stream of ``snapshot`` would."""
        self._tail = (snapshot["tail"], snapshot["sample"]) if "tail" in snapshot else None
        self._queries, self._near, self._near_tail = (
            snapshot.get(name) for name in ("queries", "near", "near_tail")
        )

    def tail(self) -> Batch:
        """The same queries and sample each time, with the neighbours that were found last."""
        assert self._tail is not None, "set_tail comes first"
        return self.sampler.batch(*self._tail, self.memory, self._near_tail)

    def draw(self, state: State, step: int) -> Batch:
        """The batch of update ``step``; every ``refresh`` updates the neighbours are searched anew."""
        config = self.sampler.config
        if not config.near:
            queries = self.sampler.positions(0, self.memory, config.batch, self.generator)
            return self.sampler.batch(queries, self.sampler.sample(self.memory, self.generator), self.memory)
        place = step % config.refresh
        if not place:
            self._refresh(state, config.batch * min(config.refresh, config.updates - step))
        assert self._queries is not None, "the first batch is that of step 0"
        assert self._near is not None
        rows = slice(place * config.batch, (place + 1) * config.batch)
        sample = self.sampler.sample(self.memory, self.generator)
        return self.sampler.batch(self._queries[rows], sample, self.memory, self._near[rows])

    def _refresh(self, state: State, count: int) -> None:
        """Draw the next ``count`` queries and find their neighbours, and those of the tail."""
        config = self.sampler.config
        pool = torch.arange(self.memory, device=self.generator.device)
        if self.memory > _POOL:
            pool = self.sampler.positions(0, self.memory, _POOL, self.generator).unique()
        z = self._coordinates(state, pool)
        index = CellIndex.build(self.geometry.scorer(state), z, pool, generator=self.generator)

        def search(queries: Tensor) -> Tensor:
            z = self._coordinates(state, queries)
            return index.search(z, queries, config.near, probes=_PROBES, exclude=config.exclude)

        self._queries = index.groups(count, config.group, generator=self.generator)
        self._near = search(self._queries)
        self._near_tail = None if self._tail is None else search(self._tail[0])

    def _coordinates(self, state: State, positions: Tensor) -> Tensor:
        encoder = sub(state, "encoder")
        parts = [self.sampler.contexts(part) for part in positions.split(_ENCODE_BLOCK)]
        return torch.cat([self.geometry.encoder.encode(encoder, part) for part in parts])
