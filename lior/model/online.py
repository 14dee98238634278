"""Learning while reading, as a compressor does.

A text is read in chunks, in which the alphabet is constant: a token outside of it ends the chunk. Inside a
chunk each adaptive memory reads, learns and writes in windows of its own, and the mixer is updated every
:data:`WINDOW` tokens. The end of the chunk commits all tokens read.

:class:`Online` reads whole chunks, for evaluation. :class:`Follower` reads the same token by token, for a
decoder, which does not know the next token.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior.counting.coder import RangeCoder
from lior.counting.coding import Coding
from lior.counting.kneser_ney import unseen_share
from lior.geometry import adam
from lior.interfaces import CodingMemory, Items, Text
from lior.model import following, mixer
from lior.model.following import DocumentCoordinates
from lior.model.language_model import Model
from lior.model.weighting import fresh_weights

WINDOW = 64
"""Number of tokens that the mixer reads before it learns from them."""

_CHUNK = 1024
"""Maximum chunk length, in tokens."""
_RATE = 2e-4
"""Learning rate of the mixer."""
_ROOM = 65536
"""Number of tokens for which a :class:`Follower` allocates memory initially."""
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
        self.adaptive = model.adaptive
        """The memories that learn while they read, by name."""
        self.longest = _CHUNK if len(self.adaptive) == len(model.memories) else WINDOW
        """Maximum tokens of a chunk: one window unless all memories are adaptive."""

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
            given = model.partial_fit(items, alphabet, progress=self.progress, write=True)
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
        held = self.adaptive if len(self.model.alphabet) else ()
        self.model.write(text, start, skip=held, z=z)
        self.model.commit()
        self._read += len(text.tokens) - start


class Follower:
    """A reader of one document, token by token: first :meth:`predict`, then :meth:`update`.

    The same tokens give the same predictions to the last bit: all computations and the shapes of their arrays
    depend only on the tokens taken.

    Parameters
    ----------
    model
        The model, on the CPU; it is changed.
    size
        Number of tokens of the document.
    document
        Number of the document, higher than that of any document that the model has read.
    """

    def __init__(self, model: Model, size: int, *, document: int = 0) -> None:
        self._online, self._model, self._size = Online(model), model, size
        self._number, self._count = document, 0
        self._coordinates = DocumentCoordinates(model)
        self._memory, self._cursor = _coding_memory(model)
        self._tokens = torch.empty(0, dtype=torch.int64)
        self._make_room(_ROOM)
        self._open()

    def _make_room(self, count: int) -> None:
        """Allocate memory for ``count`` tokens; the claimed size of the document may be false."""
        count = min(count, self._size) + 1  # the last position is only predicted
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
        """Begin a chunk."""
        if self._count + self._online.longest >= len(self._tokens) <= self._size:
            self._make_room(2 * len(self._tokens))
        self._begin = self._stepped = self._count
        self._fitted = dict.fromkeys(self._online.adaptive, self._count)
        self._rows: list[mixer.Inputs] = []
        self._z: list[Tensor | None] = []
        counts = self._model.token_counts
        self._alphabet, self._unseen = self._model.alphabet, float(unseen_share(counts))
        self.known: NDArray[np.int64] = self._alphabet.numpy()
        """Tokens with probabilities of their own, ascending, ``(A,)``."""
        self.unknown: NDArray[np.int64] = (counts == 0).nonzero()[:, 0].numpy()
        """All other tokens, which are equally likely, ascending, ``(V - A,)``."""
        self._coding: Coding | None = None
        rows = min(self._online.longest, self._size - self._count)
        if self._memory and self._cursor and len(self._alphabet) and rows:
            self._coding = self._memory.coding(
                self._cursor,
                self._alphabet,
                progress=self._online.progress,
                rows=rows,
                others=self.unknown,
                unseen=self._unseen,
            )

    @torch.no_grad()
    def code(self, words: RangeCoder, given: NDArray[np.int64] | None = None) -> None:
        """Read and code tokens to the end of a window, or one token; ``given`` is the document to encode."""
        if self._coding is None:
            self._code_one(words, -1 if given is None else int(given[self._count]))
        else:
            self._code_window(self._coding, words, given)

    def _code_one(self, words: RangeCoder, token: int) -> None:
        chances, known = self.predict(), self.known
        column = int(np.searchsorted(known, token))
        if column == len(known) or known[column] != token:
            column = len(known)
        column = words.choose(chances, column)
        if column < len(known):
            token = int(known[column])
        else:
            other = int(np.searchsorted(self.unknown, token))
            token = int(self.unknown[words.choose(np.ones(len(self.unknown)), other)])
        self.update(token)
        if self._cursor:
            self._cursor.feed([token])

    def _cell(self) -> int:
        """Return the geometry's cell at the next position."""
        text, start = self._text(self._count, self._count + 1)
        space = self._model.space
        found = space.nearest(space.coordinates(text, torch.tensor([start])))
        return 0 if found is None else int(found)

    def _code_window(self, coding: Coding, words: RangeCoder, given: NDArray[np.int64] | None) -> None:
        begin, first = self._begin, self._count
        end = min(self._stepped + WINDOW, begin + len(coding.tokens))
        if given is not None:
            coding.arrays.given[first - begin : end - begin] = given[first:end]
        mixing, over = self._model.weights["gate0"][:, 0].numpy(), False
        # A cell of the geometry depends on the token before.
        by_one = self._model.cells is not None and not self._cursor.finds_cells
        for until in range(first + 1, end + 1) if by_one else [end]:
            if by_one:
                coding.set_cell(self._cell())
            over = coding.run(until - begin, mixing, words)
            done = begin + coding.done
            self._tokens[begin:done] = torch.from_numpy(coding.tokens[: coding.done])
            self._count = done
            if over:
                break
        rows = slice(first - begin, self._count - begin)
        log_p, sure = coding.arrays.log_p[rows, None], coding.arrays.sure[rows]
        window = mixer.Inputs(torch.from_numpy(log_p), (torch.from_numpy(sure),), None)
        targets = mixer.columns(self._alphabet, self._tokens[first : self._count])
        self._online.step(window, targets)
        self._stepped = self._count
        if over:
            text, start = self._text(begin, self._count)
            assert self._memory
            self._memory.coded(Items(text, start, None))
            self._online.close(text, start)
            self._open()

    @torch.no_grad()
    def predict(self) -> NDArray[np.float64]:
        """Return the probabilities of :attr:`known` tokens, then the total of :attr:`unknown` ones, if
        any."""
        if not len(self._alphabet):
            return np.ones(1)
        text, start = self._text(self._count, self._count + 1)
        position, z = torch.tensor([start]), self._coordinates.next
        query = self._model.query(text, position, z)
        given = {
            name: memory.peek(query, self._alphabet, ahead=self._count - self._fitted[name])
            for name, memory in self._online.adaptive.items()
        }
        row = self._model.inputs(text, position, self._alphabet, given, z)
        self._rows.append(row)
        p = mixer.log_probs(self._model.weights, row)[0].double().exp().numpy()
        return np.append(p * (1 - self._unseen), self._unseen) if len(self.unknown) else p

    @torch.no_grad()
    def update(self, token: int) -> None:
        """Read ``token``, after :meth:`predict`, and learn the windows that it completes."""
        if self._count + 1 == len(self._tokens) <= self._size:
            self._make_room(2 * len(self._tokens))
        self._tokens[self._count] = token
        self._z.append(self._coordinates.read(self._tokens[self._count : self._count + 1]))
        fresh = not int(self._model.token_counts[token])
        self._count += 1
        over = fresh or self._count == self._size or self._count - self._begin == self._online.longest
        if len(self._alphabet):
            self._fit(over)
            if over or self._count - self._stepped == WINDOW:
                self._step()
        if over:
            self._online.close(*self._text(self._begin, self._count), self._read_since(self._begin))
            self._open()

    def _fit(self, over: bool) -> None:
        """Let the memories with a full window learn it, or all memories at the end of a chunk."""
        for name, memory in self._online.adaptive.items():
            begin = self._fitted[name]
            if over or self._count - begin == memory.window:
                items = self._model.items(*self._text(begin, self._count), self._read_since(begin))
                memory.partial_fit(items, self._alphabet, progress=self._online.progress, write=True)
                self._fitted[name] = self._count

    def _step(self) -> None:
        targets = mixer.columns(self._alphabet, self._tokens[self._stepped : self._count])
        self._online.step(mixer.join(self._rows), targets)
        self._stepped, self._rows = self._count, []

    def _read_since(self, begin: int) -> Tensor | None:
        """Return coordinates of the positions from ``begin`` on, if the encoder sees whole documents."""
        return _join(self._z[begin - self._begin :])

    def _text(self, lo: int, hi: int) -> tuple[Text, int]:
        """Return positions ``lo .. hi - 1`` after the context of the model, and the index of ``lo``."""
        first = max(lo - self._model.context, 0)
        here = slice(first, hi)
        return Text(self._tokens[here], self._depth[here], self._document[here]), lo - first


def _coding_memory(model: Model) -> tuple[CodingMemory | None, Any]:
    """Return the memory that can code a text while learning it, and its cursor, if it alone is the model."""
    coder = following.coder(model)
    if coder is None or DocumentCoordinates(model).next is not None:
        return None, None
    cursor = next(iter(following.cursors(model).values()), None)
    return (coder if cursor else None), cursor


def _join(coordinates: Sequence[Tensor | None]) -> Tensor | None:
    known = [z for z in coordinates if z is not None]
    return torch.cat(known) if known else None
