"""Notes on settings that were given and have no effect, or none on predictions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lior.config import GEOMETRY_KEYS, Resolved
from lior.config.recipes import list_shipped
from lior.model import memories as dispatch
from lior.reading.finding import is_run

_RESILIENCE = ("rsource.", "geometry.resilience_at")


def notes(resolved: Resolved) -> Iterator[str]:
    """Yield a line for each reason for which given settings have no effect, or none on predictions."""
    config = resolved.config
    names = ", ".join(config.memory.names)
    memories = {part.name: part.plugin for part in config.memory.components}
    able = [memory.abilities for memory in memories.values()]
    if not any(each.geometry for each in able):
        yield from _note(resolved, f"memory {names} has no geometry", GEOMETRY_KEYS)
    else:
        if not config.geometry.near:
            yield from _note(resolved, "geometry.near is 0", ("geometry.group", "geometry.refresh"))
        if sum(len(each.experts) for each in able) == 1 and not any(
            each.geometry and each.coordinates for each in able
        ):
            reason = f"memory {names} reads the nearest cell only, which resilience does not change"
            yield from _note(
                resolved, reason, _RESILIENCE, "shape the metric and are not used in predictions"
            )
    if not dispatch.fitted(memories):
        yield from _note(resolved, f"memory {names} does not learn while it reads", ("fit.",))
        return
    if not dispatch.folded(memories):
        yield from _note(resolved, f"memory {names} cannot leave out parts of its text", ("fit.folds",))
    if not config.fit.noise_passes:
        yield from _note(resolved, "fit.noise_passes is 0", ("memory.sdm.unseen_contexts",))
    if config.fit.passes:
        reason = "the memory learns while it reads the text (fit.passes)"
        yield from _note(resolved, reason, ("memory.sdm.counts",), "are for text that is learned later")


def _note(
    resolved: Resolved, reason: str, unused: tuple[str, ...], effect: str = "change nothing"
) -> Iterator[str]:
    given = sorted(
        key for key, origin in resolved.origins.items() if key.startswith(unused) and _is_given(origin)
    )
    if given:
        yield f"note: {reason}, so these settings {effect}: {', '.join(given)}"


def _is_given(origin: str) -> bool:
    """Return whether a value is the user's own, not from the defaults, a shipped recipe or the
    file of a run.
    """
    recipe = origin.removeprefix("recipe ")
    if recipe != origin:
        return recipe not in list_shipped() and not is_run(Path(recipe).parent)
    return origin != "default"
