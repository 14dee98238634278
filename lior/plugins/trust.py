"""The imports that are trusted: code that the user installed or named, not code that a file or folder
brings.

A distribution is *installed* if its metadata is in a folder of ``sys.path``. The folder must be a site
directory, or neither the working directory nor in a run. Python itself adds the working directory (``python
-m``, an interactive session, ``PYTHONPATH=.``), so unpacking a run there would make its contents
importable.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path

ALLOW = "LIOR_ALLOW_PLUGINS"
FLAG = "--trust-plugins"


class Trust:
    """The trust that the user of this process has granted."""

    every = False
    """Whether files may name classes that are imported (``lior --trust-plugins``)."""


_opened: ContextVar[str] = ContextVar("opened", default="")


@contextmanager
def opening(path: Path | str) -> Iterator[None]:
    """In this block ``package.module:Class`` is not the user's word but that of the file at ``path``."""
    token = _opened.set(str(path))
    try:
        yield
    finally:
        _opened.reset(token)


def name_by() -> str:
    """Return the file or folder that would request an import now; empty if it is the user."""
    return "" if Trust.every else _opened.get()


def installed_paths() -> list[str]:
    """Return the folders of ``sys.path`` in which distributions count as installed."""
    here = _here()
    return [entry for entry in sys.path if entry and not _foreign(Path(entry).resolve(), here)]


def import_path_statement() -> str:
    """Return a line of Python that gives a child the folders from which this process imports.

    These are the :func:`installed_paths`, and the folder of lior, which may be the working directory.
    """
    own = str(Path(__file__).parents[2])
    found = [str(Path(place).absolute()) for place in installed_paths()]
    found += [own] if own not in found and own in map(os.path.abspath, sys.path) else []
    return f"import sys; sys.path[:] = {found!r}"


def foreign_place(module: str, distribution: str) -> Path | None:
    """Return the file from which ``module`` would be imported, if ``distribution`` is installed elsewhere."""
    spec = None
    with suppress(ValueError):  # a module without a specification is imported already
        spec = find_spec(module.partition(".")[0])
    if spec is None:
        return None
    here = _here()
    files = [spec.origin] if spec.has_location and spec.origin else []
    for file in map(Path, files or spec.submodule_search_locations or []):
        root = file.parent.parent if file.name == "__init__.py" else file.parent
        if _foreign(root.resolve(), here) and not _editable(root.resolve(), distribution):
            return file
    return None


def _here() -> Path | None:
    with suppress(FileNotFoundError):  # it was removed
        return Path.cwd()
    return None


def _foreign(folder: Path, here: Path | None) -> bool:
    """Return whether ``folder`` is the working directory, or in a run, and not a site directory."""
    if str(folder) in (*site.getsitepackages(), site.getusersitepackages()):
        return False
    return folder == here or any(
        (each / "checkpoints").is_dir() and (each / "config.toml").is_file()
        for each in (folder, *folder.parents)
    )


def _editable(root: Path, distribution: str) -> bool:
    """Return whether a distribution is installed (``pip install -e``) from a folder that contains
    ``root``."""
    import json
    from importlib.metadata import distributions
    from urllib.parse import unquote, urlsplit

    for found in distributions(name=distribution, path=installed_paths()):
        direct = json.loads(found.read_text("direct_url.json") or "{}")
        if direct.get("dir_info", {}).get("editable"):
            source = Path(unquote(urlsplit(direct["url"]).path)).resolve()
            return root == source or source in root.parents
    return False
