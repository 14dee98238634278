"""Notes on settings that were given and have no effect."""

from __future__ import annotations

from collections.abc import Iterator

from lior.config import Resolved
from lior.interfaces import AdaptiveMemory

_GEOMETRY = ("encoder.", "frame.", "rsource.", "product.", "updater.", "geometry.")


def notes(resolved: Resolved) -> Iterator[str]:
    """A line for each reason for which given settings have no effect."""
    config = resolved.config
    names = ", ".join(config.memory.names)
    memories = [part.plugin for part in config.memory.components]
    if not any(memory.needs_geometry for memory in memories):
        yield from _note(resolved, f"memory {names} has no geometry", _GEOMETRY)
    elif not config.geometry.near:
        yield from _note(resolved, "geometry.near is 0", ("geometry.group", "geometry.refresh"))
    if not any(isinstance(memory, AdaptiveMemory) for memory in memories):
        yield from _note(resolved, f"memory {names} does not learn while it reads", ("fit.",))
    elif not config.fit.noise_passes:
        yield from _note(resolved, "fit.noise_passes is 0", ("memory.sdm.unseen_contexts",))


def _note(resolved: Resolved, reason: str, unused: tuple[str, ...]) -> Iterator[str]:
    given = sorted(
        key for key, origin in resolved.origins.items() if origin != "default" and key.startswith(unused)
    )
    if given:
        yield f"note: {reason}, so these settings change nothing: {', '.join(given)}"
