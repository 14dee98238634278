"""The verdict on a solution, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from lior_ritz.training.solution import Solution
from lior_ritz.verification import box, shells

History: TypeAlias = "Sequence[Mapping[str, Any]]"
"""Lines of the metrics."""


def verdicts(solution: Solution) -> list[str]:
    """Return remarks on the levels beside the reference, and on a network's quadrature and training."""
    net, reference = solution.network, solution.reference
    count = len(solution.energies)
    notes = (box.warning(solution.problem, reference, count), shells.remark(reference, count))
    said_of_levels = [judgement(solution), *filter(None, notes)]
    if net is None:
        return said_of_levels
    progress, error, nq = net.trainer.progress, net.evaluation.quadrature_error, net.evaluation.nq
    on = f"on two rules that training has not seen, with up to {nq} nodes on each axis"
    if net.evaluation.sound:
        said = [f"quadrature sound: energies {on}, agree to {error:.1e} E0"]
    else:
        more = "raise domain.eval_nq or lower model.first_omega_0"
        said = [f"WARNING: quadrature NOT sound: energies {on}, differ by {error:.1e} E0; {more}"]
    said += said_of_levels
    noise = float(reference.errors[:count].max()) + error
    if float(solution.errors.min()) < -noise:
        said.append(
            "WARNING: a level lies below the reference's by more than both errors; do not use this run"
        )
    if solution.bounds.lower is None:
        said.append(f"no bound from below: {solution.bounds.why}")
    if faults := progress.refinements:
        said.append(
            "training nodes were found at fault and replaced by more, "
            f"{faults[0]['nq_prev']} on each axis in the beginning, {faults[-1]['nq_new']} in the end"
        )
    return [*said, f"note: {progress.note}"] if progress.note else said


def judgement(solution: Solution) -> str:
    """Return the reference's verdict on the levels."""
    accuracy, reference = solution.config.solver.accuracy, solution.reference
    if solution.network is None:
        bar = float(solution.relative_errors.max())
        said = f"levels by the reference ({reference.method}), off by no more than {bar:.1e}, relatively"
        more = f"; allowed {accuracy:g}: see its error bars" if solution.missed else ""
        return said + reference.misses(len(solution.energies)) + more
    if not solution.missed:
        return f"levels within {accuracy:g}, relatively, of the reference's"
    names = ", ".join(f"E{k}" for k in solution.missed)
    worst = float(np.abs(solution.relative_errors).max())
    missed = f"levels MISS the reference's, by up to {worst:.1e} ({names}; allowed {accuracy:g})"
    return f"{missed}: use the reference's"
