"""The Ritz states of an ansatz: their energies, the loss whose gradient lowers them, and their values."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch
from torch import Tensor

from lior_ritz.network import decay
from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.projection import project
from lior_ritz.problem.quadrature import Rule


@attrs.frozen
class Head:
    """States as combinations of the functions of their sectors, in the order of their energies."""

    energies: Tensor
    """``[M]``, float64, in ``E0``, on the rule that the head was solved with."""
    sectors: tuple[int, ...]
    """Index of each state's sector in ``Ansatz.sectors``."""
    weights: Tensor
    """``[M, F]``: state m is the functions of its sector times ``weights[m]``, of norm 1 on that rule;
    complex with a magnetic field."""
    overlap: tuple[float, float] = (1.0, 1.0)
    """Least and largest eigenvalue of the overlap of the functions that it was solved with."""

    def rows(self, sector: int) -> list[int]:
        """Return the indices of a sector's states."""
        return [row for row, each in enumerate(self.sectors) if each == sector]


def quadrature_fault(ansatz: Ansatz, psi: Tensor, nodes: Nodes) -> Tensor:
    """How wrong the rule is about the states: the largest ``|∫ ∂ᵢ(u ψ²)|``, which is 0.

    ``u = xᵢ (1 - xᵢ²/Xᵢ²)`` vanishes on the edge and in the middle, so the exact integral is 0 for every
    function, boundary and folding. The sum over the nodes is not 0 for a state that exploits gaps between
    them.

    ``psi``: values and slopes ``[1 + d, N, K]``, of norm 1.
    """
    faults = []
    for axis, width in enumerate(ansatz.problem.half_widths):
        x = nodes.rule.points[:, axis]
        square = (x / width) ** 2
        slope = (psi[0].conj() * psi[1 + axis]).real
        integrand = (1 - 3 * square)[:, None] * squared(psi[0]) + 2 * (x * (1 - square))[:, None] * slope
        faults.append((nodes.rule.weights.double() @ integrand.double()).abs().max())
    return torch.stack(faults).max()


@attrs.frozen
class Nodes:
    """A rule with what does not depend on the network."""

    rule: Rule
    potential: Tensor
    """``[N]``, with the square of :attr:`vector` over the masses."""
    inverse: Tensor | None = None
    """Inverse masses, ``[N, d]``, where they are not 1."""
    vector: Tensor | None = None
    """The vector potential, ``[N, d]``, where there is a field."""

    @classmethod
    def of(cls, ansatz: Ansatz, rule: Rule) -> Nodes:
        """Work out the potential at the nodes."""
        problem, points = ansatz.problem, rule.points
        potential, vector = problem.energy(points), None
        if problem.terms.plain:
            return cls(rule, potential)
        inverse = problem.inverse_mass(points).to(points)
        if problem.terms.field_tesla:
            vector = problem.vector(points)
            potential = potential + (vector.square() * inverse).sum(1)
        return cls(rule, potential, inverse, vector)

    def double(self, ansatz: Ansatz) -> Nodes:
        """The same nodes in double precision."""
        if self.rule.points.dtype == torch.float64:
            return self
        return Nodes.of(ansatz, self.rule.to(self.rule.points.device, torch.float64))


def solve(
    ansatz: Ansatz,
    functions: list[Tensor],
    factor: Tensor,
    nodes: Nodes,
    count: int,
    limits: tuple[int, ...] | None = None,
) -> Head:
    """The ``count`` lowest Ritz states of all sectors together; not differentiated.

    ``functions``, ``factor``: from :meth:`Ansatz.functions` and :meth:`Ansatz.decay`. ``limits``: how many
    states of each sector are taken at most.
    """
    dim = ansatz.problem.dim
    energies, sectors, weights, overlaps = [], [], [], []
    with torch.no_grad():
        for index, jet in enumerate(functions):
            if not jet.shape[2]:  # no function of this parity was asked for
                continue
            first = decay.apply(factor[: 1 + dim], jet[: 1 + dim], dim=dim)
            found = project(first, nodes.rule.weights, nodes.potential, nodes.inverse, nodes.vector)
            most = count if limits is None else min(count, limits[index])
            energies.append(found.energies[:most])
            weights.append(found.coefficients[:, :most].T)
            sectors += [index] * len(energies[-1])
            overlaps.append(found.overlap)
        joined = torch.cat(energies)
        order = torch.argsort(joined)[:count]
        columns = max(block.shape[1] for block in weights)
        stacked = torch.cat([torch.nn.functional.pad(b, (0, columns - b.shape[1])) for b in weights])
    spread = torch.cat(overlaps)
    chosen = tuple(sectors[i] for i in order.tolist())
    return Head(joined[order], chosen, stacked[order], (float(spread.min()), float(spread.max())))


