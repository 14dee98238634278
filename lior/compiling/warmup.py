"""Warm-up: call every compiled function of this package; see :mod:`lior.compiling.compiled`."""

from __future__ import annotations

import numpy as np

from lior.compiling import repetition
from lior.compiling.compiled import HOME, compiling


def compile_all() -> None:
    """Compile and cache all functions; if several processes start, one compiles and the others wait."""
    with compiling(HOME) as missing:
        if missing:
            repetition.barred(repetition.limits(repetition.find([np.array([1, 2, 1, 2])]), [1, 2]))
