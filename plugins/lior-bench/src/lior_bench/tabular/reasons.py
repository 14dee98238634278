"""Two exact ways to divide a prediction among rows: how many rows have half and most of it?

    lior bench tables reasons

Sets of ``../shared/data/tables`` (or ``LIOR_SHARED_DATA``), 600 rows to learn, medians over 200 others.
``kernel`` is ``α_i k(x, x_i)``, ``weights`` is ``w_i(x) (y_i − mean)``; ``size`` is the total absolute
share, in standard deviations of the target.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import torch

from lior_tables import GeometricRegressor


def rows_for(shares: np.ndarray, part: float) -> int:
    """Return the median number of rows that reach ``part`` of the total absolute ``shares (B, N)``."""
    sizes = -np.sort(-np.abs(shares), axis=1)
    reached = sizes.cumsum(1) < part * sizes.sum(1, keepdims=True)
    return int(np.median(reached.sum(1))) + 1


@click.command(help=__doc__)
def main() -> None:
    """Print two lines for each set."""
    warnings.simplefilter("ignore")
    here = Path(os.environ.get("LIOR_SHARED_DATA", "../shared/data")) / "tables"
    for name in ("concrete", "airfoil", "abalone"):
        frame = pd.read_csv(here / f"{name}.csv.gz").sample(800, random_state=0)
        y = frame.pop("target").to_numpy()
        model = GeometricRegressor(random_state=0).fit(frame[:600], y[:600])
        z = torch.from_numpy(model.columns_.encode(model.rows(frame[600:])))
        members: Any = zip(model.model_.member_weights, model.model_.members, strict=True)
        kernel = y[:600].std() * sum(
            w * (m.weigh(z.to(m.rows.z)) * m.fit.values[:, 0]).double() for w, m in members
        )
        for what, shares in (("kernel", kernel), ("weights", model.explain(frame[600:]).shares[:, :, 0])):
            half, most = rows_for(shares, 0.5), rows_for(shares, 0.9)
            size = np.median(np.abs(shares).sum(1)) / y[:600].std()
            print(f"{name:9} {what:8} 50 %: {half:3} rows, 90 %: {most:3} rows, size {size:,.1f}", flush=True)
