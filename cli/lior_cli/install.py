"""``lior install``: the parts of lior from the checkout it came from or from an index, by pip."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from lior.errors import LiorError, UsageError
from lior.packages import PARTS
from lior.process import environment_of_user, python

_REQUIREMENT = re.compile(r"(lior[\w-]*)(?:\[([\w,-]+)\])?")
"""A requirement on a distribution of lior, and its extras."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def install(names: tuple[str, ...], yes: bool) -> None:
    """Install parts of lior, or other packages, with pip.

    NAME is a part such as serve, ocr or model, or any requirement that pip understands. Without NAME, the
    parts are listed. If lior was installed from a checkout, its other distributions are installed from
    there. The command of pip is printed, and runs after a yes.
    """
    if not names:
        _list()
        return
    command = [*_installer(), *_requirements(names, _checkout())]
    click.echo(shlex.join(command))
    if not yes and not _confirm():
        raise LiorError("nothing was installed")
    if code := subprocess.run(command, check=False, env=environment_of_user()).returncode:
        raise LiorError(f"pip failed with exit code {code}; its message is above")


def _list() -> None:
    width = max(map(len, PARTS))
    for name, part in PARTS.items():
        click.echo(f"{name:<{width}}  {'-' if part.missing else 'installed':<9}  {part.brings}")


def _confirm() -> bool:
    try:
        return click.confirm("Run this command?")
    except click.Abort:
        raise UsageError("nothing was installed: without a terminal, add --yes") from None


def _installer() -> list[str]:
    """Return the command that installs packages into this environment."""
    if find_spec("pip"):
        return python("-m", "pip", "install")
    if uv := shutil.which("uv"):  # its environments have no pip
        return [uv, "pip", "install", "--python", sys.executable]
    raise LiorError(f"{sys.prefix} has no pip: run `{sys.executable} -m ensurepip`")


class Checkout(NamedTuple):
    """The folder that lior was installed from."""

    folder: Path
    editable: bool

    def place(self, name: str) -> Path:
        """Return the folder of a distribution."""
        return self.folder if name == "lior" else self.folder / "plugins" / name


def _checkout() -> Checkout | None:
    """Return the checkout that lior was installed from (PEP 610), or ``None`` if there is none."""
    try:
        origin = json.loads(distribution("lior").read_text("direct_url.json") or "{}")
    except PackageNotFoundError:
        return None
    place = urlsplit(origin.get("url", ""))
    folder = Path(url2pathname(place.path))
    if place.scheme != "file" or not (folder / "plugins").is_dir():
        return None
    return Checkout(folder, origin.get("dir_info", {}).get("editable", False))


def _requirements(names: Sequence[str], checkout: Checkout | None) -> list[str]:
    """Return what pip is given for parts and for other packages.

    A distribution of lior that is not installed is a folder of the checkout, after those that it needs.
    """
    found: list[str] = []
    for name in names:
        part = PARTS.get(name.removeprefix("lior-"))
        requirement = part.requirement if part else name
        if checkout and (parsed := _REQUIREMENT.fullmatch(requirement)):
            found += _from_checkout(parsed[1], parsed[2] or "", checkout)
        else:
            found.append(requirement)
    return list(dict.fromkeys(found))


def _from_checkout(name: str, extras: str, checkout: Checkout) -> Iterator[str]:
    brackets = f"[{extras}]" if extras else ""
    place = checkout.place(name)
    if _installed(name) or not (place / "pyproject.toml").is_file():
        yield f"{name}{brackets}"
        return
    project = tomllib.loads((place / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    chosen = (each for extra in extras.split(",") for each in optional.get(extra, ()))
    for needed in (*project["dependencies"], *chosen):
        other = _REQUIREMENT.match(needed)
        if other and other[1] != name and not _installed(other[1]):
            yield from _from_checkout(other[1], other[2] or "", checkout)
    yield f"{'--editable=' if checkout.editable else ''}{place}{brackets}"


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
