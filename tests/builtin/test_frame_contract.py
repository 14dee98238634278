"""Every frame obeys the contract, and every law of the contract notices a frame that breaks it."""

from __future__ import annotations

import pytest
import torch

from lior.interfaces import MetricForm
from lior.testing.frames import frame_contract
from lior_plugins.frames.lowrank import LowRank
from lior_plugins.frames.rotor import Rotor
from tests.cases import cases

# --- the contract can fail --------------------------------------------------


class Mutating(LowRank):
    def project(self, state):
        state["log_lam"].clamp_(-1, 1)
        return super().project(state)


class Undeclared(LowRank):
    learned = ("log_lam", "log_omega", "u", "raw_d", "absent")


class Unreachable(LowRank):
    def pullback(self, state, dform):
        return {key: 0 * value for key, value in super().pullback(state, dform).items()}


class WrongFactor(LowRank):
    def pullback(self, state, dform):
        return {**super().pullback(state, dform), "log_omega": dform.omega2}


class Indefinite(LowRank):
    def form(self, state):
        return super().form(state)._replace(lam=-state["log_lam"].exp())


class Reflecting(Rotor):
    def form(self, state):
        form = super().form(state)
        return form._replace(q=form.q * torch.tensor([-1.0] + [1.0] * (len(form.q) - 1), dtype=form.q.dtype))


class Narrow(LowRank):
    def form(self, state):
        return MetricForm(*(None if field is None else field.float() for field in super().form(state)))


class Restless(LowRank):
    def project(self, state):
        return super().project({**state, "log_lam": 0.9 * state["log_lam"]})


class Resetting(Rotor):
    def project(self, state):
        return super().project({**state, "log_lam": 0 * state["log_lam"]})


class Moody(LowRank):
    def observe(self, state, z):
        return {**state, "log_lam": torch.rand_like(state["log_lam"])}


class Overflowing(LowRank):
    def observe(self, state, z):
        return {**state, "log_lam": state["log_lam"] + z.square().sum()}


class Wide(LowRank):
    def init(self, n, *, generator):
        return {**super().init(n, generator=generator), "seen": torch.zeros(n, dtype=torch.float64)}


class Unseeded(LowRank):
    def init(self, n, *, generator):
        return {**super().init(n, generator=generator), "log_lam": torch.rand(n)}


BROKEN = [
    (Undeclared, "declares_what_the_interface_asks_for"),
    (Wide, "declares_what_the_interface_asks_for"),
    (Unseeded, "init_depends_on_the_generator_alone"),
    (Indefinite, "form_is_positive_definite_and_in_range"),
    (Indefinite, "quadratic_form_is_never_negative"),
    (Indefinite, "root_squares_to_the_metric"),
    (Reflecting, "q_is_a_rotation"),
    (WrongFactor, "pullback_is_the_derivative"),
    (Unreachable, "every_learned_entry_is_reachable"),
    (Restless, "project_is_idempotent"),
    (Resetting, "project_keeps_the_form_of_a_fresh_state"),
    (Mutating, "inputs_are_not_mutated"),
    (Moody, "observe_is_deterministic"),
    (Overflowing, "degenerate_data_give_a_finite_form"),
    (Narrow, "dtype_of_the_state_is_kept"),
]


@cases(("broken", "law"), BROKEN)
def test_contract_notices(broken, law):
    contract = frame_contract(broken)()
    with pytest.raises(AssertionError):
        getattr(contract, f"test_{law}")()


def test_every_law_of_the_contract_can_fail():
    laws = {name.removeprefix("test_") for name in dir(frame_contract(LowRank)) if name.startswith("test_")}
    assert laws == {law for _, law in BROKEN}
