"""Bytes, and some pairs of bytes that are one token each: lossless on every input, nothing to learn."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

import attrs
import torch
from torch import Tensor

from lior.config import option
from lior.errors import UsageError
from lior.interfaces import State

_PAIRS = ("e ", "s ", "t ", "d ", ", ", "th", "he", "in", "er", "an", "re", "on", "ou")


@attrs.frozen(kw_only=True)
class Mine:
    """Ids 0 to 255 are the bytes, the others the pairs in their order; the leftmost pair wins."""

    api_version: ClassVar[int] = 1

    pairs: tuple[str, ...] = option(_PAIRS, help="pairs of letters that are one token each")

    _pieces: tuple[bytes, ...] = attrs.field(init=False, repr=False, eq=False)
    """The bytes of each token id."""

    def __attrs_post_init__(self) -> None:
        pairs = tuple(pair.encode() for pair in self.pairs)
        if len(set(pairs)) < len(pairs) or not all(len(pair) == 2 for pair in pairs):
            raise UsageError(f"pairs = {list(self.pairs)}: allowed are texts of two bytes, each of them once")
        object.__setattr__(self, "_pieces", (*(bytes([b]) for b in range(256)), *pairs))

    @property
    def vocab(self) -> int:
        """Number of token ids."""
        return len(self._pieces)

    def fit(self, documents: Iterable[bytes]) -> None:
        """There is nothing to learn; ``documents`` are not read."""

    def encode(self, data: bytes) -> Tensor:
        """Token ids of ``data``, int64 ``(N,)`` on the CPU."""
        ids = {piece: number for number, piece in enumerate(self._pieces)}
        parts = re.findall(b"|".join([*map(re.escape, self._pieces[256:]), b"."]), data, re.DOTALL)
        return torch.tensor([ids[part] for part in parts], dtype=torch.int64)

    def decode(self, tokens: Sequence[int]) -> bytes:
        """The bytes that ``tokens`` stand for.

        Raises
        ------
        UsageError
            If an id is not in the vocabulary.
        """
        for token in tokens:
            if not 0 <= token < self.vocab:
                raise UsageError(f"token id {token}: allowed is 0 to {self.vocab - 1}")
        return b"".join(self._pieces[token] for token in tokens)

    def snapshot(self) -> State:
        """Empty: the pairs are options, which a run keeps anyway."""
        return {}

    def restore(self, snapshot: State) -> None:
        """There is nothing to restore."""
