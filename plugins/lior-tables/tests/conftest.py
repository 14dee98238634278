"""Tests run side by side, each on one core: threads that wait for a core make them several times slower."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, here and by commands
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # as the command line does, so that both give the same bits
