"""Training of one trial space for all devices of a family.

The head is solved for each device by itself, so that all of them can share the functions of one network. What
is lowered is the mean over the devices of ``Σ E_k``: an upper bound for each, by the min-max principle. The
functions are evaluated and orthonormalised once in a step, whatever the number of devices.
"""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from lior.errors import UsageError
from lior_ritz import assembly, decay
from lior_ritz.ansatz import Ansatz
from lior_ritz.config import RitzConfig
from lior_ritz.evaluation import Evaluation, Evaluator
from lior_ritz.extent import Extent, estimate
from lior_ritz.network import Params
from lior_ritz.objective import Loss, Objective
from lior_ritz.problem import Device
from lior_ritz.projection import Whitened, whiten
from lior_ritz.shared import Shared, Values, columns, lowest, rows
from lior_ritz.states import Head, Nodes, quadrature_fault
from lior_ritz.training import Trainer


def spans(ansatz: Ansatz, functions: list[Tensor], factor: Tensor, nodes: Nodes) -> list[Whitened]:
    """The trial space of each sector, orthonormal.

    Parameters
    ----------
    functions, factor
        From :meth:`Ansatz.functions` and :meth:`Ansatz.decay`, values and slopes.

    Raises
    ------
    torch.linalg.LinAlgError
        When the functions are not finite, or all vanish.
    """
    dim = ansatz.problem.dim
    return [whiten(decay.apply(factor, jet, dim=dim), nodes.rule.weights) for jet in functions]


@attrs.frozen(kw_only=True)
class FamilyObjective(Objective):
    """The mean over the devices of the sum of their K lowest energies, times its weight."""

    values: Device
    """Of the options, ``[P, 1]``."""

    def __call__(self, params: Params, nodes: Nodes) -> Loss:
        """Work out the loss; its ``head`` has the mean energies ``[K]`` and no states."""
        ansatz = self.ansatz
        functions = ansatz.functions(params, nodes.rule.points)
        factor = ansatz.decay(params, nodes.rule.points)
        held = torch.zeros((), dtype=torch.float64, device=factor.device)
        faults = []
        with torch.no_grad():
            potentials = ansatz.problem.energy(nodes.rule.points, self.values)
            found = spans(ansatz, functions, factor, nodes)
            energies, picks = lowest([(span, span.form(potentials)) for span in found], self.count)
        for jet, span, pick in zip(functions, found, picks, strict=True):
            if not len(pick.device):
                continue
            with torch.no_grad():
                weights = (span.basis @ pick.vectors.T).to(jet.dtype)
                excess = (potentials[pick.device] - pick.energies[:, None]).T.to(jet.dtype)
                states = jet @ weights
                psi = decay.apply(factor, states, dim=ansatz.problem.dim)
                by_jet, by_factor = pulled_back(psi, states, factor, excess, nodes.rule.weights)
                by_jet = by_jet @ weights.T
                faults.append(quadrature_fault(ansatz, psi, nodes))
            held = held + (jet * by_jet).sum().double() + (factor * by_factor).sum().double()
        share = self.weights.eigsum / len(energies)
        spread = torch.cat([span.overlap for span in found])
        return Loss(
            total=share * (held - held.detach() + energies.sum()),
            eigsum=float(energies.sum()) / len(energies),
            condition=0.0,
            boundary=0.0,
            head=mean_head(energies, spread),
            fault=float(torch.stack(faults).max()),
        )


