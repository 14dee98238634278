"""Training that begins where that of a similar problem ended.

Between neighbours the best trial functions change little, so that the first-order phase, which finds roughly
where they are, is left out, and what L-BFGS has learned of the curvature is still about right.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
import torch

from lior.tensors import prefixed, sub
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.network import Params
from lior_ritz.optimisers import QuasiNewton
from lior_ritz.solution import Solution, finished
from lior_ritz.training import Trainer

_EVERY = 20
"""Steps between independent evaluations: what is left to do is soon done."""
_PATIENCE = 1

Watch: TypeAlias = "Callable[[Trainer], None]"
"""Is called after every step; what it raises ends training."""


@attrs.frozen(kw_only=True, eq=False)
class Start:
    """What the training of one problem hands on to the next."""

    params: Params
    """Of the network. Those of the envelope are relative to an estimate, which follows the problem."""
    nq: int
    """Training nodes on each axis that it ended with."""
    curvature: Params = attrs.field(factory=dict)
    """What L-BFGS remembered; empty without it."""
    numbers: Mapping[str, Any] = attrs.field(factory=dict)

    def snapshot(self) -> tuple[Params, dict[str, Any]]:
        """Tensors, and numbers that are ready for JSON."""
        tensors = prefixed("params", self.params) | prefixed("curvature", self.curvature)
        return tensors, {"nq": self.nq, "numbers": dict(self.numbers)}

    @classmethod
    def restored(cls, tensors: Params, numbers: Mapping[str, Any]) -> Start:
        """Undo :meth:`snapshot`."""
        return cls(
            params=sub(tensors, "params"),
            nq=numbers["nq"],
            curvature=sub(tensors, "curvature"),
            numbers=numbers["numbers"],
        )


def solve(
    config: RitzConfig, start: Start | None = None, *, watch: Watch | None = None
) -> tuple[Solution, Start]:
    """Train a network on a problem, from the beginning or from where a similar one ended.

    Parameters
    ----------
    start
        Of a problem with the same network and the same symmetry; one that does not fit is passed over.
    watch
        See :data:`Watch`.

    Returns
    -------
    solution
        What was found. Its configuration is that of the warm training, if it was one.
    start
        For the next problem.

    Raises
    ------
    UsageError
        When the configuration asks for what cannot be.
    """
    begin = time.process_time()
    trainer = prepared(config, start)
    last: QuasiNewton | None = None
    while (phase := trainer.phase) is not None:
        optimiser = trainer.optimiser
        trainer.step()
        if phase.name == "lbfgs" and isinstance(optimiser, QuasiNewton):
            last = optimiser
        if trainer.evaluated:
            trainer.check()
        if watch:
            watch(trainer)
    solution = finished(trainer, time.process_time() - begin)
    return solution, _handed_on(trainer, last)


def prepared(config: RitzConfig, start: Start | None) -> Trainer:
    """A trainer that has not begun, with the parameters of ``start`` if they fit; ``UsageError`` as
    :class:`lior_ritz.training.Trainer`."""
    problem = configuration.problem(config)
    if start is None:
        return Trainer(config, problem)
    trainer = Trainer(warm(config), problem)
    if {name: p.shape for name, p in trainer.params.items()} != {n: p.shape for n, p in start.params.items()}:
        return Trainer(config, problem)
    with torch.no_grad():
        for name, p in trainer.params.items():
            p.copy_(start.params[name])
    trainer.progress.nq = max(config.domain.axis_nodes, start.nq)
    trainer.progress.planned = []
    _remember_curvature(trainer, start)
    return trainer


def warm(config: RitzConfig) -> RitzConfig:
    """The configuration of training that begins near its end.

    The first-order phase is left out if L-BFGS comes after it, and independent evaluations come often, with
    the same relative gain asked for, so that training ends soon after there is nothing left to gain.
    """
    training = config.training
    optimizer = "lbfgs" if training.optimizer.endswith("lbfgs") else training.optimizer
    every = min(_EVERY, training.guard.every)
    return attrs.evolve(
        config,
        training=attrs.evolve(
            training,
            optimizer=optimizer,
            guard=attrs.evolve(training.guard, every=every),
            early_stop=attrs.evolve(training.early_stop, patience=_PATIENCE),
        ),
    )


def _remember_curvature(trainer: Trainer, start: Start) -> None:
    """Give L-BFGS its pairs of changes back, without the last step: the next one is of another function."""
    if not isinstance(trainer.optimiser, QuasiNewton) or not start.curvature:
        return
    device = next(iter(trainer.params.values())).device
    tensors = {name: value.to(device) for name, value in start.curvature.items()}
    tensors["d"] = torch.zeros_like(tensors["d"])
    trainer.optimiser.restore(tensors, {**start.numbers, "t": 0.0})


def _handed_on(trainer: Trainer, last: QuasiNewton | None) -> Start:
    curvature = {name: value.cpu() for name, value in last.tensors().items()} if last else {}
    return Start(
        params={name: p.detach().clone().cpu() for name, p in trainer.params.items()},
        nq=trainer.progress.nq,
        curvature=curvature,
        numbers=last.numbers() if last else {},
    )
