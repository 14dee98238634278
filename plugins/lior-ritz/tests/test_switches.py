"""Every key of a configuration changes what comes out, or says why it cannot."""

from __future__ import annotations

import json
from functools import cache

import pytest

from lior.config.components import schema_keys
from lior.config.resolving import variable
from lior.errors import ConfigError, UsageError
from lior_ritz import config as configuration
from lior_ritz.config import PREFIX, RitzConfig
from lior_ritz.potentials import options, registry
from lior_ritz.training.trainer import Trainer

BASE = [
    "model.hidden_features=6",
    "domain.nq=16",
    "solver.K=2",
    "solver.M=3",
    "training.steps=12",
    "training.lbfgs_refine.steps=8",
    "training.guard.every=4",
]
JITTER = ["training.sampling_mode=jittered_grid", "training.optimizer=adam"]
PLATEAU = [
    "training.optimizer=adam",
    "training.lr_schedule.type=plateau",
    "training.lr_schedule.patience=0",
    "training.lr_schedule.cooldown=0",
    "training.lr_schedule.min_lr=1e-6",
    "training.lr=0.3",
    "training.steps=40",
]
SINE = ["model.activation=sine"]
STOP = ["training.optimizer=adam", "training.steps=40", "training.early_stop.tolerance=0.001"]
BAD_NODES = ["domain.nq=8", "domain.X=8", "training.lbfgs_refine.steps=30"]

CHANGED = {
    "physics.material": ([], "Si"),
    "physics.m_eff": ([], 0.1),
    "physics.L0_nm": ([], 20.0),
    "physics.field_tesla": ([], 1.0),
    "physics.mass": ([], "0.08"),
    "physics.mass_x": ([], "0.08"),
    "physics.mass_y": ([], "0.08+0.001*x"),
    "physics.offset_meV": ([], "0.2*x"),
    "domain.X": ([], 3.5),
    "domain.Y": ([], 3.5),
    "domain.boundary": ([], "natural"),
    "domain.nq": ([], 18),
    "domain.eval_nq": ([], 31),
    "potential.type": ([], "box"),
    "solver.K": ([], 3),
    "solver.M": ([], 2),
    "solver.head": ([], "trained"),
    "solver.use_envelope": ([], False),
    "solver.envelope.alpha": ([], 0.4),
    "solver.envelope.beta": ([], 0.4),
    "solver.envelope.trainable": ([], False),
    "solver.parity": ([], "none"),
    "solver.use_parity": ([], False),
    "solver.parity_even": (["solver.parity=x", "solver.parity_even=2", "solver.parity_odd=1"], [3, 0]),
    "solver.parity_odd": (["solver.parity=x", "solver.parity_even=2", "solver.parity_odd=1"], [1, 2]),
    "model.activation": ([], "sine"),
    "model.hidden_features": ([], 7),
    "model.hidden_layers": ([], 2),
    "model.first_omega_0": ([], 1.5),
    "model.hidden_omega_0": (SINE, 1.5),
    "training.optimizer": ([], "adam"),
    "training.lr": ([], 0.02),
    "training.steps": ([], 8),
    "training.grad_clip": ([], 0.01),
    "training.dtype": ([], "float32"),
    "training.seed": ([], 7),
    "training.sampling_mode": ([], "fixed_grid"),
    "training.grid_jitter_frac": (JITTER, 0.5),
    "training.mc_points": (["training.sampling_mode=monte_carlo", "training.optimizer=adam"], 300),
    "training.lr_schedule.enabled": ([], False),
    "training.lr_schedule.type": ([], "plateau"),
    "training.lr_schedule.factor": (PLATEAU, 0.1),
    "training.lr_schedule.patience": (PLATEAU, 3),
    "training.lr_schedule.threshold": (PLATEAU, 0.5),
    "training.lr_schedule.threshold_mode": ([*PLATEAU, "training.lr_schedule.threshold=0.1"], "abs"),
    "training.lr_schedule.cooldown": (PLATEAU, 6),
    "training.lr_schedule.min_lr": ([], 9e-3),
    "training.lr_schedule.monitor_ema_alpha": (PLATEAU, 0.9),
    "training.lr_schedule.eps": (PLATEAU, 0.2),
    "training.loss_weights.eigsum": (["training.grad_clip=0.5"], 2.0),
    "training.loss_weights.S_condition": ([], 1.0),
    "training.lbfgs_refine.steps": ([], 5),
    "training.lbfgs_refine.history": ([], 1),
    "training.early_stop.tolerance": (["training.optimizer=adam", "training.steps=40"], 0.01),
    "training.early_stop.patience": (STOP, 1),
    "training.guard.every": ([], 5),
    "training.guard.tolerance": ([*BAD_NODES], 0.9),
    "training.guard.growth": (BAD_NODES, 2.0),
    "training.guard.limit": (BAD_NODES, 9),
}
"""Key -> what else is set, and another value."""
ELSEWHERE = {
    "training.loss_weights.boundary": "of the first solver's files; refused unless 0, below",
    "training.loss_weights.pde_polish": "the same",
    "physics.eps_r": "weakens the repulsion of two electrons; tests/test_exchange.py",
    "physics.g": "levels of both spins; tests/test_spin.py",
    "physics.rashba_meV_nm": "tests/test_spin.py",
    "physics.dresselhaus_meV_nm": "tests/test_spin.py",
    "domain.dim": "tests/test_dimensions.py",
    "domain.Z": "tests/test_dimensions.py",
    "domain.W": "tests/test_dimensions.py",
    "solver.envelope.gamma": "tests/test_dimensions.py",
    "solver.envelope.zeta": "tests/test_dimensions.py",
    "solver.network": "whether there is one; tests/test_ritz_cli.py",
    "solver.accuracy": "what is said of the levels; tests/test_judgement.py",
    "training.log_every": "lines of progress; tests/test_ritz_cli.py",
    "training.device": "a machine may have none but cpu; refused there when it is not",
    "training.checkpoint.seconds": "tests/test_ritz_cli.py",
    "training.checkpoint.last": "tests/test_ritz_cli.py",
}
"""Keys that change something other than the numbers of training, and where that is tested."""


