"""The manifest of a checkpoint of lior: its components, and what builds them again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from lior.config import Component, build
from lior.errors import RunError, UnknownPlugin
from lior.plugins.registry import registry
from lior.runs import storage as snapshots
from lior.runs.migration import LAYOUT
from lior.runs.storage import digest as digest
from lior.runs.storage import fingerprint as fingerprint
from lior.runs.storage import verify as verify


def components(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The components that a manifest names, as :func:`describe` takes them."""
    return {
        kind: [_component(part) for part in parts] if isinstance(parts, list) else _component(parts)
        for kind, parts in manifest["components"].items()
    }


def _component(entry: Mapping[str, Any]) -> Component:
    return Component(name=entry["name"], options=entry["options"])


def describe(components: dict[str, Any]) -> dict[str, Any]:
    """Names, options and distributions of components, ready for JSON; kinds as in ``checkpoint.save``."""
    return {
        kind: [_entry(kind, c) for c in chosen] if isinstance(chosen, list) else _entry(kind, chosen)
        for kind, chosen in components.items()
    }


def _entry(kind: str, component: Component) -> dict[str, Any]:
    origin = registry.origin(kind, component.name)
    return {
        "name": component.name,
        "options": _all_options(kind, component),
        "distribution": origin.distribution,
        "version": origin.version,
    }


def _all_options(kind: str, component: Component) -> Mapping[str, Any]:
    """The options given, and the defaults of all others: a later version may have other defaults."""
    plugin = registry.get(kind, component.name)
    if not attrs.has(plugin):
        return component.options
    made = build(kind, component)
    fields = [field for field in attrs.fields(plugin) if field.init]
    return {str(field.alias): getattr(made, field.name) for field in fields}


def build_part(kind: str, entry: dict[str, Any]) -> Any:
    """The plugin that a manifest's ``entry`` describes; ``RunError`` when it is not installed."""
    try:
        return build(kind, _component(entry))
    except UnknownPlugin as error:
        owner = f"{entry['distribution']} {entry['version']}"
        raise RunError(
            f"the run needs {kind} {entry['name']!r} of {owner}, which is not installed. {error}"
        ) from error


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the checkpoint at ``path``, as :func:`lior.runs.storage.read_manifest` reads it."""
    return snapshots.read_manifest(path, format=LAYOUT)
