"""The processor with blocks of its own size: an accelerator names its ``kind`` of torch instead."""

from __future__ import annotations

import os
from typing import ClassVar


class Mine:
    """A device of torch; ``lior train --device mine`` uses it."""

    api_version: ClassVar[int] = 1
    kind: ClassVar[str] = "cpu"
    automatic: ClassVar[bool] = False
    doubles: ClassVar[bool] = True
    precision: ClassVar[str] = "highest"

    def missing(self) -> str:
        """Return an empty text: the processor is always present."""
        return ""

    def free(self) -> int:
        """Return the free memory in bytes."""
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def synchronize(self) -> None:
        """Return at once."""

    def block(self, entries: int) -> int:
        """Return half of the usual entries."""
        return max(entries // 2, 1)
