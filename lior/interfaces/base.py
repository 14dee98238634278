"""The common base of the interfaces of all kinds, and the kinds that hold no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

API_VERSION = 1
"""Version of the interfaces."""

State: TypeAlias = "dict[str, Tensor]"


class Plugin(Protocol):
    """The members that every implementation has."""

    api_version: ClassVar[int]


class Device(Protocol):
    """Hardware for tensors, created without arguments. Group ``lior.devices``."""

    api_version: ClassVar[int]
    kind: ClassVar[str]
    """Type of its ``torch.device``, such as ``cuda``."""
    automatic: ClassVar[bool]
    """Whether ``auto`` takes it where it is present."""
    doubles: ClassVar[bool]
    """Whether it computes in float64, which the language model needs."""
    precision: ClassVar[str]
    """Precision of large float32 products, as ``torch.set_float32_matmul_precision`` takes it: ``highest``,
    ``high`` (TF32) or ``medium`` (bfloat16)."""

    def missing(self) -> str:
        """Return why the device cannot be used here, without a full stop; empty if it can."""
        ...

    def free(self) -> int:
        """Return the free memory in bytes."""
        ...

    def synchronize(self) -> None:
        """Wait until all operations are done."""
        ...

    def block(self, entries: int) -> int:
        """Return how many entries of a matrix to compute at a time, for ``entries`` on the CPU."""
        ...


class Listener(Protocol):
    """A receiver of events; created without arguments, once in a process. Group ``lior.listeners``.

    Its methods have the names and arguments of :class:`lior.events.Events` and are marked with
    :data:`lior.events.hookimpl`.
    """

    api_version: ClassVar[int]


class Command(Protocol):
    """A Click command that ``lior.commands`` adds to the command line."""

    name: str | None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command."""
