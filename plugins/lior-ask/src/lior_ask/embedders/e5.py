"""The sentence encoder of lior-ask: multilingual-e5-small, learned further to find and to read answers.

L. Wang et al., *Multilingual E5 Text Embeddings*, 2024: twelve layers, 384 numbers. The word pieces of
languages in Latin script are kept (``lior bench pieces``). Other scripts are read by characters. The layers
were learned by ``lior bench encoder``. The mean of the last layer is the vector of a text
(:class:`E5`). For a question with a passage, the score is computed from this mean (:func:`scores`; R.
Nogueira and K. Cho, *Passage Re-ranking with BERT*, 2019). ONNX Runtime computes it if it is installed, NumPy
otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np

from lior_ask.embedders import four_bits
from lior_ask.embedders.graph import OnnxLayers
from lior_ask.embedders.layers import NumpyLayers
from lior_ask.embedders.pieces import BEGIN, END, Pieces

WEIGHTS = "e5.safetensors"
"""File with the model, next to this module."""
LONGEST = 600
"""Maximum number of characters read of a text; time grows with it, and passages are rarely longer."""
PIECES, ASKED, ABOVE = 92, 40, 24
"""Maximum number of word pieces of a pair, of its question, and of the context above the passage."""
_PIECES = 510
"""Maximum number of word pieces of a text, without the two that mark its ends."""


@attrs.frozen(kw_only=True)
class E5:
    """multilingual-e5-small in 4 bits, learned further."""

    api_version: ClassVar[int] = 1
    width: ClassVar[int] = 384
    unrelated: ClassVar[float] = 0.11
    related: ClassVar[float] = 0.5

    @property
    def digest(self) -> str:
        """A hash of the learned weights and the pieces; NumPy and ONNX Runtime compute the same vectors."""
        return _digest()

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Return unit vectors, float32 ``(n, 384)``."""
        if not len(texts):
            return np.empty((0, self.width), np.float32)
        return _runner().means(_pieces(texts, "query: " if question else "passage: "))


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Return the number of word pieces that the encoder reads of each passage."""
    return [*map(len, _pieces(texts, "passage: "))]


def _pieces(texts: Sequence[str], begin: str) -> list[list[int]]:
    every = open_file().pieces.divide([begin + text[:LONGEST] for text in texts])
    return [[BEGIN, *pieces[:_PIECES], END] for pieces in every]


def scores(pairs: Sequence[tuple[str, str, str]]) -> np.ndarray:
    """Return scores, float32 ``(n,)``, of questions, heads and passages below them; 0 is undecided."""
    model = open_file()
    means = _runner().means([join(model.pieces, *each) for each in pairs])
    found: np.ndarray = means @ model.numbers("head") + model.numbers("constant")[0]
    return found


def join(pieces: Pieces, question: str, head: str, text: str) -> list[int]:
    """Return the word pieces of a question, of the context above a passage, and of the passage."""
    return frame_pair(pieces.of(f"query: {question}"), pieces.of(head) if head else [], pieces.of(text))


def frame_pair(question: list[int], head: list[int], text: list[int]) -> list[int]:
    """Return the pieces of a pair from those of its parts; the text fills the room that the others leave."""
    asked, beside = question[:ASKED], head[:ABOVE]
    return [BEGIN, *asked, END, *beside, END, *text[: PIECES - len(asked) - len(beside) - 4], END]


@lru_cache(maxsize=1)
def _digest() -> str:
    model = open_file()
    parts = (model.numbers("head"), model.tensors["letters"], model.tensors["sizes"])
    learned = hashlib.sha256(b"".join(each.tobytes() for each in parts)).hexdigest()[:16]
    return f"e5, {learned}, {LONGEST} characters"


@lru_cache(maxsize=1)
def open_file() -> four_bits.Model:
    """Return the model; errors as :func:`~lior_ask.embedders.four_bits.read`."""
    return four_bits.read(Path(str(files("lior_ask.embedders").joinpath(WEIGHTS))))


@lru_cache(maxsize=64)
def read_as(text: str, file: Path, lowest: int) -> np.ndarray:
    """Return the unit vector, float32 ``(384,)``, of a question with other layers from ``lowest`` on.

    ``file`` has them, as :mod:`~lior_ask.embedders.four_bits` reads them.
    """
    layers, pieces = runner_as(file, lowest), _pieces([text], "query: ")[0]
    if isinstance(layers, NumpyLayers):
        return layers.above(_below((*pieces,), lowest))[0]
    found: np.ndarray = layers.means([pieces])[0]
    return found


def read_words(texts: Sequence[str], lowest: int) -> list[np.ndarray]:
    """Return the mean states below a layer, float32 ``(W, 384)``, of the words of questions.

    Words are divided at spaces; those at the end of a long text are left out.
    """
    found = list[np.ndarray]()
    for text in texts:
        words = open_file().pieces.divide(["query:", *text[:LONGEST].split()])
        ends = np.minimum(np.cumsum([1, *map(len, words)]), _PIECES + 1)
        pieces = [BEGIN, *(piece for word in words for piece in word)][: _PIECES + 1]
        states = _below((*pieces, END), lowest)
        spans = [(a, b) for a, b in pairwise(ends[1:].tolist()) if b > a]
        found.append(np.array([states[a:b].mean(0) for a, b in spans]).reshape(-1, E5.width))
    return found


@lru_cache(maxsize=2)
def _below(pieces: tuple[int, ...], lowest: int) -> np.ndarray:
    """Return the states of a text below a layer: layers of several files begin with them."""
    return _runner().states([pieces], lowest)[0]


@lru_cache(maxsize=2)
def runner_as(file: Path, lowest: int) -> NumpyLayers | OnnxLayers:
    """Return what computes the layers, with those of a file as in :func:`read_as`."""
    model = four_bits.Model({**open_file().tensors, **four_bits.read(file).tensors})
    base = _runner()
    return NumpyLayers(model, base, lowest) if isinstance(base, NumpyLayers) else OnnxLayers(model)


@lru_cache(maxsize=1)
def _runner() -> NumpyLayers | OnnxLayers:
    return (OnnxLayers if find_spec("onnxruntime") else NumpyLayers)(open_file())
