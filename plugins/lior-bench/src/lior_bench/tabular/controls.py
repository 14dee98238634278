"""Controls: boosters, forests, support vectors and xrfm, lightly tuned on a fifth of the rows to learn.

The setting with the best held-out error is fitted again on all rows, with 10 % more than the best number of
trees. The error is wrong answers plus Brier score for classes, and the squared error for numbers. One
thread; seconds are the processor's.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import numpy as np
import torch
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.svm import SVC, SVR

from lior_bench.tabular.sets import Array, Split, encode

warnings.filterwarnings("ignore", message="X does not have valid feature names")
Grid = list[dict[str, Any]]
HELD = 0.2
"""Share of the rows to learn on which a setting is chosen."""


def hold_out_error(split: Split, predictions: Array, y: Array) -> float:
    """Return wrong answers plus Brier score of classes, or the mean squared error."""
    if not split.classes:
        return float(((predictions - y) ** 2).mean())
    brier = ((predictions - np.eye(split.classes)[y]) ** 2).sum(1).mean()
    return float((predictions.argmax(1) != y).mean() + brier)


def _predicted(model: Any, x: Any, split: Split) -> Array:
    """Return probabilities of all classes, 0 for classes that were not learned, or numbers."""
    if not split.classes:
        return np.asarray(model.predict(x), dtype=np.float64).ravel()
    full = np.zeros((len(x), split.classes))
    full[:, np.asarray(model.classes_, dtype=np.int64)] = model.predict_proba(x)
    return full


Result = tuple[dict[str, Any], dict[str, Array]]
"""Results of a control on a split: seconds, the chosen setting, and its arrays."""
Fit = Callable[[dict[str, Any], Any, Array, tuple[Any, Array] | None], tuple[Any, int | None]]
"""(setting, rows, targets, held-out rows to stop early or None) -> model, its best number of trees."""


@attrs.frozen(eq=False)
class Chosen:
    """The setting with the least error on the held-out rows, and its model."""

    error: float
    setting: dict[str, Any]
    model: Any


def _choose(
    split: Split,
    learn: Any,
    grid: Grid,
    fit: Fit,
    *,
    trees: str | None = None,
    error: Callable[[Any, Any, Array], float] | None = None,
) -> Chosen:
    """Try the settings of a grid; ``trees`` names the setting for the best number of trees."""
    cut = int((1 - HELD) * len(split.y))
    held = learn[cut:], split.y[cut:]
    error = error or (lambda model, x, y: hold_out_error(split, _predicted(model, x, split), y))
    tried = []
    for setting in grid:
        model, found = fit(setting, learn[:cut], split.y[:cut], held)
        more = {trees: max(int(1.1 * found), 10)} if trees and found else {}
        tried.append(Chosen(error(model, *held), {**setting, **more}, model))
    return min(tried, key=lambda each: each.error)


def _tuned(split: Split, grid: Grid, fit: Fit, trees: str | None = None) -> Result:
    learn, test = encode(split)
    begin = time.process_time()
    chosen = _choose(split, learn, grid, fit, trees=trees).setting
    model, _ = fit(chosen, learn, split.y, None)
    return _timed(lambda: _predicted(model, test, split), begin, chosen=chosen)


def _timed(predict: Callable[[], Array], begin: float, **more: Any) -> Result:
    fitted = time.process_time()
    predictions = predict()
    seconds = {"fit_seconds": fitted - begin, "predict_seconds": time.process_time() - fitted}
    return {**seconds, **more}, {"predictions": predictions}


def _is_big(split: Split) -> bool:
    """Return whether there are so many rows and classes that a booster gets a smaller grid."""
    return split.classes * len(split.y) > 9000


def make_catboost(classes: object, **options: Any) -> Any:
    """Create a model of CatBoost for ``classes``, or for numbers if false, on one thread."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if classes else CatBoostRegressor
    return kind(**options, verbose=0, thread_count=1, random_seed=0, allow_writing_files=False)


def _with_words(frame: Any, categories: list[str]) -> Any:
    return frame.assign(**frame[categories].fillna("missing").astype(str))


