"""Learning while reading, as a compressor does: the one place that says what happens when.

A text is read in stretches. The alphabet is fixed inside a stretch; a token
never seen before ends it, for the alphabet grows there. Inside of it each
adaptive memory reads, learns and writes in windows of its own, and the mixer
takes a step every :data:`WINDOW` tokens. At the end of the stretch everything
else that was read is committed.

:class:`Online` reads whole stretches, as an evaluation can. :class:`Follower`
reads the same token by token, as a decoder must, who does not know the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior.counting.kneser_ney import unseen_share
from lior.geometry import adam
from lior.interfaces import Text
from lior.model.language_model import DocumentCoordinates, Model, columns, mixer

WINDOW = 64
"""Tokens that the mixer reads before it learns from them."""

_STRETCH = 1024
_RATE = 2e-4
_ROOM = 65536
_SETTLED = 1_000_000
"""Tokens after which a model that began with nothing takes steps as small as a trained one."""


class Online:
    """A model that learns from what it reads, with the state that this needs.

    The model is changed. One that has read nothing yet learns everything here: its step sizes begin
    high and fall with what it has read.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._trained = bool(model.token_counts.any())
        self._read = 0
        if not model.weights:
            model.reset_mixer()
        self._adam = adam.init(model.weights)
        self._document = DocumentCoordinates(model)
        self.adaptive = model.adaptive
        """The memories that learn while they read, by name."""
        self.longest = _STRETCH if len(self.adaptive) == len(model.memories) else WINDOW
        """Most tokens of a stretch: a window unless all memories learn by themselves."""

    @property
    def progress(self) -> float:
        """Share of the learning that is over, for the memories' step sizes."""
        return 1.0 if self._trained else min(self._read / _SETTLED, 1.0)

    def stretch(self, tokens: Tensor) -> int:
        """How many of the next ``tokens (N,)`` the next stretch takes."""
        tokens = tokens[: self.longest].long()
        fresh = self.model.token_counts[tokens] == 0
        return int(fresh.nonzero()[0, 0]) + 1 if fresh.any() else len(tokens)

    @torch.no_grad()
    def read(self, text: Text, start: int) -> Tensor:
        """Score the stretch ``text[start:]`` and learn it.

        Returns
        -------
        Tensor
            Log-probabilities in nats ``(T - start,)``, each given before anything of its window was learned.
        """
        model, alphabet = self.model, self.model.alphabet
        positions = torch.arange(start, len(text.tokens), device=text.tokens.device)
        z = self._coordinates(text, start)
        if not len(alphabet):
            scored = [model.score(text, positions)]
        else:
            items = model.items(text, start, z)
            given = model.partial_fit(items, alphabet, progress=self.progress, write=True)
            inputs = model.inputs(text, positions, alphabet, given, z)
            targets = columns(alphabet, text.tokens[positions])
            scored = []
            for begin in range(0, len(positions), WINDOW):
                rows = slice(begin, begin + WINDOW)
                scored.append(model.score_inputs(inputs.rows(rows), targets[rows], alphabet))
                self.step(inputs.rows(rows), targets[rows])
        self.close(text, start, z)
        return torch.cat(scored)

    def _coordinates(self, text: Text, start: int) -> Tensor | None:
        """Coordinates of the next stretch, document by document, if the encoder sees whole documents."""
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
        return _joined(found)

    @torch.no_grad()
    def step(self, window: mixer.Inputs, targets: Tensor) -> None:
        """Let the mixer learn from a window: columns of its tokens, -1 for one outside of the alphabet."""
        model = self.model
        model.weights, self._adam, _ = mixer.update(model.weights, self._adam, window, targets, _RATE)

    @torch.no_grad()
    def close(self, text: Text, start: int, z: Tensor | None = None) -> None:
        """End the stretch ``text[start:]``: commit what the memories have not taken in while they read it."""
        # Without an alphabet there was nothing to read, and no memory has taken anything in.
        held = self.adaptive if len(self.model.alphabet) else ()
        self.model.write(text, start, skip=held, z=z)
        self.model.commit()
        self._read += len(text.tokens) - start


