"""Spaces of known curvature, the symmetries of Riemann's tensor, and the conformal closed form."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.geometry import metric
from lior.interfaces import MetricForm
from lior.testing.strategies import LAW, fill, seeds
from lior.testing.tensors import assert_derivatives, gradients
from lior_plugins import conformal
from lior_plugins.conformal import Mixture
from tests.cases import cases
from tests.geometry import dense_curvature as curvature
from tests.strategies import metric_forms


def stereographic(sign, radius=1.0):
    """Sphere (sign +1) or hyperbolic space (−1) of a radius, in stereographic coordinates."""

    def metric_at(x):
        factor = (4 / (1 + sign * x.square().sum(-1) / radius**2).square())[..., None, None]
        return factor * torch.eye(x.shape[-1], dtype=x.dtype)

    return metric_at


def all_of(metric_at, x):
    jet = curvature.metric_jet(metric_at, x)
    riemann = curvature.riemann(jet)
    return jet.g, riemann, curvature.scalar(riemann, jet.g)


def point(n, seed=1):
    return 0.2 * fill((n,), "normal", seed, torch.float64)


@cases("n", [2, 3, 4, 8])
@cases("radius", [1.0, 2.0])
@cases("sign", [1, -1])
def test_spaces_of_constant_curvature(n, radius, sign):
    expected = sign * n * (n - 1) / radius**2
    g, riemann, scalar = all_of(stereographic(sign, radius), point(n))
    assert_close(scalar.item(), expected, rtol=1e-7, atol=0)
    assert_close(curvature.ricci(riemann, g), g * sign * (n - 1) / radius**2, rtol=1e-7, atol=1e-6)


def log_factor(y, field):
    """``φ`` at ``y (N, m)``, from its definition."""
    squares = torch.cdist(y, field.centres, compute_mode="donot_use_mm_for_euclid_dist").square()
    return (-0.5 * squares / field.width**2).exp() @ field.amplitudes


def mixture(form, n, seed, count=6):
    centres = fill((count, n), "normal", seed, torch.float64)
    amplitudes = 0.3 * fill((count,), "normal", seed + 1, torch.float64)
    return Mixture(centres @ metric.root(form).mT, amplitudes, torch.tensor(2.5, dtype=torch.float64))


def conformal_metric(n):
    """A metric that varies: its form, root and field, and the metric as a function of the place."""
    form = MetricForm(
        q=None,
        lam=torch.linspace(0.5, 2, n, dtype=torch.float64),
        omega2=torch.tensor(1.3, dtype=torch.float64),
        u=torch.nn.functional.normalize(fill((n, 2), "normal", 3, torch.float64), dim=0),
        d=torch.tensor([0.5, 2.0], dtype=torch.float64),
    )
    root, field = metric.root(form), mixture(form, n, 4)

    def metric_at(x):
        phi = log_factor(x.reshape(-1, n) @ root.mT, field).reshape(x.shape[:-1])
        return (2 * phi).exp()[..., None, None] * metric.dense(form)

    return form, root, field, metric_at


@cases("n", [2, 3, 5])
def test_closed_form_is_the_curvature_of_the_conformal_metric(n):
    _, root, field, metric_at = conformal_metric(n)
    x = point(n, 5)
    _, _, expected = all_of(metric_at, x)
    actual = conformal.scalar_curvature((root @ x)[None], field, n)[0]
    assert abs(expected) > 1e-2
    assert_close(actual, expected, rtol=1e-7, atol=1e-9)
    assert_close(
        conformal.resilience((root @ x)[None], field, n, 1e-8)[0], (expected.abs() / n**2 + 1e-8).sqrt()
    )


@cases("n", [2, 3, 4])
def test_principal_planes_are_the_spectrum_of_the_curvature_operator(n):
    form, root, field, metric_at = conformal_metric(n)
    x = point(n, 5)
    g, riemann, scalar = all_of(metric_at, x)
    frame = torch.linalg.inv(torch.linalg.cholesky(g)).mT  # columns are orthonormal under g
    full = torch.einsum("rsmn,ra,sb,mc,nd->abcd", riemann, frame, frame, frame, frame)
    a, b = torch.triu_indices(n, n, 1)
    operator = full[a[:, None], b[:, None], a, b]  # R_op[μν, ρσ], symmetric
    assert_close(operator, operator.mT, rtol=0, atol=1e-6)
    found = conformal.principal_planes((root @ x)[None], field, root)
    expected = torch.linalg.eigvalsh(operator)
    assert (expected[-1] - expected[0]) > 1e-2 or n == 2
    assert_close(found.curvatures[0].sort().values, expected, rtol=1e-6, atol=1e-7)
    assert_close(2 * found.curvatures.sum(), scalar, rtol=1e-6, atol=1e-7)
    axes = found.axes[0]
    eye = torch.eye(n, dtype=torch.float64)
    assert_close(axes.mT @ metric.dense(form) @ axes, eye, rtol=0, atol=1e-9)
    # The sectional curvature of each plane, from the whole tensor.
    unit = axes * (metric.dense(form).det() / g.det()) ** (1 / (2 * n))
    for pair, value in zip(found.pairs.T.tolist(), found.curvatures[0], strict=True):
        u, v = unit[:, pair[0]], unit[:, pair[1]]
        assert_close(torch.einsum("rsmn,r,s,m,n->", riemann, u, v, u, v), value, rtol=1e-6, atol=1e-7)


@LAW
@given(seed=seeds(), form=metric_forms(dtype=torch.float64))
def test_conformal_pullback_is_the_derivative(seed, form):
    n = form.lam.shape[0]
    field = mixture(form, n, seed)._replace(width=torch.tensor(float(n), dtype=torch.float64))
    y = fill((4, n), "normal", seed + 2, torch.float64) @ metric.root(form).mT
    dr = fill((4,), "normal", seed + 3, torch.float64)
    dy, dfield = conformal.resilience_pullback(y, field, n, 1e-6, dr)
    expected = gradients(
        lambda s: (
            dr * conformal.resilience(s["y"], Mixture(s["centres"], s["amplitudes"], s["width"]), n, 1e-6)
        ).sum(),
        {"y": y, **field._asdict()},
        ("y", *Mixture._fields),
    )
    assert_derivatives({"y": dy, **dfield._asdict()}, expected)


@LAW
@given(seed=seeds(), offset=st.sampled_from((0.0, 1e4)))
def test_conformal_curvature_in_float32_far_from_the_origin(seed, offset):
    # Multiples of 1/64, so that float32 holds the coordinates exactly.
    y, centres = (
        (64 * fill((rows, 8), "normal", seed, torch.float64)).round() / 64 + offset for rows in (5, 7)
    )
    amplitudes, width = fill((7,), "normal", seed + 1, torch.float64), torch.tensor(3.0, dtype=torch.float64)
    field, dr = Mixture(centres, amplitudes, width), torch.ones(5, dtype=torch.float64)
    exact = conformal.scalar_curvature(y, field, 8)
    single = Mixture(*(part.float() for part in field))
    close = {"rtol": 0, "atol": 1e-5 * exact.abs().max().item()}
    assert_close(conformal.scalar_curvature(y.float(), single, 8).double(), exact, **close)
    dy, _ = conformal.resilience_pullback(y, field, 8, 1e-2, dr)
    dy_single, _ = conformal.resilience_pullback(y.float(), single, 8, 1e-2, dr.float())
    assert_close(dy_single.double(), dy, rtol=0, atol=1e-3 * dy.abs().max().item())


@cases("width", [1.0, 1e-6])
def test_far_away_a_conformal_metric_is_flat(width):
    centres, amplitudes = fill((6, 3), "normal", 0, torch.float32), torch.ones(6)
    field = Mixture(centres, amplitudes, torch.tensor(width))
    far = torch.full((1, 3), 1e15)
    assert conformal.scalar_curvature(far, field, 3) == 0
    dy, dfield = conformal.resilience_pullback(far, field, 3, 1e-8, torch.ones(1))
    assert all((value == 0).all() for value in (dy, *dfield))


@LAW
@given(seed=seeds(), size=st.sampled_from((0.01, 1.0, 1e6)))
def test_bounded_amplitudes_bound_the_factor(seed, size):
    amplitudes = size * fill((6,), "normal", seed, torch.float32)
    bounded = conformal.bound_amplitudes(amplitudes, 3.0)
    assert bounded.abs().sum() <= 3
    assert math.isclose(bounded.abs().sum(), min(3.0, amplitudes.abs().sum()), rel_tol=1e-4)
    assert (conformal.bound_amplitudes(bounded, 3.0) == bounded).all()
    field = Mixture(torch.zeros(6, 2), bounded, torch.ones(()))
    assert (log_factor(fill((9, 2), "normal", seed, torch.float32), field).abs() <= 3).all()
