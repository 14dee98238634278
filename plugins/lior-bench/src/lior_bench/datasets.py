"""The texts of a comparison: every system reads the same bytes and the same split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from lior.errors import DataError
from lior.reading import EMBEDDED, read_documents

HOLDOUT = 0.1
"""The hold-out split: the share of bytes at the end of a text that is scored."""

MIN_BYTES = 1000
"""The minimum size of a text, in bytes: a tenth of a shorter text is too little for a comparison."""


@attrs.frozen
class BenchText:
    """One text on disk."""

    name: str
    """The path as given, or the name of the embedded text."""
    path: str
    """The path of the file with the bytes."""
    bytes: int
    split: int
    """The number of bytes to learn; the rest is scored."""
    sha256: str

    @property
    def scored(self) -> int:
        """The number of bytes to score."""
        return self.bytes - self.split

    def summary(self) -> dict[str, Any]:
        """Return the entry of the text in JSON, without the file, which no longer exists then."""
        sizes = {"bytes": self.bytes, "train_bytes": self.split, "scored_bytes": self.scored}
        return {"name": self.name, **sizes, "sha256": self.sha256}


def prepare(paths: Sequence[str], folder: Path, *, field: str, limit: int) -> list[BenchText]:
    """Write ``paths``, or the embedded corpus if there is none, to ``folder``.

    Parameters
    ----------
    field
        Key of the text in JSON Lines.
    limit
        The length to which a text is cut, in bytes; 0: no limit.

    Raises
    ------
    DataError
        When a text cannot be read or is shorter than :data:`MIN_BYTES`.
    """
    return [
        _write_one(path, folder / f"text{number}", field=field, limit=limit)
        for number, path in enumerate(dict.fromkeys(paths) or [""])
    ]


def _write_one(path: str, file: Path, *, field: str, limit: int) -> BenchText:
    sources = read_documents([path] if path else [], field=field, raw=True)
    # One document, since compressors have no documents and all systems must read the same bytes.
    data = b"".join(source.data for source in sources)[: limit or None]
    name = (path or EMBEDDED).encode("utf-8", "replace").decode()  # file names need not be UTF-8
    if len(data) < MIN_BYTES:
        raise DataError(f"{name}: {len(data)} bytes are too few to compare on; give at least {MIN_BYTES}")
    file.write_bytes(data)
    split = int(len(data) * (1 - HOLDOUT))
    return BenchText(name, str(file), len(data), split, hashlib.sha256(data).hexdigest())
