"""Compare the stated worth of each input with the error of models fitted without it.

    lior bench tables worth

Five draws of a drawn table and of two sets of ``../shared/data/tables`` (or ``LIOR_SHARED_DATA``). In the
drawn table, 12 words explain 19 % of the target. Each table gets three columns of noise and one of words
that mean nothing. Lines show percentages for each draw: stated, then lost on at most 5,000 other rows.
"""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from lior_tables import GeometricClassifier, GeometricRegressor
from lior_tables.judging import log_loss

DRAWS, TESTED = 5, 5_000
SETS = {"drawn": (600, False), "abalone": (800, False), "adult": (1_200, True)}
"""Number of rows to learn, and whether the targets are classes."""


def drawn(rows: int, seed: int) -> pd.DataFrame:
    """Return rows whose target is 19 % words, 30 % a wave, 20 % a product and 31 % noise."""
    rng = np.random.RandomState(seed)
    word, (wave, one, two, noise) = rng.randint(12, size=rows), rng.randn(4, rows)
    parts = [rng.randn(12)[word], np.sin(2 * wave), one * two, noise]
    parts = [(part - part.mean()) / part.std() for part in parts]
    names = np.char.add("w", word.astype(str))
    target = np.sqrt([0.19, 0.30, 0.20, 0.31]) @ parts
    return pd.DataFrame({"word": names, "wave": wave, "one": one, "two": two, "target": target})


def with_noise(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the rows with four columns that mean nothing."""
    rng = np.random.RandomState(100 + seed)
    noise = {f"noise{i}": rng.randn(len(frame)) for i in range(3)}
    return frame.assign(**noise, words=rng.choice(list("abcdefgh"), len(frame)))


def fitted(learn: pd.DataFrame, test: pd.DataFrame, classes: bool) -> tuple[Any, float]:
    """Return a model of the rows, and its error on others."""
    (x, y), (z, truth) = ((part.drop(columns="target"), part["target"]) for part in (learn, test))
    if not classes:
        model = GeometricRegressor(random_state=0).fit(x, y)
        return model, float(np.sqrt(np.square(model.predict(z) - truth).mean()))
    model = GeometricClassifier(random_state=0).fit(x, y)
    return model, log_loss(model.predict_proba(z), np.searchsorted(model.classes_, truth))


@click.command(help=__doc__)
@click.option("--set", "names", multiple=True, type=click.Choice(list(SETS)), default=list(SETS))
def main(names: tuple[str, ...]) -> None:
    """Print a line for each input."""
    warnings.simplefilter("ignore")
    here = Path(os.environ.get("LIOR_SHARED_DATA", "../shared/data")) / "tables"
    for name in names:
        (rows, classes), stated, seconds = SETS[name], [], []
        lost: list[dict[str, float]] = []
        for seed in range(DRAWS):
            frame = drawn(rows + TESTED, seed)
            if name != "drawn":
                frame = pd.read_csv(here / f"{name}.csv.gz").sample(frac=1, random_state=seed)
            frame = with_noise(frame, seed)
            parts = frame[:rows], frame[rows : rows + TESTED]
            times = [time.process_time()]
            model, error = fitted(parts[0], parts[1], classes)
            times.append(time.process_time())
            stated.append(dict(zip(frame.drop(columns="target"), model.feature_importances_, strict=True)))
            seconds.append((times[1] - times[0], time.process_time() - times[1]))
            lost.append({})
            for each in stated[-1]:
                learn, test = (part.drop(columns=each) for part in parts)
                lost[-1][each] = fitted(learn, test, classes)[1] / error - 1
        fit, more = np.median(seconds, axis=0)
        print(f"{name}, {rows:,} rows: fit and test {fit:.1f} s, worth {more:.1f} s")
        for each in stated[0]:
            cells = ("".join(f"{100 * draw[each]:7.1f}" for draw in draws) for draws in (stated, lost))
            print(f"{each:8}", *cells, sep="  ", flush=True)
