"""What is to be thought of a solution, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from lior_ritz.training.solution import Solution

History: TypeAlias = "Sequence[Mapping[str, Any]]"
"""Lines of the metrics."""
FOCUS = 4.0
"""The picture of the potential that has most to show ends so many barriers above the bottom."""


def verdict(solution: Solution, history: History) -> str:
    """What is to be thought of the integrals, and of the levels beside the referee's."""
    progress = solution.trainer.progress
    error, nq = solution.evaluation.quadrature_error, solution.evaluation.nq
    rules = "energies on two rules that training has not seen"
    if solution.evaluation.sound:
        said = [f"quadrature sound: {rules} agree to {error:.1e} E0, with up to {nq} nodes on each axis"]
    else:
        said = [
            f"quadrature NOT sound: {rules} differ by {error:.1e} E0, with up to {nq} nodes on each axis; "
            "raise domain.eval_nq, or make the network smoother"
        ]
    if checks := [line["quadrature_mismatch"] for line in history if "quadrature_mismatch" in line]:
        drawn = " (drawn anew by each step of Adam)" * solution.trainer.random
        said.append(
            f"those on the training nodes{drawn} differed from them by {checks[-1]:.1e} at the last check"
        )
    count = len(progress.refinements)
    times = "once" if count == 1 else f"{count} times"
    said.append(
        f"finer training nodes were taken {times}, in the end nq = {progress.nq}"
        if count
        else f"training nodes stayed as they were, nq = {progress.nq}"
    )
    return "; ".join([*said, *([progress.note] if progress.note else []), judgement(solution)])


def judgement(solution: Solution) -> str:
    """What the referee says of the network's levels."""
    accuracy = solution.config.solver.accuracy
    if solution.config.training.loss_weights.boundary:
        return "levels not compared: the states are those of an edge that repels them, the referee's are not"
    if not solution.missed:
        return f"levels within {accuracy:g}, relatively, of the referee's"
    names = ", ".join(f"E{k}" for k in solution.missed)
    worst = float(solution.relative_errors.abs().max())
    off = f"by up to {worst:.1e} ({names}; allowed {accuracy:g})"
    return f"levels MISS the referee's, {off}: use the referee's"


def global_steps(history: History) -> list[int]:
    """Number of each line's step since the beginning; in the metrics each phase counts its own."""
    offset, before, found = 0, 0, []
    for line in history:
        if line["step"] <= before:
            offset += before
        before = line["step"]
        found.append(offset + before)
    return found


def focus_range(values: Tensor, barrier: float | None) -> tuple[float, float, float]:
    """Least and greatest number, and where the focused picture ends: four barriers above the least, or at
    the 95th percentile without a barrier."""
    low, high = float(values.min()), float(values.max())
    if barrier is not None and math.isfinite(barrier) and barrier > 0:
        return low, high, min(high, low + FOCUS * barrier)
    return low, high, float(np.percentile(values.numpy(), 95))
