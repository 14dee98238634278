"""Predictions of few rows by models that have not seen them.

The metric and the choices of a model know all of its rows. With few rows its predictions without one row are
therefore too good, and so are the errors, intervals and probabilities that follow from them.
"""

from __future__ import annotations

import attrs
import torch
from torch import Generator, Tensor

from lior_tables.model import TableModel
from lior_tables.plan import Options

LEAST, FEW = 10, 250
"""Least and most rows whose errors are of models fitted anew.

Leave-one-out intervals of 90 % from 250 rows hold for .896 of new rows (``docs/decisions/tables.md``).
"""
_PARTS = 5


def fitted_anew(z: Tensor, y: Tensor, weights: Tensor, options: Options, *, classes: bool) -> Tensor:
    """Return each row's values by a model of the other four fifths of the rows, ``(N, C)`` float64.

    The parts do not depend on the order of the rows. Each has its share of every class.

    Parameters
    ----------
    options
        Its time limit is for all parts together.
    z, y, weights
        Coordinates ``(N, n)``, targets ``(N, C)``, one-hot for ``classes``, and sample weights
        ``(N,)``, float64.
    """
    seen = torch.cat([z, y], 1)
    ray = torch.randn(seen.shape[1], generator=Generator().manual_seed(0), dtype=seen.dtype)
    order = (seen @ ray).argsort()
    at = torch.randperm(len(y), generator=Generator().manual_seed(0))
    if classes:
        order = order[y[order].argmax(1).argsort(stable=True)]
        at = torch.arange(len(y))
    if options.time_limit is not None:
        options = attrs.evolve(options, time_limit=options.time_limit / _PARTS)
    found = torch.empty_like(y)
    for part in range(_PARTS):
        known, asked = order[at % _PARTS != part], order[at % _PARTS == part]
        model = TableModel.fit(
            z[known],
            y[known],
            weights[known],
            classes=classes,
            options=options,
            generator=Generator().manual_seed(0),
        )
        found[asked] = model.predict(z[asked]).double().cpu()
    return found
