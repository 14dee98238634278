"""The passage store: the passages of documents in a database, up to 256 in a row of the table."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np

from lior.interfaces import Passage
from lior_ask.index.database import DamagedIndex, Database

_TOGETHER = 256
"""Maximum number of passages in a row of the table."""
_DOCUMENT = 1 << 24
"""Maximum number of rows of a document."""


class PassageStore:
    """A store of the passages of documents, by the documents' keys in an inverted index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: int, passages: Sequence[Passage]) -> None:
        """Add the passages of a document; a transaction is open."""
        parts = range(0, len(passages), _TOGETHER)
        rows = [(key * _DOCUMENT + n, pack(passages[at : at + _TOGETHER])) for n, at in enumerate(parts)]
        self._database.run("INSERT INTO texts VALUES (?, ?)", rows)

    def delete(self, key: int) -> None:
        """Delete the passages of a document; a transaction is open."""
        bounds = key * _DOCUMENT, (key + 1) * _DOCUMENT
        self._database.rows("DELETE FROM texts WHERE key >= ? AND key < ?", *bounds)

    def passages(self, key: int, numbers: range, document: str) -> list[Passage]:
        """Return the passages ``numbers`` of a document.

        Raises ``DamagedIndex`` when they are damaged.
        """
        found = list[Passage]()
        for part in range(numbers.start // _TOGETHER, (numbers.stop - 1) // _TOGETHER + 1):
            rows = self._database.cached("SELECT data FROM texts WHERE key = ?", key * _DOCUMENT + part)
            first = part * _TOGETHER
            inside = range(max(numbers.start - first, 0), min(numbers.stop - first, _TOGETHER))
            found += unpack(rows[0][0] if rows else b"", inside, document)
        return found

    def lines(self, key: int) -> Iterator[tuple[int, str]]:
        """Yield the line in the file and the text of each passage at the beginning of a line, fast.

        Raises ``DamagedIndex`` when they are damaged.
        """
        for data in self.parts(key):
            numbers, begins = _layout(data)
            for (line, column, *_), (begin, end) in zip(numbers.tolist(), pairwise(begins), strict=False):
                if column == 1:
                    yield line, data[begin:end].decode("utf-8", "surrogatepass")

    def numbers(self, key: int) -> list[int]:
        """Return the line in the file of each passage of a document.

        Raises ``DamagedIndex`` when they are damaged.
        """
        return [line for data in self.parts(key) for line in _layout(data)[0][:, 0].tolist()]

    def parts(self, key: int) -> Iterator[bytes]:
        """Yield the rows of the table with a document's passages."""
        bounds = key * _DOCUMENT, (key + 1) * _DOCUMENT
        select = "SELECT data FROM texts WHERE key >= ? AND key < ? ORDER BY key"
        for (data,) in self._database.cached(select, *bounds):
            yield data


def pack(passages: Sequence[Passage]) -> bytes:
    """Return the passages of a document as bytes.

    The format is: the CRC-32 of the rest; the numbers of passages and of labels; line, column, group, twice
    the block plus 1 for a title, and label of each passage; the offsets of each text and label, and of the
    end; the texts and labels in UTF-8. Numbers are int32. A label is place and context, which passages share.
    """
    labels = [f"{p.place}\0{p.context}" for p in passages]
    known = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    texts = [text.encode("utf-8", "surrogatepass") for text in (*(p.text for p in passages), *known)]
    numbers = [len(passages), len(known)]
    for p, label in zip(passages, labels, strict=True):
        numbers += [p.line, p.column, p.group, 2 * p.block + p.title, known[label]]
    ends = accumulate(map(len, texts), initial=0)
    data = np.array([*numbers, *ends], np.int32).tobytes() + b"".join(texts)
    return zlib.crc32(data).to_bytes(4, "little") + data


def unpack(data: bytes, rows: range, document: str) -> list[Passage]:
    """Return the passages ``rows`` of the bytes that :func:`pack` returned for a document.

    Raises ``DamagedIndex`` if they are damaged.
    """
    numbers, begins = _layout(data)

    def text(number: int) -> str:
        return data[begins[number] : begins[number + 1]].decode("utf-8", "surrogatepass")

    def passage(row: int) -> Passage:
        line, column, group, block, label = numbers[row].tolist()
        place, _, context = text(len(numbers) + label).partition("\0")
        return Passage(
            document=document,
            line=line,
            column=column,
            text=text(row),
            context=context,
            place=place,
            group=group,
            block=block >> 1,
            title=block % 2 == 1,
        )

    return [*map(passage, rows)]


def _layout(data: bytes) -> tuple[np.ndarray, list[int]]:
    """Return the numbers of packed passages, int32 ``(n, 5)``, and the offsets of texts and labels."""
    if len(data) < 4 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "little"):
        raise DamagedIndex("the passages are damaged (their checksum does not match)")
    passages, labels = np.frombuffer(data, np.int32, 2, 4).tolist()
    numbers = np.frombuffer(data, np.int32, 5 * passages, 12).reshape(-1, 5)
    begins = np.frombuffer(data, np.int32, passages + labels + 1, 12 + 20 * passages)
    return numbers, (begins + 12 + 20 * passages + 4 * len(begins)).tolist()
