"""One window of the mixture in torch: predict all its tokens, then learn from all of them.

The formulas are those of :mod:`lior.counting.mixture`, for a whole window at once: the steps of all positions
are computed from the numbers at its beginning, and summed. Shapes do not depend on the text and no operation
waits for the device, so that a window can be captured as a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# isort: off
from lior.counting.layout import (
    CURVATURE_FIRST, CURVATURE_MOST, ESTIMATION_BINS, ESTIMATION_ROWS, NATS_A_BIN, SQUARE_FLOOR, SQUARE_RATE,
    TINY, Rates, Weights,
)  # fmt: skip
from lior.counting.locations import LOGIT_ONE
from lior_plugins.batched.inputs import PLACED, WindowInputs

_LOGIT_ENDS = -32768, 32767


class DeviceWeights(NamedTuple):
    """Weight sets on a device: each array of :class:`Weights`, concatenated along the first axis.

    ``token`` and ``bias`` have a column for each token of the alphabet.
    """

    confidence_weight: Tensor
    confidence_square: Tensor
    gate_weight: Tensor
    gate_square: Tensor
    token_weight: Tensor
    state_logit: Tensor
    age_logit: Tensor
    joint_logit: Tensor
    bias: Tensor
    """One row for each set, ``(N, A)``."""
    secondary: Tensor
    secondary_curvature: Tensor
    code: Tensor
    """Where each token's corrections begin in a context, int64 ``(A,)``."""
    rates: Tensor
    """The step sizes of each set, float32 ``(N, 6)`` in the order of :class:`Rates`."""

    @classmethod
    def of(
        cls, sets: Sequence[Weights], rates: Sequence[Rates], tokens: np.ndarray, device: torch.device
    ) -> DeviceWeights:
        """The part of ``sets`` that the alphabet ``tokens (A,)`` uses."""
        parts = [
            learned._replace(bias=learned.bias[None, tokens], token_weight=learned.token_weight[:, :, tokens])
            for learned in sets
        ]
        code = (tokens & (ESTIMATION_ROWS - 1)) * ESTIMATION_BINS
        columns = [*zip(*parts, strict=True), [code], [np.array([step], np.float32) for step in rates]]
        arrays = (np.ascontiguousarray(np.concatenate(column)) for column in columns)
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def put(self, sets: Sequence[Weights], tokens: np.ndarray) -> None:
        """Write the numbers into the arrays of ``sets``."""
        for name in Weights._fields:
            parts = np.split(getattr(self, name).cpu().numpy(), len(sets))
            for learned, values in zip(sets, parts, strict=True):
                array = getattr(learned, name)
                if name in ("bias", "token_weight"):
                    array[..., tokens] = values
                else:
                    array[...] = values


class WindowPrediction(NamedTuple):
    """The distributions of a window, and the entries that led to them."""

    first: Tensor
    """Distribution before secondary estimation, float32 ``(W, A)``."""
    final: Tensor
    """Distribution after it, ``(W, A)``."""
    entry: Tensor
    """Entry of the lower bin of each token in secondary estimation, int64 ``(W, 2, A)``."""
    share: Tensor
    """Share of the next bin, ``(W, 1, A)``."""


def read(numbers: DeviceWeights, logit: Tensor, x: WindowInputs) -> WindowPrediction:
    """Predict a window; ``logit (M,)`` is the column of all counters."""
    window, alphabet = len(x.target), numbers.bias.shape[1]
    weight = numbers.confidence_weight.view(-1)[x.own] + numbers.gate_weight[x.row].sum(1)
    weights = numbers.token_weight[x.place].add_(numbers.token_weight[x.which * PLACED])
    weights.add_(weight[:, :, None])
    z = (weights * x.log_p).sum(1) + numbers.bias[x.which] + numbers.joint_logit.view(-1)[x.joint].sum(1)
    counters = (
        numbers.state_logit.view(-1)[x.state]
        + numbers.age_logit.view(-1)[x.age]
        + logit[x.counter] * (1 / LOGIT_ONE)
    )
    cells = z.new_zeros(window * alphabet + 1).index_add_(0, x.cell, counters)
    z = z + cells[:-1].view(window, alphabet)
    first = torch.softmax(z, 1)
    height = ((first + TINY).log() * (-1 / NATS_A_BIN)).clamp(0, ESTIMATION_BINS - 1.01)
    lower = height.int()
    share = (height - lower)[:, None]
    entry = x.estimate[:, :, None] * (ESTIMATION_ROWS * ESTIMATION_BINS) + (numbers.code + lower)[:, None]
    table = numbers.secondary.view(-1)
    z = z + (table[entry] * (1 - share) + table[entry + 1] * share).sum(1)
    return WindowPrediction(first, torch.softmax(z, 1), entry, share)


