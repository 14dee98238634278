"""Laws of the trial functions: derivatives, parities, the decay towards the edge."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from lior_ritz.network import decay
from lior_ritz.network import layers as network
from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.chain import Chain
from lior_ritz.network.layers import Shape
from lior_ritz.potentials.wells import Box
from lior_ritz.problem import Problem

shapes = st.builds(
    lambda inputs, depth, activation: Shape(
        inputs=inputs,
        width=5,
        depth=depth,
        first_omega=1.3,
        hidden_omega=1.7 if activation == "sine" else 1.0,
        activation=activation,
    ),
    st.integers(1, 4),
    st.integers(0, 3),
    st.sampled_from(["tanh", "sine"]),
)


def made(shape, seed=0, dtype=torch.float64):
    generator = Generator().manual_seed(seed)
    params = {
        name: p.requires_grad_() for name, p in network.initialise(shape, generator, dtype=dtype).items()
    }
    points = 4 * torch.rand(1500, shape.inputs, generator=generator, dtype=torch.float64) - 2
    return params, points.to(dtype), generator


@settings(max_examples=25, deadline=None)
@given(shapes, st.sampled_from([torch.float32, torch.float64]))
def test_the_backward_pass_of_its_own_is_that_of_autograd(shape, dtype):
    params, points, generator = made(shape, dtype=dtype)
    layers = list(params.values())
    if shape.activation == "sine":
        layers = network._scale_layers(params, shape)
    plain = network.forward_plain(layers, shape, points, order=1)
    fused = Chain.apply(points, shape.activation == "sine", True, *layers)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    assert torch.allclose(plain, fused, rtol=tolerance, atol=tolerance)
    mix = torch.randn(plain.shape, generator=generator, dtype=torch.float64).to(dtype)
    wanted = torch.autograd.grad((plain * mix).sum(), list(params.values()), retain_graph=True)
    got = torch.autograd.grad((fused * mix).sum(), list(params.values()))
    for a, b in zip(wanted, got, strict=True):
        assert float((a - b).abs().max()) <= tolerance * float(a.abs().max().clamp_min(1))


@settings(max_examples=25, deadline=None)
@given(shapes)
def test_slopes_and_second_derivatives_are_those_of_the_values(shape):
    params, points, _ = made(shape)
    points = points[:7].requires_grad_()
    jet = network.forward(params, shape, points, order=2)
    for unit in range(shape.width):
        slopes = torch.autograd.grad(jet[0, :, unit].sum(), points, create_graph=True)[0]
        for axis in range(shape.inputs):
            assert torch.allclose(jet[1 + axis, :, unit], slopes[:, axis], atol=1e-10)
            second = torch.autograd.grad(slopes[:, axis].sum(), points, retain_graph=True)[0][:, axis]
            assert torch.allclose(jet[1 + shape.inputs + axis, :, unit], second, atol=1e-8)
    first = network.forward(params, shape, points)
    assert torch.allclose(first, jet[: 1 + shape.inputs], atol=1e-12)


@pytest.mark.parametrize("boundary", ["dirichlet", "natural"])
def test_the_decay_and_its_derivatives(boundary):
    problem = Problem(Box(), (2.0, 3.0, 1.5), boundary=boundary)
    points = (torch.rand(20, 3, dtype=torch.float64) * 2 - 1) * torch.tensor(problem.half_widths)
    points = points.double().requires_grad_()
    alpha = torch.tensor([0.3, 0.7, 1.1], dtype=torch.float64)
    found = decay.factor(problem, points, alpha, order=2)
    slopes = torch.autograd.grad(found[0].sum(), points, create_graph=True)[0]
    for axis in range(3):
        assert torch.allclose(found[1 + axis], slopes[:, axis], atol=1e-12)
        second = torch.autograd.grad(slopes[:, axis].sum(), points, retain_graph=True)[0][:, axis]
        assert torch.allclose(found[4 + axis], second, atol=1e-12)
    edge = decay.factor(problem, torch.tensor([[2.0, 1.0, 0.2]], dtype=torch.float64), alpha)
    assert (float(edge[0]) == 0) == (boundary == "dirichlet")


@pytest.mark.parametrize("heads", [None, (2, 1, 1, 3)])
def test_functions_of_a_sector_have_its_parity(heads):
    problem = Problem(Box(), (2.0, 2.0))
    shape = Shape(inputs=2, width=4, depth=1, first_omega=1.0, hidden_omega=1.0, activation="tanh")
    ansatz = Ansatz(problem=problem, shape=shape, mirrored=(0, 1), heads=heads)
    params = ansatz.initialise(Generator().manual_seed(1))
    points = torch.rand(9, 2, dtype=torch.float64)
    here = ansatz.functions(params, points, order=2)
    for axis in range(2):
        flip = torch.ones(2, dtype=torch.float64)
        flip[axis] = -1
        there = ansatz.functions(params, points * flip, order=2)
        for sector, a, b in zip(ansatz.sectors, here, there, strict=True):
            sign = sector[axis]
            assert torch.allclose(a[0], sign * b[0], atol=1e-14)
            assert torch.allclose(a[1 + axis], -sign * b[1 + axis], atol=1e-14)
            assert torch.allclose(a[3 + axis], sign * b[3 + axis], atol=1e-14)
    if heads:
        assert tuple(jet.shape[2] for jet in here) == heads


def test_initial_weights_depend_on_the_generator_alone_and_are_alike_in_both_precisions():
    shape = Shape(inputs=2, width=4, depth=1, first_omega=1.0, hidden_omega=1.0, activation="tanh")
    one, two = (network.initialise(shape, Generator().manual_seed(5), dtype=torch.float64) for _ in range(2))
    single = network.initialise(shape, Generator().manual_seed(5), dtype=torch.float32)
    for name, value in one.items():
        assert torch.equal(value, two[name])
        assert torch.equal(value.float(), single[name])
