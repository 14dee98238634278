"""Random functions, each of few of many inputs: ten families, drawn anew for every seed.

The families have waves, products of two and three inputs, jumps, slanted axes, random networks, sums and
maxima of several inputs. Some have heavy-tailed noise and inputs without a variance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import numpy as np
import pandas as pd

from lior_bench.tabular.sets import Array, Split, Table

ROWS, TESTED = (1000, 2000), 2000
"""Numbers of rows to learn, and number of rows to test."""
Draw = np.random.Generator


@attrs.frozen(kw_only=True)
class Family:
    """A way to draw inputs, the function and the noise."""

    inputs: int
    truth: Callable[[Array, Draw], Array]
    """Function of rows ``(N, inputs)``; its own random draws make another function for every seed."""
    spread: Callable[[Draw, tuple[int, int]], Array] = lambda draw, shape: draw.uniform(-2, 2, shape)
    noise: float = 0.2
    """Size of the noise, in deviations of the truth."""
    tails: float = np.inf
    """Degrees of freedom of the noise, normal at infinity. With fewer than three, test rows have none."""


def _normal(draw: Draw, shape: tuple[int, int]) -> Array:
    return draw.normal(size=shape)


def _net(x: Array, draw: Draw) -> Array:
    into, shift, out = draw.normal(size=(4, 12)), draw.normal(size=12), draw.normal(size=12)
    return np.tanh(1.2 * x[:, :4] @ into + shift) @ out


def _oblique(x: Array, draw: Draw) -> Array:
    axes = draw.normal(size=(6, 2))
    a, b = (x[:, :6] @ (axes / np.linalg.norm(axes, axis=0))).T
    return np.sin(1.5 * a) + 0.5 * a * b


def _sum(x: Array, _: Draw) -> Array:
    return np.sin(3 * x[:, 0]) + np.abs(x[:, 1]) + x[:, 2] ** 3 / 4 + np.cos(2 * x[:, 3]) + x[:, 4]


def _bound(x: Array, _: Draw) -> Array:
    return np.tanh(2 * x[:, 0]) + 2 * np.tanh(x[:, 1]) * np.tanh(x[:, 2]) + np.abs(np.tanh(x[:, 3]))


FAMILIES = {
    "waves": Family(
        inputs=32,
        truth=lambda x, _: np.sin(x[:, 0]) * np.cos(x[:, 1]) + 0.6 * np.sin(x[:, 0] + x[:, 1]) * x[:, 2],
    ),
    "mixed": Family(
        inputs=32, noise=0.3, truth=lambda x, _: np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] ** 2
    ),
    "triple": Family(inputs=24, truth=lambda x, _: x[:, 0] * x[:, 1] * x[:, 2] + x[:, 3]),
    "jumps": Family(
        inputs=32,
        noise=0.3,
        truth=lambda x, _: 2.0 * (x[:, 0] > 0.4) + 1.5 * (x[:, 1] * x[:, 2] > 0) + (np.abs(x[:, 3]) > 1),
    ),
    "oblique": Family(inputs=24, truth=_oblique, spread=_normal),
    "net": Family(inputs=32, truth=_net, spread=_normal),
    "sum": Family(inputs=32, noise=0.3, truth=_sum),
    "largest": Family(
        inputs=24, truth=lambda x, _: x[:, :3].max(1) + np.abs(x[:, 3] - x[:, 4]), spread=_normal
    ),
    "heavy noise": Family(
        inputs=32, noise=0.3, tails=2.2, truth=lambda x, _: np.sin(2 * x[:, 0]) * x[:, 1] + x[:, 2]
    ),
    "heavy inputs": Family(
        inputs=24, truth=_bound, spread=lambda draw, shape: draw.standard_t(3, size=shape)
    ),
}


def split(name: str, rows: int, seed: int) -> Split:
    """Return rows of a family; larger training sets begin with the same rows, and test rows are the same."""
    family, whole = FAMILIES[name], max(ROWS) + TESTED
    draw = np.random.default_rng([seed, *name.encode()])
    x = family.spread(draw, (whole, family.inputs))
    truth = family.truth(x, draw)
    normal = family.tails == np.inf
    noise = draw.normal(size=whole) if normal else draw.standard_t(family.tails, size=whole)
    if family.tails < 3:
        noise[max(ROWS) :] = 0
    y = truth + family.noise * truth.std() * noise
    columns = pd.DataFrame(x, columns=[f"x{i}" for i in range(family.inputs)])
    table = Table(f"{name}, {rows:,} rows", columns, y, False)
    learned, tested = y[:rows], y[max(ROWS) :]
    centre, unit = learned.mean(), truth.std() if family.tails < 3 else learned.std()
    return Split(
        table, seed, columns[:rows], columns[max(ROWS) :], (learned - centre) / unit, (tested - centre) / unit
    )


def splits(names: list[str], draws: int) -> Iterator[Split]:
    """Yield draw by draw, with fewer and with more rows."""
    for seed in range(draws):
        for name in names:
            for rows in ROWS:
                yield split(name, rows, seed)
