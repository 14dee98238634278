"""docs/cli.md is what the commands and the schema say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lior.config import keys
from lior_cli.main import COMMANDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
MEND = "LIOR_ALLOW_PLUGINS=lior,lior-ask python tools/cli_reference.py > docs/cli.md"


@pytest.fixture(scope="module")
def page() -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIOR_")}
    command = [sys.executable, str(PAGE.parents[1] / "tools" / "cli_reference.py")]
    made = subprocess.run(
        command,
        env=env | {"LIOR_ALLOW_PLUGINS": "lior,lior-ask"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_page_is_current(page):
    assert PAGE.read_text() == page, f"docs/cli.md is out of date; run: {MEND}"


def test_page_has_every_command_and_key(page):
    assert all(f"| `lior {name} " in page for name in COMMANDS)
    assert all(f"| `{key.dotted}` " in page for key in keys())
    assert MEND in page
