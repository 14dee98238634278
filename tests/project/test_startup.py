"""The command line answers at once: no torch, no numpy, a quarter of a second at most."""

from __future__ import annotations

import os
import subprocess
import sys

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

IMPORTED_BY_COMMANDS = f"""
import sys
from lior_cli.main import main
for args in {COMMANDS}:
    code = main(args)
    heavy = [name for name in {HEAVY} if name in sys.modules]
    if code or heavy:
        sys.exit(f"{{args}}: code {{code}}, imported {{heavy}}")
"""


def test_commands_import_nothing_heavy():
    subprocess.run([sys.executable, "-c", IMPORTED_BY_COMMANDS], check=True, stdout=subprocess.DEVNULL)


LIGHT = [
    "lior",
    "lior.plugins.kinds",
    "lior.config.resolving",
    "lior.interfaces",
    "lior.events",
    "lior.testing",
]
IMPORTED_BY_MODULES = f"""
import sys
from importlib import import_module
for name in {[*LIGHT, "lior_cli.lazy"]}:
    import_module(name)
    if any(heavy in sys.modules for heavy in {HEAVY}):
        sys.exit(name)
"""


def test_imports_are_light():
    subprocess.run([sys.executable, "-c", IMPORTED_BY_MODULES], check=True)


def test_help_imports_no_command():
    code = (
        "import sys; from lior_cli.main import main; main(['--help']);"
        "loaded = {m for m in sys.modules if m.startswith('lior_cli.')};"
        "loaded -= {'lior_cli.main', 'lior_cli.lazy', 'lior_cli.output'};"
        "sys.exit(', '.join(loaded) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_help_takes_a_quarter_of_a_second():
    """Of processor time, once of five times at least, for other processes share the machine."""

    def seconds() -> float:
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "lior_cli.main", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])  # of child processes, in user and in system mode

    assert any(seconds() <= 0.25 for _ in range(5))
