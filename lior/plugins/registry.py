"""Plugins by kind and name.

Names come from the metadata of installed distributions and cost no import. :meth:`Registry.get` imports a
plugin and checks that it was written for this version of the interfaces and has their methods. Built-in
plugins are found in the same way as all others. A system built on lior has a registry of its own kinds,
under the same rules.

A user may give ``package.module:Class`` in place of any name. An opened file may not name a class in this
way (:func:`lior.plugins.trust.opening`), unless the user allows it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from inspect import isfunction
from typing import TYPE_CHECKING, Any, Literal, overload

from lior.errors import (
    BrokenPlugin,
    DuplicatePlugin,
    IncompatiblePlugin,
    MissingPackage,
    UnknownPlugin,
    UntrustedPlugin,
    UsageError,
    did_you_mean,
    needs_model,
    sentences,
)
from lior.plugins.discovery import Origin, allowed_classes, allowed_distributions, normalise, scan
from lior.plugins.kinds import KINDS, Kind, check_kind, import_target
from lior.plugins.trust import ALLOW, FLAG, foreign_place, name_by

if TYPE_CHECKING:
    from lior import interfaces


class Registry:
    """A registry of plugins by kind and name.

    The installed ones are listed once, on first use.

    Parameters
    ----------
    environ
        Environment with ``LIOR_ALLOW_PLUGINS``: the distributions whose plugins are used, comma-separated.
        The distributions of lior, and of the packages that the kinds belong to, are always used. By default
        the environment of the process.
    kinds
        The kinds (:class:`Kind`) by name; by default those of lior.
    """

    def __init__(
        self, environ: Mapping[str, str] | None = None, *, kinds: Mapping[str, Kind] | None = None
    ) -> None:
        self._environ = environ
        self._kinds = KINDS if kinds is None else kinds
        self._index: dict[tuple[str, str], list[Origin]] | None = None
        self._hidden: dict[tuple[str, str], Origin] = {}
        self._faults: list[str] = []
        self._registered: dict[tuple[str, str], tuple[Origin, Any]] = {}
        self._named: dict[str, Origin] = {}
        """Plugins that were loaded by ``package.module:Class``."""

    @property
    def faults(self) -> tuple[str, ...]:
        """One sentence for each distribution whose metadata could not be read."""
        self._installed()
        return tuple(self._faults)

    def names(self, kind: str) -> list[str]:
        """Return names of the plugins of one kind, sorted; nothing is imported.

        Raises
        ------
        UsageError
            If the kind does not exist, or an environment variable is malformed.
        """
        check_kind(kind, self._kinds)
        return sorted({name for k, name in (*self._installed(), *self._registered) if k == kind})

    def origins(self, kind: str, name: str) -> tuple[Origin, ...]:
        """Return all plugins that claim a name; :meth:`get` refuses a name with several claims.

        Raises
        ------
        UnknownPlugin
            If no plugin has the name.
        """
        check_kind(kind, self._kinds)
        if ":" in name:
            return (Origin(kind, name, "", "", name),)
        if (kind, name) in self._registered:
            return (self._registered[kind, name][0],)
        claims = self._installed().get((kind, name))
        if not claims:
            raise UnknownPlugin(self._unknown(kind, name))
        return tuple(claims)

    def origin(self, kind: str, name: str) -> Origin:
        """Return the distribution and class of the plugin with this name.

        Raises
        ------
        UnknownPlugin
            If no plugin has the name.
        DuplicatePlugin
            If several plugins have it.
        """
        claims = self.origins(kind, name)
        if len(claims) > 1:
            owners, classes = (" and ".join(map(str, claims)), " or ".join(c.target for c in claims))
            raise DuplicatePlugin(
                f"{kind} {name!r} is claimed by {owners}. Uninstall one of them, list in {ALLOW} the "
                f"distributions to use, or give the class in place of the name: {classes}."
            )
        return claims[0]

    def foreign_modules(self) -> dict[str, Origin]:
        """Return the modules of plugins that are not of lior: installed, registered, or loaded by class."""
        listed = [
            each for kind in self._kinds for name in self.names(kind) for each in self.origins(kind, name)
        ]
        own = {each.module for each in listed if each.distribution == "lior"}
        found = {each.module: each for each in (*listed, *self._named.values())}
        return {module: each for module, each in found.items() if module not in own}

    def register(self, kind: str, name: str, plugin: type | str) -> None:
        """Add a plugin in code.

        Parameters
        ----------
        kind, name
            Kind and name by which the plugin is found.
        plugin
            The class, or ``"package.module:Class"`` to be imported when needed.
            Registering a class of the same module and name again replaces it.

        Raises
        ------
        DuplicatePlugin
            If another plugin has the name.
        """
        target = plugin if isinstance(plugin, str) else f"{plugin.__module__}:{plugin.__qualname__}"
        if name in self.names(kind):
            owner = self.origins(kind, name)[0]
            if owner.distribution or owner.target != target:
                raise DuplicatePlugin(
                    f"{kind} {name!r} cannot be registered: {owner} has it. Choose another name."
                )
        self._registered[kind, name] = Origin(kind, name, "", "", target), plugin

    def name(self, kind: str, plugin: type) -> str:
        """Return the name under which a class is installed or registered, or else
        ``package.module:Class``."""
        target = f"{plugin.__module__}:{plugin.__qualname__}"
        found = (name for name in self.names(kind) if self.origins(kind, name)[0].target == target)
        return next(found, target)

    # One overload per kind, so that type checkers infer the result of `get`.
    @overload
    def get(self, kind: Literal["frame"], name: str) -> type[interfaces.FrameProvider]: ...
    @overload
    def get(self, kind: Literal["rsource"], name: str) -> type[interfaces.RSource]: ...
    @overload
    def get(self, kind: Literal["updater"], name: str) -> type[interfaces.Updater]: ...
    @overload
    def get(self, kind: Literal["memory"], name: str) -> type[interfaces.Memory]: ...
    @overload
    def get(self, kind: Literal["product"], name: str) -> type[interfaces.AttentionProduct]: ...
    @overload
    def get(self, kind: Literal["encoder"], name: str) -> type[interfaces.Encoder]: ...
    @overload
    def get(self, kind: Literal["tokenizer"], name: str) -> type[interfaces.Tokenizer]: ...
    @overload
    def get(self, kind: Literal["device"], name: str) -> type[interfaces.Device]: ...
    @overload
    def get(self, kind: Literal["reader"], name: str) -> type[interfaces.Reader]: ...
    @overload
    def get(self, kind: Literal["embedder"], name: str) -> type[interfaces.Embedder]: ...
    @overload
    def get(self, kind: Literal["retriever"], name: str) -> type[interfaces.Retriever]: ...
    @overload
    def get(self, kind: Literal["judge"], name: str) -> type[interfaces.Judge]: ...
    @overload
    def get(self, kind: Literal["listener"], name: str) -> type[interfaces.Listener]: ...
    @overload
    def get(self, kind: Literal["command"], name: str) -> interfaces.Command: ...
    @overload
    def get(self, kind: str, name: str) -> Any: ...

    def get(self, kind: str, name: str) -> Any:
        """Return the plugin class (for commands: the command), imported and checked.

        Raises
        ------
        UnknownPlugin
            If no plugin has the name.
        DuplicatePlugin
            If several plugins have it.
        IncompatiblePlugin
            If it was written for another version of the interfaces.
        UntrustedPlugin
            If an opened file names a class, or if another class would be imported than was installed.
        BrokenPlugin
            If it cannot be imported or lacks methods of its interface.
        """
        origin = self.origin(kind, name)
        if ":" in name and (file := name_by()) and not self._trusts(kind, name):
            raise UntrustedPlugin(
                f"{file}: names the {kind} {name!r}, and lior imports no code on the word of a file. If you "
                f"trust it: lior {FLAG} ..., or {ALLOW}={name}, or import its module before."
            )
        plugin = self._registered.get((kind, name), (origin, origin.target))[1]
        if isinstance(plugin, str):
            plugin = _load(origin)
        if ":" in name:
            self._named[name] = origin
        _check(plugin, origin, self._kinds[kind])
        return plugin

    def make(self, kind: str, name: str) -> Any:
        """Create the plugin with its default options; ``NAME:MODEL`` sets its option ``model``.

        Raises the errors of :meth:`get`, and ``UsageError`` for a model of a plugin without such an option.
        """
        plugin, _, model = name.partition(":")
        if not model or plugin not in self.names(kind):
            return self.get(kind, name)()
        made = self.get(kind, plugin)
        if "model" not in {field.name for field in getattr(made, "__attrs_attrs__", ())}:
            raise UsageError(f"{name!r}: the {kind} {plugin} takes no model; {plugin} alone is allowed.")
        return made(model=model)

    def _trusts(self, kind: str, target: str) -> bool:
        """Return whether a file may name the class: it is installed, imported already, or allowed."""
        known = (origin for name in self.names(kind) for origin in self.origins(kind, name))
        return (
            any(origin.target == target for origin in known)
            or target.partition(":")[0] in sys.modules
            or target in allowed_classes(os.environ if self._environ is None else self._environ)
        )

    def allowed(self, kind: str) -> str:
        """Describe in words the values with which a plugin of this kind can be chosen."""
        if self._is_of_lior(kind):
            return f"a name that `lior plugins --kind {kind}` lists"
        names = self.names(kind)
        return f"one of {', '.join(names)}" if names else "package.module:Class"

    def _is_of_lior(self, kind: str) -> bool:
        """Return whether `lior plugins` knows the kind; another system may have a kind of the same name."""
        return self._kinds[kind] == KINDS.get(kind)

    def _installed(self) -> dict[tuple[str, str], list[Origin]]:
        if self._index is None:
            environ = os.environ if self._environ is None else self._environ
            allowed = allowed_distributions(environ, {kind.owner for kind in self._kinds.values()})
            origins, self._faults = scan({name: kind.group for name, kind in self._kinds.items()})
            index: dict[tuple[str, str], list[Origin]] = {}
            self._hidden = {}
            for origin in origins:
                key = origin.kind, origin.name
                if allowed is None or normalise(origin.distribution) in allowed:
                    index.setdefault(key, []).append(origin)
                else:
                    self._hidden[key] = origin
            self._index = index
        return self._index

    def _unknown(self, kind: str, name: str) -> str:
        if hidden := self._hidden.get((kind, name)):
            return f"{hidden.label} is hidden by the variable {ALLOW}."
        names = self.names(kind)
        listing = f"`lior plugins --kind {kind}` lists them; " if self._is_of_lior(kind) else ""
        return sentences(
            f"No {kind} plugin is named {name!r}.",
            did_you_mean(name, names),
            f"Installed: {', '.join(names) or 'none'}.",
            f"{listing}package.module:Class works too.",
        )


def _load(origin: Origin) -> Any:
    """Import the object that ``origin.target`` names."""
    if not all(part.strip() for part in (origin.target.partition(":"))):
        raise BrokenPlugin(f"{origin.label} cannot be loaded: {origin.target!r} is not package.module:Class.")
    if origin.distribution and (place := foreign_place(origin.module, origin.distribution)):
        raise UntrustedPlugin(
            f"{origin.label} would be imported from {place}, not from its installed location. Work in "
            "another directory, or remove that one from PYTHONPATH."
        )
    try:
        with needs_model(origin.label):
            return import_target(origin.target)
    except MissingPackage:
        raise
    except (Exception, SystemExit) as error:  # an error in a foreign module must not stop the others
        cause = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        fix = f"Repair, upgrade or uninstall {origin.distribution}." if origin.distribution else ""
        raise BrokenPlugin(sentences(f"{origin.label} cannot be loaded: {cause}.", fix)) from error


def _check(plugin: Any, origin: Origin, kind: Kind) -> None:
    """Refuse a plugin of another interface version or without the interface's methods."""
    members = interface_members(kind.protocol)
    if "api_version" in members and not isinstance(plugin, type):
        raise BrokenPlugin(f"{origin.label} is a {type(plugin).__name__}; it must be a class.")
    version = getattr(plugin, "api_version", None)
    if "api_version" in members and version not in (None, kind.api_version):
        owner, source = kind.owner, origin.distribution or "the plugin"
        raise IncompatiblePlugin(
            f"{origin.label} was written for version {version!r} of the interfaces; this {owner} has "
            f"version {kind.api_version}. Install a release of {source} that was made for this {owner}, "
            f"or another {owner}."
        )
    missing = [name for name in members if not _provides(plugin, kind.protocol, name)]
    if missing:
        names = ", ".join(missing)
        raise BrokenPlugin(f"{origin.label} does not fit {kind.protocol.__name__}: it lacks {names}.")


def _provides(plugin: Any, interface: type, name: str) -> bool:
    """Return whether ``plugin`` itself defines ``name``, as a method if the interface has a method."""
    if name in {field.name for field in getattr(plugin, "__attrs_attrs__", ())}:
        return True  # attrs may keep a field out of the class namespace
    asked, found = getattr(interface, name, None), getattr(plugin, name, None)
    if found is None or found is asked:  # a subclass of the interface inherits its empty methods
        return False
    return callable(found) or not isfunction(asked)


def interface_members(interface: type) -> list[str]:
    """Return the public methods and attributes that ``interface`` requires, including inherited ones,
    sorted.

    ``typing`` provides this only from Python 3.13 (``get_protocol_members``).
    """
    names: set[str] = set()
    for cls in interface.__mro__:
        if getattr(cls, "_is_protocol", False):
            names |= {*vars(cls), *getattr(cls, "__annotations__", {})}
    return sorted(name for name in names if not name.startswith("_"))


registry = Registry()
"""The registry of this process."""
