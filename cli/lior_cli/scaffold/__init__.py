"""What `lior plugins new` writes: an installable package with one plugin that works.

The plugins are in :mod:`lior_cli.scaffold.templates`, one module a kind, checked like all other code; a new
package is one of them under another name, with the files around it.
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
from string import Template
from typing import NamedTuple

import attrs

from lior.errors import UsageError
from lior.interfaces import INTERFACES
from lior.plugins.discovery import GROUPS, check_kind, normalise
from lior.plugins.registry import registry
from lior.testing import SUITES

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
"""Of a distribution (PyPA specification "Names and normalization")."""


class _Kind(NamedTuple):
    """What differs between kinds besides the plugin itself."""

    use: str
    """A command that uses the plugin."""
    option: str = ""
    """An option of the template, as `--set` takes it."""
    learned: bool = False
    """Whether there are numbers that training moves."""


_KINDS = {
    "frame": _Kind("lior train --frame {} --memory exact --config tiny", "frame.scale=2", learned=True),
    "rsource": _Kind(
        "lior train --rsource {} --memory exact --config tiny", "rsource.weight=2", learned=True
    ),
    "product": _Kind("lior train --product {} --memory exact --config tiny", "product.scale=2", learned=True),
    "encoder": _Kind(
        "lior train --encoder {} --memory exact --config tiny", "encoder.decay=0.8", learned=True
    ),
    "updater": _Kind("lior train --updater {} --memory exact --config tiny", "updater.learning_rate=0.01"),
    "memory": _Kind("lior train --memory {} --config tiny", "memory.{}.order=1"),
    "tokenizer": _Kind("lior train --tokenizer {} --config fast", """'tokenizer.pairs=["th", "he"]'"""),
    "command": _Kind("lior {} RUN"),
}

_OPTION = """\
- A number that a user may set is a field made with `option`:
  `lior train --{kind} {plugin} --set {option}`.
"""
_LEARNED = """\
- A number that training moves is an entry of the state that `learned` names. Its derivative is written by
  hand; the contract compares it with autograd.
"""


@attrs.frozen(kw_only=True)
class Package:
    """A package to be written, by its names."""

    kind: str
    distribution: str
    """Normalised, as in ``lior-myframe``."""
    plugin: str
    """How users choose it: the distribution's name without ``lior-``."""

    @property
    def module(self) -> str:
        """The one module of the package."""
        return self.distribution.replace("-", "_")

    @property
    def object(self) -> str:
        """Name of the class, or ``command``; none that the template uses for something else."""
        if self.kind == "command":
            return "command"
        words, kind = self.plugin.title().replace("-", ""), self.kind.title()
        used = {*dir(builtins), *keyword.kwlist, *re.findall(r"\w+", _template(f"{self.kind}.py"))} - {"Mine"}
        return next(
            n for n in (words, words + kind, f"Lior{words}{kind}") if n.isidentifier() and n not in used
        )

    @property
    def use(self) -> str:
        """A command that uses the plugin."""
        return _KINDS[self.kind].use.format(self.plugin)

    def files(self) -> dict[str, str]:
        """Path -> text."""
        test = "test_command" if self.kind == "command" else "test_contract"
        code = _template(f"{self.kind}.py").replace("'mine'", f"'{self.plugin}'")
        code = re.sub(r"\bMine\b", self.object, code.replace('"mine"', f'"{self.plugin}"'))
        names = self._names(test, code)
        return {
            "pyproject.toml": _filled("pyproject", names),
            "README.md": _filled("readme", names),
            f"src/{self.module}.py": code,
            f"tests/{test}.py": _filled(test, names),
        }

    def _names(self, test: str, code: str) -> dict[str, str]:
        """What stands for what in the files around the plugin."""
        about = _KINDS[self.kind]
        suite, _, factory = SUITES.get(self.kind, "").partition(":")
        notes = (
            _OPTION.format(kind=self.kind, plugin=self.plugin, option=about.option.format(self.plugin))
            if about.option
            else ""
        )
        laws = f"runs the laws of every {self.kind} on it" if suite else "runs it on a small model"
        summary = code.removeprefix('"""').partition("\n")[0].removesuffix('"""').replace("``", "`")
        return {
            **attrs.asdict(self), "module": self.module, "object": self.object, "use": self.use,
            "version": ".".join(version("lior").split(".")[:2]), "summary": summary,
            "group": GROUPS[self.kind], "interface": INTERFACES[self.kind].__name__,
            "suite": suite, "factory": factory,
            "notes": notes + (_LEARNED if about.learned else ""), "test": f"{test}.py", "tests": laws,
        }  # fmt: skip


def package(name: str, kind: str, taken: frozenset[str] = frozenset()) -> Package:
    """The package ``name`` with a plugin of ``kind``.

    Parameters
    ----------
    name
        Of the distribution; upper case, dots and underscores are normalised.
    kind
        Kind of plugin.
    taken
        Names of plugins that the registry does not know of.

    Raises
    ------
    UsageError
        When the name is none, is taken, or gives no module.
    """
    check_kind(kind)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a distribution: it has ASCII letters, digits and, between them, - . _"
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
    """Who has one of the names of a package already, in words."""
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
    """Write the files of a package into ``folder``, which must be new or empty; returns their paths.

    Raises
    ------
    UsageError
        When it is neither; nothing was touched then.
    OSError
        When it cannot be written; what was written is removed.
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


def _template(name: str) -> str:
    return files("lior_cli.scaffold.templates").joinpath(name).read_text(encoding="utf-8")


def _filled(name: str, names: dict[str, str]) -> str:
    return Template(_template(f"{name}.txt")).substitute(names)
