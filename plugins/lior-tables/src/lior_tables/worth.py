"""The worth of an input: how much larger the error of left-out rows is without it.

The model is learned on some rows, and predicts others. Each column in turn is replaced by its linear
regression on the other columns, in all rows, and the model is solved for these coordinates with its metric.
The metric is one of the learned rows: one of all rows knows the others by their noise. Shuffling a column
instead asks for predictions of rows that cannot occur, and counts an input that others can replace (G.
Hooker, L. Mentch and S. Zhou, *Statistics and Computing* 31, 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior_tables.blocks import Blocks
from lior_tables.calibration import Calibration
from lior_tables.model import TableModel
from lior_tables.rows import Floats

_ROWS, _COLUMNS = 1_000, 10
"""Maximum number of rows, and of columns with so many; with more columns, fewer rows take as long."""
_PARTS = 3
"""Number of parts of the rows; each is predicted from the others."""
_NONE = 1e-300
"""Addend to losses: without any, nothing is lost."""
_DRAWS = 200
"""Number of bootstrap samples."""
_SHOWN = 5e-4
"""Half of the smallest worth that is shown, .1 %; that of a copied input is 0 up to rounding."""
_SHRINK = 1e-3
"""Ridge of a regression on other columns, relative to the number of rows; chosen by hand."""
_FLOOR = 1e-4
"""Minimum probability of the true class."""


@attrs.frozen(eq=False)
class Worth:
    """The losses of left-out rows, with all inputs and without each of them.

    The loss is the squared error in variances of the targets, or −log of the probability of the true class.
    The error is the mean loss of classes, and its square root for numbers.
    """

    names: tuple[str, ...]
    """Names of the inputs that the model uses."""
    classes: bool
    """Whether the targets are classes."""
    base: Floats
    """Losses with all inputs, ``(rows,)``."""
    without: Floats
    """Losses without each input, ``(inputs, rows)``."""

    def values(self, rows: NDArray[np.int64] | slice = slice(None)) -> Floats:
        """Return the relative increase of the error without each input, ``(inputs,)``: .1 is 10 %."""
        ratio = (self.without[:, rows].sum(1) + _NONE) / (self.base[rows].sum() + _NONE)
        return np.asarray(ratio if self.classes else np.sqrt(ratio)) - 1

    def by_name(self) -> dict[str, float]:
        """Return :meth:`values` by input, the largest first."""
        values = self.values()
        return {self.names[i]: float(values[i]) for i in np.argsort(-values, kind="stable")}

    def beyond_chance(self) -> dict[str, float]:
        """Return :meth:`by_name` of the inputs whose 95 % interval is above 0 as it is shown."""
        low = dict(zip(self.names, self.spread()[0], strict=True))
        return {name: value for name, value in self.by_name().items() if low[name] > _SHOWN}

    def spread(self) -> tuple[Floats, Floats]:
        """Return ends of 95 % intervals of :meth:`values`, from a bootstrap over the rows."""
        rng, count = np.random.RandomState(0), len(self.base)
        drawn = [self.values(rng.randint(count, size=count)) for _ in range(_DRAWS)]
        low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
        return low, high


def worth(
    model: TableModel, blocks: Blocks | None, origins: NDArray[np.int64], names: Sequence[str]
) -> Worth:
    """Return the worth of each input of a model.

    Parameters
    ----------
    blocks
        Rows that belong together; by default each row is one.
    origins
        Index of the input of each coordinate, -1 for none, ``(n,)``. Inputs without coordinates are not used.
    """
    parts = _parts(model.rows, blocks, len(np.unique(origins)))
    asked = torch.cat([torch.empty(0, dtype=torch.int64), *(held for _, held in parts)])
    rows = model.members[0].rows.take(asked)
    y, weights = rows.y.cpu().double(), rows.weights.cpu().double()

    learned = [model.learned_on(known) for known, _ in parts]

    def losses(z: Tensor) -> Floats:
        pairs = zip(learned, parts, strict=True)
        found = [part.solved_at(z[known]).predict(z[held]) for part, (known, held) in pairs]
        said = torch.cat([rows.y[:0], *found]).cpu().double()
        if model.classes:  # a model without the input would be less sure
            said = Calibration.fit(said, y, weights).probabilities(said)
            loss = -(said * y).sum(1).clamp(min=_FLOOR).log()
        else:
            loss = (said / model.units.output.cpu() - y).square().mean(1)
        return np.asarray(loss * weights)

    stored = model.coordinates
    base = losses(stored)
    used = np.unique(origins[origins >= 0])
    without = np.empty((len(used), len(base)))
    for number, place in enumerate(used):
        own = torch.from_numpy(origins == place).to(stored.device).nonzero()[:, 0]
        z = stored.index_fill(1, own, 0)
        z[:, own] = _explained(z.double(), stored[:, own].double()).to(z)
        without[number] = losses(z)
    return Worth(tuple(names[place] for place in used), model.classes, base, without)


def _parts(rows: int, blocks: Blocks | None, columns: int) -> list[tuple[Tensor, Tensor]]:
    """Return places of rows to learn and of rows to predict, of some of the rows."""
    generator = torch.Generator().manual_seed(0)
    blocks = Blocks(torch.arange(rows), ordered=False) if blocks is None else blocks
    most = int(_ROWS * min(1.0, _COLUMNS / max(columns, 1)) ** 0.5)
    some = torch.zeros(rows, dtype=torch.bool)
    some[torch.randperm(rows, generator=generator)[:most]] = True
    parts = [(known[some[known]], asked[some[asked]]) for known, asked in blocks.parts(_PARTS, generator)]
    return [(known, asked) for known, asked in parts if len(known) and len(asked)]


def _explained(others: Tensor, own: Tensor) -> Tensor:
    """Return the linear regression of coordinates ``own (N, k)`` on ``others (N, m)``, all centred."""
    system = others.mT @ others
    system.diagonal().add_(_SHRINK * len(others))
    return others @ torch.linalg.solve(system, others.mT @ own)
