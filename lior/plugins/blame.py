"""Whose code an error comes from."""

from __future__ import annotations

from lior.plugins.discovery import GROUPS, Origin
from lior.plugins.registry import label, registry


def culprit(error: BaseException) -> str:
    """The plugin of another distribution in whose module ``error`` was raised, with the place; or nothing.

    The innermost one counts: an error in torch that a plugin called is the plugin's.
    """
    owners = {origin.target.partition(":")[0]: origin for origin in _foreign()}
    found = ""
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if origin := owners.get(module):
            found = f"{label(origin)} ({module}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found


def _foreign() -> list[Origin]:
    origins = [
        origin for kind in GROUPS for name in registry.names(kind) for origin in registry.origins(kind, name)
    ]
    return [origin for origin in origins if origin.distribution != "lior"]
