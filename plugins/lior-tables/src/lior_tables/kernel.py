"""The kernel of two rows, ``exp(−β R cost)``, of any frame, source and product, and its derivative.

    y = A z, AᵀA = g        f = lift(y)        cost = product(f_q·f_q, f_q·f_k, f_k·f_k)
    score = −β √(R_q R_k) cost                 k(z_q, z_k) = exp(score)

It is the composition of :mod:`lior.geometry.retrieval` with rows in place of contexts. Rows have no roles:
if a product lifts queries and items differently, the cost is the mean of both directions, so the kernel is
symmetric.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.geometry import metric
from lior.interfaces import AttentionProduct, FrameProvider, RSource, State, is_pairwise
from lior.plugins import block_entries
from lior.tensors import add_prefix, sub

BLOCK = 1 << 18
"""Entries of a kernel matrix computed at a time; on a CPU they and their intermediates fit the cache."""
_WIDE = 1 << 13
"""Number of columns in a matrix product that holds all outputs at once."""


@attrs.frozen(kw_only=True)
class Parts:
    """The plugins of a kernel; ``rsource`` is ``None`` where ``R = 1``."""

    frame: FrameProvider
    rsource: RSource | None
    product: AttentionProduct

    @property
    def _plugins(self) -> dict[str, Any]:
        plugins = {"frame": self.frame, "rsource": self.rsource, "product": self.product}
        return {part: plugin for part, plugin in plugins.items() if plugin is not None}

    def init(self, n: int, *, generator: Generator) -> State:
        """Return the initial state of all parts, entries named ``frame.u`` and so on, and ``log_beta =
        0``."""
        frame = self.frame.init(n, generator=generator)
        rows = len(metric.root(self.frame.form(frame)))
        state = add_prefix("frame", frame)
        state |= add_prefix("product", self.product.init(rows, generator=generator))
        if self.rsource is not None:
            state |= add_prefix("rsource", self.rsource.init(n, generator=generator))
        return state | {"log_beta": torch.zeros((), device=generator.device)}

    def learned(self, state: State) -> State:
        """Return the entries learned by likelihood, with ``log_beta``; none if they are only scales."""
        names = [f"{part}.{k}" for part, plugin in self._plugins.items() for k in plugin.learned]
        if not set(names) - {"frame.log_omega"}:
            return {}
        return {name: state[name] for name in (*names, "log_beta")}

    def project(self, state: State) -> State:
        """Clamp, wrap and normalise every part."""
        for part, plugin in self._plugins.items():
            state = state | add_prefix(part, plugin.project(sub(state, part)))
        return state

    def observe(self, state: State, z: Tensor) -> State:
        """Update the statistics of the rows ``z (N, n)``: the frame's, then the medium's under its metric."""
        frame = self.frame.observe(sub(state, "frame"), z)
        return self.observe_medium(state | add_prefix("frame", frame), z)

    def observe_medium(self, state: State, z: Tensor) -> State:
        """Update the statistics of the rows ``z (N, n)`` as the medium under the current metric."""
        if self.rsource is None:
            return state
        form = self.frame.form(sub(state, "frame"))
        medium = self.rsource.observe(sub(state, "rsource"), z, form, total=len(z))
        return state | add_prefix("rsource", medium)


class Side(NamedTuple):
    """Rows as one side of a kernel matrix."""

    z: Tensor
    """Coordinates ``(N, n)``."""
    y: Tensor
    """Mapped coordinates ``(N, m)``."""
    f: Tensor
    """Features ``(N, p)`` as a query."""
    g: Tensor
    """Features ``(N, p)`` as an item; ``f`` itself if the product treats both sides alike."""
    resilience: Tensor | None
    """``√R (N,)``; ``None`` where ``R = 1``."""

    def rows(self, index: slice | Tensor) -> Side:
        """Return some of the rows."""
        f = self.f[index]
        r = None if self.resilience is None else self.resilience[index]
        return Side(self.z[index], self.y[index], f, f if self.g is self.f else self.g[index], r)


class Kernel:
    """The plugins of a kernel with their state; see the module.

    Parameters
    ----------
    parts
        The plugins.
    state
        Their numbers, in the dtype to compute with.
    """

    def __init__(self, parts: Parts, state: State) -> None:
        self.parts, self.state = parts, state
        self.form = parts.frame.form(sub(state, "frame"))
        self.root = metric.root(self.form)
        self.beta = float(state["log_beta"].exp())
        self._product = sub(state, "product")
        probe = self.root.mT
        self._two_sided = not torch.equal(*(self._lift(probe, query=query) for query in (True, False)))

    @property
    def metric(self) -> Tensor:
        """The metric ``g (n, n)`` in float64, of trace 1."""
        g = metric.dense(metric.cast(self.form, torch.float64))
        return g / g.trace()

    def side(self, z: Tensor) -> Side:
        """Return rows ``z (N, n)`` with everything that their scores depend on."""
        y = z @ self.root.mT
        f = self._lift(y, query=True)
        g = self._lift(y, query=False) if self._two_sided else f
        if self.parts.rsource is None:
            return Side(z, y, f, g, None)
        resilience = self.parts.rsource.resilience(sub(self.state, "rsource"), z, self.form)
        return Side(z, y, f, g, resilience.sqrt())

    def scores(self, q: Side, k: Side, *, beta: float | None = None) -> Tensor:
        """Return ``−β √(R_q R_k) cost``, a new tensor ``(B, K)``; ``beta`` replaces the kernel's own."""
        product = self.parts.product
        if is_pairwise(product):
            cost = product.pair_cost(q.f, k.f, self._product)
        else:
            cost, *other = (product.cost(*_gram(*way), self._product) for way in self._ways(q, k))
            if other:
                cost = (cost + other[0]).mul_(0.5)
        return self._scaled(cost, q, k, self.beta if beta is None else beta)

    def gradient(self, q: Side, k: Side, weights: Tensor, values: Tensor) -> Tensor:
        """Return ``Σ_i weights_bi values_bic ∂score_bi/∂z_b``: derivatives with respect to the coordinates
        of ``q``.

        Parameters
        ----------
        weights
            Weights ``(B, K)``; 0 for pairs that do not count.
        values
            Values ``(K, C)``.

        Returns
        -------
        Tensor
            ``(B, C, n)``.
        """
        scaled = self._scaled(weights, q, k, self.beta)
        dy = q.y.new_zeros(len(q.y), values.shape[1], q.y.shape[1])
        for df, query, _ in self._features(q, k, scaled, values):
            wide = q.y[:, None, :].expand(-1, df.shape[1], -1)
            dy = dy + self.parts.product.lift_pullback(self._product, wide, df, query=query)[1]
        dz = dy @ self.root
        if self.parts.rsource is not None and q.resilience is not None:
            medium = sub(self.state, "rsource")
            flow = (weights * self.scores(q, k)) @ values / (2 * q.resilience.square()[:, None])
            pulled = [self.parts.rsource.pullback(medium, q.z, self.form, dr).z for dr in flow.unbind(1)]
            dz = dz + torch.stack(pulled, dim=1)
        return dz

    def pullback(self, q: Side, k: Side, d_scores: Tensor) -> State:
        """Return derivatives of ``sum(d_scores * scores(q, k))`` with respect to the learned entries and
        ``log_beta``."""
        flow = d_scores * self.scores(q, k)
        scaled = self._scaled(d_scores, q, k, self.beta)
        grads = {"log_beta": flow.sum()}
        d_root = torch.zeros_like(self.root)
        for side, other, along, d_log in ((q, k, scaled, flow.sum(1)), (k, q, scaled.mT, flow.sum(0))):
            for df, query, params in self._features(side, other, along, along.new_ones(along.shape[1], 1)):
                lifted, dy = self.parts.product.lift_pullback(self._product, side.y, df[:, 0], query=query)
                accumulate(grads, "product", lifted)
                if side is q:  # the scalars of a cost belong to the pair
                    accumulate(grads, "product", params)
                d_root += dy.mT @ side.z
            if self.parts.rsource is not None and side.resilience is not None:
                dr = d_log / (2 * side.resilience.square())
                pulled = self.parts.rsource.pullback(sub(self.state, "rsource"), side.z, self.form, dr)
                accumulate(grads, "rsource", pulled.params)
                d_root += pulled.root
        form = metric.root_pullback(self.form, d_root)
        accumulate(grads, "frame", self.parts.frame.pullback(sub(self.state, "frame"), form))
        return grads

    def _ways(self, q: Side, k: Side) -> list[tuple[Tensor, Tensor, bool]]:
        """Return features of both sides and whether ``q`` is the query; a cost is the mean over
        directions."""
        return [(q.f, k.g, True), (q.g, k.f, False)] if self._two_sided else [(q.f, k.g, True)]

    def _features(self, q: Side, k: Side, scaled: Tensor, values: Tensor) -> list[tuple[Tensor, bool, State]]:
        """Return derivatives of ``Σ_i scaled_bi values_ic cost_bi``, for each direction.

        The first are derivatives with respect to the features of ``q``, ``(B, C, p)``. Then comes whether
        ``q`` is the query. The last are derivatives of the sum over ``b`` and ``i``, without the values,
        with respect to the product's scalars.
        """
        product = self.parts.product
        if is_pairwise(product):
            return [(product.pair_gradient(q.f, k.f, scaled, values, self._product), True, {})]
        found = []
        for f, g, query in self._ways(q, k):
            partials = product.partials(*_gram(f, g, query), self._product)
            flow = 0.5 * scaled if self._two_sided else scaled
            along, parts = flow * partials.qk, []
            for some in values.split(max(1, _WIDE // f.shape[1]), dim=1):
                items = (some[:, :, None] * g[:, None, :]).flatten(1)
                parts.append((along @ items).unflatten(1, (some.shape[1], g.shape[1])))
            towards = (flow * (partials.qq if query else partials.kk)) @ values
            df = torch.cat(parts, dim=1) + 2 * towards[:, :, None] * f[:, None, :]
            found.append((df, query, {name: (flow * v).sum() for name, v in partials.params.items()}))
        return found

    def _scaled(self, values: Tensor, q: Side, k: Side, beta: float) -> Tensor:
        """Return ``−β √(R_q R_k) values``, a new tensor."""
        if q.resilience is None or k.resilience is None:
            return values * -beta
        return (values * (-beta * q.resilience[:, None])).mul_(k.resilience[None])

    def _lift(self, y: Tensor, *, query: bool) -> Tensor:
        return self.parts.product.lift(self._product, y, query=query)


def _gram(f: Tensor, g: Tensor, query: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return Gram products of features ``(B, p)`` and ``(K, p)``; ``query``: whether the first are the
    query."""
    own, other = f.square().sum(1)[:, None], g.square().sum(1)[None]
    return (own, f @ g.mT, other) if query else (other, f @ g.mT, own)


def accumulate(grads: State, part: str, more: State) -> None:
    """Add derivatives of a part's entries to ``grads``."""
    for name, value in add_prefix(part, more).items():
        grads[name] = grads[name] + value if name in grads else value


def blocks(rows: int, columns: int, device: torch.device | None = None) -> list[slice]:
    """Return slices of ``rows`` whose matrices with ``columns`` columns have about :data:`BLOCK` entries."""
    entries = BLOCK if device is None else block_entries(device, BLOCK)
    size = max(16, entries // max(columns, 1))
    return [slice(at, min(at + size, rows)) for at in range(0, rows, size)]


def matrix(kernel: Kernel, q: Side, k: Side, *, beta: float | None = None) -> Tensor:
    """Return ``scores`` of all pairs ``(B, K)``, made block by block into one tensor."""
    out = q.z.new_empty(len(q.z), len(k.z))
    for rows in blocks(len(q.z), len(k.z), out.device):
        out[rows] = kernel.scores(q.rows(rows), k, beta=beta)
    return out


def times(kernel: Kernel, side: Side, values: Tensor) -> Tensor:
    """Return ``K v (N, C)`` for the kernel matrix of one side with itself, block by block."""
    return torch.cat(
        [
            kernel.scores(side.rows(rows), side).exp_() @ values
            for rows in blocks(len(side.z), len(side.z), values.device)
        ]
    )
