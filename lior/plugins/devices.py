"""Devices by name: the plugin of a device, its blocks and precision, and what to do without memory."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import torch

from lior.errors import DeviceError, UsageError, out_of_memory
from lior.interfaces import Device
from lior.plugins.registry import registry

__all__ = ["block_entries", "device_plugin", "fit_blocks", "pick_device"]

T = TypeVar("T")

_LOG = logging.getLogger("lior")
_LEAST = 1 << 10
"""Entries of the smallest block."""
_plugins: dict[str, Device] = {}
"""The plugin chosen last, by the type of its ``torch.device``."""
_halved: Counter[str] = Counter()
"""How often the blocks of a device were halved in this process."""


def pick_device(name: str, dtype: torch.dtype = torch.float64, *, key: str = "device") -> torch.device:
    """Return the device of the plugin ``name``; ``auto`` is an automatic one that is present, or the CPU.

    Parameters
    ----------
    dtype
        The precision that the caller computes in.
    key
        The setting that holds ``name``, for messages.

    Raises
    ------
    UsageError
        If no device has the name.
    DeviceError
        If the device is absent, or lacks the precision.
    """
    names = registry.names("device")
    if name not in ("auto", *names):
        raise UsageError(f"{key} {name!r}: allowed is one of auto, {', '.join(names)}")
    made = {each: registry.get("device", each)() for each in (names if name == "auto" else [name])}
    if name == "auto":
        found = (each for each, plugin in made.items() if plugin.automatic and not plugin.missing())
        name = next(found, "cpu")
    plugin = made[name]
    lacks = plugin.missing()
    if not lacks and dtype == torch.float64 and not plugin.doubles:
        lacks = "it has no float64, which is needed here"
    if lacks:
        raise DeviceError(f"{key} {name!r}: {lacks}; use cpu or auto")
    _plugins[plugin.kind] = plugin
    return torch.device(plugin.kind)


def device_plugin(device: torch.device) -> Device:
    """Return the plugin that was chosen last for a type of device.

    If none was chosen, it is the plugin with the name of the type, or that of the CPU.
    """
    kind = device.type
    if kind not in _plugins:
        _plugins[kind] = registry.get("device", kind if kind in registry.names("device") else "cpu")()
    return _plugins[kind]


def block_entries(device: torch.device, entries: int) -> int:
    """Return how many entries of a matrix to compute at a time, for ``entries`` on the CPU."""
    return max(device_plugin(device).block(entries) >> _halved[device.type], 1)


def fit_blocks(work: Callable[[], T], device: torch.device) -> T:
    """Return ``work()`` in the device's precision; out of memory halves its blocks, and works again.

    ``work`` asks :func:`block_entries`, and can be repeated. The blocks stay smaller in this process.
    """
    plugin, before = device_plugin(device), torch.get_float32_matmul_precision()
    while True:
        try:
            torch.set_float32_matmul_precision(plugin.precision)
            return work()
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error) or block_entries(device, _LEAST) <= 1:
                raise
        finally:
            torch.set_float32_matmul_precision(before)
        _halved[device.type] += 1
        free, part = plugin.free() / 2**30, 1 << _halved[device.type]
        _LOG.warning("%s is out of memory (%.1f GiB free): blocks of 1/%d are used", device.type, free, part)
