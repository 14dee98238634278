"""Fitting the parts of a model: memory by one pass, geometry on windows, mixer on the tail."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import attrs
import torch
from torch import Generator, Tensor

from lior import mixer, noise
from lior.config import GeometryConfig, MixerConfig
from lior.corpus import Corpus, gather_contexts
from lior.geometry.retrieval import Geometry, Window
from lior.interfaces import Evidence, Items, State, Updater
from lior.learning import moments
from lior.model import Model, columns, rows_at_once
from lior.windows import WindowSampler, WindowStream

Tick = Callable[[str, int, int, Mapping[str, float]], None]
"""Called now and then with (stage, step, steps, metrics)."""

_WRITE_BLOCK = 65536
_STUDY_BLOCK = 16384
_MIXER_BLOCK = 8192
_CELL_SAMPLE = 16384
_CHECKS = 12
_WARM_UP = 20
_GEOMETRY_SHARE = 0.5
_MIXER_SHARE = 0.8
_STUDY_SHARE = 0.6


@attrs.frozen
class Split:
    """Where the parts of a corpus end: memory, then the mixer's tail, then validation."""

    memory: int
    train: int
    end: int


def split(length: int, *, holdout: float, tail: float) -> Split:
    """Cut a corpus of ``length`` tokens.

    The last ``holdout`` of all is for validation, the last ``tail`` of the rest
    for the mixer; each part but validation has at least one token.
    """
    train = int(length * (1 - holdout))
    return Split(max(train - max(int(train * tail), 1), 1), train, length)


def write(model: Model, corpus: Corpus, lo: int, hi: int, *, tick: Tick, studied: bool = False) -> None:
    """Write positions ``lo .. hi - 1`` to the model's memories, in one pass.

    ``studied`` says that the adaptive memories have taken them in already.
    """
    done = model.adaptive if studied else ()
    for begin in range(lo, hi, _WRITE_BLOCK):
        end = min(begin + _WRITE_BLOCK, hi)
        model.stage(*corpus.text(begin, end, context=model.context), studied=done)
        tick("memory", end - lo, hi - lo, {})
    model.commit()


def study(
    model: Model,
    corpus: Corpus,
    lo: int,
    hi: int,
    *,
    passes: tuple[int, int],
    train: int,
    tick: Tick,
    spent: Callable[[], float],
) -> None:
    """Let the adaptive memories read, learn and take in positions ``lo .. hi - 1``.

    Parameters
    ----------
    passes
        Number of this pass, from 0, and how many there are.
    train
        Tokens of a whole pass: the schedule's progress is counted in them.
    spent
        Share of the run's time limit that is used up; from 0.6 on the text is only taken in.
    """
    number, count = passes
    alphabet = corpus.tokens[:train].long().unique()
    nats, read = 0.0, 0
    block = rows_at_once(_STUDY_BLOCK, len(alphabet))
    for begin in range(lo, hi, block):
        end = min(begin + block, hi)
        text, start = corpus.text(begin, end, context=model.context)
        items, metrics = model.items(text, start), {}
        if spent() < _STUDY_SHARE:
            progress = (number + begin / train) / count
            evidence = model.study(items, alphabet, progress=progress, write=True)
            first, target = next(iter(evidence.values())), columns(alphabet, text.tokens[start:])
            nats -= float(first.log_p[:, 0].gather(1, target[:, None]).double().sum())
            read += end - begin
            metrics = {"nats_per_token": nats / read}
        else:
            for memory in model.adaptive.values():
                memory.stage(items)
                memory.commit()
        tick("memory", number * train + end, count * train, metrics)


# --- geometry ---


@attrs.frozen
class WindowProbe:
    """A window's objective as an updater sees it (:class:`lior.interfaces.Probe`)."""

    geometry: Geometry
    statistics: State
    window: Window

    def loss(self, params: State) -> float:
        """Mean retrieval loss in nats."""
        return float(self.geometry.loss(self.statistics | params, self.window))

    def phases(self, params: State, nudge: float) -> State:
        """The two-phase statistic of every parameter."""
        return self.geometry.phases(self.statistics | params, self.window, nudge)[0]


