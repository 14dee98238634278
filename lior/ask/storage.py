"""The passages of an index as arrays, and files of arrays that are there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from lior.ask.interfaces import Passage
from lior.errors import DataError
from lior.files import PARTIAL, replacing

_MAGIC = b"lior index 1\n"
_META = "meta"


@attrs.frozen(slots=False)
class Shelf:
    """The passages of documents, one document after the other.

    Texts are kept as one array of bytes, because a hundred thousand Python objects take a second to load. The
    context and the place of a passage are one string, its label, which passages of a document share.
    """

    passages: np.ndarray
    """Passages of each document, int64 ``(D,)``."""
    labels: np.ndarray
    """Different labels of each document, int64 ``(D,)``."""
    line: np.ndarray
    """int32 ``(N,)``, as ``column`` and ``group``."""
    column: np.ndarray
    group: np.ndarray
    label: np.ndarray
    """Label of each passage, from 0 in its document, int32 ``(N,)``."""
    text_bytes: np.ndarray
    """Bytes of each text, int32 ``(N,)``."""
    label_bytes: np.ndarray
    """Bytes of each label, int32 ``(L,)``."""
    text: np.ndarray
    """UTF-8 of all texts, uint8."""
    names: np.ndarray
    """UTF-8 of all labels, uint8."""

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> Shelf:
        """A shelf of one document."""
        labels = [f"{p.place}\0{p.context}" for p in passages]
        known = {label: number for number, label in enumerate(dict.fromkeys(labels))}
        texts, names = [_encoded(p.text) for p in passages], [_encoded(label) for label in known]

        def integers(values: Any) -> np.ndarray:
            return np.fromiter(values, np.int32)

        return cls(
            passages=np.array([len(passages)]),
            labels=np.array([len(known)]),
            line=integers(p.line for p in passages),
            column=integers(p.column for p in passages),
            group=integers(p.group for p in passages),
            label=integers(known[label] for label in labels),
            text_bytes=integers(map(len, texts)),
            label_bytes=integers(map(len, names)),
            text=np.frombuffer(b"".join(texts), np.uint8),
            names=np.frombuffer(b"".join(names), np.uint8),
        )

    @classmethod
    def joined(cls, shelves: Sequence[Shelf]) -> Shelf:
        """Their documents in one; an empty sequence gives an empty shelf."""
        each = [attrs.asdict(shelf) for shelf in shelves or [cls.of(())]]
        whole = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
        return cls(**whole) if shelves else cls(**whole).part(0, 0)

    def part(self, first: int, last: int) -> Shelf:
        """The documents from ``first`` to before ``last``."""
        rows, labels = self.starts[[first, last]], self._label_starts[[first, last]]
        spans = {
            "passages": (first, last),
            "labels": (first, last),
            "label_bytes": labels,
            "text": self._text_starts[rows],
            "names": self._name_starts[labels],
        }
        return Shelf(**{name: a[slice(*spans.get(name, rows))] for name, a in attrs.asdict(self).items()})

    def passage(self, row: int, document: str, place: int) -> Passage:
        """A passage by its row; ``document`` is the name of the document at ``place``."""
        label = int(self._label_starts[place]) + int(self.label[row])
        where, _, context = _slice(self.names, self._name_starts, label).partition("\0")
        return Passage(
            document=document, line=int(self.line[row]), column=int(self.column[row]),
            text=_slice(self.text, self._text_starts, row), context=context, place=where,
            group=int(self.group[row]),
        )  # fmt: skip

    @cached_property
    def starts(self) -> np.ndarray:
        """First row of each document, and the number of rows, int64 ``(D + 1,)``."""
        return _starts(self.passages)

    @cached_property
    def _label_starts(self) -> np.ndarray:
        return _starts(self.labels)

    @cached_property
    def _text_starts(self) -> np.ndarray:
        return _starts(self.text_bytes)

    @cached_property
    def _name_starts(self) -> np.ndarray:
        return _starts(self.label_bytes)


def _starts(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _slice(data: np.ndarray, starts: np.ndarray, number: int) -> str:
    return data[starts[number] : starts[number + 1]].tobytes().decode("utf-8", "surrogatepass")


# --- files ---


def save(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Put arrays and entries ready for JSON in place of the file at ``path``, which is never half written.

    Raises
    ------
    OSError
        When it cannot be written; then the file is as it was.
    """
    from safetensors.numpy import save as packed

    whole = {**arrays, _META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    data = packed({name: np.ascontiguousarray(array) for name, array in whole.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    with replacing(path, part=part, private=True) as stream:
        stream.write(_MAGIC + hashlib.sha256(data).digest())
        stream.write(data)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays, read-only, and the entries of a file.

    Raises
    ------
    FileNotFoundError
        When there is none.
    DataError
        When it is damaged or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpacked

    data = path.read_bytes()
    head = len(_MAGIC) + hashlib.sha256().digest_size
    if not data.startswith(_MAGIC):
        raise DataError(f"{path}: not an index of this version of lior")
    body = memoryview(data)[head:]
    if hashlib.sha256(body).digest() != data[len(_MAGIC) : head]:
        raise DataError(f"{path}: changed since it was written (its checksum does not match)")
    try:
        arrays = unpacked(bytes(body))
        meta = json.loads(arrays.pop(_META).tobytes())
    except (SafetensorError, LookupError, ValueError) as error:  # a right checksum proves no right content
        raise DataError(f"{path}: cannot be read ({error})") from error
    return arrays, dict(meta)
