"""Formulas in text, of arrays or tensors: parsed by ``ast``, checked against a list, never run as Python.

Only what the tables below name is understood, and a formula is of bounded length and depth, so that one from
a stranger's recipe can do no more than make a function of the coordinates.
"""

from __future__ import annotations

import ast
import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from lior.errors import UsageError, did_you_mean, sentences
from lior_ritz.problem.arrays import Numbers, namespace

LONGEST = 2000
"""Characters of a formula."""
DEEPEST = 150
"""Levels of nesting."""

Values: TypeAlias = "Mapping[str, Numbers]"

BINARY: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
COMPARISONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
FUNCTIONS: Mapping[str, int] = {
    **dict.fromkeys(("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "abs"), 1),
    **dict.fromkeys(("minimum", "maximum"), 2),
    "where": 3,
}
"""Name, which is that of NumPy and torch, -> number of arguments."""
CONSTANTS: Mapping[str, float] = {"pi": math.pi}


def parse(text: str, names: tuple[str, ...], label: str = "expression") -> ast.expr:
    """Return the tree of a formula of ``names``.

    Raises ``UsageError`` when it is no formula, too long or too deep, or has an unknown name, function or
    operation. The message names the character.
    """
    if len(text) > LONGEST:
        raise UsageError(f"{label} has {len(text)} characters; allowed are {LONGEST}")
    try:
        tree = ast.parse(text.replace("\n", " ").strip(), mode="eval").body
    except SyntaxError as error:
        where = f"at character {error.offset}" if error.offset else "at the end"
        raise UsageError(f"{label} is no formula: {error.msg} {where} of {text!r}") from None
    except (ValueError, MemoryError, RecursionError):
        raise UsageError(f"{label} is no formula: {text[:60]!r}") from None
    _Check(names, label).value(tree, 0)
    return tree


class _Check:
    """Walks a tree and refuses what is not allowed."""

    def __init__(self, names: tuple[str, ...], label: str) -> None:
        self._names, self._label = names, label

    def value(self, node: ast.expr, depth: int) -> None:
        """``node`` as a number."""
        if depth > DEEPEST:
            raise self._refusal(node, f"nested more than {DEEPEST} deep")
        match node:
            case ast.Constant(value=bool() | str() | bytes() | complex() | None):
                raise self._refusal(node, f"{node.value!r} is no real number")
            case ast.Constant(value=int() | float() as value):
                if not _is_finite(value):
                    raise self._refusal(node, "a number too large")
            case ast.Name(id=name):
                if name not in self._names and name not in CONSTANTS:
                    raise self._unknown(node, "name", name, (*self._names, *CONSTANTS))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                self.value(node.operand, depth + 1)
            case ast.BinOp() if type(node.op) in BINARY:
                self.value(node.left, depth + 1)
                self.value(node.right, depth + 1)
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                self._call(node, name, depth)
            case ast.BinOp(op=ast.BitXor()):
                raise self._refusal(node, "^ is no power here; write ** instead, as in x**2")
            case _:
                raise self._refusal(node, f"{_in_words(node)} is not allowed. {_ALLOWED}")

    def _call(self, node: ast.Call, name: str, depth: int) -> None:
        if name not in FUNCTIONS:
            raise self._unknown(node, "function", name, tuple(FUNCTIONS))
        count, first = FUNCTIONS[name], node.args[:1]
        if len(node.args) != count:
            raise self._refusal(
                node, f"{name} takes {count} argument{'s' * (count > 1)}, not {len(node.args)}"
            )
        if name == "where":
            self._condition(first[0], depth + 1)
        for argument in node.args[name == "where" :]:
            self.value(argument, depth + 1)

    def _condition(self, node: ast.expr, depth: int) -> None:
        if not isinstance(node, ast.Compare) or any(type(op) not in COMPARISONS for op in node.ops):
            raise self._refusal(node, "the first argument of where is a comparison with <, <=, > or >=")
        for side in (node.left, *node.comparators):
            self.value(side, depth + 1)

    def _unknown(self, node: ast.expr, kind: str, name: str, known: tuple[str, ...]) -> UsageError:
        known_words = f"Known: {', '.join(known)}."
        return self._refusal(node, sentences(f"no {kind} {name!r}.", did_you_mean(name, known), known_words))

    def _refusal(self, node: ast.expr, what: str) -> UsageError:
        return UsageError(f"{self._label}, character {node.col_offset + 1}: {what}")


_ALLOWED = "Allowed: + - * / **, numbers, names and " + ", ".join(FUNCTIONS)


def _in_words(node: ast.expr) -> str:
    words = {"Compare": "a comparison outside where()", "BinOp": "this operator", "UnaryOp": "this operator"}
    return words.get(type(node).__name__, f"{type(node).__name__.lower()}")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


@np.errstate(all="ignore")
def evaluate(node: ast.expr, values: Values) -> Numbers:
    """The value of a checked tree; the shapes of ``values`` broadcast, and a constant is a scalar."""
    xp = namespace(*values.values())
    match node:
        case ast.Constant():
            return xp.asarray(float(node.value), dtype=xp.float64)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return values[name] if name in values else xp.asarray(CONSTANTS[name], dtype=xp.float64)
        case ast.UnaryOp():
            value = evaluate(node.operand, values)
            return -value if isinstance(node.op, ast.USub) else value
        case ast.BinOp(op=ast.Pow(), right=right) if (exponent := number(right)) is not None:
            # A plain number keeps integer powers exact and their derivatives finite at 0.
            return evaluate(node.left, values) ** exponent
        case ast.BinOp():
            left, right = evaluate(node.left, values), evaluate(node.right, values)
            if isinstance(node.op, ast.Pow) and xp is np and np.iscomplexobj(right):
                left = np.where(left.real < 0, np.nan, left)  # no such power has a derivative by its exponent
            return BINARY[type(node.op)](left, right)
        case ast.Call(func=ast.Name(id="where"), args=[ast.Compare() as condition, then, otherwise]):
            return xp.where(_holds(condition, values), evaluate(then, values), evaluate(otherwise, values))
        case ast.Call(func=ast.Name(id="abs"), args=[argument]):
            value = evaluate(argument, values)
            return value * xp.sign(value.real)  # of a complex number, which a derivative is taken with, too
        case ast.Call(func=ast.Name(id=name)):
            return getattr(xp, name)(*(evaluate(argument, values) for argument in node.args))
        case _:
            raise AssertionError(f"unchecked tree: {ast.dump(node)}")


def _holds(node: ast.Compare, values: Values) -> Numbers:
    sides = [evaluate(side, values).real for side in (node.left, *node.comparators)]
    tests = [
        COMPARISONS[type(op)](*pair) for op, pair in zip(node.ops, itertools.pairwise(sides), strict=True)
    ]
    return functools.reduce(operator.and_, tests)


def number(node: ast.expr) -> float | None:
    """The value of a literal, signed or not; ``None`` for anything else."""
    if isinstance(node, ast.UnaryOp):
        inner = number(node.operand)
        return None if inner is None else -inner if isinstance(node.op, ast.USub) else inner
    return float(node.value) if isinstance(node, ast.Constant) else None  # type: ignore[arg-type]


def names_in(node: ast.expr) -> frozenset[str]:
    """The names that a tree uses, functions apart."""
    functions = {id(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
    return frozenset(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in functions)


def jumps(node: ast.expr) -> bool:
    """Whether a tree has a ``where``, by which it may jump."""
    return any(isinstance(each, ast.Compare) for each in ast.walk(node))


def switches(node: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Pairs of trees: where one becomes greater than the other, a formula jumps or has a kink."""
    for each in ast.walk(node):
        if isinstance(each, ast.Compare):
            yield from itertools.pairwise((each.left, *each.comparators))
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
            if each.func.id == "abs":
                yield each.args[0], ast.Constant(0.0)
            elif each.func.id in ("minimum", "maximum"):
                yield each.args[0], each.args[1]


def terms(node: ast.expr, variables: frozenset[str]) -> Iterator[ast.expr]:
    """Trees whose sum is ``node``, multiplied out only by factors without ``variables``."""
    match node:
        case ast.UnaryOp(op=op):
            yield from (ast.UnaryOp(op, term) for term in terms(node.operand, variables))
        case ast.BinOp(op=ast.Add()):
            yield from terms(node.left, variables)
            yield from terms(node.right, variables)
        case ast.BinOp(op=ast.Sub()):
            yield from terms(node.left, variables)
            yield from (ast.UnaryOp(ast.USub(), term) for term in terms(node.right, variables))
        case ast.BinOp(op=ast.Mult() | ast.Div() as op) if not names_in(node.right) & variables:
            yield from (ast.BinOp(term, op, node.right) for term in terms(node.left, variables))
        case ast.BinOp(op=ast.Mult() as op) if not names_in(node.left) & variables:
            yield from (ast.BinOp(node.left, op, term) for term in terms(node.right, variables))
        case _:
            yield node
