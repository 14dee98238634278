"""Laws of simultaneous perturbation: an unbiased gradient from losses alone."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.testing.strategies import LAW, dtypes, fill, seeds
from lior_plugins.updaters import spsa
from lior_plugins.updaters.spsa import Gains, Slope
from tests.cases import cases

PARAMS = {
    "table": fill((4, 3), "normal", 1, torch.float64),
    "scalar": torch.tensor(0.3, dtype=torch.float64),
    "empty": torch.zeros(0, 3, dtype=torch.float64),
}
CURVATURE = {
    "table": torch.linspace(0.1, 3, 12, dtype=torch.float64).reshape(4, 3),
    "scalar": 2.0,
    "empty": 1.0,
}


def quadratic(params):
    return sum((0.5 * CURVATURE[k] * (p - 1) ** 2).sum().item() for k, p in params.items())


def slope(seed, distance=0.05, params=PARAMS):
    unit = spsa.units(params)
    return spsa.probe_direction(quadratic, params, unit, seed, distance=distance, centre=quadratic(params))


def test_the_gradient_estimate_is_unbiased():
    count, unit, total, square = 1000, spsa.units(PARAMS), {}, {}
    zeros = {k: torch.zeros_like(p) for k, p in PARAMS.items()}
    for seed in range(count):
        estimate = spsa.move(zeros, unit, [seed], [slope(seed).first])
        for k, e in estimate.items():
            total[k] = total.get(k, 0) + e
            square[k] = square.get(k, 0) + e**2
    for k, p in PARAMS.items():
        mean = total[k] / count
        sigma = ((square[k] / count - mean**2) / count).sqrt()
        gradient = CURVATURE[k] * (p - 1) * unit[k] ** 2
        assert ((mean - gradient).abs() <= 4 * sigma).all(), k


def test_the_second_difference_estimates_the_trace_of_the_hessian():
    unit = spsa.units(PARAMS)
    expected = sum((CURVATURE[k] * unit[k] ** 2 * torch.ones_like(p)).sum() for k, p in PARAMS.items())
    # The Hessian is diagonal, so every direction gives its trace.
    for seed in range(5):
        assert_close(slope(seed).second, expected.item(), rtol=1e-9, atol=0)


@LAW
@given(seed=seeds(), dtype=dtypes())
def test_directions_are_signs_that_a_seed_determines(seed, dtype):
    params = {k: p.to(dtype) for k, p in PARAMS.items()}
    first = spsa.signs(params, seed)
    again = spsa.signs({k: params[k] for k in reversed(params)}, seed)
    for k, p in params.items():
        assert (first[k].dtype, first[k].shape) == (dtype, p.shape)
        assert (first[k].abs() == 1).all()
        assert torch.equal(first[k], again[k]), "the order of the entries does not matter"


@LAW
@given(seed=seeds())
def test_move_adds_up_and_leaves_its_input(seed):
    kept = {k: p.clone() for k, p in PARAMS.items()}
    unit = spsa.units(PARAMS)
    both = spsa.move(PARAMS, unit, [seed, seed + 1], [0.1, -0.2])
    direction, other = spsa.signs(PARAMS, seed), spsa.signs(PARAMS, seed + 1)
    for k, p in PARAMS.items():
        assert torch.equal(p, kept[k])
        assert_close(both[k], p + unit[k] * (0.1 * direction[k] - 0.2 * other[k]))


@cases(
    ("values", "unit"),
    [([3.0, -4.0], math.sqrt(12.5)), ([0.0, 0.0], spsa.FLOOR), ([1e-38], spsa.FLOOR), ([], spsa.FLOOR)],
)
def test_the_unit_is_the_root_mean_square_with_a_floor(values, unit):
    assert_close(spsa.units({"x": torch.tensor(values)})["x"].item(), unit, rtol=1e-6, atol=0)


def test_gains_fall_as_spall_has_them():
    options = {"learning_rate": 0.5, "perturbation": 0.1, "stability": 9.0}
    first, later = (spsa.gains(k, **options) for k in (0, 90))
    assert first == Gains(0.5, 0.1)
    assert_close(later.step, 0.5 * (10 / 100) ** 0.602)
    assert_close(later.perturbation, 0.1 / 91**0.101)


@LAW
@given(
    first=st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=6),
    curvature=st.floats(0, 1e30),
    distance=st.floats(1e-3, 1),
)
def test_no_move_is_longer_than_what_was_probed(first, curvature, distance):
    amounts = spsa.newton_amounts([Slope(0, d, 0.0) for d in first], curvature, Gains(1.0, distance))
    assert math.hypot(*amounts) <= distance * (1 + 1e-12)
    assert all(amount * d <= 0 for amount, d in zip(amounts, first, strict=True)), "downhill"


def test_one_number_takes_the_newton_step():
    params = {"scalar": torch.tensor(0.9, dtype=torch.float64)}
    s = slope(3, distance=0.5, params=params)
    (amount,) = spsa.newton_amounts([s], s.second, Gains(1.0, 0.5))
    assert_close(spsa.move(params, spsa.units(params), [s.seed], [amount])["scalar"].item(), 1.0)
