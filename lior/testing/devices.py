"""The laws that every :class:`~lior.interfaces.Device` obeys."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from lior.interfaces import Device
from lior.testing.strategies import Contract, law
from lior.testing.tensors import make_generator

_TOLERANCE = {"highest": 1e-5, "high": 5e-3, "medium": 5e-2}
"""Largest error of a product of two normal matrices, relative to its largest entry, by precision."""


class DeviceContract(Contract[Device]):
    """The laws of a device; what needs the hardware is checked only where it is present."""

    def test_declares_what_the_interface_asks_for(self) -> None:
        device = self.make()
        assert torch.device(device.kind).type == device.kind
        assert isinstance(device.automatic, bool)
        assert isinstance(device.doubles, bool)
        assert device.precision in _TOLERANCE

    def test_a_missing_device_says_why_in_one_line(self) -> None:
        why = self.make().missing()
        assert why == " ".join(why.split())
        assert not why.endswith(".")

    @law(fewer=st.integers(1, 1 << 30), more=st.integers(0, 1 << 30))
    def test_blocks_grow_with_the_operation(self, fewer: int, more: int) -> None:
        device = self.make()
        assert 1 <= device.block(fewer) <= device.block(fewer + more)

    def test_a_present_device_multiplies_as_the_cpu(self) -> None:
        device = self.make()
        if device.missing():
            return
        dtype = torch.float64 if device.doubles else torch.float32
        a, b = torch.randn(2, 64, 64, generator=make_generator(0), dtype=dtype)
        found = a.to(device.kind) @ b.to(device.kind)
        device.synchronize()
        assert device.free() > 0
        error = (found.cpu() - a @ b).abs().max() / (a @ b).abs().max()
        assert float(error) <= _TOLERANCE[device.precision]


device_contract = DeviceContract.of
