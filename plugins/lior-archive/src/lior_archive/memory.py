"""``suffix``: counts of contexts of every length, from a sorted text and from archives on the disk.

It stores no counters, but the text and the order of its suffixes, six bytes a byte; a read touches a few
hundred of them. So a text may be far larger than the memory. An archive (``lior archive``) stays on the
disk; beside it is the text written to this memory itself, which can be learned and forgotten exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.config import option
from lior.errors import UsageError
from lior.interfaces import Abilities, Evidence, Items, OutsideDocument, Query, Trace
from lior_archive import origins, shards, suffixes
from lior_archive.infinigram import Reader
from lior_archive.shards import Documents
from lior_archive.suffixes import Shard
from lior_plugins import JournalMemory

_LONGEST = (1, 3, 5, 8, 12, 16, 24)
"""Lengths of the longest context at which the next value of the gate begins."""
_SURE = 3
_BYTES = "memory suffix: it sorts bytes; choose tokenizer bytes"


@attrs.define(kw_only=True)
class Suffix(JournalMemory):
    """Contexts of several lengths, each length an expert."""

    name: ClassVar[str] = "suffix"

    lengths: tuple[int, ...] = option((3, 5, 8, 12, 20, 32), help="longest context of each expert, ascending")
    discounts: tuple[float, ...] = option((0.7, 1.0, 1.2), help="discounts of counts 1, 2, 3 and more")
    archive: str = option("", help="folder of an archive (`lior archive`) that is read beside the text")

    _reader: Reader | None = attrs.field(default=None, init=False, repr=False, eq=False)
    """``None`` if it must be rebuilt from the journal."""
    _archived: tuple[Shard, ...] = attrs.field(default=(), init=False, repr=False, eq=False)
    _about: list[Documents] | None = attrs.field(default=None, init=False, repr=False, eq=False)
    """Documents of the archives, read when a place is named."""

    def __attrs_post_init__(self) -> None:
        if not self.lengths or self.lengths[0] < 0 or any(a >= b for a, b in pairwise(self.lengths)):
            raise UsageError(f"lengths = {list(self.lengths)}: ascending lengths from 0 on")
        if len(self.discounts) != 3 or any(not 0 < d < n for n, d in enumerate(self.discounts, 1)):
            raise UsageError(f"discounts = {list(self.discounts)}: three numbers, below 1, 2 and 3")
        if self.archive:
            self._archived = shards.open_archive(self.archive)

    @property
    def abilities(self) -> Abilities:
        """An expert for each length, and a gate: longest context that occurred × tokens that followed it."""
        return Abilities(
            context=self.lengths[-1],
            experts=tuple(f"contexts up to {length}" for length in self.lengths),
            gates=((len(_LONGEST) + 1) * _SURE,),
            vocab=suffixes.TOKENS,
            outside=True,
            compiled="lior_archive",
        )

    # --- writing ---

    def learn(self, batch: Sequence[Items]) -> None:
        """Add the items to the text, which is sorted again at the next read.

        Raises
        ------
        UsageError
            When a token is no byte.
        """
        for items in batch:
            tokens = items.text.tokens[items.start :]
            if len(tokens) and int(tokens.max()) >= suffixes.TOKENS:
                raise UsageError(_BYTES)
        for span in self._spans(batch):
            self._journal.add(span)
            self._reader = None

    def _renew(self) -> None:
        """Sort the text again at the next read."""
        self._reader = None

    def _reads(self) -> Reader:
        if self._reader is None:
            shards = (self._sorted(), *self._archived)
            self._reader = Reader(shards, self.lengths, self.discounts)
        return self._reader

    def _sorted(self) -> Shard:
        parts = [span.tokens.astype(np.uint8) for span in self._journal.spans]
        ends = np.cumsum([len(part) + 1 for part in parts[::-1]], dtype=np.int64)[::-1]
        context = [
            np.arange(end - 1 - span.context, end - 1)
            for span, end in zip(self._journal.spans, ends, strict=True)
        ]
        return suffixes.build(suffixes.laid_out(parts), np.concatenate([np.zeros(0, np.int64), *context]))

    # --- reading ---

    def predict(self, query: Query, alphabet: Tensor) -> Evidence:
        """Return the distribution after the last tokens, for each length."""
        known = alphabet.cpu().numpy()
        if len(known) and known[-1] >= suffixes.TOKENS:
            raise UsageError(_BYTES)
        tokens, depth = (part.cpu().numpy().astype(np.int64) for part in query.text[:2])
        p, longest, sure = self._reads().read(tokens, depth, query.positions.cpu().numpy(), known)
        bins = np.searchsorted(_LONGEST, longest, side="right")
        gate = torch.from_numpy(bins * _SURE + sure)
        return Evidence(torch.from_numpy(p).log_().to(alphabet.device), (gate.to(alphabet.device),))

    def trace(self, query: Query, tokens: Tensor, alphabet: Tensor) -> Trace:
        """Return the places where a token followed a context of each length; they share its part equally.

        Places after a context are listed if there are 64 or fewer; documents of the archive have negative
        numbers.
        """
        text, depth = (part.cpu().numpy().astype(np.int64) for part in query.text[:2])
        found = origins.trace(
            self._reads().shards,
            text,
            depth,
            query.positions.cpu().numpy(),
            tokens.cpu().numpy(),
            alphabet.cpu().numpy(),
            self.lengths,
            self.discounts,
        )
        document, offset = np.zeros((2, len(found.row)), np.int64)
        for s in np.unique(found.shard).tolist():
            here = found.shard == s
            if s:
                before = sum(len(each.ends) for each in self._documents()[: s - 1])
                which, offset[here] = origins.locate(self._documents()[s - 1].ends, found.place[here])
                document[here] = -1 - before - which
            else:
                ends = np.cumsum([len(span.tokens) + 1 for span in self._journal.spans])
                span, at = origins.locate(ends, found.place[here])
                document[here], offset[here] = (part.numpy() for part in self._journal.locate(span, at))
        columns = found.row, found.expert, document, offset, found.share, found.stored
        row, expert, number, place, share, stored = (torch.from_numpy(column) for column in columns)
        return Trace(row, expert, number, place, share, stored, self._document)

    def _document(self, number: int) -> OutsideDocument:
        """Return the document of the archive that a trace names by a negative number."""
        number = -1 - number
        for documents in self._documents():
            if number < len(documents.ends):
                tokens = torch.from_numpy(documents.tokens(number))
                return OutsideDocument(documents.names[number], tokens, documents.line(number))
            number -= len(documents.ends)
        raise UsageError("no document of the archive has that number")

    def _documents(self) -> list[Documents]:
        if self._about is None:
            self._about = shards.documents(self.archive, self._archived)
        return self._about
