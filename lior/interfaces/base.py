"""The common base of the interfaces of all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

API_VERSION = 1
"""Version of the interfaces."""

State: TypeAlias = "dict[str, Tensor]"


class Plugin(Protocol):
    """The members that every implementation has."""

    api_version: ClassVar[int]
