"""What makes the index of the documents of a run: a distribution such as lior-ask, by an entry point."""

from __future__ import annotations

from lior.errors import MissingPackage
from lior.interfaces import RunIndexes
from lior.plugins.kinds import Kind
from lior.plugins.registry import Registry

_KIND = "index"
_REGISTRY = Registry(kinds={_KIND: Kind(group="lior.indexes", interface="lior.interfaces:RunIndexes")})


def installed() -> bool:
    """Whether something makes indexes of runs."""
    return bool(_REGISTRY.names(_KIND))


def indexes(who: str) -> RunIndexes:
    """What makes them, for ``who`` needs it.

    Raises ``MissingPackage`` when it is not installed.
    """
    if not installed():
        raise MissingPackage(f"{who} needs lior-ask: pip install lior-ask")
    made: RunIndexes = _REGISTRY.get(_KIND, _REGISTRY.names(_KIND)[0])()
    return made
