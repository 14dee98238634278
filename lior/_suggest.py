"""The nearest known word to a mistyped one, for error messages."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that names the nearest of ``known``, or an empty string.

    >>> did_you_mean("rottor", ["rotor", "lowrank"])
    "Did you mean 'rotor'?"
    >>> did_you_mean("xyz", ["rotor"])
    ''
    """
    from difflib import get_close_matches  # costs start-up time, needed only when something is wrong

    close = get_close_matches(word, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""


def sentences(*parts: str) -> str:
    """Join the parts that are not empty by spaces."""
    return " ".join(part for part in parts if part)
