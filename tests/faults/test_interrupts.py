"""Ctrl-C is never lost. What is kept of a training, and how it goes on, is in test_resume.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.faults.faults import start_command

SWALLOWS = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
except KeyboardInterrupt:
    pass
"""
"""A torch that is interrupted while it is imported, and loses it as the true one may."""

IMPORT = """
import signal, sys
from lior_cli.interrupts import import_torch
# Not what this process was given: SIGINT is ignored in it when the tests are a background job.
signal.signal(signal.SIGINT, signal.SIG_IGN if sys.argv[1:] else signal.default_int_handler)
before = signal.getsignal(signal.SIGINT)
try:
    import_torch()
except KeyboardInterrupt:
    print("interrupted", end=" ")
assert signal.getsignal(signal.SIGINT) is before
print("torch" in sys.modules)
"""


@pytest.mark.parametrize(("ignored", "said"), [((), "interrupted True\n"), (("nohup",), "True\n")])
def test_interrupted_while_importing(tmp_path, ignored, said):
    """Half-imported modules must not lose Ctrl-C or turn it into another error; and nohup is obeyed."""
    (tmp_path / "torch.py").write_text(SWALLOWS)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    child = subprocess.run(
        [sys.executable, "-c", IMPORT, *ignored],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout == said


@pytest.mark.slow
def test_interrupted_generation(tmp_path, finished):
    said = tmp_path / "said"
    with said.open("w") as stdout:
        child = start_command(["generate", str(finished), "--max-tokens", "1000000"], tmp_path, stdout)
        while not said.stat().st_size and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=120)[1].strip() == "lior: interrupted"
    assert child.returncode == 130
