"""Real tables with dates and groups: later rows, and unseen groups; compared with CatBoost.

    npm pack vega-datasets@2.8.1 && tar xzf vega-datasets-2.8.1.tgz
    OMP_NUM_THREADS=1 lior bench tables vega package/data --plain --catboost

The last quarter of the rows by time, or a quarter of the groups (drawn with the seed), is predicted from
the others. The targets are ``weather`` and its maximal temperature (``temps``) by date or by month, and
damage in ``birds`` by date or state. The ratings of ``movies`` are predicted by date or distributor. With
``--plain`` also without ``time`` and ``group``. CatBoost gets each date as days, month, day of the year and
weekday, and its own categories. Depth (4 or 6) and the number of trees (up to 500) are chosen on a fifth of
the rows to learn.
"""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import click
import numpy as np
import pandas as pd

from lior_bench.tabular.controls import make_catboost
from lior_tables import GeometricClassifier, GeometricRegressor
from lior_tables.judging import log_loss

PARTS = [
    f"{name}.{how}"
    for name in ("weather", "birds", "temps", "movies")
    for how in ("time.0", "group.0", *(["group.1"] if name in ("weather", "temps") else []))
]
Frame: TypeAlias = pd.DataFrame


def weather(folder: Path) -> tuple[Frame, Any, str, str]:
    """Return inputs, target, and the columns of time and of groups."""
    frame = pd.read_csv(folder / "seattle-weather.csv").assign(month=lambda each: each["date"].str[:7])
    return frame.drop(columns="weather"), frame["weather"].to_numpy(), "date", "month"


def temps(folder: Path) -> tuple[Frame, Any, str, str]:
    """Return the maximal temperature from the date, rain and wind."""
    frame, _, time, group = weather(folder)
    return frame[["date", "wind", "precipitation", "month"]], frame["temp_max"].to_numpy(), time, group


def birds(folder: Path) -> tuple[Frame, Any, str, str]:
    """Return damage by birds, without the costs, which follow from it, and the one row of class B."""
    frame = pd.read_csv(folder / "birdstrikes.csv", keep_default_na=False)
    frame = frame[frame["Effect Amount of damage"] != "B"].reset_index(drop=True)
    frame["Speed IAS in knots"] = pd.to_numeric(frame["Speed IAS in knots"], errors="coerce")
    y = frame.pop("Effect Amount of damage").to_numpy()
    return frame.drop(columns=["Cost Other", "Cost Repair", "Cost Total $"]), y, "Flight Date", "Origin State"


def movies(folder: Path) -> tuple[Frame, Any, str, str]:
    """Return ratings, without titles and directors, which are nearly all different."""
    frame = pd.read_json(folder / "movies.json")
    dates = pd.to_datetime(frame["Release Date"], errors="coerce", format="mixed")
    kept = frame["IMDB Rating"].notna() & (dates < "2011")
    frame, dates = frame[kept].reset_index(drop=True), dates[kept]
    y = frame["IMDB Rating"].to_numpy(float)
    frame["Release Date"] = dates.dt.strftime("%Y-%m-%d").to_numpy()
    frame["Distributor"] = frame["Distributor"].fillna("none")
    return frame.drop(columns=["Title", "IMDB Rating", "Director"]), y, "Release Date", "Distributor"


