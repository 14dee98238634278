"""The laws of encoders and products, and what is special about these."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from torch.testing import assert_close

from lior.geometry.retrieval import Batch, Geometry, Part
from lior.testing.encoders import encoder_contract
from lior.testing.products import product_contract
from lior.testing.tensors import cast, make_generator
from lior_field.algebra import multiply
from lior_field.encoder import DYNAMICS, FieldEncoder
from lior_field.product import Quaternion
from lior_plugins.frames.rotor import Rotor
from lior_plugins.products.tensor import TensorProduct
from lior_plugins.rsources.constitutive import Constitutive

TestFieldEncoder = encoder_contract(lambda: FieldEncoder(n=6, reach=5, side=3))
TestDissipative = encoder_contract(
    lambda: FieldEncoder(n=6, reach=5, side=3, dynamics="dissipative", time=0.3)
)
TestSymplectic = encoder_contract(lambda: FieldEncoder(n=6, reach=5, side=3, dynamics="symplectic", time=0.8))
TestQuaternion = product_contract(Quaternion)


def test_a_common_turn_of_all_components_costs_nothing() -> None:
    q = torch.randn(5, 8, generator=make_generator(0), dtype=torch.float64)
    unit = torch.nn.functional.normalize(
        torch.randn(5, 1, 4, generator=make_generator(1), dtype=torch.float64), dim=-1
    )
    k = multiply(q.reshape(5, 2, 4), unit.expand(5, 2, 4)).reshape(5, 8)
    product = Quaternion(eps=1e-12)
    assert product.pair_cost(q, k, {}).diagonal().max() < 1e-5
    assert (product.pair_cost(q, k, {}) <= torch.cdist(q, k) + 1e-9).all()


def generator(dynamics: str, h: torch.Tensor) -> torch.Tensor:
    """What moves the field: ``dT/dt = A T``; of waves, the half of them that turns one way."""
    if dynamics == "unitary":
        return -1j * h
    above = h - torch.linalg.eigvalsh(h)[0] * torch.eye(len(h), dtype=h.dtype)
    if dynamics == "dissipative":
        return (-above).to(torch.complex128)
    squared, vectors = torch.linalg.eigh(above + 0.01 * torch.eye(len(h), dtype=h.dtype))
    return -1j * (vectors @ squared.sqrt().diag() @ vectors.mT)


def test_dynamics_give_different_models_unless_no_time_passes() -> None:
    contexts = torch.randint(7, (4, 5), generator=make_generator(0))

    def coordinates(dynamics: str, time: float) -> torch.Tensor:
        encoder = FieldEncoder(n=4, reach=5, side=3, dynamics=dynamics, time=time)
        return encoder.encode(encoder.init(7, generator=make_generator(1)), contexts)

    for one, other in combinations(DYNAMICS, 2):
        assert not torch.allclose(coordinates(one, 1.0), coordinates(other, 1.0), atol=1e-3), (one, other)
        assert torch.equal(coordinates(one, 0.0), coordinates(other, 0.0)), (one, other)


def test_waves_are_those_of_the_symplectic_field() -> None:
    encoder = FieldEncoder(n=2, reach=4, side=3, dynamics="symplectic")
    modes = encoder.modes(
        {key: value.double() for key, value in encoder.init(5, generator=make_generator(3)).items()}
    )
    rate = modes.poles.angle().abs()
    squared = modes.energies - modes.energies[0] + 0.01
    t, p = torch.ones(9, dtype=torch.float64), torch.zeros(9, dtype=torch.float64)
    steps = 20_000
    for _ in range(steps):  # leapfrog, from one token to the next
        p = p - squared * t / (2 * steps)
        t = t + p / steps
        p = p - squared * t / (2 * steps)
    assert_close(t, rate.cos(), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_the_encoder_is_the_field_on_its_grid(dynamics: str) -> None:
    encoder = FieldEncoder(n=3, reach=4, side=3, dynamics=dynamics, time=0.7)
    state = {key: value.double() for key, value in encoder.init(5, generator=make_generator(3)).items()}
    state["log_damping"] = torch.full_like(
        state["log_damping"], -2.0
    )  # the same for all modes: any basis will do
    modes = encoder.modes(state)
    hamiltonian = modes.vectors @ modes.energies.diag() @ modes.vectors.mT
    step = torch.linalg.matrix_exp(0.7 * generator(dynamics, hamiltonian)) * math.exp(-math.exp(-2.0))
    tokens = torch.tensor([1, 4, 0, 2, 2, 3])
    field = torch.zeros(9, 3, dtype=torch.complex128)
    source = modes.vectors.sum(1).to(field.dtype)  # at all modes alike
    coeff = torch.complex(state["coeff_re"], state.get("coeff_im", torch.zeros(9, 3, dtype=torch.float64)))
    for token in [5] * encoder.reach + tokens.tolist():
        field = step @ field + source[:, None] * state["embedding"][token]
    read = (coeff * (modes.vectors.mT.to(field.dtype) @ field)).sum(0).real
    assert_close(encoder.scan(state, encoder.stream(state), tokens)[1][-1], read)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_two_phases_without_a_nudge_change_nothing_and_clamped_ones_are_the_gradient(dynamics: str) -> None:
    parts = {"frame": Rotor(), "rsource": Constitutive(), "product": TensorProduct()}
    encoder = FieldEncoder(n=4, reach=6, side=3, dynamics=dynamics)
    geometry = Geometry(encoder=encoder, vocab=7, **parts)
    state = cast(geometry.init(generator=make_generator(1)), torch.float64)
    draw = make_generator(2)
    contexts = [torch.randint(8, (count, 6), generator=draw) for count in (5, 12)]
    tokens = [torch.randint(7, (count,), generator=draw) for count in (5, 12)]
    none = torch.zeros(0, dtype=torch.int64)
    batch = Batch(
        contexts[0], tokens[0], contexts[1], tokens[1], (Part(slice(0, 5), slice(0, 12), (none, none)),)
    )
    still, _ = geometry.phases(state, batch, 0.0)
    assert all(not value.any() for value in still.values())
    found, _ = geometry.phases(state, batch, math.inf)
    for name, slope in found.items():
        way = torch.randn(slope.shape, generator=draw, dtype=torch.float64)
        ahead, behind = (geometry.loss({**state, name: state[name] + h * way}, batch) for h in (1e-5, -1e-5))
        assert_close((slope * way).sum(), (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-9)
