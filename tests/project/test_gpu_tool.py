"""The command for the first GPU: rehearsed on the CPU, and on a device that refuses what CUDA refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from tests.second_device import second_device
from tools import gpu
from tools.gpu import ROOT, STEPS, Place

TINY = Place("cpu", tiny=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["metric", "retrieval", "counting", "inference"])
def test_a_step_leaves_nothing_on_the_wrong_device(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    with torch.no_grad(), second_device():
        rows = STEPS[name][0](Place("cuda", tiny=True))
    assert {row.verdict for row in rows} == {"equal"}


def test_the_steps_fit_into_half_an_hour():
    assert sum(seconds for _, seconds in STEPS.values()) <= 1800


def test_differences_are_found():
    one = torch.tensor([1.0, -4.0])
    assert gpu.difference([one, 2], [one, 2]) == 0
    assert gpu.difference([one, 2], [one, 3]) == 0.5
    assert 0 < gpu.difference([1.0], [1.0 + 1e-12]) < 1e-11
    assert gpu.difference(one, one + torch.tensor([0.0, 1.0])) == 0.25
    assert gpu.difference(one, one * float("nan")) == float("inf")
    found = iter([0.0, 1.0, 0.0, 2.0])
    row = gpu.compare("x", TINY, 0.1, lambda device: next(found))
    assert (row.verdict, row.numbers[0]) == ("DIFFERENT", 1.0)


def test_a_step_that_fails_or_is_late_is_a_row(monkeypatch):
    def run(command, timeout, **options):
        if command[4] == "metric":
            raise subprocess.TimeoutExpired(command, timeout)
        said = '[{"what": "x", "verdict": "equal"}]' if command[4] == "facts" else ""
        return subprocess.CompletedProcess(command, 1, said, "Traceback\nRuntimeError: no kernel image\n")

    monkeypatch.setattr(gpu.subprocess, "run", run)
    [fine], [late], [failed] = (gpu.run_step(name, TINY) for name in ("facts", "metric", "lens"))
    assert (fine.verdict, late.verdict, failed.verdict) == ("equal", "FAILED", "FAILED")
    assert (late.note, failed.note) == ("it took more than 240 s", "RuntimeError: no kernel image")
    assert "| lens | FAILED |" in gpu.write_page([failed], TINY)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("flags", [[], pytest.param(["--rehearse"], marks=pytest.mark.slow)])
def test_without_a_gpu_nothing_is_written_and_all_is_rehearsed(flags):
    before = (ROOT / "docs/gpu.md").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "tools.gpu", *flags], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == (0 if flags else 2), done.stdout
    assert "nothing ran on a GPU" in done.stdout if flags else "--rehearse" in done.stderr
    assert (ROOT / "docs/gpu.md").read_text() == before
