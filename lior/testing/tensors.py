"""Helpers of the contract suites for flat dictionaries of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.testing import assert_close

from lior.interfaces import State


def cast(state: State, dtype: torch.dtype) -> State:
    """``state`` with its floating-point entries in ``dtype``."""
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}


def clones(state: State) -> State:
    """A copy that shares no memory with ``state``."""
    return {key: value.clone() for key, value in state.items()}


def assert_same(actual: State, expected: State) -> None:
    """The same entries, bit for bit."""
    assert set(actual) == set(expected)
    for key, value in actual.items():
        assert_close(value, expected[key], atol=0, rtol=0, equal_nan=True, msg=_named(key))


def assert_derivatives(actual: State, expected: State, tolerance: float = 1e-10) -> None:
    """The same derivatives up to ``tolerance`` times the largest of each entry, at least 1."""
    assert set(actual) == set(expected), f"derivatives of {set(actual)}, wanted {set(expected)}"
    for key, value in actual.items():
        size = max(1.0, expected[key].abs().max().item() if expected[key].numel() else 0.0)
        assert_close(value, expected[key], atol=tolerance * size, rtol=0, msg=_named(key))


def gradients(scalar: Callable[[State], Tensor], at: State, keys: Iterable[str]) -> State:
    """Derivatives of ``scalar(at)`` with respect to the entries ``keys``, by autograd; 0 where unused."""
    leaves = {key: at[key].detach().clone().requires_grad_() for key in keys}
    if not leaves:
        return {}
    with torch.enable_grad():
        value = scalar({**at, **leaves})
        if not value.requires_grad:
            return {key: torch.zeros_like(leaf) for key, leaf in leaves.items()}
        grads = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(leaves, grads, strict=True))


def _named(name: str) -> Callable[[str], str]:
    return lambda message: f"{name}: {message}"
