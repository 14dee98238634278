"""Pictures by `lior table`, an RBF SVC and CatBoost, from the same split; videos against shuffled ones.

    OMP_NUM_THREADS=1 lior bench tables pictures [digits|textures|videos ...]

A quarter is held out for testing, stratified by class (seed 0). Choices were made on a quarter of the rest.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lior.process import python
from lior_bench.children import finish
from lior_bench.tabular.controls import make_catboost

Set = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Arrays, classes, and a mask of the test part."""


_BOOSTING = {"iterations": 300, "depth": 4, "learning_rate": 0.15}
_SETS = ("digits", "textures", "videos")
_TEXTURES = (
    *("brick.png", "grass.png", "gravel.png", "camera.png"),
    *("ihc.png", "retina.jpg", "page.png", "coffee.png"),
)


def _tests(y: np.ndarray) -> np.ndarray:
    every = np.arange(len(y))
    _, test = train_test_split(every, test_size=0.25, stratify=y, random_state=0)
    return np.isin(every, test)


def digits() -> Set:
    """Return scikit-learn's digits, 8 × 8."""
    bunch = load_digits()
    return (bunch.images * 15).astype(np.uint8), bunch.target, _tests(bunch.target)


def textures() -> Set:
    """Return 32 × 32 tiles of pictures that scikit-image installs; the left three quarters are to learn."""
    import skimage

    folder, x, y, where = Path(skimage.__file__).parent / "data", [], [], []
    for name in _TEXTURES:
        path = folder / name
        picture = np.asarray(Image.open(path).convert("L"))
        rows, columns = (range(0, n - 31, 32) for n in picture.shape)
        for i, j in itertools.product(rows, columns):
            x.append(picture[i : i + 32, j : j + 32])
            y.append(path.stem)
            where.append(j / picture.shape[1])
    return np.stack(x), np.array(y), np.array(where) >= 0.75


def videos(shuffled: bool = False) -> Set:
    """Return a spot that moves left, right, up or down in noise, across edges, in eight frames of 16 × 16."""
    rng = np.random.RandomState(0)
    y = np.arange(600) % 4
    steps = np.array([[0, -1], [0, 1], [-1, 0], [1, 0]])[y]
    grid = np.stack(np.meshgrid(np.arange(16), np.arange(16), indexing="ij"), -1)
    first = rng.randint(16, size=(600, 2))
    centres = first[:, None] + np.arange(8)[None, :, None] * steps[:, None]
    far = np.abs(grid[None, None] - centres[:, :, None, None] % 16)
    far = np.minimum(far, 16 - far)
    x = np.exp(-(far**2).sum(-1) / 4) + 0.2 * rng.randn(600, 8, 16, 16)
    if shuffled:
        x = np.stack([each[rng.permutation(8)] for each in x])
    return x.astype(np.float32), y, _tests(y)


def ours(data: Set, features: str) -> tuple[float, float]:
    """Return accuracy and seconds of `lior table fit` and `predict` on files."""
    x, y, tests = data
    with tempfile.TemporaryDirectory() as given:
        home = Path(given)
        for i, (each, label) in enumerate(zip(x, y, strict=True)):
            folder = home / ("test" if tests[i] else "train") / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            if each.dtype == np.uint8:
                Image.fromarray(each).save(folder / f"{i:05}.png")
            else:
                np.save(folder / f"{i:05}.npy", each)
        command = python("-m", "lior_cli.main", "table")
        options = ["--classify", "--features", features, "--json", "--out", str(home / "run")]
        started = time.perf_counter()
        finish([*command, "fit", str(home / "train"), "--target", "folder", *options], os.environ)
        seconds = time.perf_counter() - started
        predict = [*command, "predict", str(home / "run"), str(home / "test"), "--json"]
        said = json.loads(finish(predict, os.environ).output)
        found = [str(row["folder predicted"]) == row["file"].split("/")[0] for row in said["predictions"]]
        assert len(found) == tests.sum()
        return float(np.mean(found)), seconds


def _svc() -> GridSearchCV:
    pipe = make_pipeline(StandardScaler(), SVC())
    gammas = ["scale", 0.001, 0.01]
    grid = {"svc__C": [1, 10, 100], "svc__gamma": gammas, "standardscaler__with_std": [False, True]}
    return GridSearchCV(pipe, grid, cv=3)


def others(data: Set, make: Callable[[], object]) -> tuple[float, float]:
    """Return accuracy and seconds of an estimator of pixels."""
    x, y, tests = data
    flat = x.reshape(len(x), -1) / (255.0 if x.dtype == np.uint8 else 1.0)
    started = time.perf_counter()
    model = make().fit(flat[~tests], y[~tests])  # type: ignore[attr-defined]
    seconds = time.perf_counter() - started
    return float(np.mean(model.predict(flat[tests]).reshape(-1) == y[tests])), seconds


def measure(name: str) -> Iterator[tuple[str, float, float]]:
    """Yield system, accuracy and seconds."""
    data = {"digits": digits, "textures": textures, "videos": videos}[name]()
    counts = f"{(~data[2]).sum()} to learn, {data[2].sum()} to test"
    print(f"{name}: {counts}, {len(np.unique(data[1]))} classes", flush=True)
    for features in ("patches", "derivatives", "pixels"):
        yield f"lior, {features}", *ours(data, features)
    if name == "videos":
        yield "lior, patches, frames shuffled", *ours(videos(shuffled=True), "patches")
    yield "SVC, RBF, pixels", *others(data, _svc)
    if name != "videos":
        yield "CatBoost, pixels", *others(data, lambda: make_catboost(True, **_BOOSTING))


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(_SETS))
def main(names: tuple[str, ...]) -> None:
    """Print the measurements."""
    for name in names or _SETS:
        for system, accuracy, seconds in measure(name):
            print(f"  {system:32} {100 * accuracy:6.2f} %  {seconds:6.1f} s", flush=True)
