"""External parts of a run: devices, and loaders and scorers of the user."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import torch
from torch import Tensor

from lior import plugins
from lior.errors import DeviceError, RunError, UsageError
from lior_lens.geometry import Size

if TYPE_CHECKING:
    from lior_lens.config import LensConfig, ProxyConfig

_LOG = logging.getLogger("lior")
_SCORED = 32
"""Maximum number of pictures a scorer gets at each validation."""


@attrs.frozen(kw_only=True, eq=False)
class Batch:
    """Pictures with their targets and true lenses, where known."""

    images: Tensor
    """``[B, 3, H, W]`` in [0, 1]."""
    targets: Tensor | None = None
    """The corrected pictures, of the same shape."""
    truth: Tensor | None = None
    """``[B, 2, 17, 17]``: where the true lens takes a grid of points, in half-diagonals."""

    @property
    def size(self) -> Size:
        """Of the pictures."""
        return Size(width=self.images.shape[3], height=self.images.shape[2])


class Batches(Protocol):
    """A source of batches."""

    def train(self, step: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""

    def validation(self) -> Iterator[Batch]:
        """The batches of a validation, always the same."""


def pick_device(name: str) -> torch.device:
    """Return the device of that name, or the CPU with a warning if it is not available."""
    try:
        return plugins.pick_device(name, torch.float32, key="train.device")
    except DeviceError as error:
        _LOG.warning("%s; the processor is used", error)
        return torch.device("cpu")


def _function(module: str, name: str, key: str) -> Callable[..., Any]:
    try:
        found = getattr(importlib.import_module(module), name)
    except ImportError as error:
        where = "start in the folder that has it, or add that folder to PYTHONPATH"
        raise UsageError(f"{key}: cannot import {module!r}: {error}; {where}") from error
    except AttributeError:
        raise UsageError(f"{key}: {module} has no {name!r}") from None
    if not callable(found):
        raise UsageError(f"{key}: {module}.{name} is not a function")
    return found


@attrs.define(kw_only=True)
class Loaded:
    """Batches of a loader of the user's: mappings with ``input_image`` and ``target_image`` ``[B, 3, H, W]``.

    The loader must give the same batches in the same order each time it is gone through; batch ``n`` of an
    epoch is found again by counting.
    """

    training: Iterable[Any]
    judged: Iterable[Any]
    config: LensConfig
    _stream: Iterator[Any] | None = None
    _next: int = 0

    @classmethod
    def of(cls, config: LensConfig) -> Loaded:
        """Call the loader's function; ``UsageError`` when it cannot be found or returns something else."""
        chosen = config.data
        function = _function(chosen.loader_module, chosen.loader_fn, "data.loader_module")
        returned = function(stage=config.train.stage)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise UsageError(f"{chosen.loader_module}.{chosen.loader_fn} must return (train, validation)")
        training, judged = returned
        return cls(training=training, judged=training if judged is None else judged, config=config)

    def train(self, step: int) -> Batch:
        """See :class:`Batches`."""
        if self._stream is None or step != self._next:
            self._stream, self._next = self._endless(), 0
            while self._next < step:
                next(self._stream)
                self._next += 1
        self._next += 1
        return _check(next(self._stream))

    def validation(self) -> Iterator[Batch]:
        """See :class:`Batches`."""
        for index, raw in enumerate(self.judged):
            if index == self.config.train.max_val_steps:
                return
            yield _check(raw)

    def _endless(self) -> Iterator[Any]:
        while True:
            count = 0
            for count, raw in enumerate(self.training, 1):
                yield raw
                if count == self.config.train.steps_per_epoch:
                    break
            if not count:
                raise RunError("the loader's training set is empty")


def _check(raw: Any) -> Batch:
    try:
        images, targets = raw["input_image"], raw["target_image"]
    except (KeyError, TypeError) as error:
        raise RunError("a batch of the loader must have input_image and target_image") from error
    if images.ndim != 4 or images.shape[1] != 3 or images.shape != targets.shape:
        shapes = f"{tuple(images.shape)} and {tuple(targets.shape)}"
        raise RunError(f"input_image and target_image must both be [B, 3, H, W]; they are {shapes}")
    return Batch(images=images, targets=targets)


def scorer(config: ProxyConfig) -> Callable[[Tensor, Tensor], dict[str, float]] | None:
    """A scorer of the user's; where it is missing or fails a warning, and training goes on."""
    if not config.module:
        return None
    try:
        function = _function(config.module, config.function, "proxy.module")
    except UsageError as error:
        _LOG.warning("%s; validations go without it", error)
        return None
    failed = False

    def score(pred: Tensor, target: Tensor) -> dict[str, float]:
        nonlocal failed
        try:
            found = function(pred[:_SCORED].detach().cpu(), target[:_SCORED].detach().cpu())
            return {str(name): float(value) for name, value in found.items()}
        except Exception as error:
            if not failed:
                _LOG.warning("proxy.module: %s.%s failed: %s", config.module, config.function, error)
            failed = True
            return {"proxy_error": 1.0}

    return score
