"""Dictionaries of tensors: nested names, checks of tensors read from a file; threads of torch, and a sum
that does not depend on them.

The entries of a part are named ``part.name``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from lior.errors import UsageError
from lior.interfaces import State

__all__ = [
    "Expected",
    "add_prefix",
    "all_threads",
    "check",
    "like",
    "one_thread",
    "sub",
    "threads",
    "tree_sum",
]


_LARGE = 1 << 24
"""Minimum number of multiplications for several threads. One thread takes 1 to 3 ms for them. Threads wait
for each other, and beside busy processes the system may let them wait for 10 to 80 ms."""

_ROW, _SERIAL = 1024, 32768
"""Values of a row of :func:`tree_sum`, and the maximum number that torch adds up in one thread on a CPU; of
more, each thread adds a part."""


class _Threads(threading.local):
    """The threads of torch outside the blocks of :func:`threads`; torch has a number for each thread."""

    depth = 0
    outside = 1


_threads = _Threads()


@contextmanager
def threads(products: int) -> Iterator[None]:
    """Let torch use one thread if the block multiplies few numbers, or else all of them (context manager).

    Code that computes with torch for a few positions, or a few vectors, uses such a block. Blocks may be
    nested.

    Parameters
    ----------
    products
        Approximate number of multiplications in the largest matrix product of the block.
    """
    before = torch.get_num_threads()
    if not _threads.depth:
        _threads.outside = before
    wanted = _threads.outside if products >= _LARGE else 1
    _threads.depth += 1
    if wanted != before:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        _threads.depth -= 1
        if wanted != before:
            torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, in blocks of :func:`threads` too (context manager).

    It is for many small products in a row, and for sums whose bits must not depend on the number of
    threads.
    """
    before, outside = torch.get_num_threads(), _threads.outside
    torch.set_num_threads(1)
    _threads.outside = 1
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _threads.outside = outside


def all_threads() -> int:
    """Return the number of threads of a large operation, inside a block of :func:`threads` or outside."""
    return _threads.outside if _threads.depth else torch.get_num_threads()


def tree_sum(x: Tensor) -> Tensor:
    """Return the sum of all entries, a scalar tensor, in an order independent of the number of threads."""
    x = x.reshape(-1)
    while len(x) > _SERIAL:
        x = pad(x, (0, -len(x) % _ROW)).view(-1, _ROW).sum(1)
    return x.sum()


def sub(state: State, part: str) -> State:
    """Return the entries of ``part``, without the prefix ``part.``."""
    prefix = part + "."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def add_prefix(part: str, entries: State) -> State:
    """Return ``entries`` with the prefix ``part.``; the inverse of :func:`sub`."""
    return {f"{part}.{k}": v for k, v in entries.items()}


class Expected(NamedTuple):
    """Type and shape that a tensor must have."""

    kind: str
    """``float`` (any precision), ``int`` (int32 or int64), or the name of a dtype such as ``uint8``."""
    shape: tuple[int | None, ...]
    """Length of each axis; ``None`` stands for any length."""


def check(state: State, expected: Mapping[str, Expected], *, of: str) -> None:
    """Check the entries of a state that was read from a file; compiled loops do not check bounds.

    Parameters
    ----------
    state
        The state; it may have further entries.
    expected
        Type and shape of each entry that must be present.
    of
        The owner of the state, for messages.

    Raises
    ------
    UsageError
        Names the first entry that is missing, of another type or shape, or not finite.
    """
    for name, (kind, shape) in expected.items():
        value = state.get(name)
        if value is None:
            raise UsageError(f"{of}: {name} is missing")
        lengths = tuple(value.shape)
        fits = len(lengths) == len(shape) and all(
            want is None or have == want for have, want in zip(lengths, shape, strict=True)
        )
        if not fits or not _is(value, kind):
            found = f"{_dtype(value)} {lengths}"
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise UsageError(f"{of}: {name} is {found}, and should be {kind} ({wanted})")
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise UsageError(f"{of}: {name} has numbers that are not finite")


def like(state: State) -> dict[str, Expected]:
    """Return the types and shapes of ``state``, as :func:`check` takes them."""
    return {
        name: Expected("float" if value.is_floating_point() else _dtype(value), tuple(value.shape))
        for name, value in state.items()
    }


def _is(value: Tensor, kind: str) -> bool:
    if kind == "float":
        return value.is_floating_point()
    if kind == "int":
        return value.dtype in (torch.int32, torch.int64)
    return _dtype(value) == kind


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")
