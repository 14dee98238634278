"""Training: it reaches what it should, is not fooled by its nodes, and goes on as if never stopped."""

from __future__ import annotations

import pytest
import torch
from solved import solve

from lior.errors import Stopped, UsageError
from lior_ritz import config as configuration
from lior_ritz.runs import folder as rundir
from lior_ritz.runs import session
from lior_ritz.training import assembly
from lior_ritz.training.optimisers import Plateau
from lior_ritz.training.trainer import Trainer

SMALL = ["model.hidden_features=8", "domain.nq=20", "solver.K=2", "solver.M=3"]
SHORT = [*SMALL, "training.steps=20", "training.lbfgs_refine.steps=30", "training.guard.every=10"]


def trained(*overrides, until=10**9):
    config = configuration.load(overrides=overrides, env={}).config
    trainer = Trainer(config, configuration.problem(config))
    checks = []
    while trainer.phase is not None and trainer.progress.step < until:
        phase = trainer.phase.name
        trainer.step()
        if trainer.evaluated:
            checks.append({"phase": phase, "step": trainer.progress.step} | trainer.check())
    return trainer, checks


CASES = {
    "default": ([], 1e-8),
    "gaussian": (["potential.type=gaussian"], 1e-6),
    "box": (["potential.type=box"], 1e-8),
    "skew": (["potential.type=harmonic_barrier", "potential.tilt_x=0.5", "potential.shear=0.2"], 1e-6),
}


@pytest.mark.usefixtures("older_constant")
@pytest.mark.parametrize("name", CASES)
def test_cases_are_solved_between_their_bounds_and_never_below(name):
    overrides, wanted = CASES[name]
    found = solve(overrides=[*overrides, "training.lbfgs_refine.steps=150"])
    exact = found.reference.energies[:4]
    noise = found.reference.errors[:4] + found.network.evaluation.quadrature_error + 1e-11
    assert float(abs(found.relative_errors).max()) <= wanted
    assert bool((found.errors >= -noise).all())
    assert found.bounds.lower is not None
    assert bool((found.bounds.lower <= exact + noise).all())
    assert bool((exact <= found.bounds.upper + noise).all())
    assert float((found.bounds.upper - found.bounds.lower).max()) < 1e-3
    if name == "default":
        assert found.splittings[0].value * 631.8378016583748 == pytest.approx(285.100215, rel=1e-6)


@pytest.mark.usefixtures("older_constant")
def test_no_evaluation_is_below_the_exact_levels_and_the_best_is_the_lowest():
    trainer, checks = trained(*SHORT)
    exact = 5.8355203600 + 6.2867440982
    assert len(checks) >= 5
    assert all(check["eval_eigsum"] >= exact - 1e-9 for check in checks)
    lowest = min(check["eval_eigsum"] for check in checks)
    assert trainer.best is not None
    assert trainer.best.evaluation.eigsum == lowest
    assert trainer.conclude().eigsum == pytest.approx(lowest, abs=1e-9)


def test_the_best_of_a_run_that_gets_worse_is_not_its_last_evaluation():
    wild = ["training.lr=0.5", "training.lr_schedule.enabled=false", "training.early_stop.tolerance=0"]
    steps = ["training.optimizer=adam", "training.steps=12", "training.guard.every=2"]
    trainer, checks = trained(*SMALL, *wild, *steps)
    sums = [check["eval_eigsum"] for check in checks]
    assert min(sums) < sums[-1]
    assert trainer.best.evaluation.eigsum == min(sums)
    assert trainer.best.step == checks[sums.index(min(sums))]["step"]


def test_lbfgs_lowers_what_adam_leaves_by_far():
    _, checks = trained("model.hidden_features=12", "training.lbfgs_refine.steps=100")
    exact = 32.4098873006
    adam = min(c["eval_eigsum"] for c in checks if c["phase"] == "adam") - exact
    lbfgs = min(c["eval_eigsum"] for c in checks if c["phase"] == "lbfgs") - exact
    assert lbfgs < adam / 10


@pytest.mark.usefixtures("older_constant")
def test_training_beats_its_beginning_with_a_trained_head_and_random_nodes():
    _, checks = trained(
        *SMALL,
        "solver.head=trained",
        "training.optimizer=adam",
        "training.steps=150",
        "training.sampling_mode=jittered_grid",
        "training.early_stop.tolerance=0",
    )
    exact = 5.8355203600 + 6.2867440982
    assert checks[-1]["eval_eigsum"] - exact < 0.3 * (checks[0]["eval_eigsum"] - exact)


