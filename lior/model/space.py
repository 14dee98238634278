"""The coordinates of contexts, and the cells among which the geometric gate chooses."""

from __future__ import annotations

from functools import cached_property

import attrs
import torch
from torch import Generator, Tensor

from lior.data.corpus import gather_contexts
from lior.geometry.neighbours import cell_centres
from lior.geometry.retrieval import Geometry, Retrieval
from lior.interfaces import CellTable, State, Text
from lior.tensors import sub


@attrs.frozen(slots=False, eq=False)
class Space:
    """The coordinates of contexts under one state of a geometry; without a geometry there are none."""

    geometry: Geometry | None
    state: State = attrs.field(repr=False)
    vocab: int
    cells: Tensor | None = attrs.field(repr=False)
    """Centres of the cells ``(J, n)``."""
    scorer: Retrieval | None = attrs.field(repr=False)
    """What compares coordinates under the state."""
    exact_scorer: Retrieval | None = attrs.field(repr=False)
    """The same in float64, so that the number of queries does not matter."""

    @classmethod
    def of(cls, geometry: Geometry | None, state: State, vocab: int, cells: Tensor | None) -> Space:
        """Return the space of the contexts of tokens ``0 .. vocab - 1``."""
        exact = {k: v.double() if v.is_floating_point() else v for k, v in state.items()}
        scorers = (geometry.scorer(state), geometry.scorer(exact)) if geometry else (None, None)
        return cls(geometry, state, vocab, cells, *scorers)

    @cached_property
    def table(self) -> CellTable | None:
        """The table by which cursors find cells."""
        if self.cells is None or self.exact_scorer is None:
            return None
        return self.exact_scorer.cell_table(self.cells.double())

    def with_cells(self, contexts: Tensor, count: int, *, generator: Generator) -> Space:
        """Return the space with ``count`` cells among the coordinates of ``contexts (N, reach)``."""
        if self.geometry is None or self.scorer is None:
            return self
        z = self.geometry.encoder.encode(sub(self.state, "encoder"), contexts)
        return attrs.evolve(self, cells=cell_centres(z, self.scorer.root, count, generator=generator))

    @torch.no_grad()
    def coordinates(self, text: Text, positions: Tensor) -> Tensor | None:
        """Return coordinates ``(B, n)`` of the contexts at ``positions``; ``None`` without a geometry."""
        if self.geometry is None:
            return None
        encoder = self.geometry.encoder
        context = gather_contexts(text.tokens, positions, text.depth[positions], encoder.reach, self.vocab)
        return encoder.encode(sub(self.state, "encoder"), context)

    def gate(self, z: Tensor | None) -> Tensor | None:
        """Return the geometric gate ``(B, J)``: a softmax of the scores of the centres for each query."""
        if self.cells is None or z is None or self.scorer is None:
            return None
        queries = self.scorer.features(z, query=True)
        return torch.softmax(self.scorer.scores(queries, self.scorer.fixed(self.cells)), 1)

    def nearest(self, z: Tensor | None) -> Tensor | None:
        """Return the nearest centre, int64 ``(B,)``."""
        if self.cells is None or z is None or self.exact_scorer is None:
            return None
        return self.exact_scorer.nearest(z.double(), self.exact_scorer.fixed(self.cells))
