"""Whether the levels that were asked for end inside a shell: between levels that are equal, or nearly."""

from __future__ import annotations

from lior.errors import UsageError
from lior_ritz.problem import Problem
from lior_ritz.verification.reference import solve
from lior_ritz.verification.reference.result import Reference

SPARE = 2
"""Levels beyond those asked for that are needed to find shells: one may be the partner of the last."""
ROUGH = 1e-3
"""Tolerance with which they are found where the reference has none."""
_NEAR = 0.05
"""Gap below which two levels are of a shell, over the mean gap of all."""


def remark(found: Reference, count: int) -> str:
    """A line where level ``count`` is, as far as is known, of the same shell as the one before; else empty.

    ``found``: the levels, with :data:`SPARE` beyond ``count``.
    """
    levels = found.energies.tolist()
    if len(levels) <= count:
        return ""
    gap, mean = levels[count] - levels[count - 1], (levels[-1] - levels[0]) / (len(levels) - 1)
    off = float(found.splitting_errors[count - 1])
    if gap > max(off, _NEAR * mean):
        return ""
    return (
        f"the {count} levels end inside a shell: E{count} lies no more than {gap + off:.1e} E0 above "
        f"E{count - 1}; ask for one more, or for fewer"
    )


def remark_for(problem: Problem, found: Reference) -> str:
    """The same for a reference without levels to spare: these are found roughly."""
    count = len(found.energies)
    try:
        rough = solve(problem, count + SPARE, found.method, ROUGH)
    except UsageError:  # the method has no more levels
        return ""
    return remark(rough, count)