@pytest.mark.parametrize(
    ("nq", "stretched", "parity"),
    [(24, True, "none"), pytest.param(40, False, "auto", marks=pytest.mark.slow)],
)
def test_nodes_that_are_too_few_are_found_at_fault_and_replaced(nq, stretched, parity, monkeypatch):
    if not stretched:  # the plain rule, whose gaps in the middle a network finds at once
        monkeypatch.setattr(assembly, "stretch", lambda problem, extent: (0.0, 0.0))
    oscillator = ["potential.type=expression", "potential.expression=x**2+y**2", "domain.X=7", "domain.Y=7"]
    steps = "training.lbfgs_refine.steps=150"
    trainer, _ = trained(*oscillator, f"domain.nq={nq}", steps, f"solver.parity={parity}")
    assert trainer.progress.refinements
    assert trainer.progress.nq > nq
    found = trainer.conclude()
    assert found.energies.tolist() == pytest.approx([2, 4, 4, 6], rel=1e-5)
    assert bool((found.energies >= torch.tensor([2.0, 4, 4, 6]) - 1e-9).all())


def test_without_a_finer_rule_training_stops_and_says_so():
    oscillator = ["potential.type=expression", "potential.expression=x**2+y**2", "domain.X=7", "domain.Y=7"]
    trainer, _ = trained(
        *oscillator,
        "domain.nq=24",
        "training.guard.limit=24",
        "training.lbfgs_refine.steps=150",
        "solver.parity=none",
    )
    assert "training nodes at fault" in trainer.progress.note
    assert bool((trainer.conclude().energies >= torch.tensor([2.0, 4, 4, 6]) - 1e-9).all())


def test_single_precision_is_not_put_down_to_the_nodes():
    trainer, checks = trained("training.dtype=float32")
    assert trainer.progress.refinements == []
    assert max(each["quadrature_mismatch"] for each in checks) < 1e-7
    assert trainer.evaluator(trainer.params, 73).eigsum == pytest.approx(32.4098873, rel=1e-6)


@pytest.mark.parametrize(("K", "M"), [(1, 1), (3, 3)])
def test_as_many_states_as_functions(K, M):
    found = solve(overrides=[f"solver.K={K}", f"solver.M={M}", "training.lbfgs_refine.steps=60"])
    assert len(found.energies) == K
    assert float(found.relative_errors.max()) < 1e-5


EXACT = {
    "default": [],
    "plateau": [
        "training.sampling_mode=jittered_grid",
        "training.optimizer=adam",
        "training.steps=50",
        "training.lr_schedule.type=plateau",
        "training.lr_schedule.patience=3",
        "solver.head=trained",
        "training.lr_schedule.min_lr=1e-5",
        "training.loss_weights.S_condition=0.001",
    ],
    "sobol": ["training.sampling_mode=sobol", "training.mc_points=512", "training.dtype=float32"],
}


def lines(path):
    return [{k: v for k, v in row.items() if k not in ("time", "dt_sec")} for row in rundir.metrics(path)]


@pytest.mark.parametrize("name", EXACT)
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(name, tmp_path):
    overrides = ["solver.network=true", *SHORT, *EXACT[name]]
    config = configuration.load(overrides=overrides, env={}).config
    whole = session.run(config, tmp_path / "whole")
    pieces, result = [7, 14, 11], None
    while result is None:
        left = iter(range(pieces.pop(0) if pieces else 10**9))

        def stop(left=left):
            return next(left, None) is None

        try:
            if (tmp_path / "parts").exists():
                result = session.resume(tmp_path / "parts", stop=stop)
            else:
                result = session.run(config, tmp_path / "parts", stop=stop)
        except Stopped:
            continue
    assert whole.solution.energies.tolist() == result.solution.energies.tolist()
    for name, value in whole.solution.network.trainer.params.items():
        assert torch.equal(value, result.solution.network.trainer.params[name])
    assert lines(tmp_path / "whole") == lines(tmp_path / "parts")


def test_the_plateau_schedule_knows_negative_energies():
    schedule = configuration.load(
        overrides=["training.lr_schedule.patience=5"], env={}
    ).config.training.lr_schedule
    worse = Plateau(schedule, 1.0)
    lowered = [worse.step(-10 + 0.01 * step) for step in range(40)]
    assert any(lowered)
    better = Plateau(schedule, 1.0)
    assert not any(better.step(-10 - 0.1 * step) for step in range(40))


def test_numbers_that_leave_the_finite_are_said():
    config = configuration.load(overrides=SHORT, env={}).config
    trainer = Trainer(config, configuration.problem(config))
    with torch.no_grad():
        trainer.params["layer0.weight"].fill_(float("nan"))
    with pytest.raises(UsageError, match=r"lower training\.lr"):
        trainer.step()
