"""Manifests of earlier formats, brought up to date step by step.

Each step takes a manifest of one format to the next, so that every run that a
released lior wrote can be read. What a format left to the defaults of its time, a
plugin keeps in ``past_defaults`` (format -> options) when a default of it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lior._registry import registry
from lior.errors import PluginError, RunError

FORMAT = 5
"""Version of the layout: 4 keeps all options, and where training stands; 5 documents learned later."""


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
    """Format 3 kept the options that were given; a plugin says which of its defaults have changed since."""
    for kind, chosen in manifest["components"].items():
        for entry in chosen if isinstance(chosen, list) else [chosen]:
            try:
                plugin = registry.get(kind, entry["name"])
            except PluginError:
                continue  # what is missing is named when it is needed
            past = getattr(plugin, "past_defaults", {}).get(3, {})
            entry["options"] = past | entry["options"]
    return manifest | {"format": 4, "training": None, "score": None}


def _from_4(manifest: dict[str, Any]) -> dict[str, Any]:
    """Up to format 4 a finished run learned no further document."""
    return manifest | {"format": 5, "added": []}


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {3: _from_3, 4: _from_4}
