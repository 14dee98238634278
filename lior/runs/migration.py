"""The formats of lior's checkpoints: manifests of earlier ones are brought up to date step by step.

Each step takes a manifest of one format to the next, so that every run that a
released lior wrote can be read. What a format left to the defaults of its time, a
plugin keeps in ``past_defaults`` (format -> options) when a default of it changes.
"""

from __future__ import annotations

from typing import Any

from lior.errors import PluginError
from lior.plugins.registry import registry
from lior.runs.storage import Format

FORMAT = 5
"""Version of the layout: 4 keeps all options, and where training stands; 5 documents learned later."""


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
    return manifest | {"training": None, "score": None}


def _from_4(manifest: dict[str, Any]) -> dict[str, Any]:
    """Up to format 4 a finished run learned no further document."""
    return manifest | {"added": []}


LAYOUT = Format(program="lior", version=FORMAT, migrations={3: _from_3, 4: _from_4})
