"""Lossless compression: arithmetic coding with a model that learns the text while it reads.

Encoder and decoder take the same steps, :class:`lior.model.online.Follower`: before each token both know its
distribution, after it both learn the same. The range coder (G. N. N. Martin, 1979) of ``constriction`` turns
the distributions into code words with the length of the model's bits, within a small share.

The results of both must agree to the last bit. So each prediction is computed alone, in arrays of the same
shapes on both sides, and on one thread, because a sum depends on the number of threads. Sums still depend on
the type of processor and on the versions of the libraries.

A compressed file is a header and the code words. Numbers are little-endian. ::

    5   magic
    1   version of the format
    4   CRC-32 of everything that follows
    1   length of the recipe's name; 0 for a trained run
    ..  name of the recipe, UTF-8
    32  SHA-256 of the run's manifest, or of the untrained model's parts
    8   length of the original in bytes
    8   length of the original in tokens
    32  SHA-256 of the original
    4   CRC-32 of the type of CPU and the versions of the libraries
    ..  code words, 4 bytes each
"""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior.errors import DataError, MissingPackage, RunError
from lior.model.evaluation import ProgressCallback, silent
from lior.model.language_model import Model
from lior.model.online import Follower

FORMAT = 1
"""Version of the layout. A newer one is refused."""

_MAGIC = b"\x89lior"
_START = struct.Struct("<BI")
_NUMBERS = struct.Struct("<32sQQ32sI")
_LIBRARIES = ("lior", "torch", "numpy", "numba", "llvmlite", "constriction")
_REPORT_EVERY = 256
_LARGEST = 2 << 30
"""Most bytes and tokens of an original."""
_ROUNDED = 2.0**-22
"""The coder rounds probabilities by less."""
"""Tokens between two reports of the progress."""


@attrs.frozen
class CompressedFile:
    """A compressed file."""

    recipe: str
    """Recipe of an untrained model; empty for a trained run."""
    digest: bytes
    """SHA-256 of the model's parts, 32 bytes."""
    size: int
    """Length of the original in bytes."""
    tokens: int
    """Length of the original in tokens."""
    sha256: bytes
    """SHA-256 of the original, 32 bytes."""
    machine: int
    """Value of :func:`machine` on the machine that made the file."""
    words: bytes
    """Code words, a multiple of 4 bytes."""

    def pack(self) -> bytes:
        """The content of the file."""
        name = self.recipe.encode()
        numbers = _NUMBERS.pack(self.digest, self.size, self.tokens, self.sha256, self.machine)
        body = bytes([len(name)]) + name + numbers + self.words
        return _MAGIC + _START.pack(FORMAT, zlib.crc32(body)) + body

    @classmethod
    def unpack(cls, data: bytes, *, name: str) -> CompressedFile:
        """The file with the content ``data``, called ``name`` in messages.

        Raises
        ------
        DataError
            When it is not a compressed file, of a newer format, cut short or damaged.
        """
        begin = len(_MAGIC) + _START.size
        if data[: len(_MAGIC)] != _MAGIC[: len(data)] or not data:
            raise DataError(f"{name}: not a file that `lior compress` made")
        if len(data) < begin:
            raise DataError(f"{name}: cut short ({len(data)} bytes)")
        found, checksum = _START.unpack_from(data, len(_MAGIC))
        if found != FORMAT:
            raise DataError(
                f"{name}: written in format {found}, and this lior reads format {FORMAT}; "
                "install a newer lior"
            )
        body = data[begin:]
        if zlib.crc32(body) != checksum:
            raise DataError(f"{name}: cut short or damaged (its checksum does not match)")
        try:
            at = 1 + body[0]
            digest, size, tokens, sha256, made_on = _NUMBERS.unpack_from(body, at)
            words = body[at + _NUMBERS.size :]
            if len(words) % 4:
                raise ValueError("code words")
            if max(size, tokens) > _LARGEST:
                raise ValueError(f"it claims {size:,} bytes and {tokens:,} tokens")
            return cls(body[1:at].decode(), digest, size, tokens, sha256, made_on, words)
        except (IndexError, struct.error, ValueError) as error:
            raise DataError(f"{name}: not a file that `lior compress` made ({error})") from error


def machine() -> int:
    """A number for the type of CPU and the libraries' versions, on which the last bits of sums depend."""
    binding = import_module("llvmlite.binding")
    parts = [binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()]
    return zlib.crc32("\n".join(parts + [f"{name} {_version(name)}" for name in _LIBRARIES]).encode())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@attrs.frozen
class Coder:
    """A model for coding and its digest, which must be equal on both sides."""

    model: Model
    digest: bytes
    """SHA-256 of the run's manifest, or of the parts of an untrained model."""
    recipe: str
    """Name of the recipe of an untrained model; empty for a run."""
    document: int = 0
    """Number of the document that is coded: higher than those that the model has read."""

    def check(self, file: CompressedFile, *, name: str) -> None:
        """Refuse a file that was made with another model.

        Raises
        ------
        RunError
            When it was; ``name`` is the name of the file.
        """
        theirs, ours = file.digest.hex()[:12], self.digest.hex()[:12]
        if file.digest != self.digest:
            other = f"other settings or versions of recipe {file.recipe!r}" if file.recipe else "another run"
            whose = "their" if file.recipe else "its"
            raise RunError(f"{name}: made with {other} ({whose} SHA-256 begins with {theirs}, not {ours})")


