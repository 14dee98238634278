"""Flat dictionaries of tensors: entries of a part are named ``part.name``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lior.errors import UsageError
from lior.interfaces import State


def sub(state: State, part: str) -> State:
    """The entries of ``part`` under their own names."""
    prefix = part + "."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def prefixed(part: str, entries: State) -> State:
    """``entries`` as those of ``part``."""
    return {f"{part}.{k}": v for k, v in entries.items()}


class Expected(NamedTuple):
    """What a tensor of a state must be."""

    kind: str
    """``float``, ``int`` (of any width and sign), or the name of a dtype such as ``uint8``."""
    shape: tuple[int | None, ...]
    """``None`` stands for any length."""


def check(state: State, expected: Mapping[str, Expected], *, of: str) -> None:
    """Refuse a state that has not these entries, or numbers that are not finite in any.

    What a compiled loop is given must be checked before: it would read and write anywhere.

    Raises
    ------
    UsageError
        Naming the first entry that is missing or another than expected; ``of`` says whose state it is.
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
            found = f"{str(value.dtype).removeprefix('torch.')} {lengths}"
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise UsageError(f"{of}: {name} is {found}, and should be {kind} ({wanted})")
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise UsageError(f"{of}: {name} has numbers that are not finite")


def like(fresh: State) -> dict[str, Expected]:
    """What a state is expected to be that should look like ``fresh``."""
    return {name: Expected(_kind(value), tuple(value.shape)) for name, value in fresh.items()}


def _kind(value: Tensor) -> str:
    return "float" if value.is_floating_point() else str(value.dtype).removeprefix("torch.")


def _is(value: Tensor, kind: str) -> bool:
    if kind == "float":
        return value.is_floating_point()
    if kind == "int":
        return value.dtype in (torch.int32, torch.int64)
    return str(value.dtype) == f"torch.{kind}"
