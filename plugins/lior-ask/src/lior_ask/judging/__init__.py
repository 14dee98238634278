"""Judging: which passage answers, and how likely any does, by what was learned from questions."""

import os

from lior.interfaces import Judge
from lior_ask.judging.features import FOUND

VARIABLE = "LIOR_JUDGE"
"""Environment variable with the name of a plugin of the kind "judge", or ``package.module:Class``."""


def chosen_judge() -> Judge:
    """The judge that :data:`VARIABLE` names; ``linear`` where it is not set."""
    from lior.plugins.registry import registry

    return registry.get("judge", os.environ.get(VARIABLE) or "linear")()


__all__ = ["FOUND", "chosen_judge", "features", "linear"]
