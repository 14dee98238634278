"""The memory of this process."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """Largest resident memory of this process so far, in bytes.

    Without ``/proc`` it is what ``getrusage`` gives, which may be that of the process that started this one.
    """
    with contextlib.suppress(OSError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes() -> int:
    """Resident memory of this process in bytes: now on Linux, elsewhere the most so far."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")
