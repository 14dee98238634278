"""A bag of the last tokens in which recent ones weigh more: ``z = Σ_l decay^l E[x_{t-1-l}]``."""

from __future__ import annotations

from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor
from torch.nn.functional import embedding_bag

from lior.config import option
from lior.interfaces import State


@attrs.frozen(kw_only=True)
class Mine:
    """One learned vector for each token, whatever its place.

    State: ``embedding (vocab + 1, n)``, learned; its last row stands before the beginning of a document.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("embedding",)

    n: int = option(64, help="dimension of a coordinate", low=2)
    reach: int = option(16, help="previous tokens that a coordinate depends on", low=1)
    decay: float = option(0.6, help="weight of a token relative to the one after it", low=0.01, high=1)

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Normal noise for token ids ``0 .. vocab``."""
        return {"embedding": torch.randn(vocab + 1, self.n, generator=generator, device=generator.device)}

    def encode(self, state: State, contexts: Tensor) -> Tensor:
        """Coordinates ``(B, n)`` of contexts ``(B, reach)``, the most recent token first."""
        weights = self._weights(state).expand(contexts.shape)
        return embedding_bag(contexts, state["embedding"], per_sample_weights=weights, mode="sum")

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Derivatives of ``sum(dz * encode(contexts))`` with respect to the embedding."""
        total = torch.zeros_like(state["embedding"])
        for lag, weight in enumerate(self._weights(state)):
            total.index_add_(0, contexts[:, lag], weight * dz)
        return {"embedding": total}

    def _weights(self, state: State) -> Tensor:
        """``decay^l (reach,)``."""
        return self.decay ** torch.arange(self.reach, device=state["embedding"].device).to(state["embedding"])
