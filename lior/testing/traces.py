"""What every trace of a :class:`~lior.interfaces.TraceableMemory` has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lior.interfaces import Items, Trace

_ROUNDING = 1e-9
"""Of a sum of float64 shares."""


def assert_trace(trace: Trace, tokens: Tensor, experts: int, documents: Sequence[Items]) -> None:
    """The form of a trace of ``tokens (B,)``, and that its places hold them.

    Parameters
    ----------
    experts
        How many the memory has.
    documents
        All that it stores.
    """
    row, expert, document, offset, share, stored = trace
    count = len(row)
    assert all(column.shape == (count,) and column.dtype == torch.int64 for column in trace[:4])
    assert share.shape == (count,), "a share for each place"
    assert stored.shape == (len(tokens), experts)
    assert share.dtype == stored.dtype == torch.float64
    assert ((row >= 0) & (row < len(tokens))).all(), "a place is behind one of the tokens"
    assert ((expert >= 0) & (expert < experts)).all(), "a place is behind one of the experts"
    assert (share >= 0).all(), "no share is negative"
    listed = torch.zeros_like(stored).index_put((row, expert), share, accumulate=True)
    assert (listed <= stored + _ROUNDING).all(), "the places listed have no more than all places"
    assert (stored <= 1 + _ROUNDING).all(), "the places have no more than the probability"
    keys = torch.stack([row, expert, document, offset], 1)
    assert len(keys.unique(dim=0)) == count, "a place is listed twice for a token and an expert"
    held = {
        (number, place): token
        for items in documents
        for token, place, number in torch.stack(items.text, 1)[items.start :].tolist()
    }
    for wanted, *place in zip(tokens[row].tolist(), document.tolist(), offset.tolist(), strict=True):
        assert held.get(tuple(place)) == wanted, f"document and offset {place} do not hold token {wanted}"
    never = ~torch.isin(tokens, torch.tensor([*held.values()], dtype=torch.int64))
    assert (stored[never] == 0).all(), "a token that was never stored has no share of what is"
