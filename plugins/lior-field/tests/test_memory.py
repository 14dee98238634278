"""Laws of memory: poles against convolution, adjoints against autograd.

Fractional weights against closed forms.
"""

from __future__ import annotations

import math

import pytest
import torch
from conftest import noise
from torch import Generator, Tensor
from torch.testing import assert_close

from lior.errors import UsageError
from lior.interfaces import State
from lior.testing.tensors import gradients
from lior_field.memory import FieldMemory, filter_pullback, letnikov_weights, product_weights
from lior_plugins import kernel

THREE = kernel.concatenate(
    kernel.exponential(0.7, 0.2), kernel.oscillation(0.4, 1.1, 0.3, 0.15), kernel.power_law(0.5, 200)
)


def test_the_memory_is_the_convolution_with_a_past_that_never_changed(generator: Generator) -> None:
    fields = noise(generator, 300, 3, 4, 2)
    memory = FieldMemory.start(THREE, fields[0])
    for field in fields[1:]:
        memory = memory.after(field)
    weights = kernel.impulse(memory.kernel.poles, memory.kernel.coeff, 20_000)
    assert float(weights.sum()) == pytest.approx(1, abs=1e-12)
    past = torch.cat([fields[:1].expand(len(weights) - 299, -1, -1, -1), fields[1:]]).flip(0)
    expected = torch.einsum("j,jxya->xya", weights.to(past.dtype), past)
    assert_close(memory.recall(fields[0]), expected, rtol=0, atol=1e-12)


def test_kernels_that_keep_everything_or_nothing_are_refused(generator: Generator) -> None:
    field = noise(generator, 3, 3)
    one = torch.ones(1, dtype=torch.complex128)
    with pytest.raises(UsageError, match="unit circle"):
        FieldMemory.start(kernel.Kernel(one, one), field)
    with pytest.raises(UsageError, match="sum to"):
        FieldMemory.start(kernel.exponential(-1.0, 0.5), field)


def test_the_adjoint_of_the_filter_is_autograd(generator: Generator) -> None:
    x, dm = (torch.randn(40, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    coeff = noise(generator, len(THREE.poles))
    numbers = {"coeff": torch.view_as_real(coeff), "poles": torch.view_as_real(THREE.poles)}

    def total(state: State) -> Tensor:
        """The recurrence itself: powers of real poles have no gradient in polar form."""
        poles, c = (torch.view_as_complex(state[name]) for name in ("poles", "coeff"))
        modes, found = torch.zeros(len(poles), 3, dtype=torch.complex128), []
        for value in x:
            modes = poles[:, None] * modes + value
            found.append((c[:, None] * modes).sum(0).real)
        return (torch.stack(found) * dm).sum()

    wanted = gradients(total, numbers, tuple(numbers))
    found = filter_pullback(THREE.poles, coeff, x, dm)
    for name in ("coeff", "poles"):
        slopes = torch.view_as_real(getattr(found, name))
        assert_close(slopes, wanted[name], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.9, 1.0])
def test_product_integration_is_exact_for_constants(alpha: float) -> None:
    weights = product_weights(alpha, 500, 0.02)
    exact = (torch.arange(1, 501, dtype=torch.float64) * 0.02) ** alpha / math.gamma(alpha + 1)
    assert_close(weights.cumsum(0), exact, rtol=1e-13, atol=0)
    assert bool((weights > 0).all())
    assert bool((weights.diff() <= 1e-15).all())  # the newest counts most


def test_half_an_integral_twice_is_an_integral() -> None:
    half = letnikov_weights(0.5, 300)
    twice = torch.stack([(half[: k + 1] * half[: k + 1].flip(0)).sum() for k in range(300)])
    assert_close(twice, torch.ones(300, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("alpha", "dt", "said"), [(0.0, 1.0, "order"), (1.2, 1.0, "order"), (0.5, 0.0, "time step")]
)
def test_wrong_orders_are_refused(alpha: float, dt: float, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        product_weights(alpha, 3, dt)
