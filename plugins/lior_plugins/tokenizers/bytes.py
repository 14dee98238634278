"""The 256 bytes as tokens: lossless on every input, nothing to learn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import attrs
import torch
from torch import Tensor

from lior.errors import UsageError
from lior.interfaces import State


@attrs.frozen(kw_only=True)
class Bytes:
    """A tokenizer whose token ids are the values of the bytes."""

    api_version: ClassVar[int] = 1

    @property
    def vocab(self) -> int:
        """Number of token ids."""
        return 256

    def fit(self, documents: Iterable[bytes]) -> None:
        """Do nothing: there is nothing to learn, and ``documents`` are not read."""

    def encode(self, data: bytes) -> Tensor:
        """Return token ids of ``data``, int64 ``(len(data),)`` on the CPU."""
        if not data:
            return torch.empty(0, dtype=torch.int64)  # torch.frombuffer refuses an empty buffer
        # frombuffer warns about read-only memory, which a bytearray is not.
        return torch.frombuffer(bytearray(data), dtype=torch.uint8).to(torch.int64)

    def decode(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes with the values ``tokens``.

        Raises
        ------
        UsageError
            If an id is not in 0 .. 255.
        """
        try:
            return bytes(tokens)
        except ValueError:
            at, wrong = next((i, t) for i, t in enumerate(tokens) if not 0 <= t < self.vocab)
            message = f"token id {wrong} at position {at} is not a byte: allowed is 0 to {self.vocab - 1}"
            raise UsageError(message) from None

    def snapshot(self) -> State:
        """Return an empty state."""
        return {}

    def restore(self, snapshot: State) -> None:
        """Do nothing: there is nothing to restore."""
