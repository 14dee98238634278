"""The package that `lior plugins new` writes: installable, with one plugin that works.

The template of a kind is a module ``KIND.py``, checked like all other code. It is in the package that the
kind names, in the distribution whose interface its plugins implement, or in
:mod:`lior_cli.scaffold.templates`. A new package is such a module under another name, with other files.
"""

from __future__ import annotations

import builtins
import contextlib
import keyword
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from string import Template

import attrs

from lior.errors import MissingPackage, UsageError, install_hint
from lior.plugins.discovery import normalise
from lior.plugins.kinds import KINDS, check_kind
from lior.plugins.registry import interface_members, registry

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
"""The form of distribution names (PyPA specification "Names and normalization")."""


_OPTION = """\
- A number that a user may set is a field made with `option`:
  `lior train --{kind} {plugin} --set {option}`.
"""
_LEARNED = """\
- A number that training moves is an entry of the state that `learned` names. Its derivative is written by
  hand; the contract suite compares it with autograd.
"""


@attrs.frozen(kw_only=True)
class Package:
    """A package to be written, by its names."""

    kind: str
    distribution: str
    """The normalised name of the distribution, as in ``lior-myframe``."""
    plugin: str
    """The name by which users choose it: the distribution's name without ``lior-``."""

    @property
    def module(self) -> str:
        """The one module of the package."""
        return self.distribution.replace("-", "_")

    @property
    def object(self) -> str:
        """The name of the class, or ``command``; not a name that the template uses for something else."""
        if self.kind == "command":
            return "command"
        words, kind = self.plugin.title().replace("-", ""), self.kind.title()
        used = {*dir(builtins), *keyword.kwlist, *re.findall(r"\w+", _plugin(self.kind))} - {"Mine"}
        return next(
            n for n in (words, words + kind, f"Lior{words}{kind}") if n.isidentifier() and n not in used
        )

    @property
    def use(self) -> str:
        """A command that uses the plugin."""
        return KINDS[self.kind].use.format(self.plugin)

    def files(self) -> dict[str, str]:
        """Return the text of each file by its path."""
        test = "test_command" if self.kind == "command" else "test_contract"
        code = _plugin(self.kind).replace("'mine'", f"'{self.plugin}'")
        code = re.sub(r"\bMine\b", self.object, code.replace('"mine"', f'"{self.plugin}"'))
        names = self._names(test, code)
        return {
            "pyproject.toml": _fill("pyproject", names),
            "README.md": _fill("readme", names),
            f"src/{self.module}.py": code,
            f"tests/{test}.py": _fill(test, names),
        }

    def _names(self, test: str, code: str) -> dict[str, str]:
        """Return the text for each placeholder of the files around the plugin."""
        kind = KINDS[self.kind]
        suite, _, factory = kind.suite.partition(":")
        notes = ""
        if kind.option:
            option = quote(kind.option.format(self.plugin))
            notes = _OPTION.format(kind=self.kind, plugin=self.plugin, option=option)
        if "learned" in interface_members(kind.protocol):
            notes += _LEARNED
        laws = f"runs the laws of every {self.kind} on it" if suite else "runs it on a small model"
        needs = normalise(kind.templates.partition(".")[0]) or "lior"
        interface = f"{kind.protocol.__module__}.{kind.protocol.__name__}"
        summary = code.removeprefix('"""').partition("\n")[0].removesuffix('"""').replace("``", "`")
        return {
            **attrs.asdict(self),
            "module": self.module,
            "object": self.object,
            "use": self.use,
            "needs": needs,
            "version": ".".join(version(needs).split(".")[:2]),
            "summary": summary,
            "extra": "[model]" if "torch" in code else "",
            "group": kind.group,
            "interface": interface,
            "suite": suite,
            "factory": factory,
            "notes": notes,
            "test": f"{test}.py",
            "tests": laws,
        }


def package(name: str, kind: str, taken: frozenset[str] = frozenset()) -> Package:
    """Return the package ``name`` with a plugin of ``kind``.

    Parameters
    ----------
    name
        Name of the distribution; upper case, dots and underscores are normalised.
    kind
        Kind of plugin.
    taken
        Names of plugins that are taken although the registry does not list them.

    Raises
    ------
    UsageError
        When the name is malformed or taken, or gives a module that Python cannot import.
    """
    check_kind(kind)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not the name of a distribution: ASCII letters, digits and, between them, - . _"
        )
    made = Package(kind=kind, distribution=normalise(name), plugin=normalise(name).removeprefix("lior-"))
    if not made.module.isidentifier() or keyword.iskeyword(made.module):
        raise UsageError(
            f"{name!r} gives the module {made.module!r}, which Python cannot import; try 'lior-{made.plugin}'"
        )
    for owner in _owners(made, taken):
        raise UsageError(f"{name!r}: {owner}; take another name")
    return made


def _owners(made: Package, taken: frozenset[str]) -> Iterator[str]:
    """Yield a sentence for each name of the package that is taken."""
    plugin = f"there is a {made.kind} {made.plugin!r} already"
    if made.plugin in taken:
        yield plugin
    if made.plugin in registry.names(made.kind):
        owners = " and ".join(origin.source for origin in registry.origins(made.kind, made.plugin))
        yield f"{plugin}, of {owners}"
    with contextlib.suppress(PackageNotFoundError):
        yield f"{made.distribution} {version(made.distribution)} is installed already"
    if (spec := find_spec(made.module)) is not None and spec.origin is not None:
        yield f"there is a module {made.module!r} already"


def write(made: Package, folder: Path) -> list[Path]:
    """Write the files of a package into ``folder``, which must be new or empty; return their paths.

    Raises
    ------
    UsageError
        When it is neither; nothing is changed then.
    OSError
        When a file cannot be written; the files written before it are removed.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: a file, not a folder; give another --out")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder}: the folder is not empty; nothing was touched; give another --out")
    paths = {folder / name: text for name, text in made.files().items()}
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except BaseException:
        for path in reversed(paths):
            for remove in (path.unlink, path.parent.rmdir):
                with contextlib.suppress(OSError):
                    remove()
        raise
    return list(paths)


def _template(name: str, package: str = "lior_cli.scaffold.templates") -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _plugin(kind: str) -> str:
    """Return the module of a plugin of ``kind``, named ``Mine``."""
    package = KINDS[kind].templates
    try:
        return _template(f"{kind}.py", *filter(None, [package]))
    except ModuleNotFoundError as error:
        needs = normalise(package.partition(".")[0])
        hint = install_hint(needs.removeprefix("lior-"))
        raise MissingPackage(f"the template of a {kind} is a part of {needs}: {hint}") from error


def _fill(name: str, names: dict[str, str]) -> str:
    return Template(_template(f"{name}.txt")).substitute(names)
