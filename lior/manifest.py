"""The manifest of a checkpoint: what it says, and whether it and its files are as they were written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from lior import migration
from lior._registry import registry
from lior.config import Component, build
from lior.errors import NewerFormat, RunError, UnknownPlugin
from lior.migration import FORMAT

MANIFEST = "manifest.json"
_MOST = 64 << 20


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
    """The manifest of the checkpoint at ``path``, as the present format has it.

    Raises
    ------
    RunError
        When it is missing, damaged, or of a format that cannot be migrated.
    NewerFormat
        When a later version of lior wrote it.
    """
    file = path / MANIFEST
    try:
        if file.stat().st_size > _MOST:
            raise RunError(f"{file}: larger than {_MOST >> 20} MiB; not a manifest of lior")
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no checkpoint there (manifest.json is missing)") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file}: cannot be read ({error})") from error
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int:
        raise RunError(f"{file}: not a manifest of lior")
    if manifest["format"] > FORMAT:
        raise NewerFormat(
            f"{file}: written in format {manifest['format']}, and this lior reads {FORMAT}; "
            "install a newer lior"
        )
    if manifest.pop("sha256", None) != digest(manifest):
        raise RunError(f"{file}: changed since it was written (its checksum does not match)")
    return migration.migrate(manifest, file)


def digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its own entry, whatever its layout on disk."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as stream:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def verify(path: Path, expected: dict[str, Any]) -> None:
    """Refuse a file that is not as the manifest says, with ``RunError``."""
    if path.is_symlink():
        raise RunError(f"{path}: a link, not a file of this checkpoint")
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: not a file")
    try:
        found = fingerprint(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    if found != expected:
        what = "cut short or grown" if found["bytes"] != expected.get("bytes") else "changed"
        raise RunError(f"{path}: {what} since it was written (its checksum does not match the manifest)")
