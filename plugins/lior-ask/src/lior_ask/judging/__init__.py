"""Judging: the passage that answers, and the probability that any does, learned from questions."""

import os

from lior.errors import MissingPackage
from lior.interfaces import Judge
from lior_ask.judging.features import FOUND

VARIABLE = "LIOR_JUDGE"
"""Environment variable with the name of a judge, ``NAME:MODEL``, or ``package.module:Class``."""


def chosen_judge() -> Judge:
    """Return the judge that :data:`VARIABLE` names, or ``cross-encoder`` if installed, or ``linear``."""
    from lior import registry

    found: Judge
    if name := os.environ.get(VARIABLE):
        found = registry.make("judge", name)
        return found
    try:
        found = registry.make("judge", "cross-encoder")
    except MissingPackage:
        found = registry.make("judge", "linear")
    return found


__all__ = ["FOUND", "chosen_judge", "cross_encoder", "features", "linear"]
