"""The laws that every :class:`~lior.interfaces.RSource` obeys."""

from __future__ import annotations

from typing import NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from lior.geometry import metric
from lior.interfaces import MetricForm, RSource, State
from lior.testing.strategies import EDGES, dimensions, dtypes, fill, law, made, rotation, seeds
from lior.testing.tensors import (
    InitialStateContract,
    assert_derivatives,
    assert_reachable,
    assert_same,
    cast,
    gradients,
    make_generator,
    move_state,
    unchanged,
)


@st.composite
def _cases(draw: st.DrawFn, dtype: torch.dtype | None = None) -> _Case:
    move = draw(st.sampled_from((0.0, 0.1)))
    return _case(draw(made()), draw(dimensions()), draw(seeds()), dtype or draw(dtypes()), move)


class RSourceContract(InitialStateContract[RSource]):
    """The laws of a source of resilience."""

    interface = RSource

    @law(
        n=dimensions(),
        rows=st.sampled_from((0, 1, 2, 40)),
        medium=st.sampled_from(EDGES),
        edge=st.sampled_from(EDGES),
        seed=seeds(),
        dtype=dtypes(),
    )
    def test_resilience_is_positive_and_finite(
        self, n: int, rows: int, medium: str, edge: str, seed: int, dtype: torch.dtype
    ) -> None:
        source, form = self.make(), _form(n, seed, dtype)
        fresh = cast(source.init(n, generator=make_generator(seed)), dtype)
        z = fill((6, n), edge, seed, dtype)
        points = fill((rows, n), medium, seed + 1, dtype)
        observed = source.observe(fresh, points, form, total=rows)
        for state in (fresh, observed):
            for at in (z, points):
                r = source.resilience(state, at, form)
                assert r.shape == at.shape[:-1]
                assert r.isfinite().all(), r
                assert (r > 0).all(), r
                pulled = source.pullback(state, at, form, torch.ones_like(r))
                for value in (pulled.z, pulled.root, *pulled.params.values()):
                    assert value.isfinite().all(), "a derivative is not finite"

    @law(case=_cases())
    def test_one_number_for_each_point(self, case: _Case) -> None:
        source = self.make()
        r = source.resilience(case.state, case.z, case.form)
        assert r.shape == case.z.shape[:-1]
        rtol = 1e-4 if r.dtype == torch.float32 else 1e-9
        atol = rtol * float(r.max())  # a curvature near 0 is a difference of larger numbers
        block = case.z.reshape(2, -1, case.z.shape[-1])
        for z, expected in ((block, r.reshape(2, -1)), (case.z[0], r[0]), (case.z.flip(0), r.flip(0))):
            assert_close(source.resilience(case.state, z, case.form), expected, rtol=rtol, atol=atol)

    @law(case=_cases())
    def test_points_differ(self, case: _Case) -> None:
        r = self.make().resilience(case.state, case.z, case.form)
        assert r.std() > 1e-4 * r.mean(), f"one number for the whole batch is only a temperature: {r}"

    @law(n=dimensions(), seed=seeds())
    def test_the_medium_matters(self, n: int, seed: int) -> None:
        first = _case(self.make(), n, seed, torch.float64, move=0.0)
        other = self.make().observe(first.fresh, 3 * first.medium + 1, first.form, total=len(first.medium))
        before, after = (self.make().resilience(s, first.z, first.form) for s in (first.state, other))
        assert (before != after).any(), "observing another memory changes nothing"

    @law(case=_cases(dtype=torch.float64), seed=seeds())
    def test_pullback_is_the_derivative(self, case: _Case, seed: int) -> None:
        source = self.make()
        z = case.z.reshape(2, -1, case.z.shape[-1])
        dr = fill(z.shape[:-1], "normal", seed, torch.float64)
        pulled = source.pullback(case.state, z, case.form, dr)
        assert pulled.root.shape == metric.root(case.form).shape
        actual = {**pulled.params, "the coordinates": pulled.z}
        actual |= metric.root_pullback(case.form, pulled.root)._asdict()
        at = {**case.state, "the coordinates": z, **case.form._asdict()}
        expected = gradients(
            lambda s: (dr * source.resilience(s, s["the coordinates"], _form_of(s))).sum(),
            at,
            (*source.learned, "the coordinates", *MetricForm._fields),
        )
        assert_derivatives(actual, expected)

    @law(case=_cases(dtype=torch.float64))
    def test_every_learned_entry_is_reachable(self, case: _Case) -> None:
        source = self.make()
        pulled = source.pullback(case.state, case.z, case.form, torch.ones(len(case.z)).double())
        assert_reachable(pulled.params, source.learned)

    @law(case=_cases())
    def test_project_is_idempotent_and_keeps_values_in_range(self, case: _Case) -> None:
        # The states are projected already, from values in and far out of range.
        assert_same(self.make().project(case.state), case.state)
        assert_same(self.make().project(case.fresh), case.fresh)

    @law(case=_cases())
    def test_observe_is_deterministic(self, case: _Case) -> None:
        total = 2 * len(case.medium)
        assert_same(
            *(self.make().observe(case.fresh, case.medium.clone(), case.form, total=total) for _ in range(2))
        )

    @law(case=_cases())
    def test_inputs_are_not_mutated(self, case: _Case) -> None:
        source = self.make()
        dr, wild = case.z[:, 0].clone(), {key: 100 * value for key, value in case.state.items()}
        points = {"z": case.z, "medium": case.medium, "dr": dr}
        with unchanged(case.state, case.form._asdict(), points, wild):
            source.observe(case.state, case.medium, case.form, total=len(case.medium))
            source.resilience(case.state, case.z, case.form)
            source.pullback(case.state, case.z, case.form, dr)
            source.project(wild)

    @law(case=_cases())
    def test_dtype_is_kept(self, case: _Case) -> None:
        source, dtype = self.make(), case.z.dtype
        r = source.resilience(case.state, case.z, case.form)
        pulled = source.pullback(case.state, case.z, case.form, r)
        assert {x.dtype for x in (r, pulled.z, pulled.root, *pulled.params.values())} == {dtype}
        observed = source.observe(case.state, case.medium, case.form, total=len(case.medium))
        for key, value in {**observed, **source.project(observed)}.items():
            assert value.dtype == case.state[key].dtype, key


