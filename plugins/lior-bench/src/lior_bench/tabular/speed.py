"""Seconds of one core: fitting, predicting, learning and forgetting rows, and fits beside CatBoost's."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from lior_bench.report import markdown
from lior_bench.tabular.controls import HELD, make_catboost
from lior_bench.tabular.sets import Split, encode
from lior_tables.estimators import GeometricClassifier, GeometricRegressor
from lior_tables.model import Options, TableModel


def table() -> str:
    """Return all rows of the table, in processor seconds."""
    lines = [*_fit_and_predict(2_000, 20), *_fit_and_predict(36_000, 8), *_edit(10_000)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return markdown(["what", "measured"], [*lines, ["memory at most, GiB", f"{peak:.1f}"]])


def beside_catboost(splits: Iterable[Split]) -> str:
    """Compare a fit with the defaults with two of CatBoost, set by set and in turn; in processor seconds.

    CatBoost has depth 6 and then 4, up to 500 trees, and stops early on a fifth of the rows.
    """
    lines, found = [], []
    for split in splits:
        kind = GeometricClassifier if split.classes else GeometricRegressor
        ours, _ = _timed(lambda: kind(random_state=split.seed).fit(split.learn, split.y))  # noqa: B023
        theirs, _ = _timed(lambda: [_catboost(split, depth) for depth in (6, 4)])  # noqa: B023
        found.append((ours, theirs))
        name = f"{split.table.name}, seed {split.seed}"
        lines.append([name, str(len(split.y)), f"{ours:.2f}", f"{theirs:.2f}", f"{ours / theirs:.2f}"])
    ours, theirs = np.array(found).T
    middle = np.exp(np.log(ours / theirs).mean())
    lines.append(["all", "", f"{ours.sum():.1f}", f"{theirs.sum():.1f}", f"{ours.sum() / theirs.sum():.2f}"])
    lines.append(["geometric mean", "", "", "", f"{middle:.2f}"])
    return markdown(["set", "rows", "lior-tables", "two of CatBoost", "ratio"], lines)


def _catboost(split: Split, depth: int) -> object:
    (learn, _), cut = encode(split), int((1 - HELD) * len(split.y))
    model = make_catboost(split, depth=depth, iterations=500, learning_rate=0.06)
    held = learn[cut:], split.y[cut:]
    return model.fit(learn[:cut], split.y[:cut], eval_set=held, early_stopping_rounds=30)


def _draw(count: int, inputs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.RandomState(seed)
    x = draw.uniform(-1, 1, (count, inputs))
    y = (
        np.sin(3 * x[:, 0] + x[:, 1])
        + x[:, 2] * x[:, 3]
        + 0.5 * np.abs(x[:, 4])
        + 0.1 * draw.normal(size=count)
    )
    return x, y


def _fit_and_predict(count: int, inputs: int) -> list[list[str]]:
    x, y = _draw(count + 20_000, inputs)
    seconds, model = _timed(lambda: GeometricRegressor(random_state=0).fit(x[:count], y[:count]))
    predicting, answers = _timed(lambda: model.predict(x[count:]))
    error = float(np.sqrt(np.mean((answers - y[count:]) ** 2)) / y.std())
    size = f"{count:,} × {inputs}"
    return [
        [f"fit {size}, defaults", f"{seconds:.2f} s (RMSE / sd {error:.3f})"],
        [f"predict after {size}", f"{len(answers) / predicting:,.0f} rows/s"],
    ]


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.process_time()
    result = action()
    return time.process_time() - begin, result


def _edit(count: int) -> list[list[str]]:
    """Forget and learn one of ``count`` rows, one member of float64."""
    x, y = (torch.from_numpy(part) for part in _draw(count + 1, 8))
    options = Options(members=1, rounds=1, precision="float64")
    model = TableModel.fit(x[:count], y[:count, None], classes=False, options=options)
    model.forget(torch.tensor([0]))  # computed once for all edits
    forgetting, _ = _timed(lambda: model.forget(torch.tensor([17])))
    learning, _ = _timed(lambda: model.learn(x[count:], y[count:, None], torch.ones(1, dtype=torch.float64)))
    return [
        [f"forget one of {count:,}, one member, float64", f"{1e3 * forgetting:.0f} ms"],
        [f"learn one more of {count:,}", f"{1e3 * learning:.0f} ms"],
    ]
