"""Whether a formula is its own mirror image, proved rather than sampled.

Both the formula and its image are brought to a normal form in which signs are moved outwards and the order of
terms and factors does not matter. Equal forms are equal functions; unequal ones prove nothing, so that a
mirror may go unseen but none is ever made up, as sampling at points could.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from lior_ritz.potentials.formula import CONSTANTS, number

Form: TypeAlias = "tuple[float, Any]"
"""A coefficient and what it multiplies: nested tuples that compare equal for equal functions."""

_ONE = ("one",)
_EVEN, _ODD = frozenset({"cos", "cosh", "abs"}), frozenset({"sin", "tan", "sinh", "tanh"})
_SWAPPED = {"Gt": "Lt", "GtE": "LtE"}


class _NoForm(Exception):
    """A coefficient left the range of numbers."""


def is_mirror_image(node: ast.expr, variable: str, values: Mapping[str, float]) -> bool:
    """Whether ``node`` is the same with ``-variable`` for ``variable``; names in ``values`` are numbers."""
    try:
        return _Normal(values, None).of(node) == _Normal(values, variable).of(node)
    except (_NoForm, OverflowError, ZeroDivisionError):
        return False


def is_zero(node: ast.expr, values: Mapping[str, float]) -> bool:
    """Whether ``node`` vanishes because of a factor that is 0, the names in ``values`` being numbers."""
    try:
        return _Normal(values, None).of(node)[0] == 0
    except (_NoForm, OverflowError, ZeroDivisionError):
        return False


class _Normal:
    """Normal forms with one variable negated, or none."""

    def __init__(self, values: Mapping[str, float], negated: str | None) -> None:
        self._values, self._negated = {**CONSTANTS, **values}, negated

    def of(self, node: ast.expr) -> Form:
        """The normal form of a checked tree."""
        match node:
            case ast.Constant():
                return _number(float(node.value))  # type: ignore[arg-type]
            case ast.Name(id=name):
                if name in self._values:
                    return _number(self._values[name])
                return (-1.0 if name == self._negated else 1.0), ("name", name)
            case ast.UnaryOp(op=op):
                return _scale(self.of(node.operand), -1.0 if isinstance(op, ast.USub) else 1.0)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return _sum(self._addends(node, 1.0))
            case ast.BinOp(op=ast.Mult()):
                return _product(self.of(node.left), self.of(node.right))
            case ast.BinOp(op=ast.Div()):
                return _quotient(self.of(node.left), self.of(node.right))
            case ast.BinOp(op=ast.Pow()):
                return self._power(node)
            case ast.Call(func=ast.Name(id=name)):
                return self._call(name, node.args)
            case _:
                raise _NoForm

    def _addends(self, node: ast.expr, sign: float) -> Iterable[Form]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            yield from self._addends(node.left, sign)
            yield from self._addends(node.right, -sign if isinstance(node.op, ast.Sub) else sign)
        else:
            yield _scale(self.of(node), sign)

    def _power(self, node: ast.BinOp) -> Form:
        base, exponent = self.of(node.left), self.of(node.right)
        whole = number(node.right)
        if whole is None or whole != math.floor(whole) or whole == 0:
            return 1.0, ("power", base, exponent)
        sign = -1.0 if base[0] < 0 and whole % 2 else 1.0
        return sign, ("power", (abs(base[0]), base[1]), exponent)

    def _call(self, name: str, args: list[ast.expr]) -> Form:
        if name == "where" and isinstance(condition := args[0], ast.Compare):
            return 1.0, (name, self._condition(condition), self.of(args[1]), self.of(args[2]))
        forms = [self.of(argument) for argument in args]
        if name in _EVEN | _ODD:
            coefficient, key = forms[0]
            sign = -1.0 if coefficient < 0 and name in _ODD else 1.0
            return sign, (name, (abs(coefficient), key))
        return 1.0, (name, *sorted(forms, key=repr)) if name in ("minimum", "maximum") else (name, *forms)

    def _condition(self, node: ast.Compare) -> Any:
        sides = [self.of(side) for side in (node.left, *node.comparators)]
        tests = []
        for op, left, right in zip(node.ops, sides, sides[1:], strict=False):
            word = type(op).__name__
            # a < b is the same test as -b < -a, and as b > a.
            low, high = (right, left) if word in _SWAPPED else (left, right)
            forms = ((low, high), (_scale(high, -1.0), _scale(low, -1.0)))
            tests.append((_SWAPPED.get(word, word), min(forms, key=repr)))
        return tuple(sorted(tests, key=repr))


def _number(value: float) -> Form:
    if not math.isfinite(value):
        raise _NoForm
    return value + 0.0, _ONE  # -0.0 becomes 0.0


def _scale(form: Form, factor: float) -> Form:
    coefficient = _number(form[0] * factor)[0]
    return coefficient, form[1] if coefficient else _ONE


def _sum(forms: Iterable[Form]) -> Form:
    gathered: dict[Any, list[float]] = {}
    for coefficient, key in forms:
        gathered.setdefault(key, []).append(coefficient)
    # fsum rounds once, so that neither order nor a common sign changes the result.
    totals = [(_number(math.fsum(values))[0], key) for key, values in gathered.items()]
    left = sorted(((value, key) for value, key in totals if value), key=lambda form: repr(form[1]))
    if not left:
        return 0.0, _ONE
    if len(left) == 1:
        return left[0]
    sign = math.copysign(1.0, left[0][0])
    return sign, ("sum", *((sign * value, key) for value, key in left))


def _factors(key: Any) -> tuple[Any, ...]:
    if key == _ONE:
        return ()
    return key[1:] if key[0] == "product" else (key,)


def _product(left: Form, right: Form) -> Form:
    factors = sorted((*_factors(left[1]), *_factors(right[1])), key=repr)
    key = _ONE if not factors else factors[0] if len(factors) == 1 else ("product", *factors)
    return _scale((left[0], key), right[0])


def _quotient(over: Form, under: Form) -> Form:
    coefficient = _number(over[0] / under[0])[0]
    key = over[1] if under[1] == _ONE else ("quotient", over[1], under[1])
    return _scale((coefficient, key), 1.0)
