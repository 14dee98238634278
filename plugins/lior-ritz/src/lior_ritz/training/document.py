"""What is kept of the solver that came first, and of the document about it, beside what does better here.

Its files: what such a file does not say is as by default here; the recipe ``document``, laid under it, has
that program's own defaults. It merged every file over one table of these, so that its files may carry keys of
a potential that they do not use, and write out what is derived: what it did not read is left out. Its
options: the learning rate that falls on a plateau, the penalty on the overlap, and training nodes that are
drawn at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from lior.config.recipes import read
from lior.config.resolving import Labelled
from lior_ritz.problem.quadrature import Rule
from lior_ritz.problem.units import MATERIALS

_LEAST = 1e-8
"""Eigenvalues of the overlap below this are penalised."""
_DERIVED = ("beta_x", "beta_y", "barrier_dimless", "E0_meV")
"""What it wrote into the configuration of a run, and never read."""
_OURS = frozenset(
    {
        "physics.eps_r",
        "physics.field_tesla",
        "physics.g",
        "physics.rashba_meV_nm",
        "physics.dresselhaus_meV_nm",
        "physics.mass",
        "physics.mass_x",
        "physics.mass_y",
        "physics.offset_meV",
        "domain.dim",
        "domain.Z",
        "domain.W",
        "domain.boundary",
        "domain.eval_nq",
        "solver.head",
        "solver.parity",
        "model.activation",
        "training.seed",
        "training.device",
        "training.lbfgs_refine",
        "training.guard",
        "training.early_stop",
        "training.checkpoint",
    }
)
"""Keys that the first solver did not have."""
_UNREAD = {
    "targets": ("c4", "c2y", "barrier_meV"),
    "raw": ("hbar_omega_x_meV", "hbar_omega_y_meV", "barrier_meV"),
    "barrier": ("c4", "hbar_omega_x_meV"),
}
"""By mode, options of the double dot that it overwrote or did not read."""
_DOT = ("param_mode", "a", "delta", "c4", "c2y", "hbar_omega_x_meV", "hbar_omega_y_meV", "barrier_meV")
"""Options of the double dot, which it did not read for a gaussian."""


def adapt(layer: str | PathLike[str] | Mapping[str, Any] | Labelled) -> Any:
    """The layer that stands for one: of an old file what that program read of it.

    A JSON file that names a potential or a key that the first solver did not have, such as the
    ``config.json`` of a run, is taken as it is.

    Raises ``ConfigError`` when it is a JSON file that cannot be read.
    """
    if isinstance(layer, Mapping | Labelled) or not str(layer).lower().endswith(".json"):
        return layer
    table = read(layer, "")
    if _is_ours(table):
        return layer
    for name, read_by_it in (
        ("potential", _without_stale),
        ("physics", _without_label),
        ("model", _with_sines),
    ):
        if isinstance(section := table.get(name), dict):
            table[name] = read_by_it(section)
    return Labelled(table, f"file {layer}")


def _is_ours(table: Mapping[str, Any]) -> bool:
    potential = table.get("potential")
    kind = potential.get("type") if isinstance(potential, dict) else potential
    if kind not in (None, "biquadratic_dqd", "gaussian"):
        return True
    sections = ((name, section) for name, section in table.items() if isinstance(section, dict))
    return any(f"{name}.{key}" in _OURS for name, section in sections for key in section)


def _without_stale(potential: dict[str, Any]) -> dict[str, Any]:
    if potential.get("type", "biquadratic_dqd") == "biquadratic_dqd":
        mode = potential.get("param_mode", "targets")
        unread = {*_DERIVED, *_UNREAD.get(mode, ())}
        if mode == "barrier" and "hbar_omega_y_meV" in potential:
            unread.add("c2y")  # the spacing won
        return {key: value for key, value in potential.items() if key not in unread}
    return {key: value for key, value in potential.items() if key not in (*_DOT, *_DERIVED)}


def _without_label(physics: dict[str, Any]) -> dict[str, Any]:
    """The name of a material was any text, and only the mass counted."""
    named = physics.get("m_eff") is not None and physics.get("material") not in MATERIALS
    return {key: value for key, value in physics.items() if key != "material" or not named}


def _with_sines(model: dict[str, Any]) -> dict[str, Any]:
    """All its networks were of sines; frequencies are of those."""
    named = "first_omega_0" in model or "hidden_omega_0" in model
    return {"activation": "sine"} | model if named else model


# --- options ---


def condition_penalty(overlap: Tensor) -> Tensor:
    """What is wrong with an overlap matrix S, ``[F, F]``.

    ``Σ max(0, 1e-8 - eig S) + mean((C - 1)²) + mean((diag S - 1)²)`` with ``C`` the matrix S scaled to a unit
    diagonal: eigenvalues near zero, functions alike, functions that are not of norm 1.
    """
    diagonal = overlap.diagonal()
    scale = diagonal.clamp_min(1e-12).rsqrt()
    correlation = scale[:, None] * overlap * scale
    one = torch.eye(len(overlap), dtype=overlap.dtype, device=overlap.device)
    floor = torch.relu(_LEAST - torch.linalg.eigvalsh(overlap)).sum()
    return floor + (correlation - one).square().mean() + (diagonal - 1).square().mean()


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
