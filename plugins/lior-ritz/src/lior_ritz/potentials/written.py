"""Base of potentials by a formula: V, its mirrors, jumps and parts follow from the formula."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import attrs
import numpy as np

from lior_ritz.potentials import formula
from lior_ritz.potentials._checks import lookup, require_finite
from lior_ritz.potentials.symmetry import is_mirror_image, is_zero
from lior_ritz.problem import AXES, Device, Part
from lior_ritz.problem.arrays import Array, Numbers, namespace
from lior_ritz.problem.units import Units

_VARIABLES = frozenset(AXES)
_SAMPLES = 4001
"""Places at which tests of a coordinate are tried; between them only its extremes are."""
_GOLDEN = (3 - 5**0.5) / 2


def tree_of(text: str, names: Sequence[str]) -> ast.expr:
    """Return the checked tree of a formula of the coordinates and ``names``, or raise ``UsageError``."""
    return formula.parse(text, (*AXES, *names))


def changes(function: Callable[[Array], Array], half: float) -> list[float]:
    """Return the zeros of a function of one coordinate within ``|x| < half``: sampled, and then halved."""
    x = np.linspace(-half, half, _SAMPLES)
    x = np.sort(np.concatenate([x, _dips(function, x)]))
    sides = function(x) > 0
    found = []
    for i in np.flatnonzero(sides[1:] != sides[:-1]):
        low, high = float(x[i]), float(x[i + 1])
        for _ in range(60):
            middle = (low + high) / 2
            if (function(np.array([middle]))[0] > 0) == sides[i]:
                low = middle
            else:
                high = middle
        found.append(float(f"{(low + high) / 2:.14g}"))
    return found


def _dips(function: Callable[[Array], Array], x: Array) -> Array:
    """Return places between samples ``x`` where a function has another sign than at its neighbours: its
    extremes towards 0, by golden section (J. Kiefer, Proc. Amer. Math. Soc. 4, 502, 1953)."""
    y = function(x)
    size, sign = np.abs(y), np.where(y > 0, 1.0, -1.0)
    least = (size[1:-1] <= size[:-2]) & (size[1:-1] <= size[2:]) & (sign[:-2] == sign[2:])
    at = np.flatnonzero(least & (sign[1:-1] == sign[:-2])) + 1
    low, high, sign = x[at - 1], x[at + 1], sign[at]
    for _ in range(60):
        left, right = low + _GOLDEN * (high - low), high - _GOLDEN * (high - low)
        lower = sign * function(left) < sign * function(right)
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    middle = (low + high) / 2
    found: Array = middle[sign * function(middle) < 0]
    return found


@attrs.frozen(kw_only=True)
class Written:
    """A potential by a formula of the coordinates, in ``L0``, and of numbers, with a value in ``E0``.

    A mirror is used only where it is proved (see :mod:`lior_ritz.potentials.symmetry`), and separability only
    where the formula is a sum of terms of one coordinate each.
    """

    api_version: ClassVar[int] = 2
    tree: ClassVar[ast.expr]
    """Of the formula."""

    def __attrs_post_init__(self) -> None:
        require_finite(self)

    def numbers(self, units: Units, device: Device) -> Mapping[str, Any]:
        """Return the values of the names in the formula; ``UsageError`` when ``device`` has others."""
        of = lookup(self, device)
        return {name: of(name) for name in formula.names_in(self.tree) - _VARIABLES - set(formula.CONSTANTS)}

    def energy(self, points: Numbers, units: Units, device: Device) -> Numbers:
        """V in ``E0``, ``[N]`` or ``[P, N]``."""
        values = formula.evaluate(self.tree, _values(points, self.numbers(units, device)))
        return values + namespace(points).zeros_like(points[:, 0])

    def mirrors(self, dim: int) -> frozenset[int]:
        """The axes along which the formula, with its numbers as they are, is proved to be symmetric."""
        numbers = self.numbers(Units(), {})
        found = (is_mirror_image(self.tree, axis, numbers) for axis in AXES[:dim])
        return frozenset(axis for axis, yes in enumerate(found) if yes)

    def jumps(self, half_widths: Sequence[float]) -> tuple[tuple[float, ...], ...]:
        """Return where a test of ``where``, ``abs``, ``minimum`` or ``maximum`` changes its result."""
        found: list[list[float]] = [[] for _ in half_widths]
        for low, high in formula.switches(self.tree):
            difference = ast.BinOp(low, ast.Sub(), high)
            names = formula.names_in(difference) & _VARIABLES
            if len(names) == 1:
                axis = AXES.index(next(iter(names)))
                found[axis] += changes(self._part(AXES[axis], [difference], Units()), half_widths[axis])
        return tuple(tuple(sorted(set(each))) for each in found)

    def heights(self, points: Array) -> Array:
        """How far ``points``, ``[N, d]``, are above each test in the formula, in the test's own measure, or 1
        and -1 where a test jumps itself: ``[S, N]``."""
        values = _values(points, self.numbers(Units(), {}))
        found = [np.empty((0, len(points)))]
        for low, high in formula.switches(self.tree):
            difference = ast.BinOp(low, ast.Sub(), high)
            height = formula.evaluate(difference, values)
            height = np.sign(height.real) if formula.jumps(difference) else height
            found.append(np.broadcast_to(height, (1, len(points))))
        return np.concatenate(found)

    @property
    def curved(self) -> bool:
        """Whether a test in the formula is one of several coordinates."""
        tests = formula.switches(self.tree)
        return any(len((formula.names_in(a) | formula.names_in(b)) & _VARIABLES) > 1 for a, b in tests)

    def parts(self, units: Units, dim: int) -> tuple[Part, ...] | None:
        """The terms of each coordinate, when none has two; constants are with the first."""
        sums: list[list[ast.expr]] = [[] for _ in range(dim)]
        numbers = self.numbers(units, {})
        for term in formula.terms(self.tree, _VARIABLES):
            if is_zero(term, numbers):
                continue
            axes = sorted(AXES.index(name) for name in formula.names_in(term) & _VARIABLES)
            if len(axes) > 1:
                return None
            sums[axes[0] if axes else 0].append(term)
        return tuple(self._part(axis, found, units) for axis, found in zip(AXES, sums, strict=False))

    def _part(self, axis: str, found: list[ast.expr], units: Units) -> Part:
        numbers = self.numbers(units, {})

        def part(x: Numbers) -> Numbers:
            values = {axis: x, **_scalars(numbers, x)}
            return sum((formula.evaluate(term, values) for term in found), namespace(x).zeros_like(x))

        return part


def _values(points: Numbers, numbers: Mapping[str, Any]) -> dict[str, Numbers]:
    return {**dict(zip(AXES, points.T, strict=False)), **_scalars(numbers, points)}


def _scalars(numbers: Mapping[str, Any], points: Numbers) -> dict[str, Numbers]:
    xp = namespace(points)
    zero = xp.zeros((), dtype=xp.float64)  # Python's numbers would raise where 0 is divided by
    return {name: value + zero for name, value in numbers.items()}
