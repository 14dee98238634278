"""Parts of a fit in a folder, from which a long, interrupted fit continues."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from lior.errors import RunError
from lior.interfaces import State
from lior.runs import bundle

_FORMAT = bundle.Format(program="lior-tables", version=1)
_GROUP = "part"


class KeptWork:
    """The parts of fits, each a bundle whose name depends on all inputs of the part.

    Parameters
    ----------
    folder
        Folder of the parts; created when the first part is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, data: Iterable[Tensor], key: object) -> Path:
        """Return the path of a part.

        Parameters
        ----------
        data, key
            The tensors from which it is computed, and everything else that it depends on, as text.
        """
        whole = hashlib.sha256(repr(key).encode())
        for column in data:
            whole.update(column.detach().cpu().contiguous().numpy().tobytes())
        return self.folder / whole.hexdigest()[:32]

    def read(self, path: Path) -> State | None:
        """Return the tensors of a part; ``None`` if it is missing or damaged."""
        if path.is_dir():
            with contextlib.suppress(RunError, KeyError):
                return bundle.read(path, format=_FORMAT)[1][_GROUP]
            path.rename(path.with_name(path.name + ".damaged"))
        return None

    def remove(self) -> None:
        """Remove all parts, and the folder if nothing else is in it."""
        for part in self.folder.glob("[0-9a-f]" * 32 + "*"):
            shutil.rmtree(part, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def write(self, path: Path, tensors: State) -> None:
        """Save a part."""
        bundle.write(path, {_GROUP: tensors}, {}, format=_FORMAT)
