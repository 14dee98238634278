"""The passages of documents as bytes, and files of arrays that are there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from lior.errors import DataError
from lior.files import PARTIAL, replacing
from lior.interfaces import Passage

_MAGIC = b"lior index 2\n"
_META = "meta"

# --- passages ---


def packed(passages: Sequence[Passage]) -> bytes:
    """The passages of a document in one piece, because a hundred thousand objects take a second to load.

    The number of passages and of labels, then line, column, group and label of each passage, int32; where the
    UTF-8 of each text and label begins, and the end, int64; the UTF-8. A label is place and context, which
    passages share.
    """
    labels = [f"{p.place}\0{p.context}" for p in passages]
    known = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    texts = [text.encode("utf-8", "surrogatepass") for text in (*(p.text for p in passages), *known)]
    numbers = [
        number
        for p, label in zip(passages, labels, strict=True)
        for number in (p.line, p.column, p.group, known[label])
    ]
    head = np.array([len(passages), len(known), *numbers], np.int32)
    ends = np.array([*accumulate(map(len, texts), initial=0)], np.int64)
    return head.tobytes() + ends.tobytes() + b"".join(texts)


def unpacked(data: bytes, row: int, document: str) -> Passage:
    """The passage ``row`` of what :func:`packed` gave of a document."""
    passages, labels = np.frombuffer(data, np.int32, 2).tolist()
    line, column, group, label = np.frombuffer(data, np.int32, 4, 8 + 16 * row).tolist()
    at = 8 + 16 * passages

    def text(number: int) -> str:
        begin, end = at + 8 * (passages + labels + 1) + np.frombuffer(data, np.int64, 2, at + 8 * number)
        return data[begin:end].decode("utf-8", "surrogatepass")

    place, _, context = text(passages + label).partition("\0")
    return Passage(
        document=document, line=line, column=column, text=text(row), context=context, place=place, group=group
    )


# --- files ---


def save(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> None:
    """Put arrays and entries ready for JSON in place of the file at ``path``, which is never half written.

    Raises ``OSError`` when it cannot be written; then the file is as it was.
    """
    from safetensors.numpy import save as packed

    whole = {**arrays, _META: np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    data = packed({name: np.ascontiguousarray(array) for name, array in whole.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{path.name}.*{PARTIAL}"):  # by a process that was killed
        with contextlib.suppress(OSError):
            left.unlink()
    part = path.with_name(f"{path.name}.{os.getpid()}{PARTIAL}")
    with replacing(path, part=part, private=True) as stream:
        stream.write(_MAGIC + hashlib.sha256(data).digest())
        stream.write(data)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays, read-only, and the entries of a file.

    Raises ``FileNotFoundError`` when there is none; ``DataError`` when it is damaged or of another version.
    """
    from safetensors.numpy import load as loaded

    data = path.read_bytes()
    head = len(_MAGIC) + hashlib.sha256().digest_size
    if not data.startswith(_MAGIC):
        raise DataError(f"{path}: not an index of this version of lior")
    body = memoryview(data)[head:]
    if hashlib.sha256(body).digest() != data[len(_MAGIC) : head]:
        raise DataError(f"{path}: changed since it was written (its checksum does not match)")
    arrays = loaded(bytes(body))
    return arrays, json.loads(arrays.pop(_META).tobytes())
