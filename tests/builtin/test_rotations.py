"""Laws of layered Givens rotations; products of dense plane rotations are the reference."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.testing.strategies import LAW, dimensions, dtypes, fill, seeds
from lior_plugins import rotations
from tests.cases import cases

SIZES = [2, 3, 4, 5, 8, 9, 64]


def angles(n, seed, dtype=torch.float64, layers=None):
    layers = rotations.cycle(n) if layers is None else layers
    theta = math.pi * (
        2 * torch.rand(layers, n // 2, generator=torch.Generator().manual_seed(seed)).double() - 1
    )
    return theta.to(dtype), rotations.schedule(n, layers)


def givens(n, i, j, angle):
    g = torch.eye(n, dtype=torch.float64)
    g[i, i] = g[j, j] = math.cos(angle)
    g[i, j], g[j, i] = -math.sin(angle), math.sin(angle)
    return g


def product(theta, planes, n):
    """``Q`` one plane at a time, from the definition."""
    q = torch.eye(n, dtype=torch.float64)
    for row, pairs in zip(theta.tolist(), planes.tolist(), strict=True):
        for angle, (i, j) in zip(row, pairs, strict=True):
            q = q @ givens(n, i, j, angle)
    return q


def orthogonality_error(q):
    q = q.double()
    return (q.mT @ q - torch.eye(len(q), dtype=torch.float64)).abs().max().item()


# --- planes -----------------------------------------------------------------


@cases("n", SIZES)
def test_schedule_turns_every_plane_once(n):
    planes = rotations.schedule(n, rotations.cycle(n))
    assert planes.dtype == torch.int64
    assert planes.shape == (rotations.cycle(n), n // 2, 2)
    pairs = [tuple(pair) for pair in planes.reshape(-1, 2).tolist()]
    assert sorted(pairs) == [(i, j) for i in range(n) for j in range(i + 1, n)]


@cases("n", SIZES)
@cases("layers", [0, 1, 200])
def test_layers_are_of_disjoint_planes_and_repeat(n, layers):
    planes = rotations.schedule(n, layers)
    assert planes.shape == (layers, n // 2, 2)
    for layer in planes.flatten(1).tolist():
        assert len(set(layer)) == len(layer)
    period = rotations.cycle(n)
    assert torch.equal(planes[period:], planes[: max(0, layers - period)])


def distance(target, theta, planes):
    """Least squared distance of ``target`` from ``Q`` on a descent from ``theta`` (Levenberg, 1944)."""
    n, damping, eye = len(target), 1.0, torch.eye(theta.numel(), dtype=torch.float64)

    def off(angles):
        return (rotations.matrix(angles, planes, n) - target).flatten()

    least = off(theta)
    for _ in range(60):
        turns = (eye * math.pi / 2).reshape(
            -1, *theta.shape
        )  # Q is a sum of 1, cos θ and sin θ of each angle
        slopes = torch.stack([off(theta + turn) - off(theta - turn) for turn in turns], 1) / 2
        step = torch.linalg.solve(slopes.mT @ slopes + damping * eye, slopes.mT @ least)
        there = off(theta - step.reshape(theta.shape))
        better = there.norm() < least.norm()
        damping = damping / 5 if better else damping * 4
        if better:
            theta, least = theta - step.reshape(theta.shape), there
    return least.square().sum().item()


@cases("n", [3, 4])
def test_one_cycle_of_layers_reaches_rotations_drawn_at_random_and_those_of_blocks(n):
    draws = torch.randn(4, n, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    parts = [torch.linalg.qr(part).Q for part in (draws[3, :2, :2], draws[3, 2:, 2:])]
    for target in (*torch.linalg.qr(draws[:3]).Q, torch.block_diag(*parts)):
        target[:, 0] *= torch.linalg.det(target)
        assert any(distance(target, *angles(n, seed)) < 1e-12 for seed in range(4))
    mirror = torch.eye(n, dtype=torch.float64)
    mirror[0, 0] = -1
    assert distance(mirror, *angles(n, 0)) > 1, "but no reflection"


# --- the rotation -----------------------------------------------------------


@LAW
@given(n=st.sampled_from((2, 3, 5, 8)), seed=seeds(), layers=st.sampled_from((0, 1, 3, None)))
def test_matrix_is_the_product_of_givens_rotations(n, seed, layers):
    theta, planes = angles(n, seed, layers=layers)
    assert_close(rotations.matrix(theta, planes, n), product(theta, planes, n), rtol=0, atol=1e-13)


@LAW
@given(n=dimensions(), seed=seeds(), turns=st.integers(-3, 3))
def test_full_turns_change_nothing(n, seed, turns):
    theta, planes = angles(n, seed)
    turned = theta + 2 * math.pi * turns
    assert_close(rotations.matrix(turned, planes, n), rotations.matrix(theta, planes, n), rtol=0, atol=1e-12)
    assert_close(
        rotations.matrix(rotations.wrap(turned), planes, n),
        rotations.matrix(theta, planes, n),
        rtol=0,
        atol=1e-12,
    )


def test_q_stays_orthogonal_after_updates():
    """In float32 after many random updates, wrapped after each."""
    generator = torch.Generator().manual_seed(0)
    theta, planes = angles(64, 0, torch.float32)
    for _ in range(2_000):
        theta = rotations.wrap(theta + 0.1 * torch.randn(theta.shape, generator=generator))
    assert orthogonality_error(rotations.matrix(theta, planes, 64)) < 1e-6


# --- derivative and wrapping ------------------------------------------------


@LAW
@given(n=dimensions(), seed=seeds(), layers=st.sampled_from((1, 2, None)))
def test_pullback_is_the_derivative(n, seed, layers):
    theta, planes = angles(n, seed, layers=layers)
    dq = fill((n, n), "normal", seed + 1, torch.float64)
    leaf = theta.clone().requires_grad_()
    (expected,) = torch.autograd.grad((dq * rotations.matrix(leaf, planes, n)).sum(), leaf)
    assert_close(rotations.pullback(theta, planes, dq), expected, rtol=1e-10, atol=1e-10)


@LAW
@given(seed=seeds(), dtype=dtypes(), size=st.sampled_from((1.0, 1e3, 1e38)))
def test_wrap_is_idempotent_and_in_range(seed, dtype, size):
    theta = size * fill((50,), "normal", seed, torch.float64).clamp(-3, 3).to(dtype)
    wrapped = rotations.wrap(theta)
    assert wrapped.dtype == dtype
    assert ((wrapped >= -math.pi) & (wrapped < math.pi)).all()
    assert torch.equal(rotations.wrap(wrapped), wrapped)


@cases("dtype", [torch.float32, torch.float64])
def test_wrap_at_the_edges(dtype):
    pi = torch.tensor(math.pi, dtype=dtype)
    inside = torch.stack([-pi, torch.zeros_like(pi), pi.nextafter(torch.zeros_like(pi))])
    assert torch.equal(rotations.wrap(inside), inside)
    outside = torch.stack([pi, -3 * pi, (-pi).nextafter(-2 * pi), pi + 1])
    wrapped = rotations.wrap(outside)
    assert ((wrapped >= -math.pi) & (wrapped < math.pi)).all()
    assert_close(wrapped.cos(), outside.cos(), rtol=0, atol=1e-6)
    assert_close(wrapped.sin(), outside.sin(), rtol=0, atol=1e-6)
