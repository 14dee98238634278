"""The devices of torch."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from lior.process import available_bytes


class Cpu:
    """The processor; each operation has blocks that fit its caches."""

    api_version: ClassVar[int] = 1
    kind: ClassVar[str] = "cpu"
    automatic: ClassVar[bool] = False
    doubles: ClassVar[bool] = True
    precision: ClassVar[str] = "highest"

    def missing(self) -> str:
        """Return an empty text."""
        return ""

    def free(self) -> int:
        """Return the memory in bytes that the system can provide."""
        return available_bytes()

    def synchronize(self) -> None:
        """Return at once: operations are done when they return."""

    def block(self, entries: int) -> int:
        """Return ``entries``."""
        return entries


class Cuda(Cpu):
    """A GPU of NVIDIA or AMD.

    TF32 is off: no measurement shows yet that results stay within the tolerances of ``docs/gpu.md``.
    """

    kind: ClassVar[str] = "cuda"
    automatic: ClassVar[bool] = True
    label: ClassVar[str] = "CUDA GPU"

    @property
    def module(self) -> Any:
        """The module of torch for the device."""
        return getattr(torch, self.kind)

    def missing(self) -> str:
        """Return a message if torch sees no such device."""
        return "" if self.module.is_available() else f"no {self.label} is visible to PyTorch here"

    def free(self) -> int:
        """Return the free memory in bytes."""
        return int(self.module.mem_get_info()[0])

    def synchronize(self) -> None:
        """Wait until all operations are done."""
        self.module.synchronize()

    def block(self, entries: int) -> int:
        """Return large blocks: many small matrices are slow on a GPU."""
        return max(entries << 4, 1 << 26)


class Xpu(Cuda):
    """A GPU of Intel; untested, and so only by name."""

    kind: ClassVar[str] = "xpu"
    automatic: ClassVar[bool] = False
    label: ClassVar[str] = "GPU of Intel"


class Mps(Xpu):
    """A GPU of Apple; untested, without float64."""

    kind: ClassVar[str] = "mps"
    doubles: ClassVar[bool] = False
    label: ClassVar[str] = "GPU of Apple"

    @property
    def module(self) -> Any:
        """The module of torch; ``torch.backends.mps`` tells whether there is a GPU."""
        return torch.mps

    def missing(self) -> str:
        """Return a message if torch sees no such device."""
        return "" if torch.backends.mps.is_available() else f"no {self.label} is visible to PyTorch here"

    def free(self) -> int:
        """Return the recommended memory in bytes that is not allocated."""
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
