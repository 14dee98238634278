"""Plain ways for all that a memory does not bring; no other module asks which protocols a memory has.

A memory without the optional protocols is read anew at each position, learns what it was read for afterwards,
forgets by learning the rest again, and gives no sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lior.interfaces import (
    Evidence,
    FittedMemory,
    FoldedMemory,
    Items,
    Memory,
    Query,
    StreamingMemory,
    Trace,
    TracingMemory,
)

if TYPE_CHECKING:
    from torch import Tensor


def fitted(memories: Mapping[str, Memory]) -> dict[str, FittedMemory]:
    """Return the memories with learned parameters of their own."""
    return {name: memory for name, memory in memories.items() if isinstance(memory, FittedMemory)}


def streaming(memories: Mapping[str, Memory]) -> dict[str, StreamingMemory]:
    """Return the memories that follow a text."""
    return {name: memory for name, memory in memories.items() if isinstance(memory, StreamingMemory)}


def rewrite(memory: Memory, batch: Sequence[Items]) -> None:
    """Let a memory hold exactly ``batch``; learned parameters stay."""
    if isinstance(memory, FittedMemory):
        memory.rewrite(batch)
    else:
        memory.restore({})
        memory.learn(batch)


def finish(memory: Memory, batch: Sequence[Items]) -> None:
    """Let a memory learn the last items of a training's text."""
    (memory.finish if isinstance(memory, FittedMemory) else memory.learn)(batch)


def trial(memory: Memory, *, geometry: bool) -> Memory | None:
    """Return a copy to fit on trial, or ``None`` if the memory has no parameters to fit."""
    return memory.trial(geometry=geometry) if isinstance(memory, FittedMemory) else None


def read(memory: Memory, items: Items, query: Query, alphabet: Tensor, progress: float) -> Evidence:
    """Return the evidence at all of ``items``, whose positions are those of ``query``.

    Learned parameters are fitted to it afterwards; no items are stored.
    """
    if isinstance(memory, FittedMemory):
        return memory.fit(items, alphabet, progress=progress, write=False)
    return memory.predict(query, alphabet)


def folded(memories: Mapping[str, Memory]) -> dict[str, FoldedMemory]:
    """Return the memories that can be fitted on their own text."""
    return {name: memory for name, memory in memories.items() if isinstance(memory, FoldedMemory)}


def trace(memory: Memory, query: Query, tokens: Tensor, alphabet: Tensor) -> Trace | None:
    """Return the sources of the probabilities of ``tokens (B,)``, or ``None`` if the memory names none."""
    return memory.trace(query, tokens, alphabet) if isinstance(memory, TracingMemory) else None
