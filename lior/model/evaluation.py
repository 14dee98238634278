"""The cost of a text under a model, which is frozen or learns while it reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import attrs
import torch
from torch import Tensor

from lior.data.corpus import Corpus, byte_lengths
from lior.model.language_model import Model
from lior.model.mixer import rows_at_once
from lior.model.online import Online

_BLOCK = 8192


@attrs.frozen
class Score:
    """The negative log-likelihood of a text, and the length of the text."""

    nats: float
    """Total ``-log p`` of all tokens."""
    tokens: int
    bytes: int

    @property
    def nats_per_byte(self) -> float:
        """Mean cost in nats per byte."""
        return self.nats / max(self.bytes, 1)

    @property
    def bits_per_byte(self) -> float:
        """Mean cost in bits per byte."""
        return self.nats_per_byte / math.log(2)

    def plus(self, cost: Tensor, lengths: Tensor, counted: Tensor) -> Score:
        """Return the score with more tokens: nats, lengths in bytes, and whether they count, ``(N,)``."""
        nats, size = float(cost[counted].sum()), int(lengths[counted].sum())
        return Score(self.nats + nats, self.tokens + int(counted.sum()), self.bytes + size)

    def summary(self, seconds: float) -> dict[str, float]:
        """Return the object that ``lior eval --json`` prints."""
        return {
            "bits_per_byte": self.bits_per_byte,
            "nats_per_byte": self.nats_per_byte,
            "bytes": self.bytes,
            "seconds": seconds,
            "bytes_per_second": self.bytes / max(seconds, 1e-9),
        }


ProgressCallback: TypeAlias = "Callable[[str, int, int, Mapping[str, float]], None]"
"""Function called with (stage, tokens done, all tokens, metrics)."""


def silent(stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
    """A progress callback that does nothing."""


@torch.no_grad()
def evaluate(
    model: Model,
    corpus: Corpus,
    lo: int,
    hi: int,
    *,
    online: bool = False,
    counted: Tensor | None = None,
    stage: str = "evaluate",
    progress: ProgressCallback = silent,
    each: Callable[[Tensor], object] = lambda cost: None,
) -> Score:
    """Score positions ``lo .. hi - 1`` of ``corpus``, each from the text before it.

    Parameters
    ----------
    online
        Learn while reading (:class:`~lior.model.online.Online`): the model is changed; it may be untrained.
        Otherwise the model is frozen.
    counted
        Mask of the positions that count, boolean ``(hi - lo,)``; the others are only read. ``None`` counts
        all.
    progress
        Called after every block.
    each
        Called before ``progress`` with ``-log p`` of the tokens of the block in nats, float64.
    """
    score, end = Score(0.0, 0, 0), lo
    lengths = byte_lengths(corpus.tokens[lo:hi], model.tokenizer)
    keep = torch.ones(hi - lo, dtype=torch.bool, device=corpus.tokens.device) if counted is None else counted
    reader = Online(model) if online else None
    while end < hi:
        begin, end = end, min(end + rows_at_once(_BLOCK, len(model.alphabet)), hi)
        if reader:
            end = begin + reader.chunk(corpus.tokens[begin:end])
        text, start = corpus.text(begin, end, context=model.context)
        if reader:
            log_p = reader.read(text, start)
        else:
            log_p = model.score(text, torch.arange(start, len(text.tokens), device=text.tokens.device))
        cost, block = -log_p.double(), slice(begin - lo, end - lo)
        score = score.plus(cost, lengths[block], keep[block])
        each(cost)
        per_token = {"nats_per_token": score.nats / max(score.tokens, 1)}
        progress(stage, end - lo, hi - lo, per_token | {"bits_per_byte": score.bits_per_byte})
    return score
