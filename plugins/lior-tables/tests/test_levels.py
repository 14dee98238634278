"""Words that were rare or never seen: intervals as wide as levels differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lior_tables import GeometricClassifier, GeometricRegressor
from lior_tables.judging import log_loss
from lior_tables.levels import LevelErrors

pytestmark = pytest.mark.filterwarnings("ignore:column")


def cities(seed: int, count: int = 180) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Rows of nine cities that differ by 10, their targets and the numbers of their cities."""
    rng = np.random.RandomState(seed)
    city, x = rng.randint(0, 9, count), rng.uniform(-1, 1, count)
    y = 30 + rng.normal(0, 10, 9)[city] + 5 * np.sin(2 * x) + rng.normal(0, 1, count)
    return pd.DataFrame({"city": [f"c{k}" for k in city], "x": x}), y, city


def test_intervals_hold_in_a_city_that_was_never_seen():
    held = []
    for seed in range(4):
        table, y, city = cities(seed)
        known = city != seed
        model = GeometricRegressor(random_state=0, members=2).fit(table[known], y[known])
        low, high = model.predict_interval(table[~known])
        held += [*((low <= y[~known]) & (y[~known] <= high))]
    assert np.mean(held) >= 0.85


def test_intervals_of_known_cities_are_as_before():
    table, y, _ = cities(0)
    model = GeometricRegressor(random_state=0, members=2).fit(table, y)
    low, high = model.predict_interval(table.head(20))
    rows = model.rows(table.head(20))
    z, spread = model._coordinates(rows), model.spread()
    half = spread.half_widths(model._mapped(z), 0.1, spread.levels(model.model_.coordinates, z))[:, 0]
    assert np.allclose((high - low) / 2, half)


def test_an_interval_between_two_cities_has_both():
    table = pd.DataFrame({"city": ["a", "b"] * 20})
    y = np.where(table["city"] == "a", 49.6, 29.6) + np.random.RandomState(0).normal(0, 0.5, 40)
    model = GeometricRegressor(random_state=0).fit(table, y)
    low, high = model.predict_interval(pd.DataFrame({"city": ["c"]}))
    assert low[0] < 29.6
    assert high[0] > 49.6


def test_the_width_of_a_rare_level_falls_with_its_rows():
    errors = LevelErrors("city", {"a": 1, "b": 3, "c": 90}, np.array([4.0]), np.array([1.0]))
    rows = pd.DataFrame({"city": pd.Categorical(["new", "a", "b", "c", None])})
    widths = errors.half_widths(rows, 0.1)[:, 0]
    assert widths[0] > widths[1] > widths[2] > widths[3] == 0
    assert widths[4] == widths[0]  # a missing word that no row lacked is as unknown as a new one


def test_probabilities_in_a_city_that_was_never_seen_are_nearer_to_the_shares_of_the_classes():
    rng = np.random.RandomState(0)
    city, x = rng.randint(0, 9, 360), rng.uniform(-1, 1, 360)
    chance = 1 / (1 + np.exp(-rng.normal(0, 2, 9)[city] - 2 * x))
    y, table = rng.rand(360) < chance, pd.DataFrame({"city": [f"c{k}" for k in city], "x": x})
    usual, nearer = [], []
    for gone in range(9):
        known = city != gone
        model = GeometricClassifier(random_state=0, members=1).fit(table[known], y[known])
        hidden, truth = table[~known], y[~known].astype(int)
        nearer.append(log_loss(model.predict_proba(hidden), truth))
        values = model.model_.predict(model._coordinates(model.rows(hidden)))
        usual.append(log_loss(model._answers(values), truth))
    assert np.mean(nearer) < np.mean(usual) - 0.01


def test_the_name_of_a_picture_is_no_level():
    rng = np.random.RandomState(0)
    table = pd.DataFrame(rng.uniform(0, 1, (40, 16)))
    table.insert(0, "file", [f"{i}.png" for i in range(40)])
    table.columns = table.columns.map(str)
    y = table["3"] > table["12"]
    model = GeometricClassifier(shape=(4, 4, 1), features="pixels", members=1, rounds=1, random_state=0)
    model.fit(table[:30], y[:30])
    assert not model.unusual_.levels(model.rows(table[30:]))


def test_probabilities_of_known_cities_are_as_before():
    table, y, _ = cities(0)
    model = GeometricClassifier(random_state=0, members=1).fit(table, y > 30)
    values = model.model_.predict(model._coordinates(model.rows(table)))
    assert np.array_equal(model.predict_proba(table), model._answers(values))
