"""``match``: predicts the tokens that followed the longest matches of the context in the written text.

Counts need a context several times before they trust it; a match of twenty tokens is trusted at once. So
this memory quotes: it continues a sentence that was written once, and names its place as the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.interfaces import Abilities, Evidence, Items, Query, Trace
from lior_plugins.counting import matching
from lior_plugins.counting.journal import JournalMemory, StoredSpan
from lior_plugins.counting.matching import BREAK, HashChains, Matches

_LENGTHS = (1, 8, 10, 12, 16, 20, 24, 32)
"""Lengths of a match at which the next value of the gate begins; 0 is no match."""
_TRUST = (
    (0.0, 0.0, 0.0),
    (0.0, 0.0, 0.0),
    (0.05, 0.05, 0.05),
    (0.15, 0.15, 0.05),
    (0.15, 0.15, 0.0),
    (0.2, 0.3, 0.0),
    (0.5, 0.7, 0.1),
    (1.0, 1.0, 0.3),
)
"""Weight of the expert at these lengths, by agreement, times the option."""
_AGREE = 3
"""Number of agreements: one place, several with the same next token, several with others."""


@attrs.define(kw_only=True)
class Match(JournalMemory):
    """The text itself, read at the latest places with the longest match."""

    name: ClassVar[str] = "match"

    shortest: int = option(6, help="minimum tokens of a match", low=1, high=64)
    longest: int = option(32, help="maximum tokens that are compared", low=1, high=1024)
    candidates: int = option(32, help="maximum places that a read compares, the latest first", low=1)
    smoothing: float = option(0.02, help="share of the uniform distribution", low=1e-6, high=0.5)

    weight: float = option(1.0, help="weight of a long match before anything is learned", low=0.0, high=10.0)

    _chains: HashChains | None = attrs.field(default=None, init=False, repr=False, eq=False)
    """``None`` if it must be rebuilt from the journal."""

    def __attrs_post_init__(self) -> None:
        if self.shortest > self.longest:
            raise UsageError(f"shortest = {self.shortest}: at most longest, which is {self.longest}")

    @property
    def abilities(self) -> Abilities:
        """One expert, and a gate of match lengths × agreements of places.

        A longer match has more weight: most texts have none long enough to learn this from.
        """
        trust = torch.cat([torch.zeros(1), self.weight * torch.tensor(_TRUST).flatten()])[:, None]
        return Abilities(
            context=self.longest, experts=("longest match",), gates=(len(trust),), trust=(trust,)
        )

    # --- writing ---

    def learn(self, batch: Sequence[Items]) -> None:
        """Add the items to the text; the index is rebuilt if they do not come last."""
        for span in self._spans(batch):
            continues = self._journal.continues(span)
            if not self._journal.add(span):
                self._chains = None
            elif self._chains is not None:
                self._append(span, continues=continues)

    def _append(self, span: StoredSpan, *, continues: bool) -> None:
        """Append a span to the chains; only its written tokens if it continues the last span."""
        assert self._chains is not None
        tokens = np.concatenate([[BREAK], span.tokens])
        written = np.arange(len(tokens)) > span.context
        if continues:
            tokens, written = tokens[written], written[written]
        self._chains = matching.append(self._chains, tokens, written)

    def _chained(self) -> HashChains:
        if self._chains is None:
            spans = self._journal.spans
            capacity = sum(len(p.tokens) + 1 for p in spans) + 1024
            self._chains = matching.empty(self.shortest, capacity)
            for span in spans:
                self._append(span, continues=False)
        return self._chains

    def _renew(self) -> None:
        """Rebuild the index at the next read."""
        self._chains = None

    # --- reading ---

    def predict(self, query: Query, alphabet: Tensor) -> Evidence:
        """Return the share of each token among the places with the longest match."""
        places, lengths = self._matches(query)
        tokens = torch.from_numpy(self._chained().tokens[places].astype(np.int64))
        column = torch.searchsorted(alphabet.cpu(), tokens).clamp(max=len(alphabet) - 1)
        known = torch.from_numpy(places > 0) & (alphabet.cpu()[column] == tokens)
        hits = torch.zeros(len(places), len(alphabet))
        hits.scatter_add_(1, column, known.float())
        total = hits.sum(1, keepdim=True)
        p = torch.where(total > 0, hits / total.clamp(min=1), 1 / len(alphabet))
        p = (1 - self.smoothing) * p + self.smoothing / len(alphabet)
        agree = torch.where(total[:, 0] == 1, 0, torch.where(hits.amax(1) == total[:, 0], 1, 2))
        bins = torch.searchsorted(torch.tensor(_LENGTHS), torch.from_numpy(lengths), right=True)
        gate = torch.where((bins > 0) & (total[:, 0] > 0), (bins - 1) * _AGREE + agree + 1, 0)
        return Evidence(p.log_()[:, None].to(alphabet.device), (gate.to(alphabet.device),))

    def trace(self, query: Query, tokens: Tensor, alphabet: Tensor) -> Trace:
        """Return the places with the longest match that have the token; each has the same share."""
        places, _ = self._matches(query)
        found = torch.from_numpy(self._chained().tokens[places].astype(np.int64))
        same = torch.from_numpy(places > 0) & (found == tokens.cpu()[:, None])
        counted = torch.isin(found, alphabet.cpu()) & torch.from_numpy(places > 0)
        p = (1 - self.smoothing) * same.sum(1) / counted.sum(1).clamp(min=1)
        stored = torch.where(p > 0, p / (p + self.smoothing / len(alphabet)), 0.0).double()
        row, column = same.nonzero().unbind(1)
        document, offset = self._standing(places[row.numpy(), column.numpy()])
        share = stored[row] / same.sum(1)[row]
        return Trace(row, torch.zeros_like(row), document, offset, share, stored[:, None])

    def _standing(self, places: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return document and offset of places in the chains, which are laid out span by span."""
        begins = np.cumsum([1, *(len(p.tokens) + 1 for p in self._journal.spans)])
        which = np.searchsorted(begins, places, side="right") - 1
        return self._journal.locate(which, places - begins[which] - 1)

    def _matches(self, query: Query) -> Matches:
        tokens, depth = (part.cpu().numpy().astype(np.int64) for part in query.text[:2])
        positions = query.positions.cpu().numpy()
        rows = len(positions)
        found = Matches(np.zeros((rows, self.candidates), np.int64), np.zeros(rows, np.int64))
        matching.find(self._chained(), tokens, depth, positions, self.longest, found)
        return found
