"""Seconds of one core: fitting, predicting, learning and forgetting rows."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lior_bench.report import markdown
from lior_tables.estimators import GeometricRegressor
from lior_tables.model import Options, TableModel


def table() -> str:
    """Return all rows of the table, in processor seconds."""
    lines = [*_fit_and_predict(2_000, 20), *_fit_and_predict(36_000, 8), *_edit(10_000)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return markdown(["what", "measured"], [*lines, ["memory at most, GiB", f"{peak:.1f}"]])


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
