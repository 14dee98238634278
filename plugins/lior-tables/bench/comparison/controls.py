"""Controls: boosters, forests, support vectors and xrfm, lightly tuned on a fifth of the rows to learn.

A setting with the best held-out error (wrong answers plus Brier score for classes, squared error for numbers)
is fitted again on all rows, with as many trees as were best, and a tenth more. One thread; seconds are the
processor's.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.svm import SVC, SVR

from comparison.sets import Array, Split, encode

warnings.filterwarnings("ignore", message="X does not have valid feature names")
Grid = list[dict[str, Any]]
HELD = 0.2
"""Share of the rows to learn on which a setting is chosen."""


def measure(name: str, split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """What is to be written of a control on a split: seconds, what was chosen, and its arrays."""
    return CONTROLS[name](split)


def hold_out_error(split: Split, predictions: Array, y: Array) -> float:
    """Wrong answers plus Brier score of classes, or the mean squared error."""
    if not split.classes:
        return float(((predictions - y) ** 2).mean())
    brier = ((predictions - np.eye(split.classes)[y]) ** 2).sum(1).mean()
    return float((predictions.argmax(1) != y).mean() + brier)


def _predicted(model: Any, x: Any, split: Split) -> Array:
    """Probabilities of all classes, 0 for those that were not learned, or numbers."""
    if not split.classes:
        return np.asarray(model.predict(x), dtype=np.float64).ravel()
    full = np.zeros((len(x), split.classes))
    full[:, np.asarray(model.classes_, dtype=np.int64)] = model.predict_proba(x)
    return full


Fit = Callable[[dict[str, Any], Any, Array, tuple[Any, Array] | None], tuple[Any, int | None]]
"""(setting, rows, targets, held-out rows to stop early or None) -> model, its best number of trees."""


def _tuned(
    split: Split, learn: Any, test: Any, grid: Grid, fit: Fit, trees: str | None = None
) -> tuple[dict[str, Any], dict[str, Array]]:
    begin = time.process_time()
    cut = int((1 - HELD) * len(split.y))
    first, rest = learn[:cut], learn[cut:]
    best: tuple[float, dict[str, Any]] | None = None
    for setting in grid:
        model, found = fit(setting, first, split.y[:cut], (rest, split.y[cut:]))
        error = hold_out_error(split, _predicted(model, rest, split), split.y[cut:])
        if best is None or error < best[0]:
            more = {trees: max(int(1.1 * found), 10)} if trees and found else {}
            best = error, {**setting, **more}
    assert best is not None
    model, _ = fit(best[1], learn, split.y, None)
    return _timed(model, test, split, begin, {"chosen": best[1]})


def _timed(
    model: Any, test: Any, split: Split, begin: float, more: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Array]]:
    fitted = time.process_time()
    predictions = _predicted(model, test, split)
    seconds = {"fit_seconds": fitted - begin, "predict_seconds": time.process_time() - fitted}
    return {**seconds, **more}, {"predictions": predictions}


def catboost(split: Split, trees: int = 500, patience: int = 30) -> tuple[dict[str, Any], dict[str, Array]]:
    """Depths 6 and 4; where there are categories, as columns of 0 and 1 and by its own treatment."""
    from catboost import CatBoostClassifier, CatBoostRegressor, Pool

    coded = encode(split)
    tables: dict[str, tuple[Any, Any]] = {"coded": coded}
    if split.categories:
        own = [frame.copy() for frame in (split.learn, split.test)]
        for frame in own:
            frame[split.categories] = frame[split.categories].fillna("missing").astype(str)
        tables["own"] = own[0], own[1]
    big = split.classes * len(split.y) > 9000
    trees = int(0.3 * trees) if big else trees
    grid: Grid = [{"depth": 6, "learning_rate": 0.15 if big else 0.06}]
    grid += [] if big else [{"depth": 4, "learning_rate": 0.06}]

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        kind = CatBoostClassifier if split.classes else CatBoostRegressor
        names = split.categories if setting["categories"] == "own" else None
        options = {"iterations": trees, **setting}
        options.pop("categories")
        model = kind(**options, verbose=0, thread_count=1, random_seed=0, allow_writing_files=False)
        watched = (
            {"eval_set": Pool(held[0], held[1], names), "early_stopping_rounds": patience} if held else {}
        )
        model.fit(Pool(x, y, names), **watched)
        return model, model.get_best_iteration() if held else None

    begin = time.process_time()
    cut = int((1 - HELD) * len(split.y))
    best: tuple[float, dict[str, Any]] | None = None
    for categories, (learn, _) in tables.items():
        for setting in ({**one, "categories": categories} for one in grid):
            model, found = fit(setting, learn[:cut], split.y[:cut], (learn[cut:], split.y[cut:]))
            error = hold_out_error(split, _predicted(model, learn[cut:], split), split.y[cut:])
            if best is None or error < best[0]:
                best = error, {**setting, "iterations": max(int(1.1 * (found or 0)), 10)}
    assert best is not None
    learn, test = tables[best[1]["categories"]]
    model, _ = fit(best[1], learn, split.y, None)
    return _timed(model, test, split, begin, {"chosen": best[1]})


def _lightgbm_fit(split: Split) -> Fit:
    import lightgbm

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        kind = lightgbm.LGBMClassifier if split.classes else lightgbm.LGBMRegressor
        options = {"n_estimators": 400, **setting, "min_child_samples": 10, "subsample": 0.8}
        options |= {
            "subsample_freq": 1,
            "colsample_bytree": 0.8,
            "random_state": 0,
            "verbose": -1,
            "n_jobs": 1,
        }
        model = kind(**options)
        stop = [lightgbm.early_stopping(25, verbose=False)]
        watched: dict[str, Any] = {"eval_set": [held], "callbacks": stop} if held else {}
        model.fit(x, y, **watched)
        return model, model.best_iteration_ if held else None

    return fit


def _lightgbm_grid(split: Split) -> Grid:
    grid = [{"learning_rate": 0.05, "num_leaves": leaves} for leaves in (7, 31)]
    return grid[:1] if split.classes * len(split.y) > 9000 else grid


def lightgbm(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    learn, test = encode(split)
    return _tuned(split, learn, test, _lightgbm_grid(split), _lightgbm_fit(split), "n_estimators")


def lightgbm_split_conformal(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """90 % intervals of one width: tuned on all rows, fitted on three quarters, measured on the rest."""
    if split.classes:
        return {}, {}
    learn, test = encode(split)
    fit = _lightgbm_fit(split)
    about, _ = _tuned(split, learn, test, _lightgbm_grid(split), fit, "n_estimators")
    cut = int(0.75 * len(split.y))
    model, _ = fit(about["chosen"], learn[:cut], split.y[:cut], None)
    residuals = np.abs(split.y[cut:] - model.predict(learn[cut:]))
    half = np.quantile(residuals, min(1.0, 0.9 * (1 + 1 / len(residuals))), method="higher")
    centre = model.predict(test)
    return about, {"predictions": centre, "low": centre - half, "high": centre + half}


def xgboost(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    import xgboost as library

    learn, test = encode(split)
    grid: Grid = [{"learning_rate": 0.08, "max_depth": depth} for depth in (3, 6)]

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        kind = library.XGBClassifier if split.classes else library.XGBRegressor
        options = {"n_estimators": 400, **setting, "n_jobs": 1, "subsample": 0.8, "colsample_bytree": 0.8}
        model = kind(
            **options, tree_method="hist", random_state=0, **({"early_stopping_rounds": 25} if held else {})
        )
        model.fit(x, y, verbose=False, **({"eval_set": [held]} if held else {}))
        return model, model.best_iteration if held else None

    few = grid[:1] if split.classes * len(split.y) > 9000 else grid
    return _tuned(split, learn, test, few, fit, "n_estimators")


def hist_gradient_boosting(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    learn, test = encode(split)
    grid: Grid = [
        {"learning_rate": 0.1, "max_leaf_nodes": 15},
        {"learning_rate": 0.05, "max_leaf_nodes": 31},
    ]

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        kind = HistGradientBoostingClassifier if split.classes else HistGradientBoostingRegressor
        return kind(max_iter=150, early_stopping=True, random_state=0, **setting).fit(x, y), None

    return _tuned(split, learn, test, grid[:1] if split.classes * len(split.y) > 9000 else grid, fit)


def random_forest(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    learn, test = encode(split)

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        kind = RandomForestClassifier if split.classes else RandomForestRegressor
        return kind(150, random_state=0, n_jobs=1, **setting).fit(x, y), None

    return _tuned(split, learn, test, [{"max_features": "sqrt"}, {"max_features": 0.5}], fit)


def svm(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """Radial basis functions; probabilities by scikit-learn's own scaling of decision values."""
    from sklearn.calibration import CalibratedClassifierCV

    learn, test = encode(split, standardise=True)
    grid: Grid = [{"C": c, "gamma": g / learn.shape[1]} for c in (1, 10, 100) for g in (0.1, 0.4, 1.0)]
    begin = time.process_time()
    cut = int((1 - HELD) * len(split.y))
    errors = []
    for setting in grid:
        model = (SVC if split.classes else SVR)(**setting).fit(learn[:cut], split.y[:cut])
        answers = model.predict(learn[cut:])
        wrong = answers != split.y[cut:] if split.classes else (answers - split.y[cut:]) ** 2
        errors.append(float(wrong.mean()))
    chosen = grid[int(np.argmin(errors))]
    model = SVR(**chosen)
    if split.classes:
        model = CalibratedClassifierCV(SVC(**chosen), cv=3, ensemble=False)
    return _timed(model.fit(learn, split.y), test, split, begin, {"chosen": chosen})


