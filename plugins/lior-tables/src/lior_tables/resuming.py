"""Fitted leaves in a folder, so that a long fit that was interrupted goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from torch import Tensor

from lior.errors import RunError
from lior.interfaces import State
from lior.runs import bundle

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

    def leaf(self, make: Callable[[], State], data: Iterable[Tensor], key: object) -> State:
        """The tensors of a leaf: those that are here, or what ``make`` gives, which is then kept.

        Parameters
        ----------
        data, key
            The tensors that it is made of, and what else it depends on, as text.
        """
        whole = hashlib.sha256(repr(key).encode())
        for column in data:
            whole.update(column.detach().cpu().contiguous().numpy().tobytes())
        path = self.folder / whole.hexdigest()[:32]
        if path.is_dir():
            with contextlib.suppress(RunError, KeyError):
                return bundle.read(path, format=_FORMAT)[1][_GROUP]
            path.rename(path.with_name(path.name + ".damaged"))
        tensors = make()
        bundle.write(path, {_GROUP: tensors}, {}, format=_FORMAT)
        return tensors
