"""Words as one-hot coordinates or as distances of their targets: errors on unseen rows.

    lior bench tables categories --seeds 2 --rows 1000

Sets with words: ``adult``, ``german`` and ``abalone`` of ``../shared/data/tables`` (or
``LIOR_SHARED_DATA``), and two synthetic ones, in which a number depends on a word of 150 or of 12. The
ratio is below 1 if distances are better; its interval is a bootstrap over the rows to predict.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from lior_bench.tabular.judging import losses, ratio
from lior_bench.tabular.sets import Table, table
from lior_tables import GeometricClassifier, GeometricRegressor


def made(levels: int, rows: int = 4000) -> tuple[pd.DataFrame, np.ndarray]:
    """Return a synthetic table: the target depends on a number and, without order, on a word."""
    rng = np.random.RandomState(0)
    effect, word, x = rng.randn(levels), rng.randint(0, levels, rows), rng.randn(rows, 3)
    y = effect[word] * np.cos(x[:, 0]) + x[:, 1] + 0.3 * rng.randn(rows)
    return pd.DataFrame(x).add_prefix("x").assign(word=[f"w{i}" for i in word]), y


def read(name: str) -> Table:
    """Read a set by name."""
    if name.startswith("made"):
        return Table(name, *made(int(name.removeprefix("made"))), False)
    return table(name, Path(os.environ.get("LIOR_SHARED_DATA", "../shared/data")) / "tables")


@click.command(help=__doc__)
@click.option("--seeds", default=2, show_default=True)
@click.option("--rows", "most", default=1000, show_default=True, help="Maximum number of rows to learn.")
def main(seeds: int, most: int) -> None:
    """Print a line for each set."""
    warnings.simplefilter("ignore")
    for name in ("adult", "german", "abalone", "made12", "made150"):
        asked = read(name)
        frame, y, classes = asked.columns, asked.target, asked.classes
        found: dict[str, list[np.ndarray]] = {"one-hot": [], "distance": []}
        for seed in range(seeds):
            order = np.random.RandomState(seed).permutation(len(frame))
            test, train = order[: min(len(order) // 5, 2000)], order[min(len(order) // 5, 2000) :][:most]
            for categories, listed in found.items():
                kind: Any = GeometricClassifier if classes else GeometricRegressor
                model = kind(categories=categories, random_state=seed)
                model.fit(frame.iloc[train], y[train])
                if classes:
                    truth = np.searchsorted(model.classes_, y[test])
                    listed.append(losses(model.predict_proba(frame.iloc[test]), truth))
                else:
                    spread = y[train].std()
                    listed.append(losses(model.predict(frame.iloc[test]) / spread, y[test] / spread))
        estimate = ratio(found["distance"], found["one-hot"], classes=classes)
        print(
            f"{name:8} {min(most, len(frame)):5,} rows, {seeds} seeds: distance / one-hot {estimate}",
            flush=True,
        )
