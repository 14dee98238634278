"""Address patterns: which parts of a context select a hard location, and the addresses they give.

In Jaeckel's selected-coordinate design of sparse distributed memory (L. A. Jaeckel, RIACS TR 89.28, 1989)
every pattern looks at a few parts of the context and ignores the rest. A pattern is written as a string of
parts separated by spaces:

``3``, ``2-4``, ``1,3-5``
    the tokens at these lags (1 is the most recent);
``~1-4``
    the same with letters in lower case;
``word``, ``word-1``, ``column``, …
    one of :data:`lior_plugins.counting.fields.FIELDS`.

The pattern of order ``m`` is ``1-m``, that of order 0 the empty string. All parts are functions of the last
:data:`REACH` tokens of the document.
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

from lior.compiling.compiled import entry, inner
from lior.errors import UsageError
from lior_plugins.counting import fields
from lior_plugins.counting.fields import FIELDS, REACH

ADDRESS_BITS = 41
MAX_PATTERNS = 64

_MAX_LAG = 255
_FOLDED, _FIELD = 1 << 16, 1 << 17
_SEED = 1442695040888963407
_TAG = 1000003


class PatternPart(NamedTuple):
    """One part of a context: a token, or a field."""

    lag: int
    """Distance to the token, from 1 for the most recent; 0 for a field."""
    folded: bool
    """Whether upper and lower case count as equal."""
    field: str
    """Name of the field, empty for a token."""


def parse(pattern: str) -> tuple[PatternPart, ...]:
    """Return the parts of ``pattern`` in its order.

    Raises
    ------
    UsageError
        When it is not of the grammar above.
    """
    found: list[PatternPart] = []
    for word in pattern.split():
        if word in FIELDS:
            found.append(PatternPart(0, False, word))
        else:
            folded = word.startswith("~")
            found += [PatternPart(lag, folded, "") for lag in _lags(word[folded:], word, pattern)]
    return tuple(found)


def _lags(text: str, word: str, pattern: str) -> list[int]:
    lags: list[int] = []
    for span in text.split(","):
        first, dash, last = span.partition("-")
        ends = first, last if dash else first
        if not all(end.isdecimal() for end in ends):
            raise UsageError(
                f"address pattern {pattern!r}: {word!r} is neither lags such as 1,3-5 or ~1-4 "
                f"nor one of {', '.join(FIELDS)}"
            )
        low, high = map(int, ends)
        if not 1 <= low <= high <= _MAX_LAG:
            raise UsageError(f"address pattern {pattern!r}: {span!r} is not within 1-{_MAX_LAG}, ascending")
        lags.extend(range(low, high + 1))
    return lags


class Program(NamedTuple):
    """Patterns as arrays: each continues the hash of an earlier one by a few parts."""

    base: NDArray[np.int64]
    """The pattern whose hash each pattern continues, -1 for none; ``(S,)``."""
    begin: NDArray[np.int64]
    """Index of each pattern's first part, ``(S + 1,)``."""
    codes: NDArray[np.int64]
    """Code of each part: a lag, ``_FOLDED`` + lag, or ``_FIELD`` + number of the field."""


def _code(part: PatternPart) -> int:
    return _FIELD + FIELDS.index(part.field) if part.field else part.lag + _FOLDED * part.folded


@lru_cache(maxsize=32)
def compile_patterns(patterns: Sequence[str]) -> Program:
    """Return the program that computes the addresses of ``patterns``, a tuple."""
    parsed = [parse(pattern) for pattern in patterns]
    base: list[int] = []
    begin: list[int] = [0]
    codes: list[int] = []
    for number, path in enumerate(parsed):
        prefixes = [j for j in range(number) if path[: len(parsed[j])] == parsed[j]]
        best = max(prefixes, key=lambda j: len(parsed[j]), default=-1)
        base.append(best)
        codes.extend(map(_code, path[len(parsed[best]) if best >= 0 else 0 :]))
        begin.append(len(codes))
    return Program(*(np.array(column, dtype=np.int64) for column in (base, begin, codes)))


