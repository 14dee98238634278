"""The commands of `lior bench`: each is found, says what it does, and a text needs none."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lior_bench.cli import COMMANDS, bench


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_as_the_list_does(name):
    told = CliRunner().invoke(bench, [name, "--help"])
    assert told.exit_code == 0, told.output
    first = COMMANDS[name][1].removesuffix(" (the default).").removesuffix(".")
    assert first.split()[0] in told.output


def test_the_list_imports_no_command():
    told = CliRunner().invoke(bench, ["--help"])
    assert all(f"  {name} " in told.output for name in COMMANDS)
