"""Texts: finding, reading and laying them out as one run of tokens.

A :class:`Corpus` is all documents one after the other. Contexts never cross
from one document into the next, so a document can be taken back without a
trace in its neighbours.
"""

from __future__ import annotations

import glob
import gzip
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import attrs
import torch
from torch import Tensor

from lior.errors import DataError
from lior.interfaces import Text, Tokenizer

EMBEDDED = "python-language-reference"
"""Name of the corpus that is always there: the standard library's ``pydoc_data.topics``."""

_GLOB = frozenset("*?[")
_SNIFF_BYTES = 8192


class Source(NamedTuple):
    """One document as it was found."""

    name: str
    data: bytes


def as_bytes(text: str | bytes) -> bytes:
    """``text`` as UTF-8; bytes that were no UTF-8 when Python read them are themselves again."""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


@attrs.frozen
class Corpus:
    """Documents as one tensor of tokens."""

    tokens: Tensor
    """int32 ``(N,)``."""
    starts: Tensor
    """Where each document begins, int64 ``(D,)``, ascending from 0."""
    names: tuple[str, ...]
    """Name of each document."""
    bytes: int
    """Length of all documents in bytes."""
    first_document: int = 0
    """Number of the first document; the others count on."""

    def __len__(self) -> int:
        return len(self.tokens)

    def depth(self, positions: Tensor) -> Tensor:
        """How many tokens of its document precede each position."""
        return positions - self.starts[torch.searchsorted(self.starts, positions, right=True) - 1]

    def text(self, lo: int, hi: int, *, context: int = 0) -> tuple[Text, int]:
        """Positions ``lo .. hi - 1`` with up to ``context`` tokens before; and where ``lo`` is in it."""
        first = max(lo - context, 0)
        position = torch.arange(first, hi, device=self.tokens.device)
        document = torch.searchsorted(self.starts, position, right=True) - 1
        depth = position - self.starts[document]
        text = Text(self.tokens[first:hi].long(), depth, document + self.first_document)
        return text, lo - first

    def chunks(self, begins: Sequence[int], length: int, hi: int, *, context: int) -> tuple[Text, Tensor]:
        """Several stretches of ``length`` side by side, and the positions in them without their contexts.

        A field that depends on at most ``context`` previous tokens is the same
        here as in the whole corpus.
        """
        texts, positions, total = [], [], 0
        for begin in begins:
            text, start = self.text(begin, min(begin + length, hi), context=context)
            positions.append(torch.arange(total + start, total + len(text.tokens), device=text.tokens.device))
            texts.append(text)
            total += len(text.tokens)
        return Text(*(torch.cat(column) for column in zip(*texts, strict=True))), torch.cat(positions)

    def bounds(self, index: int) -> tuple[int, int]:
        """Where the document of that index begins and ends."""
        ends = [*self.starts.tolist()[1:], len(self)]
        return int(self.starts[index]), ends[index]

    def and_then(self, more: Corpus) -> Corpus:
        """The documents of ``more`` behind those here."""
        return attrs.evolve(
            self,
            tokens=torch.cat([self.tokens, more.tokens.to(self.tokens)]),
            starts=torch.cat([self.starts, more.starts.to(self.starts) + len(self)]),
            names=(*self.names, *more.names),
            bytes=self.bytes + more.bytes,
        )

    def without(self, index: int, size: int) -> Corpus:
        """All documents but one, which has ``size`` bytes."""
        begin, end = self.bounds(index)
        starts = torch.cat([self.starts[:index], self.starts[index + 1 :] - (end - begin)])
        return attrs.evolve(
            self,
            tokens=torch.cat([self.tokens[:begin], self.tokens[end:]]),
            starts=starts,
            names=self.names[:index] + self.names[index + 1 :],
            bytes=self.bytes - size,
        )

    def to(self, device: torch.device | str) -> Corpus:
        """The corpus on ``device``."""
        return attrs.evolve(self, tokens=self.tokens.to(device), starts=self.starts.to(device))


def build(sources: Iterable[Source], tokenizer: Tokenizer) -> Corpus:
    """Tokenise ``sources`` and lay them out; empty documents are left out."""
    return build_parts(sources, tokenizer, 0)[0]


def build_parts(sources: Iterable[Source], tokenizer: Tokenizer, cut: int) -> tuple[Corpus, int]:
    """As :func:`build`, with no token across byte ``cut`` of all documents, and the number of tokens before.

    The document around that byte stays one document, so that the text is cut at
    the same place whatever the tokenizer.
    """
    tokens, names, starts, total, size, before = [], [], [], 0, 0, 0
    for name, data in sources:
        at = max(cut - size, 0)
        head, rest = (tokenizer.encode(part).to(torch.int32) for part in (data[:at], data[at:]))
        if not len(head) + len(rest):
            continue
        tokens += [head, rest]
        names.append(name)
        starts.append(total)
        total += len(head) + len(rest)
        size += len(data)
        before += len(head)
    joined = torch.cat(tokens) if tokens else torch.empty(0, dtype=torch.int32)
    return Corpus(joined, torch.tensor(starts, dtype=torch.int64), tuple(names), size), before


