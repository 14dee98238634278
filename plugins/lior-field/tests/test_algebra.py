"""The identities of the algebras."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor
from torch.testing import assert_close

from lior.errors import UsageError
from lior_field.algebra import (
    conjugate,
    multiply,
    norm_squared,
    rotary,
    symmetric_form,
    transform,
    turned,
    wedge,
)
from lior_plugins import kernel, rotations


def numbers(generator: Generator, size: int, count: int = 3, *, complex: bool = False) -> list[Tensor]:
    kind = torch.complex128 if complex else torch.float64
    return [torch.randn(20, size, generator=generator, dtype=kind) for _ in range(count)]


@pytest.mark.parametrize("size", [1, 2, 4, 8])
def test_norms_multiply_and_conjugates_turn_round(size: int, generator: Generator) -> None:
    a, b, _ = numbers(generator, size)
    assert_close(norm_squared(multiply(a, b)), norm_squared(a) * norm_squared(b))
    assert_close(conjugate(multiply(a, b)), multiply(conjugate(b), conjugate(a)))
    one = torch.eye(size, dtype=torch.float64)[0]
    assert_close(multiply(a, one.expand_as(a)), a)
    assert_close(multiply(a, conjugate(a)), norm_squared(a)[:, None] * one)


def test_two_components_are_the_complex_numbers(generator: Generator) -> None:
    a, b, _ = numbers(generator, 2)
    assert_close(torch.view_as_complex(multiply(a, b)), torch.view_as_complex(a) * torch.view_as_complex(b))


def test_quaternions_associate_and_i_j_is_k(generator: Generator) -> None:
    a, b, c = numbers(generator, 4)
    assert_close(multiply(multiply(a, b), c), multiply(a, multiply(b, c)))
    _, i, j, k = torch.eye(4)
    assert torch.equal(multiply(i, j), k)
    assert torch.equal(multiply(j, i), -k)


def test_octonions_are_alternative_obey_moufang_and_do_not_associate(generator: Generator) -> None:
    a, b, c = numbers(generator, 8)
    m = multiply
    assert_close(m(a, m(a, b)), m(m(a, a), b))
    assert_close(m(m(b, a), a), m(b, m(a, a)))
    assert_close(m(m(a, b), m(c, a)), m(m(a, m(b, c)), a))
    assert_close(m(a, m(b, m(a, c))), m(m(m(a, b), a), c))
    assert (m(m(a, b), c) - m(a, m(b, c))).abs().max() > 1
    with pytest.raises(UsageError, match="1, 2, 4 and 8"):
        m(torch.ones(16), torch.ones(16))


def test_complex_octonions_have_a_norm_that_multiplies_and_divisors_of_zero(generator: Generator) -> None:
    a, b, c = numbers(generator, 8, complex=True)
    assert_close(norm_squared(multiply(a, b)), norm_squared(a) * norm_squared(b))
    assert (multiply(multiply(a, b), c) - multiply(a, multiply(b, c))).abs().max() > 1
    one, i, *_ = torch.eye(8, dtype=torch.complex128)
    assert not multiply(one + 1j * i, one - 1j * i).any()


def test_unit_quaternions_rotate(generator: Generator) -> None:
    v, w = (torch.randn(20, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    r = torch.nn.functional.normalize(numbers(generator, 4)[0], dim=-1)
    assert_close((turned(v, r) * turned(w, r)).sum(-1), (v * w).sum(-1))
    assert_close(torch.linalg.cross(turned(v, r), turned(w, r)), turned(torch.linalg.cross(v, w), r))
    assert_close(turned(v, -r), turned(v, r))
    half = torch.tensor([math.cos(0.3), 0, 0, math.sin(0.3)]).double()
    x = turned(torch.tensor([1.0, 0, 0]).double(), half)
    assert_close(x, torch.tensor([math.cos(0.6), math.sin(0.6), 0.0]).double())


def test_biquaternions_of_norm_one_are_lorentz_transformations(generator: Generator) -> None:
    a, b, _ = numbers(generator, 4, complex=True)
    assert_close(norm_squared(multiply(a, b)), norm_squared(a) * norm_squared(b))
    q = a / norm_squared(a).sqrt()[:, None]
    event = torch.randn(20, 4, generator=generator, dtype=torch.float64)
    after = transform(event, q)

    def interval(x: Tensor) -> Tensor:
        return x[..., 0] ** 2 - x[..., 1:].square().sum(-1)

    assert_close(interval(after), interval(event))
    boost = torch.tensor([math.cosh(0.4), 1j * math.sinh(0.4), 0, 0], dtype=torch.complex128)
    moved = transform(torch.tensor([1.0, 0, 0, 0]).double(), boost)
    assert_close(moved, torch.tensor([math.cosh(0.8), math.sinh(0.8), 0, 0]).double())


def test_rotary_products_depend_on_distance_only_and_are_undamped_poles(generator: Generator) -> None:
    q, k = (torch.randn(9, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    angles, at = torch.tensor([0.3, 1.1, 2.0]).double(), torch.arange(9).double()
    scores = rotary(q, angles, at) @ rotary(k, angles, at).mT
    assert_close(rotary(q, angles, at + 5) @ rotary(k, angles, at + 5).mT, scores)
    poles = torch.polar(torch.ones(3).double(), angles)
    planes = torch.view_as_complex(q[:1].reshape(1, 3, 2))
    assert_close(
        torch.view_as_complex(rotary(q[:1].expand(9, 6), angles, at).reshape(9, 3, 2)),
        planes * kernel.powers(poles, 9),
    )


def test_a_bilinear_form_is_a_symmetric_and_an_antisymmetric_one(generator: Generator) -> None:
    q, k = (torch.randn(20, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    m = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    assert_close(symmetric_form(q, k, m) + wedge(q, k, m), torch.einsum("ti,ij,tj->t", q, m, k))
    assert_close(symmetric_form(q, k, m), symmetric_form(k, q, m))
    assert_close(wedge(q, k, m), -wedge(k, q, m))
    assert wedge(q, q, m).abs().max() < 1e-14


def test_the_forms_turn_with_their_vectors(generator: Generator) -> None:
    q, k = (torch.randn(20, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    m = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
    for form in (symmetric_form, wedge):
        assert_close(form(q @ turn.mT, k @ turn.mT, turn @ m @ turn.mT), form(q, k, m))


def test_the_wedges_of_all_planes_and_the_dot_product_obey_lagrange(generator: Generator) -> None:
    """``(q·k)² + |q ∧ k|² = |q|² |k|²`` with the components of ``q ∧ k`` in the planes of the axes."""
    q, k = (torch.randn(20, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    one = torch.eye(5, dtype=torch.float64)
    planes = [2 * torch.outer(one[a], one[b]) for a in range(5) for b in range(a + 1, 5)]
    area = torch.stack([wedge(q, k, plane) for plane in planes]).square().sum(0)
    assert_close(symmetric_form(q, k, one).square() + area, norm_squared(q) * norm_squared(k))


@pytest.mark.parametrize("damping", [0.0, 0.05])
def test_a_rotor_whose_angle_grows_with_every_token_is_a_pole(damping: float, generator: Generator) -> None:
    """``S ← e^{−γ} G(θ) S + x`` in two planes, beside the poles ``e^{−γ + iθ}``."""
    angles, planes = torch.tensor([[0.3, -1.2]], dtype=torch.float64), torch.tensor([[[0, 1], [2, 3]]])
    inputs = torch.randn(300, 2, generator=generator, dtype=torch.float64)
    step = math.exp(-damping) * rotations.matrix(angles, planes, 4)
    turned_on = torch.zeros(4, dtype=torch.float64)
    for first, second in inputs:
        turned_on = step @ turned_on + torch.stack([first, first * 0, second, second * 0])
    poles = math.exp(-damping) * torch.polar(torch.ones_like(angles[0]), angles[0])
    _, state = kernel.scan(poles, torch.ones_like(poles), inputs)
    assert_close(torch.view_as_real(state.diagonal()).flatten(), turned_on)
