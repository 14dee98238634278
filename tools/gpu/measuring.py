"""Where a step runs, and rows of its findings."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves


@attrs.frozen
class Place:
    """The device that is compared with the CPU, and how large the problems are."""

    device: str
    """``cuda``; ``cpu`` in a rehearsal, in which the CPU is compared with itself."""
    tiny: bool

    def size(self, full: int, tiny: int) -> int:
        """A size of a problem."""
        return tiny if self.tiny else full

    def wait(self) -> None:
        """Until the device has done all work."""
        if self.device == "cuda":
            torch.cuda.synchronize()


@attrs.frozen
class Row:
    """A finding."""

    what: str
    verdict: str
    """``equal``, ``DIFFERENT``, ``FAILED``, ``not run`` or ``told``."""
    note: str = ""
    difference: float | None = None
    """The largest, as a part of the CPU's largest number."""
    allowed: float | None = None
    cpu: float | None = None
    """Seconds."""
    device: float | None = None
    """Seconds."""


def compared(
    what: str, place: Place, allowed: float, work: Callable[[str], object], *, note: str = ""
) -> Row:
    """A row of ``work(device)`` on the CPU and on the device: numbers and seconds."""
    expected, cpu = timed(work, Place("cpu", place.tiny))
    found, device = timed(work, place)
    apart = difference(expected, found)
    return Row(what, "equal" if apart <= allowed else "DIFFERENT", note, apart, allowed, cpu, device)


def difference(expected: object, found: object) -> float:
    """The largest difference of all tensors and numbers, each as a part of the largest expected in it."""
    worst = 0.0
    pairs = list(zip(tree_leaves(expected), tree_leaves(found), strict=True))
    for a, b in pairs:
        a, b = (torch.as_tensor(x).detach().cpu() for x in (a, b))
        a, b = (x.to(torch.complex128 if x.is_complex() else torch.float64) for x in (a, b))
        apart = (a - b).abs()
        if a.shape != b.shape or not bool(apart.isfinite().all()):
            return float("inf")
        if a.numel():
            worst = max(worst, float(apart.max() / a.abs().max().clamp(min=1e-30)))
    return worst


def timed(work: Callable[[str], object], place: Place) -> tuple[object, float]:
    """The result and the least seconds of two calls, after one that warms up."""
    found, times = work(place.device), []
    for _ in range(1 if place.tiny else 2):
        place.wait()
        begun = time.perf_counter()
        work(place.device)
        place.wait()
        times.append(time.perf_counter() - begun)
    return found, min(times)


def moved(state: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    """The tensors of a state, on a device."""
    return {name: value.to(device) for name, value in state.items()}
