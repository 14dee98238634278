"""One window of the mixture in torch: read all its positions, then learn from all of them.

The formulas are those of :mod:`lior.counting.mixture`, for a whole window at once: the steps of its positions
are worked out of what was known at its beginning and only added up. Shapes do not depend on the text and
nothing waits for the device, so that a window can be captured as a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lior.counting.layout import ESTIMATION_BINS, SQUARE_FLOOR, SQUARE_RATE, TINY, Learned, Rates
from lior.counting.locations import LOGIT_ONE
from lior_plugins.batched.inputs import PLACED, Inputs

_LOGIT_ENDS = -32768, 32767


class Numbers(NamedTuple):
    """Sets of learned numbers on a device, one after the other, as in :class:`Learned`.

    Of the tokens they have those of the alphabet.
    """

    own: Tensor
    own_square: Tensor
    gated: Tensor
    gated_square: Tensor
    token: Tensor
    state: Tensor
    age: Tensor
    joint: Tensor
    bias: Tensor
    """One row for each set, ``(N, A)``."""
    secondary: Tensor
    rates: Tensor
    """The step sizes of each set, float32 ``(N, 6)`` in the order of :class:`Rates`."""

    @classmethod
    def of(
        cls, sets: Sequence[Learned], rates: Sequence[Rates], tokens: np.ndarray, device: torch.device
    ) -> Numbers:
        """What the alphabet ``tokens (A,)`` needs of ``sets``."""
        parts = [
            learned._replace(bias=learned.bias[None, tokens], token=learned.token[:, :, tokens])
            for learned in sets
        ]
        columns = [*zip(*parts, strict=True), [np.array([step], np.float32) for step in rates]]
        arrays = (np.ascontiguousarray(np.concatenate(column)) for column in columns)
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def put(self, sets: Sequence[Learned], tokens: np.ndarray) -> None:
        """Write the numbers into the arrays of ``sets``."""
        for name in Learned._fields:
            parts = np.split(getattr(self, name).cpu().numpy(), len(sets))
            for learned, values in zip(sets, parts, strict=True):
                array = getattr(learned, name)
                if name in ("bias", "token"):
                    array[..., tokens] = values
                else:
                    array[...] = values


class Reading(NamedTuple):
    """What reading a window found."""

    first: Tensor
    """Distribution before secondary estimation, float32 ``(W, A)``."""
    final: Tensor
    """Distribution after it, ``(W, A)``."""
    entry: Tensor
    """Entry of each token's lower bin in the tables of secondary estimation, int64 ``(W, 3, A)``."""
    share: Tensor
    """Share of the next bin, ``(W, 1, A)``."""


def read(numbers: Numbers, logit: Tensor, x: Inputs) -> Reading:
    """The distributions of a window; ``logit (M,)`` are those of all counters."""
    window, alphabet = len(x.target), numbers.bias.shape[1]
    weight = numbers.own.view(-1)[x.own] + numbers.gated[x.row].sum(1)
    weights = numbers.token[x.place].add_(numbers.token[x.which * PLACED]).add_(weight[:, :, None])
    z = (weights * x.log_p).sum(1) + numbers.bias[x.which] + numbers.joint.view(-1)[x.joint].sum(1)
    counters = (
        numbers.state.view(-1)[x.state] + numbers.age.view(-1)[x.age] + logit[x.counter] * (1 / LOGIT_ONE)
    )
    cells = z.new_zeros(window * alphabet + 1).index_add_(0, x.cell, counters)
    z = z + cells[:-1].view(window, alphabet)
    first = torch.softmax(z, 1)
    height = ((first + TINY).log() * -2.0).clamp(max=ESTIMATION_BINS - 1.01)
    lower = height.int()
    share = (height - lower)[:, None]
    entry = x.estimate[:, :, None] * ESTIMATION_BINS + lower[:, None]
    table = numbers.secondary.view(-1)
    z = z + (table[entry] * (1 - share) + table[entry + 1] * share).sum(1)
    return Reading(first, torch.softmax(z, 1), entry, share)


