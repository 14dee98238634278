"""Retrieval under the learned geometry: from contexts to scores, and the derivatives of a loss.

The same composition serves every combination of plugins:

    z = encoder(context)        y = A z, AᵀA = g        f = lift(y)
    cost = product(f_q·f_q, f_q·f_k, f_k·f_k)            S = -β R cost

Only ``A``, the lift and the Gram products connect the parts. So distances to the whole memory are one
matrix product. One chain of vector-Jacobian products (:meth:`Geometry.phases`) gives a function's
derivative with respect to every parameter, from its derivative with respect to the scores.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import attrs
import torch
from torch import Generator, Tensor

from lior.geometry import metric
from lior.geometry.phases import FreePhase, loss_of
from lior.interfaces import (
    AdditiveEncoder,
    AttentionProduct,
    CellTable,
    Encoder,
    Features,
    FrameProvider,
    ObservingEncoder,
    RSource,
    State,
    is_pairwise,
)
from lior.tensors import add_prefix, sub, tree_sum

Gram: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Gram products ``qq (B, 1)``, ``qk (B, K)`` and ``kk (1, K)`` of queries and items."""
_LARGEST_TABLE = 1 << 23
"""Maximum number of values in a table of cells."""


class Part(NamedTuple):
    """Consecutive queries of a batch, and the items that they are compared with."""

    queries: slice
    items: Tensor | slice
    """Rows among the items of the batch, int64 ``(M,)``; a slice for a range of them."""
    excluded: tuple[Tensor, Tensor]
    """Pairs (rows, columns) of the part without a score: a position never retrieves itself."""
    log_weight: Tensor | None = None
    """Logarithm of the number of stored items that each represents, ``(M,)``; ``None`` for 1 each."""


class Batch(NamedTuple):
    """Queries and memory items to learn from."""

    query_contexts: Tensor
    """int64 ``(B, reach)``, most recent first."""
    query_tokens: Tensor
    """int64 ``(B,)``."""
    item_contexts: Tensor
    """int64 ``(K, reach)``."""
    item_tokens: Tensor
    """int64 ``(K,)``."""
    parts: tuple[Part, ...]
    """Parts of the batch; each query is in one of them."""

    def same_token(self, part: Part) -> Tensor:
        """Return ``1[y_i = y]`` for the queries and items of ``part``, boolean."""
        queries, items = self.query_tokens[part.queries], self.item_tokens[part.items]
        return queries.short()[:, None] == items.short()[None]


class _Side(NamedTuple):
    """Coordinates, mapped coordinates and features of queries or items."""

    z: Tensor
    y: Tensor
    features: Features


PARTS = ("encoder", "frame", "rsource", "product")
"""The kinds of plugin that form a geometry."""


