"""Laws of the Ritz step: variational, invariant, exact where the basis is."""

from __future__ import annotations

from itertools import pairwise

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from lior_ritz.config import WeightsConfig
from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.layers import Shape
from lior_ritz.network.projection import project
from lior_ritz.network.states import Nodes
from lior_ritz.potentials.biquadratic import Biquadratic
from lior_ritz.potentials.gaussian import Gaussian
from lior_ritz.potentials.wells import Harmonic, HarmonicBarrier
from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import grid_rule
from lior_ritz.training.objective import Objective, condition_penalty
from lior_ritz.verification import reference
from lior_ritz.verification.evaluation import Evaluator

DOT = Problem(Biquadratic(), (4.0, 4.0))
SKEW = Problem(HarmonicBarrier(tilt_x=0.5, shear=0.2), (4.0, 4.0))
WELL = Problem(Gaussian(), (4.0, 4.0))
ROUND = Problem(Harmonic(beta_x=1.0, beta_y=1.0), (5.0, 5.0))


def ansatz(problem, *, width=6, depth=1, activation="tanh", mirrored=None, heads=None, omega=1.0):
    return Ansatz(
        problem=problem,
        shape=Shape(
            inputs=2, width=width, depth=depth, first_omega=omega, hidden_omega=1.0, activation=activation
        ),
        mirrored=tuple(sorted(problem.mirrors)) if mirrored is None else mirrored,
        alpha=(0.3, 0.5),
        heads=heads,
    )


def nodes(trial, n=60):
    rule = grid_rule("gauss_legendre", (n, n), trial.problem.half_widths, frozenset(trial.mirrored))
    return Nodes.of(trial, rule.to("cpu", torch.float64))


def objective(trial, count=3, **weights):
    return Objective(ansatz=trial, count=count, limits=None, weights=WeightsConfig(**weights))


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([DOT, SKEW, WELL]),
    st.sampled_from(["tanh", "sine"]),
    st.integers(0, 10**6),
    st.floats(0.3, 2.0),
    st.booleans(),
)
def test_no_network_whatever_lies_below_the_exact_levels(problem, activation, seed, omega, folded):
    trial = ansatz(problem, activation=activation, omega=omega, mirrored=None if folded else ())
    params = trial.initialise(Generator().manual_seed(seed))
    evaluator = Evaluator(
        ansatz=trial, count=3, basis=5, limits=None, stretch=(0.0, 0.0), device=torch.device("cpu")
    )
    found = evaluator(params, 61)
    exact = reference.solve(problem, 3)
    lowest = exact.energies - exact.errors - found.quadrature_error - 1e-9
    assert bool((found.energies.numpy() >= lowest).all())


def test_a_larger_span_has_no_higher_level():
    trial = ansatz(SKEW, width=20)
    rule = nodes(trial)
    params = trial.initialise(Generator().manual_seed(0))
    jet = trial.functions(params, rule.rule.points)[0]
    factor = trial.decay(params, rule.rule.points)[:, :, None]
    whole = torch.cat([factor[:1] * jet[:1], factor[1:] * jet[:1] + factor[:1] * jet[1:]])
    levels = [
        project(whole[:, :, :m], rule.rule.weights, rule.potential).energies[:4] for m in (5, 9, 14, 21)
    ]
    for fewer, more in pairwise(levels):
        assert bool((more <= fewer + 1e-10).all())
    assert bool((levels[0] > levels[-1] + 1e-3).any())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-6, 1e6))
def test_energies_are_those_of_the_span_whatever_spans_it(seed, scale):
    generator = Generator().manual_seed(seed)
    rule = grid_rule("gauss_legendre", (30, 30), (4.0, 4.0)).to("cpu", torch.float64)
    potential = DOT.energy(rule.points)
    x, y = rule.points.T
    centres = torch.randn(6, 2, generator=generator, dtype=torch.float64)
    gauss = torch.exp(-((x[:, None] - centres[:, 0]) ** 2) - (y[:, None] - centres[:, 1]) ** 2)
    jet = torch.stack(
        [gauss, -2 * (x[:, None] - centres[:, 0]) * gauss, -2 * (y[:, None] - centres[:, 1]) * gauss]
    )
    mixing = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64)).Q
    mixing = mixing * torch.logspace(0, 2, 6, dtype=torch.float64)
    plain = project(jet, rule.weights, potential)
    mixed = project(scale * jet @ mixing, rule.weights, potential)
    if len(plain.energies) == len(mixed.energies) == 6:
        assert torch.allclose(plain.energies, mixed.energies, rtol=1e-6)
    values = jet[0] @ plain.coefficients
    one = torch.eye(len(plain.energies), dtype=torch.float64)
    assert float((values.T @ (rule.weights[:, None] * values) - one).abs().max()) < 1e-10


