"""Whether the numbers of a run can be believed: its integrals, and how orthonormal its states are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor

from lior_ritz import assembly
from lior_ritz.samples import Findings
from lior_ritz.solution import Solution

Report: TypeAlias = "dict[str, Any]"


def quadrature(found: Findings) -> Report:
    """``quadrature_report.json``."""
    solution, progress = found.solution, found.solution.trainer.progress
    evaluation, guard = solution.evaluation, solution.config.training.guard
    checks = [
        {"step": step, "nq": line["nq"], "mismatch": line["quadrature_mismatch"]}
        for step, line in zip(global_steps(found.history), found.history, strict=True)
        if "quadrature_mismatch" in line
    ]
    seen = [line["quadrature_fault"] for line in found.history if line.get("quadrature_fault") is not None]
    points = [line["num_points"] for line in found.history if "num_points" in line]
    first = progress.refinements[0]["nq_prev"] if progress.refinements else progress.nq
    report: Report = {
        "sampling_mode": assembly.sampling_mode(solution.config),
        "nq_first": first,
        "nq_last": progress.nq,
        "num_points": points[-1] if points else None,
        "evaluation_nq": evaluation.nq,
        "quadrature_error_dimless": evaluation.quadrature_error,
        "sound": evaluation.sound,
        "mismatches": checks,
        "mismatch_is": "|sum of energies on the training nodes - on independent ones| / max(|sum|, 1 E0)",
        "mismatch_tolerance": guard.tolerance,
        "refinements": progress.refinements,
        "largest_fault": max(seen) if seen else None,
        "fault_is": "largest |integral of d(u psi^2)/dx_i| at a step, which is 0 for exact integrals",
        "fault_tolerance": assembly.fault_limit(solution.config),
        "note": progress.note,
        "verdict": verdict(found),
    }
    why = "no metrics of training are at hand"
    missing = {name: why for name in ("num_points", "largest_fault") if report[name] is None}
    return report | ({"why_null": missing} if missing else {})


def verdict(found: Findings) -> str:
    """What is to be thought of the integrals, and of the levels beside the referee's, in words."""
    solution, progress = found.solution, found.solution.trainer.progress
    error, nq = solution.evaluation.quadrature_error, solution.evaluation.nq
    rules = "energies on two rules that training has not seen"
    if solution.evaluation.sound:
        said = [f"quadrature sound: {rules} agree to {error:.1e} E0, with up to {nq} nodes on each axis"]
    else:
        said = [
            f"quadrature NOT sound: {rules} differ by {error:.1e} E0, with up to {nq} nodes on each axis; "
            "raise domain.eval_nq, or make the network smoother"
        ]
    checks = [line for line in found.history if "quadrature_mismatch" in line]
    last = checks[-1]["quadrature_mismatch"] if checks else None
    if last is not None:
        drawn = " (drawn anew by each step of Adam)" * solution.trainer.random
        said.append(f"those on the training nodes{drawn} differed from them by {last:.1e} at the last check")
    count = len(progress.refinements)
    said.append(
        f"finer training nodes were taken {_times(count)}, in the end nq = {progress.nq}"
        if count
        else f"training nodes stayed as they were, nq = {progress.nq}"
    )
    said.append(judgement(solution))
    return "; ".join([*said, *([progress.note] if progress.note else [])])


def judgement(solution: Solution) -> str:
    """What the referee says of the network's levels, in words."""
    accuracy = solution.config.solver.accuracy
    if solution.config.training.loss_weights.boundary:
        return "levels not compared: the states are those of an edge that repels them, the referee's are not"
    if not solution.missed:
        return f"levels within {accuracy:g}, relatively, of the referee's"
    names = ", ".join(f"E{k}" for k in solution.missed)
    worst = float(solution.relative_errors.abs().max())
    off = f"by up to {worst:.1e} ({names}; allowed {accuracy:g})"
    return f"levels MISS the referee's, {off}: use the referee's"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def global_steps(history: Sequence[Mapping[str, Any]]) -> list[int]:
    """Number of each line's step since the beginning; in the metrics each phase counts its own."""
    offset, before, found = 0, 0, []
    for line in history:
        if line["step"] <= before:
            offset += before
        before = line["step"]
        found.append(offset + before)
    return found


def orthonormality(found: Findings) -> Report:
    """``orthonormality_report.json``."""
    states = found.sampler.measured
    overlap, basis = (states.psi * states.weights) @ states.psi.T, found.sampler.matrices[0]
    report: Report = {
        "weighted_overlap_matrix": overlap.tolist(),
        "max_abs_offdiag": _off_diagonal(overlap),
        "max_diag_deviation_from_1": float((overlap.diagonal() - 1).abs().max()),
        "S_max_abs_offdiag": _off_diagonal(basis),
        "S_min_diag": float(basis.diagonal().min()),
        "S_max_diag": float(basis.diagonal().max()),
        "rule": rule_of(found),
    }
    return report


def _off_diagonal(matrix: Tensor) -> float:
    return float((matrix - matrix.diagonal().diag()).abs().max())


def rule_of(found: Findings) -> Report:
    rule, dim = found.sampler.rule, found.solution.problem.dim
    return {
        "what": "Gauss-Legendre nodes of both halves of each axis; no state was worked out on them",
        "nodes_per_axis": round(len(rule.points) ** (1 / dim)),
        "nodes": len(rule.points),
    }
