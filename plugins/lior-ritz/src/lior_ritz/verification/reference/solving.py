"""One call for all methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lior.errors import UsageError
from lior_ritz.problem import AXES, Problem
from lior_ritz.problem.arrays import Numbers
from lior_ritz.verification.reference import averaged, elements, enriched, hermitian, separable, sines
from lior_ritz.verification.reference.result import Answer, Reference, sample, scale
from lior_ritz.verification.reference.sines import LARGEST

_PROBES = 64
"""Random points at which claims about V are put to the test."""
_AGREE = 1e-7
"""How far V may be from its mirror image, or from the sum of its parts, relative to its size."""
_ENOUGH = 1e-5
"""Relative error bars along curves with which averages are not tried as well."""
_SOLVERS: Mapping[str, Callable[..., Any]] = {
    "separable": separable.separable,
    "sine": sines.sines,
    "elements": elements.elements,
    "enriched": enriched.enriched,
    "averaged": averaged.average,
    "hermitian": hermitian.hermitian,
}
METHODS = ("auto", *_SOLVERS)


def solve(
    problem: Problem,
    k: int,
    method: str = "auto",
    tolerance: float = 1e-9,
    *,
    device: Mapping[str, Numbers] | None = None,
    limit: int = LARGEST,
) -> Reference:
    """The ``k`` lowest levels by a classical method.

    Raises ``UsageError`` when the method does not apply, an option cannot be varied, V is not finite inside
    the box, or V has not the mirrors or is not the sum that its potential says.

    Parameters
    ----------
    k
        Number of levels, at least 1.
    method
        ``separable`` (one dimension at a time), ``sine`` (Rayleigh-Ritz in any dimension), ``elements``
        (Rayleigh-Ritz with polynomials between the jumps of V, in one and two), ``enriched`` (sines and
        functions with the jump of a state's curvature, in two, where V jumps along curves), ``averaged``
        (the limit of three sizes of sines, in two and three, there too), ``hermitian`` (with a magnetic
        field and masses, in one and two), or ``auto``: the Hermitian where there is a field or a mass, the
        better of enriched and averaged, or elements, where V is known to jump along curves or axes, else
        the first that applies.
    tolerance
        Relative to ``|E|``, or to the lowest level of the empty box where that is larger. Both Ritz methods
        enlarge their basis until they are within it; see :attr:`Reference.converged`.
    device
        Options of the potential to replace, each by one number.
    limit
        Basis functions of one symmetry at most, for ``sine``.
    """
    if k < 1:
        raise UsageError(f"k = {k}: at least one level has to be asked for")
    if method not in METHODS:
        raise UsageError(f"method = {method!r}: allowed is one of {', '.join(METHODS)}")
    if not 0 < tolerance < 1:
        raise UsageError(f"tolerance = {tolerance!r}: allowed is a number between 0 and 1")
    start = time.process_time()
    problem = problem.varied(device or {})
    _refuse_false_claims(problem)
    method, answer = _answer(problem, k, tolerance, method, limit)
    bars = answer.bars
    return Reference(
        energies=np.ascontiguousarray(answer.energies),
        errors=bars.errors,
        splitting_errors=bars.splitting_errors,
        method=method,
        sizes=tuple(answer.sizes),
        within=bars.within,
        seconds=time.process_time() - start,
        evaluate=answer.evaluate,
        rule=answer.rule,
    )


def _answer(problem: Problem, k: int, tolerance: float, asked: str, limit: int) -> tuple[str, Answer]:
    """By the method asked for, or the one that ``auto`` stands for: along curves the better of two."""
    method = _choose(problem, asked)
    answer = _SOLVERS[method](problem, k, tolerance, **({"limit": limit} if method == "sine" else {}))
    if method != "enriched":
        return method, answer
    if answer is None and asked != "auto":
        raise UsageError(
            "method 'enriched' is for curves with a side of less than half the box; use averaged"
        )
    if asked == "auto" and not (
        answer and (answer.bars.errors <= _ENOUGH * scale(answer.energies, problem)).all()
    ):
        other = averaged.average(problem, k, tolerance)
        if answer is None or other.bars.errors.max() < answer.bars.errors.max():
            return "averaged", other
    return method, answer


def _choose(problem: Problem, method: str) -> str:
    """The method that ``auto`` stands for, or the one given; ``UsageError`` when it does not apply."""
    if method == "auto":
        method = "separable" if separable.is_separable(problem) else "sine"
        if problem.dim <= 2 and any(problem.jumps):
            method = "elements"
        if averaged.applies(problem):
            method = "enriched" if problem.dim in enriched.DIMENSIONS else "averaged"
        if not problem.terms.plain:
            method = "hermitian"
    if method == "hermitian" and problem.dim > 2:
        raise UsageError(f"method 'hermitian' is of 1 and 2 dimensions, not {problem.dim}; use sine")
    if method == "averaged" and problem.dim not in averaged.DIMENSIONS:
        raise UsageError(f"method 'averaged' is of 2 and 3 dimensions, not {problem.dim}; use sine")
    if method == "enriched" and problem.dim not in enriched.DIMENSIONS:
        raise UsageError(f"method 'enriched' is of 2 dimensions, not {problem.dim}; use averaged or sine")
    if method != "hermitian":
        problem.require_plain(f"method {method!r}")
    return method


def _refuse_false_claims(problem: Problem) -> None:
    """Refuse a potential whose mirrors or parts are not those of V: the answers would be wrong unnoticed."""
    half = np.array(problem.half_widths)
    points = half * np.random.default_rng(0).uniform(-1, 1, (_PROBES, problem.dim))
    here = sample(problem, points)
    allowed = _AGREE * max(1.0, float(np.abs(here).max()))
    for axis in problem.mirrors:
        image = points * np.where(np.arange(problem.dim) == axis, -1, 1)
        if np.abs(sample(problem, image) - here).max() > allowed:
            raise UsageError(
                f"the potential says that it is symmetric in {AXES[axis]}, and is not; repair mirrors()"
            )
    if parts := problem.parts:
        total = sum(part(x) for part, x in zip(parts, points.T.copy(), strict=True))
        if np.abs(total - here).max() > allowed:
            raise UsageError("the parts() of the potential do not add up to it; repair them, or return None")
