"""One window of the mixture in torch: read all its positions, then learn from all of them.

The formulas are those of :mod:`lior.counting.mixture`, for a whole window at once: the steps of its positions
are worked out of what was known at its beginning and only added up. Shapes do not depend on the text and
nothing waits for the device, so that a window can be captured as a CUDA graph.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lior.counting.inputs import Inputs
from lior.counting.layout import ESTIMATION_BINS, Learned, Rates
from lior.counting.locations import LOGIT_ONE

_SQUARE_RATE = 0.005
_SQUARE_FLOOR = 0.02
_TINY = 1e-9
_LOGIT_ENDS = -32768, 32767


class Numbers(NamedTuple):
    """What was learned, on a device; of the tokens, those of the alphabet. See :class:`Learned`."""

    own: Tensor
    own_square: Tensor
    gated: Tensor
    gated_square: Tensor
    token: Tensor
    state: Tensor
    age: Tensor
    joint: Tensor
    bias: Tensor
    secondary: Tensor
    rates: Tensor
    """The step sizes, float32 ``(6,)`` in the order of :class:`Rates`."""

    @classmethod
    def of(cls, learned: Learned, rates: Rates, tokens: np.ndarray, device: torch.device) -> Numbers:
        """The numbers of ``learned`` that the alphabet ``tokens (A,)`` needs."""
        parts = learned._replace(bias=learned.bias[tokens], token=learned.token[:, :, tokens])
        steps = np.array(rates, np.float32)
        return cls(*(torch.from_numpy(part.copy()).to(device) for part in (*parts, steps)))

    def put(self, learned: Learned, tokens: np.ndarray) -> None:
        """Write the numbers into the arrays of ``learned``."""
        for name, array in learned._asdict().items():
            values = getattr(self, name).cpu().numpy()
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
    window, alphabet = len(x.target), len(numbers.bias)
    weight = numbers.own.view(-1)[x.own] + numbers.gated[x.row].sum(1)
    weights = numbers.token[x.place].add_(numbers.token[0]).add_(weight[:, :, None])
    z = (weights * x.log_p).sum(1) + numbers.bias + numbers.joint.view(-1)[x.joint].sum(1)
    counters = (
        numbers.state.view(-1)[x.state] + numbers.age.view(-1)[x.age] + logit[x.counter] * (1 / LOGIT_ONE)
    )
    cells = z.new_zeros(window * alphabet + 1).index_add_(0, x.cell, counters)
    z = z + cells[:-1].view(window, alphabet)
    first = torch.softmax(z, 1)
    height = ((first + _TINY).log() * -2.0).clamp(max=ESTIMATION_BINS - 1.01)
    lower = height.int()
    share = (height - lower)[:, None]
    entry = x.estimate[:, :, None] * ESTIMATION_BINS + lower[:, None]
    table = numbers.secondary.view(-1)
    z = z + (table[entry] * (1 - share) + table[entry + 1] * share).sum(1)
    return Reading(first, torch.softmax(z, 1), entry, share)


def learn(numbers: Numbers, logit: Tensor, x: Inputs, found: Reading) -> None:
    """Move everything learned by the statistics of a window."""
    told = (x.target >= 0)[:, None]
    token = torch.arange(len(numbers.bias), device=x.target.device) == x.target[:, None]
    error = (token.float() - found.first) * told
    _table_steps(numbers, logit, x, found, error, (token.float() - found.final) * told)
    pull = error[:, None] * x.log_p
    table = torch.arange(len(numbers.token), device=x.place.device)
    place = (table == x.place[:, None]) | (table == 0)  # the first of the tables is for every place
    steps = place.float().T @ pull.flatten(1)
    numbers.token.view(len(numbers.token), -1).add_(steps * numbers.rates[1])
    gain, present = pull.sum(2), x.present * told
    _weight_steps(numbers, x, torch.stack([gain, gain * gain, present], 2))


def _table_steps(
    numbers: Numbers, logit: Tensor, x: Inputs, found: Reading, error: Tensor, last: Tensor
) -> None:
    """Steps of all tables, the biases and the counters' logits; ``last`` is the error after estimation."""
    rates, table = numbers.rates, numbers.secondary.view(-1)
    step = (rates[5] * last)[:, None].expand_as(found.entry)
    table.index_add_(0, found.entry.flatten(), (step * (1 - found.share)).flatten())
    table.index_add_(0, found.entry.flatten() + 1, (step * found.share).flatten())
    own = torch.nn.functional.pad(error.flatten(), (0, 1))[x.cell]
    step = rates[2] * own
    numbers.state.view(-1).index_add_(0, x.state, step)
    numbers.age.view(-1).index_add_(0, x.age, step)
    step = (rates[2] * error)[:, None].expand_as(x.joint)
    numbers.joint.view(-1).index_add_(0, x.joint.flatten(), step.flatten())
    numbers.bias.add_(rates[4] * error.sum(0))
    # A logit moves by whole units of its grid, so that the steps of a window add up whatever their order.
    held = logit[x.counter]
    moved = (held.float() + rates[3] * LOGIT_ONE * own + x.noise).clamp(*_LOGIT_ENDS).floor().int()
    logit.index_add_(0, x.counter, (moved - held) * (rates[3] > 0))
    logit[x.counter] = logit[x.counter].clamp(*_LOGIT_ENDS)


def _weight_steps(numbers: Numbers, x: Inputs, statistics: Tensor) -> None:
    """Steps of the weights from ``statistics (W, S, 3)``: sum, sum of squares, and number.

    Positions that share an entry are added up by a product with the matrix of who shares with whom. All of
    them then write the same value.
    """
    window, patterns = x.own.shape
    row = x.row.T
    same = (row[:, :, None] == row[:, None]).float()
    sums = (same @ statistics.flatten(1)).view(-1, window, patterns, 3)
    values, squares = _moved(numbers.gated[row], numbers.gated_square[row], sums, numbers.rates[0])
    numbers.gated[row], numbers.gated_square[row] = values, squares
    own = x.own.T
    same = (own[:, :, None] == own[:, None]).float()
    sums = same @ statistics.transpose(0, 1)
    table, square = numbers.own.view(-1), numbers.own_square.view(-1)
    table[own], square[own] = _moved(table[own], square[own], sums, numbers.rates[0])


def _moved(values: Tensor, squares: Tensor, sums: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and running squares after one step, where there is anything to learn from."""
    total, squared, times = sums.unbind(-1)
    after = squares + _SQUARE_RATE * (squared - times * squares)
    step = rate * total / (after.sqrt() + _SQUARE_FLOOR)
    return torch.where(times > 0, values + step, values), torch.where(times > 0, after, squares)
