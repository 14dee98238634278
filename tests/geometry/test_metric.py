"""Laws of the metric's functions; the dense matrix in float64 is the reference."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.geometry import metric
from lior.testing.strategies import EDGES, LAW, fill, seeds
from tests.strategies import metric_forms


def double(form):
    return metric.cast(form, torch.float64)


def dense64(form):
    """``g`` in float64, term by term from the definition."""
    form = double(form)
    n = form.lam.shape[0]
    q = torch.eye(n, dtype=torch.float64) if form.q is None else form.q
    g = form.omega2 * q @ torch.diag(form.lam) @ q.mT
    for weight, direction in zip(form.d, form.u.mT, strict=True):
        g = g + weight * torch.outer(direction, direction)
    return g


def vectors(form, seed, edge="normal", rows=16):
    return fill((rows, form.lam.shape[0]), edge, seed, form.lam.dtype)


def rounding(form, factor=200):
    return factor * torch.finfo(form.lam.dtype).eps


@LAW
@given(form=metric_forms())
def test_dense_is_the_definition(form):
    g = dense64(form)
    assert_close(metric.dense(form).double(), g, atol=rounding(form) * g.abs().max().item(), rtol=0)


@LAW
@given(form=metric_forms())
def test_root_squares_to_the_definition(form):
    root, g = metric.root(form).double(), dense64(form)
    assert root.shape == (form.lam.shape[0] + form.d.shape[0], form.lam.shape[0])
    assert_close(root.mT @ root, g, atol=rounding(form) * g.abs().max().item(), rtol=0)


@LAW
@given(form=metric_forms(dtype=torch.float64), seed=seeds())
def test_root_pullback_is_the_derivative(form, seed):
    form = form._replace(d=form.d.clamp(min=metric.WEIGHT_MIN))
    droot = fill(metric.root(form).shape, "normal", seed, torch.float64)
    leaves = {
        key: field.clone().requires_grad_() for key, field in form._asdict().items() if field is not None
    }
    total = (droot * metric.root(form._replace(**leaves))).sum()
    expected = dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))
    actual = metric.root_pullback(form, droot)
    assert (actual.q is None) == (form.q is None)
    for key, value in expected.items():
        assert_close(
            getattr(actual, key), value, rtol=1e-10, atol=1e-10, msg=lambda m, key=key: f"{key}: {m}"
        )


@LAW
@given(form=metric_forms(), seed=seeds())
def test_root_pullback_is_finite_at_weight_zero(form, seed):
    form = form._replace(d=torch.zeros_like(form.d))
    droot = fill(metric.root(form).shape, "normal", seed, form.lam.dtype)
    for field in metric.root_pullback(form, droot):
        assert field is None or field.isfinite().all()


@LAW
@given(form=metric_forms(), seed=seeds(), edge=st.sampled_from(EDGES))
def test_nothing_is_mutated_and_the_dtype_is_kept(form, seed, edge):
    v = vectors(form, seed, edge)
    root = metric.root(form)
    before = [v.clone(), *(None if field is None else field.clone() for field in form)]
    results = [root, metric.dense(form), *metric.root_pullback(form, torch.ones_like(root))]
    assert {result.dtype for result in results if result is not None} == {form.lam.dtype}
    for value, copy in zip([v, *form], before, strict=True):
        assert value is copy is None or torch.equal(value, copy)
