"""How well a model predicts a text: static, or online as a compressor reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import attrs
import torch
from torch import Tensor

from lior import mixer
from lior.corpus import Corpus
from lior.errors import UsageError
from lior.interfaces import State, Text, Tokenizer
from lior.learning import moments
from lior.model import Model, columns

WINDOW = 64
"""Tokens that the online mode reads before it learns them."""

_BLOCK = 8192
_STRETCH = 1024
_ONLINE_RATE = 2e-4


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
    stage: str = "evaluate",
    tick: Callable[[str, int, int, Mapping[str, float]], None] = _silent,
) -> Score:
    """Score positions ``lo .. hi - 1`` of ``corpus``, each from what stands before it.

    Parameters
    ----------
    online
        Learn while reading, in windows of at most :data:`WINDOW` tokens: the mixer takes a step on each, and
        the memories take it in. The model is changed. Otherwise it is frozen.
    tick
        Called after every block with (stage, tokens done, tokens, metrics).
    """
    nats, end = 0.0, lo
    memory = moments.init(model.weights)
    while end < hi:
        begin, end = end, min(end + _BLOCK, hi)
        if online:
            end = stretch_end(model, corpus, begin, end)
        text, start = corpus.text(begin, end, context=model.context)
        if online:
            log_p, memory = read_and_learn(model, text, start, memory)
        else:
            log_p = model.score(text, torch.arange(start, len(text.tokens), device=text.tokens.device))
        nats -= float(log_p.double().sum())
        tick(stage, end - lo, hi - lo, {"nats_per_token": nats / (end - lo)})
    return Score(nats, hi - lo, int(byte_lengths(corpus.tokens[lo:hi], model.tokenizer).sum()))


def stretch_end(model: Model, corpus: Corpus, begin: int, end: int) -> int:
    """Where a stretch that :func:`read_and_learn` takes at once must end, at most at ``end``.

    A token that the model has never seen ends it, since the alphabet grows there; without a memory that
    learns by itself, so does a window.
    """
    if len(model.adaptive) < len(model.memories):
        end = min(begin + WINDOW, end)
    else:
        end = min(begin + _STRETCH, end)
    fresh = model.token_counts[corpus.tokens[begin:end].long()] == 0
    return begin + int(fresh.nonzero()[0, 0]) + 1 if fresh.any() else end


@torch.no_grad()
def read_and_learn(model: Model, text: Text, start: int, memory: State) -> tuple[Tensor, State]:
    """Score ``text[start:]``, then learn it: steps of the mixer, and the tokens into memory.

    Adaptive memories read, learn and write in windows of their own; the mixer steps once a window.

    Returns
    -------
    tuple of Tensor and State
        Log-probabilities in nats ``(T - start,)``, each given before anything of its window was learned, and
        the next moments of the mixer.
    """
    alphabet = model.alphabet
    positions = torch.arange(start, len(text.tokens), device=text.tokens.device)
    given = model.study(model.items(text, start), alphabet, progress=1.0, write=True)
    inputs = model.inputs(text, positions, alphabet, given)
    targets = columns(alphabet, text.tokens[positions])
    scored = []
    for begin in range(0, len(positions), WINDOW):
        rows = slice(begin, begin + WINDOW)
        window = inputs.rows(rows)
        scored.append(model.score_inputs(window, targets[rows], alphabet))
        grads, _ = mixer.gradient(model.weights, window, targets[rows])
        directions, memory = moments.update(grads, memory, b1=0.9, b2=0.999, eps=1e-6)
        model.weights = {name: w - _ONLINE_RATE * directions[name] for name, w in model.weights.items()}
    model.stage(text, start, studied=model.adaptive)
    model.commit()
    return torch.cat(scored), memory


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
