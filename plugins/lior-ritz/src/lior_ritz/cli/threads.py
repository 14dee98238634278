"""How many processor cores the commands use."""

from __future__ import annotations

import os

from lior_cli import interrupts


def import_torch() -> None:
    """Import torch as :func:`lior_cli.interrupts.import_torch` does, and let it use one thread.

    A step is some hundred operations on small matrices. Threads that sleep between them take twice as long as
    one, and threads that spin take five times as long as one when the machine has other work
    (docs/decisions/ritz-network.md). ``OMP_NUM_THREADS`` asks for more, for networks of another size.
    """
    interrupts.import_torch()
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        torch.set_num_threads(1)