rsource_contract = RSourceContract.of


class _Case(NamedTuple):
    fresh: State
    """State before any observation."""
    state: State
    """State after one observation, with learned entries moved and projected."""
    medium: Tensor
    """The observed coordinates, ``(30, n)``."""
    z: Tensor
    """Other points, ``(8, n)``."""
    form: MetricForm


def _case(source: RSource, n: int, seed: int, dtype: torch.dtype, move: float) -> _Case:
    form = _form(n, seed, dtype)
    fresh = cast(source.init(n, generator=make_generator(seed)), dtype)
    medium = fill((30, n), "normal", seed, dtype)
    state = source.observe(fresh, medium, form, total=len(medium))
    z = fill((8, n), "normal", seed + 9, dtype)
    return _Case(fresh, source.project(move_state(state, source.learned, move, seed)), medium, z, form)


def _form(n: int, seed: int, dtype: torch.dtype) -> MetricForm:
    """Return a generic metric whose factors, rotation and two directions, reach every part of the root."""
    u = torch.nn.functional.normalize(fill((n, 2), "normal", seed + 3, dtype), dim=0)
    return MetricForm(
        q=rotation(n, seed, dtype),
        lam=(0.5 * fill((n,), "normal", seed + 1, dtype)).exp(),
        omega2=(0.5 * fill((), "normal", seed + 2, dtype)).exp(),
        u=u,
        d=torch.tensor([0.5, 2.0], dtype=dtype),
    )


def _form_of(entries: State) -> MetricForm:
    return MetricForm(*(entries[field] for field in MetricForm._fields))
