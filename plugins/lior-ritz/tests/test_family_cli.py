"""``lior ritz family`` and what can be asked of a family, on the command line."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time

import pytest
from test_ritz_cli import ritz, sets

from lior.errors import UsageError
from lior_ritz.cli import varied

QUICK = sets("model.hidden_features=12", "solver.K=2", "domain.nq=32")
VARY = ("--vary", "barrier_meV=2:6")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    path = tmp_path_factory.mktemp("families") / "barrier"
    done = ritz("family", *VARY, *QUICK, "--devices", 3, "--steps", 90, "--test", 5, "--out", path)
    assert done.returncode == 0, done.stderr
    return path, done


def test_the_command_compares_at_devices_that_were_not_trained(family):
    path, done = family
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["barrier_meV", "E1", "-"]
    assert "reduced basis" in done.stdout
    assert "has the smaller errors here" in done.stdout
    assert "adam: " in done.stderr
    assert "lbfgs: " in done.stderr
    report = json.loads((path / "family.json").read_text())
    assert report["network"]["largest_relative_error"]["splitting"] < 1e-3
    assert report["network"]["sound"]
    assert report["network"]["variational"]
    assert report["network"]["steps"] == 90
    assert len(report["network"]["trained"]) == 3
    rows = list(csv.DictReader(io.StringIO((path / "family.csv").read_text())))
    assert len(rows) == len(report["devices"]) == 5
    assert float(rows[0]["network_meV_0"]) == report["devices"][0]["network_meV"][0]
    assert (path / "plots" / "family.png").stat().st_size > 10_000
    assert "Written: " in lines[-1]


def test_eval_answers_for_one_device(family):
    path, _ = family
    done = ritz("eval", path, "--at", "barrier_meV=3")
    assert done.returncode == 0, done.stderr
    assert "splitting E1 - E0: 193." in done.stdout
    assert "dE/dbarrier_meV" in done.stdout
    report = json.loads(ritz("eval", path, "--at", "barrier_meV=3", "--json").stdout)
    assert report["values"] == {"barrier_meV": 3.0}
    assert max(map(abs, report["relative_errors"])) < 1e-3
    assert report["dE_meV"]["barrier_meV"][0] > report["dE_meV"]["barrier_meV"][1] > 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "barrier_meV: give its value"),
        (("--at", "barier_meV=3"), "Did you mean 'barrier_meV'"),
        (("--at", "barrier_meV=7"), "trained from 2 to 6"),
        (("--at", "barrier_meV=3", "--nq", 50), "--nq"),
    ],
)
def test_what_eval_refuses_of_a_family(family, args, said):
    done = ritz("eval", family[0], *args)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--vary", "barrier_meV"), 2, "allowed is NAME=LOW:HIGH"),
        (("--vary", "barrier_meV=6:2"), 2, "LOW has to be below HIGH"),
        (("--vary", "delta=0:1:log"), 2, "with log, LOW has to be above 0"),
        (("--vary", "barier_meV=2:6"), 2, "Did you mean 'barrier_meV'"),
        ((*VARY, "--set", "solver.head=trained"), 2, "solver.head"),
        ((*VARY, "--devices", 300), 2, "--devices"),
    ],
)
def test_bad_input_gets_one_line(args, code, said, tmp_path):
    done = ritz("family", *args, "--out", tmp_path / "f")
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("command", ["plot", "ci", "resume"])
def test_a_family_is_no_run_and_says_what_it_is(command, family):
    done = ritz(command, family[0])
    assert done.returncode == 1
    assert f"lior ritz eval {family[0]} --at NAME=VALUE" in done.stderr


def test_a_directory_that_is_used_is_left_alone(family):
    before = (family[0] / "family.json").read_bytes()
    done = ritz("family", *VARY, *QUICK, "--out", family[0])
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert (family[0] / "family.json").read_bytes() == before


def test_only_json_comes_when_that_is_asked():
    done = ritz("family", *VARY, *QUICK, "--devices", 2, "--steps", 5, "--test", 2, "--json", "--quiet")
    assert done.stderr == ""
    assert json.loads(done.stdout)["K"] == 2


def test_a_signal_keeps_what_was_learned(tmp_path):
    path = tmp_path / "f"
    command = [sys.executable, "-m", "lior_cli.main", "ritz", "family", *VARY, "--out", str(path), *QUICK]
    with subprocess.Popen(
        [*command, *sets("training.steps=100000", "training.log_every=5")], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        said = ""
        while "adam: 5/" not in said and time.monotonic() < deadline:
            said += process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "what was learned is in" in rest
    assert "Traceback" not in said + rest
    assert ritz("eval", path, "--at", "barrier_meV=3").returncode == 0


@pytest.mark.parametrize("text", ["a", "=1", "a=x", "a=nan"])
def test_malformed_devices_are_refused(text):
    with pytest.raises(UsageError, match="--at"):
        varied.values("--at", [text])


def test_a_device_is_given_once():
    assert varied.values("--at", ["a=1", " b = 2 "]) == {"a": 1.0, "b": 2.0}
    with pytest.raises(UsageError, match="twice"):
        varied.values("--at", ["a=1", "a=2"])


@pytest.mark.parametrize("text", ["a", "a=1", "a=1:2:3", "a=1:x", "a=1:2:log:4", "=1:2"])
def test_malformed_ranges_are_refused(text):
    with pytest.raises(UsageError, match="--vary"):
        varied.span(text)