@torch.no_grad()
def fit_geometry(
    geometry: Geometry,
    state: State,
    corpus: Corpus,
    parts: Split,
    updater: Updater,
    config: GeometryConfig,
    *,
    generator: Generator,
    tick: Tick,
    spent: Callable[[], float],
) -> State:
    """Learn the geometry on windows; returns the state that was best on the tail.

    Without any step it is the fresh state with the statistics of the memory.

    Parameters
    ----------
    spent
        Share of the run's time limit that is used up. The stage may take half
        of the limit; the schedule follows the time when it is ahead of the steps.
    """
    asked = None
    if config.noise:
        hit = torch.rand(parts.train, generator=generator, device=corpus.tokens.device) < config.noise
        asked, _ = noise.substitute(corpus, 0, parts.train, hit, generator=generator)
    sampler = WindowSampler(corpus, geometry.encoder.reach, geometry.vocab, config, asked)
    windows = WindowStream(sampler, geometry, parts.memory, generator)
    windows.set_tail(parts.memory, parts.train)
    # Also when no step follows: a frame or a source made of statistics needs them.
    state = _observed(geometry, state, sampler, parts, generator)
    best, best_loss = state, math.inf
    params = geometry.learned(state)
    moving = updater.init(params)
    every = max(config.steps // _CHECKS, 1)
    rejected = 0
    used = spent() / _GEOMETRY_SHARE
    for step in range(config.steps):
        if step and step % every == 0:
            state = _observed(geometry, state, sampler, parts, generator)
        window = windows.draw(state, step)
        scale = max(1 - max(step / config.steps, used), 0.02) * min((step + 1) / _WARM_UP, 1.0)
        probe = WindowProbe(geometry, state, window)
        params, moving, report = updater.step(params, moving, probe, scale=scale, generator=generator)
        state = geometry.project(state | params)
        params = geometry.learned(state)
        rejected += not report.accepted
        metrics: dict[str, float] = {}
        used = spent() / _GEOMETRY_SHARE
        if (step + 1) % every == 0 or step + 1 == config.steps or used >= 1:
            loss = float(geometry.loss(state, windows.tail()))
            best, best_loss = (state, loss) if loss < best_loss else (best, best_loss)
            metrics = {"tail_loss": loss, "rejected": rejected}
        tick("geometry", step + 1, config.steps, metrics)
        if used >= 1:
            break
    return best


def _observed(
    geometry: Geometry, state: State, sampler: WindowSampler, parts: Split, generator: Generator
) -> State:
    """``state`` after a uniform sample of the memory was shown to frame and resilience source."""
    count = min(sampler.config.keys, parts.memory)
    device = sampler.corpus.tokens.device
    sample = torch.randint(parts.memory, (count,), generator=generator, device=device)
    return geometry.observe(state, sampler.contexts(sample), total=parts.memory)


# --- mixer ---


def place_cells(model: Model, corpus: Corpus, parts: Split, count: int, *, generator: Generator) -> None:
    """Choose the centres of the geometric gate from the coordinates of a sample of the memory."""
    if model.geometry is None or not count:
        return
    size = min(_CELL_SAMPLE, parts.memory)
    positions = torch.randint(parts.memory, (size,), generator=generator, device=corpus.tokens.device)
    reach, vocab = model.geometry.encoder.reach, model.geometry.vocab
    contexts = gather_contexts(corpus.tokens, positions, corpus.depth(positions), reach, vocab)
    model.set_cells(contexts, count, generator=generator)


@attrs.frozen
class Reading:
    """The tail as it is read once."""

    corpus: Corpus
    end: int
    """Where the tail ends in it."""
    kept: Tensor | None
    """Which tokens of the tail noise left as they were; ``None`` when there is none."""


def _readings(
    corpus: Corpus, parts: Split, passes: tuple[int, int], generator: Generator
) -> Iterator[tuple[Reading, float, float]]:
    """Clean readings of the tail, then those with errors; with the progress of each group, from and to."""
    for number in range(passes[0]):
        yield Reading(corpus, parts.train, None), number / passes[0], (number + 1) / passes[0]
    for number in range(passes[1]):
        damaged = Reading(*noise.damage(corpus, parts.memory, parts.train, generator=generator))
        yield damaged, number / passes[1], (number + 1) / passes[1]


@torch.no_grad()
def fit_mixer(
    model: Model,
    corpus: Corpus,
    parts: Split,
    config: MixerConfig,
    passes: tuple[int, int],
    *,
    generator: Generator,
    tick: Tick,
    spent: Callable[[], float],
) -> None:
    """Fit everything that weighs evidence on the tail, which the memories have not taken in.

    Adaptive memories study it first; the mixer learns from what they say in the last reading, each block
    before they learn from it.

    Parameters
    ----------
    passes
        How many times adaptive memories read the tail as it is, and then with errors.
    spent
        Share of the run's time limit that is used up; at 0.8 the fit ends.
    """
    passes = passes if model.adaptive else (1, 0)
    alphabet = corpus.tokens[: parts.train].long().unique()
    weights, state = model.weights, moments.init(model.weights)
    size, count = parts.train - parts.memory, sum(passes)
    block = rows_at_once(_MIXER_BLOCK, len(alphabet))
    for number, (reading, first, last) in enumerate(_readings(corpus, parts, passes, generator)):
        for begin in range(parts.memory, reading.end, block):
            if (number or begin > parts.memory) and spent() > _MIXER_SHARE:
                model.weights = weights
                return
            end = min(begin + block, reading.end)
            done, share = ((at - parts.memory) / (reading.end - parts.memory) for at in (begin, end))
            text, start = reading.corpus.text(begin, end, context=model.context)
            items = model.items(text, start)
            if reading.kept is not None:
                items = items._replace(kept=reading.kept[begin - parts.memory : end - parts.memory])
            evidence = model.study(items, alphabet, progress=first + done * (last - first), write=False)
            metrics: dict[str, float] = {}
            if number == count - 1:
                inputs, targets = _questions(model, items, evidence, alphabet, parts, config, generator)
                weights, state, loss = _mixer_steps(
                    weights, state, inputs, targets, config, done, share - done, generator
                )
                metrics = {"tail_loss": loss}
            tick("mixer", round(size * (number + share)), size * count, metrics)
    model.weights = weights


def _questions(
    model: Model,
    items: Items,
    evidence: Mapping[str, Evidence],
    alphabet: Tensor,
    parts: Split,
    config: MixerConfig,
    generator: Generator,
) -> tuple[mixer.Inputs, Tensor]:
    """What the mixer is to learn from ``items``: evidence at a sample of them, and the tokens there."""
    text, start = items.text, items.start
    chosen = _sample(len(text.tokens) - start, parts, config, generator)
    if items.kept is not None:
        chosen = chosen[items.kept[chosen]]
    given = {
        name: Evidence(e.log_p[chosen], tuple(g[chosen] for g in e.gates)) for name, e in evidence.items()
    }
    inputs = model.inputs(text, chosen + start, alphabet, given)
    return inputs, columns(alphabet, text.tokens[chosen + start])


def _sample(count: int, parts: Split, config: MixerConfig, generator: Generator) -> Tensor:
    """Which of ``count`` positions the mixer learns from: its share of ``config.positions``, ascending."""
    tail = parts.train - parts.memory
    wanted = count if not config.positions else max(round(count * min(config.positions / tail, 1.0)), 1)
    order = torch.randperm(count, generator=generator, device=generator.device)
    return order[:wanted].sort().values


def _mixer_steps(
    weights: State,
    state: State,
    inputs: mixer.Inputs,
    targets: Tensor,
    config: MixerConfig,
    done: float,
    share: float,
    generator: Generator,
) -> tuple[State, State, float]:
    """Steps on one block, ``share`` of all, when ``done`` of them are over; weights, moments, mean loss."""
    batches = list(_batches(len(targets), config, generator))
    total = torch.zeros((), dtype=torch.float64, device=targets.device)
    for i, rows in enumerate(batches):
        grads, log_p = mixer.gradient(weights, inputs.rows(rows), targets[rows])
        directions, state = moments.update(grads, state, b1=0.9, b2=0.999, eps=1e-6)
        rate = config.learning_rate * (1 - done - share * i / len(batches))
        weights = {name: w - rate * directions[name] for name, w in weights.items()}
        total -= log_p.mean()
    return weights, state, float(total) / max(len(batches), 1)


def _batches(count: int, config: MixerConfig, generator: Generator) -> Iterator[Tensor]:
    for _ in range(config.passes):
        yield from torch.randperm(count, generator=generator, device=generator.device).split(config.batch)