def xrfm(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """Recursive feature machines of that package: two kernels, two widths, two ridges, five rounds.

    It keeps the held-out rows to choose its round and temperature: the best model is not fitted again.
    """
    from xrfm import xRFM

    learn, test = (torch.tensor(part, dtype=torch.float32) for part in encode(split, standardise=True))
    y = torch.tensor(split.y, dtype=torch.long if split.classes else torch.float32)
    y = y if split.classes else y[:, None]
    cut = int((1 - HELD) * len(y))
    begin = time.process_time()
    best: tuple[float, dict[str, Any], Any] | None = None
    for kernel, width, ridge in (
        (kernel, width, ridge) for kernel in ("l2", "l1") for width in (3.0, 10.0) for ridge in (1e-3, 1e-1)
    ):
        setting = {"kernel": kernel, "bandwidth": width, "exponent": 1.0, "diag": kernel == "l1"}
        model = xRFM(
            rfm_params={
                "model": {**setting, "bandwidth_mode": "constant"},
                "fit": {"reg": ridge, "iters": 5, "verbose": False, "return_best_params": True},
            },
            device="cpu",
            tuning_metric="brier" if split.classes else "mse",
            random_state=0,
            verbose=False,
        )
        model.fit(learn[:cut], y[:cut], learn[cut:], y[cut:])
        held = _xrfm_predicted(model, learn[cut:], split)
        error = hold_out_error(split, held, split.y[cut:])
        if best is None or error < best[0]:
            best = error, {**setting, "reg": ridge}, model
    assert best is not None
    fitted = time.process_time()
    predictions = _xrfm_predicted(best[2], test, split)
    seconds = {"fit_seconds": fitted - begin, "predict_seconds": time.process_time() - fitted}
    return {**seconds, "chosen": best[1]}, {"predictions": predictions}


def _xrfm_predicted(model: Any, x: torch.Tensor, split: Split) -> Array:
    if not split.classes:
        return np.asarray(model.predict(x), dtype=np.float64).ravel()
    return np.asarray(model.predict_proba(x), dtype=np.float64).reshape(len(x), -1)


def catboost_untuned(split: Split) -> tuple[dict[str, Any], dict[str, Array]]:
    """1,000 trees and nothing chosen; columns of numbers only."""
    from catboost import CatBoostRegressor

    begin = time.process_time()
    model = CatBoostRegressor(
        iterations=1000, verbose=0, thread_count=1, random_seed=0, allow_writing_files=False
    )
    return _timed(model.fit(split.learn, split.y), split.test, split, begin, {})


CONTROLS: dict[str, Callable[[Split], tuple[dict[str, Any], dict[str, Array]]]] = {
    "catboost": catboost,
    "catboost untuned": catboost_untuned,
    "catboost long": partial(catboost, trees=2000, patience=100),
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "hist gradient boosting": hist_gradient_boosting,
    "random forest": random_forest,
    "svm": svm,
    "xrfm": xrfm,
    "lightgbm split conformal": lightgbm_split_conformal,
}
"""Name -> measurement of a split."""
