"""Laws of the finite-pole kernel: the recurrence is the convolution."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from lior.errors import UsageError
from lior.testing.strategies import LAW, fill, seeds
from lior_plugins import kernel
from tests.cases import cases

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-12}
COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}

lengths = st.sampled_from((0, 1, 2, 63, 64, 65, 200))
dtypes = st.sampled_from((torch.float32, torch.float64))
edges = st.sampled_from(("normal", "zeros", "ties", "tiny"))


def three_modes() -> kernel.Kernel:
    return kernel.concatenate(
        kernel.exponential(0.7, [0.05, 1.0]),
        kernel.oscillation([1.0, -0.5], [0.4, 2.9], [0.3, -1.0], 0.2),
        kernel.power_law(0.5, 64),
    )


def cast(k: kernel.Kernel, dtype: torch.dtype, channels: int | None = None) -> tuple[Tensor, Tensor]:
    """The kernel in a precision; with ``channels``, scaled differently for each."""
    coeff = k.coeff if channels is None else k.coeff[:, None] * torch.linspace(-1, 1, channels)
    return k.poles.to(COMPLEX[dtype]), coeff.to(COMPLEX[dtype])


def convolve(k: Tensor, x: Tensor) -> Tensor:
    """``Σ_s K(t-s) x_s`` term by term."""
    rows = [sum(k[t - s] * x[..., s, :] for s in range(t + 1)) for t in range(x.shape[-2])]
    return torch.stack(rows, -2) if rows else x.clone()


@pytest.mark.parametrize("channels", [None, 3])
@LAW
@given(length=lengths, dtype=dtypes, edge=edges, seed=seeds(), chunk=st.sampled_from((1, 7, 64, 500)))
def test_scan_is_the_convolution(channels, length, dtype, edge, seed, chunk):
    poles, coeff = cast(three_modes(), dtype, channels)
    x = fill((2, length, 3), edge, seed, dtype)
    actual, _ = kernel.scan(poles, coeff, x, chunk=chunk)
    expected = convolve(kernel.impulse(poles, coeff, max(length, 1)), x)
    assert actual.dtype == dtype
    assert_close(actual, expected, atol=TOLERANCE[dtype], rtol=0)


@LAW
@given(length=lengths, cut=st.integers(0, 200), dtype=dtypes, seed=seeds())
def test_a_scan_can_be_cut_anywhere(length, cut, dtype, seed):
    poles, coeff = cast(three_modes(), dtype)
    x = fill((2, length, 3), "normal", seed, dtype)
    whole, last = kernel.scan(poles, coeff, x)
    first, state = kernel.scan(poles, coeff, x[:, :cut])
    second, end = kernel.scan(poles, coeff, x[:, cut:], state)
    assert_close(torch.cat([first, second], 1), whole, atol=TOLERANCE[dtype], rtol=0)
    assert_close(end, last, atol=TOLERANCE[dtype], rtol=1e-5)


def test_modes_are_their_formulas():
    t = torch.arange(50, dtype=torch.float64)
    decaying = kernel.exponential(-0.7, 0.05)
    assert_close(kernel.impulse(*decaying, 50), -0.7 * torch.exp(-0.05 * t))
    ringing = kernel.oscillation(-2.0, 0.4, 0.3, 0.1)
    assert_close(kernel.impulse(*ringing, 50), -2.0 * torch.cos(0.4 * t + 0.3) * torch.exp(-0.1 * t))
    both = kernel.impulse(*decaying, 50) + kernel.impulse(*ringing, 50)
    assert_close(kernel.impulse(*kernel.concatenate(decaying, ringing), 50), both)


@cases("delta", [0.05, 0.3, 0.5, 1.0, 2.0])
@cases("horizon", [1, 2, 8, 12, 64, 1024, 65536])
def test_power_law_is_within_one_percent(delta, horizon):
    poles, coeff = kernel.power_law(delta, horizon)
    t = torch.arange(1, horizon + 1, dtype=torch.float64)
    relative = kernel.impulse(poles, coeff, horizon + 1)[1:] * t**delta - 1
    assert relative.abs().max() <= 1e-2
    assert len(poles) <= 4 + math.log(horizon) / math.log(3)


@LAW
@given(seed=seeds(), channels=st.sampled_from((None, 4)))
def test_impulse_pullback_is_the_derivative(seed, channels):
    poles, coeff = cast(three_modes(), torch.float64, channels)
    leaf = coeff.clone().requires_grad_()
    response = kernel.impulse(poles, leaf, 40)
    dk = fill(response.shape, "normal", seed, torch.float64)
    (response * dk).sum().backward()
    assert_close(kernel.impulse_pullback(poles, dk), leaf.grad, atol=1e-10, rtol=0)


def test_a_pole_at_zero_remembers_one_step():
    poles, coeff = kernel.exponential(3.0, 1e38)
    assert kernel.impulse(poles, coeff, 3).tolist() == [3.0, 0.0, 0.0]


@cases("rate", [0.0, -0.1, math.nan])
def test_a_kernel_that_does_not_decay_is_refused(rate):
    with pytest.raises(UsageError, match="positive rates"):
        kernel.exponential(1.0, [0.5, rate])


@cases(
    ("delta", "horizon", "allowed"),
    [
        *((delta, 64, "up to 2") for delta in (0.0, -1.0, 2.1, math.nan)),
        *((0.5, horizon, "at least 1 step") for horizon in (0.5, math.inf, math.nan)),
    ],
)
def test_a_power_law_out_of_range_is_refused(delta, horizon, allowed):
    with pytest.raises(UsageError, match=allowed):
        kernel.power_law(delta, horizon)