@attrs.frozen(kw_only=True)
class Geometry:
    """The plugins of the geometry; their parameters are a flat state.

    Entries are named ``encoder.table``, ``frame.theta`` and so on, and ``log_beta``.
    """

    encoder: Encoder
    frame: FrameProvider
    rsource: RSource
    product: AttentionProduct
    vocab: int
    resilience_at: str = "query"
    """Side whose resilience scales a cost: "query", "item" or "both" (the geometric mean)."""
    smoothing: float = 0.02

    @property
    def _parts(self) -> dict[str, Any]:
        return {part: getattr(self, part) for part in PARTS}

    def init(self, *, generator: Generator) -> State:
        """Return the initial state of all parts; ``β`` starts at 1."""
        n = self.encoder.n
        frame = self.frame.init(n, generator=generator)
        rows = len(metric.root(self.frame.form(frame)))
        return (
            add_prefix("encoder", self.encoder.init(self.vocab, generator=generator))
            | add_prefix("frame", frame)
            | add_prefix("rsource", self.rsource.init(n, generator=generator))
            | add_prefix("product", self.product.init(rows, generator=generator))
            | {"log_beta": torch.zeros((), device=generator.device)}
        )

    def learned(self, state: State) -> State:
        """Return the entries that an updater may move."""
        names = [f"{part}.{k}" for part, plugin in self._parts.items() for k in plugin.learned]
        return {name: state[name] for name in [*names, "log_beta"] if name in state}

    def project(self, state: State) -> State:
        """Clamp, wrap and normalise every part; ``β`` stays within [1e-4, 1e4]."""
        for part in ("frame", "rsource", "product"):
            state = state | add_prefix(part, self._parts[part].project(sub(state, part)))
        return state | {"log_beta": state["log_beta"].clamp(-9.21, 9.21)}

    def prepare(self, state: State, sample: Iterable[tuple[Tensor, Tensor]]) -> State:
        """Let an encoder with statistics observe a sample of the text; other encoders do not read it."""
        if not isinstance(self.encoder, ObservingEncoder):
            return state
        return state | add_prefix("encoder", self.encoder.observe(sub(state, "encoder"), sample))

    def observe(self, state: State, contexts: Tensor, *, total: int) -> State:
        """Update the statistics of frame and resilience source from a uniform sample of ``total`` items."""
        z = self.encoder.encode(sub(state, "encoder"), contexts)
        frame = self.frame.observe(sub(state, "frame"), z)
        medium = self.rsource.observe(sub(state, "rsource"), z, self.frame.form(frame), total=total)
        return state | add_prefix("frame", frame) | add_prefix("rsource", medium)

    # --- forward ---

    def scorer(self, state: State) -> Retrieval:
        """Return the scorer of memories at ``state``."""
        return Retrieval(geometry=self, state=state)

    def loss(self, state: State, batch: Batch) -> Tensor:
        """Return the mean retrieval loss of ``batch`` in nats, a scalar tensor."""
        return self.phases(state, batch, 0)[1]

    def phases(self, state: State, batch: Batch, nudge: float) -> tuple[State, Tensor]:
        """Return the two-phase statistic of every learned entry, and the free phase's loss.

        The scores of a part are computed twice where queries have several parts, and kept where one part has
        all their items.
        """
        scorer, queries, items = self._sides(state, batch)
        flow, hits = _Flow(self, sub(state, "product"), scorer, queries, items), []
        law: dict[str, Any] = {"smoothing": self.smoothing, "vocab": self.vocab}
        count = len(batch.query_tokens)
        compare = partial(_Block.of, batch, scorer, queries.features, items.features)
        for rows, group in itertools.groupby(batch.parts, lambda part: part.queries):
            parts = [*group]
            kept = [compare(parts[0])] if len(parts) == 1 else None
            free = FreePhase.start(len(batch.query_tokens[rows]), scorer.root)
            for block in kept or map(compare, parts):
                free = free.add(block.weighed, block.same)
            hits.append(free.hits)
            if nudge:
                difference = free.difference(nudge, queries=count, **law)
                for block in kept or map(compare, parts):
                    flow.add(block, difference.of(block.weighed, block.same))
        loss = loss_of(torch.cat(hits), **law)
        if not nudge:
            return {k: torch.zeros_like(v) for k, v in self.learned(state).items()}, loss
        return self._pullback(state, batch, flow), loss

    def _sides(self, state: State, batch: Batch) -> tuple[Retrieval, _Side, _Side]:
        scorer, encoder = self.scorer(state), sub(state, "encoder")
        queries = scorer.side(self.encoder.encode(encoder, batch.query_contexts), query=True)
        items = scorer.side(self.encoder.encode(encoder, batch.item_contexts), query=False)
        return scorer, queries, items

    # --- backward ---

    def _pullback(self, state: State, batch: Batch, flow: _Flow) -> State:
        """Return derivatives with respect to the learned entries, from those with respect to both sides'
        features."""
        scorer, product, grads = flow.scorer, sub(state, "product"), flow.grads
        d_root = torch.zeros_like(scorer.root)
        d_z = []
        grads["log_beta"] = tree_sum(flow.ends[0][2])
        for side, d_f, d_log, query in flow.ends:
            lifted, d_y = self.product.lift_pullback(product, side.y, d_f, query=query)
            for name, value in lifted.items():
                _accumulate(grads, f"product.{name}", value)
            d_root += d_y.T @ side.z
            d_z.append(d_y @ scorer.root)
            if side.features.resilience is not None:
                d_r = d_log * scorer.exponent / side.features.resilience
                pulled = self.rsource.pullback(sub(state, "rsource"), side.z, scorer.form, d_r)
                for name, value in pulled.params.items():
                    _accumulate(grads, f"rsource.{name}", value)
                d_root += pulled.root
                d_z[-1] += pulled.z
        d_form = metric.root_pullback(scorer.form, d_root)
        grads.update(add_prefix("frame", self.frame.pullback(sub(state, "frame"), d_form)))
        contexts = torch.cat([batch.query_contexts, batch.item_contexts])
        encoder = self.encoder.pullback(sub(state, "encoder"), contexts, torch.cat(d_z))
        return grads | add_prefix("encoder", encoder)