def catboost(split: Split, trees: int = 500, patience: int = 30) -> Result:
    """Fit depths 6 and 4; categories are tried as columns of 0 and 1 and by its own treatment."""
    from catboost import Pool

    tables: dict[str, tuple[Any, Any]] = {"coded": encode(split)}
    if split.categories:
        tables["own"] = _with_words(split.learn, split.categories), _with_words(split.test, split.categories)
    big = _is_big(split)
    trees = int(0.3 * trees) if big else trees
    grid: Grid = [{"depth": 6, "learning_rate": 0.15 if big else 0.06}]
    grid += [] if big else [{"depth": 4, "learning_rate": 0.06}]

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        options = {"iterations": trees, **setting}
        names = split.categories if options.pop("categories") == "own" else None
        model = make_catboost(split.classes, **options)
        watched = (
            {"eval_set": Pool(held[0], held[1], names), "early_stopping_rounds": patience} if held else {}
        )
        model.fit(Pool(x, y, names), **watched)
        return model, (model.get_best_iteration() or 1) if held else None

    begin = time.process_time()
    chosen = min(
        (
            _choose(split, learn, [{**one, "categories": name} for one in grid], fit, trees="iterations")
            for name, (learn, _) in tables.items()
        ),
        key=lambda each: each.error,
    ).setting
    learn, test = tables[chosen["categories"]]
    model, _ = fit(chosen, learn, split.y, None)
    return _timed(lambda: _predicted(model, test, split), begin, chosen=chosen)


def catboost_untuned(split: Split) -> Result:
    """Fit 1,000 trees without tuning; columns of numbers only."""
    begin = time.process_time()
    model = make_catboost(split.classes, iterations=1000).fit(split.learn, split.y)
    return _timed(lambda: _predicted(model, split.test, split), begin)


def _lightgbm_fit(split: Split) -> Fit:
    import lightgbm

    kind = lightgbm.LGBMClassifier if split.classes else lightgbm.LGBMRegressor
    fixed: dict[str, Any] = {
        "min_child_samples": 10,
        "subsample": 0.8,
        "subsample_freq": 1,
        "colsample_bytree": 0.8,
    }

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        model = kind(**{"n_estimators": 400, **setting}, **fixed, random_state=0, verbose=-1, n_jobs=1)
        stop = [lightgbm.early_stopping(25, verbose=False)]
        watched: dict[str, Any] = {"eval_set": [held], "callbacks": stop} if held else {}
        model.fit(x, y, **watched)
        return model, model.best_iteration_ if held else None

    return fit


def lightgbm(split: Split) -> Result:
    grid = [{"learning_rate": 0.05, "num_leaves": leaves} for leaves in (7, 31)]
    return _tuned(split, grid[:1] if _is_big(split) else grid, _lightgbm_fit(split), "n_estimators")


def lightgbm_split_conformal(split: Split) -> Result:
    """Return 90 % intervals of one width: tuned on all rows, fitted on three quarters, tested on the rest."""
    if split.classes:
        return {}, {}
    about, _ = lightgbm(split)
    learn, test = encode(split)
    cut = int(0.75 * len(split.y))
    model, _ = _lightgbm_fit(split)(about["chosen"], learn[:cut], split.y[:cut], None)
    residuals = np.abs(split.y[cut:] - model.predict(learn[cut:]))
    half = np.quantile(residuals, min(1.0, 0.9 * (1 + 1 / len(residuals))), method="higher")
    centre = model.predict(test)
    return about, {"predictions": centre, "low": centre - half, "high": centre + half}


def xgboost(split: Split) -> Result:
    import xgboost as library

    grid: Grid = [{"learning_rate": 0.08, "max_depth": depth} for depth in (3, 6)]
    kind = library.XGBClassifier if split.classes else library.XGBRegressor
    fixed = {"subsample": 0.8, "colsample_bytree": 0.8, "tree_method": "hist", "random_state": 0}

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        stop = {"early_stopping_rounds": 25} if held else {}
        model = kind(**{"n_estimators": 400, **setting}, **fixed, **stop, n_jobs=1)
        model.fit(x, y, verbose=False, **({"eval_set": [held]} if held else {}))
        return model, model.best_iteration if held else None

    return _tuned(split, grid[:1] if _is_big(split) else grid, fit, "n_estimators")