class Follower:
    """A reader of one document, token by token: first :meth:`predict`, then :meth:`take`.

    Whoever takes the same tokens sees the same predictions to the last bit: what is computed, and in
    arrays of which shape, depends on nothing but the tokens taken.

    Parameters
    ----------
    model
        Is changed; on the CPU.
    size
        Tokens of the document.
    document
        Its number, higher than that of any document that the model has read.
    """

    def __init__(self, model: Model, size: int, *, document: int = 0) -> None:
        self._online, self._model, self._size = Online(model), model, size
        self._number, self._count = document, 0
        self._coordinates = DocumentCoordinates(model)
        self._tokens = torch.empty(0, dtype=torch.int64)
        self._make_room(_ROOM)
        self._open()

    def _make_room(self, count: int) -> None:
        """Have places for ``count`` tokens at most: how long a document says that it is, it need not be."""
        count = min(count, self._size) + 1  # the last is only a place to read for
        fresh = torch.zeros(count - self._count, dtype=torch.int64)
        self._tokens = torch.cat([self._tokens[: self._count], fresh])
        self._depth = torch.arange(count)
        self._document = torch.full((count,), self._number)

    @property
    def tokens(self) -> Tensor:
        """The tokens taken, int64 ``(N,)``."""
        return self._tokens[: self._count]

    @torch.no_grad()
    def _open(self) -> None:
        """Begin a stretch."""
        self._begin = self._stepped = self._count
        self._studied = dict.fromkeys(self._online.adaptive, self._count)
        self._rows: list[mixer.Inputs] = []
        self._z: list[Tensor | None] = []
        counts = self._model.token_counts
        self._alphabet, self._unseen = self._model.alphabet, float(unseen_share(counts))
        self.known: NDArray[np.int64] = self._alphabet.numpy()
        """Tokens that :meth:`predict` tells apart, ascending, ``(A,)``."""
        self.unknown: NDArray[np.int64] = (counts == 0).nonzero()[:, 0].numpy()
        """All others, which are equally likely, ascending, ``(V - A,)``."""

    @torch.no_grad()
    def predict(self) -> NDArray[np.float64]:
        """Probabilities of :attr:`known`, then of all :attr:`unknown` together if there are any."""
        if not len(self._alphabet):
            return np.ones(1)
        text, start = self._text(self._count, self._count + 1)
        position, z = torch.tensor([start]), self._coordinates.next
        query = self._model.query(text, position, z)
        given = {
            name: memory.peek(query, self._alphabet, ahead=self._count - self._studied[name])
            for name, memory in self._online.adaptive.items()
        }
        row = self._model.inputs(text, position, self._alphabet, given, z)
        self._rows.append(row)
        p = mixer.log_probs(self._model.weights, row)[0].double().exp().numpy()
        return np.append(p * (1 - self._unseen), self._unseen) if len(self.unknown) else p

    @torch.no_grad()
    def take(self, token: int) -> None:
        """Read ``token``, after it was predicted, and learn what is due."""
        if self._count + 1 == len(self._tokens) <= self._size:
            self._make_room(2 * len(self._tokens))
        self._tokens[self._count] = token
        self._z.append(self._coordinates.read(self._tokens[self._count : self._count + 1]))
        fresh = not int(self._model.token_counts[token])
        self._count += 1
        over = fresh or self._count == self._size or self._count - self._begin == self._online.longest
        if len(self._alphabet):
            self._study(over)
            if over or self._count - self._stepped == WINDOW:
                self._step()
        if over:
            self._online.close(*self._text(self._begin, self._count), self._read_since(self._begin))
            self._open()

    def _study(self, over: bool) -> None:
        """Let the memories learn whose window is full, or all of them at the end of a stretch."""
        for name, memory in self._online.adaptive.items():
            begin = self._studied[name]
            if over or self._count - begin == memory.window:
                items = self._model.items(*self._text(begin, self._count), self._read_since(begin))
                memory.partial_fit(items, self._alphabet, progress=self._online.progress, write=True)
                self._studied[name] = self._count

    def _step(self) -> None:
        targets = columns(self._alphabet, self._tokens[self._stepped : self._count])
        self._online.step(mixer.joined(self._rows), targets)
        self._stepped, self._rows = self._count, []

    def _read_since(self, begin: int) -> Tensor | None:
        """Coordinates of the positions from ``begin`` on, if the encoder sees whole documents."""
        return _joined(self._z[begin - self._begin :])

    def _text(self, lo: int, hi: int) -> tuple[Text, int]:
        """Positions ``lo .. hi - 1`` with the context that a prediction depends on, and where ``lo`` is."""
        first = max(lo - self._model.context, 0)
        here = slice(first, hi)
        return Text(self._tokens[here], self._depth[here], self._document[here]), lo - first


def _joined(coordinates: Sequence[Tensor | None]) -> Tensor | None:
    known = [z for z in coordinates if z is not None]
    return torch.cat(known) if known else None
