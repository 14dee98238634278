"""Which plugins are installed, read from the metadata of distributions without importing them.

A distribution offers plugins by entry points (PyPA specification "Entry
points") in the groups of :data:`GROUPS`, or of the kinds of another system.
Two environment variables say which of them are seen; see :class:`Policy`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from lior.errors import UsageError, did_you_mean, sentences

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
"""Kind of plugin of lior -> its entry-point group."""

BLOCK = "LIOR_BLOCK_PLUGINS"
ALLOW = "LIOR_ALLOW_PLUGINS"
VARIABLES = {
    BLOCK: "plugins to hide: comma-separated `kind:name`, `distribution` or `kind:name@distribution`",
    ALLOW: "the only distributions whose plugins are seen, besides lior: comma-separated",
}
"""Environment variable -> what it does."""

_BUILT_IN = "lior"


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of plugin, for a :class:`~lior.plugins.registry.Registry` of one's own.

    Raises
    ------
    UsageError
        From the constructor, when the group has no dot.
    """

    group: str = attrs.field()
    """Entry-point group ``package.plural``; ``package`` is the system that asks for the plugins."""
    interface: type | str
    """What a plugin must provide, as a ``Protocol``; ``package.module:Class`` is imported with the first."""
    api_version: int = 1
    """Version of the interface; a plugin for another is refused, if the interface has ``api_version``."""

    @group.validator
    def _check_group(self, _: attrs.Attribute[str], group: str) -> None:
        if not all(group.partition(".")):
            raise UsageError(f"{group!r} is no entry-point group for plugins; write it as package.plural.")

    @property
    def owner(self) -> str:
        """The package that the group begins with."""
        return _owner(self.group)


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


def _owner(group: str) -> str:
    return group.partition(".")[0]


def check_kind(kind: str, known: Collection[str] = GROUPS.keys()) -> str:
    """Return ``kind``, or raise ``UsageError`` if it is not one of those ``known``."""
    if kind not in known:
        kinds = ", ".join(known)
        raise UsageError(
            sentences(f"{kind!r} is not a kind of plugin.", did_you_mean(kind, known), f"Kinds: {kinds}.")
        )
    return kind


def scan(groups: Mapping[str, str] = GROUPS) -> tuple[list[Origin], list[str]]:
    """All plugins that are installed in ``groups``, and what could not be read.

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
            claims = list(_claims(distribution, groups))
        except Exception as error:  # damage in one distribution must not hide the others
            faults.append(f"The entry points in {_location(distribution)} cannot be read: {error!r}.")
            continue
        if claims and (key := normalise(claims[0].distribution)) not in seen:
            seen.add(key)
            origins += claims
    return origins, faults


def _claims(distribution: Distribution, groups: Mapping[str, str]) -> Iterator[Origin]:
    """The plugins of one distribution; names and versions are parsed only if it has any."""
    text = distribution.read_text("entry_points.txt") or ""
    if not any(f"[{owner}." in text for owner in _owners(groups)):
        return
    kinds = {group: kind for kind, group in groups.items()}
    name, version = distribution.metadata["Name"], distribution.metadata["Version"]
    if not name or not version:
        raise ValueError("its METADATA has no Name or no Version")
    for entry in distribution.entry_points:
        if entry.group in kinds:
            yield Origin(kinds[entry.group], entry.name, name, version, entry.value)


def _owners(groups: Mapping[str, str]) -> set[str]:
    return {_owner(group) for group in groups.values()}


def _location(distribution: Distribution) -> str:
    return str(getattr(distribution, "_path", None) or distribution.locate_file(""))


@attrs.frozen
class Policy:
    """Which installed plugins are hidden.

    ``LIOR_BLOCK_PLUGINS`` is a comma-separated list of ``kind:name``,
    ``distribution`` or ``kind:name@distribution``; ``LIOR_ALLOW_PLUGINS`` is a
    comma-separated list of the only distributions whose plugins are seen
    (those of lior, and of the system that asks, always are). Names of
    distributions are compared in canonical form (PEP 503).

    All systems read the same variables, and none knows the kinds of another.
    So a kind may be written as its entry-point group, which is never mistaken;
    a kind that a system does not know is an error when it looks like a mistyped
    one of its own, and otherwise left to the system that knows it.
    """

    blocked: frozenset[tuple[str, str, str]]
    """``(kind, name, distribution)``; an empty string matches everything."""
    allowed: frozenset[str] | None
    """Distributions, or ``None`` when all are allowed."""

    @classmethod
    def parse(cls, environ: Mapping[str, str], groups: Mapping[str, str] = GROUPS) -> Policy:
        """Read both variables, for a system with ``groups`` by kind.

        Raises
        ------
        UsageError
            If an entry is malformed or names a kind that looks mistyped.
        """
        allowed = [normalise(_distribution(ALLOW, word)) for word in _words(environ.get(ALLOW, ""))]
        own = map(normalise, _owners(groups))
        return cls(
            blocked=frozenset(_block(word, groups) for word in _words(environ.get(BLOCK, ""))),
            allowed=frozenset({*allowed, _BUILT_IN, *own}) if allowed else None,
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


def _block(word: str, groups: Mapping[str, str]) -> tuple[str, str, str]:
    plugin, at, distribution = word.rpartition("@") if "@" in word else (word, "", "")
    if ":" not in plugin and not at:
        return "", "", normalise(_distribution(BLOCK, word))
    kind, _, name = plugin.partition(":")
    by_group = {group: of for of, group in groups.items()}
    known = _comparable(kind, groups)
    mistyped = kind not in known and bool(did_you_mean(kind, known) or ("." in kind and known))
    if not kind or mistyped or not name or ":" in name or (at and not distribution):
        form = "`kind:name`, `distribution` or `kind:name@distribution`"
        raise _malformed(BLOCK, word, form, kind, known)
    owner = normalise(_distribution(BLOCK, distribution)) if at else ""
    return by_group.get(kind, kind), name, owner


def _comparable(kind: str, groups: Mapping[str, str]) -> list[str]:
    """What ``kind`` may be a mistyped one of: kinds, or groups of the same owner."""
    if "." in kind:
        return [group for group in groups.values() if _owner(group) == _owner(kind)]
    return list(dict.fromkeys([*groups, *GROUPS]))


def _distribution(variable: str, word: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", word):
        raise _malformed(variable, word, "the name of a distribution")
    return word


def _malformed(
    variable: str, word: str, form: str, kind: str = "", known: Collection[str] = ()
) -> UsageError:
    if not kind or kind in known:
        return UsageError(f"{variable}: {word!r} is not {form}.")
    foreign = "A kind of another system is written as its entry-point group."
    kinds = f"Kinds: {', '.join(known)}. {foreign}" if known else ""
    return UsageError(sentences(f"{variable}: {word!r} is not {form}.", did_you_mean(kind, known), kinds))