class _Flow:
    """Sums over the parts of a batch: derivatives with respect to both sides' features and to scalars."""

    def __init__(
        self, geometry: Geometry, product: State, scorer: Retrieval, queries: _Side, items: _Side
    ) -> None:
        self.scorer = scorer
        self.grads: State = {}
        self._geometry, self._product = geometry, product
        self.ends = tuple(
            (side, torch.zeros_like(side.features.f), torch.zeros_like(side.features.norm), query)
            for side, query in ((queries, True), (items, False))
        )

    def add(self, block: _Block, d_scores: Tensor) -> None:
        """Add the derivatives of ``sum(d_scores * scores)`` of one block; both are overwritten."""
        (queries, d_fq, d_log_q, _), (items, d_fk, d_log_k, _) = self.ends
        part, scores = block.part, block.scores
        fq, fk = queries.features.rows(part.queries), items.features.rows(part.items)
        _fill(scores, part.excluded, 0.0)  # their weight is 0, and -inf · 0 would be NaN
        flow = scores.mul_(d_scores)  # = d(.)/d(log of any factor of S), elementwise
        d_log_q[part.queries] += flow.sum(1)
        if fk.resilience is not None:
            d_log_k[part.items] += flow.sum(0)
        d_cost = self.scorer.scale(d_scores, fq.resilience, fk.resilience)
        d_q, d_k, scalars = _cost_pullback(self._geometry.product, self._product, fq, fk, block.gram, d_cost)
        d_fq[part.queries] += d_q
        d_fk[part.items] += d_k
        for name, value in scalars.items():
            _accumulate(self.grads, f"product.{name}", value)


class _Block(NamedTuple):
    """A part of a batch with its scores."""

    part: Part
    gram: Gram | None
    scores: Tensor
    """``S (B, K)``, ``-inf`` for excluded pairs."""
    same: Tensor
    """``1[y_i = y] (B, K)``, boolean."""

    @classmethod
    def of(cls, batch: Batch, scorer: Retrieval, queries: Features, items: Features, part: Part) -> _Block:
        fq, fk = queries.rows(part.queries), items.rows(part.items)
        gram = None if is_pairwise(scorer.geometry.product) else _gram(fq, fk)
        scores = _fill(scorer.scores(fq, fk, gram), part.excluded, -torch.inf)
        return cls(part, gram, scores, batch.same_token(part))

    @property
    def weighed(self) -> Tensor:
        """Return scores with the weights of items that represent several."""
        weight = self.part.log_weight
        return self.scores if weight is None else self.scores + weight


def _fill(scores: Tensor, at: tuple[Tensor, Tensor], value: float) -> Tensor:
    """Set some ``scores``; ``scores[at] = value`` would wait for a GPU, which fetches the number."""
    return scores.index_put_(at, scores.new_full((), value))


