"""What a run leaves behind besides reports and arrays: metrics, log, what is said of it, pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from commands import ritz
from test_ritz_cli import QUICK, sets

from lior.errors import RunError
from lior.runs import folder as runfolder
from lior_ritz import config as configuration
from lior_ritz.reports.pictures import names
from lior_ritz.runs import session
from lior_ritz.training.trainer import Trainer

EVERY_LINE = (
    "step loss_total loss_eigsum loss_S_condition eigvals s_min_eig s_max_eig s_cond_est grad_norm lr "
    "lr_reduced lr_monitor dt_sec sampling_mode num_points time stage steps phase phase_step quadrature_fault"
)
"""Those of the first solver, and more."""
EVALUATED = "eval_energies eval_eigsum quadrature_error quadrature_mismatch nq"
META = "format run_id status start_time end_time hostname platform python git_sha seed versions threads"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "dot"
    more = sets("training.log_every=5 training.guard.every=8 training.optimizer=adam+lbfgs")
    done = ritz("run", "--out", path, "--plots", *sets(QUICK), *more)
    assert done.returncode == 0, done.stderr
    return path


def test_every_step_has_a_line_with_the_same_keys(run):
    lines = [json.loads(line) for line in (run / "logs" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1)), (
        "since the beginning of training"
    )
    assert [line["phase_step"] for line in lines[:22]] == [*range(1, 21), 1, 2]
    assert {line["phase"] for line in lines} == {"adam", "lbfgs"}
    every = set(EVERY_LINE.split())
    for line in lines:
        assert set(line) in (every, every | set(EVALUATED.split()))
        if line["loss_total"] is not None:
            assert len(line["eigvals"]) == 4
            assert line["s_cond_est"] == pytest.approx(line["s_max_eig"] / max(line["s_min_eig"], 1e-12))
    assert [line["step"] for line in lines if "nq" in line][:3] == [8, 16, 20]


def test_a_refused_step_has_all_keys_and_no_numbers():
    overrides = [*QUICK.split(), "training.optimizer=lbfgs"]
    config = configuration.load(overrides=overrides, env={}).config
    trainer = Trainer(config, configuration.problem(config))
    whole = trainer.step()
    trainer.objective = _nowhere
    refused = trainer.step()
    assert set(refused) == set(whole)
    assert refused["loss_total"] is refused["grad_norm"] is refused["eigvals"] is None


def _nowhere(params, nodes):
    import torch

    raise torch.linalg.LinAlgError


def test_the_log_says_how_training_went(run):
    log = (run / "logs" / "train.log").read_text()
    assert "adam 5/20: loss " in log
    assert "adam 8/20: loss " in log, "an evaluation has a line of its own"
    assert "adam 6/20" not in log
    assert "on finer nodes 3" in log
    (end,) = [line for line in log.splitlines() if " end: " in line]
    assert "meV; quadrature sound: " in end
    assert len(end) < 400


def test_what_is_said_of_the_run(run, tmp_path):
    meta = json.loads((run / "run_meta.json").read_text())
    assert set(meta) == set(META.split())
    for name in ("config.toml", "run_meta.json"):  # as a run without a network, which has no checkpoint
        shutil.copy(run / name, tmp_path)
    for path in (run, tmp_path):
        with pytest.raises(RunError, match="a run of lior-ritz, not of lior; it is for `lior ritz`"):
            runfolder.check(path, program="lior", command="lior train")
    assert (meta["run_id"], meta["status"], meta["seed"]) == ("dot", "completed", 42)
    assert meta["start_time"] <= meta["end_time"]


@pytest.mark.parametrize(("asked", "used"), [(None, 1), ("2", 2)])
def test_commands_use_one_thread_unless_more_are_asked_for(asked, used, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    code = "from lior_cli.main import main; main(['ritz', 'config', 'show']); import torch"
    code += "; print(torch.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) == used


def test_every_picture_is_drawn_when_that_is_asked(run):
    assert {file.name for file in (run / "plots").iterdir()} == {f"{name}.png" for name in names(4)}


def test_a_run_that_fails_keeps_the_traceback(tmp_path, monkeypatch):
    def broken(self):
        raise ArithmeticError("the sum of the\nparts")

    monkeypatch.setattr(Trainer, "check", broken)
    config = configuration.load(overrides=[*QUICK.split(), "training.guard.every=2"], env={}).config
    with pytest.raises(ArithmeticError):
        session.run(config, tmp_path / "r")
    meta = json.loads((tmp_path / "r" / "run_meta.json").read_text())
    assert (meta["status"], meta["error"]) == ("failed", "the sum of the parts")
    kept = (tmp_path / "r" / "logs" / "error_traceback.txt").read_text()
    assert kept.startswith("Traceback")
    assert kept.rstrip().endswith("parts")
