"""Hostile and huge files, each made by a function: what a stranger may send, or a long life collects."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

Made = bytes | Mapping[str, bytes | str]
"""The bytes of a file; of several their names, too. Instead of bytes, the name that a link leads to."""


@attrs.frozen
class Case:
    """A file that is hard to read, or several."""

    file: str
    """Its name, with the suffix."""
    make: Callable[[], Made]
    """Its bytes: always the same."""
    read: bool
    """Whether it is ordinary material that has to be read; a hostile file may be left out by name."""
    sample: bool
    """Whether it is in the sample that CI reads."""


CASES: dict[str, Case] = {}
"""Name of the file -> case."""


def case(
    file: str, *, read: bool = False, sample: bool = False
) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    """Add the function as the case of a file of this name, or of several."""

    def add(make: Callable[[], Made]) -> Callable[[], Made]:
        if file in CASES:
            raise ValueError(f"two cases are named {file}")
        CASES[file] = Case(file, make, read, sample)
        return make

    return add
