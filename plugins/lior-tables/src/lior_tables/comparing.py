"""Comparison with other methods on the user's own rows: repeated cross-validation, paired.

All systems fit the same rows and predict the same others. What is compared is the error of each fold; the
interval of a difference takes into account that the training rows of folds overlap, by the corrected variance
of C. Nadeau and Y. Bengio, *Inference for the generalization error* (Machine Learning 52, 2003).
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.typing import NDArray

from lior_tables.judging import log_loss
from lior_tables.rows import Floats

if TYPE_CHECKING:
    from pandas import DataFrame

_LEVELS = 60
"""Most one-hot coordinates of a column for systems that need numbers."""


@attrs.frozen(eq=False)
class System:
    """A method that is compared."""

    name: str
    make: Callable[[bool, int], Any]
    """A fresh estimator for classes or numbers, with a seed."""
    package: str = ""
    """What must be installed; empty for scikit-learn."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of one system."""

    name: str
    errors: tuple[float, ...]
    """Of each fold: share of wrong classes, or root mean squared error."""
    log_losses: tuple[float, ...]
    """Of each fold, in nats; empty for numbers."""
    seconds: float
    """To fit, the mean over the folds."""
    ratio: float
    """Mean error relative to the first system's."""
    low: float
    high: float
    """95 % interval of the ratio; 1 for the first system."""

    @property
    def verdict(self) -> str:
        """How it stands to the first system."""
        if self.low > 1:
            return "worse"
        return "better" if self.high < 1 else "no difference shown"


def systems() -> list[System]:
    """The systems whose packages are installed, ours first."""
    found = [
        System("lior", _ours),
        System("linear", _linear),
        System("random forest", _forest),
        System("hist. boosting", _boosting),
        System("LightGBM", _lightgbm, "lightgbm"),
        System("XGBoost", _xgboost, "xgboost"),
        System("CatBoost", _catboost, "catboost"),
    ]
    return [system for system in found if not system.package or find_spec(system.package)]


def compare(
    chosen: Sequence[System],
    frame: DataFrame,
    y: NDArray[Any],
    *,
    classes: bool,
    folds: int = 5,
    repeats: int = 2,
    seed: int = 0,
    on_progress: Callable[[str, float], None] | None = None,
) -> list[Outcome]:
    """Fit and judge all systems on the same folds.

    Parameters
    ----------
    chosen
        The first is the one that others are compared with.
    frame, y
        The inputs, and one target.
    on_progress
        Called with the system that begins, and the share of fits done.
    """
    labels, y = (
        np.unique(y, return_inverse=True) if classes else (np.empty(0), np.asarray(y, dtype=np.float64))
    )
    errors: dict[str, list[float]] = {system.name: [] for system in chosen}
    losses: dict[str, list[float]] = {system.name: [] for system in chosen}
    seconds = dict.fromkeys(errors, 0.0)
    sizes, done, total = (0, 0), 0, folds * repeats * len(chosen)
    for number, (train, test) in enumerate(_splits(y, classes, folds, repeats, seed)):
        sizes = len(train), len(test)
        for system in chosen:
            if on_progress:
                on_progress(system.name, done / total)
            estimator = system.make(classes, seed + number)
            started = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.fit(frame.iloc[train], y[train])
                seconds[system.name] += time.perf_counter() - started
                error, loss = _judged(estimator, frame.iloc[test], y[test], classes, len(labels))
            errors[system.name].append(error)
            losses[system.name] += loss
            done += 1
    ours = np.array(errors[chosen[0].name])
    return [
        Outcome(
            name=system.name, errors=tuple(errors[system.name]), log_losses=tuple(losses[system.name]),
            seconds=seconds[system.name] / (folds * repeats),
            **_ratio(np.array(errors[system.name]), ours, *sizes),
        )
        for system in chosen
    ]  # fmt: skip


