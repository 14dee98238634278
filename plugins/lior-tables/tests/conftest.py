"""Tests run side by side, each on one core: threads that wait for a core make them several times slower."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, here and by commands
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # as the command line does, so that both give the same bits

from typing import Any

from lior_tables.agop import Agop
from lior_tables.kernel import Parts
from lior_tables.members import Candidate
from lior_tables.power import Power
from lior_tables.readouts import Ridge


def candidate(readout: Any = None, exponent: float = 1.0) -> Candidate:
    """A ridge regression (or another readout) in the metric of mean gradients, with the cost |x|^exponent."""
    parts = Parts(frame=Agop(), rsource=None, product=Power(exponent=exponent))
    return Candidate(name="", parts=parts, readout=readout or Ridge(), bandwidths=(), ridges=(), rounds=0)
