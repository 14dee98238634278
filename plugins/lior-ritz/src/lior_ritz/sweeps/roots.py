"""A root of one function of one number whose derivative is known, in bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeAlias

import attrs

_SHARE = 0.25
"""Largest step, as a share of the bounds, before the root is between two places that are known."""
_NEAR = 1e-9
"""Two places, as a share of the bounds, that count as one."""
_FLAT = 1e-5
"""A gap, as a share of the bounds, in which no extremum is looked for any longer."""


@attrs.frozen
class Seen:
    """The function at one place."""

    x: float
    value: float
    slope: float


Function: TypeAlias = "Callable[[float], tuple[float, float]]"
"""Value and derivative."""


def root(
    function: Function, start: float, low: float, high: float, *, tolerance: float, most: int
) -> tuple[Seen, list[Seen]]:
    """Newton's method, kept within what is known of where the root is.

    Until a change of sign is seen, steps are those of Newton, towards the bounds if need be, and then into
    gaps at both ends of which the function comes nearer to 0 inwards. From then on, a step that would leave
    the interval with the change is one of bisection (W. H. Press et al., *Numerical Recipes*, 2007, §9.4).

    Parameters
    ----------
    start
        Between ``low`` and ``high``.
    tolerance
        Value that counts as 0.
    most
        Evaluations.

    Returns
    -------
    nearest
        With the value nearest to 0; whether that is a root, its value says.
    seen
        All evaluations, by place.
    """
    seen: list[Seen] = []
    x: float | None = start
    while x is not None and len(seen) < most:
        seen = sorted([*seen, Seen(x, *function(x))], key=lambda each: each.x)
        nearest = min(seen, key=lambda each: abs(each.value))
        if abs(nearest.value) <= tolerance:
            break
        x = _next(seen, nearest, low, high)
    return min(seen, key=lambda each: abs(each.value)), seen


def _next(seen: list[Seen], nearest: Seen, low: float, high: float) -> float | None:
    """Where to look; ``None`` when there is no root."""
    span = high - low
    if bracket := _bracket(seen, nearest):
        left, right = bracket
        if right.x - left.x <= 1e-15 * max(abs(left.x), abs(right.x)):
            return None
        return _between(left, right)

    def fresh(x: float) -> bool:
        return all(abs(x - each.x) > _NEAR * span for each in seen)

    for x in _candidates(seen, nearest, low, high):
        if fresh(x):
            return x
    return None


def _candidates(seen: list[Seen], nearest: Seen, low: float, high: float) -> Iterator[float]:
    """Places to try without a change of sign, the best first."""
    span = high - low
    if nearest.slope:
        step = -nearest.value / nearest.slope
        yield min(high, max(low, nearest.x + max(-_SHARE * span, min(_SHARE * span, step))))
    yield from sorted((low, high), key=lambda end: abs(end - nearest.x))
    for left, right in pairwise(seen):
        if right.x - left.x > _FLAT * span and left.value * left.slope < 0 < right.value * right.slope:
            share = left.slope / (left.slope - right.slope)
            yield left.x + min(0.9, max(0.1, share)) * (right.x - left.x)


def _bracket(seen: list[Seen], nearest: Seen) -> tuple[Seen, Seen] | None:
    """Neighbours of different sign, those next to the nearest first."""
    pairs = [(left, right) for left, right in pairwise(seen) if left.value * right.value < 0]
    return min(pairs, key=lambda pair: nearest not in pair) if pairs else None


def _between(left: Seen, right: Seen) -> float:
    """Newton's step from the better end, if it stays inside; else the middle."""
    better = left if abs(left.value) < abs(right.value) else right
    if better.slope:
        x = better.x - better.value / better.slope
        if left.x < x < right.x:
            return x
    return (left.x + right.x) / 2