def values(ansatz: Ansatz, functions: list[Tensor], factor: Tensor, head: Head) -> Tensor:
    """The states of ``head`` with their derivatives, ``[1 + order·d, N, M]``; differentiable."""
    pieces, rows = [], []
    for index, jet in enumerate(functions):
        mine = head.rows(index)
        if mine:
            pieces.append(decay.apply(factor, _combine(jet, head.weights[mine]), dim=ansatz.problem.dim))
            rows += mine
    joined = torch.cat(pieces, dim=2)
    return joined if rows == sorted(rows) else joined[:, :, torch.argsort(torch.tensor(rows))]


def _combine(jet: Tensor, weights: Tensor) -> Tensor:
    """Functions ``[..., F]`` combined with ``[M, F]`` or more, which may be complex."""
    if weights.is_complex():
        return torch.complex(_combine(jet, weights.real), _combine(jet, weights.imag))
    return jet @ weights[:, : jet.shape[2]].to(jet.dtype).T


def squared(psi: Tensor) -> Tensor:
    """``|ψ|²``, real."""
    return psi.real.square() + psi.imag.square() if psi.is_complex() else psi.square()


def alike(sectors: Sequence[int]) -> Tensor:
    """Return 1 for pairs of states with the same parity, else 0, float64 ``[M, M]``. The integrals of the
    other pairs vanish, but not their sums over the nodes of a folded rule."""
    index = torch.tensor(list(sectors))
    return (index[:, None] == index).double()


def form(jet: Tensor, nodes: Nodes, dim: int, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Overlap ``∫ ψᵢψⱼ`` and Hamiltonian ``∫ ∇ψᵢ·∇ψⱼ + V ψᵢψⱼ``, ``[M, M]`` each, float64, differentiable;
    with a field complex128, and ``∫ (Dψᵢ)*·Dψⱼ/μ`` in it with ``D = -i∇ + a``.

    ``pairs`` is :func:`alike` of the functions' sectors.
    """
    pairs = pairs.to(jet.device)
    jet = jet.to(torch.complex128) if jet.is_complex() else jet.double()
    weights = nodes.rule.weights.double()
    weighted = jet[0] * weights[:, None]
    overlap = weighted.mH @ jet[0]
    hamiltonian = weighted.mH @ (jet[0] * nodes.potential.double()[:, None])
    for axis, slope in enumerate(jet[1 : 1 + dim]):
        light = weights if nodes.inverse is None else weights * nodes.inverse[:, axis].double()
        hamiltonian = hamiltonian + (slope * light[:, None]).mH @ slope
        if nodes.vector is not None:
            turning = (slope * (light * nodes.vector[:, axis].double())[:, None]).mH @ jet[0]
            hamiltonian = hamiltonian + 1j * (turning - turning.mH)
    return overlap * pairs, hamiltonian * pairs


def hold_energy(psi: Tensor, head: Head, nodes: Nodes, dim: int) -> Tensor:
    """``Σ E_k`` over the states of ``head``, with its exact gradient by the parameters.

    At the Ritz states the sum is stationary in their coefficients (K. Fan, *On a theorem of Weyl concerning
    eigenvalues of linear transformations*, PNAS 35, 652, 1949), so that its gradient is that of
    ``Σ ∫ |∇ψ_k|² + (V - E_k) ψ_k²`` with coefficients and energies held: no derivative goes through an
    eigenproblem, and degenerate states do no harm.

    ``psi``: values and slopes of the states, ``[1 + d, N, K]``.
    """
    excess = (nodes.potential[:, None] - head.energies.to(nodes.potential)) * squared(psi[0])
    for axis, slope in enumerate(psi[1 : 1 + dim]):
        each = squared(slope)
        if nodes.vector is not None:
            each = each + 2 * nodes.vector[:, axis, None] * (psi[0].conj() * slope).imag
        excess = excess + (each if nodes.inverse is None else each * nodes.inverse[:, axis, None])
    held = (nodes.rule.weights.to(excess) @ excess).sum().double()
    return held - held.detach() + head.energies.sum()
