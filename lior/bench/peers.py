"""Peers that are not lior's: compressors and the n-gram.

``python -m lior.bench.peers NAME FILE SPLIT`` learns the first SPLIT bytes of FILE,
scores the others and prints one JSON object: ``nats`` (of all scored bytes
together), ``train_seconds`` and ``score_seconds``, or ``skipped``.

A compressor has no score of its own for a part of a text; what the part costs
is the size of the whole less the size of what stands before it. The seconds of
the whole are shared out by length, for differences of short times are noise.
It learns while it reads, so it is an *online* peer.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from lior.bench.children import Skipped

PPMD_MEMORY = (1 << 26, 1 << 30)
"""Least and most bytes of the PPMd model, which starts afresh when they are full."""

PPMD_BYTES_PER_BYTE = 64
"""Bytes of the model for a byte of text; order 6 needs less than 30."""

Compress = Callable[[bytes], int]


def main(name: str, file: str, split: str) -> None:
    """Print the result of peer ``name``."""
    data = Path(file).read_bytes()
    try:
        result: dict[str, Any] = PEERS[name](data, int(split))
    except Skipped as reason:
        result = {"skipped": str(reason)}
    print(json.dumps(result))


def _optional(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise Skipped(f"{module} is not installed; pip install 'lior[bench]'") from error


# --- compressors ---


def _difference(make: Callable[[int], Compress], data: bytes, split: int) -> dict[str, float]:
    """The cost of ``data[split:]`` for a compressor that has read what stands before it."""
    compress = make(len(data))
    head = compress(data[:split])
    begin = time.perf_counter()
    whole = compress(data)
    seconds = time.perf_counter() - begin
    train = seconds * split / len(data)
    return {
        "nats": 8 * (whole - head) * math.log(2),
        "train_seconds": train,
        "score_seconds": seconds - train,
    }


def _ppmd(size: int) -> Compress:
    pyppmd = _optional("pyppmd")
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
    zstandard = _optional("zstandard")
    compressor = zstandard.ZstdCompressor(level=zstandard.MAX_COMPRESSION_LEVEL)
    return lambda data: len(compressor.compress(data))


_ZPAQ_MARGIN = 4096
"""zpaq counts so many bytes to a text when it chooses its tables."""


def _zpaq(size: int) -> Compress:
    """Method 5 by the Python package, else by the program; one thread, for more would cut the text.

    zpaq gives itself twice the memory for each power of two from a megabyte on. Zeros before the text,
    which cost it nothing, keep the whole and the part between the same two powers; else the difference of
    their sizes would hold what the larger tables saved on the part.
    """
    zeros = bytes(1 << (size + _ZPAQ_MARGIN).bit_length())
    plain = _plain_zpaq()
    return lambda data: plain(zeros + data)


def _plain_zpaq() -> Compress:
    try:
        zpaq: Any = import_module("zpaq")
    except ImportError:
        program = shutil.which("zpaq")
        if not program:
            raise Skipped("neither the program nor the Python package zpaq is installed") from None
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
    """Modified Kneser-Ney, static. Measured with nothing to score too, which is the time to train."""
    from lior.data import corpus
    from lior.model import baseline
    from lior.plugins.registry import registry

    tokenizer: Any = registry.get("tokenizer", "bytes")
    text = corpus.build([corpus.Source("text", data)], tokenizer())
    begin = time.perf_counter()
    baseline.nats_per_token(text, split, split, vocab=256, order=order)
    middle = time.perf_counter()
    _, nats = baseline.nats_per_token(text, split, len(text), vocab=256, order=order)
    end = time.perf_counter()
    train = middle - begin
    return {
        "nats": nats * (len(data) - split),
        "train_seconds": train,
        "score_seconds": max(end - middle - train, 1e-3),
    }


PEERS: dict[str, Callable[[bytes, int], dict[str, float]]] = {
    "ngram4": partial(_kneser_ney, 4),
    "ngram6": partial(_kneser_ney, 6),
    "ngram8": partial(_kneser_ney, 8),
    "ppmd": partial(_difference, _ppmd),
    "zlib": partial(_difference, _zlib),
    "lzma": partial(_difference, _lzma),
    "zstd": partial(_difference, _zstd),
    "zpaq": partial(_difference, _zpaq),
}


if __name__ == "__main__":
    main(*sys.argv[1:])