def learn(numbers: Numbers, logit: Tensor, x: Inputs, found: Reading) -> None:
    """Move everything learned by the statistics of a window."""
    rates = numbers.rates[x.which]
    told = ((x.target >= 0) & (rates.sum(1) > 0))[:, None]
    token = torch.arange(found.first.shape[1], device=x.target.device) == x.target[:, None]
    error = (token.float() - found.first) * told
    _table_steps(numbers, logit, x, found, error, (token.float() - found.final) * told)
    pull = error[:, None] * x.log_p
    table = torch.arange(len(numbers.token), device=x.place.device)
    place = (table == x.place[:, None]) | (table == x.which[:, None] * PLACED)  # the first is for all places
    steps = (place * rates[:, 1:2]).T @ pull.flatten(1)
    numbers.token.view(len(numbers.token), -1).add_(steps)
    gain, present = pull.sum(2), x.present * told
    _weight_steps(numbers, x, torch.stack([gain, gain * gain, present], 2), rates[:, 0])


def _table_steps(
    numbers: Numbers, logit: Tensor, x: Inputs, found: Reading, error: Tensor, last: Tensor
) -> None:
    """Steps of all tables, the biases and the counters' logits; ``last`` is the error after estimation."""
    rates, table = numbers.rates[x.which], numbers.secondary.view(-1)
    step = (rates[:, 5:] * last)[:, None].expand_as(found.entry)
    table.index_add_(0, found.entry.flatten(), (step * (1 - found.share)).flatten())
    table.index_add_(0, found.entry.flatten() + 1, (step * found.share).flatten())
    step = rates[:, 2:3] * error
    numbers.joint.view(-1).index_add_(0, x.joint.flatten(), step[:, None].expand_as(x.joint).flatten())
    step = torch.nn.functional.pad(step.flatten(), (0, 1))[x.cell]
    numbers.state.view(-1).index_add_(0, x.state, step)
    numbers.age.view(-1).index_add_(0, x.age, step)
    numbers.bias.index_add_(0, x.which, rates[:, 4:5] * error)
    # A logit moves by whole units of its grid, so that the steps of a window add up whatever their order.
    # Only where it would leave its 16 bits the streaming path differs: it clips each step, this their sum.
    held, step = logit[x.counter], rates[:, 3:4] * LOGIT_ONE * error
    step = torch.nn.functional.pad(step.flatten(), (0, 1))[x.cell]
    moved = (held.float() + step + x.noise).floor().int()
    logit.index_add_(0, x.counter, (moved - held) * (step != 0))
    logit[x.counter] = logit[x.counter].clamp(*_LOGIT_ENDS)


def _weight_steps(numbers: Numbers, x: Inputs, statistics: Tensor, rates: Tensor) -> None:
    """Steps of the weights from ``statistics (W, S, 3)``: sum, sum of squares, and number; ``rates (W,)``.

    Positions that share an entry are added up by a product with the matrix of who shares with whom. All of
    them then write the same value.
    """
    window, patterns = x.own.shape
    row = x.row.T
    same = (row[:, :, None] == row[:, None]).float()
    sums = (same @ statistics.flatten(1)).view(-1, window, patterns, 3)
    values, squares = _moved(numbers.gated[row], numbers.gated_square[row], sums, rates[:, None])
    numbers.gated[row], numbers.gated_square[row] = values, squares
    own = x.own.T
    same = (own[:, :, None] == own[:, None]).float()
    sums = same @ statistics.transpose(0, 1)
    table, square = numbers.own.view(-1), numbers.own_square.view(-1)
    table[own], square[own] = _moved(table[own], square[own], sums, rates)


def _moved(values: Tensor, squares: Tensor, sums: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and running squares after one step, where there is anything to learn from."""
    total, squared, times = sums.unbind(-1)
    after = squares + SQUARE_RATE * (squared - times * squares)
    step = rates * total / (after.sqrt() + SQUARE_FLOOR)
    return torch.where(times > 0, values + step, values), torch.where(times > 0, after, squares)
