"""Laws of the single frames, beyond the contract that all of them obey."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.errors import UsageError
from lior.geometry import metric
from lior.testing.strategies import LAW, dimensions, dtypes, fill, rotation, seeds
from lior_plugins.frames.derived import Derived
from lior_plugins.frames.lowrank import LowRank
from lior_plugins.frames.rotor import Rotor
from tests.cases import cases

FRAMES = [Derived(), LowRank(), Rotor()]


def fresh(frame, n=8, seed=0, dtype=torch.float64):
    state = frame.init(n, generator=torch.Generator().manual_seed(seed))
    return {key: value.to(dtype) for key, value in state.items()}


def anisotropic(n, seed, dtype=torch.float64, rows=200):
    """A batch whose variances differ by a factor of about 2 from axis to axis."""
    scales = 2.0 ** (-0.5 * torch.arange(n, dtype=torch.float64).remainder(16))
    basis = rotation(n, seed + 1, torch.float64)
    return ((fill((rows, n), "normal", seed, torch.float64) * scales) @ basis.mT).to(dtype)


def covariance(z):
    return torch.cov(z.mT, correction=0)


def dense(frame, state):
    return metric.dense(frame.form(state))


@cases("frame", FRAMES)
def test_one_dimension_is_refused(frame):
    with pytest.raises(UsageError, match=r"n = 1: .* at least 2"):
        frame.init(1, generator=torch.Generator())


@cases("frame", [LowRank(rank=9), Rotor(rank=9)])
def test_more_directions_than_dimensions_are_refused(frame):
    with pytest.raises(UsageError, match="rank = 9: allowed is 0 to 8"):
        frame.init(8, generator=torch.Generator())


# --- derived ----------------------------------------------------------------


@LAW
@given(n=dimensions(), seed=seeds(), dtype=dtypes())
def test_derived_axes_are_eigenvectors_in_descending_order(n, seed, dtype):
    frame = Derived()
    z = anisotropic(n, seed, dtype)
    form = frame.form(frame.observe(fresh(frame, n, dtype=dtype), z))
    cov = covariance(z.double())
    in_frame = form.q.double().mT @ cov @ form.q.double()
    variances = in_frame.diagonal()
    tolerance = (1e-5 if dtype == torch.float32 else 1e-12) * cov.trace().item()
    assert_close(in_frame, variances.diag(), atol=tolerance, rtol=0)
    assert (variances.diff() <= tolerance).all()
    eye = torch.eye(n, dtype=torch.float64)
    last_digits = 2e-7 if dtype == torch.float32 else 1e-13
    assert_close(form.q.double().mT @ form.q.double(), eye, atol=last_digits, rtol=0)


@LAW
@given(n=dimensions(), seed=seeds(), dtype=dtypes(), strength=st.sampled_from((0.0, 0.4, 1.0)))
def test_derived_scales_whiten(n, seed, dtype, strength):
    frame = Derived(whitening=strength)
    z = anisotropic(n, seed, dtype)
    cov = covariance(z.double())
    variances, axes = torch.linalg.eigh(cov)
    lam = (variances.mean() / (variances + 0.01 * variances.mean())) ** strength
    expected = (axes * lam) @ axes.mT
    actual = dense(frame, frame.observe(fresh(frame, n, dtype=dtype), z)).double()
    tolerance = (1e-3 if dtype == torch.float32 else 1e-9) * expected.abs().max().item()
    assert_close(actual, expected, atol=tolerance, rtol=0)


@LAW
@given(n=dimensions(), seed=seeds(), dtype=dtypes())
def test_derived_ignores_the_sign_of_the_data(n, seed, dtype):
    frame = Derived()
    z = anisotropic(n, seed, dtype)
    one, other = (frame.observe(fresh(frame, n, dtype=dtype), sign * z) for sign in (1, -1))
    assert torch.equal(one["q"], other["q"])
    assert torch.equal(one["log_lam"], other["log_lam"])


@LAW
@given(n=dimensions(), seed=seeds())
def test_derived_sign_rule(n, seed):
    frame = Derived()
    q = frame.observe(fresh(frame, n), anisotropic(n, seed))["q"]
    peaks = q.gather(0, q.abs().argmax(0, keepdim=True))[0]
    assert (peaks[:-1] > 0).all(), "only the last column may be turned, for the determinant"


@LAW
@given(n=st.sampled_from((2, 8)), seed=seeds(), split=st.integers(0, 60))
def test_derived_batches_add_up(n, seed, split):
    frame = Derived()
    z = anisotropic(n, seed, rows=60) + torch.linspace(-1, 1, 60, dtype=torch.float64)[:, None]
    whole = frame.observe(fresh(frame, n), z)
    parts = frame.observe(frame.observe(fresh(frame, n), z[:split]), z[split:])
    for key in ("count", "mean", "covariance"):
        assert_close(parts[key], whole[key], rtol=1e-12, atol=1e-12)
    assert_close(dense(frame, parts), dense(frame, whole), rtol=1e-8, atol=1e-8)
    assert_close(whole["covariance"], covariance(z), rtol=1e-12, atol=1e-12)


def test_derived_without_decay_keeps_only_the_last_batch():
    frame = Derived(decay=0.0)
    first, last = anisotropic(8, 1), anisotropic(8, 2)
    state = frame.observe(frame.observe(fresh(frame), first), last)
    _same_statistics(state, frame.observe(fresh(frame), last))


def test_derived_decay_weighs_the_past():
    frame = Derived(decay=0.5)
    first, last = anisotropic(8, 1, rows=40), anisotropic(8, 2, rows=20) + 1
    state = frame.observe(frame.observe(fresh(frame), first), last)
    # 40 rows at half the weight count like 20, so both batches weigh the same.
    both = torch.cat([first, last, last])
    _same_statistics(state, {"mean": both.mean(0), "covariance": covariance(both)})


def _same_statistics(state, expected):
    for key in ("mean", "covariance"):
        assert_close(state[key], expected[key], rtol=1e-12, atol=1e-12)


def test_derived_is_euclidean_before_any_data():
    frame = Derived()
    assert torch.equal(dense(frame, fresh(frame)), torch.eye(8, dtype=torch.float64))


@cases("batch", ["constant", "not a number", "overflowing", "empty"])
def test_derived_leaves_the_axes_alone_without_new_variance(batch):
    frame = Derived()
    z = {
        "constant": torch.full((5, 8), 3.0),
        "not a number": torch.full((5, 8), math.nan),
        "overflowing": fill((5, 8), "huge", 0, torch.float32),
        "empty": torch.zeros(0, 8),
    }[batch]
    fresh_state = fresh(frame, dtype=torch.float32)
    assert_close(dense(frame, frame.observe(fresh_state, z)), torch.eye(8))
    seen = frame.observe(fresh_state, anisotropic(8, 0, torch.float32))
    if batch != "constant":
        after = frame.observe(seen, z)
        assert all(torch.equal(after[key], seen[key]) for key in seen)


def test_derived_keeps_the_axes_when_the_variance_is_gone():
    frame = Derived(decay=0.0)
    seen = frame.observe(fresh(frame), anisotropic(8, 0))
    after = frame.observe(seen, torch.full((5, 8), 3.0, dtype=torch.float64))
    assert after["covariance"].abs().max() == 0
    assert torch.equal(dense(frame, after), dense(frame, seen))


def test_derived_scales_stay_in_range_in_many_dimensions():
    frame = Derived()
    z = torch.randn(30, 1, generator=torch.Generator().manual_seed(0)) * torch.ones(128)
    form = frame.form(frame.observe(fresh(frame, 128, dtype=torch.float32), z))
    assert_close(form.lam[[0, -1]], torch.tensor([metric.SCALE_MIN, metric.SCALE_MAX]))


def test_derived_rank_one_data():
    frame = Derived()
    axis = rotation(8, 3, torch.float64)[0]
    z = torch.linspace(-1, 2, 30, dtype=torch.float64)[:, None] * axis
    form = frame.form(frame.observe(fresh(frame), z))
    assert_close((form.q[:, 0] @ axis).abs(), torch.ones((), dtype=torch.float64))
    assert_close(form.lam, torch.tensor([1 / 8.01] + [100.0] * 7, dtype=torch.float64))


def test_derived_refuses_another_dimension():
    frame = Derived()
    with pytest.raises(UsageError, match=r"z has shape \(4, 5\): a frame of n = 8 observes \(N, 8\)"):
        frame.observe(fresh(frame), torch.zeros(4, 5, dtype=torch.float64))


# --- learned frames ---------------------------------------------------------


@cases("frame", [LowRank(), Rotor(rank=2)])
def test_learned_frames_ignore_data(frame):
    state = fresh(frame)
    assert frame.observe(state, anisotropic(8, 0)) == state


def test_rotor_layers_set_the_number_of_angles():
    assert fresh(Rotor(), 8)["theta"].shape == (7, 4)
    assert fresh(Rotor(), 5)["theta"].shape == (5, 2)
    assert fresh(Rotor(layers=3), 8)["theta"].shape == (3, 4)


def test_projected_angles_are_within_half_a_turn():
    frame = Rotor()
    state = fresh(frame)
    turned = {**state, "theta": state["theta"] + 2 * math.pi * torch.arange(-3.0, 4.0).double()[:, None]}
    projected = frame.project(turned)["theta"]
    assert projected.abs().max() <= math.pi
    assert_close(dense(frame, {**state, "theta": projected}), dense(frame, state), rtol=0, atol=1e-12)


def test_projected_directions_are_unit_for_any_size():
    frame = LowRank(rank=4)
    columns = torch.stack(
        [torch.zeros(8), *(fill((8,), e, 0, torch.float32) for e in ("tiny", "huge", "normal"))]
    )
    u = frame.project({**fresh(frame, dtype=torch.float32), "u": columns.mT.clone()})["u"]
    assert_close(torch.linalg.vector_norm(u, dim=0), torch.ones(4))
    assert_close(u[:, 3] * torch.linalg.vector_norm(columns[3]), columns[3])


def test_weights_are_the_softplus_and_reach_their_whole_range():
    frame = LowRank(rank=5)
    raw = torch.tensor([-1e3, -3.0, 0.5, 21.0, 1e3], dtype=torch.float64)
    d = frame.form(frame.project({**fresh(frame), "raw_d": raw})).d
    assert_close(d[1:4], raw[1:4].exp().log1p(), rtol=1e-13, atol=0)
    ends = torch.tensor([metric.WEIGHT_MIN, metric.WEIGHT_MAX], dtype=torch.float64)
    assert_close(d[[0, -1]], ends, rtol=1e-6, atol=0)
    assert_close(frame.form(fresh(frame)).d, torch.full((5,), 0.1, dtype=torch.float64), rtol=1e-6, atol=0)


def test_derivative_at_the_least_weight_is_finite():
    frame = LowRank(rank=2)
    state = frame.project({**fresh(frame), "raw_d": torch.full((2,), -1e3, dtype=torch.float64)})
    form = frame.form(state)
    droot = torch.ones_like(metric.root(form))
    gradient = frame.pullback(state, metric.root_pullback(form, droot))
    assert_close(form.d, torch.full((2,), metric.WEIGHT_MIN, dtype=torch.float64))
    assert gradient["raw_d"].isfinite().all()
    assert (gradient["raw_d"].abs() < 1e-3).all()
