"""Learning while reading, which shows that a model predicts what it has not learned yet.

A text is read in chunks, in which the alphabet is constant: a token outside of it ends the chunk. Inside a
chunk each fitted memory reads, learns and writes in windows of its own, and the mixer is updated every
:data:`WINDOW` tokens. The end of the chunk commits all tokens read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lior.geometry import adam
from lior.interfaces import Text
from lior.model import mixer
from lior.model.following import DocumentCoordinates
from lior.model.language_model import Model
from lior.model.weighting import fresh_weights

WINDOW = 64
"""Number of tokens that the mixer reads before it learns from them."""

_CHUNK = 1024
"""Maximum chunk length, in tokens."""
_RATE = 2e-4
"""Learning rate of the mixer."""
_SETTLED = 1_000_000
"""Number of tokens after which an untrained model has the learning rates of a trained one."""


class Online:
    """A model that learns while it reads. The model is changed.

    The learning rates of an untrained model begin high and fall with the number of tokens read.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._trained = bool(model.token_counts.any())
        self._read = 0
        if not model.weights:
            model.weights = fresh_weights(model)
        self._adam = adam.init(model.weights)
        self._document = DocumentCoordinates(model)
        self.fitted = model.fitted
        """The memories that learn while they read, by name."""
        self.longest = _CHUNK if len(self.fitted) == len(model.memories) else WINDOW
        """Maximum tokens of a chunk: one window unless all memories are fitted."""

    @property
    def progress(self) -> float:
        """Finished share of the learning; it sets the learning rates of the memories."""
        return 1.0 if self._trained else min(self._read / _SETTLED, 1.0)

    def chunk(self, tokens: Tensor) -> int:
        """Return the length of the chunk that begins with ``tokens (N,)``."""
        tokens = tokens[: self.longest].long()
        fresh = self.model.token_counts[tokens] == 0
        return int(fresh.nonzero()[0, 0]) + 1 if fresh.any() else len(tokens)

    @torch.no_grad()
    def read(self, text: Text, start: int) -> Tensor:
        """Score the chunk ``text[start:]`` and learn it.

        Returns
        -------
        Tensor
            Log-probabilities in nats ``(T - start,)``, each computed before its window was learned.
        """
        model, alphabet = self.model, self.model.alphabet
        positions = torch.arange(start, len(text.tokens), device=text.tokens.device)
        z = self._coordinates(text, start)
        if not len(alphabet):
            scored = [model.score(text, positions)]
        else:
            items = model.items(text, start, z)
            given = model.fit(items, alphabet, progress=self.progress, write=True)
            inputs = model.inputs(text, positions, alphabet, given, z)
            targets = mixer.columns(alphabet, text.tokens[positions])
            scored = []
            for begin in range(0, len(positions), WINDOW):
                rows = slice(begin, begin + WINDOW)
                scored.append(model.score_inputs(inputs.rows(rows), targets[rows], alphabet))
                self.step(inputs.rows(rows), targets[rows])
        self.close(text, start, z)
        return torch.cat(scored)

    def _coordinates(self, text: Text, start: int) -> Tensor | None:
        """Return coordinates of the next chunk, document by document, if the encoder sees whole documents."""
        if self._document.next is None:
            return None
        begins = (text.depth[start + 1 :] == 0).nonzero()[:, 0] + start + 1
        found = []
        for lo, hi in pairwise([start, *begins.tolist(), len(text.tokens)]):
            depth = int(text.depth[lo])
            if not depth or not self._read:
                self._document = DocumentCoordinates(self.model)
                self._document.read(text.tokens[max(lo - depth, 0) : lo].long())
            found.append(self._document.read(text.tokens[lo:hi].long()))
        return _join(found)

    @torch.no_grad()
    def step(self, window: mixer.Inputs, targets: Tensor) -> None:
        """Update the mixer with a window; ``targets`` are columns of the alphabet, -1 for other tokens."""
        model = self.model
        model.weights, self._adam, _ = mixer.update(model.weights, self._adam, window, targets, _RATE)

    @torch.no_grad()
    def close(self, text: Text, start: int, z: Tensor | None = None) -> None:
        """End the chunk ``text[start:]``: write it to the memories that do not hold it yet, and commit."""
        # Without an alphabet no memory has read anything.
        held = self.fitted if len(self.model.alphabet) else ()
        self.model.write(text, start, skip=held, z=z)
        self.model.commit()
        self._read += len(text.tokens) - start


def _join(coordinates: Sequence[Tensor | None]) -> Tensor | None:
    known = [z for z in coordinates if z is not None]
    return torch.cat(known) if known else None
