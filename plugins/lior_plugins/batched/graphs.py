"""Windows one after the other: operation by operation, or on a CUDA GPU as replays of a captured graph."""

from __future__ import annotations

import torch
from torch import Tensor

from lior_plugins.batched import window
from lior_plugins.batched.inputs import WindowInputs
from lior_plugins.batched.window import DeviceWeights

_WARM_UP = 3


def step(numbers: DeviceWeights, logit: Tensor, x: WindowInputs, adapt: bool) -> Tensor:
    """Predict a window and, with ``adapt``, learn from it; returns the distributions ``(W, A)``."""
    found = window.read(numbers, logit, x)
    if adapt:
        window.learn(numbers, logit, x, found)
    return found.final


class Captured:
    """The step of a window with learning as a CUDA graph, which has arrays of its own for the inputs."""

    def __init__(self, numbers: DeviceWeights, logit: Tensor, like: WindowInputs) -> None:
        self._x = blank(like)
        here = torch.cuda.current_stream()
        aside = torch.cuda.Stream()
        aside.wait_stream(here)
        with torch.cuda.stream(
            aside
        ):  # libraries allocate at their first use, which is not allowed in a capture
            for _ in range(_WARM_UP):
                step(numbers, logit, self._x, True)
        here.wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._final = step(numbers, logit, self._x, True)

    def __call__(self, x: WindowInputs) -> Tensor:
        """The distributions of a window, valid until the next call."""
        for own, new in zip(self._x, x, strict=True):
            own.copy_(new)
        self._graph.replay()
        return self._final


def blank(like: WindowInputs) -> WindowInputs:
    """An empty window of the shapes of ``like``: a step with it changes nothing."""
    x = WindowInputs(*(torch.zeros_like(column) for column in like))
    x.target.fill_(-1)
    x.cell.fill_(x.log_p.shape[0] * x.log_p.shape[2])
    return x


class Replay:
    """Runs windows; on a CUDA device each shape is captured once and replayed."""

    def __init__(self) -> None:
        self._graphs: dict[tuple[int, ...], Captured] = {}
        self._arrays: tuple[DeviceWeights, Tensor] | None = None

    def run(self, numbers: DeviceWeights, logit: Tensor, x: WindowInputs, adapt: bool) -> Tensor:
        """The distributions ``(K, W, A)`` of windows, each read after the one before it was learned."""
        count, size, _, alphabet = x.log_p.shape
        out = x.log_p.new_empty(count, size, alphabet)
        captured = self.captured(numbers, logit, x) if logit.is_cuda and adapt and count else None
        for k in range(count):
            here = x.window(k)
            out[k] = captured(here) if captured else step(numbers, logit, here, adapt)
        return out

    def captured(self, numbers: DeviceWeights, logit: Tensor, x: WindowInputs) -> Captured:
        """The graph for windows of the shape of those in ``x``."""
        # A graph works on the very arrays that it was captured with.
        if self._arrays is None or self._arrays[0] is not numbers or self._arrays[1] is not logit:
            self._graphs, self._arrays = {}, (numbers, logit)
        key = (*x.log_p.shape[1:], x.cell.shape[1])
        if key not in self._graphs:
            self._graphs[key] = Captured(numbers, logit, x.window(0))
        return self._graphs[key]
