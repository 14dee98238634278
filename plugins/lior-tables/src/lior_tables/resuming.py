"""Fitted leaves in a folder, so that a long fit that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lior.errors import RunError
from lior.interfaces import State
from lior.runs import bundle
from lior_tables.stored import Rows

_FORMAT = bundle.Format(program="lior-tables", version=1)
_GROUP = "leaf"


class Kept:
    """The leaves of fits, each a bundle whose name depends on all that it is fitted to and with.

    Parameters
    ----------
    folder
        Is made when the first leaf is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self, rows: Rows, begin: State, *settings: object) -> str:
        """The name of a leaf: of its rows, the state it begins with, and the text of the settings."""
        whole = hashlib.sha256(repr(settings).encode())
        for column in (*rows, *begin.values()):
            whole.update(column.detach().cpu().contiguous().numpy().tobytes())
        return whole.hexdigest()[:32]

    def read(self, name: str) -> State | None:
        """The tensors of a leaf; ``None`` if it is not there or damaged."""
        path = self.folder / name
        if not path.is_dir():
            return None
        try:
            return bundle.read(path, format=_FORMAT)[1][_GROUP]
        except (RunError, KeyError):
            return None

    def write(self, name: str, tensors: State) -> None:
        """Keep a leaf; one that was damaged is replaced."""
        path = self.folder / name
        if path.exists():
            path.rename(path.with_name(path.name + ".damaged"))
        bundle.write(path, {_GROUP: tensors}, {}, format=_FORMAT)
