"""One thread a process: tests run beside each other, and threads that wait for one another make both slow."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, here and by commands
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # as the command line does, so that both give the same bits

import pytest

from lior_ritz.problem import units


@pytest.fixture
def older_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    """ħ²/2m with which published levels in these tests were worked out, 4.4e-8 below that of CODATA 2022."""
    monkeypatch.setattr(units, "HBAR2_OVER_2M", 3.809981944)
