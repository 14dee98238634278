"""Compilation of the streaming functions, kept on disk between runs.

numba notices when the file of a cached function changes, but not when a
function that it calls does. Here only the functions that Python calls are
cached, under a name that holds a digest of every source file of the package:
after any change they are compiled again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit


def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


_DIGEST = _digest()


def entry(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, and keep the result for later processes.

    It runs without the interpreter's lock: threads may read, or work out addresses, side by side.
    """
    function.__qualname__ = f"{function.__name__}_{_DIGEST}"
    return njit(cache=True, nogil=True)(function)
