"""The last layers of the encoder, learned further for questions about tables.

The vector of a question tells what it asks for (linear functions). That of other layers tells which table and
columns it means, too: those whose names, read as :mod:`lior_ask.tables.headers` reads them, have the nearest
vectors (A. van den Oord et al., *Representation Learning with Contrastive Predictive Coding*, 2018). Layers
that learn both tell the class of fewer questions, .84 instead of .87.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout, normalize

from lior_ask.embedders import e5
from lior_ask.embedders.layers import NumpyLayers
from lior_ask.tables.headers import MEANT, Reading
from lior_ask.tables.learned import LOWEST
from lior_bench.encoder import Encoder, frame, mean

Head = tuple[tuple[str, ...], np.ndarray]
"""The outputs of a linear function of the vector, and its constants and weights ``(1 + D, K)``."""
_BATCH, _EPOCHS = 32, 5
_FOLDERS, _QUESTIONS, _NAMES_EPOCHS = 4, 12, 4
"""Folders of a step, questions of each, and epochs, if names are learned."""
_RATE, _HEADS_RATE, _DECAY = 1e-4, 2e-3, 0.02
_DROPPED, _LEFT_OUT = 0.1, 0.2
"""Shares left out of what a layer adds, and of the vector."""
_SCALE = 5.0
"""Factor of unit vectors before the linear functions."""
_SHARP = 3.0
"""Logarithm of the first factor of cosines."""


@attrs.frozen
class Meant:
    """The table and the columns that a question means."""

    tables: tuple[int, ...]
    """Numbers of the tables of its folder."""
    table: int
    """The one that it means; -1 if it means none."""
    columns: Mapping[str, int]
    """The columns by their roles."""


class Tuned:
    """An encoder with linear functions of the vector of a question, one for each of ``labels``.

    Parameters
    ----------
    texts
        Questions.
    labels
        The label of each question by the name of what is told, or ``None`` if it has none.
    meant, tables
        What each question means, and the names of each table; empty if these are not learned.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Mapping[str, Sequence[str | None]],
        meant: Sequence[Meant] = (),
        tables: Sequence[Reading] = (),
        *,
        seed: int,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        file = e5.open_file()
        self.encoder = Encoder(file, generator, lowest=LOWEST, dropped=_DROPPED)
        self._below = NumpyLayers(file)
        self.outputs = {name: (*sorted({each for each in own if each}),) for name, own in labels.items()}
        heads = {name: nn.Linear(file.width, len(own)) for name, own in self.outputs.items()}
        for each in heads.values():
            nn.init.zeros_(each.weight)
            nn.init.zeros_(each.bias)
        self._heads = nn.ModuleDict(heads)
        self._factors = nn.Parameter(torch.ones(len(MEANT), file.width))
        self._sharp = nn.Parameter(torch.tensor(_SHARP))
        self._tables = tables
        self._names = self._below.states([each.pieces for each in tables], LOWEST)
        numbers = {
            name: torch.tensor([self.outputs[name].index(each) if each else -100 for each in own])
            for name, own in labels.items()
        }
        self._learn(self._questions(texts), numbers, meant, np.random.default_rng(seed))

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return the unit vectors of questions, float32 ``(N, D)``."""
        with torch.no_grad():
            parts = (mean(*self._last(some)) for some in _batches(self._questions(texts)))
            return np.concatenate([each.numpy() for each in parts])

    def states(self, texts: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Return the last states, float32 ``(n, D)``, of texts in pieces."""
        found = list[np.ndarray]()
        with torch.no_grad():
            for some in _batches(self._below.states(texts, LOWEST)):
                last = self._last(some)[0].numpy()
                found += [row[: len(own)] for row, own in zip(last, some, strict=True)]
        return found

    def head(self, name: str) -> Head:
        """Return the linear function that tells the labels of a name."""
        own = dict(self._heads[name].named_parameters())
        both = torch.cat([own["bias"][None], own["weight"].T * _SCALE])
        return self.outputs[name], both.detach().double().numpy()

    @property
    def factors(self) -> np.ndarray:
        """The factors of a question's vector for each of ``MEANT``, float32 ``(4, D)``."""
        return self._factors.detach().numpy()

    def layers(self) -> dict[str, np.ndarray]:
        """Return the layers as :func:`~lior_ask.embedders.four_bits.read` reads them."""
        return {name: each for name, each in self.encoder.weights().items() if name.startswith("l")}

    def _questions(self, texts: Sequence[str]) -> list[np.ndarray]:
        pieces = self.encoder.file.pieces.divide([f"query: {each}" for each in texts])
        return self._below.states([*map(frame, pieces)], LOWEST)

    def _last(self, states: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Return the last states ``(N, n, D)`` from those below, and where the pieces are."""
        length = max(map(len, states))
        x = np.zeros((len(states), length, self.encoder.file.width), np.float32)
        mask = np.zeros((len(states), length), bool)
        for row, each in enumerate(states):
            x[row, : len(each)], mask[row, : len(each)] = each, True
        there = torch.from_numpy(mask)
        return self.encoder.last(torch.from_numpy(x), there), there

    def _learn(
        self,
        states: Sequence[np.ndarray],
        numbers: Mapping[str, Tensor],
        meant: Sequence[Meant],
        random: np.random.Generator,
    ) -> None:
        """Learn by AdamW with a rate of one cycle from the sum of all losses."""
        others = [*self._heads.parameters(), self._factors, self._sharp]
        groups = [
            {"params": [p for name, p in self.encoder.named_parameters() if "." in name], "lr": _RATE},
            {"params": others, "lr": _HEADS_RATE},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=_DECAY)
        every = range(_NAMES_EPOCHS if meant else _EPOCHS)
        steps = [each for _ in every for each in _steps(len(states), meant, random)]
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=[_RATE, _HEADS_RATE], total_steps=len(steps) + 1, pct_start=0.1
        )
        for some in steps:
            with torch.autocast("cpu", torch.bfloat16):
                vectors = mean(*self._last([states[n] for n in some]))
                loss = self._matching(vectors, [meant[n] for n in some]) if meant else torch.zeros(())
            spread = dropout(vectors.float() * _SCALE, _LEFT_OUT)
            for name, own in numbers.items():
                if (own[some] >= 0).any():
                    loss = loss + cross_entropy(self._heads[name](spread), own[some])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
            optimizer.step()
            rate.step()
        self.encoder.eval()

    def _matching(self, vectors: Tensor, meant: Sequence[Meant]) -> Tensor:
        """Return the loss of tables and columns: the mean over questions of the sum of cross entropies."""
        used = sorted({n for each in meant for n in each.tables})
        place = {number: row for row, number in enumerate(used)}
        last, mask = self._last([self._names[n] for n in used])
        tables, factor = mean(last, mask), self._sharp.exp()
        columns = [
            normalize(torch.stack([own[a:b].mean(0) for a, b in self._tables[n].ends]), dim=1)
            for own, n in zip(last, used, strict=True)
        ]
        loss = vectors.new_zeros(())
        for vector, each in zip(vectors.float(), meant, strict=True):
            if each.table < 0:
                continue
            asked, rows = factor * vector * self._factors, [place[n] for n in each.tables]
            own = each.tables.index(each.table)
            loss = loss + cross_entropy(tables[rows] @ asked[0], torch.tensor(own))
            first = sum(len(columns[row]) for row in rows[:own])
            for role, column in each.columns.items():
                if column < len(columns[rows[own]]):
                    scores = torch.cat([columns[row] for row in rows]) @ asked[MEANT.index(role)]
                    loss = loss + cross_entropy(scores, torch.tensor(first + column))
        return loss / len(meant)


def _steps(count: int, meant: Sequence[Meant], random: np.random.Generator) -> Iterator[list[int]]:
    """Yield the numbers of all questions in random order, those of some folders in each step if names are
    learned."""
    order, folders = random.permutation(count).tolist(), dict[tuple[int, ...], list[int]]()
    if not meant:
        yield from (order[first : first + _BATCH] for first in range(0, count, _BATCH))
        return
    for n in order:
        folders.setdefault(meant[n].tables, []).append(n)
    parts = [own[at : at + _QUESTIONS] for own in folders.values() for at in range(0, len(own), _QUESTIONS)]
    order = random.permutation(len(parts)).tolist()
    for first in range(0, len(order), _FOLDERS):
        yield [n for part in order[first : first + _FOLDERS] for n in parts[part]]


def _batches(states: Sequence[np.ndarray], size: int = 64) -> Iterator[Sequence[np.ndarray]]:
    for first in range(0, len(states), size):
        yield states[first : first + size]
