"""Every product obeys the contract; each has laws of its own."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.errors import UsageError
from lior.testing.strategies import LAW, dimensions, dtypes, fill, seeds
from lior.testing.tensors import cast
from lior_plugins.products.spinor import Spinor
from lior_plugins.products.tensor import TensorProduct
from lior_plugins.products.wedge import Wedge
from tests.cases import cases
from tests.geometry import clifford_matrices as clifford


def cost(product, params, q, k):
    fq, fk = product.lift(params, q, query=True), product.lift(params, k, query=False)
    return product.cost(fq.square().sum(-1, keepdim=True), fq @ fk.mT, fk.square().sum(-1)[None], params)


def spinor(m, seed, **options):
    product = Spinor(**options)
    return product, cast(product.init(m, generator=torch.Generator().manual_seed(seed)), torch.float64)


def points(m, seed=0):
    return fill((4, m), "normal", seed, torch.float64), fill((5, m), "normal", seed + 1, torch.float64)


@LAW
@given(m=dimensions(), seed=seeds(), dtype=dtypes())
def test_tensor_is_the_distance(m, seed, dtype):
    q, k = (x.to(dtype) for x in points(m, seed))
    assert_close(cost(TensorProduct(eps=1e-12), {}, q, k), torch.cdist(q, k), rtol=1e-3, atol=1e-3)


@LAW
@given(m=dimensions(), seed=seeds())
def test_wedge_is_the_area_of_the_parallelogram(m, seed):
    q, k = points(m, seed)
    squares = [torch.linalg.det(torch.stack([a, b]) @ torch.stack([a, b]).mT) for a in q for b in k]
    area = cost(Wedge(eps=1e-12), {}, q, k)
    assert_close(area.flatten(), torch.stack(squares).clamp(min=0).sqrt(), rtol=1e-6, atol=1e-5)
    assert cost(Wedge(eps=1e-12), {}, q, 3 * q).diagonal().max() < 1e-4, "nothing of one phase beside itself"


@LAW
@given(seed=seeds())
def test_without_angles_a_spinor_is_a_linear_map(seed):
    q, k = points(8, seed)
    product, params = spinor(8, seed, eps=1e-12)
    params["theta"] = torch.zeros_like(params["theta"])
    assert_close(cost(product, params, q, k), torch.cdist(q, k), rtol=1e-6, atol=1e-6)


@cases("m", [2, 8, 32, 68])
def test_the_first_spinors_keep_squared_lengths(m):
    _, params = spinor(m, 0)
    w = torch.cat([params["w_real"], params["w_imag"]], dim=1)
    expected = torch.eye(min(m, 32), dtype=torch.float64) * max(1, m / 32)
    assert_close(w @ w.mT if m <= 32 else w.mT @ w, expected, rtol=0, atol=1e-5)


@LAW
@given(seed=seeds(), generators=st.sampled_from((2, 3, 5, 8)))
def test_features_are_those_of_the_dense_rotor(seed, generators):
    q, k = points(8, seed)
    product, params = spinor(8, seed, angle=1.0, generators=generators)
    w = torch.complex(params["w_real"], params["w_imag"])
    turned = (k.to(w.dtype) @ w) @ clifford.rotor(params["theta"], product.generators).mT
    bra_ket = (q.to(w.dtype) @ w).conj() @ turned.mT
    fq, fk = product.lift(params, q, query=True), product.lift(params, k, query=False)
    assert_close(fq @ fk.mT, bra_ket.real)


def test_the_rotor_makes_the_cost_asymmetric():
    q, k = points(8)
    product, params = spinor(8, 0, angle=1.0)
    assert not torch.allclose(cost(product, params, q, k), cost(product, params, k, q).mT, rtol=0.1)


def test_angles_have_the_period_of_spinors():
    q, k = points(8)
    product, params = spinor(8, 0)
    before = cost(product, params, q, k)
    plane = torch.tensor([math.pi, 0, 0, 0], dtype=torch.float64)
    once, twice, often = ({**params, "theta": params["theta"] + turns * plane} for turns in (2, 4, 40))
    assert not torch.allclose(cost(product, once, q, k), before, rtol=0.1), "2π is not a period"
    assert_close(cost(product, twice, q, k), before)
    assert_close(product.project(often)["theta"], params["theta"])
    assert_close(cost(product, product.project(once), q, k), cost(product, once, q, k))


def test_refusals_say_what_is_allowed():
    with pytest.raises(UsageError, match="m = 0"):
        Spinor().init(0, generator=torch.Generator())
    with pytest.raises(UsageError, match="eps = 0"):
        TensorProduct(eps=0)
    with pytest.raises(UsageError, match="from 2 to 12"):
        Spinor(generators=14)
