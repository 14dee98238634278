"""Fitted leaves in a folder, so that a long fit that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

from torch import Tensor

from lior.errors import RunError
from lior.interfaces import State
from lior.runs import bundle
from lior_tables.plan import Options
from lior_tables.stored import Rows

_FORMAT = bundle.Format(program="lior-tables", version=1)
_GROUP = "leaf"


class Kept:
    """The leaves of one fit, each a bundle; those of other rows or options are not read.

    Parameters
    ----------
    folder
        Is made when the first leaf is written.
    rows, options
        What is fitted; the names of the bundles depend on them.
    """

    def __init__(self, folder: Path, rows: Rows, options: Options) -> None:
        self.folder = folder
        whole = hashlib.sha256(repr(options).encode())
        for column in rows:
            whole.update(_bytes(column))
        self._of = whole.hexdigest()[:16]

    def read(self, name: str) -> State | None:
        """The tensors of a leaf; ``None`` if it is not there or damaged."""
        path = self._path(name)
        if not path.is_dir():
            return None
        try:
            return bundle.read(path, format=_FORMAT)[1][_GROUP]
        except (RunError, KeyError):
            return None

    def write(self, name: str, tensors: State) -> None:
        """Keep a leaf; one that was damaged is replaced."""
        path = self._path(name)
        if path.exists():
            path.rename(path.with_name(path.name + ".damaged"))
        bundle.write(path, {_GROUP: tensors}, {}, format=_FORMAT)

    def _path(self, name: str) -> Path:
        return self.folder / f"{self._of}-{name.replace(' ', '-')}"


def _bytes(column: Tensor) -> bytes:
    return column.detach().cpu().contiguous().numpy().tobytes()
