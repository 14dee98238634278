"""From a configuration to what it asks for: trial functions, loss, nodes, evaluator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator

from lior.errors import UsageError
from lior.plugins import pick_device
from lior_ritz.config import RitzConfig, mirror
from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.layers import Shape
from lior_ritz.network.states import Nodes
from lior_ritz.problem import Problem
from lior_ritz.problem.extent import Extent
from lior_ritz.problem.quadrature import RANDOM, Rule, grid_rule, stretch_for
from lior_ritz.training.objective import Objective
from lior_ritz.verification.evaluation import MOST, Evaluator, first_size

_SHARE = 0.75
"""Share of the substituted interval in which the states are: about half of the nodes."""
_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "single": torch.float32,
    "float64": torch.float64,
    "fp64": torch.float64,
    "double": torch.float64,
}


def dtype(config: RitzConfig) -> torch.dtype:
    """Precision of the network."""
    return _DTYPES[config.training.dtype]


def device(config: RitzConfig) -> torch.device:
    """Return the device of training; ``DeviceError`` when it is absent or lacks the precision."""
    return pick_device(config.training.device, dtype(config), key="training.device")


def fault_limit(config: RitzConfig) -> float:
    """Return the limit of :func:`lior_ritz.network.states.quadrature_fault`.

    On nodes that are enough it is below a tenth of that; in three dimensions and more they are seldom enough.
    """
    return 1e-6 if dtype(config) == torch.float64 and config.domain.dim < 3 else 1e-5


def limits(config: RitzConfig, axes: Sequence[int]) -> tuple[int, ...] | None:
    """How many functions of each parity there are, where that is asked for."""
    solver = config.solver
    if solver.wanted_parity == "x":
        return solver.parity_even, solver.parity_odd
    if solver.head == "solved" or not axes:
        return None
    share, more = divmod(solver.M, 2 ** len(axes))
    return tuple(share + (index < more) for index in range(2 ** len(axes)))


def ansatz(config: RitzConfig, problem: Problem, extent: Extent) -> Ansatz:
    """The trial functions that the configuration describes."""
    solver, model = config.solver, config.model
    axes = mirror(config, problem)
    envelope = solver.envelope
    given = (envelope.alpha, envelope.beta, envelope.gamma, envelope.zeta)
    rates = tuple(found if rate is None else rate for rate, found in zip(given, extent.alpha, strict=False))
    heads = None
    if solver.head == "trained":
        heads = limits(config, axes) or (solver.M,)
    return Ansatz(
        problem=problem,
        shape=Shape(
            inputs=problem.dim,
            width=model.hidden_features,
            depth=model.hidden_layers,
            first_omega=model.first_omega_0,
            hidden_omega=model.hidden_omega_0,
            activation=model.activation,
        ),
        mirrored=axes,
        alpha=rates if solver.use_envelope else None,
        trainable=envelope.trainable,
        heads=heads,
    )


def objective(config: RitzConfig, ansatz: Ansatz) -> Objective:
    """The loss."""
    return Objective(
        ansatz=ansatz,
        count=config.solver.K,
        limits=limits(config, ansatz.mirrored) if ansatz.heads is None else None,
        weights=config.training.loss_weights,
    )


def evaluator(config: RitzConfig, ansatz: Ansatz, extent: Extent) -> Evaluator:
    """Return the evaluator of states.

    Raises ``UsageError`` when it would need more nodes than there may be.
    """
    refuse_many_nodes(config)
    return Evaluator(
        ansatz=ansatz,
        count=config.solver.K,
        basis=config.solver.M,
        limits=limits(config, ansatz.mirrored) if ansatz.heads is None else None,
        stretch=stretch(ansatz.problem, extent),
        device=device(config),
    )


def refuse_many_nodes(config: RitzConfig) -> None:
    """Refuse grids that would not fit in memory.

    Raises ``UsageError`` naming the key.
    """
    domain, dim = config.domain, config.domain.dim
    first = first_size(domain.axis_nodes, domain.eval_nq)
    grids = {"domain.eval_nq": first} if domain.eval_nq else {"domain.nq (half more are judged on)": first}
    if sampling_mode(config) not in ("monte_carlo", "sobol"):
        grids["domain.nq"] = domain.axis_nodes
    for key, nq in grids.items():
        if nq**dim > MOST:
            most = math.floor(MOST ** (1 / dim) + 1e-9)
            raise UsageError(
                f"{key}: {nq} nodes on each of {dim} axes are {nq**dim:,}; allowed are {MOST:,} in all, "
                f"or {most} on each axis"
            )


def stretch(problem: Problem, extent: Extent) -> tuple[float, ...]:
    """How much nodes are drawn to where the states are, by axis."""
    pairs = zip(extent.reach, problem.half_widths, strict=True)
    return tuple(stretch_for(reach, width, _SHARE) for reach, width in pairs)


def sampling_mode(config: RitzConfig) -> str:
    """The kind of training nodes."""
    mode = config.training.sampling_mode
    if mode != "auto":
        return mode
    return "gauss_legendre" if config.domain.dim <= 3 else "sobol"


def is_random(config: RitzConfig) -> bool:
    """Whether every step of Adam has nodes of its own."""
    return sampling_mode(config) in RANDOM


def training_nodes(
    config: RitzConfig, ansatz: Ansatz, extent: Extent, nq: int, generator: Generator
) -> Nodes:
    """Nodes to train on; random modes draw from ``generator``."""
    mode, problem, training = sampling_mode(config), ansatz.problem, config.training
    folded = frozenset(ansatz.mirrored)
    sizes = [nq] * problem.dim
    if mode in RANDOM:
        rule = random_rule(
            mode, sizes, training.mc_points, training.grid_jitter_frac, problem.half_widths, generator, folded
        )
    else:
        stretched = stretch(problem, extent) if mode == "gauss_legendre" else None
        rule = grid_rule(mode, sizes, problem.half_widths, folded, stretched)
    return Nodes.of(ansatz, rule.to(device(config), dtype(config)))


def random_rule(
    mode: str,
    sizes: Sequence[int],
    points: int,
    jitter: float,
    half_widths: Sequence[float],
    generator: Generator,
    folded: frozenset[int] = frozenset(),
) -> Rule:
    """Nodes drawn at random, unbiased for every integrand, or for ``jittered_grid`` up to its smoothing.

    ``mode``: ``jittered_grid``: the centres of ``sizes`` cells on each axis, each moved by up to ``jitter``
    cells and reflected where that leaves the box (one half makes it stratified sampling); ``monte_carlo``;
    ``sobol``: scrambled Sobol points (A. B. Owen, *Scrambling Sobol' and Niederreiter-Xing points*, J.
    Complexity 14, 466, 1998). ``points``: how many, for the modes without a grid.
    """
    dim = len(half_widths)
    volume = float(np.prod([2 * width for width in half_widths]))
    if mode == "jittered_grid":
        centres = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in sizes]
        unit = torch.stack([c.reshape(-1) for c in torch.meshgrid(*centres, indexing="ij")], 1)
        moves = 2 * torch.rand(unit.shape, generator=generator, dtype=torch.float64) - 1
        moved = (unit + moves * jitter / torch.tensor(sizes, dtype=torch.float64)).remainder(2.0)
        unit = torch.minimum(moved, 2.0 - moved)  # reflection keeps a uniform density uniform
    elif mode == "monte_carlo":
        unit = torch.rand(points, dim, generator=generator, dtype=torch.float64)
    else:
        seed = int(torch.randint(2**31, (), generator=generator))
        unit = torch.quasirandom.SobolEngine(dim, scramble=True, seed=seed).draw(points, dtype=torch.float64)
    nodes = (2 * unit - 1) * torch.tensor(half_widths, dtype=torch.float64)
    for axis in folded:
        nodes[:, axis] = nodes[:, axis].abs()
    return Rule(nodes, torch.full((len(nodes),), volume / len(nodes), dtype=torch.float64))
