"""Intervals hold as often as they say, and are wide where predictions are poor."""

from __future__ import annotations

import math

import attrs
import numpy as np
import pandas as pd
import pytest
import torch

from lior_tables import GeometricClassifier, GeometricRegressor
from lior_tables.intervals import Spread


def spread(points, residuals, weights=None):
    weights = torch.ones(len(points)) if weights is None else weights
    return Spread.fit(points, residuals, weights, torch.Generator().manual_seed(0))


def noisy(count, seed):
    """Residuals that are ten times as large on the right as on the left."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    size = torch.where(points[:, :1] > 0.5, 1.0, 0.1)
    return points, size * torch.randn(count, 1, generator=generator, dtype=torch.float64)


def test_intervals_are_as_wide_as_their_place_asks_and_hold():
    found = spread(*noisy(1000, 0))
    points, residuals = noisy(2000, 1)
    half = found.half_widths(points, 0.1)
    inside = residuals.abs().numpy() <= half
    assert 0.87 < inside.mean() < 0.93
    left, right = points[:, 0].numpy() < 0.45, points[:, 0].numpy() > 0.55
    assert inside[left].mean() > 0.85
    assert inside[right].mean() > 0.85
    assert 5 < half[right].mean() / half[left].mean() < 15


@pytest.mark.parametrize("alpha", [0.5, 0.2, 0.1, 0.02])
def test_the_quantile_is_the_one_of_a_new_row(alpha):
    points, residuals = noisy(99, 0)
    found = spread(points, residuals)
    ordered = found.ratios[:, 0].sort().values
    assert found.quantile(alpha)[0] == ordered[math.ceil(100 * (1 - alpha)) - 1]


def test_too_few_rows_say_nothing():
    found = spread(*noisy(8, 0))
    assert found.quantile(0.1)[0] == math.inf
    assert math.isfinite(found.quantile(0.12)[0])


def test_weights_are_repetitions_in_the_quantile():
    points, residuals = noisy(40, 0)
    found = spread(points, residuals)
    doubled = attrs.evolve(found, weights=2 * found.weights)
    torch.testing.assert_close(doubled.quantile(0.1), found.quantile(0.1))


def test_equal_scale_everywhere_where_nothing_else_is_likelier():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(400, 2, generator=generator)
    found = spread(points, torch.randn(400, 1, generator=generator))
    scale = found.scale(points.double())
    assert float(scale.max() / scale.min()) < 3


def test_a_row_without_residual_has_an_interval_of_its_own_size():
    found = spread(torch.rand(50, 2), torch.zeros(50, 1))
    assert np.isfinite(found.half_widths(torch.rand(3, 2), 0.1)).all()


def test_narrower_intervals_lie_in_wider_ones_and_targets_have_their_own():
    rng = np.random.RandomState(0)
    x = rng.uniform(-1, 1, (160, 2))
    y = np.stack([x[:, 0] + 0.1 * rng.randn(160), x[:, 1] + rng.randn(160)], 1)
    model = GeometricRegressor(members=1, rounds=1, random_state=0).fit(x, y)
    low, high = model.predict_interval(x)
    lower, higher = model.predict_interval(x, alpha=0.02)
    assert (lower <= low).all()
    assert (high <= higher).all()
    assert (high - low)[:, 1].mean() > 3 * (high - low)[:, 0].mean()
    with pytest.raises(ValueError, match=r"alpha=1\.5"):
        model.predict_interval(x, alpha=1.5)


def test_a_level_of_large_errors_has_wide_intervals_though_its_metric_does_not_see_it():
    rng = np.random.RandomState(0)
    x, word = rng.uniform(-1, 1, (900, 2)), rng.choice(["common", "rare"], 900, p=[0.9, 0.1])
    y = x[:, 0] + np.where(word == "rare", 1.0, 0.1) * rng.randn(900)
    table = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "word": word})
    model = GeometricRegressor(members=1, rounds=1, random_state=0).fit(table[:600], y[:600])
    low, high = model.predict_interval(table[600:])
    inside = (low <= y[600:]) & (y[600:] <= high)
    for each in ("common", "rare"):
        assert 0.8 < inside[word[600:] == each].mean() <= 1
    half = (high - low) / 2
    assert half[word[600:] == "rare"].mean() > 2 * half[word[600:] == "common"].mean()


def test_levels_leave_rows_alone_whose_level_is_unknown_or_rare():
    points, residuals = noisy(300, 0)
    found = spread(points, residuals)
    known = torch.zeros(300, 2, dtype=torch.float64)
    known[:10, 0], known[:150, 1] = 1, torch.rand(150, generator=torch.Generator().manual_seed(1)).double()
    assert (
        len(found.levels(known, known)) == 1
    )  # the other level has ten rows, the other coordinate no levels
    assert attrs.evolve(found, count=torch.tensor(5)).levels(known, known) == []


def few(count, seed):
    """Rows of ten inputs, five of which count, and a noise of variance 1 (J. H. Friedman, 1991)."""
    rng = np.random.RandomState(seed)
    x = rng.rand(count, 10)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, y + rng.normal(size=count)


@pytest.mark.slow
def test_intervals_and_errors_of_thirty_rows_hold_for_new_rows():
    held, stated, errors = [], [], []
    for seed in range(12):
        x, y = few(300, seed)
        model = GeometricRegressor(random_state=0).fit(x[:30], y[:30])
        low, high = model.predict_interval(x[30:])
        held.append(((low <= y[30:]) & (y[30:] <= high)).mean())
        stated.append(np.square(model.unseen()[:, 0] - y[:30]).mean())
        errors.append(np.square(model.predict(x[30:]) - y[30:]).mean())
    assert 0.88 < np.mean(held) < 0.97
    assert 0.8 < np.mean(stated) / np.mean(errors) < 1.5


@pytest.mark.slow
def test_probabilities_and_errors_of_thirty_rows_hold_for_new_rows():
    says, right, stated = [], [], []
    for seed in range(12):
        x, y = few(300, seed)
        high = y > 14
        model = GeometricClassifier(random_state=0).fit(x[:30], high[:30])
        says.append(model.predict_proba(x[30:]).max(1).mean())
        right.append((model.predict(x[30:]) == high[30:]).mean())
        stated.append((model.unseen().argmax(1) == high[:30]).mean())
    assert -0.08 < np.mean(says) - np.mean(right) < 0.02
    assert -0.08 < np.mean(stated) - np.mean(right) < 0.02  # .10 above by leave-one-out


def test_few_rows_of_classes_drawn_by_lot_are_predicted_by_their_shares():
    said = []
    for seed in (0, 3, 6):
        rng = np.random.RandomState(seed)
        x, y = rng.rand(24, 3), rng.permutation(np.arange(24) % 2)
        model = GeometricClassifier(random_state=0).fit(x, y)
        said.append(model.predict_proba(x[:20] / 2 + 0.25).max(1).mean())
    assert np.mean(said) < 0.56  # one of two; .67 if the choices have seen the rows


@pytest.mark.filterwarnings("ignore:classes of one row")
def test_a_class_of_one_row_can_be_left_out():
    x = np.random.RandomState(0).randn(12, 3)
    model = GeometricClassifier(random_state=0).fit(x, [*[0] * 11, 1])
    assert np.isfinite(model.unseen()).all()
    assert model.predict_proba(x[:11])[:, 0].min() > 0.5


def test_intervals_of_few_rows_do_not_depend_on_their_order():
    x, y = few(40, 0)
    model = GeometricRegressor(random_state=0).fit(x, y)
    before = model.predict_interval(x)
    model.forget([3])
    model.learn(x[3:4], y[3:4])
    np.testing.assert_allclose(model.predict_interval(x), before, rtol=1e-5)
