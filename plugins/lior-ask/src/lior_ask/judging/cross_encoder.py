"""A cross-encoder: all-MiniLM-L6-v2 with learned low-rank changes, which reads a question with a passage.

The sentence encoder that the extra ``meaning`` installs is read once more, with a matrix of rank
:math:`r` added to each of its products (E. Hu et al., *LoRA*, 2021) and a linear function of its last
layer (R. Nogueira and K. Cho, *Passage Re-ranking with BERT*, 2019). Only the changes ship;
``lior bench cross-encoder`` learns them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib.resources import files
from threading import Lock
from typing import Any

import attrs
import numpy as np
from safetensors.numpy import load

from lior.interfaces import Candidates, Question
from lior_ask.embedders import eight_bits, minilm
from lior_ask.embedders.minilm import CLS, SEP, pieces
from lior_ask.judging.linear import Linear, models

READ = 6
"""Candidates of a question that are read."""
PIECES, ASKED, ABOVE = 96, 32, 24
"""Most word pieces of a pair, of the question in it, and of what stands above the passage."""
LOWEST = -8.0
"""The score of a passage that is not read; what is read has at least this."""
_POINT = 1012
"""The word piece that ends a sentence."""
_CHARACTERS = 160
"""Of what stands above a passage, those nearest to it."""
_KINDS = "inner.embeddings.token_type_embeddings.weight"
"""The vectors of the parts of a pair, float32 ``(2, 384)``."""
_THREADS = 2
_opening = Lock()


def above(candidates: Candidates, number: int) -> str:
    """What stands above a candidate: its context, and the sentence before it in its block."""
    rows, blocks, context = candidates.rows, candidates.blocks, candidates.passages[number].context
    beside = number and rows[number - 1] + 1 == rows[number] and blocks[number - 1] == blocks[number]
    return f"{context} {candidates.passages[number - 1].text if beside else ''}"[-_CHARACTERS:]


def join(asked: list[int], head: list[int], text: list[int]) -> tuple[list[int], int]:
    """The word pieces of a pair, and how many of them are the question's."""
    asked, head = asked[:ASKED], [*head[-ABOVE:], _POINT] if head else []
    text = text[: PIECES - len(asked) - len(head) - 3]
    return [CLS, *asked, SEP, *head, *text, SEP], len(asked) + 2


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
        From the constructor, without the packages of the extra ``meaning``.
    """

    def __attrs_post_init__(self) -> None:
        minilm.MiniLm()

    def _level(self, candidates: Candidates) -> str:
        return "read" if candidates.level == "encoder" else candidates.level

    def _seen(self, question: Question, candidates: Candidates) -> Candidates:
        if candidates.level != "encoder":
            return candidates
        numbers = likeliest(models()["encoder"].score(candidates))
        texts = [(question.text, above(candidates, at), candidates.passages[at].text) for at in numbers]
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            return widen(candidates, numbers, np.array([*pool.map(_read, *zip(*texts, strict=True))]))


@lru_cache(maxsize=1 << 12)
def _read(question: str, head: str, text: str) -> float:
    with _opening:  # by one thread
        model, weights = _open()
    return score(model, weights, *join(*pieces([question, head, text])))


def score(model: Any, weights: Mapping[str, np.ndarray], ids: list[int], own: int) -> float:
    """The score of a pair by a model with changed products."""
    row = np.array([ids], np.int64)
    kinds = (np.arange(len(ids)) >= own).astype(np.int64)[None]
    feed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": kinds}
    last = model.run(None, feed)[0][0]
    return float(np.concatenate([last[0], last.mean(0)]) @ weights["head"] + weights["constant"][0])


@lru_cache(maxsize=1)
def _open() -> tuple[Any, dict[str, np.ndarray]]:
    weights = load(files("lior_ask.judging").joinpath("cross_encoder.safetensors").read_bytes())
    return session(weights), weights


def session(weights: Mapping[str, np.ndarray]) -> Any:
    """MiniLM by ONNX Runtime, changed by ``weights``."""
    place = minilm.MiniLm().place
    return minilm.open_model(place, changed(eight_bits.tensors(minilm.read_model(place)), weights))


def changed(tensors: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of MiniLM that differ: the products of :func:`products`, in eight bits again, and more."""
    new = {_KINDS: weights["kinds"].astype(np.float32)}
    for name in products(tensors):
        full = weights[f"{name}.a"].astype(np.float32) @ weights[f"{name}.b"].astype(np.float32)
        full += tensors[f"{name}_q"] * tensors[f"{name}_scale"]
        scale = np.abs(full).max(0, keepdims=True) / 127
        full /= scale  # in place: new memory takes longer than all this
        new |= {f"{name}_q": np.rint(full, out=full).astype(np.int8), f"{name}_scale": scale}
    return new


def products(tensors: Mapping[str, np.ndarray]) -> list[str]:
    """The weights of the products of the six layers: query, key, value, output, and two of the network."""
    return [name[:-2] for name in tensors if name.startswith("val_") and name.endswith("_q")]
