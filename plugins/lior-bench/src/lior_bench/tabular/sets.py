"""The sets: tables of a folder, scikit-learn's own, synthetic ones with irrelevant inputs; their splits.

A split has at most `TRAIN` rows to learn, and a fifth of all rows, at most `TEST`, to test. Classes keep
their shares. All methods see the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import OneHotEncoder

Array = np.ndarray

TRAIN, TEST = 2000, 2000
CLASSES = ("adult", "german", "ionosphere", "letter", "phoneme", "sonar", "spambase")
"""Tables of the folder with a class as target; the others have a number."""
BUILT_IN = {
    "breast_cancer": (datasets.load_breast_cancer, True),
    "diabetes": (datasets.load_diabetes, False),
    "digits": (datasets.load_digits, True),
    "iris": (datasets.load_iris, True),
    "wine": (datasets.load_wine, True),
}
"""scikit-learn's sets that need no download: their loaders, and whether the target is a class."""


@attrs.frozen(eq=False)
class Table:
    """A whole set: columns of numbers and categories, and a target of classes 0, 1, … or numbers."""

    name: str
    columns: pd.DataFrame
    target: Array
    classes: bool

    @property
    def categories(self) -> list[str]:
        return [name for name, kind in self.columns.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]


@attrs.frozen(eq=False)
class Split:
    """Rows to learn and rows to test. A target of numbers is in units of the learned rows' spread."""

    table: Table
    seed: int
    learn: pd.DataFrame
    test: pd.DataFrame
    y: Array
    """Targets of the rows to learn."""
    truth: Array
    """Targets of the rows to test."""

    @property
    def classes(self) -> int:
        """Number of classes; 0 for a target of numbers."""
        return int(self.table.target.max()) + 1 if self.table.classes else 0

    @property
    def categories(self) -> list[str]:
        return self.table.categories


@cache
def table(name: str, folder: Path) -> Table:
    """Return the set of that name.

    Raises
    ------
    FileNotFoundError
        For a name that is neither a file of ``folder``, nor built in, nor drawn.
    """
    if name in BUILT_IN:
        load, classes = BUILT_IN[name]
        loaded = load()
        columns = pd.DataFrame(loaded.data, columns=[f"x{i}" for i in range(loaded.data.shape[1])])
        return Table(name, columns, _targets(loaded.target, classes), classes)
    if name in DRAWN:
        return DRAWN[name](name)
    if name.endswith(NOISED):
        return noised(table(name.removesuffix(NOISED), folder), NOISE_COLUMNS)
    frame = pd.read_csv(folder / f"{name}.csv.gz")
    target = frame.pop("target")
    return Table(name, frame, _targets(target, name in CLASSES), name in CLASSES)


def _targets(values: object, classes: bool) -> Array:
    if classes:
        return np.unique(np.asarray(values).astype(str), return_inverse=True)[1]
    return np.asarray(values, dtype=np.float64)


def names(folder: Path) -> list[str]:
    """Return the names of all real sets, sorted."""
    return sorted([*BUILT_IN, *(path.name.removesuffix(".csv.gz") for path in folder.glob("*.csv.gz"))])