@entry
def _hash(program, tokens, depth, values, start, hashes, out):
    for t in range(start, len(tokens)):
        hash_at(program, tokens, depth, t, values[t - start], hashes, out[t - start])


@inner
def hash_at(program, tokens, depth, t, values, hashes, out):
    """Write the addresses of position ``t`` with fields ``values`` to ``out (S,)``; ``hashes (S,)`` is
    scratch."""
    for i in range(len(program.base)):
        h = hashes[program.base[i]] if program.base[i] >= 0 else int64(_SEED)
        for j in range(program.begin[i], program.begin[i + 1]):
            code = program.codes[j]
            if code >= _FIELD:
                value = values[code - _FIELD]
            else:
                k = code & (_FOLDED - 1)
                value = int64(0)
                if depth[t] >= k and t >= k:
                    token = tokens[t - k]
                    value = (fields.fold(token) if code >= _FOLDED else token) + 1
            h = fields.mix(h, value + (code + 1) * _TAG)
        hashes[i] = h
        hashed = (fields.mix(h, int64(i)) >> int64(63 - ADDRESS_BITS)) & ((int64(1) << ADDRESS_BITS) - 1)
        out[i] = hashed | (int64(i) << ADDRESS_BITS)


class Located(NamedTuple):
    """The addresses of positions of a text, and the fields that they are computed from."""

    where: NDArray[np.int64]
    """Addresses ``(B, S)``: the pattern's number above :data:`ADDRESS_BITS` bits of hash.

    Addresses of different patterns never collide; two contexts of one pattern collide with probability
    ``2^-41``.
    """
    fields: NDArray[np.int64]
    """The fields of each position, ``(B, len(FIELDS))``."""


def locate(
    tokens: NDArray[np.int64], depth: NDArray[np.int64], start: int, patterns: tuple[str, ...]
) -> Located:
    """Return addresses and fields of the positions ``start ..`` of a text.

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


def locate_on(
    patterns: tuple[str, ...], tokens: Tensor, at: Tensor, before: Tensor, values: Tensor
) -> Tensor:
    """Return the addresses that :func:`locate` finds, int64 ``(S, B)``, by torch on the tensors' device.

    Parameters
    ----------
    tokens
        Texts one after the other, int64 ``(T,)``.
    at
        Index of each position in ``tokens``, ``(B,)``.
    before
        Number of tokens before each position in its own text and document, ``(B,)``.
    values
        Fields of each position, ``(B, len(FIELDS))``.
    """

    def value(code: int) -> Tensor:
        if code >= _FIELD:
            return values[:, code - _FIELD]
        lag = code & (_FOLDED - 1)
        token = tokens[(at - lag).clamp(min=0)]
        return torch.where(before >= lag, (fold(token) if code >= _FOLDED else token) + 1, 0)

    program, hashes = compile_patterns(patterns), list[Tensor]()
    for base, begin, end in zip(program.base, program.begin, program.begin[1:], strict=False):
        h = hashes[base] if base >= 0 else torch.full_like(at, _SEED)
        for code in program.codes[begin:end].tolist():
            h = mix(h, value(code) + (code + 1) * _TAG)
        hashes.append(h)
    hashed = (mix(h, i) >> (63 - ADDRESS_BITS) & ((1 << ADDRESS_BITS) - 1) for i, h in enumerate(hashes))
    return torch.stack([h | (i << ADDRESS_BITS) for i, h in enumerate(hashed)])


def fold(tokens: Tensor) -> Tensor:
    """Return :func:`lior_plugins.counting.fields.fold` of tokens."""
    return torch.where((tokens >= 65) & (tokens <= 90), tokens + 32, tokens)


def mix(h: Tensor, value: Tensor | int) -> Tensor:
    """Return :func:`lior_plugins.counting.fields.mix` of tensors."""
    h = (h ^ value) * fields._MULTIPLIER + fields._INCREMENT
    return h ^ (h >> 29)
