"""A text that grows token by token: its coordinates, and cursors of the memories that follow it.

Other memories read its last tokens anew for each prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Generator, Tensor

from lior.config.sampling import Sampling
from lior.counting.repetition import Ints, Limits, find
from lior.counting.sampling import Race
from lior.data.corpus import Corpus
from lior.interfaces import DrawingMemory, Evidence, FollowingMemory, QuotingMemory, StreamingEncoder, Text
from lior.model.language_model import Model
from lior.tensors import sub


def cursors(model: Model) -> dict[str, Any]:
    """Return a cursor at the beginning of a text for each memory that can follow it, by name."""
    memories = {name: m for name, m in model.memories.items() if isinstance(m, FollowingMemory)}
    found = {name: m.cursor(model.space.table) for name, m in memories.items()}
    return {name: cursor for name, cursor in found.items() if cursor is not None}


def drawing(model: Model) -> DrawingMemory | None:
    """Return the memory that draws text in a loop of its own, if it alone forms the model."""
    (memory, *others), experts = model.memories.values(), model.experts
    return memory if isinstance(memory, DrawingMemory) and not others and len(experts) == 1 else None


def reach(model: Model, cursors: Mapping[str, Any]) -> int:
    """Return the number of tokens before a position that must be given if ``cursors`` follow the text."""
    needed = [m.context for name, m in model.memories.items() if name not in cursors]
    found = all(cursor.finds_cells for cursor in cursors.values())
    if model.geometry and (needed or "cells" in model.weights or (model.cells is not None and not found)):
        needed.append(model.geometry.encoder.reach)
    return max(needed, default=0)


def follow(
    model: Model, cursors: Sequence[Mapping[str, Any]], text: Text, positions: Tensor, z: Tensor | None
) -> dict[str, Evidence]:
    """Return the evidence at ``positions (B,)`` of the memories whose :func:`cursors` follow the text."""
    alphabet = model.alphabet
    names = cursors[0].keys() if len(alphabet) else ()
    if not names:
        return {}
    cell = None
    if model.cells is not None and not all(cursor.finds_cells for cursor in cursors[0].values()):
        cell = model.space.nearest(model.space.coordinates(text, positions) if z is None else z)
    memories = cast("dict[str, FollowingMemory]", model.memories)
    return {name: memories[name].read_at([each[name] for each in cursors], alphabet, cell) for name in names}


def know_text(model: Model, corpus: Corpus, ranges: Iterable[tuple[int, int]]) -> None:
    """Let the model find, at its first sample, how often the text in its memories repeats each unit.

    The text of a memory that reads documents of its own is unknown, so there is no limit then.
    """

    def documents() -> Iterator[Ints]:
        tokens, starts = corpus.tokens.cpu().long().numpy(), corpus.starts.cpu().numpy()
        for lo, hi in ranges:
            for begin, end in pairwise([lo, *starts[(starts > lo) & (starts < hi)].tolist(), hi]):
                yield tokens[begin:end]

    unknown = any(isinstance(memory, QuotingMemory) for memory in model.memories.values())
    model.repeats = None if unknown else cache(lambda: find(documents()))


def draw(
    model: Model,
    memory: DrawingMemory,
    cursor: Any,
    sampling: Sampling,
    generator: Generator,
    *,
    count: int,
    thread: int,
    limits: Limits,
) -> list[int] | None:
    """Draw the next ``count`` tokens after ``cursor``, which moves on, in one compiled call.

    ``memory`` is :func:`drawing`; only ``temperature`` and ``min_p`` of ``sampling`` are used, and the tokens
    are added to the sample of ``limits``. Returns ``None`` while the memory is empty.
    """
    known = model.known
    if not len(known.tokens):
        return None
    fresh = torch.empty(count, model.tokenizer.vocab, dtype=torch.float64, device=generator.device)
    drawn = fresh.exponential_(1, generator=generator), model.weights["gate0"][:, 0], known.others
    noise, mixing, others = (part.cpu().numpy() for part in drawn)
    least = float(sampling.min_p)  # compiled code is of one type
    race = Race(noise, 1 / sampling.temperature, least, mixing, others, known.unseen, limits)
    return memory.draw(cursor, known.tokens, race, thread)


class DocumentCoordinates:
    """The coordinates of one document while it is read, from an encoder that sees all of it.

    An encoder of limited context has none: the model computes them from the last tokens.
    """

    def __init__(self, model: Model) -> None:
        encoder = model.geometry.encoder if model.geometry else None
        self._encoder = encoder if isinstance(encoder, StreamingEncoder) else None
        self.next: Tensor | None = None
        """Coordinate of the next position, ``(1, n)``."""
        if self._encoder:
            self._state = sub(model.state, "encoder")
            self._stream = self._encoder.stream(self._state)
            before = torch.full((1, self._encoder.reach), model.tokenizer.vocab, device=model.device)
            self.next = self._encoder.encode(self._state, before)

    @torch.no_grad()
    def read(self, tokens: Tensor) -> Tensor | None:
        """Read ``tokens (T,)``, int64; returns the coordinates of their positions, ``(T, n)``."""
        if self._encoder is None or self.next is None or not len(tokens):
            return None
        self._stream, after = self._encoder.scan(self._state, self._stream, tokens)
        here, self.next = torch.cat([self.next, after[:-1]]), after[-1:]
        return here
