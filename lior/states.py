"""Flat dictionaries of tensors: entries of a part are named ``part.name``."""

from __future__ import annotations

from lior.interfaces import State


def sub(state: State, part: str) -> State:
    """The entries of ``part`` under their own names."""
    prefix = part + "."
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def prefixed(part: str, entries: State) -> State:
    """``entries`` as those of ``part``."""
    return {f"{part}.{k}": v for k, v in entries.items()}
