"""The gain from the geometry: the mixture is fitted with it, and once more without it.

The memories do not hold the calibration split yet. Both mixtures read its beginning once, and predict each
position before they learn it: a geometry that only remembers past text gains nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import attrs
import torch
from torch import Generator, Tensor

from lior.data.corpus import byte_lengths
from lior.geometry import adam
from lior.interfaces import Evidence, Items, MemoryBackend, Query, State, TrialMemory
from lior.model import mixer
from lior.model.language_model import Model
from lior.model.weighting import first_weights
from lior.training.stages import Job, StageState, learn

_BLOCK = 4096
_TIME = 0.6
"""Share of the time limit after which nothing is compared."""
_SAMPLE = 32768
"""Maximum number of tokens to read: about three seconds."""


@attrs.define
class _Mixture:
    """A mixture of memories of ``job.model``, whose adaptive ones are trials."""

    job: Job
    memories: Mapping[str, MemoryBackend]
    geometry: bool
    generator: Generator
    _weights: State = attrs.field(init=False)
    _moments: State = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        model = self.job.model
        cells = len(model.cells) if self.geometry and model.cells is not None else 0
        self._weights = first_weights(model, self.memories, cells)
        self._moments = adam.init(self._weights)

    def read(self, items: Items, given: Mapping[str, Evidence], done: float, share: float) -> Tensor:
        """Return costs in nats of ``items (T,)``, a ``share`` of all after ``done``; they are learned
        afterwards.

        ``given`` is the evidence of memories that are not adaptive.
        """
        job = self.job
        if not self.geometry:
            items = items._replace(z=None, cell=None)
        evidence = [
            memory.partial_fit(items, job.alphabet, progress=done, write=False)
            if isinstance(memory, TrialMemory)
            else given[name]
            for name, memory in self.memories.items()
        ]
        inputs = mixer.beside(evidence, job.model.space.gate(items.z) if "cells" in self._weights else None)
        targets = mixer.columns(job.alphabet, items.text.tokens[items.start :])
        log_p = mixer.log_probs(self._weights, inputs).gather(1, targets.clamp(min=0)[:, None])[:, 0]
        fit = self._weights, self._moments, inputs, targets
        self._weights, self._moments, _ = learn(job.config.mixer, self.generator, *fit, done, share)
        return torch.where(targets >= 0, -log_p, 0.0)


@attrs.define
class WeighGeometry:
    """A stage that notes in ``job.found`` the geometry's gain, in bits per byte, and its standard error."""

    job: Job
    name: str = attrs.field(default="mixer", init=False)
    _done: bool = attrs.field(default=False, init=False)

    @property
    def message(self) -> str:
        begin, end = self._range
        return f"fitting the mixture with and without the geometry on {end - begin:,} tokens, to compare"

    @property
    def _range(self) -> tuple[int, int]:
        parts = self.job.parts
        return parts.memory, min(parts.memory + _SAMPLE, parts.train)

    def begin(self) -> None:
        """Do nothing: nothing is prepared."""

    def advance(self) -> bool:
        """Do everything in one step; without a text, or after the time limit, there is none."""
        job, (begin, end) = self.job, self._range
        if self._done or begin == end or job.spent() > _TIME:
            return False
        # Generators of their own: the training is not affected.
        mixtures = [
            _Mixture(job, _trials(job.model, geometry), geometry, Generator(job.model.device).manual_seed(0))
            for geometry in (True, False)
        ]
        saved = torch.cat([without - with_it for with_it, without in self._read(mixtures)]).double()
        size = int(byte_lengths(job.text.tokens[begin:end], job.model.tokenizer).sum()) * math.log(2)
        spread = float(saved.std(correction=0)) * math.sqrt(len(saved))
        job.found.update(geometry=float(saved.sum()) / size, geometry_error=spread / size)
        self._done = True
        return True

    def _read(self, mixtures: list[_Mixture]) -> Iterator[list[Tensor]]:
        """Yield the costs of the tokens, a block at a time, for each of the mixtures."""
        job, model, (begin, end) = self.job, self.job.model, self._range
        still = {name: memory for name, memory in model.memories.items() if name not in model.adaptive}
        size = mixer.rows_at_once(_BLOCK, len(job.alphabet))
        for at in range(begin, end, size):
            after = min(at + size, end)
            done, share = (at - begin) / (end - begin), (after - at) / (end - begin)
            text, start = job.text.text(at, after, context=model.context)
            items = model.items(text, start)
            places = torch.arange(start, len(text.tokens), device=model.device)
            query = Query(text, places, items.z, items.cell)
            given = {name: memory.read(query, job.alphabet) for name, memory in still.items()}
            yield [each.read(items, given, done, share) for each in mixtures]
            job.progress(self.name, after - begin, end - begin, {})

    def end(self) -> None:
        """Do nothing: the result is noted already."""

    def state(self) -> StageState:
        """Return whether the stage is done."""
        return StageState({}, {"done": self._done})

    def restore(self, state: StageState) -> None:
        self._done = state.numbers["done"]


def can_weigh(model: Model) -> bool:
    """Return whether ``model`` has a geometry and would be a model without it."""
    return model.geometry is not None and bool(_trials(model, geometry=False))


def _trials(model: Model, geometry: bool) -> dict[str, MemoryBackend]:
    """Return a model's memories with or without the geometry; none if an adaptive one cannot be tried."""
    if not all(isinstance(memory, TrialMemory) for memory in model.adaptive.values()):
        return {}
    return {
        name: memory.trial(geometry=geometry) if isinstance(memory, TrialMemory) else memory
        for name, memory in model.memories.items()
        if geometry or isinstance(memory, TrialMemory) or not memory.needs_geometry
    }
