"""The stages of training that fit the metric and the mixer.

:mod:`lior.training.loop` orders them and runs them one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import attrs
import torch
from torch import Generator, Tensor

from lior.config import MixerConfig
from lior.data import noise
from lior.errors import PluginError
from lior.geometry import adam
from lior.geometry.retrieval import Geometry
from lior.interfaces import Evidence, Items, State, Updater
from lior.model import mixer
from lior.model.language_model import without_numbers
from lior.model.mixer import columns, rows_at_once
from lior.model.space import Space
from lior.model.weighting import fresh_weights
from lior.plugins.devices import fit_blocks
from lior.tensors import add_prefix, sub, threads
from lior.training.batches import BatchProbe, BatchSampler, BatchStream
from lior.training.job import Job, StageState
from lior.training.reading import fitted_items

# --- the metric -------------------------------------------------------------

_CHECKS = 12
"""Number of measurements of the loss on the calibration split."""
_WARM_UP = 20
"""Number of updates until the step size is reached."""
_LEAST_SCALE = 0.02
_GEOMETRY_TIME = 0.5
_CELL_SAMPLE = 16384
_OBSERVED = 16384
"""Number of positions that frame and resilience source observe if updates see the whole memory."""
_SAMPLE = 1 << 25
"""Maximum number of values, one for each token id and position, that an encoder may observe."""


@attrs.define
class LearnGeometry:
    """A stage that fits the metric by local updates on batches; the lowest calibration loss counts.

    It ends early after ``geometry.patience`` consecutive measurements without improvement.
    """

    job: Job
    geometry: Geometry
    updater: Updater
    name: str = attrs.field(default="geometry", init=False)
    _done: int = attrs.field(default=0, init=False)
    """Number of updates so far."""
    _rejected: int = attrs.field(default=0, init=False)
    _best_loss: float = attrs.field(default=math.inf, init=False)
    _worse: int = attrs.field(default=0, init=False)
    """Number of measurements since the lowest loss."""
    _used: float = attrs.field(default=0.0, init=False)
    """Used share of the time for this stage."""
    _current: State = attrs.field(init=False)
    _best: State = attrs.field(init=False)
    _optimiser: State = attrs.field(init=False)
    _origin: Tensor = attrs.field(init=False)
    """State of the generator before the errors in the contexts of queries were drawn."""
    _batches: BatchStream = attrs.field(init=False)

    @property
    def message(self) -> str:
        config = self.job.config.geometry
        return f"learning the metric: {'at most ' if config.patience else ''}{config.updates} updates"

    @property
    def _over(self) -> bool:
        """Return whether all updates are done, or the time or the patience is used up."""
        config = self.job.config.geometry
        impatient = 0 < config.patience <= self._worse
        return self._done >= config.updates or impatient or (self._done > 0 and self._used >= 1)

    def begin(self) -> None:
        """Draw the constant parts of all batches; frames and sources get their statistics in any case."""
        job = self.job
        self._origin = job.generator.get_state()
        self._batches = self._stream()
        self._batches.set_calibration(job.parts.memory, job.parts.train)
        self._current = self._best = self._observed(self._prepared(job.model.state))
        self._optimiser = self.updater.init(self.geometry.learned(self._current))
        self._used = job.spent() / _GEOMETRY_TIME

    def _stream(self) -> BatchStream:
        job, config = self.job, self.job.config.geometry
        asked = None
        if config.noise:
            train = job.parts.train
            hit = torch.rand(train, generator=job.generator, device=job.text.tokens.device) < config.noise
            asked, _ = noise.substitute(job.text, 0, train, hit, generator=job.generator)
        sampler = BatchSampler(job.text, self.geometry.encoder.reach, self.geometry.vocab, config, asked)
        return BatchStream(sampler, self.geometry, job.parts.memory, job.generator)

    def advance(self) -> bool:
        """Make one update. The step size falls with the updates, or with the time if that is shorter."""
        if self._over:
            return False
        config = self.job.config.geometry
        with threads(config.batch * (config.keys or self.job.parts.memory) * self.geometry.encoder.n):
            self._update()
        return True

    def _update(self) -> None:
        config, job = self.job.config.geometry, self.job
        every = max(config.updates // _CHECKS, 1)
        if self._done and self._done % every == 0:
            self._current = self._observed(self._current)
        origin = job.generator.get_state()
        params, self._optimiser, accepted = fit_blocks(partial(self._step, origin), job.model.device)
        self._current = self.geometry.project(self._current | params)
        self._rejected += not accepted
        self._done += 1
        self._used = job.spent() / _GEOMETRY_TIME
        metrics = self._check() if self._over or self._done % every == 0 else {}
        job.progress("geometry", self._done, self._done if self._over else config.updates, metrics)

    def _step(self, origin: Tensor) -> tuple[State, State, bool]:
        """Return the updater's step on the batch that the generator draws from its state ``origin``."""
        generator, updates = self.job.generator, self.job.config.geometry.updates
        generator.set_state(origin)
        left = max(1 - max(self._done / updates, self._used), _LEAST_SCALE)
        batch = self._batches.draw(self._current, self._done)
        return self.updater.step(
            self.geometry.learned(self._current),
            self._optimiser,
            BatchProbe(self.geometry, self._current, batch),
            scale=left * min((self._done + 1) / _WARM_UP, 1.0),
            generator=generator,
        )

    def _loss(self) -> float:
        return float(self.geometry.loss(self._current, self._batches.calibration()))

    def _check(self) -> dict[str, float]:
        """Measure the calibration loss and store the geometry if it is the best so far."""
        loss = fit_blocks(self._loss, self.job.model.device)
        if not math.isfinite(loss):
            raise PluginError(
                f"the loss of the geometry is not finite after update {self._done}: the updater or a "
                "derivative is wrong; `lior plugins --check` shows which"
            )
        self._worse += 1
        if loss < self._best_loss:
            self._best, self._best_loss, self._worse = self._current, loss, 0
        return {"calibration_loss": loss, "rejected": self._rejected}

    def _prepared(self, state: State) -> State:
        """Return ``state`` after an encoder with statistics has observed a sample of the memory."""
        sampler, memory = self._batches.sampler, self.job.parts.memory
        count = _SAMPLE // (self.geometry.vocab + 1)
        return self.geometry.prepare(state, sampler.blocks(memory, count, self.job.generator))

    def _observed(self, state: State) -> State:
        """Return ``state`` after frame and resilience source have observed a uniform sample of the memory."""
        memory, sampler = self.job.parts.memory, self._batches.sampler
        count = min(sampler.config.keys or _OBSERVED, memory)
        sample = sampler.positions(0, memory, count, self.job.generator)
        return self.geometry.observe(state, sampler.contexts(sample), total=memory)

    def end(self) -> None:
        """Give the model the best geometry, and choose the cells of the gate from a sample of the memory."""
        job, count = self.job, self.job.config.mixer.cells
        job.model.set_geometry(self._best)
        if count:
            job.model.set_cells(self._contexts(), count, generator=job.generator)

    def _contexts(self) -> Tensor:
        """Return contexts of the memory, among which the cells of the gate are chosen."""
        sampler, memory = self._batches.sampler, self.job.parts.memory
        return sampler.contexts(sampler.positions(0, memory, min(_CELL_SAMPLE, memory), self.job.generator))

    def random_space(self) -> Space:
        """Return the space of the geometry before its first update; the stage and the job do not change."""
        job, count = self.job, self.job.config.mixer.cells
        generator = Generator(job.model.device).manual_seed(job.config.seed)
        other = attrs.evolve(self, job=attrs.evolve(job, generator=generator))
        state = self.geometry.init(generator=generator)
        other._batches = other._stream()
        state = other._observed(other._prepared(state))
        space = Space.of(self.geometry, state, self.geometry.vocab, None)
        return space.with_cells(other._contexts(), count, generator=generator) if count else space

    def state(self) -> StageState:
        """Return geometry (now and best), optimiser, batches drawn ahead, generator before its first draw."""
        groups = {"state": self._current, "best": self._best, "optimiser": self._optimiser}
        groups |= {"batches": self._batches.state()}
        tensors = {k: v for group, state in groups.items() for k, v in add_prefix(group, state).items()}
        numbers: dict[str, float] = {"done": self._done, "rejected": self._rejected, "worse": self._worse}
        if math.isfinite(self._best_loss):
            numbers |= {"best_loss": self._best_loss}
        return StageState(tensors | {"origin": self._origin}, numbers)

    def restore(self, state: StageState) -> None:
        """Draw the errors in the contexts of queries again; everything else is in ``state``."""
        tensors, numbers = state
        self._origin = tensors["origin"]
        with _rewound(self.job.generator, self._origin):
            self._batches = self._stream()
        self._batches.restore(sub(tensors, "batches"))
        self._current, self._best = sub(tensors, "state"), sub(tensors, "best")
        self._optimiser = sub(tensors, "optimiser")
        self._done, self._rejected = numbers["done"], numbers["rejected"]
        self._worse = numbers.get("worse", 0)
        self._best_loss = numbers.get("best_loss", math.inf)
        self._used = self.job.spent() / _GEOMETRY_TIME


