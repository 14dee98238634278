"""Models of fastembed or sentence-transformers by name; these libraries download a missing model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from threading import Lock
from typing import ClassVar

import attrs
import numpy as np

from lior.config import option
from lior.errors import DataError, MissingPackage, install_hint

Read = Callable[[str, bool], np.ndarray]
"""A function of a text, and of whether it is a question, that returns its vector."""
_PAIRS = (
    (
        "Who looks after the heating?",
        "When do the children have no lessons?",
        "How do I undo a change?",
        "What did the new bicycle cost?",
    ),
    (
        "The boiler is serviced by Mr. Hollis every October.",
        "The school is closed from 14 to 25 April.",
        "git revert records a commit that takes back an earlier one.",
        "Paid 640 euros for the red racer.",
    ),
)
"""Four questions, and the passages that answer them in other words."""
_using = Lock()
"""Lock: one thread uses a model at a time."""


@attrs.frozen(kw_only=True)
class _Library:
    """A model of a library."""

    api_version: ClassVar[int] = 1
    package: ClassVar[str]
    opened: ClassVar[Callable[[str], Read]]
    model: str

    def __attrs_post_init__(self) -> None:
        if find_spec(self.package.replace("-", "_")) is None:
            raise MissingPackage(f"the embedder {self.package} needs it: {install_hint(self.package)}")

    @property
    def digest(self) -> str:
        """The model's name, and the version of the library."""
        return f"{self.package} {version(self.package)} {self.model}"

    @property
    def unrelated(self) -> float:
        """The mean cosine of four questions with passages that do not answer them."""
        return _usual(self)[0]

    @property
    def related(self) -> float:
        """The mean cosine of these questions with their answers, at least 0.01 above ``unrelated``."""
        return _usual(self)[1]

    @property
    def width(self) -> int:
        """The length of the vectors; it opens the model."""
        return self.embed(["a"]).shape[1]

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Return unit vectors, float32 ``(n, width)``; each text is encoded alone.

        Raises
        ------
        DataError
            When the library cannot open the model.
        """
        with _using:
            try:
                read = type(self).opened(self.model)
            except Exception as error:  # of the library, the network, or the file
                cause = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise DataError(f"{self.package} cannot open the model {self.model!r}: {cause}") from error
            clean = [text.encode("utf-8", "replace").decode() for text in [*texts, ""]]
            rows = np.stack([read(text, question) for text in clean])[:-1].astype(np.float32)
        lengths: np.ndarray = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.maximum(lengths, np.float32(1e-9))


@lru_cache(maxsize=4)
def _usual(embedder: _Library) -> tuple[float, float]:
    questions, passages = (embedder.embed(part, question=part is _PAIRS[0]) for part in _PAIRS)
    cosines = questions @ passages.T
    own = np.eye(len(cosines), dtype=bool)
    return float(cosines[~own].mean()), max(float(cosines[own].mean()), float(cosines[~own].mean()) + 0.01)


@lru_cache(maxsize=1)
def _fastembed(name: str) -> Read:
    from fastembed import TextEmbedding

    model = TextEmbedding(name, threads=1)
    return lambda text, question: next(iter((model.query_embed if question else model.passage_embed)([text])))


@lru_cache(maxsize=1)
def _sentence_transformers(name: str) -> Read:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(name, device="cpu")
    prompt = "query" if "query" in model.prompts else None
    return lambda text, question: model.encode(text, prompt_name=prompt if question else None)


@attrs.frozen(kw_only=True)
class FastEmbed(_Library):
    """A model of fastembed. Some models encode questions and passages in different ways.

    Raises
    ------
    MissingPackage
        From the constructor, when fastembed is not installed.
    """

    package: ClassVar[str] = "fastembed"
    opened: ClassVar[Callable[[str], Read]] = staticmethod(_fastembed)
    model: str = option("BAAI/bge-small-en-v1.5", help="name of the model")


@attrs.frozen(kw_only=True)
class SentenceTransformers(_Library):
    """A model of sentence-transformers, on the CPU. Questions get its prompt "query", if it has one.

    Raises
    ------
    MissingPackage
        From the constructor, when sentence-transformers is not installed.
    """

    package: ClassVar[str] = "sentence-transformers"
    opened: ClassVar[Callable[[str], Read]] = staticmethod(_sentence_transformers)
    model: str = option("sentence-transformers/all-MiniLM-L6-v2", help="name of the model")
