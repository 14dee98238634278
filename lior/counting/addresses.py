"""Address patterns: which coordinates of a context select a hard location.

In Jaeckel's selected-coordinate design of sparse distributed memory
(L. A. Jaeckel, RIACS TR 89.28, 1989) every pattern looks at a few coordinates
of the context and ignores the rest. A pattern is written as a string of
fields separated by spaces:

``3``, ``2-4``, ``1,3-5``
    the tokens at these lags (1 is the most recent);
``~1-4``
    the same with letters in lower case;
``word``, ``word-1``, ``column``, …
    one of :data:`lior.counting.fields.FIELDS`.

The order-``m`` pattern is ``1-m``; ``order 0`` is the empty string. All fields
are functions of the last :data:`REACH` tokens of the document.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numba import int64
from numpy.typing import NDArray
from torch import Tensor

from lior.counting import fields
from lior.counting.compiled import entry
from lior.counting.fields import FIELDS, REACH
from lior.errors import UsageError
from lior.interfaces import Text

ADDRESS_BITS = 41
MAX_PATTERNS = 64

_FOLDED, _FIELD = 1 << 16, 1 << 17
_SEED = 1442695040888963407
_TAG = 1000003


def parse(pattern: str) -> tuple[int, ...]:
    """Steps of ``pattern``: a lag, ``_FOLDED`` + lag, or ``_FIELD`` + number of the field.

    Raises
    ------
    UsageError
        When a field is not of the grammar above.
    """
    steps: list[int] = []
    for part in pattern.split():
        if part in FIELDS:
            steps.append(_FIELD + FIELDS.index(part))
        elif part.startswith("~"):
            steps.extend(_FOLDED + k for k in _lags(part[1:], part, pattern))
        else:
            steps.extend(_lags(part, part, pattern))
    return tuple(steps)


class Step(NamedTuple):
    """One thing that a pattern looks at."""

    lag: int
    """How many tokens back it is, from 1; 0 for a field."""
    folded: bool
    """Whether upper and lower case count as one."""
    field: str
    """Name of the field, or nothing."""


def steps_of(pattern: str) -> tuple[Step, ...]:
    """What ``pattern`` looks at, in its order; raises as :func:`parse`."""
    return tuple(
        Step(0, False, FIELDS[step - _FIELD])
        if step >= _FIELD
        else Step(step & (_FOLDED - 1), step >= _FOLDED, "")
        for step in parse(pattern)
    )


def _lags(text: str, part: str, pattern: str) -> list[int]:
    lags: list[int] = []
    for span in text.split(","):
        first, dash, last = span.partition("-")
        ends = first, last if dash else first
        if not all(end.isdecimal() for end in ends):
            raise UsageError(
                f"address pattern {pattern!r}: {part!r} is neither lags such as 1,3-5 or ~1-4 "
                f"nor one of {', '.join(FIELDS)}"
            )
        low, high = map(int, ends)
        if not 1 <= low <= high <= 255:
            raise UsageError(f"address pattern {pattern!r}: {span!r} is not within 1-255, ascending")
        lags.extend(range(low, high + 1))
    return lags


class Program(NamedTuple):
    """Patterns as arrays: each continues the hash of an earlier one by a few steps."""

    base: NDArray[np.int64]
    """The pattern whose hash each continues, -1 for none; ``(S,)``."""
    begin: NDArray[np.int64]
    """Where the steps of each begin, ``(S + 1,)``."""
    steps: NDArray[np.int64]


@lru_cache(maxsize=32)
def compile_patterns(patterns: Sequence[str]) -> Program:
    """The program that computes the addresses of ``patterns``, a tuple."""
    parsed = [parse(pattern) for pattern in patterns]
    base: list[int] = []
    begin: list[int] = [0]
    steps: list[int] = []
    for number, path in enumerate(parsed):
        prefixes = [j for j in range(number) if path[: len(parsed[j])] == parsed[j]]
        best = max(prefixes, key=lambda j: len(parsed[j]), default=-1)
        base.append(best)
        steps.extend(path[len(parsed[best]) if best >= 0 else 0 :])
        begin.append(len(steps))
    return Program(*(np.array(column, dtype=np.int64) for column in (base, begin, steps)))


@entry
def _hash(program, tokens, depth, values, start, hashes, out):
    for t in range(start, len(tokens)):
        for i in range(len(program.base)):
            h = hashes[program.base[i]] if program.base[i] >= 0 else int64(_SEED)
            for j in range(program.begin[i], program.begin[i + 1]):
                step = program.steps[j]
                if step >= _FIELD:
                    value = values[t - start, step - _FIELD]
                else:
                    k = step & (_FOLDED - 1)
                    value = int64(0)
                    if depth[t] >= k and t >= k:
                        token = tokens[t - k]
                        value = (fields.fold(token) if step >= _FOLDED else token) + 1
                h = fields.mix(h, value + (step + 1) * _TAG)
            hashes[i] = h
            hashed = (fields.mix(h, int64(i)) >> int64(63 - ADDRESS_BITS)) & ((int64(1) << ADDRESS_BITS) - 1)
            out[t - start, i] = hashed | (int64(i) << ADDRESS_BITS)


class Located(NamedTuple):
    """Where positions of a text stand in the memory."""

    where: NDArray[np.int64]
    """Addresses ``(B, S)``: the pattern's number above :data:`ADDRESS_BITS` bits of hash.

    Addresses of different patterns never collide, those of one pattern with probability ``2^-41`` a pair.
    """
    fields: NDArray[np.int64]
    """The fields of each position, ``(B, len(FIELDS))``."""


def locate(
    tokens: NDArray[np.int64], depth: NDArray[np.int64], start: int, patterns: tuple[str, ...]
) -> Located:
    """Addresses and fields of the positions ``start ..`` of a text.

    The tokens before ``start`` are context; the last :data:`REACH` of them suffice.
    """
    first = max(start - REACH, 0)
    tokens, depth = tokens[first:], depth[first:]
    values = np.zeros((len(tokens) - (start - first), len(FIELDS)), np.int64)
    fields.compute(tokens, depth, start - first, values)
    program = compile_patterns(patterns)
    out = np.empty((len(tokens) - (start - first), len(patterns)), np.int64)
    _hash(program, tokens, depth, values, start - first, np.empty(len(patterns), np.int64), out)
    return Located(out, values)


def addresses(text: Text, patterns: tuple[str, ...], start: int) -> Tensor:
    """Addresses of the positions ``start ..`` of a text, int64 ``(S, B)`` on the text's device."""
    tokens, depth = text.tokens.cpu().numpy(), text.depth.cpu().numpy()
    found = locate(tokens.astype(np.int64), depth.astype(np.int64), start, patterns)
    return torch.from_numpy(np.ascontiguousarray(found.where.T)).to(text.tokens.device)


def mix(h: Tensor, value: Tensor | int) -> Tensor:
    """:func:`lior.counting.fields.mix` of tensors."""
    h = (h ^ value) * fields._MULTIPLIER + fields._INCREMENT
    return h ^ (h >> 29)
