"""The twelve layers in NumPy (A. Vaswani et al., *Attention Is All You Need*, 2017).

Matrix products are those of all pieces of some texts together; attention is within each text.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property

import attrs
import numpy as np

from lior_ask.embedders.four_bits import EPSILON, HEADS, LAYERS, Model, unit, unpack

_TOGETHER = 256
"""Number of pieces above which a batch ends: its intermediate results stay in the cache of a processor."""
_GELU = 0.797884561, 0.0356774081
"""Coefficients of tanh(ax + bx³) in place of erf(x / √2): sqrt(2 / π), and this times 0.044715
(D. Hendrycks and K. Gimpel, *Gaussian Error Linear Units*, 2016)."""


@attrs.frozen(eq=False)
class _Layer:
    """The weights of a layer, unpacked; each product is ``(inputs, outputs)`` with its bias."""

    seen: tuple[np.ndarray, np.ndarray]
    """Queries, keys and values together."""
    out: tuple[np.ndarray, np.ndarray]
    wide: tuple[np.ndarray, np.ndarray]
    narrow: tuple[np.ndarray, np.ndarray]
    norms: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class NumpyLayers:
    """The layers in NumPy; their weights are unpacked at the first use and take 85 MB.

    Parameters
    ----------
    model
        The model in its file.
    base, own
        Layers from the number ``own`` on are the model's; those before are taken from ``base``.
    """

    def __init__(self, model: Model, base: NumpyLayers | None = None, own: int = 0) -> None:
        self._model, self._base, self._own = model, base, own

    def means(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the mean of the last layer over each text's pieces, unit vectors, float32 ``(N, width)``."""
        found = []
        for some in _batches(texts):
            x, starts = self._states(some, LAYERS)
            found.append(unit(np.add.reduceat(x, starts[:-1])))
        return np.concatenate(found)

    def states(self, texts: Sequence[Sequence[int]], layers: int = LAYERS) -> list[np.ndarray]:
        """Return the states of each text's pieces after some layers, float32 ``(n, width)``."""
        batches = (self._states(some, layers) for some in _batches(texts))
        return [each for x, starts in batches for each in np.split(x, starts[1:-1])]

    def _states(self, texts: Sequence[Sequence[int]], layers: int) -> tuple[np.ndarray, np.ndarray]:
        starts = np.cumsum([0, *map(len, texts)])
        x = np.concatenate([self._model.embedded(each) for each in texts])
        x = _norm(x, (self._model.numbers("emb.ln.w"), self._model.numbers("emb.ln.b")))
        return self._risen(x, starts, slice(layers)), starts

    def above(self, states: np.ndarray) -> np.ndarray:
        """Return the unit mean ``(1, width)`` of the last layer from a text's states below layer ``own``."""
        last = self._risen(states, np.array([0, len(states)]), slice(self._own, None))
        return unit(last.sum(0, keepdims=True))

    def _risen(self, x: np.ndarray, starts: np.ndarray, layers: slice) -> np.ndarray:
        for layer in self._layers[layers]:
            every = _multiply(x, layer.seen)
            mixed = [_attend(part) for part in np.split(every, starts[1:-1])]
            x = _norm(x + _multiply(np.concatenate(mixed), layer.out), layer.norms[0])
            x = _norm(x + _multiply(_gelu(_multiply(x, layer.wide)), layer.narrow), layer.norms[1])
        return x

    @cached_property
    def _layers(self) -> list[_Layer]:
        below = self._base._layers[: self._own] if self._base else []
        return [*below, *(self._unpacked(f"l{number}.") for number in range(len(below), LAYERS))]

    def _unpacked(self, name: str) -> _Layer:
        def product(*parts: str) -> tuple[np.ndarray, np.ndarray]:
            rows = np.concatenate([unpack(*self._model.product(name + part)) for part in parts])
            return rows.T, np.concatenate([self._model.numbers(f"{name}{part}.b") for part in parts])

        first, second = (
            (self._model.numbers(f"{name}{norm}.w"), self._model.numbers(f"{name}{norm}.b"))
            for norm in ("aln", "oln")
        )
        return _Layer(product("q", "k", "v"), product("ao"), product("fi"), product("fo"), (first, second))


def _batches(texts: Sequence[Sequence[int]]) -> Iterator[Sequence[Sequence[int]]]:
    first, size = 0, 0
    for number, each in enumerate(texts):
        size += len(each)
        if size > _TOGETHER or number == len(texts) - 1:
            yield texts[first : number + 1]
            first, size = number + 1, 0


def _multiply(x: np.ndarray, weights: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    found: np.ndarray = x @ weights[0]
    found += weights[1]
    return found


def _norm(x: np.ndarray, weights: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    x = x - x.mean(1, keepdims=True)
    x *= 1 / np.sqrt(np.square(x).mean(1, keepdims=True) + np.float32(EPSILON))
    x *= weights[0]
    x += weights[1]
    return x


def _attend(every: np.ndarray) -> np.ndarray:
    """Return values mixed by attention, ``(n, width)``, from queries, keys and values, ``(n, 3 width)``."""
    query, key, value = every.reshape(len(every), 3, HEADS, -1).transpose(1, 2, 0, 3)
    scores = query @ key.transpose(0, 2, 1)
    scores *= np.float32(1 / math.sqrt(query.shape[-1]))
    scores -= scores.max(2, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(2, keepdims=True)
    return (scores @ value).transpose(1, 0, 2).reshape(len(every), -1)


def _gelu(x: np.ndarray) -> np.ndarray:
    first, third = map(np.float32, _GELU)
    found = np.square(x)
    found *= third
    found += first
    found *= x
    np.tanh(found, out=found)
    found += 1
    found *= x
    found *= np.float32(0.5)
    return found
