"""Energies on quadrature rules that training has not seen."""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from lior.errors import UsageError
from lior_ritz.config import RitzConfig
from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.layers import Params
from lior_ritz.network.states import Head, Nodes, alike, form, solve, values
from lior_ritz.problem.quadrature import grid_rule

_AGREE = 1e-9
"""Relative difference of the energies on two rules below which both are believed."""
_COARSE = 1.5
"""Nodes on each axis of the coarser independent rule, for each in training."""
_FINER = 1.35
"""Nodes of the finer rule per node of the coarser rule, on each axis."""
_OTHERS = (1, 2, 4, 7)
"""Numbers of nodes by which further rules are smaller on each axis; they bound the error if two rules
disagree. Larger rules might exceed the memory."""
_SAFETY = 2.0
"""Factor of the spread of these rules."""
_POINTS = {1: 4000, 2: 250_000, 3: 400_000, 4: 700_000}
"""Most nodes of a rule by dimension, before folding, unless the configuration asks for more."""
MOST = 2_000_000
"""Most nodes that it may ask for."""


@attrs.frozen(kw_only=True)
class Evaluation:
    """The Ritz states of a network, on rules of their own."""

    energies: Tensor
    """``[K]``, float64: of the basis that :attr:`head` spans, on the finer of two rules. They lie above the
    exact ones, up to :attr:`quadrature_error`, whatever the network is."""
    head: Head
    """The M basis functions, solved for on the coarser rule."""
    quadrature_error: float
    """Largest difference of an energy between the two rules, in ``E0``; of final energies about which they
    disagree, twice the largest difference to several other rules."""
    nq: int
    """Nodes on each axis of the finer rule."""
    nodes: Nodes
    """The finer rule."""
    params: Params
    """The parameters, float64."""

    @property
    def eigsum(self) -> float:
        """``Σ E_k``."""
        return float(self.energies.sum())

    @property
    def sound(self) -> bool:
        """Whether the two rules agree."""
        return self.quadrature_error <= _AGREE * max(1.0, float(self.energies.abs().max()))


@attrs.frozen(kw_only=True)
class Evaluator:
    """Evaluates one ansatz."""

    ansatz: Ansatz
    count: int
    basis: int
    limits: tuple[int, ...] | None
    stretch: tuple[float, ...]
    """The stretch of the nodes; see :func:`lior_ritz.problem.quadrature.grid_rule`."""
    device: torch.device

    def nodes(self, nq: int) -> Nodes:
        """The rule with ``nq`` nodes on each axis, float64."""
        problem = self.ansatz.problem
        rule = grid_rule(
            "gauss_legendre",
            [nq] * problem.dim,
            problem.half_widths,
            frozenset(self.ansatz.mirrored),
            self.stretch,
        )
        nodes = Nodes.of(self.ansatz, rule.to(self.device, torch.float64))
        bad = (~nodes.potential.isfinite()).nonzero()
        if len(bad):
            where = ", ".join(f"{x:.4g}" for x in nodes.rule.points[bad[0, 0]].tolist())
            raise UsageError(f"the potential is not finite at ({where}), inside the box")
        return nodes

    def __call__(self, params: Params, nq: int, *, final: bool = False) -> Evaluation:
        """Solve on one rule, evaluate on a finer one, and refine both until they agree or are as fine as
        may be.

        ``nq``: nodes on each axis of the first rule. ``final``: whether to go to the finest rules there are;
        while training, a quarter of their nodes is enough.
        """
        with torch.no_grad():
            params = {name: value.detach().double() for name, value in params.items()}
            coarse = nq
            while True:
                fine = math.ceil(coarse * _FINER)
                found = self._on(params, coarse, fine)
                if found.sound:
                    return found
                if not self._affordable(math.ceil(fine * _FINER), final):
                    return self._doubted(found, fine) if final else found
                coarse = fine

    def _doubted(self, found: Evaluation, fine: int) -> Evaluation:
        """Widen the error by the spread of further rules: two rules may agree by chance if V jumps, since the
        error depends on the jump's place between two nodes."""
        energies = [found.energies, *(self._again(found, fine - fewer) for fewer in _OTHERS)]
        spread = float((torch.stack(energies) - found.energies).abs().max())
        return attrs.evolve(found, quadrature_error=max(found.quadrature_error, _SAFETY * spread))

    def _again(self, found: Evaluation, nq: int) -> Tensor:
        """The energies of the same functions on another rule."""
        nodes = self.nodes(nq)
        basis = basis_values(self.ansatz, found.params, found.head, nodes)
        matrices = form(basis, nodes, self.ansatz.problem.dim, alike(found.head.sectors))
        return ritz(*matrices)[0][: found.energies.shape[-1]]

    def _affordable(self, nq: int, final: bool) -> bool:
        dim = self.ansatz.problem.dim
        return nq**dim <= (_POINTS[dim] if final else _POINTS[dim] // 4)

    def _on(self, params: Params, coarse: int, fine: int) -> Evaluation:
        dim = self.ansatz.problem.dim
        nodes = self.nodes(coarse)
        points = nodes.rule.points
        functions, factor = self.ansatz.functions(params, points), self.ansatz.decay(params, points)
        head = solve(self.ansatz, functions, factor, nodes, self.basis, self.limits)
        first = head.energies[: self.count]
        nodes = self.nodes(fine)
        basis = basis_values(self.ansatz, params, head, nodes)
        energies, _ = ritz(*form(basis, nodes, dim, alike(head.sectors)))
        return Evaluation(
            energies=energies[: self.count],
            head=head,
            quadrature_error=float((energies[: self.count] - first).abs().max()),
            nq=fine,
            nodes=nodes,
            params=params,
        )


def refuse_few(found: Evaluation, config: RitzConfig) -> None:
    """Refuse a trial space with fewer independent functions than levels are wanted.

    Raises ``UsageError`` saying what to raise.
    """
    if (count := found.energies.shape[-1]) < config.solver.K:
        raise UsageError(
            f"solver.K = {config.solver.K}: the trained functions have only {count} independent states; "
            "raise model.hidden_features, or lower solver.K"
        )


def basis_values(ansatz: Ansatz, params: Params, head: Head, nodes: Nodes, *, order: int = 1) -> Tensor:
    """The functions of ``head`` at nodes, with derivatives, ``[1 + order·d, N, M]``."""
    points = nodes.rule.points
    functions = ansatz.functions(params, points, order=order)
    return values(ansatz, functions, ansatz.decay(params, points, order=order), head)


def ritz(overlap: Tensor, hamiltonian: Tensor) -> tuple[Tensor, Tensor]:
    """Energies and coefficients ``[M, M]`` of a well-conditioned basis, whose states have norm 1.

    Raises ``torch.linalg.LinAlgError`` when the functions are dependent or not finite.
    """
    lower = torch.linalg.cholesky(overlap)
    half = torch.linalg.solve_triangular(lower, hamiltonian, upper=False)
    matrix = torch.linalg.solve_triangular(lower, half.mH, upper=False)
    energies, vectors = torch.linalg.eigh((matrix + matrix.mH) / 2)
    return energies, torch.linalg.solve_triangular(lower.mH, vectors, upper=True)


def largest_training(dim: int) -> int:
    """Nodes on each axis up to which training may be refined, so that finer rules can judge it."""
    return math.floor(_POINTS[dim] ** (1 / dim) / (_COARSE * _FINER))


def first_size(training: int, wanted: int) -> int:
    """Nodes on each axis of the coarser independent rule; odd, so that it shares few with training's."""
    return wanted or 2 * (math.ceil(_COARSE * training) // 2) + 1
