"""What the devices of a family share: values of options, functions, symmetry."""

import math

import attrs
import numpy as np
import pytest
import torch

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.families.reduced import Interpolation, ReducedSpace
from lior_ritz.families.shared import Range, chebyshev, check, rows, unseen
from lior_ritz.network.projection import project, whiten
from lior_ritz.problem.quadrature import grid_rule
from lior_ritz.verification import reference


def dot():
    config = configuration.load(
        (), ["potential.param_mode=barrier", "potential.barrier_meV=3"], env={}
    ).config
    return configuration.problem(config)


def waves(problem, ranges):
    """A trial space of cosines and polynomials, which is exact at every device as far as it goes."""
    rule = grid_rule("gauss_legendre", [40, 40], problem.half_widths).to("cpu", torch.float64)
    widths = torch.tensor(problem.half_widths, dtype=torch.float64)
    points = rule.points.clone().requires_grad_()
    x, y = (points / widths).T
    parts = [(1 - x**2) * (1 - y**2) * torch.cos(i * x + j * y) for i in range(3) for j in range(2)]
    slopes = [torch.autograd.grad(part.sum(), points, retain_graph=True)[0].T for part in parts]
    jets = [torch.cat([part[None], slope]) for part, slope in zip(parts, slopes, strict=True)]
    jet = torch.stack(jets, 2).detach()
    return ReducedSpace.of(problem, rule, whiten(jet, rule.weights), ranges), jet


# --- values ---


@pytest.mark.parametrize("count", [2, 5])
def test_trained_values_reach_from_end_to_end(count):
    values = chebyshev([Range("a", 0.5, 12.0), Range("b", 1.0, 2.0)], count)
    assert [len(each) for each in values.values()] == [count**2] * 2
    a = values["a"].unique()
    assert a[[0, -1]].tolist() == [0.5, 12.0]
    assert len(a) == count
    if count == 5:
        assert float(a[2]) == pytest.approx(6.25)


def test_unseen_values_are_inside_and_differ_with_the_seed():
    ranges = [Range("a", 0.5, 12.0), Range("b", -1.0, 1.0)]
    values = unseen(ranges, 20, seed=1)
    assert bool((values["a"] > 0.5).all() & (values["a"] < 12).all() & (values["b"].abs() < 1).all())
    assert bool((values["a"].diff() >= 0).all())
    assert not torch.equal(values["a"], unseen(ranges, 20, seed=2)["a"])


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ({}, "give its value"),
        ({"a": 1.0, "bb": 1.0}, "Did you mean 'b'"),
        ({"a": 3.0, "b": 0.0}, "a = 3: the family was made from 0 to 2"),
        ({"a": math.nan, "b": 0.0}, "made from 0 to 2"),
        ({"a": torch.zeros(2), "b": torch.zeros(3)}, "as many values"),
    ],
)
def test_devices_that_are_none_of_the_family(device, said):
    with pytest.raises(UsageError, match=said):
        check([Range("a", 0.0, 2.0), Range("b", 0.0, 1.0)], device)


# --- the trial space ---


@pytest.mark.parametrize("ranges", [[("barrier_meV", 0.5, 12)], [("barrier_meV", 1, 4), ("delta", 0, 1)]])
def test_interpolation_of_the_potential_changes_no_energy(ranges):
    ranges = [Range(*each) for each in ranges]
    space, jet = waves(dot(), ranges)
    assert isinstance(space.interpolation, Interpolation)
    assert len(space.interpolation.points) < 10
    values = unseen(ranges, 7, seed=11)
    found = space.lowest(values, 2)[0]
    for index, device in enumerate(rows(values)):
        potential = dot().varied(device).energy(space.rule.points)
        direct = project(jet, space.rule.weights, potential).energies[:2]
        torch.testing.assert_close(found[index], direct, rtol=1e-11, atol=1e-11)


def test_a_potential_that_is_no_short_sum_is_integrated_for_each_device():
    """A well that moves: its singular values fall slowly."""
    layer = {
        "potential": {
            "type": "expression",
            "expression": "-9*exp(-8*(x-c)**2-y**2)",
            "parameters": {"c": 0.0},
        }
    }
    problem = configuration.problem(configuration.load([layer], env={}).config)
    ranges = [Range("c", -3.5, 3.5)]
    rule = grid_rule("gauss_legendre", [48, 24], problem.half_widths).to("cpu", torch.float64)
    x, y = rule.points.T / torch.tensor(problem.half_widths, dtype=torch.float64)[:, None]
    waves = [torch.cos(math.pi / 2 * x) * torch.cos(math.pi / 2 * y), torch.sin(math.pi * x) * (1 - y**2)]
    jet = torch.stack([torch.stack(waves, 1)] + [torch.zeros(len(x), 2, dtype=torch.float64)] * 2)
    space = ReducedSpace.of(problem, rule, whiten(jet, rule.weights), ranges)
    assert space.interpolation is None
    values = unseen(ranges, 3, seed=0)
    for index, device in enumerate(rows(values)):
        direct = project(jet, rule.weights, problem.varied(device).energy(rule.points)).energies
        torch.testing.assert_close(space.lowest(values, 2)[0][index], direct, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("boundary", ["dirichlet", "natural"])
@pytest.mark.parametrize("method", ["separable", "sine"])
def test_the_references_slopes_are_those_of_its_functions(method, boundary):
    found = reference.solve(attrs.evolve(dot(), boundary=boundary), 3, method)
    points = np.random.default_rng(0).uniform(-3, 3, (20, 2))
    slopes, step = found.slopes(points), 1e-5
    assert slopes.shape == (2, 3, 20)
    for axis in range(2):
        shift = np.zeros(2)
        shift[axis] = step
        ends = found.functions(points + shift) - found.functions(points - shift)
        np.testing.assert_allclose(slopes[axis], ends / (2 * step), atol=1e-7, rtol=0)
