"""Ctrl-C: says what is kept, and is never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lior.config import load

LIOR = (sys.executable, "-m", "lior_cli.main")


def interrupt(args: list[str], cwd: Path, ready, out: Path = Path(os.devnull)) -> tuple[int, str]:
    """Press Ctrl-C when ``ready()``; returns the exit code and what was said."""
    with out.open("w") as stdout:
        child = subprocess.Popen(
            [*LIOR, *args],
            cwd=cwd,
            text=True,
            stdout=stdout,
            stderr=subprocess.PIPE,
            # A shell starts background jobs with SIGINT ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        end = time.monotonic() + 300
        while not ready() and child.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, message = child.communicate(timeout=120)
    finally:
        child.kill()
    return child.returncode, message


def test_interrupted_training_says_what_is_kept_and_how_to_go_on(tmp_path, sample, small_recipe, configure):
    run = tmp_path / "r"
    flags = ["--config", str(small_recipe), "--set", "geometry.updates=1000000"]
    begun = run / "metrics.jsonl"
    log = run / "train.log"
    code, message = interrupt(
        ["train", str(sample), "--out", "r", "--quiet", *flags],
        tmp_path,
        lambda: log.exists() and "geometry" in log.read_text(),
    )
    assert code == 130
    assert message.startswith("lior: error: stopped in stage 'geometry' after ")
    assert message.endswith("steps; `lior train --resume r` goes on\n")
    assert "Traceback" not in message
    assert not begun.exists() or begun.read_text().endswith("\n")
    kept = load(run / "config.toml", env={}, overrides=["geometry.updates=4"]).config
    assert kept == configure()


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
    code, message = interrupt(
        ["generate", str(finished), "--max-tokens", "1000000"], tmp_path, lambda: said.stat().st_size, said
    )
    assert (code, message.strip()) == (130, "lior: interrupted")
