"""Every source of resilience obeys the contract; each has laws of its own."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.errors import UsageError
from lior.geometry.metric import root
from lior.testing.strategies import LAW, fill, seeds
from lior.testing.tensors import cast
from lior_plugins import conformal
from lior_plugins.conformal import Mixture
from lior_plugins.rsources import constitutive as constitutive_module
from lior_plugins.rsources.constitutive import Constitutive
from lior_plugins.rsources.curvature import Curvature
from tests.cases import cases
from tests.strategies import identity_form, metric_forms, quad

FORM = identity_form(8, dtype=torch.float64)


def observed(source, z, form=FORM, total=None, state=None):
    if state is None:
        state = cast(source.init(z.shape[1], generator=torch.Generator().manual_seed(0)), z.dtype)
    return source.observe(state, z, form, total=len(z) if total is None else total)


def points(rows, seed, n=8):
    return fill((rows, n), "normal", seed, torch.float64)


@LAW
@given(seed=seeds(), form=metric_forms(n=8, dtype=torch.float64), factor=st.sampled_from((0.01, 9.0)))
@pytest.mark.parametrize(
    "source", [Constitutive(k=7), Curvature(eps=1e-30)], ids=["constitutive", "curvature"]
)
def test_a_constant_factor_of_the_metric_leaves_the_cost(source, seed, form, factor):
    z, at = points(60, seed), points(6, seed + 1)
    other = form._replace(omega2=form.omega2 * factor, d=form.d * factor)
    one, scaled = (source.resilience(observed(source, z, f), at, f) for f in (form, other))
    v = at - at.flip(0)
    assert_close(scaled * quad(other, v).sqrt(), one * quad(form, v).sqrt(), rtol=1e-6, atol=0)


@LAW
@given(seed=seeds(), form=metric_forms(n=8, dtype=torch.float64), k=st.sampled_from((1, 5, 60)))
def test_constitutive_is_the_inverse_distance_to_the_kth_item(seed, form, k):
    z, at = points(60, seed), points(6, seed + 1)
    a = root(form)
    kth = (
        torch.cdist(at @ a.mT, z @ a.mT, compute_mode="donot_use_mm_for_euclid_dist")
        .kthvalue(k, dim=1)
        .values
    )
    source = Constitutive(k=k, softening=1e-3)
    state = observed(source, z, form)
    softening = source.softening * state["length"]
    assert_close(source.resilience(state, at, form), 1 / (kth + softening), rtol=1e-9, atol=0)


def test_the_length_is_the_median_over_the_others():
    z = points(50, 0)
    others = torch.cdist(z, z).fill_diagonal_(torch.inf).kthvalue(4, dim=1).values
    assert_close(observed(Constitutive(k=4), z)["length"], others.median(), rtol=1e-6, atol=0)


def test_a_larger_memory_is_denser_than_its_sample():
    z, at = points(50, 0), points(6, 1)
    source = Constitutive(k=10)
    values = [
        source.resilience({**observed(source, z, total=total), "length": torch.ones(())}, at, FORM)
        for total in (50, 52, 60, 100, 10_000)
    ]
    for sparse, dense in pairwise(values):
        assert (dense > sparse).all(), "the same k is nearer in a larger memory"
    nearest = torch.cdist(at, z).amin(1)
    assert_close(values[-1], 1 / (nearest + 0.05), rtol=1e-5, atol=0)


def test_resilience_changes_little_with_k():
    z, at = points(200, 0), points(6, 1)
    ks = [
        Constitutive(k=k).resilience(observed(Constitutive(k=k), z, total=10_000), at, FORM)
        for k in (75, 76, 77)
    ]
    assert_close(ks[1], (ks[0] + ks[2]) / 2, rtol=0.03, atol=0)
    assert (ks[0] != ks[1]).all()


def test_dense_surroundings_resist_more_and_the_power_tells_how_much():
    z = torch.cat([0.1 * points(50, 0), 10 + 3 * points(50, 1)])
    source = Constitutive(k=5)
    state = observed(source, z)
    dense, sparse = source.resilience(state, z[[0, 99]] + 0.01, FORM)
    assert dense > 3 * sparse
    flat = source.resilience({**state, "power": torch.zeros(()).double()}, z, FORM)
    assert_close(flat, torch.full_like(flat, (1 / state["length"]).item()))
    assert source.project({**state, "power": torch.tensor(9.0)})["power"] == 4


def test_far_from_everything_resilience_is_positive_and_level():
    z, source = points(50, 0).float(), Constitutive(k=5)
    form = identity_form(8)
    state = {**observed(source, z, form), "power": torch.tensor(4.0)}
    far = torch.full((1, 8), 1e12)
    assert source.resilience(state, far, form) > 0
    assert (source.pullback(state, far, form, torch.ones(1)).z == 0).all()


def test_an_item_of_the_sample_and_its_derivatives_are_finite():
    z = points(50, 0)
    source = Constitutive(k=1)
    state = observed(source, z)
    assert_close(source.resilience(state, z, FORM), torch.full((50,), 1 / 0.05).double() / state["length"])
    assert (source.pullback(state, z, FORM, torch.ones(50).double()).z.isfinite()).all()


@cases("rows", [0, 1])
def test_a_memory_without_a_medium_has_resilience_one(rows):
    source, at = Constitutive(), points(6, 1)
    state = observed(source, points(rows, 0))
    assert (source.resilience(state, at, FORM) == 1).all()
    pulled = source.pullback(state, at, FORM, torch.ones(6).double())
    assert all((value == 0).all() for value in (pulled.z, pulled.root, pulled.params["power"]))
    full = observed(source, points(9, 0))
    emptied = observed(source, points(rows, 0), state=full)
    assert (source.resilience(emptied, at, FORM) == 1).all()


def test_the_reference_covers_the_batch_evenly():
    z = torch.arange(1000.0).double()[:, None].expand(-1, 2)
    kept = observed(Constitutive(sample=10), z, identity_form(2, dtype=torch.float64))["reference"]
    assert_close(kept[:, 0], torch.arange(0, 1000.0, 100).double())


def test_blocks_give_what_one_piece_gives(monkeypatch):
    z, at = points(50, 0), points(7, 1)
    source = Constitutive(k=5)
    state = observed(source, z)
    whole = source.resilience(state, at, FORM)
    monkeypatch.setattr(constitutive_module, "_BLOCK", 120)
    assert_close(source.resilience(state, at, FORM), whole)


def test_centres_cover_the_points():
    z = points(200, 0)
    centres = observed(Curvature(centres=16), z)["centres"]
    between = torch.cdist(centres, centres).fill_diagonal_(torch.inf).min()
    assert torch.cdist(z, centres).amin(1).max() <= between + 1e-9
    moved = observed(Curvature(centres=16), z.flip(0))["centres"]
    assert_close(moved, centres)


def test_centres_follow_the_medium_and_keep_their_amplitudes():
    z, source = points(200, 0), Curvature(centres=16)
    state = observed(source, z)
    again = observed(source, z, state=state)
    assert_close(again["centres"], state["centres"])
    assert again["observed"] == 2
    shifted = observed(source, z + 0.01, state=state)
    assert_close(shifted["centres"], state["centres"] + 0.01)
    assert all((shifted[key] == state[key]).all() for key in source.learned)
    others = points(200, 1)
    nearest = others[torch.cdist(state["centres"], others).argmin(dim=1)]
    assert_close(observed(source, others, state=state)["centres"], nearest)


def test_the_width_follows_the_spacing_of_the_centres():
    z, at, source = points(200, 0), points(6, 1), Curvature(centres=16)
    state = {**observed(source, z), "log_width": torch.tensor(0.5, dtype=torch.float64)}
    centres = state["centres"]
    deviation = (centres - centres.mean(0)).square().sum(-1).mean().sqrt()
    field = Mixture(centres, state["amplitudes"], math.exp(0.5) * deviation * 16 ** (-1 / 8))
    assert_close(source.resilience(state, at, FORM), conformal.resilience(at, field, 8, source.eps))


def test_curvature_stays_in_range():
    source = Curvature(centres=6)
    state = observed(source, points(20, 0))
    far = {**state, "amplitudes": 1e6 * state["amplitudes"], "log_width": torch.tensor(-50.0).double()}
    projected = source.project(far)
    assert projected["amplitudes"].abs().sum() <= 3
    assert projected["log_width"] == -3
    assert source.resilience(projected, points(20, 0), FORM).isfinite().all()


def test_refusals_say_what_is_wrong():
    with pytest.raises(UsageError, match="total = 3 with 5 sampled coordinates"):
        observed(Constitutive(), points(5, 0), total=3)
    for source in (Constitutive(), Curvature()):
        state = observed(source, points(5, 0))
        with pytest.raises(UsageError, match="coordinates of 3 dimensions with a metric on 8"):
            source.resilience(state, points(5, 0, n=3), FORM)