def _splits(
    y: NDArray[Any], classes: bool, folds: int, repeats: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    kind = RepeatedStratifiedKFold if classes else RepeatedKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with fewer rows than folds
        yield from kind(n_splits=folds, n_repeats=repeats, random_state=seed).split(y, y)


def _judged(
    estimator: Any, rows: DataFrame, y: NDArray[Any], classes: bool, labels: int
) -> tuple[float, list[float]]:
    """The error on rows that were not fitted, and for classes the log loss."""
    if not classes:
        return math.sqrt(float(((np.ravel(estimator.predict(rows)) - y) ** 2).mean())), []
    probabilities: Floats = np.zeros((len(y), labels))
    probabilities[:, np.asarray(estimator.classes_, dtype=np.int64)] = estimator.predict_proba(rows)
    return float((probabilities.argmax(1) != y).mean()), [log_loss(probabilities, y)]


def _ratio(errors: Floats, ours: Floats, train: int, test: int) -> dict[str, float]:
    """Ratio of the means, and its 95 % interval from the differences of folds."""
    from scipy import stats

    base = float(ours.mean()) or 1e-12
    count = len(errors)
    middle = 1 + float((errors - ours).mean()) / base
    spread = (
        float((errors - ours).std(ddof=1)) * math.sqrt(1 / count + test / train) if count > 1 else math.inf
    )
    half = float(stats.t.ppf(0.975, max(count - 1, 1))) * spread / base if spread else 0.0
    return {"ratio": middle, "low": middle - half, "high": middle + half}


# --- the systems, each as it comes ---


def _ours(classes: bool, seed: int) -> Any:
    from lior_tables.estimators import GeometricClassifier, GeometricRegressor

    return (GeometricClassifier if classes else GeometricRegressor)(random_state=seed)


def ours(**parameters: Any) -> System:
    """Our system with these parameters of the estimators."""
    return System("lior", lambda classes, seed: _ours(classes, seed).set_params(**parameters))


def _linear(classes: bool, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV

    alphas = np.logspace(-3, 3, 13)
    if not classes:
        return _numbered(RidgeCV(alphas=alphas))
    return _numbered(LogisticRegressionCV(Cs=np.logspace(-2, 2, 5), cv=3, max_iter=500, random_state=seed))


def _forest(classes: bool, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    kind = RandomForestClassifier if classes else RandomForestRegressor
    return _numbered(kind(n_estimators=300, random_state=seed))


def _boosting(classes: bool, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return _numbered(kind(random_state=seed), impute=False)


def _lightgbm(classes: bool, seed: int) -> Any:
    import lightgbm

    kind = lightgbm.LGBMClassifier if classes else lightgbm.LGBMRegressor
    return _numbered(kind(random_state=seed, n_jobs=1, verbose=-1), impute=False)


def _xgboost(classes: bool, seed: int) -> Any:
    import xgboost

    kind = xgboost.XGBClassifier if classes else xgboost.XGBRegressor
    return _numbered(kind(random_state=seed, n_jobs=1), impute=False)


def _catboost(classes: bool, seed: int) -> Any:
    import catboost

    class Native:
        """CatBoost with the columns of words as its own categories."""

        def fit(self, frame: DataFrame, y: NDArray[Any]) -> None:
            frame = _worded(frame)
            words = [name for name in frame if frame[name].dtype == object]
            kind = catboost.CatBoostClassifier if classes else catboost.CatBoostRegressor
            self.model = kind(
                random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False, cat_features=words
            )
            self.model.fit(frame, y)
            if classes:
                self.classes_ = np.asarray(self.model.classes_)

        def predict(self, frame: DataFrame) -> Any:
            return self.model.predict(_worded(frame))

        def predict_proba(self, frame: DataFrame) -> Any:
            return self.model.predict_proba(_worded(frame))

    return Native()


def _worded(frame: DataFrame) -> DataFrame:
    """Words as objects without gaps, numbers as they are."""
    frame = _plain(frame)
    for name in frame:
        if not _is_number(frame[name]):
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str).astype(object)
    return frame


def _plain(frame: DataFrame) -> DataFrame:
    """Truth values and dates as numbers."""
    from pandas.api import types

    frame = frame.copy()
    for name in frame:
        column = frame[name]
        if types.is_bool_dtype(column):
            frame[name] = column.astype(float)
        elif types.is_datetime64_any_dtype(column):
            frame[name] = column.astype("int64").where(column.notna()) / 8.64e13
    return frame


def _is_number(column: Any) -> bool:
    from pandas.api import types

    return types.is_numeric_dtype(column)


def _numbered(estimator: Any, *, impute: bool = True) -> Any:
    """The estimator behind one-hot coordinates, and with ``impute`` medians and standardised numbers."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    hot = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=_LEVELS, sparse_output=False)
    numbers = make_pipeline(SimpleImputer(), StandardScaler()) if impute else "passthrough"
    columns = make_column_transformer(
        (hot, make_column_selector(dtype_exclude="number")),
        (numbers, make_column_selector(dtype_include="number")),
        verbose_feature_names_out=False,
    )
    return make_pipeline(FunctionTransformer(_plain), columns, FunctionTransformer(np.asarray), estimator)
