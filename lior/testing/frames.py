"""The laws that every :class:`~lior.interfaces.FrameProvider` obeys."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.geometry import metric
from lior.geometry.metric import SCALE_MAX, SCALE_MIN, WEIGHT_MAX
from lior.interfaces import FrameProvider, GradientFrame, MetricForm, State
from lior.testing.strategies import EDGES, FINITE_SQUARES, dimensions, dtypes, fill, law, made, seeds
from lior.testing.tensors import (
    InitialStateContract,
    assert_derivatives,
    assert_same,
    cast,
    gradients,
    make_generator,
    move_state,
    named,
    unchanged,
)


@st.composite
def _states(draw: st.DrawFn, dtype: torch.dtype | None = None) -> State:
    """Draw projected states: after some batch, with learned entries moved not at all, a little or far."""
    frame = draw(made())
    seed = draw(seeds())
    state = _observe(frame, draw(dimensions()), seed, dtype or draw(dtypes()), draw(st.sampled_from(EDGES)))
    size = draw(st.sampled_from((0.0, 0.3, 1e3)))
    return frame.project(move_state(state, frame.learned, size, seed))


class FrameContract(InitialStateContract[FrameProvider]):
    """The laws of a frame."""

    interface = FrameProvider

    @law(state=_states())
    def test_form_is_positive_definite_and_in_range(self, state: State) -> None:
        form, least = self.make().form(state), _least(self.make())
        _assert_in_range(form, least)
        # In float64: rounding g itself to float32 moves eigenvalues by more than the least.
        eigenvalues = torch.linalg.eigvalsh(metric.dense(metric.cast(form, torch.float64)))
        assert eigenvalues[0] > 0.99 * least * SCALE_MIN, f"least eigenvalue {eigenvalues[0]}"

    @law(state=_states())
    def test_q_is_a_rotation(self, state: State) -> None:
        q = self.make().form(state).q
        if q is None:
            return
        tolerance = 1e-6 if q.dtype == torch.float32 else 1e-13
        q = q.double()
        assert_close(q @ q.mT, torch.eye(len(q), dtype=q.dtype), atol=tolerance, rtol=0)
        assert torch.linalg.det(q) > 0, "determinant −1: a reflection"

    @law(state=_states(), edge=st.sampled_from(FINITE_SQUARES), seed=seeds())
    def test_quadratic_form_is_never_negative(self, state: State, edge: str, seed: int) -> None:
        form = self.make().form(state)
        y = fill((16, len(form.lam)), edge, seed, form.lam.dtype) @ metric.root(form).mT
        value = y.square().sum(-1)
        assert value.isfinite().all()
        assert (value >= 0).all()

    @law(state=_states())
    def test_root_squares_to_the_metric(self, state: State) -> None:
        form = self.make().form(state)
        root, g = metric.root(form), metric.dense(form)
        eps = torch.finfo(g.dtype).eps
        assert_close(root.mT @ root, g, atol=100 * eps * g.abs().max().item(), rtol=0)

    @law(state=_states(dtype=torch.float64), seed=seeds())
    def test_pullback_is_the_derivative(self, state: State, seed: int) -> None:
        frame = self.make()
        form = frame.form(state)
        droot = fill(metric.root(form).shape, "normal", seed, torch.float64)
        actual = frame.pullback(state, metric.root_pullback(form, droot))
        expected = gradients(lambda s: (droot * metric.root(frame.form(s))).sum(), state, frame.learned)
        assert_derivatives(actual, expected)

    @law(seed=seeds(), n=dimensions())
    def test_every_learned_entry_is_reachable(self, seed: int, n: int) -> None:
        frame = self.make()
        state = _observe(frame, n, seed, torch.float64, "normal")
        form = frame.form(state)
        droot = fill(metric.root(form).shape, "normal", seed + 1, torch.float64)
        gradient = frame.pullback(state, metric.root_pullback(form, droot))
        for key in frame.learned:
            assert gradient[key].isfinite().all(), key
            assert (gradient[key] != 0).all(), f"{key}: a gradient is 0 for generic input"

    @law(state=_states())
    def test_project_is_idempotent(self, state: State) -> None:
        # The states are projected already, from values far out of range.
        assert_same(self.make().project(state), state)

    @law(seed=seeds(), n=dimensions(), dtype=dtypes())
    def test_project_keeps_the_form_of_a_fresh_state(self, seed: int, n: int, dtype: torch.dtype) -> None:
        frame = self.make()
        state = _observe(frame, n, seed, dtype, "normal")
        before, after = _fields(frame.form(state)), _fields(frame.form(frame.project(state)))
        # Fresh entries are float32: a direction is a unit vector to that precision only.
        for key, value in before.items():
            assert_close(after[key], value, atol=1e-6, rtol=1e-6, msg=named(key))

    @law(state=_states(), edge=st.sampled_from(EDGES), seed=seeds())
    def test_inputs_are_not_mutated(self, state: State, edge: str, seed: int) -> None:
        frame = self.make()
        form = frame.form(state)
        dform = metric.root_pullback(form, torch.ones_like(metric.root(form)))
        z = fill((5, len(form.lam)), edge, seed, form.lam.dtype)
        wild = {key: 1e3 * value + 1 for key, value in state.items()}
        with unchanged(state, wild, {"z": z}, _fields(dform)):
            frame.form(state)
            frame.observe(state, z)
            frame.pullback(state, dform)
            frame.project(wild)

    @law(state=_states(), edge=st.sampled_from(EDGES), seed=seeds())
    def test_observe_is_deterministic(self, state: State, edge: str, seed: int) -> None:
        lam = self.make().form(state).lam
        z = fill((7, len(lam)), edge, seed, lam.dtype)
        assert_same(self.make().observe(state, z), self.make().observe(state, z.clone()))

    @law(seed=seeds(), n=dimensions(), dtype=dtypes(), rows=st.sampled_from((0, 1, 2, 40)))
    def test_degenerate_data_give_a_finite_form(
        self, seed: int, n: int, dtype: torch.dtype, rows: int
    ) -> None:
        frame = self.make()
        state = _observe(frame, n, seed, dtype, "normal", rows=0)
        for edge in EDGES:
            state = frame.observe(state, fill((rows, n), edge, seed, dtype))
            _assert_in_range(frame.form(state), _least(frame))

    @law(state=_states(), seed=seeds())
    def test_dtype_of_the_state_is_kept(self, state: State, seed: int) -> None:
        frame = self.make()
        dtype = frame.form(state).lam.dtype
        form = frame.form(state)
        dform = metric.root_pullback(form, torch.ones_like(metric.root(form)))
        z = fill((5, len(form.lam)), "normal", seed, dtype)
        results = [_fields(form), frame.pullback(state, dform), frame.project(state)]
        for result in [*results, frame.observe(state, z)]:
            wrong = [key for key, value in result.items() if value.dtype != dtype]
            assert not wrong, f"not {dtype}: {wrong}"


frame_contract = FrameContract.of


def _observe(frame: FrameProvider, n: int, seed: int, dtype: torch.dtype, edge: str, rows: int = 40) -> State:
    """Return a fresh state, cast to ``dtype``, that has observed a batch of the given kind."""
    state = cast(frame.init(n, generator=make_generator(seed)), dtype)
    state = frame.observe(state, fill((rows, n), edge, seed, dtype))
    if isinstance(frame, GradientFrame):
        state = frame.observe_gradients(state, fill((rows, 2, n), edge, seed + 1, dtype))
    return state


def _fields(form: MetricForm) -> State:
    return {key: value for key, value in form._asdict().items() if value is not None}


def _least(frame: FrameProvider) -> float:
    """Return the minimum entry of ``lam``; frames of gradients may set it."""
    return frame.least_scale if isinstance(frame, GradientFrame) else SCALE_MIN


def _assert_in_range(form: MetricForm, least: float) -> None:
    for key, value in _fields(form).items():
        assert value.isfinite().all(), f"{key} is not finite"
    for key, scale, low in (("lam", form.lam, least), ("omega2", form.omega2, SCALE_MIN)):
        inside = (scale > 0.999 * low) & (scale < 1.001 * SCALE_MAX)
        assert inside.all(), f"{key} beyond [{low}, {SCALE_MAX}]: {scale}"
    assert (form.d >= 0).all(), f"a negative weight: {form.d}"
    assert (form.d <= 1.001 * WEIGHT_MAX).all(), f"a weight beyond {WEIGHT_MAX}: {form.d}"
    norms = torch.linalg.vector_norm(form.u, dim=0)
    assert_close(norms, torch.ones_like(norms), atol=1e-5, rtol=0, msg=named("columns of u"))
