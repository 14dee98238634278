"""The examples run as they stand, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.doc_outputs import without_numbers

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SAYS = {
    "ask_folder.py": "certificates.md:3",
    "ask.sh": "certificates.md:3",
    "first_run.sh": "forgot",
    "learn_and_forget.py": "asked:   The launch of the great balloon is on the fourth of May.",
    "plugin_instance.py": "Rotor(layers=4",
    "table.py": "in their 90 % interval",
    "train_and_complete.py": "bits per byte of noise",
    "whole_method.py": "bits per byte of the last tenth",
    "why_a_word.py": "plan, line 1",
}
"""File -> what it prints among other things."""


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".sh")} == {*SAYS}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs(name, tmp_path):
    if name == "table.py":
        pytest.importorskip("lior_tables")
    binaries = Path(sys.executable).parent
    environment = os.environ | {
        "XDG_CACHE_HOME": str(tmp_path),
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable] if name.endswith(".py") else ["sh"]
    done = subprocess.run(
        [*command, f"examples/{name}"],
        cwd=EXAMPLES.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[name] in done.stdout


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_holds(tmp_path):
    """Up to numbers."""
    pytest.importorskip("lior_tables")
    (fresh := tmp_path / "notebook.ipynb").write_text((EXAMPLES / "notebook.ipynb").read_text())
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(EXAMPLES.parent)}
    command = [sys.executable, "-m", "tools.notebook", str(fresh)]
    subprocess.run(command, cwd=EXAMPLES, env=environment, check=True)
    assert "certificates.md:3" in fresh.read_text()
    assert without_numbers(fresh.read_text()) == without_numbers((EXAMPLES / "notebook.ipynb").read_text())
