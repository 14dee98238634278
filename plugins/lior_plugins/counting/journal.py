"""The journal of a memory: all text written to it, ordered by document and place.

Recency and times make counters depend on the order of writing. A memory with a journal is defined all the
same: it equals the memory that results from writing the documents in order. Later text is appended; for
earlier text, the whole journal is written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import ClassVar

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.errors import UsageError
from lior.interfaces import Abilities, Items, State
from lior.tensors import Expected, check
from lior_plugins.counting.engine import Segment
from lior_plugins.counting.layout import Ints
from lior_plugins.counting.locations import MAX_VOCAB

_MAX_PLACE = 1 << 40

SNAPSHOT = {"passages": Expected("int64", (None, 4)), "tokens": Expected("int32", (None,))}
"""Tensors of :meth:`Journal.snapshot`."""


@attrs.define
class StoredSpan:
    """A part of one document: ``context`` tokens, then the tokens to write."""

    document: int
    begin: int
    """Place of the first written token in its document."""
    context: int
    tokens: Ints
    _buffer: Ints | None = attrs.field(default=None, init=False, repr=False, eq=False)
    """The array that holds ``tokens``, with space after them."""

    def extend(self, tokens: Ints) -> None:
        """Append written tokens; text that comes in small pieces is not copied anew for each piece."""
        size, full = len(self.tokens), len(self.tokens) + len(tokens)
        if self._buffer is None or full > len(self._buffer):
            self._buffer = np.empty(full + full // 2, np.int64)
            self._buffer[:size] = self.tokens
        self._buffer[size:full] = tokens
        self.tokens = self._buffer[:full]

    @property
    def end(self) -> int:
        """Place after the last written token."""
        return self.begin + len(self.tokens) - self.context

    def segment(self) -> Segment:
        """Return the span in the form that an engine reads."""
        depth = np.arange(self.begin - self.context, self.end)
        return Segment(self.tokens, depth, self.context)


def spans(items: Items, reach: int) -> list[StoredSpan]:
    """Return the items as spans, with at most ``reach`` tokens of context."""
    tokens, depth, document = (column.cpu().numpy().astype(np.int64) for column in items.text)
    breaks = np.flatnonzero((np.diff(depth) != 1) | (np.diff(document) != 0)) + 1
    found = []
    for lo, hi in pairwise([0, *breaks.tolist(), len(tokens)]):
        first = max(lo, items.start)
        if first < hi:
            context = min(first - lo, reach)
            part = tokens[first - context : hi].copy()
            found.append(StoredSpan(int(document[first]), int(depth[first]), context, part))
    return found


@attrs.define
class Journal:
    """All spans, by document and place; adjacent spans are joined."""

    spans: list[StoredSpan] = attrs.field(factory=list)

    def __len__(self) -> int:
        return sum(p.end - p.begin for p in self.spans)

    @property
    def end(self) -> tuple[int, int]:
        """Document and place behind the last span."""
        last = self.spans[-1] if self.spans else None
        return (last.document, last.end) if last else (-1, 0)

    def follows(self, new: StoredSpan) -> bool:
        """Return whether a span comes after all others."""
        return self.end <= (new.document, new.begin)

    def continues(self, new: StoredSpan) -> bool:
        """Return whether a span begins where the last one ends."""
        return self.end == (new.document, new.begin)

    def before(self, end: tuple[int, int]) -> int:
        """Return the number of tokens before a document and place."""
        document, place = end
        return sum(
            min(span.end, place) - span.begin if span.document == document else span.end - span.begin
            for span in self.spans
            if (span.document, span.begin) < end
        )

    def add(self, new: StoredSpan) -> bool:
        """Add a span; returns whether it follows all others, so that nothing must be written again.

        Raises
        ------
        UsageError
            When some of its places are in the journal already.
        """
        if self.follows(new):
            self._append(new)
            return True
        place = new.document, new.begin
        index = next(i for i, p in enumerate(self.spans) if (p.document, p.end) > place)
        after = self.spans[index]
        if after.document == new.document and after.begin < new.end:
            raise UsageError(
                f"document {new.document}: tokens from place {after.begin} on are already stored"
            )
        rest = self.spans[index:]
        del self.spans[index:]
        for span in (new, *rest):
            self._append(span)
        return False

    def _append(self, new: StoredSpan) -> None:
        if self.continues(new):
            self.spans[-1].extend(new.tokens[new.context :])
        else:
            self.spans.append(attrs.evolve(new))

    @classmethod
    def of(cls, spans: Iterable[StoredSpan]) -> Journal:
        """Return the journal of ``spans`` alone; raises as :meth:`add`."""
        fresh = cls()
        for span in spans:
            fresh.add(span)
        return fresh

    def divided(self, tokens: int, reach: int) -> tuple[list[StoredSpan], list[StoredSpan]]:
        """Return the spans of the first ``tokens`` tokens, and the rest, with at most ``reach`` of
        context."""
        first: list[StoredSpan] = []
        for number, span in enumerate(self.spans):
            size = span.end - span.begin
            if size > tokens:
                cut = span.context + tokens
                head = attrs.evolve(span, tokens=span.tokens[:cut])
                context = min(cut, reach)
                rest = StoredSpan(span.document, span.begin + tokens, context, span.tokens[cut - context :])
                return [*first, *([head] if tokens else ())], [rest, *self.spans[number + 1 :]]
            first.append(span)
            tokens -= size
        return first, []

    def locate(self, span: Ints, at: Ints) -> tuple[Tensor, Tensor]:
        """Return document and place of the tokens ``at (K,)`` of the spans with the numbers ``span (K,)``."""
        table = np.array([[p.document, p.begin - p.context] for p in self.spans], np.int64).reshape(-1, 2)
        return torch.from_numpy(table[span, 0]), torch.from_numpy(table[span, 1] + at)

    def snapshot(self) -> State:
        """Return the journal as tensors."""
        table = [[p.document, p.begin, p.context, len(p.tokens)] for p in self.spans]
        tokens = np.concatenate([p.tokens for p in self.spans] or [np.zeros(0, np.int64)])
        return {
            "passages": torch.tensor(table, dtype=torch.int64).reshape(-1, 4),
            "tokens": torch.from_numpy(tokens.astype(np.int32)),
        }

    @classmethod
    def restored(cls, snapshot: State) -> Journal:
        """Return the journal of a snapshot.

        Raises
        ------
        UsageError
            When its tensors contradict each other.
        """
        table, tokens = snapshot["passages"].cpu(), snapshot["tokens"].cpu()
        document, begin, context, length = table.unbind(1)
        end, same = (begin + length - context)[:-1], document[1:] == document[:-1]
        ordered = (document[1:] > document[:-1]) | (same & (begin[1:] >= end))
        sound = (document >= 0) & (context >= 0) & (context <= length) & (context <= begin)
        if not (
            bool((sound & (begin < _MAX_PLACE)).all())
            and bool(ordered.all())
            and int(length.clamp(max=len(tokens) + 1).sum()) == len(tokens)
            and (not len(tokens) or 0 <= int(tokens.min()) <= int(tokens.max()) < MAX_VOCAB)
        ):
            raise UsageError("passages and tokens do not form a memory")
        text = np.split(tokens.numpy().astype(np.int64), table[:, 3].cumsum(0).tolist())
        rows = zip(table[:, :3].tolist(), text, strict=False)
        return cls([StoredSpan(document, begin, context, part) for (document, begin, context), part in rows])


@attrs.define(kw_only=True)
class JournalMemory:
    """Common base of memories that are computed from their text, in the order of its documents.

    A subclass defines ``name`` and ``abilities``, and computes its state from the journal in :meth:`learn`
    and :meth:`_renew`.
    """

    api_version: ClassVar[int] = 2
    name: ClassVar[str]

    _journal: Journal = attrs.field(factory=Journal, init=False, repr=False, eq=False)

    @property
    def abilities(self) -> Abilities:
        """What it stores, needs and returns."""
        raise NotImplementedError

    def _renew(self) -> None:
        """Update the state after the journal was replaced."""
        raise NotImplementedError

    def _spans(self, batch: Sequence[Items]) -> list[StoredSpan]:
        """Return the items as spans with the context that they need."""
        return [span for items in batch for span in spans(items, self.abilities.context)]

    def snapshot(self) -> State:
        """Return the text as tensors."""
        return self._journal.snapshot()

    def restore(self, snapshot: State) -> None:
        """Become the memory of ``snapshot``; an empty one is that of a new memory.

        Raises
        ------
        UsageError
            When it is not a valid snapshot; the memory is then unchanged.
        """
        if snapshot:
            check(snapshot, SNAPSHOT, of=f"memory {self.name}")
        self._journal = Journal.restored(snapshot) if snapshot else Journal()
        self._renew()
