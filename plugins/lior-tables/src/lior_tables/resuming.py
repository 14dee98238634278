"""Parts of a fit in a folder, so that a long one that was interrupted goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from lior.errors import RunError
from lior.interfaces import State
from lior.runs import bundle

_FORMAT = bundle.Format(program="lior-tables", version=1)
_GROUP = "part"


class KeptWork:
    """The parts of fits, each a bundle whose name depends on all that it is made of and with.

    Parameters
    ----------
    folder
        Is made when the first part is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, data: Iterable[Tensor], key: object) -> Path:
        """Where a part is kept.

        Parameters
        ----------
        data, key
            The tensors that it is made of, and what else it depends on, as text.
        """
        whole = hashlib.sha256(repr(key).encode())
        for column in data:
            whole.update(column.detach().cpu().contiguous().numpy().tobytes())
        return self.folder / whole.hexdigest()[:32]

    def read(self, path: Path) -> State | None:
        """The tensors of a part; ``None``, where there is none or it is damaged."""
        if path.is_dir():
            with contextlib.suppress(RunError, KeyError):
                return bundle.read(path, format=_FORMAT)[1][_GROUP]
            path.rename(path.with_name(path.name + ".damaged"))
        return None

    def write(self, path: Path, tensors: State) -> None:
        """Keep a part."""
        bundle.write(path, {_GROUP: tensors}, {}, format=_FORMAT)
