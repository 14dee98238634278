"""Sampling text from a model, one token after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from lior.interfaces import Text
from lior.model import Model
from lior.sampling import Sampling


class Session:
    """A context that grows; what the model needs of it is its last ``model.context`` tokens."""

    def __init__(self, model: Model, tokens: Sequence[int] = ()):
        self.model = model
        self._tail: list[int] = []
        self._length = 0
        self.feed(tokens)

    def feed(self, tokens: Sequence[int]) -> None:
        """Append ``tokens`` to the context."""
        self._length += len(tokens)
        self._tail = [*self._tail, *tokens][-self.model.context :]

    @torch.no_grad()
    def log_probs(self) -> Tensor:
        """Log-probabilities of the next token, ``(V,)``."""
        size = len(self._tail)
        device = self.model.device
        tokens = torch.tensor([*self._tail, 0], device=device)  # the last is only a place to read for
        depth = torch.arange(self._length - size, self._length + 1, device=device)
        text = Text(tokens, depth, torch.zeros_like(depth))
        return self.model.log_probs(text, torch.tensor([size], device=device))[0]


@torch.no_grad()
def draw(log_p: Tensor, sampling: Sampling, *, generator: Generator) -> int:
    """Draw a token id from ``log_p (V,)``."""
    if sampling.temperature == 0:
        return int(log_p.argmax())
    below_top = log_p.double() - log_p.max()  # so that the smallest temperature leaves 0, not nan, at the top
    ordered, index = torch.sort(below_top / sampling.temperature, descending=True, stable=True)
    p = torch.softmax(ordered, 0)
    if sampling.top_k:
        p[sampling.top_k :] = 0
    if sampling.top_p < 1:
        p[1:][p.cumsum(0)[:-1] >= sampling.top_p] = 0  # the likeliest always stays
    return int(index[torch.multinomial(p, 1, generator=generator)])


def generate(
    model: Model, prompt: Sequence[int], count: int, sampling: Sampling, *, generator: Generator
) -> Iterator[int]:
    """Yield ``count`` token ids that continue ``prompt``."""
    session = Session(model, prompt)
    for _ in range(count):
        token = draw(session.log_probs(), sampling, generator=generator)
        session.feed([token])
        yield token
