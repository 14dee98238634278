"""Time of a training step of the first published solver's own network, beside that of how it took one.

    python plugins/lior-ritz/bench/step.py [repetitions]

Its step is written down again from its description: slopes by one backward pass for each output, kept for a
second one; the Hamiltonian from an array of nodes by functions by functions by axes; energies through a
Cholesky factorisation that derivatives go through. Both take turns in one process, and medians are compared.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lior_ritz import config as configuration
from lior_ritz.training.trainer import Trainer

NODES, FUNCTIONS, WANTED = 100, 8, 4


def _layers(trainer: Trainer) -> tuple[list[Tensor], list[Tensor], Tensor]:
    params, depth = trainer.params, trainer.ansatz.shape.depth
    weights = [params[f"layer{i}.weight"] for i in range(depth + 1)]
    biases = [params[f"layer{i}.bias"] for i in range(depth + 1)]
    return weights, biases, params["head.weight"]


def original_step(trainer: Trainer, optimiser: torch.optim.Adam) -> None:
    """One step as it was."""
    weights, biases, head = _layers(trainer)
    axis = torch.linspace(-4, 4, NODES, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2).requires_grad_()
    value = points
    for weight, bias in zip(weights, biases, strict=True):
        value = torch.sin(30 * (value @ weight.T + bias))
    envelope = torch.exp(-0.25 * points[:, :1] ** 2 - 0.35 * points[:, 1:] ** 2)
    phi = envelope * (value @ head[:, :-1].T)
    slopes = torch.stack(
        [torch.autograd.grad(phi[:, i].sum(), points, create_graph=True)[0] for i in range(FUNCTIONS)], 1
    )
    area = (8 / (NODES - 1)) ** 2
    potential = trainer.problem.energy(points.detach())
    overlap = phi.T @ (area * phi)
    kinetic = (slopes[:, :, None, :] * slopes[:, None, :, :]).sum(-1)
    matrix = (area * (kinetic + potential[:, None, None] * phi[:, :, None] * phi[:, None, :])).sum(0)
    lower = torch.linalg.cholesky(overlap + 1e-8 * torch.eye(FUNCTIONS, dtype=torch.float64))
    inverse = torch.linalg.inv(lower)
    loss = torch.linalg.eigvalsh(inverse @ matrix @ inverse.T)[:WANTED].sum()
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(trainer.params.values()), 1.0)
    optimiser.step()


def measure(step: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - processor


def main(repetitions: int) -> None:
    """Print medians and their ratio."""
    config = configuration.load(["document"], ["training.sampling_mode=fixed_grid"], env={}).config
    ours, theirs = (Trainer(config, configuration.problem(config)) for _ in range(2))
    optimiser = torch.optim.Adam(list(theirs.params.values()), lr=5e-4)
    steps = {"original": lambda: original_step(theirs, optimiser), "lior-ritz": ours.step}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for turn in range(repetitions + 1):
        for name, step in steps.items():
            pair = measure(step)
            if turn:  # the first warms up
                found[name].append(pair)
    rows = {
        name: dict(zip(("wall_s", "cpu_s"), map(statistics.median, zip(*pairs, strict=True)), strict=True))
        for name, pairs in found.items()
    }
    ratio = {key: rows["lior-ritz"][key] / rows["original"][key] for key in ("wall_s", "cpu_s")}
    print(json.dumps({"threads": torch.get_num_threads(), "steps": rows, "ratio": ratio}, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
