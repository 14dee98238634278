"""The gain from the geometry: the mixture is fitted with it, with its random start, and without it.

The memories do not hold the calibration split yet. All mixtures read its beginning once, and predict each
position before they learn it: a geometry that only remembers past text gains nothing. Memories that need
the geometry are trials that hold a sample of the text. With ``geometry.keep = "gain"`` the model loses a
geometry that does not beat both others by :data:`APART` standard errors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import attrs
import torch
from torch import Generator, Tensor

from lior.config import build
from lior.data.corpus import byte_lengths
from lior.geometry import adam
from lior.interfaces import Evidence, Items, Memory, Query, State, Text
from lior.model import memories, mixer
from lior.model.language_model import Model
from lior.model.space import Space
from lior.model.weighting import first_weights
from lior.training.job import Job, StageState
from lior.training.stages import LearnGeometry, learn

APART = 3
"""Minimum gain of a geometry that is kept, in standard errors over blocks of tokens."""
_BLOCK = 512
"""Number of tokens that are predicted before the mixtures learn them."""
_TIME = 0.6
"""Share of the time limit after which nothing is compared."""
_LEAST, _MOST, _SHARE = 4096, 32768, 1 / 48
"""Minimum and maximum number of tokens to read, and their share of the training text: a tenth of the time."""
_STORED, _PIECES = 65536, 64
"""Maximum number of tokens in a trial of a memory that needs the geometry, and number of their pieces."""


@attrs.define
class _Mixture:
    """A mixture of trials of the memories of ``job.model``; a space without a geometry is none."""

    job: Job
    space: Space
    memories: Mapping[str, Memory]
    _generator: Generator = attrs.field(init=False)
    _weights: State = attrs.field(init=False)
    _moments: State = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # Generators of their own: the training is not affected.
        self._generator = Generator(self.job.model.device).manual_seed(0)
        cells = 0 if self.space.cells is None else len(self.space.cells)
        self._weights = first_weights(self.job.model, self.memories, cells)
        self._moments = adam.init(self._weights)

    def read(self, text: Text, start: int, known: dict[int, Evidence], done: float, share: float) -> Tensor:
        """Return costs in nats of ``text[start:]``, a ``share`` of all after ``done``; they are learned
        afterwards.

        ``known`` is the evidence of memories that another mixture has read.
        """
        job, places = self.job, torch.arange(start, len(text.tokens), device=text.tokens.device)
        z = self.space.coordinates(text, places)
        items = Items(text, start, z, self.space.nearest(z))
        query = Query(text, places, z, items.cell, self.space.scorer)
        for memory in self.memories.values():
            if id(memory) not in known:
                known[id(memory)] = memories.read(memory, items, query, job.alphabet, done)
        evidence = [known[id(memory)] for memory in self.memories.values()]
        inputs = mixer.beside(evidence, self.space.gate(z) if "cells" in self._weights else None)
        targets = mixer.columns(job.alphabet, text.tokens[start:])
        log_p = mixer.log_probs(self._weights, inputs).gather(1, targets.clamp(min=0)[:, None])[:, 0]
        fit = self._weights, self._moments, inputs, targets
        self._weights, self._moments, _ = learn(job.config.mixer, self._generator, *fit, done, share)
        return torch.where(targets >= 0, -log_p, 0.0)


@attrs.define
class WeighGeometry:
    """A stage that notes in ``job.found`` the geometry's gains, in bits per byte, and their standard errors.

    It decides whether the model keeps the geometry.
    """

    job: Job
    metric: LearnGeometry
    name: str = attrs.field(default="mixer", init=False)
    _done: bool = attrs.field(default=False, init=False)

    @property
    def message(self) -> str:
        begin, end = self._range
        return f"fitting the mixture with and without the geometry on {end - begin:,} tokens, to compare"

    @property
    def _range(self) -> tuple[int, int]:
        parts = self.job.parts
        wanted = min(max(round(parts.memory * _SHARE), _LEAST), _MOST)
        return parts.memory, min(parts.memory + wanted, parts.train)

    def begin(self) -> None:
        """Do nothing: nothing is prepared."""

    def advance(self) -> bool:
        """Do everything in one step; without a text, or after the time limit, there is none."""
        job, (begin, end) = self.job, self._range
        if self._done or begin == end or job.spent() > _TIME:
            return False
        model = job.model
        shared = {
            name: memories.trial(memory, geometry=False) or memory
            for name, memory in model.memories.items()
            if not memory.abilities.geometry
        }
        spaces = [model.space, Space.of(None, {}, model.tokenizer.vocab, None)]
        if can_drop(model):
            spaces.append(self.metric.random_space())
        mixtures = [_Mixture(job, space, self._trials(space, shared)) for space in spaces]
        costs = torch.cat([torch.stack(each) for each in self._read(mixtures)], 1).double()
        size = int(byte_lengths(job.text.tokens[begin:end], model.tokenizer).sum()) * math.log(2)
        found, earned = compare(costs, size)
        job.found.update(found)
        if can_drop(model) and job.config.geometry.keep == "gain":
            job.found["geometry_kept"] = float(earned)
        self._done = True
        return True

    def _trials(self, space: Space, shared: Mapping[str, Memory]) -> dict[str, Memory]:
        """Return trials of the model's memories in ``space``, in their order; ``shared`` need no geometry."""
        found: dict[str, Memory] = {}
        for part in self.job.config.memory.components:
            memory = self.job.model.memories[part.name]
            if part.name in shared:
                found[part.name] = shared[part.name]
            elif trial := memories.trial(memory, geometry=space.geometry is not None):
                found[part.name] = trial
            elif space.geometry is not None:
                found[part.name] = fresh = build("memory", attrs.evolve(part, plugin=None))
                fresh.learn([*self._sample(space)])
        return found

    def _sample(self, space: Space) -> Iterator[Items]:
        """Yield items of the training text in pieces at equal distances, or all of a smaller text."""
        memory, count = self.job.parts.memory, _PIECES
        size = min(-(-memory // count), _STORED // count)
        for number in range(count):
            begin = memory * number // count
            end = min(begin + size, memory)
            text, start = self.job.text.text(begin, end, context=self.job.model.context)
            places = torch.arange(start, len(text.tokens), device=text.tokens.device)
            z = space.coordinates(text, places)
            yield Items(text, start, z, space.nearest(z))

    def _read(self, mixtures: list[_Mixture]) -> Iterator[list[Tensor]]:
        """Yield the costs of the tokens, a block at a time, for each of the mixtures."""
        job, model, (begin, end) = self.job, self.job.model, self._range
        size = mixer.rows_at_once(_BLOCK, len(job.alphabet))
        for at in range(begin, end, size):
            after = min(at + size, end)
            done, share = (at - begin) / (end - begin), (after - at) / (end - begin)
            text, start = job.text.text(at, after, context=model.context)
            known: dict[int, Evidence] = {}
            yield [each.read(text, start, known, done, share) for each in mixtures]
            job.progress(self.name, after - begin, end - begin, {})

    def end(self) -> None:
        """Continue without a geometry that gained nothing, as a training that never had one."""
        if self.job.found.get("geometry_kept") == 0:
            model = self.job.model
            model.memories = {name: m for name, m in model.memories.items() if not m.abilities.geometry}
            model.geometry = model.cells = None
            model.set_geometry({})
            self.job.generator.manual_seed(self.job.config.seed)

    def state(self) -> StageState:
        """Return whether the stage is done."""
        return StageState({}, {"done": self._done})

    def restore(self, state: StageState) -> None:
        self._done = state.numbers["done"]


def compare(costs: Tensor, size: float) -> tuple[dict[str, float], bool]:
    """Return how much the first mixture saves beside the others, and whether it beats all of them.

    Parameters
    ----------
    costs
        Costs of the tokens with the geometry, without it, and with a random one, ``(2 or 3, T)``.
    size
        Divisor of sums, such as the number of bytes.
    """
    found: dict[str, float] = {}
    earned = True
    for name, saved in zip(("geometry", "geometry_random"), costs[1:] - costs[0], strict=False):
        # Neighbours are not independent: a repeated passage is one event, and blocks are its clusters.
        blocks = torch.stack([block.sum() for block in saved.split(_BLOCK)]) / size
        spread = blocks.std(correction=0) if len(blocks) > 1 else blocks[0].abs()  # one may be all chance
        gain, error = float(blocks.sum()), float(spread) * len(blocks) ** 0.5
        found |= {name: gain, f"{name}_error": error}
        earned &= gain > APART * error
    return found, earned


def can_weigh(model: Model) -> bool:
    """Return whether ``model`` has a geometry and would be a model without it."""
    rest = [each for each in model.abilities if not each.geometry]
    return model.geometry is not None and bool(rest or model.fitted)


def can_drop(model: Model) -> bool:
    """Return whether memories that need the geometry can leave ``model``: none was fitted with it."""
    return can_weigh(model) and not any(memory.abilities.geometry for memory in model.fitted.values())
