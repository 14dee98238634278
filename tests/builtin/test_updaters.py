"""What the updaters do beyond the contract: options, nudges, rejected steps, realistic problems."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from lior.testing.updaters import Broken, Parabola
from lior_plugins.updaters import spsa
from lior_plugins.updaters.contrastive import Contrastive
from lior_plugins.updaters.spsa import Spsa
from tests.cases import cases


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Loss:
    """A probe that knows losses only."""

    def __init__(self, loss):
        self._loss, self.calls = loss, 0

    def loss(self, params):
        self.calls += 1
        return self._loss(params).item()


def descend(updater, probe, params, steps, scale=1.0):
    state, generator = updater.init(params), seeded(1)
    for _ in range(steps):
        params, state, _ = updater.step(params, state, probe, scale=scale, generator=generator)
    return params, state


# --- contrastive ---


class FirstOrder(Parabola):
    """Phases whose error is odd in the nudge."""

    def phases(self, params, nudge):
        error = 0.0 if math.isinf(nudge) else 0.1 * nudge
        return {k: g + error for k, g in super().phases(params, math.inf).items()}


def test_a_finite_nudge_is_centred():
    problem = FirstOrder(0, torch.float64)
    clamped, _ = descend(Contrastive(), problem, problem.start, 20)
    nudged, _ = descend(Contrastive(nudge=0.7), problem, problem.start, 20)
    for k in clamped:
        assert_close(nudged[k], clamped[k], atol=1e-10, rtol=0)


def test_contrastive_measures_no_loss():
    problem = Parabola(0, torch.float32)
    problem.loss = None
    descend(Contrastive(), problem, problem.start, 2)


@cases("updater", [Contrastive(), Contrastive(nudge=1.0), Spsa(), Spsa(directions=2)])
@cases("answer", [math.nan, math.inf, -math.inf])
def test_a_rejected_step_changes_only_its_counter(updater, answer):
    good, bad = Parabola(0, torch.float32), Broken(0, answer)
    params, state = descend(updater, good, good.start, 3)
    after_params, after, accepted = updater.step(params, state, bad, scale=1.0, generator=seeded())
    assert not accepted
    assert all(torch.equal(after_params[k], params[k]) for k in params)
    assert after["rejected"].item() == state["rejected"].item() + 1 == 1
    assert all(torch.equal(after[k], state[k]) for k in state if k != "rejected")
    assert updater.step(params, after, good, scale=1.0, generator=seeded())[2]


def test_state_counts_in_int64():
    for updater in (Contrastive(), Spsa()):
        problem = Parabola(0, torch.float32)
        _, state = descend(updater, problem, problem.start, 3)
        assert (state["step"].dtype, state["step"].item()) == (torch.int64, 3)
        assert (state["rejected"].dtype, state["rejected"].item()) == (torch.int64, 0)


# --- spsa ---


def test_spsa_measures_one_loss_and_two_per_direction():
    problem = Parabola(0, torch.float64)
    probe = Loss(lambda p: torch.tensor(problem.loss(p), dtype=torch.float64))
    updater = Spsa(directions=3)
    updater.step(problem.start, updater.init(problem.start), probe, scale=1.0, generator=seeded())
    assert probe.calls == 1 + 2 * 3


def test_spsa_probes_ever_closer():
    problem, updater, seen = Parabola(0, torch.float64), Spsa(perturbation=0.2), []
    state = updater.init(problem.start)
    for step in (0, 1000):
        probe = Loss(lambda p: seen.append(p["scalar"].item()) or torch.tensor(0.0))
        updater.step(
            problem.start, state | {"step": torch.tensor(step)}, probe, scale=1.0, generator=seeded()
        )
    centre, above, _, _, later, _ = seen
    unit = max(abs(centre), spsa.FLOOR)
    assert_close(abs(above - centre), 0.2 * unit)
    assert_close(abs(later - centre), 0.2 * unit / 1001**0.101)


def fixed_gain(loss, params, steps, gain):
    """Spall's recursion with a gain to be tuned: no units, no curvature."""
    unit = {k: torch.ones(()) for k in params}
    for k in range(steps):
        gains = spsa.gains(k, learning_rate=gain, perturbation=0.1, stability=100.0)
        slope = spsa.probe_direction(
            lambda p: loss(p).item(), params, unit, k, distance=gains.perturbation, centre=0.0
        )
        params = spsa.move(params, unit, [k], [-gains.step * slope.first])
    return loss(params).item()


def ill_conditioned():
    curvature, target = torch.logspace(0, 2, 20), torch.randn(20, generator=seeded())
    return lambda p: 0.5 * (curvature * (p["x"] - target) ** 2).sum(), {"x": torch.zeros(20)}


def softmax_regression():
    generator = seeded()
    x, w = torch.randn(400, 10, generator=generator), torch.randn(10, 5, generator=generator)
    y = (1.5 * x @ w + torch.randn(400, 5, generator=generator)).argmax(1)
    start = {"w": torch.zeros(10, 5), "b": torch.zeros(5)}
    return lambda p: cross_entropy(x @ p["w"] + p["b"], y), start


@pytest.mark.slow
def test_spsa_needs_no_tuning():
    """Over two problems of different scale the defaults beat every fixed gain, with as many losses."""
    problems = [ill_conditioned(), softmax_regression()]
    ours = [
        loss(descend(Spsa(), Loss(loss), start, 600)[0]).item() / loss(start).item()
        for loss, start in problems
    ]
    assert max(ours) < 0.4
    for gain in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3):
        fixed = [fixed_gain(loss, start, 900, gain) / loss(start).item() for loss, start in problems]
        assert max(ours) < 0.8 * max(fixed), f"gain {gain}: {fixed}, ours {ours}"


def test_a_large_table_and_a_scalar_learn_together():
    target = 0.3 * torch.randn(4112, 64, generator=seeded(1))
    start = {
        "table": 0.3 * torch.randn(4112, 64, generator=seeded(2)),
        "scalar": torch.tensor(0.0),
        "none": torch.zeros(0),
    }

    def loss(p):
        return 2 * ((p["table"] - target) ** 2).mean() + 5 * (p["scalar"] - 1) ** 2

    updater, params, losses = Spsa(), start, []
    state = updater.init(start)
    for _ in range(150):
        losses.append(float(loss(params)))
        params, state, _ = updater.step(
            params, state, Loss(loss), scale=1.0, generator=seeded(len(losses) - 1)
        )
    assert abs(params["scalar"].item() - 1) < 0.1
    assert max(losses) < 1.01 * losses[0], "it never blows up"
    assert losses[-1] < 0.2 * losses[0]
    # What the scalar's slope does to the table on the way is noise, and stays small.
    before, after = (((p["table"] - target) ** 2).mean() for p in (start, params))
    assert after < 1.25 * before
