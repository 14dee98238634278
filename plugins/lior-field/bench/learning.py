"""Recovery of a field's hidden numbers, compared with the initial ones and direct least squares.

    python plugins/lior-field/bench/learning.py [--part rest|memory] [--seeds 3]

An error combines all numbers of a kind, ``‖found − hidden‖ / ‖hidden‖``. Noise is relative to the root mean
square of the observations.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from statistics import mean

import attrs
import torch
from torch import Generator, Tensor

from lior.interfaces import State, Updater
from lior_field.grid import Grid
from lior_field.hamiltonian import Hamiltonian
from lior_field.learning import Equilibrium, Filtered, kernel_of, learn, numbers
from lior_plugins import Contrastive, Spsa, kernel
from lior_plugins.kernel import Kernel

Errors = dict[str, float]
FAST = {"learning_rate": 4.0, "perturbation": 0.8, "stability": 1000.0}
"""Options of the updater ``spsa``, for numbers that begin at 0."""
HIDDEN = kernel.concatenate(kernel.exponential(0.7, 0.05), kernel.oscillation(0.5, 0.8, 0.4, 0.1))
WRONG = kernel.concatenate(kernel.exponential(0.5, 0.1), kernel.oscillation(0.3, 1.0, 0.0, 0.2))


def normal(draw: Generator, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return standard normal numbers."""
    return torch.randn(*shape, generator=draw, dtype=dtype)


def blurred(value: Tensor, noise: float, draw: Generator) -> Tensor:
    """Return ``value`` with observation noise."""
    size = value.abs().square().mean().sqrt()
    return value + noise * size * normal(draw, *value.shape, dtype=value.dtype)


def relative(found: Tensor, hidden: Tensor) -> float:
    """Return the relative error."""
    return float((found - hidden).norm() / hidden.norm())


# --- fields at rest ---------------------------------------------------------


def rest(draw: Generator) -> dict[str, Errors]:
    """Return potential and mass from fields at rest under 8 drives."""
    grid, side = Grid(shape=(8, 8)), (8, 8)
    hidden = {"log_potential": 0.5 * normal(draw, *side), "log_mass": torch.tensor(0.5, dtype=torch.float64)}
    start = {name: torch.zeros_like(value) for name, value in hidden.items()}
    drives = normal(draw, *side, 8, dtype=torch.complex128)
    probe = Equilibrium(
        hamiltonian=Hamiltonian(grid=grid),
        snapshot={"field": torch.zeros_like(drives)},
        drives=drives,
        targets=drives,
    )
    exact = probe.fields(hidden)

    def errors(found: State) -> Errors:
        return {n.removeprefix("log_"): relative(found[n].exp(), hidden[n].exp()) for n in hidden}

    two = Contrastive(nudge=0.05, learning_rate=0.1)
    half = torch.rand(*side, generator=draw) < 0.5
    table: dict[str, Errors] = {"before": errors(start)}
    for noise, sites, share in (
        (0.0, None, "all sites"),
        (0.02, None, "all sites"),
        (0.02, half, "half of the sites"),
    ):
        seen = blurred(exact, noise, draw)
        observed = attrs.evolve(probe, targets=seen, sites=sites)
        what = f"noise {noise:g}, {share}"
        if sites is None:
            table[f"{what}: least squares"] = errors(least_squares(probe.hamiltonian, seen, drives))
        found = learn(observed, start, two, updates=100, generator=draw)
        table[f"{what}: two phases"] = errors(found)
        if noise and sites is None:
            found = learn(observed, start, Spsa(directions=8, **FAST), updates=100, generator=draw)
            table[f"{what}: perturbation"] = errors(found)
    return table


