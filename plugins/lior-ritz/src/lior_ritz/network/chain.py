"""The network's values and slopes with a backward pass of their own.

The same numbers as :func:`lior_ritz.network.layers.forward_plain` gives, in half the time: nodes are taken in
blocks that stay in the cache from the first layer to the last, nothing is kept that need not be, and a
function's values at many nodes lie together, which makes products with small matrices quicker."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

_BLOCK = 1024
"""Nodes that go through all layers together."""


class _Kept(NamedTuple):
    """The values of one layer and one block of nodes that the backward pass needs."""

    entering: Tensor | None
    """Values and slopes that the layer was given, ``[h, 1 + d, n]``; ``None`` in the first."""
    linear: Tensor | None
    """Its linear part, of which the slopes are used; ``None`` in the first, where they are the weights."""
    slope: Tensor
    """``σ'``, ``[h, n]``."""


class Chain(torch.autograd.Function):
    """Layers ``σ(Wx + b)`` and their slopes by the inputs; differentiable once, by W and b."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, sine: bool, keep: bool, *layers: Tensor) -> Tensor:
        """Values and slopes of the last layer, ``[1 + dim, N, h]``, with successive nodes side by side.

        ``points``: ``[N, inputs]``. ``sine``: whether σ is the sine; the hyperbolic tangent otherwise.
        ``keep``: whether a backward pass will follow, for which much more is kept than the answer.
        ``layers``: ``W₀, b₀, W₁, b₁, …``; frequencies are in them.
        """
        weights, biases = layers[0::2], layers[1::2]
        whole = points.new_empty(weights[-1].shape[0], 1 + points.shape[1], len(points))
        kept: list[tuple[list[_Kept], Tensor]] = []
        for block in range(0, len(points), _BLOCK):
            here = points[block : block + _BLOCK]
            records, jet = _block_forward(here, sine, weights, biases)
            whole[:, :, block : block + _BLOCK] = jet
            if keep:
                kept.append((records, jet))
        ctx.kept, ctx.points, ctx.layers, ctx.sine = kept, points, layers, sine
        return whole.permute(1, 2, 0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients by the layers; the points have none."""
        weights = ctx.layers[0::2]
        found = [torch.zeros_like(layer) for layer in ctx.layers]
        whole = gradients[0].permute(2, 0, 1)
        for index, (records, jet) in enumerate(ctx.kept):
            rows = slice(index * _BLOCK, (index + 1) * _BLOCK)
            _block_backward(whole[:, :, rows], ctx.points[rows], records, jet, weights, found, ctx.sine)
        return None, None, None, *found


def _block_forward(
    points: Tensor, sine: bool, weights: tuple[Tensor, ...], biases: tuple[Tensor, ...]
) -> tuple[list[_Kept], Tensor]:
    (count, dim), width = points.shape, weights[0].shape[0]
    jet = points.new_empty(width, 1 + dim, count)
    slope = _activate(torch.addmm(biases[0][:, None], weights[0], points.T), sine, out=jet[:, 0])
    torch.mul(slope[:, None], weights[0][:, :, None], out=jet[:, 1:])
    records = [_Kept(None, None, slope)]
    for weight, bias in zip(weights[1:], biases[1:], strict=True):
        linear = (weight @ jet.view(width, (1 + dim) * count)).view(width, 1 + dim, count)
        linear[:, 0] += bias[:, None]
        entering, jet = jet, torch.empty_like(jet)
        slope = _activate(linear[:, 0], sine, out=jet[:, 0])
        records.append(_Kept(entering, linear, slope))
        torch.mul(slope[:, None], linear[:, 1:], out=jet[:, 1:])
    return records, jet


def _activate(linear: Tensor, sine: bool, *, out: Tensor) -> Tensor:
    """Write σ to ``out``; returns σ'."""
    if sine:
        torch.sin(linear, out=out)
        return torch.cos(linear)
    torch.tanh(linear, out=out)
    return torch.addcmul(torch.ones((), dtype=out.dtype, device=out.device), out, out, value=-1)


def _block_backward(
    gradient: Tensor,
    points: Tensor,
    records: list[_Kept],
    jet: Tensor,
    weights: tuple[Tensor, ...],
    found: list[Tensor],
    sine: bool,
) -> None:
    """Add one block's gradients to ``found``."""
    gradient = gradient.clone(memory_format=torch.contiguous_format)  # it is written to
    width, size, count = gradient.shape
    for layer in range(len(weights) - 1, -1, -1):
        entering, linear, slope = records[layer]
        slopes = weights[0][:, :, None] if linear is None else linear[:, 1:]
        # σ'' is -sin = -σ, or -2 tanh·σ'.
        bend = gradient[:, 1] * slopes[:, 0]
        for axis in range(1, size - 1):
            bend.addcmul_(gradient[:, 1 + axis], slopes[:, axis])
        if not sine:
            bend *= slope
        gradient *= slope[:, None]
        gradient[:, 0].addcmul_(bend, jet[:, 0], value=-1 if sine else -2)
        found[2 * layer + 1] += gradient[:, 0].sum(1)
        if entering is None:
            found[0] += gradient[:, 1:].sum(2)
            found[0].addmm_(gradient[:, 0], points)
            return
        flat = gradient.view(width, size * count)
        found[2 * layer].addmm_(flat, entering.view(width, size * count).T)
        gradient = (weights[layer].T @ flat).view(width, size, count)
        jet = entering
