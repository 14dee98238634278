"""Repetition: how often a text repeats a unit in a row, and which tokens would exceed that in a sample.

A text has period ``p`` at a position whose token equals the one ``p`` places before. A run is a maximal
stretch of such positions within a document (R. Kolpakov and G. Kucherov, *Finding Maximal Repetitions in a
Word in Linear Time*, 1999). Its unit is what it repeats: a sign, a word, a line, several lines. Two runs
have the same unit if one starts in the middle of the other's, so a unit is a multiset of ``p`` tokens here,
known by the sum of their hashes. Each part of the text itself stays within the longest runs of its units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numba import int64
from numpy.typing import NDArray

from lior.compiling.compiled import entry, inner
from lior.interfaces import Limits

Ints = NDArray[np.int64]
Repeats = tuple[Ints, Ints]

LONGEST = 1024
"""Maximum number of tokens of a unit: a paragraph."""
_CAPACITY = 8 * LONGEST
"""Maximum number of tokens of a sample in memory."""


@inner
def _hash(token):
    """Return a number for a token; sums of it tell units apart."""
    h = (token + int64(1)) * int64(-7046029254386353131)
    h = (h ^ (h >> int64(31))) * int64(-4658895280553007687)
    return h ^ (h >> int64(29))


@inner
def _unit(tokens, end, period):
    """Return the hash of the unit of ``period`` tokens before ``end``."""
    total = int64(0)
    for i in range(end - period, end):
        total += _hash(tokens[i])
    return total


@entry
def _find(tokens, units, longest):
    """Write unit and length of the runs of ``tokens`` as far as there is room; returns their count."""
    count, end = 0, len(tokens)
    for period in range(1, min(LONGEST, end - 1) + 1):
        at = least = period  # a run of ``period`` positions has one at a multiple of it
        while at < end:
            if tokens[at] != tokens[at - period]:
                at += period
                continue
            first, last = at, at + 1
            while first > least and tokens[first - 1] == tokens[first - 1 - period]:
                first -= 1
            while last < end and tokens[last] == tokens[last - period]:
                last += 1
            if last - first >= period:
                if count < len(units):
                    units[count], longest[count] = _unit(tokens, last, period), last - first
                count += 1
            least = last
            at += period * ((last - at - 1) // period + 1)
    return count


@inner
def extend(limits, token):
    """Append a token to the sample, and measure the runs that reach it."""
    tokens, runs, used = limits.tokens, limits.runs, limits.used
    if used[0] == len(tokens):
        for i in range(LONGEST):
            tokens[i] = tokens[len(tokens) - LONGEST + i]
        used[0] = LONGEST
    t = used[0]
    for period in range(1, min(LONGEST, t) + 1):
        runs[period] = runs[period] + 1 if tokens[t - period] == token else 0
    tokens[t] = token
    used[0] = t + 1


@inner
def bar(limits):
    """Write the tokens that would make a run longer than the longest of its unit; returns their count.

    A unit that the text never repeats in a row has no second full occurrence in a row.
    """
    tokens, t, count = limits.tokens, limits.used[0], 0
    for period in range(1, min(LONGEST, t) + 1):
        if limits.runs[period] + 1 < period:
            continue
        unit, most = _unit(tokens, t, period), period - 1
        place = np.searchsorted(limits.units, unit)
        if place < len(limits.units) and limits.units[place] == unit:
            most = limits.longest[place]
        if limits.runs[period] + 1 > limits.times * most:
            limits.barred[count] = tokens[t - period]
            count += 1
    return count


@entry
def _feed(limits, tokens):
    for token in tokens:
        extend(limits, token)


@entry
def _barred(limits):
    return bar(limits)


_NONE = np.zeros(0, np.int64)
UNLIMITED = Limits(0.0, *[_NONE] * 6)
"""Limits that bar nothing."""


def limits(repeats: Repeats, tokens: Sequence[int]) -> Limits:
    """Return the limits of a sample that begins with ``tokens``, from the result of :func:`find`."""
    arrays = (np.zeros(size, np.int64) for size in (_CAPACITY, LONGEST + 1, 1, LONGEST))
    found = Limits(1.0, *repeats, *arrays)
    feed(found, tokens)
    return found


def feed(limits: Limits, tokens: Sequence[int]) -> None:
    """Append tokens to the sample."""
    _feed(limits, np.array(tokens, np.int64))


def barred(limits: Limits) -> Ints:
    """Return the tokens that must not follow."""
    return limits.barred[: _barred(limits) if limits.times else 0]


def find(documents: Iterable[Ints]) -> Repeats:
    """Return the hash of each unit that ``documents`` repeat, ascending, and the length of its longest
    run."""
    rows = [np.zeros((2, 0), np.int64)]
    for document in documents:
        count = _find(document, _NONE, _NONE)
        rows.append(np.empty((2, count), np.int64))
        _find(document, *rows[-1])
    units, longest = np.concatenate(rows, 1)
    order = np.lexsort((-longest, units))
    units, first = np.unique(units[order], return_index=True)
    return units, longest[order][first]