def least_squares(h: Hamiltonian, t: Tensor, drives: Tensor) -> State:
    """Solve ``V T − (ħ²/2m) Δ T = J`` for ``V`` and ``1/m``, in which it is linear; needs every site."""
    count, s = math.prod(h.grid.shape), t.shape[-1]
    still = torch.diag_embed(t.reshape(count, s).T).reshape(-1, count)
    bent = -(h.hbar**2) / 2 * h.grid.laplacian(t).reshape(count, s).T.reshape(-1, 1)
    a = torch.view_as_real(torch.cat([still, bent], 1)).movedim(-1, 0).reshape(-1, count + 1)
    b = torch.view_as_real(drives.reshape(count, s).T.reshape(-1)).movedim(-1, 0).reshape(-1, 1)
    found = torch.linalg.lstsq(a, b).solution[:, 0].clamp(min=1e-3)
    return {"log_potential": found[:-1].reshape(h.grid.shape).log(), "log_mass": -found[-1].log()}


# --- memory -----------------------------------------------------------------


def memory(draw: Generator) -> dict[str, Errors]:
    """Recover the kernel from the input of a memory, 500 steps of white noise, and its output."""
    x = normal(draw, 500, 1)
    exact = kernel.scan(*HIDDEN, x)[0]

    def errors(found: Kernel) -> Errors:
        away = (found.poles[:, None] - HIDDEN.poles).abs().min(0).values.max()
        responses = (kernel.impulse(*k, 64) for k in (found, HIDDEN))
        return {"kernel": relative(*responses), "farthest pole": float(away)}

    updaters: dict[str, Updater] = {
        "gradient": Contrastive(learning_rate=0.03),
        "perturbation": Spsa(directions=4),
    }
    table: dict[str, Errors] = {"before": errors(WRONG)}
    for noise in (0.0, 0.02, 0.1):
        seen = blurred(exact, noise, draw)
        table[f"noise {noise:g}: least squares"] = errors(prony(x[:, 0], seen[:, 0]))
        probe = Filtered(x=x, observed=seen)
        for name, updater in updaters.items():
            found = kernel_of(learn(probe, numbers(WRONG), updater, updates=400, generator=draw))
            assert found is not None
            table[f"noise {noise:g}: {name}"] = errors(found)
    return table


def prony(x: Tensor, m: Tensor, order: int = 3) -> Kernel:
    """Return ``m_t = Σ a_i m_{t−i} + Σ b_j x_{t−j}`` by least squares, as poles: exact without noise.

    After G. de Prony (1795), with known input. Every pole of the real recurrence is listed, so that complex
    poles come in pairs.
    """
    rows = [
        torch.cat([m[t - order : t].flip(0), x[t - order + 1 : t + 1].flip(0)]) for t in range(order, len(m))
    ]
    found = torch.linalg.lstsq(torch.stack(rows), m[order:, None]).solution[:, 0]
    companion = torch.diag(torch.ones(order - 1, dtype=m.dtype), -1)
    companion[0] = found[:order]
    poles = torch.linalg.eigvals(companion)
    response = torch.zeros(64, dtype=m.dtype)
    for t in range(64):
        past = sum(found[i] * response[t - 1 - i] for i in range(order) if t > i)
        response[t] = past + (found[order + t] if t < order else 0)
    basis = kernel.powers(poles, 64)
    return Kernel(poles, torch.linalg.lstsq(basis, response[:, None].to(basis.dtype)).solution[:, 0])


PARTS: dict[str, Callable[[Generator], dict[str, Errors]]] = {"rest": rest, "memory": memory}


def main() -> None:
    """Print a line for each way of learning: errors, means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    for part in given.part or PARTS:
        begin = time.process_time()
        tables = [PARTS[part](torch.Generator().manual_seed(seed)) for seed in range(given.seeds)]
        for row in tables[0]:
            means = {name: f"{mean(t[row][name] for t in tables):.2g}" for name in tables[0][row]}
            print(json.dumps({"part": part, "what": row, **means}), flush=True)
        print(json.dumps({"part": part, "seconds": round(time.process_time() - begin, 1)}), flush=True)


if __name__ == "__main__":
    main()
