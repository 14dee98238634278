"""The state of training: phases, progress, and the best parameters."""

from __future__ import annotations

import math
from typing import Any

import attrs

from lior_ritz.config import RitzConfig
from lior_ritz.network.layers import Params
from lior_ritz.training.assembly import is_random
from lior_ritz.verification.evaluation import Evaluation


@attrs.frozen(kw_only=True)
class Phase:
    """A stretch of training with one optimiser."""

    name: str
    steps: int


def phases(config: RitzConfig) -> list[Phase]:
    """The phases of a run, in their order; those without steps are left out, and L-BFGS on random nodes: it
    would lower their sum and not the energies."""
    training = config.training
    first, _, second = training.optimizer.partition("+")
    found = [] if first == "lbfgs" else [Phase(name=first, steps=training.steps)]
    if "lbfgs" in (first, second) and not is_random(config):
        found.append(Phase(name="lbfgs", steps=training.lbfgs_refine.steps))
    return [phase for phase in found if phase.steps]


@attrs.define(kw_only=True)
class Best:
    """The parameters with the lowest energies on independent nodes so far."""

    params: Params
    evaluation: Evaluation
    step: int
    size: int
    """Nodes on each axis of the coarser rule that it was evaluated on."""


@attrs.define(kw_only=True)
class Progress:
    """The progress of training, without tensors; ready for JSON by ``attrs.asdict``."""

    step: int = 0
    phase: int = 0
    phase_step: int = 0
    nq: int = 0
    evaluations: int = 0
    refused: int = 0
    """Evaluations of this window in which the nodes were not believed."""
    tried: int = 0
    """Evaluations of this window."""
    stale: int = 0
    """Independent evaluations in a row that brought nothing."""
    score: float | None = None
    """On independent nodes, the last time; see :func:`score`."""
    refinements: list[dict[str, Any]] = attrs.field(factory=list)
    """Each time that more nodes were needed: step, nq before and after, why."""
    drops: list[dict[str, Any]] = attrs.field(factory=list)
    """Each time that the learning rate was lowered on a plateau."""
    note: str = ""
    """Why training ended early, if that is worth saying."""


def score(found: Evaluation, config: RitzConfig) -> float:
    """Return the score that the best parameters minimise: the energies with their quadrature error."""
    count = found.energies.shape[-1]
    if count < config.solver.K:
        return math.inf  # a level less is no gain
    return found.eigsum + count * found.quadrature_error
