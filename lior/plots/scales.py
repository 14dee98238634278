"""Numbers as text, limits of logarithmic axes, and places of labels that must not overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_EXPONENT_FROM = 1e15


def format_number(value: float, digits: int = 4) -> str:
    """Return a number as short text, with separators between thousands.

    >>> format_number(12345.678), format_number(0.0123456), format_number(3.0)
    ('12,346', '0.01235', '3')
    """
    if not math.isfinite(value) or abs(value) >= _EXPONENT_FROM:
        return f"{value:.{digits}g}"
    if abs(value) >= 10 ** (digits - 1) or value == int(value):
        return f"{value + 0.0:,.0f}"  # + 0.0 turns -0 into 0
    return f"{value:.{digits}g}"


def named(name: str, value: float) -> str:
    """Return the label of a level: its name and its value."""
    return f"{name}: {value:.3f}" if abs(value) >= 0.01 or not value else f"{name}: {value:.3g}"


def linear_limit(values: Iterable[float]) -> float | None:
    """Return the size up to which a logarithmic axis is linear about 0, so that it shows all finite
    ``values``.

    Returns
    -------
    float or None
        0 if all are positive; ``None`` if none is finite and different from 0, so that the axis must be
        linear everywhere.
    """
    found = [value for value in values if math.isfinite(value)]
    sizes = [abs(value) for value in found if value]
    if not sizes:
        return None
    if min(found) > 0:
        return 0.0
    # A curve that crosses 0 has values near 0 by chance; an exact 0 is no evidence of the range.
    decades = 6 if min(found) < 0 else 18
    return 10.0 ** math.floor(math.log10(max(min(sizes), max(sizes) * 10.0**-decades)))


def spread(places: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Return places in the same order, at least ``gap`` apart and as near to the given ones as possible.

    Parameters
    ----------
    places
        Ascending numbers.
    low, high
        The result stays between these if there is room for all places.

    >>> spread([1.0, 1.1, 5.0], gap=1.0, low=0.0, high=10.0)
    [0.55, 1.55, 5.0]
    """
    # Least squares under order: places that are too close become one cluster about their mean (pool
    # adjacent violators, M. Ayer et al., 1955); the gaps before each place are taken off first.
    clusters: list[tuple[float, int]] = []
    for i, place in enumerate(places):
        mean, count = place - gap * i, 1
        while clusters and clusters[-1][0] > mean:
            before, many = clusters.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        clusters.append((mean, count))
    found = [mean for mean, count in clusters for _ in range(count)]
    top = high - gap * (len(found) - 1)
    return [max(min(mean, top), low) + gap * i for i, mean in enumerate(found)]
