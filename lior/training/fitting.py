"""What the stages of training compute: splits, objectives of batches, cells, and steps of the mixer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import torch
from torch import Generator, Tensor

from lior.config import MixerConfig
from lior.data.corpus import Corpus, gather_contexts
from lior.geometry import adam as moments
from lior.geometry.retrieval import Batch, Geometry
from lior.interfaces import Evidence, Items, State
from lior.model.language_model import Model, columns, mixer

_CELL_SAMPLE = 16384


@attrs.frozen
class Split:
    """Where the parts of a corpus end: memory, then the mixer's tail, then validation."""

    memory: int
    train: int
    end: int


def split(length: int, *, holdout: float, calibration: float) -> Split:
    """Cut a corpus of ``length`` tokens.

    The last ``holdout`` of all is for validation, the last ``tail`` of the rest
    for the mixer; each part but validation has at least one token.
    """
    train = int(length * (1 - holdout))
    return Split(max(train - max(int(train * calibration), 1), 1), train, length)


# --- geometry ---


@attrs.frozen
class BatchProbe:
    """A batch's objective as an updater sees it (:class:`lior.interfaces.Probe`)."""

    geometry: Geometry
    statistics: State
    batch: Batch

    def loss(self, params: State) -> float:
        """Mean retrieval loss in nats."""
        return float(self.geometry.loss(self.statistics | params, self.batch))

    def phases(self, params: State, nudge: float) -> State:
        """The two-phase statistic of every parameter."""
        return self.geometry.phases(self.statistics | params, self.batch, nudge)[0]


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


def questions(
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


def mixer_steps(
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
