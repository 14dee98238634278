"""Comparison with other methods on the user's own rows: repeated cross-validation, paired.

All systems fit the same rows and predict the same others. The error of each fold is compared. The interval
of a ratio is computed on the logarithm. It accounts for the overlap of the folds' training rows, by the
corrected variance of C. Nadeau and Y. Bengio, *Inference for the generalization error* (Machine Learning 52,
2003).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import attrs
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from lior_tables.estimators import GeometricClassifier, GeometricRegressor
from lior_tables.rows import Floats, is_words, table

_LEVELS = 60
"""Maximum number of one-hot coordinates of a column for systems that need numbers."""

System = Callable[[bool, list[str], int], Any]
"""A fresh estimator for classes or numbers, from the names of the columns of words and a seed."""


@attrs.frozen(kw_only=True)
class ComparisonOutcome:
    """The outcome of one system."""

    name: str
    errors: tuple[float, ...]
    """Error of each fold: share of wrong classes, or root mean squared error."""
    log_losses: tuple[float, ...]
    """Log loss of each fold, in nats; empty for numbers."""
    seconds: float
    """Seconds to fit, the mean over the folds."""
    ratio: float
    """Mean error relative to the first system's."""
    low: float
    high: float
    """95 % interval of the ratio; 1 for the first system."""

    @property
    def verdict(self) -> str:
        """Verdict relative to the first system."""
        if self.low > 1:
            return "worse"
        return "better" if self.high < 1 else "no difference shown"


def ours(**parameters: Any) -> System:
    """Return our system with these parameters of the estimators."""
    return lambda classes, words, seed: (GeometricClassifier if classes else GeometricRegressor)(
        random_state=seed, **parameters
    )


def others() -> dict[str, System]:
    """Return the systems of scikit-learn, and those whose packages are installed, by name."""
    return {name: system for name, (package, system) in _OTHERS.items() if find_spec(package)}


def compare(
    systems: Mapping[str, System],
    frame: pd.DataFrame,
    y: NDArray[Any],
    *,
    classes: bool,
    folds: int = 5,
    repeats: int = 2,
    seed: int = 0,
    on_progress: Callable[[str, float], None] = lambda name, share: None,
) -> list[ComparisonOutcome]:
    """Fit and judge all systems on the same folds.

    Parameters
    ----------
    systems
        The systems; the others are compared with the first.
    frame, y
        The inputs, and one target.
    on_progress
        Called with the system that begins, and the share of systems done.
    """
    scoring: dict[str, Any] = {"error": "neg_root_mean_squared_error"}
    if classes:
        labels, y = np.unique(y, return_inverse=True)
        losses = make_scorer(
            log_loss, greater_is_better=False, response_method="predict_proba", labels=range(len(labels))
        )
        scoring = {"error": "accuracy", "log_loss": losses}
    splits = (RepeatedStratifiedKFold if classes else RepeatedKFold)(
        n_splits=folds, n_repeats=repeats, random_state=seed
    )
    prepared = _prepare(frame)
    words = list(prepared.select_dtypes(exclude="number"))
    found: list[ComparisonOutcome] = []
    first: Floats | None = None
    for number, (name, system) in enumerate(systems.items()):
        on_progress(name, number / len(systems))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores = cross_validate(
                system(classes, words, seed),
                prepared if number else frame,
                y,
                cv=splits,
                scoring=scoring,
                error_score="raise",
            )
        errors = 1 - scores["test_error"] if classes else -scores["test_error"]
        first = errors if first is None else first
        found.append(
            ComparisonOutcome(
                name=name,
                errors=tuple(errors.tolist()),
                seconds=float(scores["fit_time"].mean()),
                log_losses=tuple((-scores["test_log_loss"]).tolist()) if classes else (),
                **_ratio(errors, first, 1 / (folds - 1)),
            )
        )
    return found


def _ratio(errors: Floats, first: Floats, part: float) -> dict[str, float]:
    """Return the ratio of means, and its 95 % interval; ``part`` is rows to predict over rows to learn.

    The interval is that of the logarithm, to first order in the deviations of both means.
    """
    ours, base, count = float(errors.mean()) or 1e-12, float(first.mean()) or 1e-12, len(errors)
    spread = float((errors / ours - first / base).std(ddof=1)) * math.sqrt(1 / count + part)
    times = math.exp(float(stats.t.ppf(0.975, count - 1)) * spread)
    return {"ratio": ours / base, "low": ours / base / times, "high": ours / base * times}


def _prepare(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert truth values, dates and texts of numbers to numbers, words to objects without gaps."""
    found = table(frame, list(frame)).set_axis(frame.index)
    words = [name for name, column in found.items() if is_words(column)]
    found[words] = found[words].astype(object).fillna("")
    return found


# --- the systems of others, with their defaults ---


def _number(estimator: Any, *, impute: bool) -> Any:
    """Return the estimator behind one-hot coordinates, and with ``impute`` means and standardised numbers."""
    hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=_LEVELS, sparse_output=False)
    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if impute else "passthrough"
    columns = make_column_transformer(
        (hot, make_column_selector(dtype_exclude="number")),
        (numbers, make_column_selector(dtype_include="number")),
    )
    return make_pipeline(columns, FunctionTransformer(np.asarray), estimator)


def _of(module: str, regressor: str, classifier: str, *, impute: bool = False, **options: Any) -> System:
    """Return the estimators of a module."""

    def system(classes: bool, words: list[str], seed: int) -> Any:
        kind = getattr(import_module(module), classifier if classes else regressor)
        return _number(kind(random_state=seed, **options), impute=impute)

    return system


def _linear(classes: bool, words: list[str], seed: int) -> Any:
    logistic = LogisticRegressionCV(Cs=np.logspace(-2, 2, 5), cv=3, max_iter=500, random_state=seed)
    return _number(logistic if classes else RidgeCV(alphas=np.logspace(-3, 3, 13)), impute=True)


def _catboost(classes: bool, words: list[str], seed: int) -> Any:
    kind: Any = getattr(import_module("catboost"), "CatBoostClassifier" if classes else "CatBoostRegressor")

    class WithCategories(kind):
        """An estimator with categories of its own, which cannot be cloned as a parameter."""

        def fit(self, X: Any, y: Any) -> Any:
            return super().fit(X, y, cat_features=words)

    return WithCategories(random_state=seed, thread_count=1, verbose=False, allow_writing_files=False)


_FOREST = ("RandomForestRegressor", "RandomForestClassifier")
_HISTOGRAM = ("HistGradientBoostingRegressor", "HistGradientBoostingClassifier")
_OTHERS: dict[str, tuple[str, System]] = {
    "linear": ("sklearn", _linear),
    "random forest": ("sklearn", _of("sklearn.ensemble", *_FOREST, impute=True, n_estimators=300)),
    "hist. boosting": ("sklearn", _of("sklearn.ensemble", *_HISTOGRAM)),
    "LightGBM": ("lightgbm", _of("lightgbm", "LGBMRegressor", "LGBMClassifier", n_jobs=1, verbose=-1)),
    "XGBoost": ("xgboost", _of("xgboost", "XGBRegressor", "XGBClassifier", n_jobs=1)),
    "CatBoost": ("catboost", _catboost),
}
"""System -> the package that must be installed, and the system."""