def until(sources: Iterable[Source], cut: int) -> Iterator[bytes]:
    """The documents before byte ``cut`` of all of them; the last may be a part of one."""
    for _, data in sources:
        if cut <= 0:
            return
        yield data[:cut]
        cut -= len(data)


def gather_contexts(tokens: Tensor, positions: Tensor, depth: Tensor, reach: int, vocab: int) -> Tensor:
    """The ``reach`` tokens before each position, most recent first, int64 ``(B, reach)``.

    ``depth (B,)`` is the number of tokens of the document before each position;
    before the beginning of the document stands the id ``vocab``.
    """
    lag = torch.arange(reach, device=positions.device)
    index = (positions[:, None] - 1 - lag).clamp(min=0)
    return torch.where(depth[:, None] > lag, tokens[index].long(), vocab)


# --- reading ----------------------------------------------------------------


LIMIT = 1 << 31
"""Bytes of a text, unpacked, over which it is refused unless another limit is given."""


def read(paths: Sequence[str], *, field: str = "text", limit: int = LIMIT) -> list[Source]:
    """The documents at ``paths``.

    Parameters
    ----------
    paths
        Files, folders (searched recursively, hidden and binary files left
        out), glob patterns, ``-`` for standard input. ``.gz`` is unpacked; each
        line of a ``.jsonl`` file is a document. No path means the embedded
        corpus.
    field
        Key of the text in a line of JSONL.
    limit
        Most bytes of all of them, unpacked; no more than that is ever read.

    Raises
    ------
    DataError
        When a path does not exist, holds no text, too much of it, or cannot be read.
    """
    if not paths:
        return embedded()
    sources: list[Source] = []
    for path in paths:
        for source in _expand(path, field, limit):
            sources.append(source)
            limit -= len(source.data)
    if not any(s.data for s in sources):
        raise DataError(f"{', '.join(paths)}: no text in there (0 bytes); give a file or folder with text")
    return sources


def embedded() -> list[Source]:
    """The Python language reference that comes with Python, one document a topic."""
    from pydoc_data.topics import topics

    return [Source(f"{EMBEDDED}/{name}", text.encode()) for name, text in sorted(topics.items())]


def _expand(path: str, field: str, limit: int) -> Iterator[Source]:
    if not path:
        raise DataError("'': a text has no name here; give files or folders, or - for standard input")
    if path == "-":
        yield Source("<stdin>", _bounded(sys.stdin.buffer, "standard input", limit))
        return
    found = _home(path)
    if _exists(found):
        yield from _folder(found, field, limit) if found.is_dir() else _file(found, field, limit)
    elif _GLOB & set(path):
        matches = sorted(p for p in glob.glob(str(found), recursive=True) if Path(p).is_file())  # noqa: PTH207 (absolute patterns)
        if not matches:
            raise DataError(f"{path}: the pattern matches no file")
        for match in matches:
            for source in _file(Path(match), field, limit):
                yield source
                limit -= len(source.data)
    else:
        raise DataError(f"{path}: no such file or folder")


def _home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)  # a user that is not there: the name is taken as it stands


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False  # a name the file system cannot hold does not exist


def _folder(folder: Path, field: str, limit: int) -> Iterator[Source]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    texts = [path for path in files if path.suffix == ".gz" or _looks_like_text(path)]
    if not texts:
        raise DataError(f"{folder}: no text file in this folder ({len(files)} files looked at)")
    for path in texts:
        for source in _file(path, field, limit):
            yield source
            limit -= len(source.data)


def _looks_like_text(path: Path) -> bool:
    with _readable(path), path.open("rb") as stream:
        head = stream.read(_SNIFF_BYTES)
    return bool(head) and b"\0" not in head


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn the ways in which reading ``path`` can fail into one line each."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _bounded(stream: BinaryIO, name: object, limit: int) -> bytes:
    """All of a stream, piece by piece; refused as soon as there is more than ``limit``."""
    pieces: list[bytes] = []
    while piece := stream.read(1 << 24):
        pieces.append(piece)
        limit -= len(piece)
        if limit < 0:
            raise DataError(
                f"{name}: more text than data.limit allows; raise that, or give less (a device never ends)"
            )
    return b"".join(pieces)


def _file(path: Path, field: str, limit: int) -> Iterator[Source]:
    with _readable(path):
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                data = _bounded(cast(BinaryIO, stream), path, limit)
        else:
            with path.open("rb") as stream:
                data = _bounded(stream, path, limit)
    inner = path.with_suffix("") if path.suffix == ".gz" else path
    if inner.suffix in (".jsonl", ".ndjson"):
        yield from _records(path, data, field)
    else:
        yield Source(str(path), data)


def _records(path: Path, data: bytes, field: str) -> Iterator[Source]:
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error})") from error
        if not isinstance(record, dict) or not isinstance(record.get(field), str):
            keys = ", ".join(sorted(record)[:8]) if isinstance(record, dict) else "not an object"
            raise DataError(f"{where}: no text under {field!r} (found: {keys}); name the key with --field")
        yield Source(f"{path}:{number}", record[field].encode("utf-8", "surrogatepass"))
