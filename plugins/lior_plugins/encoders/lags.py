"""Coordinates as a sum of one learned vector per previous token and lag: ``z = Σ_l M_l[x_{t-1-l}]``."""

from __future__ import annotations

from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.interfaces import State
from lior_plugins.encoders.tables import lookup_rows, scatter_rows


@attrs.frozen(kw_only=True)
class Lags:
    """A table of vectors per lag, all of them learned.

    State: ``table (lags * (vocab + 1), n)``, the rows of lag 0 (the most
    recent token) first. It begins as normal noise of standard deviation
    ``scale * decay ** lag``, so that recent tokens weigh more.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("table",)

    n: int = option(64, help="dimension of a coordinate", low=2)
    lags: int = option(16, help="previous tokens that a coordinate depends on", low=1)
    decay: float = option(0.8, help="initial weight of a token relative to the one after it", low=0, high=1)
    scale: float = option(0.35, help="initial standard deviation of the most recent token's entries", low=0)

    @property
    def reach(self) -> int:
        """Number of previous tokens that a coordinate depends on."""
        return self.lags

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Return a fresh table for token ids ``0 .. vocab``."""
        device = generator.device
        noise = torch.randn(self.lags, vocab + 1, self.n, generator=generator, device=device)
        weight = self.scale * self.decay ** torch.arange(self.lags, device=device)
        return {"table": (noise * weight[:, None, None]).reshape(-1, self.n)}

    def encode(self, state: State, contexts: Tensor) -> Tensor:
        """Return coordinates ``(B, n)`` of contexts ``(B, lags)``, in the table's dtype."""
        return lookup_rows(state["table"], contexts, self.reach)

    def rows(self, state: State) -> Tensor:
        """Return the vectors whose sum is a coordinate, ``(lags, vocab + 1, n)``."""
        return state["table"].view(self.lags, -1, self.n)

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Return derivatives of ``sum(dz * encode(contexts))`` with respect to the table."""
        return {"table": scatter_rows(contexts, dz, self._vocab(state) + 1).reshape(-1, self.n)}

    def _vocab(self, state: State) -> int:
        return state["table"].shape[0] // self.lags - 1
