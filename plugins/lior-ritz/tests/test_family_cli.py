"""``lior ritz family`` and what can be asked of a family, on the command line."""

from __future__ import annotations

import csv
import io
import json

import pytest
from commands import ritz

QUICK = ("--set", "solver.K=2")
VARY = ("--vary", "barrier_meV=2:6")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    path = tmp_path_factory.mktemp("families") / "barrier"
    done = ritz("family", *VARY, *QUICK, "--out", path)
    assert done.returncode == 0, done.stderr
    return path, done


def test_the_command_compares_at_devices_that_it_was_not_made_from(family):
    path, done = family
    assert "functions of 12 devices; splittings within" in done.stdout
    report = json.loads((path / "family.json").read_text())
    assert report["largest_relative_error"]["splitting"] < 1e-3
    assert report["variational"]
    assert len(report["snapshots"]) == 12
    rows = list(csv.DictReader(io.StringIO((path / "family.csv").read_text())))
    assert len(rows) == len(report["devices"]) == 20
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
    ("args", "said"), [((), "barrier_meV: give its value"), (("--at", "barrier_meV=3", "--nq", 50), "--nq")]
)
def test_what_eval_refuses_of_a_family(family, args, said):
    done = ritz("eval", family[0], *args)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