def pulled_back(
    psi: Tensor, states: Tensor, factor: Tensor, excess: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of ``Σ ∫ |∇ψ|² + (V - E) ψ²`` over states ``ψ = B u`` by u and by B.

    The sum of the energies is stationary in the states' coefficients and energies, which are held, as in
    :func:`lior_ritz.states.held_energy`. Worked out by hand, since states of many devices are many.

    Parameters
    ----------
    psi, states
        ψ and u with their slopes, ``[1 + d, N, n]``.
    factor
        B and its slopes, ``[1 + d, N]``.
    excess
        ``V - E`` of each state, ``[N, n]``.
    weights
        ``[N]``.

    Returns
    -------
    by_states
        ``[1 + d, N, n]``.
    by_factor
        ``[1 + d, N]``.
    """
    slope = 2 * weights[:, None] * psi
    slope[0] *= excess
    by_states = factor[:1, :, None] * slope
    by_states[0] += (factor[1:, :, None] * slope[1:]).sum(0)
    by_factor = torch.cat([(slope * states).sum((0, 2))[None], (slope[1:] * states[0]).sum(2)])
    return by_states, by_factor


def mean_head(energies: Tensor, overlap: Tensor) -> Head:
    """What telemetry shows of the levels of several devices, ``[P, K]``."""
    mean = energies.mean(0)
    nothing = torch.zeros(len(mean), 0, dtype=mean.dtype, device=mean.device)
    return Head(mean, (0,) * len(mean), nothing, (float(overlap.min()), float(overlap.max())))


@attrs.frozen(kw_only=True)
class FamilyEvaluation(Evaluation):
    """The levels of the training devices, ``[P, K]``, on a rule that training has not seen."""

    @property
    def eigsum(self) -> float:
        """Mean over the devices of ``Σ E_k``."""
        return float(self.energies.sum()) / len(self.energies)


@attrs.frozen(kw_only=True)
class FamilyEvaluator(Evaluator):
    """Evaluates all devices on independent rules."""

    values: Device

    def _on(self, params: Params, coarse: int, fine: int) -> FamilyEvaluation:
        first, _, _ = self._levels(params, coarse)
        energies, nodes, spread = self._levels(params, fine)
        return FamilyEvaluation(
            energies=energies,
            head=mean_head(energies, spread),
            quadrature_error=float((energies - first).abs().max()),
            nq=fine,
            nodes=nodes,
            params=params,
        )

    def _again(self, found: Evaluation, nq: int) -> Tensor:
        return self._levels(found.params, nq)[0]

    def _levels(self, params: Params, nq: int) -> tuple[Tensor, Nodes, Tensor]:
        nodes = self.nodes(nq)
        points = nodes.rule.points
        functions, factor = self.ansatz.functions(params, points), self.ansatz.decay(params, points)
        potentials = self.ansatz.problem.energy(points, self.values)
        found = spans(self.ansatz, functions, factor, nodes)
        energies, _ = lowest([(span, span.form(potentials)) for span in found], self.count)
        return energies, nodes, torch.cat([span.overlap for span in found])


class FamilyTrainer(Trainer):
    """One network being trained on many devices."""

    def __init__(self, config: RitzConfig, problem: Shared, values: Values) -> None:
        """Begin.

        Parameters
        ----------
        values
            Of the options that are varied, at the devices that are trained.

        Raises
        ------
        UsageError
            When the configuration asks for what cannot be, or cannot be of a family.
        """
        refuse_single(config)
        assembly.refuse_many_nodes(config)
        self.values = values
        super().__init__(config, problem)

    def estimated(self) -> Extent:
        """How far the lowest states of any of the devices reach."""
        found = [estimate(self.problem.varied(device), self.config.solver.K) for device in rows(self.values)]
        return Extent(
            reach=tuple(max(reach) for reach in zip(*(each.reach for each in found), strict=True)),
            alpha=tuple(min(alpha) for alpha in zip(*(each.alpha for each in found), strict=True)),
        )

    def assembled(self) -> tuple[Objective, Evaluator]:
        """What is lowered, and what judges it, of all devices."""
        solver, device = self.config.solver, assembly.device(self.config)
        # Energies are worked out in double precision, whatever that of the network.
        values = {name: each.to(device) for name, each in columns(self.values).items()}
        objective = FamilyObjective(
            ansatz=self.ansatz,
            count=solver.K,
            limits=None,
            weights=self.config.training.loss_weights,
            values=values,
        )
        evaluator = FamilyEvaluator(
            ansatz=self.ansatz,
            count=solver.K,
            basis=solver.M,
            limits=None,
            stretch=assembly.stretch(self.problem, self.extent),
            device=device,
            values=values,
        )
        return objective, evaluator


def refuse_single(config: RitzConfig) -> None:
    """Refuse what a family cannot have.

    Raises
    ------
    UsageError
        Naming the key.
    """
    if config.solver.head != "solved":
        raise UsageError(
            'solver.head = "trained": a family shares functions and solves a head for each device'
        )
    for name in ("S_condition", "boundary", "pde_polish"):
        if getattr(config.training.loss_weights, name):
            raise UsageError(f"training.loss_weights.{name} is of single devices; leave it out for a family")
