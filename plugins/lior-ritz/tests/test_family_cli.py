"""``lior ritz family`` and what can be asked of a family, on the command line."""

from __future__ import annotations

import csv
import io
import json

import pytest
from commands import ritz

from lior.errors import UsageError
from lior_ritz.cli import varied

QUICK = ("--set", "solver.K=2", "--devices", 3, "--test", 5)
VARY = ("--vary", "barrier_meV=2:6")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    path = tmp_path_factory.mktemp("families") / "barrier"
    done = ritz("family", *VARY, *QUICK, "--out", path)
    assert done.returncode == 0, done.stderr
    return path, done


def test_the_command_compares_at_devices_that_it_was_not_made_from(family):
    path, done = family
    assert "functions of 3 devices; splittings within" in done.stdout
    report = json.loads((path / "family.json").read_text())
    assert report["largest_relative_error"]["splitting"] < 1e-3
    assert report["variational"]
    assert len(report["snapshots"]) == 3
    rows = list(csv.DictReader(io.StringIO((path / "family.csv").read_text())))
    assert len(rows) == len(report["devices"]) == 5
    assert float(rows[0]["family_meV_0"]) == report["devices"][0]["family_meV"][0]
    assert (path / "plots" / "family.png").stat().st_size > 10_000
    assert "Written: " in done.stdout.splitlines()[-1]


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
        (("--at", "barrier_meV=7"), "made from 2 to 6"),
        (("--at", "barrier_meV=3", "--nq", 50), "--nq"),
    ],
)
def test_what_eval_refuses_of_a_family(family, args, said):
    done = ritz("eval", family[0], *args)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_directory_that_is_used_is_left_alone(family):
    before = (family[0] / "family.json").read_bytes()
    done = ritz("family", *VARY, *QUICK, "--out", family[0])
    assert done.returncode == 1
    assert "not empty" in done.stderr
    assert (family[0] / "family.json").read_bytes() == before


def test_only_json_comes_when_that_is_asked():
    done = ritz("family", *VARY, *QUICK, "--json", "--quiet")
    assert done.stderr == ""
    assert json.loads(done.stdout)["K"] == 2


def test_a_device_is_given_once():
    assert varied.values("--at", ["a=1", " b = 2 "]) == {"a": 1.0, "b": 2.0}
    with pytest.raises(UsageError, match="twice"):
        varied.values("--at", ["a=1", "a=2"])
