"""Which plugins are installed, read from the metadata of distributions without importing them.

A distribution offers plugins by entry points (PyPA specification "Entry
points") in the groups of :data:`GROUPS`. Two environment variables say which
of them are seen; see :class:`Policy`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from lior._suggest import did_you_mean, sentences
from lior.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

GROUPS = {
    "frame": "lior.frames",
    "rsource": "lior.rsources",
    "updater": "lior.updaters",
    "memory": "lior.memories",
    "product": "lior.products",
    "encoder": "lior.encoders",
    "tokenizer": "lior.tokenizers",
    "command": "lior.commands",
}
"""Kind of plugin -> its entry-point group."""

BLOCK = "LIOR_BLOCK_PLUGINS"
ALLOW = "LIOR_ALLOW_PLUGINS"
VARIABLES = {
    BLOCK: "plugins to hide: comma-separated `kind:name`, `distribution` or `kind:name@distribution`",
    ALLOW: "the only distributions whose plugins are seen, besides lior: comma-separated",
}
"""Environment variable -> what it does."""

_BUILT_IN = "lior"


@attrs.frozen
class Origin:
    """Where a plugin comes from.

    ``distribution`` and ``version`` are empty for a plugin that was registered
    in code or named as ``package.module:Class``.
    """

    kind: str
    name: str
    distribution: str
    version: str
    target: str
    """``package.module:attribute``."""

    @property
    def source(self) -> str:
        """The distribution and its version, or ``code``."""
        return f"{self.distribution} {self.version}" if self.distribution else "code"

    def __str__(self) -> str:
        return f"{self.source} ({self.target})"


def normalise(distribution: str) -> str:
    """The canonical form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def check_kind(kind: str) -> str:
    """Return ``kind``, or raise ``UsageError`` if plugins of this kind do not exist."""
    if kind not in GROUPS:
        kinds = ", ".join(GROUPS)
        raise UsageError(
            sentences(f"{kind!r} is not a kind of plugin.", did_you_mean(kind, GROUPS), f"Kinds: {kinds}.")
        )
    return kind


def scan() -> tuple[list[Origin], list[str]]:
    """All plugins that are installed, and what could not be read.

    A distribution that is listed twice (such as an ``egg-info`` directory in
    the working directory beside the installed one) counts once: the first on
    ``sys.path`` is the one that an import finds.

    Returns
    -------
    origins
        In the order of ``sys.path``.
    faults
        One sentence for each distribution whose metadata is damaged.
    """
    from importlib.metadata import distributions  # 30 ms, and not every command needs it

    origins: list[Origin] = []
    faults: list[str] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            claims = list(_claims(distribution))
        except Exception as error:  # damage in one distribution must not hide the others
            faults.append(f"The entry points in {_location(distribution)} cannot be read: {error!r}.")
            continue
        if claims and (key := normalise(claims[0].distribution)) not in seen:
            seen.add(key)
            origins += claims
    return origins, faults


def _claims(distribution: Distribution) -> Iterator[Origin]:
    """The plugins of one distribution; names and versions are parsed only if it has any."""
    if "[lior." not in (distribution.read_text("entry_points.txt") or ""):
        return
    kinds = {group: kind for kind, group in GROUPS.items()}
    name, version = distribution.metadata["Name"], distribution.metadata["Version"]
    if not name or not version:
        raise ValueError("its METADATA has no Name or no Version")
    for entry in distribution.entry_points:
        if entry.group in kinds:
            yield Origin(kinds[entry.group], entry.name, name, version, entry.value)


def _location(distribution: Distribution) -> str:
    return str(getattr(distribution, "_path", None) or distribution.locate_file(""))


@attrs.frozen
class Policy:
    """Which installed plugins are hidden.

    ``LIOR_BLOCK_PLUGINS`` is a comma-separated list of ``kind:name``,
    ``distribution`` or ``kind:name@distribution``; ``LIOR_ALLOW_PLUGINS`` is a
    comma-separated list of the only distributions whose plugins are seen
    (those of lior itself always are). Names of distributions are compared in
    canonical form (PEP 503).
    """

    blocked: frozenset[tuple[str, str, str]]
    """``(kind, name, distribution)``; an empty string matches everything."""
    allowed: frozenset[str] | None
    """Distributions, or ``None`` when all are allowed."""

    @classmethod
    def parse(cls, environ: Mapping[str, str]) -> Policy:
        """Read both variables.

        Raises
        ------
        UsageError
            If an entry is malformed or names an unknown kind.
        """
        allowed = [normalise(_distribution(ALLOW, word)) for word in _words(environ.get(ALLOW, ""))]
        return cls(
            blocked=frozenset(_block(word) for word in _words(environ.get(BLOCK, ""))),
            allowed=frozenset({*allowed, _BUILT_IN}) if allowed else None,
        )

    def hides(self, origin: Origin) -> str:
        """The variable that hides this plugin, or an empty string."""
        owner = normalise(origin.distribution)
        if self.allowed is not None and owner not in self.allowed:
            return ALLOW
        keys = (("", "", owner), (origin.kind, origin.name, ""), (origin.kind, origin.name, owner))
        return BLOCK if any(key in self.blocked for key in keys) else ""


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _block(word: str) -> tuple[str, str, str]:
    plugin, at, distribution = word.rpartition("@") if "@" in word else (word, "", "")
    if ":" not in plugin and not at:
        return "", "", normalise(_distribution(BLOCK, word))
    kind, _, name = plugin.partition(":")
    if kind not in GROUPS or not name or ":" in name or (at and not distribution):
        raise _malformed(BLOCK, word, "`kind:name`, `distribution` or `kind:name@distribution`", kind)
    return kind, name, normalise(_distribution(BLOCK, distribution)) if at else ""


def _distribution(variable: str, word: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", word):
        raise _malformed(variable, word, "the name of a distribution")
    return word


def _malformed(variable: str, word: str, form: str, kind: str = "") -> UsageError:
    kinds = f"Kinds: {', '.join(GROUPS)}." if kind and kind not in GROUPS else ""
    hint = did_you_mean(kind, GROUPS) if kinds else ""
    return UsageError(sentences(f"{variable}: {word!r} is not {form}.", hint, kinds))
