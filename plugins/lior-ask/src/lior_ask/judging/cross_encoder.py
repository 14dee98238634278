"""A cross-encoder: multilingual-e5-small, changed by learning, which reads a question with a passage.

The sentence encoder that the extra ``multilingual`` installs is read once more, with a matrix of rank
:math:`r` added to each of its products (E. Hu et al., *LoRA*, 2021) and a linear function of the mean of its
last layer (R. Nogueira and K. Cho, *Passage Re-ranking with BERT*, 2019). Only the changes ship;
``lior bench cross-encoder`` learns them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import attrs
import numpy as np
from safetensors.numpy import load

from lior.config.options import option
from lior.errors import DataError, MissingPackage
from lior.interfaces import Candidates, Question
from lior_ask.embedders import e5, four_bits
from lior_ask.embedders.four_bits import BEGIN, END
from lior_ask.judging.linear import Linear, models

READ = 6
"""Candidates of a question that are read."""
PIECES, ASKED, ABOVE = 92, 40, 24
"""Most word pieces of a pair, of the question in it, and of what stands above the passage."""
LOWEST = -8.0
"""The score of a passage that is not read; what is read has at least this."""
_CHARACTERS = 120
"""Of what stands above a passage, those nearest to it."""
_PIECES_OF, _MOST = "tokenizer.json", 512
"""Beside another model: how it divides texts, and of how many pieces a pair has at most."""
_THREADS = 2
_opening = Lock()


def above(candidates: Candidates, number: int) -> str:
    """What stands above a candidate: its context, and the sentence before it in its block."""
    rows, blocks, context = candidates.rows, candidates.blocks, candidates.passages[number].context
    beside = number and rows[number - 1] + 1 == rows[number] and blocks[number - 1] == blocks[number]
    return f"{context} {candidates.passages[number - 1].text if beside else ''}"[-_CHARACTERS:]


def join(model: four_bits.Model, question: str, head: str, text: str) -> list[int]:
    """The word pieces of a question, of what stands above a passage, and of the passage."""
    asked = model.pieces(f"query: {question}")[:ASKED]
    beside = model.pieces(head)[:ABOVE] if head else []
    own = model.pieces(text)[: PIECES - len(asked) - len(beside) - 4]
    return [BEGIN, *asked, END, *beside, END, *own, END]


def likeliest(scores: np.ndarray) -> np.ndarray:
    """Numbers of the :data:`READ` candidates that are read, by scores without the cross-encoder."""
    return np.argsort(-scores, kind="stable")[:READ]


def widen(candidates: Candidates, numbers: np.ndarray, scores: np.ndarray) -> Candidates:
    """The candidates with the score of a cross-encoder as last feature, which it gave to some of them."""
    column = np.full(len(candidates.rows), LOWEST)
    column[numbers] = np.maximum(scores, LOWEST)
    return attrs.evolve(candidates, features=np.column_stack([candidates.features, column]))


@attrs.frozen(kw_only=True)
class CrossEncoder(Linear):
    """The linear judge with one more number for the likeliest candidates, where an encoder ranked them.

    Raises
    ------
    MissingPackage
        From the constructor, without the packages of the extra ``multilingual``, or of ``meaning`` for
        another model.
    DataError
        From the constructor, where there is no such model.
    """

    model: str = option("", help="path of another cross-encoder in ONNX, with its tokenizer.json beside it")

    def __attrs_post_init__(self) -> None:
        if not self.model:
            e5.E5()
            return
        if missing := [name for name in ("onnxruntime", "tokenizers") if find_spec(name) is None]:
            raise MissingPackage(f"{self.model} needs {', '.join(missing)}: pip install 'lior-ask[meaning]'")
        for path in (Path(self.model).expanduser(), Path(self.model).expanduser().with_name(_PIECES_OF)):
            if not path.is_file():
                raise DataError(
                    f"{path}: no such file; a cross-encoder is MODEL.onnx with {_PIECES_OF} beside."
                )

    def _level(self, candidates: Candidates) -> str:
        return "read" if candidates.level == "encoder" else candidates.level

    def _seen(self, question: Question, candidates: Candidates) -> Candidates:
        if candidates.level != "encoder":
            return candidates
        numbers = likeliest(models()["encoder"].score(candidates))
        texts = [(question.text, above(candidates, at), candidates.passages[at].text) for at in numbers]
        read = partial(_read, self.model)
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            return widen(candidates, numbers, np.array([*pool.map(read, *zip(*texts, strict=True))]))


@lru_cache(maxsize=1 << 12)
def _read(model: str, question: str, head: str, text: str) -> float:
    with _opening:  # by one thread
        session, beside = _open_other(Path(model).expanduser()) if model else open_own()
    return (score_other if model else score)(session, beside, question, head, text)


def score(session: Any, weights: Mapping[str, np.ndarray], question: str, head: str, text: str) -> float:
    """The score of a pair by a model with changed products."""
    model = e5.open_file()
    mean = session.run(None, {"x": model.embedded(join(model, question, head, text))})[0][0].mean(0)
    return float(mean @ weights["head"] / np.linalg.norm(mean) + weights["constant"][0])


def score_other(session: Any, tokenizer: Any, question: str, head: str, text: str) -> float:
    """The output of another cross-encoder for a pair, as log odds: one number, or no and yes.

    Raises
    ------
    DataError
        When the model computes something else.
    """
    found = tokenizer.encode(question, f"{head} {text}".strip())
    given = {"input_ids": found.ids, "attention_mask": found.attention_mask, "token_type_ids": found.type_ids}
    names = [each.name for each in session.get_inputs()]
    if unknown := [name for name in names if name not in given]:
        raise DataError(f"the cross-encoder asks for {', '.join(unknown)}; known are {', '.join(given)}.")
    out = session.run(None, {name: np.array([given[name]], np.int64) for name in names})[0].reshape(-1)
    if len(out) > 2:
        raise DataError(f"the cross-encoder gives {len(out)} numbers for a pair; one or two are expected.")
    return float(out[-1] - out[0] if len(out) == 2 else out[0])


@lru_cache(maxsize=1)
def _open_other(path: Path) -> tuple[Any, Any]:
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        tokenizer = Tokenizer.from_file(str(path.with_name(_PIECES_OF)))
    except Exception as error:  # both raise what they like
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{path}: the cross-encoder cannot be opened ({cause}).") from error
    tokenizer.enable_truncation(_MOST)
    return session, tokenizer


@lru_cache(maxsize=1)
def open_own() -> tuple[Any, dict[str, np.ndarray]]:
    """The session and the weights of the cross-encoder that ships."""
    data = files("lior_ask.judging").joinpath("cross_encoder.safetensors").read_bytes()
    weights = {name: value.astype(np.float32) for name, value in load(data).items()}
    return four_bits.open_session(e5.open_file(), weights), weights
