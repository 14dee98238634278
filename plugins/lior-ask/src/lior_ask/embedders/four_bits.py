"""The model of ``e5`` in its file: word pieces, their vectors, and twelve layers, with weights of four bits.

Weights are stored in blocks of 32 (``Q4_0`` of ggml). A block is a float16 scale :math:`d` and 16 bytes.
Each byte has two numbers :math:`(q - 8) d`, the first one in the low half. NumPy computes with the
unpacked weights (:mod:`~lior_ask.embedders.layers`), ONNX Runtime with these blocks
(:mod:`~lior_ask.embedders.graph`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import attrs
import numpy as np

from lior.errors import DataError
from lior_ask.embedders.pieces import Pieces

PARTS = ("q", "k", "v", "ao", "fi", "fo")
"""Matrix products of a layer: query, key, value, output, and two of the feed-forward network."""
LAYERS, HEADS, EPSILON = 12, 12, 1e-12
BLOCK = 32
"""Number of weights of a block."""
_TYPES = {"F32": np.float32, "F16": np.float16, "U8": np.uint8}


@attrs.frozen(eq=False)
class Model:
    """The model by its tensors.

    Matrices are ``NAME.w``, uint8 ``(outputs, inputs / 32, 16)``, with ``NAME.scales``, float16. The vectors
    of the pieces are one of them, ``pieces``. ``positions`` is float16 ``(P, width)``; others are float32.
    The bytes of all pieces are ``letters``, their sizes ``sizes``, uint8, and their log probabilities
    ``scores``. ``instead`` has each character that is replaced, with its replacement, separated by zeros.
    """

    tensors: dict[str, np.ndarray]

    def numbers(self, name: str) -> np.ndarray:
        """Return a flat float32 tensor."""
        return self.tensors[name]

    def product(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a matrix in blocks, and their scales."""
        return self.tensors[f"{name}.w"], self.tensors[f"{name}.scales"]

    @property
    def width(self) -> int:
        """The length of the vectors."""
        return self.tensors["positions"].shape[1]

    def embedded(self, pieces: Sequence[int]) -> np.ndarray:
        """Return the input of the layers: piece vectors plus position vectors, float32 ``(n, width)``."""
        return self.vectors(pieces) + self.tensors["positions"][: len(pieces)]

    def vectors(self, pieces: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the vectors of pieces, float32 ``(n, width)``."""
        blocks, scales = self.product("pieces")
        rows = np.asarray(pieces, np.int64)
        return unpack(blocks[rows], scales.reshape(len(blocks), -1)[rows])

    @cached_property
    def pieces(self) -> Pieces:
        """The word pieces."""
        ends = np.append(0, np.cumsum(self.tensors["sizes"], dtype=np.int64))
        instead = self.tensors["instead"].tobytes().decode().split("\0")
        scores, letters = self.tensors["scores"], self.tensors["letters"]
        return Pieces(letters, ends, scores, {ord(each[0]): each[1:] for each in instead})


def unpack(blocks: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Return a matrix, float32 ``(outputs, inputs)``, from its blocks and their scales."""
    halves = np.stack([blocks & 15, blocks >> 4], axis=-1).reshape(*blocks.shape[:2], BLOCK)
    rows = (halves.astype(np.float32) - 8) * scales.astype(np.float32).reshape(*blocks.shape[:2], 1)
    return rows.reshape(len(blocks), blocks.shape[1] * BLOCK)


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows scaled to length 1."""
    found: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def read(path: Path) -> Model:
    """Return the model in a file, which is mapped into memory.

    Raises
    ------
    DataError
        When the file cannot be read or is not the model.
    """
    try:
        data = np.memmap(path, np.uint8, "r")
        size = 8 + int.from_bytes(data[:8].tobytes(), "little")
        header = json.loads(data[8:size].tobytes())
        header.pop("__metadata__", None)
        return Model({name: _tensor(data[size:], **each) for name, each in header.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: the model of e5 cannot be read ({error}). Install lior-ask again."
        ) from error


def _tensor(data: np.ndarray, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    return np.asarray(data[slice(*data_offsets)]).view(_TYPES[dtype]).reshape(shape)
