"""The command line answers at once: no torch, no numpy, a quarter of a second at most."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy")
COMMANDS = [
    ["--help"],
    ["--version"],
    ["train", "--help"],
    ["plugins"],
    ["plugins", "--json"],
    ["config", "list"],
    ["config", "show"],
]

PROBE = f"""
import sys
from lior_cli.main import main
code = main(sys.argv[1:])
heavy = [name for name in {HEAVY} if name in sys.modules]
sys.exit(f"imported {{heavy}}" if heavy else code)
"""


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_command_imports_nothing_heavy(args):
    subprocess.run([sys.executable, "-c", PROBE, *args], check=True, stdout=subprocess.DEVNULL)


LIGHT = ["lior", "lior.config", "lior.config.resolving", "lior.interfaces", "lior.events", "lior.testing"]


@pytest.mark.parametrize("module", [*LIGHT, "lior_cli.lazy"])
def test_import_is_light(module):
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in {HEAVY}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_imports_no_command():
    code = (
        "import sys; from lior_cli.main import main; main(['--help']);"
        "loaded = {m for m in sys.modules if m.startswith('lior_cli.')};"
        "loaded -= {'lior_cli.main', 'lior_cli.lazy', 'lior_cli.output'};"
        "sys.exit(', '.join(loaded) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_help_takes_a_quarter_of_a_second():
    """The least processor time of five, for other processes share the machine."""

    def seconds() -> float:
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "lior_cli.main", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])  # of child processes, in user and in system mode

    assert min(seconds() for _ in range(5)) <= 0.25
