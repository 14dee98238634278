"""A potential written as a formula."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import attrs
import torch
from torch import Tensor

from lior.config.options import option
from lior.errors import UsageError, did_you_mean, sentences
from lior_ritz.potentials import formula
from lior_ritz.potentials.symmetry import is_mirror_image, is_zero
from lior_ritz.problem import AXES, Device, Part, require_known
from lior_ritz.problem.units import Units

_VARIABLES = frozenset(AXES)
_SAMPLES = 4001
"""Places at which tests of a coordinate are tried; what switches to and fro in between is not seen."""


def changes(function: Callable[[Tensor], Tensor], half: float) -> list[float]:
    """Where a function of one coordinate changes sign within ``|x| < half``: sampled, and then halved."""
    x = torch.linspace(-half, half, _SAMPLES, dtype=torch.float64)
    sides = function(x) > 0
    found = []
    for i in (sides[1:] != sides[:-1]).nonzero().flatten().tolist():
        low, high = float(x[i]), float(x[i + 1])
        for _ in range(60):
            middle = torch.tensor([(low + high) / 2], dtype=torch.float64)
            if bool(function(middle)[0] > 0) == bool(sides[i]):
                low = float(middle)
            else:
                high = float(middle)
        found.append(float(f"{(low + high) / 2:.14g}"))
    return found


def _numbers(table: Any) -> Any:
    """``table`` with its whole numbers as floats; anything else is left for the check."""
    if not isinstance(table, Mapping):
        return table
    return {k: float(v) if isinstance(v, int) and not isinstance(v, bool) else v for k, v in table.items()}


def _check_parameters(instance: object, field: attrs.Attribute[Any], table: Any) -> None:
    if not isinstance(table, Mapping):
        raise UsageError(f"{field.name} = {table!r}: allowed is a table of numbers, such as {{k = 1.5}}")
    taken = {*AXES, *formula.FUNCTIONS, *formula.CONSTANTS}
    for name, value in table.items():
        if not isinstance(name, str) or not name.isidentifier() or name in taken:
            raise UsageError(
                f"{field.name}: {name!r} cannot name a parameter; {', '.join(sorted(taken))} are taken"
            )
        if not isinstance(value, float) or not math.isfinite(value):
            raise UsageError(f"{field.name}.{name} = {value!r}: allowed is a finite number")


@attrs.frozen(kw_only=True)
class Expression:
    """A formula of the coordinates ``x, y, z, w`` in ``L0`` and of named parameters, with a value in ``E0``.

    Understood are ``+ - * / **``, numbers, ``pi``, ``exp log sqrt sin cos tan tanh abs minimum maximum``, and
    ``where(test, then, otherwise)`` with a test such as ``-1 < x <= 1``. Each parameter can be varied by its
    name. A mirror is used only where it is proved (see :mod:`lior_ritz.potentials.symmetry`), and
    separability only where the formula is a sum of terms of one coordinate each.

    Raises
    ------
    UsageError
        When the formula cannot be understood, has a name that is not known, or does not use a parameter; or
        when a parameter is no finite number.

    Examples
    --------
    >>> dot = Expression(expression="k*(x**2 - a**2)**2 + b*y**2", parameters={"k": 1, "a": 1.5, "b": 2})
    >>> sorted(dot.mirrors(2)), dot.dims
    ([0, 1], (2, 3, 4))
    """

    api_version: ClassVar[int] = 1

    expression: str = option("x**2 + y**2", help="formula of x, y, z, w and the parameters, in E0")
    parameters: Mapping[str, float] = attrs.field(
        factory=dict,
        converter=_numbers,
        validator=_check_parameters,
        metadata={"help": "numbers that the formula names"},
    )
    _tree: ast.expr = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        tree = formula.parse(self.expression, (*AXES, *self.parameters))
        object.__setattr__(self, "_tree", tree)
        used = formula.names_in(tree)
        for name in self.parameters:
            if name not in used:
                hint = did_you_mean(name, used)
                raise UsageError(sentences(f"parameters.{name} is not in the expression.", hint))

    @property
    def dims(self) -> tuple[int, ...]:
        """As many as the last coordinate of the formula needs, or more."""
        used = [number for number, axis in enumerate(AXES, 1) if axis in formula.names_in(self._tree)]
        return tuple(range(max(used, default=1), len(AXES) + 1))

    @property
    def device(self) -> tuple[str, ...]:
        """The parameters."""
        return tuple(self.parameters)

    def energy(self, points: Tensor, units: Units, device: Device) -> Tensor:
        """V in ``E0``, ``[N]`` or ``[P, N]``."""
        require_known(device, self.parameters)
        axes = dict(zip(AXES, points.unbind(1), strict=False))
        values = formula.evaluate(self._tree, {**axes, **self._scalars(), **device})
        return values + torch.zeros_like(points[:, 0])

    def mirrors(self, dim: int) -> frozenset[int]:
        """The axes along which the formula, with its parameters as they are, is proved to be symmetric."""
        found = (is_mirror_image(self._tree, axis, self.parameters) for axis in AXES[:dim])
        return frozenset(axis for axis, yes in enumerate(found) if yes)

    def jumps(self, half_widths: Sequence[float]) -> tuple[tuple[float, ...], ...]:
        """Where a test of ``where``, ``abs``, ``minimum`` or ``maximum`` of one coordinate changes sides."""
        found: list[list[float]] = [[] for _ in half_widths]
        for low, high in formula.switches(self._tree):
            difference = ast.BinOp(low, ast.Sub(), high)
            names = formula.names_in(difference) & _VARIABLES
            if len(names) == 1:
                axis = AXES.index(next(iter(names)))
                part, half = self._part(AXES[axis], [difference]), half_widths[axis]
                found[axis] += changes(lambda x, p=part: p(x), half)  # type: ignore[misc]
        return tuple(tuple(sorted(set(each))) for each in found)

    def parts(self, units: Units, dim: int) -> tuple[Part, ...] | None:
        """The terms of each coordinate, when none has two; constants are with the first."""
        sums: list[list[ast.expr]] = [[] for _ in range(dim)]
        for term in formula.terms(self._tree, _VARIABLES):
            if is_zero(term, self.parameters):
                continue
            axes = sorted(AXES.index(name) for name in formula.names_in(term) & _VARIABLES)
            if len(axes) > 1:
                return None
            sums[axes[0] if axes else 0].append(term)
        return tuple(self._part(axis, found) for axis, found in zip(AXES, sums, strict=False))

    def report(self, units: Units) -> dict[str, float]:
        """The parameters."""
        return dict(self.parameters)

    def _scalars(self) -> dict[str, Tensor]:
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in self.parameters.items()}

    def _part(self, axis: str, found: list[ast.expr]) -> Part:
        scalars = self._scalars()

        def part(x: Tensor) -> Tensor:
            return sum((formula.evaluate(term, {axis: x, **scalars}) for term in found), torch.zeros_like(x))

        return part
