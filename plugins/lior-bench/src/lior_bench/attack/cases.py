"""Hostile and huge files, each made by a function: files from strangers, or from decades of use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

Made = bytes | Mapping[str, bytes | str]
"""The bytes of a file, or those of several by name. A text instead of bytes is the target of a link."""


@attrs.frozen
class Case:
    """A file that is hard to read, or several."""

    file: str
    """The name, with the suffix."""
    make: Callable[[], Made]
    """A function that returns the bytes, always the same."""
    read: bool
    """Whether it is ordinary material that must be read; a hostile file may be left out if it is named."""
    sample: bool
    """Whether it is in the sample that CI reads."""


CASES: dict[str, Case] = {}
"""The cases by the name of the file."""


def case(
    file: str, *, read: bool = False, sample: bool = False
) -> Callable[[Callable[[], Made]], Callable[[], Made]]:
    """Register the decorated function as the case of a file with this name, or of several files."""

    def add(make: Callable[[], Made]) -> Callable[[], Made]:
        if file in CASES:
            raise ValueError(f"two cases are named {file}")
        CASES[file] = Case(file, make, read, sample)
        return make

    return add
