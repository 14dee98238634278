"""The command line, as a user has it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import ritz

from lior.errors import UsageError
from lior_ritz import config as configuration
from lior_ritz.cli import varied
from lior_ritz.reports.pictures import names

QUICK = (
    "model.hidden_features=8 domain.nq=20 training.steps=20 training.lbfgs_refine.steps=20 solver.accuracy=1 "
    "solver.network=true"
)
LONG = (
    "model.hidden_features=4 domain.nq=12 solver.K=2 solver.M=3 solver.accuracy=10 solver.network=true "
    "training.steps=400 training.lbfgs_refine.steps=10 training.early_stop.tolerance=0 "
    "training.checkpoint.seconds=0 training.guard.every=20"
)


def sets(assignments):
    return [word for each in assignments.split() for word in ("--set", each)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "dot"
    done = ritz(
        "run", "--out", path, *sets(f"{QUICK} training.checkpoint.seconds=0 training.checkpoint.last=3")
    )
    assert done.returncode == 0, done.stderr
    return path, done


def test_a_run_prints_levels_with_bounds_and_the_references_verdict(run):
    path, done = run
    assert "E0     3.68" in done.stdout
    assert "splitting E1 - E0: 285" in done.stdout
    assert "reference" in done.stdout
    assert "adam: 20/20" in done.stderr
    assert json.loads((path / "run_meta.json").read_text())["status"] == "completed"
    assert len(list((path / "checkpoints").iterdir())) == 3
    assert (path / "config.json").exists()


def test_a_run_again_with_its_own_configuration_is_the_same(run, tmp_path):
    path, _ = run
    done = ritz("run", "--config", path / "config.toml", "--out", tmp_path / "again", "--json")
    assert done.returncode == 0, done.stderr
    again = ritz("eval", tmp_path / "again", "--json")
    first = ritz("eval", path, "--json")
    assert json.loads(again.stdout)["levels"] == json.loads(first.stdout)["levels"]


def test_eval_compare_and_ci_read_a_run(run):
    path, _ = run
    report = json.loads(ritz("eval", path, "--json", "--nq", 51).stdout)
    assert report["nq"] > 51
    level = report["levels"][0]
    assert level["lower_E0"] <= level["reference_E0"] <= level["upper_E0"] + 1e-12
    rows = json.loads(ritz("compare", path, path, "--json").stdout)
    assert len(rows) == 2
    assert rows[0]["largest_relative_error"] < 1e-2
    done = ritz("ci", path, "--orbitals", 10)
    assert done.returncode == 0, done.stderr
    assert "J = " in done.stdout
    three = ritz("ci", path, "--electrons", 3, "--orbitals", 6)
    assert three.returncode == 0, three.stderr
    assert "3 electrons in 6 orbitals" in three.stdout
    report = json.loads(ritz("ci", path, "--electrons", 3, "--orbitals", 6, "--json").stdout)
    assert [sector["S_z"] for sector in report["sectors"]] == [0.5, 1.5]


def test_lines_of_progress_come_as_often_as_is_said(tmp_path):
    seldom = ritz("run", "--out", tmp_path / "a", *sets(f"{QUICK} training.log_every=20"))
    often = ritz("run", "--out", tmp_path / "b", *sets(f"{QUICK} training.log_every=2"))
    assert often.stderr.count("adam: ") > seldom.stderr.count("adam: ") + 5
    assert ritz("run", "--out", tmp_path / "c", "--quiet", *sets(QUICK)).stderr == ""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "whole"
    assert ritz("run", "--out", path, "--quiet", *sets(LONG)).returncode == 0
    return path


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL],
    ids=lambda number: number.name,
)
def test_after_a_signal_resume_ends_the_run_as_if_nothing_had_been(number, uninterrupted, tmp_path):
    path = tmp_path / "r"
    command = [sys.executable, "-m", "lior_cli.main", "ritz", "run", "--out", str(path), *sets(LONG)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while not list(path.glob("checkpoints/step-*[0-9]/manifest.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        _, said = process.communicate(timeout=300)
    assert "Traceback" not in said
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert f"lior ritz resume {path}" in said
        assert json.loads((path / "run_meta.json").read_text())["status"] == "stopped"
    refused = ritz("eval", path)
    assert refused.returncode == 1
    assert "did not finish" in refused.stderr
    done = ritz("resume", path)
    assert done.returncode == 0, done.stderr
    assert outcome(path) == outcome(uninterrupted)


def outcome(path):
    """What a run came to, but for times."""
    energies = [row["E_E0"] for row in json.loads((path / "results.json").read_text())["levels"]]
    lines = [json.loads(line) for line in (path / "logs" / "metrics.jsonl").read_text().splitlines()]
    steps = [
        {name: value for name, value in line.items() if name not in ("time", "dt_sec")} for line in lines
    ]
    best = [file.read_bytes() for file in sorted(path.glob("checkpoints/*/model_best.safetensors"))[-1:]]
    return energies, steps, best


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ("run --set trainin.lr=3", 2, "Did you mean 'training'"),
        ("run --set physics.m_eff=-1", 2, "allowed is a number from"),
        ("run --set physics.material=GaAz", 2, "Did you mean 'GaAs'"),
        ("run --set solver.K=9", 2, "K = 9 is more than M = 8"),
        ("run --set potential.c4=1", 2, "contradicts"),
        ("run --config nowhere.toml", 2, "no such recipe and no such file"),
        ("run --network --set potential.delta=1 --set solver.parity=x", 2, "no mirror image of itself in x"),
        ("run --network --set potential.delta=1 --set solver.use_parity=true", 2, "no mirror image"),
        ("eval nowhere", 1, "no such run directory"),
        ("run --set potential.expression=1", 2, "unknown option"),
        ("config explain trainng", 2, "Did you mean 'training'"),
        ("sweep --vary c4=1,2 --set potential.param_mode=targets", 2, "c4 says nothing"),
    ],
)
def test_bad_input_gets_one_line(args, code, said, tmp_path):
    done = ritz(*args.split(), cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_malformed_axes_are_refused():
    ranges = "a=1:2 a=1:2:x a=1:nan:3 a=1:2:1 a=1:2:2.5 a=2:2:3 a=0:2:3:log"
    for text in ("a", "a=", "=1:2:3", "a=1,b", *ranges.split()):
        with pytest.raises(UsageError, match="--vary"):
            varied.axis(text)


@pytest.mark.parametrize("command", ["plot", "ci", "resume"])
def test_what_is_no_run_says_what_it_is(command, tmp_path):
    (tmp_path / "sweep.json").write_text("{}")
    assert "a sweep, not a run" in ritz(command, tmp_path).stderr


def test_a_finished_run_is_not_gone_on_with_and_not_overwritten(run):
    path, _ = run
    assert "nothing to go on with" in ritz("resume", path).stderr
    done = ritz("run", "--out", path)
    assert done.returncode == 1
    assert "not empty" in done.stderr


ORIGINAL = """{
  "physics": {"material": "GaAs", "m_eff": 0.067, "L0_nm": 30.0},
  "domain": {"X": 4.0, "Y": 4.0, "nq": 100},
  "potential": {
    "type": "gaussian", "param_mode": "targets", "a": 1.5, "delta": 0.0, "hbar_omega_x_meV": 3.0,
    "hbar_omega_y_meV": 5.0, "amplitude": -6.0, "sigma_x": 0.8, "sigma_y": 0.8, "x0": 0.0, "y0": 0.0,
    "tilt_x": 0.0, "tilt_y": 0.0, "offset": 0.0
  },
  "solver": {
    "K": 4, "M": 8, "use_envelope": true, "envelope": {"alpha": 0.25, "beta": 0.35}, "use_parity": false,
    "parity_even": 4, "parity_odd": 4
  },
  "model": {"hidden_features": 64, "hidden_layers": 6, "first_omega_0": 30.0, "hidden_omega_0": 30.0},
  "training": {
    "optimizer": "adam", "lr": 5e-4, "steps": 2000, "grad_clip": 1.0, "log_every": 50, "dtype": "float64",
    "sampling_mode": "jittered_grid", "grid_jitter_frac": 0.35, "mc_points": 4096,
    "lr_schedule": {
      "enabled": true, "type": "plateau", "factor": 0.5, "patience": 300, "threshold": 1e-4,
      "threshold_mode": "rel", "cooldown": 100, "min_lr": 1e-6, "monitor_ema_alpha": 0.1, "eps": 1e-12
    },
    "loss_weights": {"eigsum": 1.0, "S_condition": 1e-3, "boundary": 0.0, "pde_polish": 0.0}
  }
}"""
"""A file of the first solver."""


@pytest.mark.parametrize("setting", ["physics.field_tesla=1", "domain.boundary=natural"])
def test_electrons_are_not_the_next_step_where_they_are_refused(tmp_path, setting):
    done = ritz("run", "--set", setting, "--out", tmp_path / "dot")
    assert done.stdout.endswith(f"Next: lior ritz plot {tmp_path / 'dot'}\n")
    assert ritz("ci", tmp_path / "dot").returncode


def test_the_first_solvers_files_load_as_they_are(tmp_path):
    table = json.loads(ORIGINAL)
    file = tmp_path / "original.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(table).encode())
    shown = json.loads(ritz("config", "show", "--config", file, "--json").stdout)
    assert shown["model.hidden_layers"] == 6
    assert shown["model.activation"] == "sine"
    assert shown["solver.head"] == "solved"
    assert shown["training.lr_schedule.patience"] == 300
    assert shown["potential.amplitude"] == -6.0
    # Whatever it did not read changes nothing; what it did not know is a mistake.
    table["potential"] |= {"a": 2.0, "c4": 0.6, "barrier_meV": 3.0}
    table["physics"] |= {"material": "GaAs/AlGaAs, sample 7", "m_eff": 0.07}
    table["training"]["loss_weights"]["boundary"] = 1.0
    file.write_text(json.dumps(table))
    done = ritz("config", "show", "--config", file, "--json")
    assert json.loads(done.stdout) == shown | {"physics.m_eff": 0.07}
    assert done.stderr == "note: boundary in loss_weights does nothing: there is no such penalty\n"
    file.write_text(json.dumps(table | {"potential": {"type": "gaussian", "sigma": 0.8}}))
    assert "potential.sigma" in ritz("config", "show", "--config", file).stderr
    file.write_text(json.dumps(table | {"physics": {"material": "GaAs/AlGaAs"}}))
    assert "no material 'GaAs/AlGaAs'" in ritz("config", "show", "--config", file).stderr


@pytest.mark.parametrize(
    ("potential", "kept"),
    [
        (
            {
                "param_mode": "targets",
                "hbar_omega_x_meV": 3.0,
                "hbar_omega_y_meV": 5.0,
                "c4": 0.6262226878928537,
                "c2y": 15.655567197321348,
                "barrier_meV": 2.0030852802382726,
            },
            {"hbar_omega_x_meV": 3.0},
        ),
        (
            {"param_mode": "raw", "c4": 1.0, "c2y": 1.0, "hbar_omega_x_meV": 3.0, "hbar_omega_y_meV": 5.0},
            {"c4": 1.0, "c2y": 1.0},
        ),
        (
            {
                "param_mode": "barrier",
                "barrier_meV": 4.2,
                "c2y": 15.655567197321348,
                "hbar_omega_x_meV": 3.0,
                "hbar_omega_y_meV": 5.0,
            },
            {"barrier_meV": 4.2, "hbar_omega_y_meV": 5.0},
        ),
    ],
)
def test_what_the_first_solver_wrote_into_its_runs_loads_too(potential, kept, tmp_path):
    derived = {"beta_x": 5.6, "beta_y": 15.7, "barrier_dimless": 3.17, "E0_meV": 0.6318378293532338}
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"potential": {"type": "biquadratic_dqd", "a": 1.5, **potential, **derived}}))
    shown = configuration.load([file], env={}).config
    assert shown.solver.head == "solved"
    options = configuration.problem(shown).potential
    assert {name: getattr(options, name) for name in kept} == kept


def test_init_writes_a_configuration_that_can_be_run(tmp_path):
    assert ritz("init", cwd=tmp_path).returncode == 0
    assert ritz("config", "show", "--config", "ritz.toml", cwd=tmp_path).returncode == 0
    again = ritz("init", cwd=tmp_path)
    assert again.returncode == 2
    assert "exists" in again.stderr


FREE_OF_TORCH = [
    "--help",
    "run --out {folder}/dot",
    "reference --levels 2 --set potential.type=biquadratic_dqd",
    "sweep --vary barrier_meV=1,2",
    "eval {folder}/dot",
    "compare {folder}/dot",
    "ci {folder}/dot",
    "stability --vary delta=-1:1:2 --vary barrier_meV=2:4:2 --level 6",
    "plot {folder}/dot --only energy_spectrum",
    "config show",
]


def test_commands_without_a_network_import_no_torch(tmp_path):
    code = (
        "import sys; from lior_cli.main import main\n"
        f"for line in {FREE_OF_TORCH}:\n"
        f"    code = main(['ritz', *line.format(folder={str(tmp_path)!r}).split()])\n"
        "    if code or 'torch' in sys.modules:\n"
        "        sys.exit(f'{line}: code {code}, torch imported: {\"torch\" in sys.modules}')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


# --- without a network ---


@pytest.fixture(scope="module")
def classical(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "classical"
    done = ritz("run", "--out", path, "--quiet", "--plots")
    assert done.returncode == 0, done.stderr
    return path


def test_the_references_levels_are_the_default_and_all_commands_read_them(classical):
    results = json.loads((classical / "results.json").read_text())
    assert [row["E_E0"] for row in results["levels"]] == pytest.approx(
        [5.8355200710, 6.2867438392, 8.9626804588, 11.3249416240], abs=1e-9
    )
    assert results["training"] is results["quadrature"] is None
    assert results["why_null"]["training"] == "no network was trained"
    assert {file.name for file in (classical / "plots").iterdir()} == {
        f"{name}.png" for name in names(4) if name != "convergence"
    }
    assert np.load(classical / "arrays" / "psi_grid.npy").shape == (4, 64, 64)
    assert json.loads(ritz("eval", classical, "--json").stdout)["levels"] == results["levels"]
    assert "nq is of a network" in ritz("eval", classical, "--nq", 51).stderr
    assert json.loads(ritz("compare", classical, "--json").stdout)[0]["steps"] == 0
    assert "J = 3.06" in ritz("ci", classical, "--orbitals", 10).stdout
    assert ritz("plot", classical, "--only", "psi_state", "--text").returncode == 0
    assert "nothing to go on with" in ritz("resume", classical).stderr


def test_a_run_without_a_network_that_was_stopped_is_solved_again(classical, tmp_path):
    path = tmp_path / "r"
    assert ritz("run", "--out", path, "--quiet").returncode == 0
    meta = json.loads((path / "run_meta.json").read_text())
    (path / "run_meta.json").write_text(json.dumps(meta | {"status": "started"}))
    assert "did not finish" in ritz("eval", path).stderr
    assert ritz("resume", path, "--quiet").returncode == 0
    assert ritz("eval", path).returncode == 0


def test_what_a_document_does_not_state_is_as_by_default(tmp_path):
    file = tmp_path / "document.json"
    stated = {"domain": {"X": 3.5}, "potential": {"type": "gaussian"}, "solver": {"K": 2, "M": 6}}
    file.write_text(json.dumps(stated))
    config = configuration.load([file], env={}).config
    assert config == configuration.load([stated], env={}).config
    assert configuration.load(["document", file], env={}).config.domain.boundary == "natural"


def test_a_dry_run_names_a_new_run_and_makes_nothing(tmp_path):
    said = [json.loads(ritz("run", "--dry-run", "--json", cwd=tmp_path).stdout) for _ in range(8)]
    assert len({each["run"] for each in said}) > 1
    assert said[0]["what"] == "biquadratic_dqd, 4 states by the reference"
    assert not list(tmp_path.iterdir())


def test_options_of_a_network_that_is_not_trained_are_refused(tmp_path):
    (tmp_path / "wide.toml").write_text("[model]\nhidden_features = 8\n")
    told = ritz("run", "--dry-run", "--config", tmp_path / "wide.toml")
    assert told.stderr.startswith("note: model.hidden_features: of the network, which is not trained")
    assert "network" in ritz("run", "--dry-run", "--config", "accurate").stdout
    for given in ("model.hidden_features=8", "solver.head=trained", "domain.eval_nq=99"):
        assert "add --network" in ritz("run", "--dry-run", "--set", given).stderr


def test_a_tolerance_that_is_missed_is_an_exit_code_of_1():
    curved = ("--set", "potential.type=expression", "--set", "potential.expression=where(x**2+y**2<1,-20,0)")
    done = ritz("reference", *curved, "--levels", 1, "--tolerance", "1e-13")
    assert "NOT within the tolerance" in done.stdout
    assert done.returncode == 1