def split(table: Table, seed: int) -> Split:
    """Return the rows of that seed."""
    draw = np.random.RandomState(seed)
    rows = draw.permutation(len(table.target))
    held = min(max(len(rows) // 5, 1), TEST)
    if table.classes:
        learn, test = train_test_split(rows, test_size=held, random_state=seed, stratify=table.target[rows])
    else:
        test, learn = rows[:held], rows[held:]
    learn = draw.permutation(learn)[:TRAIN]
    y, truth = table.target[learn], table.target[test]
    if not table.classes:
        y, truth = (y - y.mean()) / y.std(), (truth - y.mean()) / y.std()
    return Split(table, seed, table.columns.iloc[learn], table.columns.iloc[test], y, truth)


def splits(names: list[str], folder: Path, seeds: int) -> Iterator[Split]:
    """Yield seed by seed, so that an interrupted measurement has all sets of the first."""
    for seed in range(seeds):
        for name in names:
            yield split(table(name, folder), seed)


def encode(split: Split, *, standardise: bool = False) -> tuple[Array, Array]:
    """Return rows to learn and to test as numbers, for methods without categories.

    A category has a column for each learned value; a missing number is the median. With ``standardise``
    columns have mean 0 and spread 1 and are clipped at ±8; constant ones are left out.
    """
    words = split.categories
    known = [sorted(split.learn[name].dropna().unique()) for name in words]
    coder = make_column_transformer(
        (SimpleImputer(strategy="median"), [name for name in split.learn if name not in words]),
        (OneHotEncoder(categories=known, handle_unknown="ignore", sparse_output=False), words),
    )
    learn, test = coder.fit_transform(split.learn), coder.transform(split.test)
    if standardise:
        spread = learn.std(0)
        kept = spread > 1e-9
        middle, spread = learn.mean(0)[kept], spread[kept]
        learn, test = (np.clip((part[:, kept] - middle) / spread, -8, 8) for part in (learn, test))
    return learn, test


NOISED, NOISE_COLUMNS = "+noise", 20
"""Suffix of a set's name that adds columns of noise; the number of these columns."""
_DRAWN_ROWS, _DRAWN_INPUTS = 4000, 32


def noised(table: Table, columns: int) -> Table:
    """Return the set with columns of normal noise after its own."""
    noise = np.random.RandomState(0).normal(size=(len(table.target), columns))
    added = pd.DataFrame(noise, columns=[f"noise{i}" for i in range(columns)], index=table.columns.index)
    return attrs.evolve(table, name=table.name + NOISED, columns=pd.concat([table.columns, added], axis=1))


def _draw(truth: Callable[[Array], Array], noise: float, *, classes: bool = False) -> Callable[[str], Table]:
    """Return a generator of sets with 32 inputs, few of which ``truth`` uses; ``noise`` in units of the
    truth's spread."""

    def make(name: str) -> Table:
        draw = np.random.RandomState(7)
        x = draw.uniform(-1, 1, (_DRAWN_ROWS, _DRAWN_INPUTS))
        y = truth(x)
        y = y + noise * y.std() * draw.normal(size=len(y))
        target = (y > np.median(y)).astype(np.int64) if classes else y
        return Table(name, pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])]), target, classes)

    return make


def _friedman(x: Array) -> Array:
    u = (x + 1) / 2
    return 10 * np.sin(np.pi * u[:, 0] * u[:, 1]) + 20 * (u[:, 2] - 0.5) ** 2 + 10 * u[:, 3] + 5 * u[:, 4]


def _arm(x: Array) -> Array:
    return x[:, 0] * np.sin(3 * x[:, 1]) + 0.3 * x[:, 2]


def _oblique(x: Array) -> Array:
    a, b = x[:, :6].sum(1), (x[:, 3:9] * [1, -1, 1, -1, 1, -1]).sum(1)
    return np.sin(1.5 * a) + 0.5 * a * b


def _steps(x: Array) -> Array:
    return (x[:, 0] > 0.2) * 2.0 + (x[:, 1] * x[:, 2] > 0) * 1.5 + (np.abs(x[:, 3]) > 0.5)


DRAWN: dict[str, Callable[[str], Table]] = {
    "drawn_arm": _draw(_arm, 0.1),
    "drawn_friedman": _draw(_friedman, 0.2),
    "drawn_oblique": _draw(_oblique, 0.1),
    "drawn_steps": _draw(_steps, 0.3),
    "drawn_arm_class": _draw(_arm, 0.1, classes=True),
}
"""Synthetic sets: 2,000 rows to learn, 32 inputs, few of which matter."""
NOISY = ("airfoil", "breast_cancer", "concrete", "energy", "phoneme")
"""Sets that are also measured with columns of noise."""
