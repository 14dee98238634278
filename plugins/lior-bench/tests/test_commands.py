"""The commands of `lior bench`: each is found, says what it does, and a text needs none."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lior.errors import MissingPackage
from lior_bench import costs
from lior_bench.cli import COMMANDS, bench


def test_a_command_says_what_it_does_as_the_list_does():
    for name, (_, help) in COMMANDS.items():
        told = CliRunner().invoke(bench, [name, "--help"])
        assert told.exit_code == 0, told.output
        assert help.split()[0].removesuffix(".") in told.output


@pytest.mark.parametrize(
    ("name", "extra"),
    [("serving", "serving"), ("sharing", "serving"), ("attack", "serving"), ("tables", "tables")],
)
def test_what_needs_the_extra_says_so(name, extra, monkeypatch):
    monkeypatch.setattr("lior.packages.find_spec", lambda package: None)
    told = CliRunner().invoke(bench, [name])
    assert isinstance(told.exception, MissingPackage)
    assert str(told.exception).endswith(f"lior install {extra}")


def test_the_list_imports_no_command():
    told = CliRunner().invoke(bench, ["--help"])
    assert all(f"  {name} " in told.output for name in COMMANDS)


@pytest.mark.parametrize("most", [0.0, 1e9])
def test_a_later_question_is_compared_with_what_is_asked(tmp_path, monkeypatch, most):
    (tmp_path / "notes.md").write_text("Ada wrote the letter of number 0.")
    monkeypatch.setattr(costs, "ASKED", {"memory, MB": most})
    monkeypatch.setattr(costs, "UNCHANGED", 30)
    told = CliRunner().invoke(bench, ["later", str(tmp_path), "--times", "1"])
    assert told.exit_code == (most == 0), told.output
    assert not isinstance(told.exception, Exception), told.exception
    first, second = told.stdout.split("\n\n")
    assert [line.split(" | ")[0] for line in first.splitlines()[2:]] == [
        "| CPU, s",
        "| clock, s",
        "| memory, MB",
    ]
    assert first.splitlines()[-1].endswith(f"| ≤ {most:g} |")
    assert [line.split(" | ")[0] for line in second.splitlines()[2:]] == [
        "| python -c pass",
        "| lior --help",
        "| lior sync, 30 unchanged files",
        "| a later question",
    ]