def learn(numbers: DeviceWeights, logit: Tensor, x: WindowInputs, found: WindowPrediction) -> None:
    """Update all learned parameters by the statistics of a window."""
    rates = numbers.rates[x.which]
    told = ((x.target >= 0) & (rates.sum(1) > 0))[:, None]
    token = torch.arange(found.first.shape[1], device=x.target.device) == x.target[:, None]
    error = (token.float() - found.first) * told
    _table_steps(numbers, logit, x, found, error, told)
    pull = error[:, None] * x.log_p
    table = torch.arange(len(numbers.token_weight), device=x.place.device)
    place = (table == x.place[:, None]) | (table == x.which[:, None] * PLACED)  # the first is for all places
    steps = (place * rates[:, 1:2]).T @ pull.flatten(1)
    numbers.token_weight.view(len(numbers.token_weight), -1).add_(steps)
    gain, present = pull.sum(2), x.present * told
    _weight_steps(numbers, x, torch.stack([gain, gain * gain, present], 2), rates[:, 0])


def _table_steps(
    numbers: DeviceWeights,
    logit: Tensor,
    x: WindowInputs,
    found: WindowPrediction,
    error: Tensor,
    told: Tensor,
) -> None:
    """Update tables, biases and logits of counters at the positions ``told (W, 1)``."""
    rates, table = numbers.rates[x.which], numbers.secondary.view(-1)
    token = torch.arange(found.final.shape[1], device=x.target.device) == x.target[:, None]
    last = (token.float() - found.final) * told
    curvature = numbers.secondary_curvature.view(-1)
    bend = (found.final * (1 - found.final) * told)[:, None].expand_as(found.entry)
    step = (rates[:, 5:] * last)[:, None].expand_as(found.entry)
    ends = [(found.entry.flatten(), 1 - found.share), (found.entry.flatten() + 1, found.share)]
    for entry, share in ends:
        curvature.index_add_(0, entry, (bend * share).flatten())
    for entry, share in ends:
        much = (curvature[entry] + CURVATURE_FIRST).clamp(max=CURVATURE_MOST)
        table.index_add_(0, entry, (step * share).flatten() / much)
    step = rates[:, 2:3] * error
    numbers.joint_logit.view(-1).index_add_(0, x.joint.flatten(), step[:, None].expand_as(x.joint).flatten())
    step = torch.nn.functional.pad(step.flatten(), (0, 1))[x.cell]
    numbers.state_logit.view(-1).index_add_(0, x.state, step)
    numbers.age_logit.view(-1).index_add_(0, x.age, step)
    numbers.bias.index_add_(0, x.which, rates[:, 4:5] * error)
    # A logit moves by whole units, so that the sum over a window does not depend on the order.
    # At the ends of its 16 bits the paths differ: the streaming path clips each step, this one their sum.
    before, step = logit[x.counter], rates[:, 3:4] * LOGIT_ONE * error
    step = torch.nn.functional.pad(step.flatten(), (0, 1))[x.cell]
    moved = (before.float() + step + x.noise).floor().int()
    logit.index_add_(0, x.counter, (moved - before) * (step != 0))
    logit[x.counter] = logit[x.counter].clamp(*_LOGIT_ENDS)


def _weight_steps(numbers: DeviceWeights, x: WindowInputs, statistics: Tensor, rates: Tensor) -> None:
    """Update the weights from ``statistics (W, S, 3)``: sum, sum of squares, and number; ``rates (W,)``.

    The product with ``same`` sums over the positions that share an entry; all of them write the same value.
    """
    window, patterns = x.own.shape
    row = x.row.T
    same = (row[:, :, None] == row[:, None]).float()
    sums = (same @ statistics.flatten(1)).view(-1, window, patterns, 3)
    values, squares = _moved(numbers.gate_weight[row], numbers.gate_square[row], sums, rates[:, None])
    numbers.gate_weight[row], numbers.gate_square[row] = values, squares
    own = x.own.T
    same = (own[:, :, None] == own[:, None]).float()
    sums = same @ statistics.transpose(0, 1)
    table, square = numbers.confidence_weight.view(-1), numbers.confidence_square.view(-1)
    table[own], square[own] = _moved(table[own], square[own], sums, rates)


def _moved(values: Tensor, squares: Tensor, sums: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and running squares after one step; unchanged where no position has the entry."""
    total, squared, times = sums.unbind(-1)
    after = squares + SQUARE_RATE * (squared - times * squares)
    step = rates * total / (after.sqrt() + SQUARE_FLOOR)
    return torch.where(times > 0, values + step, values), torch.where(times > 0, after, squares)
