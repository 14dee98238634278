"""A potential written as a formula."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

import attrs

from lior.config import option
from lior.errors import UsageError, did_you_mean, sentences
from lior_ritz.potentials import formula
from lior_ritz.potentials.written import Written, tree_of
from lior_ritz.problem import AXES, Device, require_known
from lior_ritz.problem.units import Units


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
class Expression(Written):
    """A formula of the coordinates ``x, y, z, w`` in ``L0`` and of named parameters, with a value in ``E0``.

    A formula may have ``+ - * / **``, numbers, ``pi``, ``exp log sqrt sin cos tan sinh cosh tanh abs minimum
    maximum``, and ``where(test, then, otherwise)`` with a test such as ``-1 < x <= 1``. Each parameter can be
    varied by its name.

    Raises ``UsageError`` when the formula cannot be parsed, has an unknown name or does not use a parameter,
    or when a parameter is no finite number.

    Examples
    --------
    >>> dot = Expression(expression="k*(x**2 - a**2)**2 + b*y**2", parameters={"k": 1, "a": 1.5, "b": 2})
    >>> sorted(dot.mirrors(2)), dot.dims
    ([0, 1], (2, 3, 4))
    """

    expression: str = option("x**2 + y**2", help="formula of x, y, z, w and the parameters, in E0")
    parameters: Mapping[str, float] = attrs.field(
        factory=dict,
        converter=_numbers,
        validator=_check_parameters,
        metadata={"help": "numbers that the formula names"},
    )
    tree: ast.expr = attrs.field(init=False, eq=False, repr=False)  # type: ignore[misc]

    def __attrs_post_init__(self) -> None:
        tree = tree_of(self.expression, tuple(self.parameters))
        object.__setattr__(self, "tree", tree)
        used = formula.names_in(tree)
        for name in self.parameters:
            if name not in used:
                hint = did_you_mean(name, used)
                raise UsageError(sentences(f"parameters.{name} is not in the expression.", hint))

    @property
    def dims(self) -> tuple[int, ...]:
        """As many as the last coordinate of the formula needs, or more."""
        used = [number for number, axis in enumerate(AXES, 1) if axis in formula.names_in(self.tree)]
        return tuple(range(max(used, default=1), len(AXES) + 1))

    @property
    def device(self) -> tuple[str, ...]:
        """The parameters."""
        return tuple(self.parameters)

    def numbers(self, units: Units, device: Device) -> Mapping[str, Any]:
        """The parameters, varied or not."""
        require_known(device, self.parameters)
        return {**self.parameters, **device}

    def report(self, units: Units) -> dict[str, float]:
        """The parameters."""
        return dict(self.parameters)