def outcome(overrides):
    """All numbers of a short training."""
    return _outcome(tuple(overrides))


def anew(overrides):
    config = configuration.load(overrides=[*BASE, *overrides], env={}).config
    trainer = Trainer(config, configuration.problem(config))
    found = []
    while trainer.phase is not None:
        numbers = trainer.step()
        if trainer.evaluated:
            numbers |= trainer.check()
        numbers.pop("dt_sec")
        found.append(numbers)
    final = trainer.conclude()
    return json.dumps([found, final.energies.tolist(), final.head.energies.tolist()])


_outcome = cache(anew)


def assignment(key, value):
    if key == "solver.parity_even" or (key == "solver.parity_odd"):
        return [f"solver.parity_even={value[0]}", f"solver.parity_odd={value[1]}"]
    return [f"{key}={json.dumps(value)}" if not isinstance(value, str) else f"{key}={value}"]


def test_no_key_is_forgotten():
    known = {key.dotted for key in schema_keys(RitzConfig)}
    assert known == set(CHANGED) | set(ELSEWHERE)


@pytest.mark.parametrize("key", CHANGED)
def test_every_key_changes_the_outcome(key):
    context, value = CHANGED[key]
    assert outcome(context) != outcome([*context, *assignment(key, value)])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["training.loss_weights.boundary=1"], "there is no such penalty"),
        (["training.loss_weights.pde_polish=1"], "there is no such penalty"),
        (["model.hidden_omega_0=3"], "is of sine layers"),
        (["solver.parity=x", "solver.use_parity=true"], "say the same"),
        (["solver.parity=x"], "parity_even"),
    ],
)
def test_what_would_change_nothing_is_refused(overrides, said):
    with pytest.raises((ConfigError, UsageError), match=said):
        outcome(overrides)


def test_the_same_configuration_gives_the_same_numbers():
    assert outcome([]) == anew([])


def test_every_key_and_every_option_of_a_potential_has_a_variable():
    variables = [variable(key.path, PREFIX) for key in schema_keys(RitzConfig)]
    assert len(set(variables)) == len(variables)
    env = {
        "RITZ_POTENTIAL__barrier_meV": "8",
        "RITZ_POTENTIAL__PARAM_MODE": "barrier",
        "RITZ_PHYSICS__L0_NM": "25",
    }
    found = configuration.load(env=env).config
    assert found.potential.options == {"barrier_meV": 8.0, "param_mode": "barrier"}
    assert found.physics.L0_nm == 25
    # A name in capitals only would stand for small letters.
    assert not any(option.isupper() for name in registry.names("potential") for option in options(name))
