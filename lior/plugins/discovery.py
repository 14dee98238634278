"""The list of installed plugins, read from the metadata of distributions without importing them.

A distribution offers plugins by entry points (PyPA specification "Entry points") in the groups of the kinds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lior.errors import UsageError
from lior.plugins.trust import ALLOW, FLAG, installed_paths

if TYPE_CHECKING:
    from importlib.metadata import Distribution

VARIABLES = {
    ALLOW: "the only distributions whose plugins are used, besides lior: comma-separated; "
    f"package.module:Class lets a run name this class, as {FLAG} lets it name any",
    "LIOR_EMBEDDER": "what reads passages for questions: NAME or NAME:MODEL; empty for nothing",
    "LIOR_JUDGE": "what decides which passage answers: NAME of a judge, NAME:MODEL, or package.module:Class",
    "LIOR_READ_AHEAD": "0: no process reads on after `lior ask`, `chat` and `sync`; 1 (or not set): one does",
}
"""Environment variables that set no key of a configuration, with their meaning."""


@dataclass(frozen=True)  # attrs would be a tenth of the time of `lior --help`
class Origin:
    """The distribution and the class of a plugin.

    ``distribution`` and ``version`` are empty for a plugin that was registered in code or given as
    ``package.module:Class``.
    """

    kind: str
    name: str
    distribution: str
    version: str
    target: str
    """``package.module:attribute``."""

    @property
    def module(self) -> str:
        """The module of the target."""
        return self.target.partition(":")[0]

    @property
    def source(self) -> str:
        """The distribution and its version, or ``code``."""
        return f"{self.distribution} {self.version}" if self.distribution else "code"

    @property
    def label(self) -> str:
        """The plugin as messages name it."""
        plugin = f"{self.kind} {self.name!r}"
        return f"{plugin} of {self.source}" if self.distribution else plugin

    def __str__(self) -> str:
        return f"{self.source} ({self.target})"


def normalise(distribution: str) -> str:
    """Return the canonical form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def allowed_classes(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the ``package.module:Class`` in ``LIOR_ALLOW_PLUGINS``: a run may name them."""
    return frozenset(word for word in _words(environ) if ":" in word)


def allowed_distributions(environ: Mapping[str, str], owners: Collection[str]) -> frozenset[str] | None:
    """Return the canonical names in ``LIOR_ALLOW_PLUGINS``, with lior and ``owners``; ``None`` allows all.

    Raises
    ------
    UsageError
        If an entry is not the name of a distribution.
    """
    words = [word for word in _words(environ) if ":" not in word]
    for word in words:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", word):
            raise UsageError(f"{ALLOW}: {word!r} is not the name of a distribution.")
    return frozenset(map(normalise, (*words, "lior", *owners))) if words else None


def _words(environ: Mapping[str, str]) -> list[str]:
    return [word for part in environ.get(ALLOW, "").split(",") if (word := part.strip())]


def scan(groups: Mapping[str, str]) -> tuple[list[Origin], list[str]]:
    """List all plugins that are installed in the entry-point groups ``groups`` (kind -> group).

    A distribution that is listed twice counts once: an import finds the first on ``sys.path``. Plugins that
    :mod:`lior.plugins.trust` does not consider installed do not count.

    Returns
    -------
    origins
        The plugins in the order of ``sys.path``.
    faults
        One sentence for each distribution whose metadata is damaged.
    """
    from importlib.metadata import distributions  # 30 ms, and not every command needs it

    origins: list[Origin] = []
    faults: list[str] = []
    seen: set[str] = set()
    for distribution in distributions(path=installed_paths()):
        try:
            claims = list(_claims(distribution, groups))
        except Exception as error:  # damage in one distribution must not hide the others
            place = getattr(distribution, "_path", None) or distribution.locate_file("")
            faults.append(f"The entry points in {place} cannot be read: {error!r}.")
            continue
        if claims and (key := normalise(claims[0].distribution)) not in seen:
            seen.add(key)
            origins += claims
    return origins, faults


def _claims(distribution: Distribution, groups: Mapping[str, str]) -> Iterator[Origin]:
    """Yield the plugins of one distribution; names and versions are parsed only if it has any."""
    kinds = {group: kind for kind, group in groups.items()}
    text = distribution.read_text("entry_points.txt") or ""
    if not any(f"[{group}" in text for group in kinds):
        return
    metadata = distribution.metadata  # parsed at every access
    # For missing entries, some finders of metadata return None and others raise.
    name, version = ((metadata.get_all(key) or [""])[0] for key in ("Name", "Version"))
    if not name or not version:
        raise ValueError("its METADATA has no Name or no Version")
    for entry in distribution.entry_points:
        if entry.group in kinds:
            yield Origin(kinds[entry.group], entry.name, name, version, entry.value)
