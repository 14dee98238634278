"""A cross-encoder, which reads the question with the likeliest candidates: the encoder or a user's model."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import attrs
import numpy as np

from lior.config import option
from lior.errors import DataError, MissingPackage, install_hint
from lior.interfaces import Candidates, Question
from lior_ask.embedders import e5
from lior_ask.judging.linear import Linear, models

READ = 6
"""Maximum number of candidates of a question that are read."""
READ_LEVELS = {"encoder": "read", "estimate": "estimate+read"}
"""The name of a judge with the scores of the cross-encoder, by the name of the one without."""
LOWEST = -8.0
"""Score of a passage that is not read, and minimum score of one that is read."""
_CHARACTERS = 120
"""Maximum number of characters of the context above a passage; the nearest ones are kept."""
_TERM = 60
"""Number of these characters that headings take in large folders, where a term is often the only heading. The
judge of small folders learned without it."""
_PIECES_OF, _MOST = "tokenizer.json", 512
"""Name of the tokenizer's file next to a user's model, and maximum number of pieces of a pair."""
_THREADS = 2
_opening = Lock()


def above(candidates: Candidates, number: int) -> str:
    """Return the text above a candidate: its context, and the sentence before it in its block."""
    rows, blocks, context = candidates.rows, candidates.blocks, candidates.passages[number].context
    beside = number and rows[number - 1] + 1 == rows[number] and blocks[number - 1] == blocks[number]
    before = candidates.passages[number - 1].text if beside else ""
    if candidates.level == "estimate":
        return f"{context[-_TERM:]} {before[_TERM - _CHARACTERS :]}"
    return f"{context} {before}"[-_CHARACTERS:]


def likeliest(scores: np.ndarray) -> np.ndarray:
    """Return the indices of the :data:`READ` best candidates by scores without the cross-encoder."""
    return np.argsort(-scores, kind="stable")[:READ]


def widen(candidates: Candidates, numbers: np.ndarray, scores: np.ndarray) -> Candidates:
    """Return the candidates with a cross-encoder's scores as the last feature; only ``numbers`` have one."""
    column = np.full(len(candidates.rows), LOWEST)
    column[numbers] = np.maximum(scores, LOWEST)
    return attrs.evolve(candidates, features=np.column_stack([candidates.features, column]))


@attrs.frozen(kw_only=True)
class CrossEncoder(Linear):
    """The linear judge with one more feature of the likeliest candidates, if an encoder ranked them.

    Raises
    ------
    MissingPackage
        From the constructor, if another model's packages are missing.
    DataError
        From the constructor, if the model does not exist.
    """

    model: str = option("", help="path of another cross-encoder in ONNX, with its tokenizer.json beside it")

    def __attrs_post_init__(self) -> None:
        if not self.model:
            return
        if missing := [name for name in ("onnxruntime", "tokenizers") if find_spec(name) is None]:
            raise MissingPackage(f"{self.model} needs {' and '.join(missing)}: {install_hint(*missing)}")
        for path in (Path(self.model).expanduser(), Path(self.model).expanduser().with_name(_PIECES_OF)):
            if not path.is_file():
                raise DataError(
                    f"{path}: no such file; a cross-encoder is MODEL.onnx with {_PIECES_OF} beside."
                )

    def _level(self, candidates: Candidates) -> str:
        return READ_LEVELS.get(candidates.level, candidates.level)

    def _seen(self, question: Question, candidates: Candidates) -> Candidates:
        if candidates.level not in READ_LEVELS:
            return candidates
        numbers = likeliest(models()[candidates.level].score(candidates))
        texts = [(question.text, above(candidates, at), candidates.passages[at].text) for at in numbers]
        return widen(candidates, numbers, _read(self.model, tuple(texts)))


@lru_cache(maxsize=1 << 9)
def _read(model: str, texts: tuple[tuple[str, str, str], ...]) -> np.ndarray:
    """Return the scores of questions, heads and passages; those of a question are read once."""
    if not model:
        return e5.scores(texts)
    with _opening:  # by one thread
        session, tokenizer = _open_other(Path(model).expanduser())
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        return np.array([*pool.map(lambda each: score_other(session, tokenizer, *each), texts)])


def score_other(session: Any, tokenizer: Any, question: str, head: str, text: str) -> float:
    """Return the output of a user's cross-encoder for a pair as log odds: one number, or no and yes.

    Raises
    ------
    DataError
        When the model needs other inputs, or returns more than two numbers.
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
    except Exception as error:  # both libraries raise many types
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{path}: the cross-encoder cannot be opened ({cause}).") from error
    tokenizer.enable_truncation(_MOST)
    return session, tokenizer
