"""The encoder ``far``: another encoder for the last tokens, and coordinates of the distant context.

A far coordinate is a sum of decayed token counts, ``z = Σ_l λ^l U[x_{t−1−l}]``: a field of one slow mode.
Updates on batches do not learn its table ``U``, because the tokens that matter are rare. One pass computes
it from the canonical variates (:mod:`lior_field.canonical`) of the distant context and the next token,
given the last tokens. An opening bracket then counts for, and its closing bracket against.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, ClassVar

import attrs
import torch
from torch import Generator, Tensor
from torch.nn.functional import embedding_bag

from lior import registry
from lior.config import option
from lior.errors import UsageError
from lior.interfaces import Encoder, State
from lior.tensors import add_prefix, sub
from lior_field.canonical import variates

_SHARED = 3
"""Number of last tokens in which the positions of a group agree."""


@attrs.frozen(kw_only=True)
class Far:
    """An encoder whose near entries are learned, and whose far table is computed.

    State: ``far (vocab + 1, coordinates)``, the table ``U``, and ``near.*``, the state of the other
    encoder.
    """

    api_version: ClassVar[int] = 1

    n: int = option(64, help="dimension of a coordinate", low=3)
    near: str = option("poles", help="encoder of the last tokens, with its default options")
    coordinates: int = option(12, help="dimensions for the distant context, at most n - 2", low=1)
    reach: int = option(512, help="previous tokens that a coordinate depends on", low=64)
    fading: float = option(500.0, help="tokens after which one counts 1/e", low=2, high=1e6)
    skip: int = option(24, help="last tokens left out where the table is found", low=0, high=63)
    scale: float = option(2.0, help="standard deviation of the first far coordinate", low=0)

    def __attrs_post_init__(self) -> None:
        if self.coordinates > self.n - 2:
            raise UsageError(
                f"encoder far: coordinates {self.coordinates}: allowed are 1 to n - 2 = {self.n - 2}"
            )

    @property
    def learned(self) -> tuple[str, ...]:
        """Names of the learned entries of the other encoder."""
        return tuple(f"near.{name}" for name in self._near.learned)

    @cached_property
    def _near(self) -> Encoder:
        plugin: Any = registry.get("encoder", self.near)
        encoder: Encoder = plugin(n=self.n - self.coordinates)
        if encoder.reach > self.reach:
            raise UsageError(
                f"encoder far: reach {self.reach}: encoder {self.near!r} reads {encoder.reach} tokens; "
                "give at least as many"
            )
        return encoder

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Return a table of zeros, and the other encoder's state."""
        table = torch.zeros(vocab + 1, self.coordinates, device=generator.device)
        return {"far": table} | add_prefix("near", self._near.init(vocab, generator=generator))

    def observe(self, state: State, sample: Iterable[tuple[Tensor, Tensor]]) -> State:
        """Compute the table: each variate with its correlation, relative to the first, times ``scale``."""
        vocab = len(state["far"]) - 1
        counts, groups, tokens = [], [], []
        for contexts, after in sample:
            weights = self._weights(contexts, torch.float32)
            weights[: self.skip] = 0
            empty = torch.zeros(len(contexts), vocab + 1, device=contexts.device)
            counts.append(empty.scatter_add_(1, contexts, weights.expand(contexts.shape))[:, :vocab])
            places = (vocab + 1) ** torch.arange(_SHARED, device=contexts.device)
            groups.append((contexts[:, :_SHARED] * places).sum(1))
            tokens.append(after)
        found = variates(torch.cat(counts), torch.cat(groups), torch.cat(tokens), self.coordinates)
        share = found.correlations / found.correlations[0].clamp(min=1e-12)
        table = torch.zeros_like(state["far"])
        table[:vocab] = self.scale * (found.weights * share).to(table)
        return {**state, "far": table}

    def encode(self, state: State, contexts: Tensor) -> Tensor:
        """Return coordinates ``(B, n)`` of contexts ``(B, reach)``; the far ones come last."""
        weights = self._weights(contexts, state["far"].dtype).expand(contexts.shape)
        far = embedding_bag(contexts, state["far"], mode="sum", per_sample_weights=weights)
        return torch.cat([self._near.encode(sub(state, "near"), self._last(contexts)), far], 1)

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Return derivatives of ``sum(dz * encode(contexts))`` to the other encoder's learned entries."""
        rest = dz[:, : self.n - self.coordinates].contiguous()
        return add_prefix("near", self._near.pullback(sub(state, "near"), self._last(contexts), rest))

    def _last(self, contexts: Tensor) -> Tensor:
        """Return the part of the contexts that the other encoder reads."""
        return contexts[:, : self._near.reach].contiguous()

    def _weights(self, contexts: Tensor, dtype: torch.dtype) -> Tensor:
        lags = torch.arange(contexts.shape[1], dtype=dtype, device=contexts.device)
        return torch.exp(-lags / self.fading)
