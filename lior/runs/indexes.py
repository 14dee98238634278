"""The provider of indexes of a run's documents: a distribution such as lior-ask, found by an entry point."""

from __future__ import annotations

from lior.errors import MissingPackage, install_hint
from lior.interfaces import RunIndexes
from lior.plugins.kinds import Kind
from lior.plugins.registry import Registry

_KIND = "index"
_REGISTRY = Registry(kinds={_KIND: Kind(group="lior.indexes", interface="lior.interfaces:RunIndexes")})


def installed() -> bool:
    """Return whether a provider of indexes is installed."""
    return bool(_REGISTRY.names(_KIND))


def indexes(who: str) -> RunIndexes:
    """Return the provider of indexes, which ``who`` needs.

    Raises ``MissingPackage`` when it is not installed.
    """
    if not installed():
        raise MissingPackage(f"{who} needs lior-ask: {install_hint('ask')}")
    made: RunIndexes = _REGISTRY.get(_KIND, _REGISTRY.names(_KIND)[0])()
    return made
