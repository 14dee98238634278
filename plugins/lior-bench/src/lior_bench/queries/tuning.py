"""The last layers of the encoder, learned further to tell what a question about tables asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

from lior_ask.embedders import e5
from lior_ask.embedders.layers import NumpyLayers
from lior_ask.tables.learned import LOWEST
from lior_bench.encoder import Encoder, frame

Head = tuple[tuple[str, ...], np.ndarray]
"""The outputs of a linear function of the vector, and its constants and weights ``(1 + D, K)``."""
_BATCH, _EPOCHS = 32, 5
_RATE, _HEADS_RATE, _DECAY = 1e-4, 2e-3, 0.02
_DROPPED, _LEFT_OUT = 0.1, 0.2
"""Shares left out of what a layer adds, and of the vector."""
_SCALE = 5.0
"""Factor of unit vectors before the linear functions."""


class Tuned:
    """An encoder with linear functions of the vector of a question, one for each of ``labels``.

    Parameters
    ----------
    texts
        Questions.
    labels
        The label of each question by the name of what is told, or ``None`` if it has none.
    """

    def __init__(
        self, texts: Sequence[str], labels: Mapping[str, Sequence[str | None]], *, seed: int
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
        numbers = {
            name: [self.outputs[name].index(each) if each else -100 for each in own]
            for name, own in labels.items()
        }
        self._learn(self._states(texts), numbers, np.random.default_rng(seed))

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return the unit vectors of questions, float32 ``(N, D)``."""
        with torch.no_grad():
            return np.concatenate([self._of(some).numpy() for some in _batches(self._states(texts))])

    def head(self, name: str) -> Head:
        """Return the linear function that tells the labels of a name."""
        own = dict(self._heads[name].named_parameters())
        both = torch.cat([own["bias"][None], own["weight"].T * _SCALE])
        return self.outputs[name], both.detach().double().numpy()

    def layers(self) -> dict[str, np.ndarray]:
        """Return the layers as :func:`~lior_ask.embedders.four_bits.read` reads them."""
        return {name: each for name, each in self.encoder.weights().items() if name.startswith("l")}

    def _states(self, texts: Sequence[str]) -> list[np.ndarray]:
        pieces = self.encoder.file.pieces.divide([f"query: {each}" for each in texts])
        return self._below.states([*map(frame, pieces)], LOWEST)

    def _of(self, states: Sequence[np.ndarray]) -> Tensor:
        length = max(map(len, states))
        x = np.zeros((len(states), length, self.encoder.file.width), np.float32)
        mask = np.zeros((len(states), length), bool)
        for row, each in enumerate(states):
            x[row, : len(each)], mask[row, : len(each)] = each, True
        return self.encoder.upper(torch.from_numpy(x), torch.from_numpy(mask))

    def _learn(
        self, states: Sequence[np.ndarray], numbers: Mapping[str, Sequence[int]], random: np.random.Generator
    ) -> None:
        """Learn by AdamW with a rate of one cycle from the sum of all losses."""
        groups = [
            {"params": [p for name, p in self.encoder.named_parameters() if "." in name], "lr": _RATE},
            {"params": [*self._heads.parameters()], "lr": _HEADS_RATE},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=_DECAY)
        steps = _EPOCHS * -(-len(states) // _BATCH)
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=[_RATE, _HEADS_RATE], total_steps=steps + 1, pct_start=0.1
        )
        targets = {name: torch.tensor(own) for name, own in numbers.items()}
        for _ in range(_EPOCHS):
            for some in np.split(random.permutation(len(states)), range(_BATCH, len(states), _BATCH)):
                with torch.autocast("cpu", torch.bfloat16):
                    vectors = self._of([states[n] for n in some])
                vectors = dropout(vectors.float() * _SCALE, _LEFT_OUT)
                loss = torch.zeros(())
                for name, own in targets.items():
                    if (own[some] >= 0).any():
                        loss = loss + cross_entropy(self._heads[name](vectors), own[some])
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
                optimizer.step()
                rate.step()
        self.encoder.eval()


def _batches(states: Sequence[np.ndarray], size: int = 64) -> Iterator[Sequence[np.ndarray]]:
    for first in range(0, len(states), size):
        yield states[first : first + size]
