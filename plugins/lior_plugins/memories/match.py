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
from numpy.typing import NDArray
from torch import Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.interfaces import Abilities, Evidence, Items, Query, Trace
from lior_plugins.counting import matching
from lior_plugins.counting.journal import JournalMemory, StoredSpan
from lior_plugins.counting.matching import BREAK, HashChains, Matches

_TRUST = np.array([0, 0, 0, 0.05, 0.15, 0.25, 0.5, 1, 1, 1, 1, 1, 1])
"""Maximum trust in a match by the class of its length, chosen by hand."""
_LEVELS = 7
"""Number of steps from no trust to all of it; runs hold as many weights since version 0.1."""
_BEARABLE, _SETTLED, _STEEPNESS = 0.05, 3_000, 0.26
"""Share of missed tokens at which there is no trust; number of missed tokens at which a text has half of this
share, because matches have hardly begun in a short text; rise of the trust while the share falls e-fold.
Fitted so that learning recombined text of 2 kB or more costs 2 % at most, and prose is still quoted."""
_DIVIDED = 0.3
"""Weight relative to that of places with the same next token if they have others."""
_AGREE = 3
"""Number of agreements: one place, several with the same next token, several with others."""


@attrs.define(kw_only=True)
class Match(JournalMemory):
    """The text itself, read at the latest places with the longest match."""

    name: ClassVar[str] = "match"

    shortest: int = option(6, help="minimum tokens of a match", low=1, high=64)
    longest: int = option(128, help="maximum tokens that are compared", low=1, high=1024)
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
        """One expert, and a gate of levels of trust × agreements of places.

        The weights begin in proportion to the level: most texts have too few long matches to learn them from.
        """
        levels = torch.arange(_LEVELS + 1)[:, None] / _LEVELS * torch.tensor([1, 1, _DIVIDED])
        trust = torch.cat([torch.zeros(1), self.weight * levels.flatten()])[:, None]
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
            self._chains = matching.empty(self.shortest, self.longest, self.candidates, capacity)
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
        level = torch.from_numpy(self._levels()[np.searchsorted(matching.LENGTHS, lengths, side="right")])
        gate = torch.where(total[:, 0] > 0, level * _AGREE + agree + 1, 0)
        return Evidence(p.log_()[:, None].to(alphabet.device), (gate.to(alphabet.device),))

    def _levels(self) -> NDArray[np.int64]:
        """Return the level of trust in a match by the class of its length.

        Other memories expect most of what a match predicts. So a wrong match costs more than a right one
        gains, except where a text is quoted. Of all tokens that the text itself did not predict as it was
        written, many follow a long match if it recombines pieces, and hardly any in other texts.
        """
        missed = self._chained().missed
        late, total = missed[::-1].cumsum()[::-1], missed.sum() + 1
        bearable = _BEARABLE * total / (1 + (_SETTLED / total) ** 2)
        trust = _STEEPNESS * np.log(bearable / np.maximum(late, 1e-9))
        return np.floor(_LEVELS * np.clip(trust, 0, _TRUST)).astype(np.int64)

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
        matching.find(self._chained(), tokens, depth, positions, found)
        return found
