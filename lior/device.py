"""Where tensors live."""

from __future__ import annotations

import torch

from lior.errors import DeviceError, UsageError


def pick_device(name: str) -> torch.device:
    """The device called ``name``: ``cpu``, ``cuda`` or ``auto``, which takes CUDA when it is there.

    Raises
    ------
    UsageError
        When the name is none of these.
    DeviceError
        When CUDA is asked for and absent.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {name!r}: allowed is one of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device 'cuda': no CUDA GPU is visible to PyTorch here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
