"""Lossless compression: arithmetic coding with a model that learns the text while it reads.

Encoder and decoder take the same steps, :class:`lior.model.online.Follower`: before each token both know
its distribution, after it both learn the same. A range coder (:mod:`lior.counting.coder`) turns
distributions into code words whose length is nearly the model's bits. If a single memory forms the model
and can code (:class:`~lior.interfaces.CodingMemory`), one call of a compiled loop codes 64 tokens.

The results of both must agree to the last bit. So both run the same functions on arrays of the same shapes,
token by token, and on one thread, because a sum depends on the number of threads. Sums still depend on the
type of processor and on the versions of the libraries.

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
import struct
import zlib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import attrs
from torch import Tensor

from lior.counting.coder import RangeCoder
from lior.errors import DataError, RunError
from lior.model.evaluation import ProgressCallback, silent
from lior.model.language_model import Model
from lior.model.online import Follower
from lior.tensors import one_thread

FORMAT = 2
"""Version of the layout and the code words; other versions are refused."""

_MAGIC = b"\x89lior"
_START = struct.Struct("<BI")
_NUMBERS = struct.Struct("<32sQQ32sI")
_LIBRARIES = ("lior", "torch", "numpy", "numba", "llvmlite")
_REPORT_EVERY = 2048
"""Number of tokens between two progress reports."""
_LARGEST = 2 << 30
"""Maximum bytes and tokens of an original."""


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
        """Return the content of the file."""
        name = self.recipe.encode()
        numbers = _NUMBERS.pack(self.digest, self.size, self.tokens, self.sha256, self.machine)
        body = bytes([len(name)]) + name + numbers + self.words
        return _MAGIC + _START.pack(FORMAT, zlib.crc32(body)) + body

    @classmethod
    def unpack(cls, data: bytes, *, name: str) -> CompressedFile:
        """Return the file with the content ``data``, called ``name`` in messages.

        Raises
        ------
        DataError
            When it is not a compressed file, or a newer format, truncated or damaged.
        """
        begin = len(_MAGIC) + _START.size
        if data[: len(_MAGIC)] != _MAGIC[: len(data)] or not data:
            raise DataError(f"{name}: not a file that `lior compress` made")
        if len(data) < begin:
            raise DataError(f"{name}: cut short ({len(data)} bytes)")
        found, checksum = _START.unpack_from(data, len(_MAGIC))
        if found != FORMAT:
            other = "install a newer lior" if found > FORMAT else "decompress it with the lior that made it"
            raise DataError(f"{name}: written in format {found}, this lior reads format {FORMAT}; {other}")
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
    """Return a number for the type of CPU and the libraries' versions, which affect the last bits of sums."""
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
    """SHA-256 of the run's manifest, or of an untrained model's parts."""
    recipe: str
    """Name of the recipe of an untrained model; empty for a run."""
    document: int = 0
    """Number of the coded document, higher than those that the model has read."""

    def check(self, file: CompressedFile, *, name: str) -> None:
        """Refuse a file that was compressed with another model.

        Raises
        ------
        RunError
            When the models differ; ``name`` is the name of the file.
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
    DataError
        When ``data`` is larger than a compressed file can hold.
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
    """Decompress a result of :func:`compress`; the model learns it.

    Parameters
    ----------
    name
        Name of the compressed file in messages.

    Raises
    ------
    RunError
        When the file was compressed with another model.
    DataError
        When the result is not the original.
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
    except _TooFewWords as error:
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
    """Return the code words of ``tokens (N,)`` (int64, on the CPU) and their bits; the model is changed.

    Parameters
    ----------
    document
        Number of the document.
    """
    words, given = RangeCoder(), tokens.numpy()
    with one_thread():
        reader = Follower(model, len(tokens), document=document)
        while (count := len(reader.tokens)) < len(tokens):
            reader.code(words, given)
            per_token = {"bits_per_token": words.bits / len(reader.tokens)}
            _report(progress, "compress", count, len(reader.tokens), len(tokens), per_token)
    return words.finish() if len(tokens) else b"", words.bits


def decode(
    model: Model, words: bytes, count: int, *, document: int = 0, progress: ProgressCallback = silent
) -> Tensor:
    """Return the ``count`` tokens (int64) of the code words from :func:`encode`; the model is changed.

    After the last word the coder reads zeros; an encoder may have left them out only once.
    """
    source = RangeCoder(words)
    with one_thread():
        reader = Follower(model, count, document=document)
        while (before := len(reader.tokens)) < count:
            reader.code(source)
            if source.overdrawn:
                raise _TooFewWords
            _report(progress, "decompress", before, len(reader.tokens), count, {})
    return reader.tokens


def _report(
    progress: ProgressCallback, stage: str, before: int, done: int, count: int, metrics: Mapping[str, float]
) -> None:
    if done // _REPORT_EVERY > before // _REPORT_EVERY or done == count:
        progress(stage, done, count, metrics)