def split(frame: Frame, by: str, how: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to learn and the rows to predict."""
    if how == "time":
        order = np.argsort(pd.to_datetime(frame[by]).to_numpy(), kind="stable")
        return order[: int(0.75 * len(order))], order[int(0.75 * len(order)) :]
    drawn = np.random.RandomState(seed).permutation(np.unique(frame[by].astype(str)))
    held = frame[by].isin(drawn[: len(drawn) // 4]).to_numpy()
    return np.flatnonzero(~held), np.flatnonzero(held)


def catboost(learn: Frame, y: np.ndarray, test: Frame) -> tuple[Any, Any]:
    """Return predictions, or probabilities with their classes."""
    from catboost import Pool

    def prepared(frame: Frame) -> tuple[Frame, list[str]]:
        frame, words = frame.copy(), []
        for name in list(frame):
            if pd.api.types.is_numeric_dtype(frame[name]):
                continue
            days = pd.to_datetime(frame[name], format="ISO8601", errors="coerce")
            if days.notna().all():
                frame[f"{name} days"] = (days - pd.Timestamp(0)).dt.days
                frame[f"{name} month"], frame[f"{name} of year"] = days.dt.month, days.dt.dayofyear
                frame[f"{name} weekday"] = days.dt.day_of_week
                frame = frame.drop(columns=name)
            else:
                frame[name] = frame[name].fillna("missing").astype(str)
                words.append(name)
        return frame, words

    model = partial(make_catboost, y.dtype.kind != "f", learning_rate=0.06)
    table, words = prepared(learn)
    order = np.random.RandomState(0).permutation(len(table))
    first, held = (Pool(table.iloc[at], y[at], words) for at in np.split(order, [int(0.8 * len(order))]))
    tried = []
    for depth in (6, 4):
        one = model(depth=depth, iterations=500).fit(first, eval_set=held, early_stopping_rounds=30)
        best = max(int(1.1 * (one.get_best_iteration() or 1)), 10)
        tried.append((next(iter(one.get_best_score()["validation"].values())), depth, best))
    _, depth, trees = min(tried)
    found = model(depth=depth, iterations=trees).fit(Pool(table, y, words))
    rows = prepared(test)[0]
    return (found.predict(rows), None) if y.dtype.kind == "f" else (found.predict_proba(rows), found.classes_)


def judged(said: np.ndarray, classes: Any, truth: np.ndarray, spread: float) -> str:
    """Return log loss and share right of rows with learned classes, or the error in target deviations."""
    if classes is None:
        return f"error {np.sqrt(np.mean((said - truth) ** 2)) / spread:.4f}"
    known = np.isin(truth, classes)
    at = np.searchsorted(classes, truth[known])
    return f"log loss {log_loss(said[known], at):.4f}, right {(said[known].argmax(1) == at).mean():.4f}"


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS))
@click.option("--plain", is_flag=True)
@click.option("--catboost", "control", is_flag=True)
def main(folder: Path, parts: tuple[str, ...], plain: bool, control: bool) -> None:
    """Print a line for each part and method."""
    warnings.simplefilter("ignore")
    for part in parts or PARTS:
        name, how, seed = part.split(".")
        frame, y, time, group = globals()[name](folder)
        known, asked = split(frame, time if how == "time" else group, how, int(seed))
        truth = y[asked]
        numbers, spread = y.dtype.kind == "f", 1.0
        if numbers:
            spread = y[known].std()
        given = [{how: time if how == "time" else group}, *([{}] if plain else [])]
        for options in given:
            named = frame if "group" in options else frame.drop(columns="month", errors="ignore")
            learn, test = named.iloc[known], named.iloc[asked]
            kind = GeometricRegressor if numbers else GeometricClassifier
            model = kind(random_state=0, **options).fit(learn, y[known])
            said = model.predict(test) if numbers else model.predict_proba(test)
            line = judged(said, None if numbers else model.classes_, truth, spread)
            if numbers:
                low, high = model.predict_interval(test)
                held, wide = np.mean((low <= truth) & (truth <= high)), np.mean(high - low) / spread
                line += f", intervals hold {held:.3f}, width {wide:.2f}"
            print(f"{part:16} {options or 'plain'}: {line}, drift {model.drift():.2f}", flush=True)
        if control:
            named = frame.drop(columns="month", errors="ignore")
            said, classes = catboost(named.iloc[known], y[known], named.iloc[asked])
            print(f"{part:16} CatBoost: {judged(said, classes, truth, spread)}", flush=True)