@contextmanager
def _rewound(generator: Generator, origin: Tensor) -> Iterator[None]:
    """Rewind the generator to its earlier state ``origin`` inside the block only (context manager)."""
    now = generator.get_state()
    generator.set_state(origin)
    try:
        yield
    finally:
        generator.set_state(now)


# --- the mixer --------------------------------------------------------------

_MIXER_BLOCK = 8192
_MIXER_TIME = 0.8


@attrs.define
class FitMixer:
    """A stage that fits the mixer on the calibration split, which the memories do not hold yet.

    Fitted memories read it first, ``fit.calibration_passes`` times unchanged and ``noise_passes`` times
    with errors. The mixer learns from their evidence in the last pass, which they give before they learn a
    block.
    """

    job: Job
    name: str = attrs.field(default="mixer", init=False)
    _number: int = attrs.field(default=0, init=False)
    _at: int = attrs.field(init=False)
    _adam: State = attrs.field(init=False)
    _reading: noise.NoisyText = attrs.field(init=False)
    """The calibration split in this pass."""
    _origin: Tensor = attrs.field(init=False)
    """State of the generator before the errors of this pass were drawn."""

    @property
    def message(self) -> str:
        parts = self.job.parts
        return f"fitting the mixer on {parts.train - parts.memory:,} tokens the memory has not seen"

    @property
    def _passes(self) -> tuple[int, int]:
        """Numbers of passes without and with errors."""
        fit = self.job.config.fit
        return (fit.calibration_passes, fit.noise_passes) if self.job.model.fitted else (1, 0)

    def begin(self) -> None:
        self.job.model.weights = fresh_weights(self.job.model)
        self._adam = adam.init(self.job.model.weights)
        self._open(0)

    def _open(self, number: int) -> None:
        """Start a pass; those without errors come first."""
        job, parts = self.job, self.job.parts
        self._number, self._at, self._origin = number, parts.memory, job.generator.get_state()
        if self._passes[0] <= number < sum(self._passes):
            self._reading = noise.damage(job.text, parts.memory, parts.train, generator=job.generator)
        else:
            self._reading = noise.NoisyText(job.text, parts.train, None)

    def advance(self) -> bool:
        """Process one block; after the time for this stage there is none but the first."""
        job, first, count = self.job, self.job.parts.memory, sum(self._passes)
        if self._at >= self._reading.end and self._number < count:
            self._open(self._number + 1)
        started = self._number or self._at > first
        if self._number >= count or (started and job.spent() > _MIXER_TIME):
            return False
        reading, model = self._reading, job.model
        end = min(self._at + rows_at_once(_MIXER_BLOCK, len(job.alphabet)), reading.end)
        done, share = ((at - first) / (reading.end - first) for at in (self._at, end))
        text, start = reading.corpus.text(self._at, end, context=model.context)
        items = fitted_items(model, text, start)
        if reading.kept is not None:
            items = items._replace(kept=reading.kept[self._at - first : end - first])
        evidence = model.fit(items, job.alphabet, progress=self._progress(done), write=False)
        last = self._number == count - 1
        metrics = {"calibration_loss": self._fit(items, evidence, done, share - done)} if last else {}
        self._at = end
        size = job.parts.train - first
        job.progress("mixer", round(size * (self._number + share)), size * count, metrics)
        return True

    def _progress(self, done: float) -> float:
        """Return the finished share of the clean or the damaged passes; clean ones after folds have ended."""
        clean, damaged = self._passes
        if self._number < clean and self.job.folds:
            return 1.0
        if self._number < clean:
            return (self._number + done) / clean
        return (self._number - clean + done) / damaged

    def _fit(self, items: Items, evidence: Mapping[str, Evidence], done: float, share: float) -> float:
        """Update on one block, a ``share`` of all, after ``done`` of them; returns the mean loss in nats."""
        model, config = self.job.model, self.job.config.mixer
        inputs, targets = self._examples(items, evidence)
        fit = model.weights, self._adam, inputs, targets
        model.weights, self._adam, loss = learn(config, self.job.generator, *fit, done, share)
        if not math.isfinite(loss):
            named = without_numbers(model.memories, inputs.log_p)
            raise PluginError(f"the mixer's loss is not finite; {named}")
        return loss

    def _examples(self, items: Items, evidence: Mapping[str, Evidence]) -> tuple[mixer.Inputs, Tensor]:
        """Return the mixer's inputs and targets at a sample of ``items``, their share of
        ``mixer.positions``.

        Each expert has weights of its own, so the option is the number for one expert.
        """
        job, text, start = self.job, items.text, items.start
        count, size = len(text.tokens) - start, job.parts.train - job.parts.memory
        positions = job.config.mixer.positions * len(job.model.experts)
        wanted = max(round(count * min(positions / size, 1.0)), 1) if positions else count
        order = torch.randperm(count, generator=job.generator, device=job.generator.device)
        chosen = order[:wanted].sort().values
        if items.kept is not None:
            chosen = chosen[items.kept[chosen]]
        given = {name: each.rows(chosen) for name, each in evidence.items()}
        inputs = job.model.inputs(text, chosen + start, job.alphabet, given)
        return inputs, columns(job.alphabet, text.tokens[chosen + start])

    def end(self) -> None:
        """Do nothing: the model has the weights already."""

    def state(self) -> StageState:
        """Return the pass, its position, the generator before its errors were drawn, and Adam's moments."""
        tensors = add_prefix("adam", self._adam) | {"origin": self._origin}
        return StageState(tensors, {"number": self._number, "at": self._at})

    def restore(self, state: StageState) -> None:
        """Draw the errors of the pass again, and continue in it."""
        tensors, numbers = state
        with _rewound(self.job.generator, tensors["origin"]):
            self._open(numbers["number"])
        self._at, self._adam = numbers["at"], sub(tensors, "adam")


def learn(
    config: MixerConfig,
    generator: Generator,
    weights: State,
    moments: State,
    inputs: mixer.Inputs,
    targets: Tensor,
    done: float,
    share: float,
) -> tuple[State, State, float]:
    """Update a mixer on a block, a ``share`` of its text, after ``done`` of it.

    Returns
    -------
    tuple[State, State, float]
        The next weights and moments of Adam, and the mean loss in nats.
    """
    count = len(targets)
    shuffle = partial(torch.randperm, count, generator=generator, device=generator.device)
    batches = [rows for _ in range(config.passes) for rows in shuffle().split(config.batch)]
    total = torch.zeros((), dtype=torch.float64, device=targets.device)
    for number, rows in enumerate(batches):
        rate = config.learning_rate * (1 - done - share * number / len(batches))
        weights, moments, log_p = mixer.update(weights, moments, inputs.rows(rows), targets[rows], rate)
        total -= log_p.mean()
    return weights, moments, float(total) / max(len(batches), 1)
