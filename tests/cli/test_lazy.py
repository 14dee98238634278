"""A group of another system on the command line: listed, completed and corrected without an import."""

from __future__ import annotations

import sys

import click
import pytest
from click.testing import CliRunner

from lior_cli.lazy import LazyGroup

COMMANDS = {
    "solve": ("tl_work:solve", "Find the lowest states."),
    "sweep": ("tl_work:sweep", "Find them for many."),
}
WORK = """
import click

@click.command()
@click.argument("name")
def solve(name):
    click.echo(f"solved {name}")
"""
GROUP = f"""
import click
from lior_cli.lazy import LazyGroup

@click.group(cls=LazyGroup, lazy={COMMANDS!r})
def toy():
    "Solve toys."
"""


@click.group(cls=LazyGroup, lazy=COMMANDS)
def group():
    """Solve."""


@pytest.fixture
def work(install):
    install("toy-work", "", tl_work=WORK)


@pytest.mark.usefixtures("work")
def test_listed_in_order_without_an_import():
    text = CliRunner().invoke(group, ["--help"]).output
    assert group.list_commands(click.Context(group)) == ["solve", "sweep"]
    assert text.index("solve  Find the lowest states.") < text.index("sweep  Find them for many.")
    assert "tl_work" not in sys.modules
    assert "plugins" not in text, "commands of plugins are those of the top group"


def test_completed_without_an_import(monkeypatch):
    monkeypatch.setattr(group, "get_command", lambda *_: pytest.fail("imported a command"))
    found = group.shell_complete(click.Context(group), "so")
    assert [(item.value, item.help) for item in found] == [("solve", "Find the lowest states.")]


def test_below_the_command_of_a_plugin(install, lior):
    loud = "print('imported')\n" + WORK
    site = install("lior-toy", "[lior.commands]\ntoy = tl_group:toy", tl_group=GROUP, tl_work=loud)
    listing = lior("toy", "--help", path=site).stdout
    assert "Find the lowest states." in listing
    assert "imported" not in listing
    assert lior("toy", "solve", "x", path=site).stdout == "imported\nsolved x\n"
    wrong = lior("toy", "slove", path=site)
    assert wrong.returncode == 2
    assert wrong.stderr == "lior: error: no command 'slove'. Did you mean 'solve'? Try 'lior toy --help'.\n"
