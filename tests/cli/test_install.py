"""`lior install`: what pip is given, and when it runs."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from lior.packages import PARTS
from lior_cli import install
from lior_cli.main import main
from tests.cases import cases

CHECKOUT = Path(__file__).parents[2]
ALL = {f"lior-{name}" for name in ("ask", "serve", "tables", "archive", "bench", "field")}


@pytest.fixture
def only_lior(monkeypatch):
    """As if of lior's distributions only `lior` were installed."""

    def found(name):
        if name in ALL:
            raise PackageNotFoundError(name)
        return distribution(name)

    monkeypatch.setattr(install, "distribution", found)


@pytest.fixture
def ran(monkeypatch):
    """Commands that would have run."""
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 7 if "fails" in command else 0)

    monkeypatch.setattr(install.subprocess, "run", run)
    return commands


def given(name, *, editable=False, checkout=CHECKOUT):
    place = checkout and install.Checkout(checkout, editable)
    return [each.replace(f"{CHECKOUT}", "") for each in install._requirements([name], place)]


@pytest.mark.usefixtures("only_lior")
@cases(
    ("name", "wanted"),
    [
        ("ask", ["/plugins/lior-ask"]),
        ("lior-ask", ["/plugins/lior-ask"]),
        ("meaning", ["/plugins/lior-ask[meaning]"]),
        ("serve", ["/plugins/lior-ask", "/plugins/lior-serve"]),
        ("serving", ["/plugins/lior-ask", "/plugins/lior-serve", "/plugins/lior-bench[serving]"]),
        ("model", ["lior[model]"]),
        ("lior-elsewhere", ["lior-elsewhere"]),
        ("fastembed==0.7", ["fastembed==0.7"]),
    ],
)
def test_a_part_is_a_folder_of_the_checkout_and_anything_else_a_requirement(name, wanted):
    assert given(name) == wanted
    editable = [f"--editable={each}" if each[0] == "/" else each for each in wanted]
    assert given(name, editable=True) == editable


@pytest.mark.usefixtures("only_lior")
def test_without_a_checkout_a_part_is_on_the_index():
    assert given("serve", checkout=None) == ["lior-serve"]


@cases("name", PARTS)
def test_what_is_installed_is_named(name):
    part = PARTS[name]
    if part.requirement.partition("[")[0] in ALL and part.missing:
        pytest.skip("not installed")
    assert given(name)[-1:] == [part.requirement] or name in ("ritz", "lens", "hyperbolic", "raw", "profiles")


def test_the_command_is_printed_and_runs_after_yes(ran, capsys):
    assert main(["install", "fastembed", "--yes"]) == 0
    assert ran == [[sys.executable, "-P", "-m", "pip", "install", "fastembed"]]
    assert capsys.readouterr().out == shlex.join(ran[0]) + "\n"


def test_a_failure_of_pip_is_one(ran, capsys):
    assert main(["install", "-y", "fails"]) == 1
    assert "pip failed with exit code 7" in capsys.readouterr().err


@cases(("typed", "code", "runs"), [("y\n", 0, 1), ("n\n", 1, 0), ("", 2, 0)])
def test_it_runs_after_a_yes_only(ran, monkeypatch, typed, code, runs, tmp_path):
    (tmp_path / "typed").write_text(typed)
    ran.clear()
    with (tmp_path / "typed").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert (main(["install", "fastembed"]), len(ran)) == (code, runs)


def test_without_a_name_the_parts_are_listed(capsys):
    assert main(["install"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert [*rows] == [*PARTS]
    assert rows["check"].split()[1] == "installed"  # hypothesis runs these tests


def test_an_environment_of_uv_has_no_pip(monkeypatch):
    monkeypatch.setattr(install, "find_spec", lambda name: None)
    monkeypatch.setattr(install.shutil, "which", lambda name: "/bin/uv")
    assert install._installer() == ["/bin/uv", "pip", "install", "--python", sys.executable]
