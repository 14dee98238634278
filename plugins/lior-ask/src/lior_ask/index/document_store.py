"""The document store: original texts of documents, for machines that do not have the files."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from lior_ask.index.database import Database, intact
from lior_ask.index.writing import encode


class OriginalStore:
    """A store of the texts of files and of texts given in Python, by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, texts: Sequence[bytes]) -> None:
        """Add the texts of a name; a transaction is open."""
        rows = [(encode(name), number, zlib.compress(text, 1)) for number, text in enumerate(texts)]
        self._database.run("INSERT INTO originals VALUES (?, ?, ?)", rows)

    def delete(self, name: str) -> None:
        """Delete the texts of a name; a transaction is open."""
        self._database.rows("DELETE FROM originals WHERE name = ?", encode(name))

    @intact()
    def texts(self, name: str) -> list[bytes]:
        """Return the texts of a name.

        Raises ``DamagedIndex`` if they are damaged.
        """
        select = "SELECT data FROM originals WHERE name = ? ORDER BY number"
        try:
            return [zlib.decompress(data) for (data,) in self._database.cached(select, encode(name))]
        except zlib.error as error:
            raise ValueError(error) from None
