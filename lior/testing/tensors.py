"""Helpers of the contract suites: checks of states, derivatives by autograd, unchanged inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor
from torch.testing import assert_close

from lior.interfaces import API_VERSION, State
from lior.testing.strategies import Contract, Plugin, dimensions, fill, law, seeds


def make_generator(seed: int) -> Generator:
    """Return a CPU generator of that seed."""
    return torch.Generator().manual_seed(seed)


def cast(state: State, dtype: torch.dtype) -> State:
    """Return ``state`` with its floating-point entries in ``dtype``."""
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}


def clones(state: State) -> State:
    """Return a copy that shares no memory with ``state``."""
    return {key: value.clone() for key, value in state.items()}


class InitialStateContract(Contract[Plugin]):
    """Laws of a plugin whose ``init(n, generator=...)`` gives a fresh state."""

    interface: ClassVar[type[Any]]
    """The protocol that the plugin implements."""

    def test_declares_what_the_interface_asks_for(self) -> None:
        plugin: Any = self.make()
        state = plugin.init(8, generator=make_generator(0))
        assert_declared(plugin, self.interface, state)
        assert {value.dtype for value in state.values() if value.is_floating_point()} <= {torch.float32}

    @law(n=dimensions(), seed=seeds())
    def test_init_depends_on_the_generator_alone(self, n: int, seed: int) -> None:
        plugins: Any = (self.make(), self.make())
        assert_same(*(plugin.init(n, generator=make_generator(seed)) for plugin in plugins))


def assert_declared(plugin: Any, interface: type[Any], state: State) -> None:
    """Assert that ``plugin`` has all members of ``interface``, and ``state`` all learned entries."""
    assert isinstance(plugin, interface)
    assert plugin.api_version == API_VERSION
    assert all(type(value) is Tensor for value in state.values()), "a state is a flat dictionary of tensors"
    assert set(getattr(plugin, "learned", ())) <= set(state), "every learned entry is in the state"


def move_state(state: State, keys: Iterable[str], size: float, seed: int) -> State:
    """Return ``state`` with normal noise of that size added to the entries ``keys``."""
    return state | {
        key: state[key] + size * fill(state[key].shape, "normal", seed + index, state[key].dtype)
        for index, key in enumerate(keys)
    }


def assert_same(actual: State, expected: State, *, tolerance: float = 0.0) -> None:
    """Assert that entries are the same, bit for bit or up to an absolute and relative ``tolerance``."""
    assert set(actual) == set(expected)
    for key, value in actual.items():
        assert_close(value, expected[key], atol=tolerance, rtol=tolerance, equal_nan=True, msg=named(key))


@contextmanager
def unchanged(*states: State) -> Iterator[None]:
    """Assert that nothing in the block writes into the tensors of ``states``."""
    copies = [clones(state) for state in states]
    yield
    for state, copy in zip(states, copies, strict=True):
        assert_same(state, copy)


def assert_derivatives(actual: State, expected: State, tolerance: float = 1e-10) -> None:
    """Assert equal derivatives up to ``tolerance`` times the largest of each entry, at least 1."""
    assert set(actual) == set(expected), f"derivatives of {set(actual)}, wanted {set(expected)}"
    for key, value in actual.items():
        size = max(1.0, expected[key].abs().max().item() if expected[key].numel() else 0.0)
        assert_close(value, expected[key], atol=tolerance * size, rtol=0, msg=named(key))


def assert_reachable(gradient: State, learned: Iterable[str]) -> None:
    """Assert a derivative for each learned entry and no other, and that none of them is 0 everywhere."""
    assert set(gradient) == set(learned), "one derivative for each learned entry, no other"
    for key, value in gradient.items():
        assert (value != 0).any(), f"{key}: the gradient is 0 for generic input"


def gradients(scalar: Callable[[State], Tensor], at: State, keys: Iterable[str]) -> State:
    """Return derivatives of ``scalar(at)`` with respect to entries ``keys``, by autograd; 0 where unused."""
    leaves = {key: at[key].detach().clone().requires_grad_() for key in keys}
    if not leaves:
        return {}
    with torch.enable_grad():
        value = scalar({**at, **leaves})
        if not value.requires_grad:
            return {key: torch.zeros_like(leaf) for key, leaf in leaves.items()}
        grads = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(leaves, grads, strict=True))


def named(name: str) -> Callable[[str], str]:
    """Return a function that begins a message of :func:`torch.testing.assert_close` with ``name``."""
    return lambda message: f"{name}: {message}"
