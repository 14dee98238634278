"""Baselines: compressors and Kneser-Ney n-grams.

:func:`measure` learns the first bytes of a file and scores the others.

The cost of a part of a text for a compressor is the size of the whole text minus
the size of the text before that part. The seconds of the whole are divided by
length, since differences of short times are noise. A compressor learns while it
reads, so it is an *online* baseline. Short work is repeated, and the shortest time counts.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyppmd
import zstandard

from lior_bench.children import Unavailable

PPMD_MEMORY = (1 << 26, 1 << 30)
"""The minimum and maximum size of the PPMd model, in bytes; a full model starts anew."""

PPMD_BYTES_PER_BYTE = 64
"""The size of the model in bytes for each byte of text; order 6 needs less than 30."""

TIMED_SECONDS = 0.2
"""The total time for which work is repeated, in seconds."""

Compress = Callable[[bytes], int]


def measure(name: str, file: str, split: int) -> dict[str, float]:
    """Return ``nats``, the total over the scored bytes, ``train_seconds`` and ``score_seconds``.

    Raises
    ------
    Unavailable
        When a program or package is missing.
    """
    return BASELINES[name](Path(file).read_bytes(), split)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result, and the shortest time of several calls in seconds."""
    spent, shortest = 0.0, math.inf
    while spent < TIMED_SECONDS:
        begin = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - begin
        spent, shortest = spent + seconds, min(shortest, seconds)
    return result, shortest


def _answer(nats: float, train_seconds: float, score_seconds: float) -> dict[str, float]:
    return {"nats": nats, "train_seconds": train_seconds, "score_seconds": score_seconds}


# --- compressors ---


def _difference(make: Callable[[int], Compress], data: bytes, split: int) -> dict[str, float]:
    """Return the cost of ``data[split:]`` for a compressor that has read ``data[:split]``."""
    compress = make(len(data))
    head = compress(data[:split])
    whole, seconds = _timed(lambda: compress(data))
    train = seconds * split / len(data)
    return _answer(8 * (whole - head) * math.log(2), train, seconds - train)


def _ppmd(size: int) -> Compress:
    low, high = PPMD_MEMORY
    memory = min(max(low, PPMD_BYTES_PER_BYTE * size), high)
    return lambda data: len(pyppmd.compress(data, max_order=6, mem_size=memory, variant="H"))


def _zlib(size: int) -> Compress:
    import zlib

    return lambda data: len(zlib.compress(data, 9))


def _lzma(size: int) -> Compress:
    import lzma

    return lambda data: len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def _zstd(size: int) -> Compress:
    compressor = zstandard.ZstdCompressor(level=zstandard.MAX_COMPRESSION_LEVEL)
    return lambda data: len(compressor.compress(data))


_ZPAQ_MARGIN = 4096
"""The number of bytes that zpaq adds to the length of a text when it chooses its tables."""


def _zpaq(size: int) -> Compress:
    """Return method 5 of the Python package, or else of the program, with one thread: more would cut the
    text.

    From a megabyte on, zpaq doubles its tables at each power of two. Zeros before the text, which cost
    almost nothing, keep the length of the whole and of the part between the same two powers. Otherwise the
    difference of the sizes would also contain the gain of the larger tables on the part.
    """
    zeros = bytes(1 << (size + _ZPAQ_MARGIN).bit_length())
    plain = _plain_zpaq()
    return lambda data: plain(zeros + data)


def _plain_zpaq() -> Compress:
    try:
        import zpaq
    except ImportError:
        program = shutil.which("zpaq")
        if not program:
            raise Unavailable("neither the program nor the Python package zpaq is installed") from None
        return partial(_zpaq_program, program)
    return lambda data: len(zpaq.compress(data, level=5, threads=1))


def _zpaq_program(program: str, data: bytes) -> int:
    with tempfile.TemporaryDirectory() as folder:
        text, archive = Path(folder) / "text", Path(folder) / "archive.zpaq"
        text.write_bytes(data)
        command = [program, "add", str(archive), str(text), "-m5", "-t1"]
        subprocess.run(command, check=True, capture_output=True)
        return archive.stat().st_size


# --- the n-gram ---


def _kneser_ney(order: int, data: bytes, split: int) -> dict[str, float]:
    """Score with a static modified Kneser-Ney model; its training time is that of a call with nothing to
    score.
    """
    from lior import registry
    from lior.model import build_corpus, nats_per_token
    from lior.reading import RawDocument

    tokenizer: Any = registry.get("tokenizer", "bytes")
    text = build_corpus([RawDocument("text", data)], tokenizer())

    def cost(end: int) -> float:
        return nats_per_token(text, split, end, vocab=256, order=order)[1]

    _, train = _timed(lambda: cost(split))
    nats, whole = _timed(lambda: cost(len(text)))
    if whole <= train:  # the time of scoring is within the noise
        train = whole * split / len(data)
    return _answer(nats * (len(data) - split), train, whole - train)


BASELINES: dict[str, Callable[[bytes, int], dict[str, float]]] = {
    "ngram4": partial(_kneser_ney, 4),
    "ngram6": partial(_kneser_ney, 6),
    "ngram8": partial(_kneser_ney, 8),
    "ppmd": partial(_difference, _ppmd),
    "zlib": partial(_difference, _zlib),
    "lzma": partial(_difference, _lzma),
    "zstd": partial(_difference, _zstd),
    "zpaq": partial(_difference, _zpaq),
}
