"""How well a model predicts a text: static, or online as a compressor reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import attrs
import torch
from torch import Tensor

from lior.corpus import Corpus
from lior.errors import UsageError
from lior.interfaces import Tokenizer
from lior.model import Model, rows_at_once
from lior.online import Online

_BLOCK = 8192


@attrs.frozen
class Score:
    """The cost of a text."""

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

    def summary(self, seconds: float) -> dict[str, float]:
        """The object that ``lior eval --json`` prints."""
        return {
            "bits_per_byte": self.bits_per_byte,
            "nats_per_byte": self.nats_per_byte,
            "bytes": self.bytes,
            "seconds": seconds,
            "bytes_per_second": self.bytes / max(seconds, 1e-9),
        }


def _silent(stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
    """Report to nobody."""


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
    tick: Callable[[str, int, int, Mapping[str, float]], None] = _silent,
) -> Score:
    """Score positions ``lo .. hi - 1`` of ``corpus``, each from what stands before it.

    Parameters
    ----------
    online
        Learn while reading, as :class:`~lior.online.Online` says. The model is changed; it may be one that
        has learned nothing yet. Otherwise it is frozen.
    counted
        Which of the positions count, boolean ``(hi - lo,)``; the others are read only. ``None`` counts all.
    tick
        Called after every block with (stage, tokens done, tokens, metrics).
    """
    nats, end = 0.0, lo
    keep = torch.ones(hi - lo, dtype=torch.bool, device=corpus.tokens.device) if counted is None else counted
    reader = Online(model) if online else None
    while end < hi:
        begin, end = end, min(end + rows_at_once(_BLOCK, len(model.alphabet)), hi)
        if reader:
            end = begin + reader.stretch(corpus.tokens[begin:end])
        text, start = corpus.text(begin, end, context=model.context)
        if reader:
            log_p = reader.read(text, start)
        else:
            log_p = model.score(text, torch.arange(start, len(text.tokens), device=text.tokens.device))
        nats -= float(log_p.double()[keep[begin - lo : end - lo]].sum())
        tick(stage, end - lo, hi - lo, {"nats_per_token": nats / max(int(keep[: end - lo].sum()), 1)})
    scored = corpus.tokens[lo:hi][keep]
    return Score(nats, len(scored), int(byte_lengths(scored, model.tokenizer).sum()))


def byte_lengths(tokens: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Length in bytes of what each of ``tokens (N,)`` stands for, int64 ``(N,)``."""
    present, index = torch.unique(tokens, return_inverse=True)
    lengths = [len(tokenizer.decode([token])) for token in present.tolist()]
    return torch.tensor(lengths, dtype=torch.int64, device=tokens.device)[index]


def token_at_byte(corpus: Corpus, lo: int, hi: int, offset: int, tokenizer: Tokenizer) -> int:
    """The first of the tokens ``lo .. hi`` that begins at or after byte ``offset`` of them.

    Raises
    ------
    UsageError
        When the stretch has no byte there.
    """
    lengths = byte_lengths(corpus.tokens[lo:hi], tokenizer)
    size = int(lengths.sum())
    position = lo + int(torch.searchsorted(lengths.cumsum(0) - lengths, min(offset, size)))
    if position == hi:
        raise UsageError(f"--from-byte {offset}: the text has only {size} bytes; nothing is left to score")
    return position
