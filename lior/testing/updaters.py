"""The laws that every :class:`~lior.interfaces.Updater` obeys.

The problem is a parabola in tensors of several shapes; the probe gives its loss
and its phases, so an updater may use either.
"""

from __future__ import annotations

import math

import torch
from hypothesis import given, settings
from torch import Tensor

from lior.interfaces import State, Updater
from lior.testing.strategies import LAW, Contract, dtypes, law, seeds
from lior.testing.tensors import assert_declared, assert_same, make_generator, unchanged

_UPDATES = 200


class Parabola:
    """``½ Σ h (p - target)²`` per number of parameters, as a :class:`~lior.interfaces.Probe`.

    A finite nudge ``b`` adds an error of first and second order in ``b`` to the
    phases, as a real estimate has.
    """

    def __init__(self, seed: int, dtype: torch.dtype):
        generator = make_generator(seed)

        def noise(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

        shapes: dict[str, tuple[int, ...]] = {"scalar": (), "vector": (5,), "matrix": (3, 4), "empty": (0, 3)}
        self.start: State = {name: noise(*shape) for name, shape in shapes.items()}
        self.target: State = {name: self.start[name] + noise(*shape) for name, shape in shapes.items()}
        self.curvature: State = {name: 0.5 + noise(*shape).abs() for name, shape in shapes.items()}

    def loss(self, params: State) -> float:
        """Return the mean over all numbers."""
        # Sorted: the order of the entries must not change the rounding.
        terms = (self.curvature[k] * (params[k] - self.target[k]) ** 2 for k in sorted(params))
        return 0.5 * sum(term.sum().item() for term in terms) / _count(params)

    def phases(self, params: State, nudge: float) -> State:
        """Return the gradient of :meth:`loss`, with an error for a finite nudge; zeros for ``nudge = 0``."""
        if nudge == 0:
            return {k: torch.zeros_like(p) for k, p in params.items()}
        count = _count(params)
        error = 0.0 if math.isinf(nudge) else (nudge + nudge**2) / count
        return {k: self.curvature[k] * (p - self.target[k]) / count + error for k, p in params.items()}


class Broken(Parabola):
    """A parabola that returns a number that is not finite."""

    def __init__(self, seed: int, answer: float):
        super().__init__(seed, torch.float32)
        self.answer = answer

    def loss(self, params: State) -> float:
        """Return the wrong answer."""
        return self.answer

    def phases(self, params: State, nudge: float) -> State:
        """Return the wrong answer, in every number."""
        return {k: torch.full_like(p, self.answer) for k, p in params.items()}


class UpdaterContract(Contract[Updater]):
    """The laws of an updater.

    Its options should suit a problem with curvatures and distances of about 1.
    """

    def test_declares_what_the_interface_asks_for(self) -> None:
        assert_declared(self.make(), Updater, self.make().init(Parabola(0, torch.float32).start))

    @settings(LAW, max_examples=3)
    @given(seed=seeds(), dtype=dtypes())
    def test_descends_further_than_random_search(self, seed: int, dtype: torch.dtype) -> None:
        problem = Parabola(seed, dtype)
        params = _run(self.make(), problem, seed, _UPDATES)
        reached, baseline = problem.loss(params), _random_search(problem, seed)
        assert reached < baseline, (
            f"loss {reached:.4f} after {_UPDATES} updates; random search {baseline:.4f}"
        )

    @law(seed=seeds(), dtype=dtypes())
    def test_shapes_and_dtypes_stay(self, seed: int, dtype: torch.dtype) -> None:
        problem, updater = Parabola(seed, dtype), self.make()
        state = updater.init(problem.start)
        params, after, accepted = _step(updater, problem, problem.start, state, seed)
        assert accepted
        for given_, returned in ((problem.start, params), (state, after)):
            assert given_.keys() == returned.keys()
            for key, value in given_.items():
                assert (returned[key].shape, returned[key].dtype) == (value.shape, value.dtype), key

    @law(seed=seeds())
    def test_a_generator_determines_the_result(self, seed: int) -> None:
        problem = Parabola(seed, torch.float32)
        assert_same(*(_run(self.make(), problem, seed, 5) for _ in range(2)))

    @law(seed=seeds())
    def test_a_run_can_be_resumed(self, seed: int) -> None:
        updater, problem = self.make(), Parabola(seed, torch.float32)
        params, state = straight, kept = problem.start, updater.init(problem.start)
        for k in range(4):
            # A file gives entries back in another order, and as other tensors.
            params, state = (
                {key: each[key].clone() for key in sorted(each, reverse=k % 2 == 0)}
                for each in (params, state)
            )
            params, state, _ = _step(updater, problem, params, state, seed + k)
            straight, kept, _ = _step(updater, problem, straight, kept, seed + k)
        assert_same(params, straight)
        assert_same(state, kept)

    @law(seed=seeds())
    def test_scale_zero_moves_nothing(self, seed: int) -> None:
        updater, problem = self.make(), Parabola(seed, torch.float32)
        state = updater.init(problem.start)
        params, _, accepted = _step(updater, problem, problem.start, state, seed, scale=0.0)
        assert accepted
        assert_same(params, problem.start)

    @law(seed=seeds())
    def test_scale_shrinks_the_step(self, seed: int) -> None:
        updater, problem = self.make(), Parabola(seed, torch.float64)
        state = updater.init(problem.start)
        small, whole = (
            _distance(_step(updater, problem, problem.start, state, seed, scale=scale)[0], problem.start)
            for scale in (1e-3, 1.0)
        )
        assert 0 < small < 0.1 * whole, f"moved {small} at scale 0.001 and {whole} at scale 1"

    def test_what_is_not_finite_is_rejected(self) -> None:
        for answer in (math.nan, math.inf, -math.inf):
            updater, problem = self.make(), Broken(0, answer)
            state = updater.init(problem.start)
            params, after, accepted = _step(updater, problem, problem.start, state, 0)
            assert not accepted, f"accepted an update from {answer}"
            assert_same(params, problem.start)
            assert all(value.isfinite().all() for value in after.values())
            recovered, _, accepted = _step(updater, Parabola(0, torch.float32), params, after, 0)
            assert accepted, "a rejected update leaves the updater usable"
            assert any(not torch.equal(recovered[k], params[k]) for k in params)

    @law(seed=seeds())
    def test_inputs_are_not_mutated(self, seed: int) -> None:
        updater, problem = self.make(), Parabola(seed, torch.float32)
        params, state = problem.start, updater.init(problem.start)
        for k in range(3):
            with unchanged(params, state):
                moved, after, _ = _step(updater, problem, params, state, seed + k)
            params, state = moved, after

    def test_no_parameters_are_no_problem(self) -> None:
        updater, problem = self.make(), Parabola(0, torch.float32)
        for params in ({}, {"empty": torch.zeros(0, 3)}):
            moved, _, accepted = _step(updater, problem, params, updater.init(params), 0)
            assert accepted
            assert_same(moved, params)


updater_contract = UpdaterContract.of


def _count(params: State) -> int:
    return max(1, sum(p.numel() for p in params.values()))


def _step(
    updater: Updater, problem: Parabola, params: State, state: State, seed: int, scale: float = 1.0
) -> tuple[State, State, bool]:
    generator = make_generator(seed)
    return updater.step(params, state, problem, scale=scale, generator=generator)


def _run(updater: Updater, problem: Parabola, seed: int, updates: int) -> State:
    generator = make_generator(seed)
    params, state = problem.start, updater.init(problem.start)
    for k in range(updates):
        params, state, _ = updater.step(params, state, problem, scale=1 - k / updates, generator=generator)
    return params


def _random_search(problem: Parabola, seed: int) -> float:
    """Return the lowest loss of as many random points around the start, distributed like the target."""
    # Another seed than the problem's, whose first draws are the target itself.
    generator = make_generator(seed + 2**20)

    def draw() -> State:
        return {
            k: p + torch.randn(p.shape, generator=generator, dtype=p.dtype) for k, p in problem.start.items()
        }

    return min(problem.loss(problem.start), *(problem.loss(draw()) for _ in range(_UPDATES)))


def _distance(a: State, b: State) -> float:
    return max((a[key] - b[key]).abs().max().item() for key in a if a[key].numel())
