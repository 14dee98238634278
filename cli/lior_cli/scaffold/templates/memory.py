"""Counts of what followed the last tokens: ``p(x | c) = (n(c, x) + α) / (n(c) + α A)``.

``c`` are the last ``order`` tokens, ``A`` is the size of the alphabet. Without a count the distribution is
uniform.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs
import torch
from torch import Tensor

from lior.config import option
from lior.errors import UsageError
from lior.interfaces import Abilities, Evidence, Items, Query, State
from lior.model import gather_contexts
from lior.tensors import Expected, check

_NONE = 1 << 16
"""Stands for "before the beginning of the document" in a context; token ids are below it."""
_SURE = 4
"""Contexts seen as often or more share a value of the gate."""


@attrs.define(kw_only=True)
class Mine:
    """One expert, and a gate that says how often the context was seen, up to 3 times and more.

    A context and the token after it are one number, its key: 17 bits a token. Tensors are replaced, never
    written into, so that a snapshot is the tensors themselves.
    """

    api_version: ClassVar[int] = 2

    order: int = option(2, help="previous tokens that are the context", low=1, high=2)
    prior: float = option(0.05, help="α, added to every count", low=1e-6, high=1e3)

    _key: Tensor = attrs.field(factory=lambda: torch.zeros(0, dtype=torch.int64), init=False, repr=False)
    """Keys in memory, ascending, ``(N,)``."""
    _count: Tensor = attrs.field(factory=lambda: torch.zeros(0, dtype=torch.int64), init=False, repr=False)
    """Number of times that each was written, ``(N,)``."""

    @property
    def abilities(self) -> Abilities:
        """One expert and one gate, of the last ``order`` tokens."""
        return Abilities(context=self.order, experts=("counts",), gates=(_SURE,))

    # --- learning ---

    def learn(self, batch: Sequence[Items]) -> None:
        """Count the items."""
        new = torch.cat([self._key[:0], *(self._keys(items) for items in batch)])
        every, counts = torch.cat([new, self._key]), torch.cat([torch.ones_like(new), self._count])
        self._key, place = torch.unique(every, return_inverse=True)
        self._count = torch.zeros_like(self._key).index_add_(0, place, counts)

    def _keys(self, items: Items) -> Tensor:
        text = items.text
        positions = torch.arange(items.start, len(text.tokens), device=text.tokens.device)
        context = gather_contexts(text.tokens, positions, text.depth[positions], self.order, _NONE)
        return self._joined(context) | text.tokens[positions]

    def _joined(self, context: Tensor) -> Tensor:
        """Keys of contexts ``(B, order)`` with room for the token that follows."""
        key = torch.zeros(len(context), dtype=torch.int64, device=context.device)
        for token in context.unbind(1):
            key = (key | token) << 17
        return key

    # --- predicting ---

    def predict(self, query: Query, alphabet: Tensor) -> Evidence:
        """The smoothed counts after each context, and how often it was seen."""
        text, at = query.text, query.positions
        context = gather_contexts(text.tokens, at, text.depth[at], self.order, _NONE)
        wanted = self._joined(context)[:, None] | alphabet
        if len(self._key):
            place = torch.searchsorted(self._key, wanted).clamp(max=len(self._key) - 1)
            count = torch.where(self._key[place] == wanted, self._count[place], 0)
        else:
            count = torch.zeros_like(wanted)
        total = count.sum(1)
        p = (count + self.prior) / (total + self.prior * len(alphabet))[:, None]
        return Evidence(p.float().log()[:, None], (total.clamp(max=_SURE - 1),))

    # --- state ---

    def snapshot(self) -> State:
        """Keys and counts; no entries if the memory is empty."""
        return {"key": self._key, "count": self._count} if len(self._key) else {}

    def restore(self, snapshot: State) -> None:
        """Become the memory of ``snapshot``; an empty one is that of a new memory.

        Raises
        ------
        UsageError
            When it is not a snapshot of such a memory, which then stays as it was.
        """
        none = torch.zeros(0, dtype=torch.int64)
        state = snapshot or {"key": none, "count": none}
        length = len(state["key"]) if "key" in state else 0
        check(state, dict.fromkeys(("key", "count"), Expected("int64", (length,))), of="memory 'mine'")
        if bool((state["key"].diff() <= 0).any()) or bool((state["count"] <= 0).any()):
            raise UsageError("memory 'mine': keys do not ascend, or there are counts below 1")
        self._key, self._count = state["key"], state["count"]
