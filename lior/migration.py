"""Manifests of earlier formats, brought up to date step by step.

Each step takes a manifest of one format to the next, so that every run that a
released lior wrote can be read. What a format left to the defaults of its time
is written down here when a default changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lior.errors import RunError

FORMAT = 4
"""Version of the layout: 4 keeps all options, and where training stands."""

_SDM_PATTERNS_3 = [
    "word", "word-1 word", "word-2 word-1 word", "word-2 word", "word-3 word", "word stop 1", "word-1 1",
    "2-3", "2-4", "1,3", "3-6", "1,3-5", "2-6", "1-2,4-5",
    "column 1", "above 1", "margin half 1", "opening word", "heading word", "suffix word", "shape word",
    "~1-4", "~1-6", "marks",
    "after after-2 1", "next next-2 1", "next next-2 next-3", "after next next-2",
    "bag word", "name word", "sentence stop word", "closing word", "suffix-2 suffix word",
]  # fmt: skip


_SDM_3 = {"recent": 0.3, "slowest": 0.06, "patterns": _SDM_PATTERNS_3}


def migrate(manifest: dict[str, Any], file: Path) -> dict[str, Any]:
    """``manifest`` as the present format has it.

    Raises
    ------
    RunError
        When it is too old, or not what its format says.
    """
    while manifest["format"] < FORMAT:
        step = _STEPS.get(manifest["format"])
        if step is None:
            raise RunError(
                f"{file}: written in format {manifest['format']} by an earlier lior; this one reads "
                f"{min(_STEPS)} to {FORMAT}; train again with the run's config.toml"
            )
        try:
            manifest = step(manifest)
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"{file}: not a manifest of format {manifest['format']} ({error!r}); it was not made by lior"
            ) from error
    return manifest


def _from_3(manifest: dict[str, Any]) -> dict[str, Any]:
    """Format 3 kept the options that were given; some of `sdm`'s have changed since."""
    for memory in manifest["components"]["memory"]:
        if memory["name"] == "sdm":
            memory["options"] = _SDM_3 | memory["options"]
    return manifest | {"format": 4, "training": None, "score": None}


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {3: _from_3}
