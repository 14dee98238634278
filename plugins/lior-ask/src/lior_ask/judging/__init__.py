"""Judging: which passage answers, and how likely any does, by what was learned from questions."""

import os

from lior.errors import MissingPackage
from lior.interfaces import Judge
from lior_ask.judging.features import FOUND

VARIABLE = "LIOR_JUDGE"
"""Environment variable with the name of a plugin of the kind "judge", or ``package.module:Class``."""


def chosen_judge() -> Judge:
    """The judge that :data:`VARIABLE` names; ``cross-encoder`` where its packages are, or ``linear``."""
    from lior.plugins.registry import registry

    if name := os.environ.get(VARIABLE):
        return registry.get("judge", name)()
    try:
        return registry.get("judge", "cross-encoder")()
    except MissingPackage:
        return registry.get("judge", "linear")()


__all__ = ["FOUND", "chosen_judge", "cross_encoder", "features", "linear"]