def hist_gradient_boosting(split: Split) -> Result:
    grid: Grid = [{"learning_rate": 0.1, "max_leaf_nodes": 15}, {"learning_rate": 0.05, "max_leaf_nodes": 31}]

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        kind = HistGradientBoostingClassifier if split.classes else HistGradientBoostingRegressor
        return kind(max_iter=150, early_stopping=True, random_state=0, **setting).fit(x, y), None

    return _tuned(split, grid[:1] if _is_big(split) else grid, fit)


def random_forest(split: Split) -> Result:
    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        kind = RandomForestClassifier if split.classes else RandomForestRegressor
        return kind(150, random_state=0, n_jobs=1, **setting).fit(x, y), None

    return _tuned(split, [{"max_features": "sqrt"}, {"max_features": 0.5}], fit)


def svm(split: Split) -> Result:
    """Fit radial basis functions; probabilities by scikit-learn's own scaling of decision values."""
    from sklearn.calibration import CalibratedClassifierCV

    learn, test = encode(split, standardise=True)
    grid: Grid = [{"C": c, "gamma": g / learn.shape[1]} for c in (1, 10, 100) for g in (0.1, 0.4, 1.0)]

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        return (SVC if split.classes else SVR)(**setting).fit(x, y), None

    def error(model: Any, x: Any, y: Array) -> float:
        answers = model.predict(x)
        return float((answers != y if split.classes else (answers - y) ** 2).mean())

    begin = time.process_time()
    chosen = _choose(split, learn, grid, fit, error=error).setting
    final: Any = SVR(**chosen)
    if split.classes:
        final = CalibratedClassifierCV(SVC(**chosen), cv=3, ensemble=False)
    model = final.fit(learn, split.y)
    return _timed(lambda: _predicted(model, test, split), begin, chosen=chosen)


def xrfm(split: Split) -> Result:
    """Fit the package's recursive feature machines: two kernels, two widths, two ridges, five rounds.

    It uses the held-out rows to choose its round and temperature: the best model is not fitted again.
    """
    from xrfm import xRFM

    learn, test = (torch.tensor(part, dtype=torch.float32) for part in encode(split, standardise=True))
    grid: Grid = [
        {"kernel": kernel, "bandwidth": width, "exponent": 1.0, "diag": kernel == "l1", "reg": ridge}
        for kernel in ("l2", "l1")
        for width in (3.0, 10.0)
        for ridge in (1e-3, 1e-1)
    ]

    def targets(y: Array) -> torch.Tensor:
        return torch.tensor(y, dtype=torch.long) if split.classes else torch.tensor(y[:, None]).float()

    def fit(setting: dict[str, Any], x: Any, y: Array, held: Any) -> tuple[Any, int | None]:
        kernel = {name: value for name, value in setting.items() if name != "reg"}
        model = xRFM(
            rfm_params={
                "model": {**kernel, "bandwidth_mode": "constant"},
                "fit": {"reg": setting["reg"], "iters": 5, "verbose": False, "return_best_params": True},
            },
            device="cpu",
            tuning_metric="brier" if split.classes else "mse",
            random_state=0,
            verbose=False,
        )
        model.fit(x, targets(y), held[0], targets(held[1]))
        return model, None

    def predicted(model: Any, x: torch.Tensor) -> Array:
        if not split.classes:
            return np.asarray(model.predict(x), dtype=np.float64).ravel()
        return np.asarray(model.predict_proba(x), dtype=np.float64).reshape(len(x), -1)

    def error(model: Any, x: Any, y: Array) -> float:
        return hold_out_error(split, predicted(model, x), y)

    begin = time.process_time()
    best = _choose(split, learn, grid, fit, error=error)
    return _timed(lambda: predicted(best.model, test), begin, chosen=best.setting)


CONTROLS: dict[str, Callable[[Split], Result]] = {
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
"""Measurement of a split, by the control's name."""
