"""What a memory was told, in canonical order: whoever told it, and in whatever order.

Counters with a sense of time depend on the order of writing. A memory that
keeps its journal has one meaning all the same: it is what reading the
documents in order gives. Later text goes on from there; earlier text means to
read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.counting.engine import Ints, Piece
from lior.counting.locations import MAX_VOCAB
from lior.errors import UsageError
from lior.interfaces import Items, State, Text


@attrs.define
class Passage:
    """A stretch of one document: ``context`` tokens, then those that were told."""

    document: int
    begin: int
    """Place of the first told token in its document."""
    context: int
    tokens: Ints
    _room: Ints | None = attrs.field(default=None, init=False, repr=False, eq=False)
    """Where ``tokens`` stand, with space behind them."""

    def extend(self, tokens: Ints) -> None:
        """Append told tokens; a text that comes in small pieces is not copied anew for each."""
        size, full = len(self.tokens), len(self.tokens) + len(tokens)
        if self._room is None or full > len(self._room):
            self._room = np.empty(full + full // 2, np.int64)
            self._room[:size] = self.tokens
        self._room[size:full] = tokens
        self.tokens = self._room[:full]

    @property
    def end(self) -> int:
        """Place after the last told token."""
        return self.begin + len(self.tokens) - self.context

    def piece(self) -> Piece:
        """The passage as an engine takes it."""
        depth = np.arange(self.begin - self.context, self.end)
        return Piece(self.tokens, depth, self.context)


def passages(items: Items, reach: int) -> list[Passage]:
    """The items as passages, with at most ``reach`` tokens of context."""
    tokens, depth, document = _arrays(items.text)
    breaks = np.flatnonzero((np.diff(depth) != 1) | (np.diff(document) != 0)) + 1
    bounds = [0, *breaks.tolist(), len(tokens)]
    found = []
    for lo, hi in pairwise(bounds):
        first = max(lo, items.start)
        if first < hi:
            context = min(first - lo, reach)
            found.append(
                Passage(int(document[first]), int(depth[first]), context, tokens[first - context : hi].copy())
            )
    return found


def _arrays(text: Text) -> tuple[Ints, Ints, Ints]:
    tokens, depth, document = (column.cpu().numpy() for column in text)
    return tokens.astype(np.int64), depth.astype(np.int64), document.astype(np.int64)


@attrs.define
class Journal:
    """All passages, by document and place."""

    passages: list[Passage] = attrs.field(factory=list)

    def __len__(self) -> int:
        return sum(p.end - p.begin for p in self.passages)

    def follows(self, new: Passage) -> bool:
        """Whether a passage comes after all others."""
        last = self.passages[-1] if self.passages else None
        return last is None or (last.document, last.end) <= (new.document, new.begin)

    def add(self, new: Passage) -> bool:
        """Take in a passage; returns whether it follows all others, so that nothing must be read again.

        Raises
        ------
        UsageError
            When some of its places were told before.
        """
        if self.follows(new):
            self._append(new)
            return True
        place = new.document, new.begin
        index = next(i for i, p in enumerate(self.passages) if (p.document, p.end) > place)
        after = self.passages[index]
        if after.document == new.document and after.begin < new.end:
            raise UsageError(
                f"document {new.document}: tokens from place {after.begin} on are already stored"
            )
        rest = self.passages[index:]
        del self.passages[index:]
        for passage in (new, *rest):
            self._append(passage)
        return False

    def _append(self, new: Passage) -> None:
        last = self.passages[-1] if self.passages else None
        if last is not None and (last.document, last.end) == (new.document, new.begin):
            last.extend(new.tokens[new.context :])
        else:
            self.passages.append(attrs.evolve(new))

    @classmethod
    def of(cls, items: Iterable[Items], reach: int) -> Journal:
        """The journal of nothing but ``items``; raises as :meth:`add`."""
        fresh = cls()
        for piece in items:
            for passage in passages(piece, reach):
                fresh.add(passage)
        return fresh

    def standing(self, passage: Ints, at: Ints) -> tuple[Tensor, Tensor]:
        """Document and place in it of the tokens ``at (K,)`` of the passages of those numbers ``(K,)``."""
        table = np.array([[p.document, p.begin - p.context] for p in self.passages], np.int64).reshape(-1, 2)
        return torch.from_numpy(table[passage, 0]), torch.from_numpy(table[passage, 1] + at)

    def snapshot(self) -> State:
        """The journal as tensors."""
        table = [[p.document, p.begin, p.context, len(p.tokens)] for p in self.passages]
        tokens = np.concatenate([p.tokens for p in self.passages] or [np.zeros(0, np.int64)])
        return {
            "passages": torch.tensor(table, dtype=torch.int64).reshape(-1, 4),
            "tokens": torch.from_numpy(tokens.astype(np.int32)),
        }

    def restore(self, passages: Tensor, tokens: Tensor) -> None:
        """Become the journal of a snapshot.

        Raises
        ------
        UsageError
            When it is none.
        """
        document, begin, context, length = passages.unbind(1)
        after = torch.stack([document, begin + length - context], 1)
        ordered = (document[1:] > document[:-1]) | (
            (document[1:] == document[:-1]) & (begin[1:] >= after[:-1, 1])
        )
        sound = (
            (document >= 0) & (context >= 0) & (context <= length) & (context <= begin) & (begin < 1 << 40)
        )
        if not (
            bool(sound.all())
            and bool(ordered.all())
            and int(length.clamp(max=len(tokens) + 1).sum()) == len(tokens)
            and (not len(tokens) or 0 <= int(tokens.min()) <= int(tokens.max()) < MAX_VOCAB)
        ):
            raise UsageError("passages and tokens are not those of a memory")
        ends = passages[:, 3].cumsum(0).tolist()
        text = tokens.cpu().numpy().astype(np.int64)
        self.passages = [
            Passage(document, begin, context, text[end - length : end])
            for (document, begin, context, length), end in zip(passages.tolist(), ends, strict=True)
        ]
