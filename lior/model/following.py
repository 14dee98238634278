"""A text that grows token by token: its coordinates, and sessions of the memories that follow it.

Other memories read its last tokens anew for each prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Generator, Tensor

from lior.compiling.repetition import Ints, find
from lior.config.sampling import Sampling
from lior.data.corpus import Corpus
from lior.interfaces import Evidence, Limits, Race, Session, StreamingEncoder, Text
from lior.model import memories
from lior.model.language_model import Model
from lior.tensors import sub


def sessions(model: Model) -> dict[str, Session]:
    """Return a session at the beginning of a text for each memory that can follow it, by name."""
    able = memories.streaming(model.memories)
    return {name: memory.session(model.space.table) for name, memory in able.items()}


def reach(model: Model, sessions: Mapping[str, Session]) -> int:
    """Return the number of tokens before a position that must be given if ``sessions`` follow the text."""
    needed = [m.abilities.context for name, m in model.memories.items() if name not in sessions]
    found = all(session.finds_cells for session in sessions.values())
    if model.geometry and (needed or "cells" in model.weights or (model.cells is not None and not found)):
        needed.append(model.geometry.encoder.reach)
    return max(needed, default=0)


def follow(
    model: Model, sessions: Sequence[Mapping[str, Session]], text: Text, positions: Tensor, z: Tensor | None
) -> dict[str, Evidence]:
    """Return the evidence at ``positions (B,)`` of the memories whose :func:`sessions` follow the text."""
    alphabet = model.alphabet
    names = sessions[0].keys() if len(alphabet) else ()
    if not names:
        return {}
    cell = None
    if model.cells is not None and not all(session.finds_cells for session in sessions[0].values()):
        cell = model.space.nearest(model.space.coordinates(text, positions) if z is None else z)
    first, *beside = sessions
    return {name: first[name].next(alphabet, cell, [each[name] for each in beside]) for name in names}


def know_text(model: Model, corpus: Corpus, ranges: Iterable[tuple[int, int]]) -> None:
    """Let the model find, at its first sample, how often the text in its memories repeats each unit.

    The text of a memory that reads documents of its own is unknown, so there is no limit then.
    """

    def documents() -> Iterator[Ints]:
        tokens, starts = corpus.tokens.cpu().long().numpy(), corpus.starts.cpu().numpy()
        for lo, hi in ranges:
            for begin, end in pairwise([lo, *starts[(starts > lo) & (starts < hi)].tolist(), hi]):
                yield tokens[begin:end]

    unknown = any(each.outside for each in model.abilities)
    model.repeats = None if unknown else cache(lambda: find(documents()))


def race(model: Model, sampling: Sampling, generator: Generator, count: int, limits: Limits) -> Race:
    """Return the parameters of a draw of ``count`` tokens from the model's only memory.

    Only ``temperature`` and ``min_p`` of ``sampling`` are used, and the tokens are added to the sample of
    ``limits``.
    """
    known = model.known
    fresh = torch.empty(count, model.tokenizer.vocab, dtype=torch.float64, device=generator.device)
    drawn = fresh.exponential_(1, generator=generator), model.weights["gate0"][:, 0], known.others
    noise, mixing, others = (part.cpu().numpy() for part in drawn)
    least = float(sampling.min_p)  # compiled code is of one type
    return Race(noise, 1 / sampling.temperature, least, mixing, others, known.unseen, limits)


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
