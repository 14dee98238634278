"""Retrieval from the whole memory as one fused kernel: attention whose score is ``-β R cost``.

The product reads the memory in blocks (``exact``). Here the blocks are those of FlexAttention, and the
distance, ``β`` and ``R`` of queries and items are a modification of its score. Values are the tokens, one
column each, and heads are the inverse temperatures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention
from torch.nn.functional import one_hot, pad

from lior.geometry.retrieval import Retrieval
from lior.interfaces import Features
from lior_plugins.memories.items import normalised
from lior_plugins.products.tensor import TensorProduct

_COLUMNS = 64
"""Tokens of the alphabet that one pass of the kernel adds up; more are passes of their own."""


def distributions(
    scorer: Retrieval, queries: Features, items: Features, tokens: Tensor, alphabet: Tensor,
    powers: tuple[float, ...], *, kernel: Callable[..., Any] = flex_attention,
) -> Tensor:  # fmt: skip
    """Distributions ``(B, E, A)`` over ``alphabet (A,)``, sorted, at ``powers`` (E) of the weights.

    ``tokens (K,)`` are those of the items. ``kernel``: ``flex_attention`` or a compiled form of it. The
    product of the geometry must be ``tensor``; ``TypeError`` if it is not.
    """
    product = scorer.geometry.product
    if not isinstance(product, TensorProduct):
        raise TypeError(f"the fused kernel knows the distance of the product tensor, not {product!r}")
    columns = torch.searchsorted(alphabet, tokens).clamp(max=len(alphabet) - 1)
    known = (alphabet[columns] == tokens).to(items.f)
    passes = -(-len(alphabet) // _COLUMNS)
    values = one_hot(columns, passes * _COLUMNS).to(items.f) * known[:, None]
    values = values.view(len(tokens), passes, _COLUMNS).transpose(0, 1)[:, None]
    modify = modification(scorer, queries, items, product.eps, powers)
    size = (passes, len(powers), -1, -1)
    q, k = (_padded(side.f)[None, None].expand(size) for side in (queries, items))
    out = kernel(q, k, values.expand(size).contiguous(), score_mod=modify, scale=1.0)
    return normalised(out.permute(2, 1, 0, 3).flatten(2)[:, :, : len(alphabet)])


def modification(
    scorer: Retrieval, queries: Features, items: Features, eps: float, powers: tuple[float, ...]
) -> Callable[..., Tensor]:
    """From the product of features of a query and an item to ``-β R · distance``, sharpened by a power."""
    heads = scorer.beta * queries.f.new_tensor(powers)
    row, column = (_factor(side, scorer.exponent) for side in (queries, items))

    def modify(score: Tensor, batch: Tensor, head: Tensor, query: Tensor, item: Tensor) -> Tensor:
        square = queries.norm[query] + items.norm[item] - 2 * score
        return -heads[head] * row[query] * column[item] * (square.clamp(min=0) + eps).sqrt()

    return modify


def _factor(side: Features, exponent: float) -> Tensor:
    return torch.ones_like(side.norm) if side.resilience is None else side.resilience**exponent


def _padded(f: Tensor) -> Tensor:
    """``f (N, m)`` with columns of 0, so that ``m`` is a power of 2 from 16 on, as the kernel asks."""
    return pad(f, (0, max(16, 1 << (f.shape[1] - 1).bit_length()) - f.shape[1])).contiguous()