def test_dependent_functions_are_dropped_and_lower_nothing():
    rule = grid_rule("gauss_legendre", (60, 60), (8.0, 8.0)).to("cpu", torch.float64)
    x, y = rule.points.T
    gauss = torch.exp(-(x * x + y * y) / 2)[:, None]
    jet = torch.stack([gauss, -x[:, None] * gauss, -y[:, None] * gauss])
    found = project(torch.cat([jet, 3 * jet, 0 * jet], 2), rule.weights, x * x + y * y)
    assert found.energies.tolist() == pytest.approx([2.0], abs=1e-10)


def test_hermite_functions_give_the_oscillators_levels():
    rule = grid_rule("gauss_legendre", (60, 60), (9.0, 9.0)).to("cpu", torch.float64)
    x, y = rule.points.T
    gauss = torch.exp(-(x * x + y * y) / 2)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    polynomials = [(one, zero, zero), (x, one, zero), (y, zero, one), (x * y, y, x)]
    jet = torch.stack(
        [torch.stack([gauss * p, gauss * (px - x * p), gauss * (py - y * p)]) for p, px, py in polynomials],
        -1,
    )
    found = project(jet, rule.weights, x * x + y * y)
    assert found.energies.tolist() == pytest.approx([2, 4, 4, 6], abs=1e-10)


@pytest.mark.parametrize("problem", [SKEW, ROUND], ids=["skew", "degenerate"])
@pytest.mark.parametrize("heads", [None, "trained"])
@pytest.mark.parametrize("kind", ["energies", "condition", "natural"])
def test_gradients_are_those_of_finite_differences(problem, heads, kind):
    if kind == "natural":
        problem = attrs.evolve(problem, half_widths=(2.0, 1.5), boundary="natural")
    mirrored = tuple(sorted(problem.mirrors))
    sectors = 2 ** len(mirrored)
    trial = ansatz(problem, heads=(3,) * sectors if heads else None)
    rule = nodes(trial, 40)
    weights = {
        "energies": {},
        "condition": {"S_condition": 0.5},
        "natural": {"S_condition": 0.5, "eigsum": 0.7},
    }[kind]
    loss = objective(trial, **weights)
    params = {k: p.requires_grad_() for k, p in trial.initialise(Generator().manual_seed(3)).items()}
    total = loss(params, rule).total
    total.backward()
    generator = Generator().manual_seed(4)
    for _ in range(4):
        move = {k: torch.randn(p.shape, generator=generator, dtype=torch.float64) for k, p in params.items()}
        slope = sum(float((p.grad * move[k]).sum()) for k, p in params.items())

        def at(step, move=move):
            with torch.no_grad():
                return float(loss({k: p + step * move[k] for k, p in params.items()}, rule).total)

        step = 2e-5
        numeric = (8 * (at(step) - at(-step)) - at(2 * step) + at(-2 * step)) / (12 * step)
        assert slope == pytest.approx(numeric, rel=2e-5, abs=2e-5)


def test_the_condition_penalty_is_nothing_for_the_identity_and_grows_with_every_fault():
    one = torch.eye(3, dtype=torch.float64)
    assert float(condition_penalty(one)) == 0
    assert float(condition_penalty(2 * one)) == pytest.approx(1)
    alike = one.clone()
    alike[0, 1] = alike[1, 0] = 0.5
    assert float(condition_penalty(alike)) == pytest.approx(2 * 0.25 / 9)


def test_limits_take_so_many_states_of_each_parity():
    trial = ansatz(DOT, mirrored=(0,))
    rule = nodes(trial)
    params = trial.initialise(Generator().manual_seed(0))
    loss = objective(trial, count=4)
    assert set(loss(params, rule).head.sectors) == {0, 1}
    only = attrs.evolve(loss, limits=(4, 0))(params, rule)
    assert only.head.sectors == (0, 0, 0, 0)