def compress(
    data: bytes, coder: Coder, *, progress: ProgressCallback = silent
) -> tuple[CompressedFile, float]:
    """Compress ``data``; the model learns it.

    Returns
    -------
    tuple of CompressedFile and float
        The compressed file, and the sum of ``-log2 p`` of all tokens.

    Raises
    ------
    MissingPackage
        Without ``constriction``.
    """
    if len(data) > _LARGEST:
        raise DataError(f"{len(data):,} bytes: at most {_LARGEST >> 30} GiB are compressed; split it")
    tokens = coder.model.tokenizer.encode(data)
    words, bits = encode(coder.model, tokens, document=coder.document, progress=progress)
    sha256 = hashlib.sha256(data).digest()
    file = CompressedFile(coder.recipe, coder.digest, len(data), len(tokens), sha256, machine(), words)
    return file, bits


def decompress(
    file: CompressedFile, coder: Coder, *, name: str, progress: ProgressCallback = silent
) -> bytes:
    """Decompress what :func:`compress` gave; the model learns it.

    Parameters
    ----------
    name
        Name of the compressed file in messages.

    Raises
    ------
    RunError
        When the file was made with another model.
    DataError
        When the result is not the original.
    MissingPackage
        Without ``constriction``.
    """
    coder.check(file, name=name)
    elsewhere = "; it was made with another type of CPU or other versions of the libraries: decode it there"
    wrong = DataError(
        f"{name}: the result is not what was compressed (its SHA-256 differs)"
        f"{'' if file.machine == machine() else elsewhere}"
    )
    try:
        tokens = decode(coder.model, file.words, file.tokens, document=coder.document, progress=progress)
        data = coder.model.tokenizer.decode(tokens.tolist())
    except (AssertionError, _TooFewWords) as error:  # the first by constriction, where no model gives them
        raise wrong from error
    if len(data) != file.size or hashlib.sha256(data).digest() != file.sha256:
        raise wrong
    return data


# --- tokens and code words ---


class _TooFewWords(Exception):
    """The code words hold fewer tokens than the file claims."""


def encode(
    model: Model, tokens: Tensor, *, document: int = 0, progress: ProgressCallback = silent
) -> tuple[bytes, float]:
    """Code words of ``tokens (N,)`` (int64, on the CPU) and their bits; the model is changed.

    Parameters
    ----------
    document
        Number of the document.

    Raises
    ------
    MissingPackage
        Without ``constriction``.
    """
    stream = library().stream
    out, bits = stream.queue.RangeEncoder(), 0.0
    with _one_thread():
        reader = Follower(model, len(tokens), document=document)
        for count, token in enumerate(tokens.tolist(), 1):
            p = reader.predict()
            column = int(np.searchsorted(reader.known, token))
            seen = column < len(reader.known) and reader.known[column] == token
            column = column if seen else len(reader.known)
            bits -= math.log2(p[column])
            _put(out, stream, p, column)
            if not seen:
                bits += math.log2(len(reader.unknown))
                _put(out, stream, len(reader.unknown), int(np.searchsorted(reader.unknown, token)))
            reader.update(token)
            _report(progress, "compress", count, len(tokens), {"bits_per_token": bits / count})
    return out.get_compressed().astype("<u4").tobytes(), bits


def decode(
    model: Model, words: bytes, count: int, *, document: int = 0, progress: ProgressCallback = silent
) -> Tensor:
    """The ``count`` tokens (int64) of the code words that :func:`encode` gave; the model is changed.

    The coder goes on without end where there are no more words. So the bits of the tokens are counted, each
    at the least that the coder took for it, and may not exceed those of the words.

    Raises
    ------
    MissingPackage
        Without ``constriction``.
    """
    stream = library().stream
    source = stream.queue.RangeDecoder(np.frombuffer(words, "<u4").astype(np.uint32))
    left = 8.0 * len(words) + 64
    with _one_thread():
        reader = Follower(model, count, document=document)
        for done in range(1, count + 1):
            p = reader.predict()
            column = _take(source, stream, p)
            left += min(math.log2(p[column] + _ROUNDED), 0.0)
            if column < len(reader.known):
                token = int(reader.known[column])
            else:
                token = int(reader.unknown[_take(source, stream, len(reader.unknown))])
                left -= max(math.log2(len(reader.unknown)) - 1, 0.0)
            if left < 0:
                raise _TooFewWords
            reader.update(token)
            _report(progress, "decompress", done, count, {})
    return reader.tokens


def _put(out: Any, stream: ModuleType, choices: NDArray[np.float64] | int, choice: int) -> None:
    chances = _chances(stream, choices)
    if chances is not None:
        out.encode(choice, chances)


def _take(source: Any, stream: ModuleType, choices: NDArray[np.float64] | int) -> int:
    chances = _chances(stream, choices)
    return 0 if chances is None else int(source.decode(chances))


def _chances(stream: ModuleType, choices: NDArray[np.float64] | int) -> Any:
    """The coder's form of probabilities, or of a number of equal ones; ``None`` for a single choice."""
    if isinstance(choices, int):
        return stream.model.Uniform(choices) if choices > 1 else None
    return stream.model.Categorical(choices, perfect=False) if len(choices) > 1 else None


def _report(
    progress: ProgressCallback, stage: str, done: int, count: int, metrics: Mapping[str, float]
) -> None:
    if done % _REPORT_EVERY == 0 or done == count:
        progress(stage, done, count, metrics)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def library() -> ModuleType:
    """Import ``constriction``, the arithmetic coder.

    Raises
    ------
    MissingPackage
        When it is not installed.
    """
    try:
        return import_module("constriction")
    except ImportError as error:
        raise MissingPackage(
            "the arithmetic coder is in the package constriction, which cannot be imported; "
            f"install it: pip install 'lior[compress]' ({error})"
        ) from error