class Retrieval:
    """A :class:`~lior.interfaces.Scorer`: a geometry and its state, with the root and scale computed once."""

    def __init__(self, geometry: Geometry, state: State):
        self.geometry = geometry
        self.form = geometry.frame.form(sub(state, "frame"))
        self.root = metric.root(self.form)
        self.beta = state["log_beta"].exp()
        self.exponent = 0.5 if geometry.resilience_at == "both" else 1.0
        self._encoder = sub(state, "encoder")
        self._product = sub(state, "product")
        self._medium = sub(state, "rsource")
        self._known: tuple[Tensor, Features] | None = None
        """Coordinates of the items mapped last, and their features."""

    def fixed(self, z: Tensor) -> Features:
        """Return features of the items ``z (N, n)`` in the geometry's dtype, cached while ``z`` is the
        same."""
        if self._known is None or self._known[0] is not z:
            self._known = z, self.features(z.to(self.root), query=False)
        return self._known[1]

    def nearest(self, z: Tensor, items: Features) -> Tensor:
        """Return the item of highest score for each query ``z (N, n)``, int64 ``(N,)``.

        The resilience of a query is left out: it scales all its scores by one factor.
        """
        f = self._lift(z @ self.root.T, query=True)
        return self.scores(Features(f, (f * f).sum(1), None), items).argmax(1)

    def cell_table(self, centres: Tensor) -> CellTable | None:
        """Return :meth:`nearest` of ``centres (J, n)`` as a table; ``None`` if it is no sum over tokens.

        The nearest ``k`` has the largest ``2 y·y_k − y_k·y_k``, and ``y`` is a sum over tokens if ``z`` is.
        """
        geometry = self.geometry
        encoder, product = geometry.encoder, geometry.product
        if not isinstance(encoder, AdditiveEncoder) or not getattr(product, "euclidean", False):
            return None
        size = encoder.reach * (geometry.vocab + 1) * len(centres)
        if geometry.resilience_at != "query" or size > _LARGEST_TABLE:
            return None
        y = centres @ self.root.T
        return CellTable(2 * encoder.rows(self._encoder) @ (y @ self.root).T, -(y * y).sum(1))

    def _lift(self, y: Tensor, *, query: bool) -> Tensor:
        return self.geometry.product.lift(self._product, y, query=query)

    def side(self, z: Tensor, *, query: bool) -> _Side:
        """Return mapped coordinates and features of coordinates ``z (N, n)``."""
        geometry = self.geometry
        y = z @ self.root.T
        f = self._lift(y, query=query)
        here = geometry.resilience_at == "both" or (geometry.resilience_at == "query") == query
        resilience = geometry.rsource.resilience(self._medium, z, self.form) if here else None
        return _Side(z, y, Features(f, (f * f).sum(1), resilience))

    def features(self, z: Tensor, *, query: bool) -> Features:
        """Return features of coordinates ``z (N, n)``."""
        return self.side(z, query=query).features

    def cost(self, queries: Features, items: Features, gram: Gram | None = None) -> Tensor:
        """Return the costs of all pairs, ``(B, K)``; ``gram`` are the Gram products, if known."""
        product = self.geometry.product
        if is_pairwise(product):
            return product.pair_cost(queries.f, items.f, self._product)
        return product.cost(*(gram or _gram(queries, items)), self._product)

    def scores(self, queries: Features, items: Features, gram: Gram | None = None) -> Tensor:
        """Return ``S = -β R cost``, ``(B, K)``, all ``<= 0``."""
        return self.scale(self.cost(queries, items, gram), queries.resilience, items.resilience)

    def scale(self, values: Tensor, rq: Tensor | None, rk: Tensor | None) -> Tensor:
        """Return ``-β R · values``, in place; with resilience on both sides ``R`` is the geometric mean."""
        row = -self.beta if rq is None else -self.beta * rq[:, None] ** self.exponent
        values.mul_(row)
        return values if rk is None else values.mul_(rk[None] ** self.exponent)


def _gram(queries: Features, items: Features) -> Gram:
    return queries.norm[:, None], queries.f @ items.f.T, items.norm[None]


def _cost_pullback(
    product: AttentionProduct, params: State, fq: Features, fk: Features, gram: Gram | None, d_cost: Tensor
) -> tuple[Tensor, Tensor, State]:
    """Return derivatives of ``sum(d_cost * cost)`` with respect to both features and the cost's scalars."""
    if is_pairwise(product):
        ends = ((fq.f, fk.f, d_cost), (fk.f, fq.f, d_cost.mT))
        d_q, d_k = (
            product.pair_gradient(a, b, flow, flow.new_ones(flow.shape[1], 1), params)[:, 0]
            for a, b, flow in ends
        )
        return d_q, d_k, {}
    partials = product.partials(*(gram or _gram(fq, fk)), params)
    d_qk, d_qq = d_cost * partials.qk, d_cost * partials.qq
    d_kk = d_qq if partials.kk is partials.qq else d_cost * partials.kk
    d_fq = torch.addmm(2 * d_qq.sum(1)[:, None] * fq.f, d_qk, fk.f)
    d_fk = torch.addmm(2 * d_kk.sum(0)[:, None] * fk.f, d_qk.T, fq.f)
    return d_fq, d_fk, {name: tree_sum(d_cost * value) for name, value in partials.params.items()}


def _accumulate(grads: State, name: str, value: Tensor) -> None:
    grads[name] = grads[name] + value if name in grads else value
