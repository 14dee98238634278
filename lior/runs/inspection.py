"""The components of a finished run, its sizes, and whether its invariants hold.

Everything is measured on the model in memory, with any plugins, through their interfaces alone. Loading has
verified the checksums of all files before.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Generator, Tensor

from lior.data.corpus import gather_contexts
from lior.geometry import metric
from lior.geometry.retrieval import PARTS
from lior.interfaces import Memory, MetricForm, State
from lior.model.language_model import Model
from lior.plugins.registry import registry
from lior.plugins.trust import opening
from lior.runs import directory as rundir
from lior.runs.checkpoint import Checkpoint
from lior.tensors import sub

_PAIRS, _POSITIONS = 256, 64
_RELATIONS = {"<=": operator.le, ">=": operator.ge, ">": operator.gt}


@attrs.frozen
class ComponentEntry:
    """A component of the run, as its manifest names it."""

    kind: str
    name: str
    distribution: str
    version: str
    options: dict[str, Any]
    """All options."""
    changed: dict[str, Any]
    """Options that differ from the installed plugin's defaults."""


@attrs.frozen
class NumberCount:
    """The number of parameters and statistics in a part of the model."""

    part: str
    learned: int
    statistics: int
    """Number of values that are counted or drawn, not learned."""


@attrs.frozen
class MemoryUse:
    """The size of a memory's snapshot."""

    name: str
    experts: int
    items: int
    """Number of rows of its largest tensor."""
    of: str
    """Name of that tensor."""
    bytes: int
    capacity: int | None
    """Maximum number of items, if the memory has such an option; 0 is no limit."""
    budget: int | None
    """Maximum number of bytes, likewise."""

    @property
    def fill(self) -> float | None:
        """Share of the capacity in use; ``None`` without one."""
        return self.items / self.capacity if self.capacity else None


@attrs.frozen
class MetricNumbers:
    """The learned metric ``g`` in numbers."""

    dimension: int
    rank: int
    """Rank of the part ``U diag(D) Uᵀ``."""
    least: float
    greatest: float
    """Smallest and largest eigenvalue of ``g``."""
    effective_rank: float
    beta: float

    @property
    def condition(self) -> float:
        """Largest eigenvalue divided by the smallest."""
        return self.greatest / self.least if self.least > 0 else float("inf")


@attrs.frozen
class TextCount:
    """The documents of the run in numbers."""

    documents: int
    bytes: int
    tokens: int
    held: int
    """Number of tokens in the memories; the others are validation text."""
    alphabet: int
    """Number of token ids in the memories."""
    vocabulary: int


@attrs.frozen
class Invariant:
    """A quantity with a bound, and its measured value."""

    name: str
    value: float
    relation: str
    bound: float

    @property
    def holds(self) -> bool:
        """Return whether the value satisfies the bound; NaN never does."""
        return bool(_RELATIONS[self.relation](self.value, self.bound))


@attrs.frozen(kw_only=True)
class Inspection:
    """The content of ``lior inspect``."""

    components: tuple[ComponentEntry, ...]
    numbers: tuple[NumberCount, ...]
    memory: tuple[MemoryUse, ...]
    metric: MetricNumbers | None
    text: TextCount
    files: dict[str, int]
    """Size in bytes of each file, by its path within the run."""
    verified: tuple[str, ...]
    """Files of the checkpoint whose checksums were compared when it was loaded."""
    invariants: tuple[Invariant, ...]


@torch.no_grad()
def inspect(run: Path, checkpoint: Checkpoint) -> Inspection:
    """Inspect the run at ``run``, whose checkpoint was loaded."""
    model = checkpoint.model
    snapshots = {name: memory.snapshot() for name, memory in model.memories.items()}
    return Inspection(
        components=tuple(_components(run, checkpoint.manifest, model)),
        numbers=tuple(_numbers(model, snapshots)),
        memory=tuple(_use(name, m, snapshots[name]) for name, m in model.memories.items()),
        metric=metric_of(model),
        text=_text(checkpoint),
        files={str(p.relative_to(run)): p.stat().st_size for p in sorted(run.rglob("*")) if p.is_file()},
        verified=tuple(checkpoint.manifest["files"]),
        invariants=tuple(_invariants(run, checkpoint, snapshots)),
    )


# --- components and sizes ---


def _components(run: Path, manifest: Mapping[str, Any], model: Model) -> Iterator[ComponentEntry]:
    """Yield the components of ``model``; a manifest names those of a geometry even if it has none."""
    for kind, entries in manifest["components"].items():
        for entry in entries if model.geometry or kind not in PARTS else ():
            with opening(run):
                changed = _change(registry.get(kind, entry["name"]), entry["options"])
            yield ComponentEntry(kind, **entry, changed=changed)


def _change(plugin: type, options: dict[str, Any]) -> dict[str, Any]:
    if not attrs.has(plugin):
        return options
    defaults = {str(field.alias): field.default for field in attrs.fields(plugin)}
    return {k: v for k, v in options.items() if _as_json(defaults.get(k)) != _as_json(v)}


def _as_json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _numbers(model: Model, snapshots: Mapping[str, State]) -> Iterator[NumberCount]:
    """Yield the numbers of each part of ``model``; for a memory its learned parameters, not its items."""
    learned = model.geometry.learned(model.state).keys() if model.geometry else ()
    for part in dict.fromkeys(name.split(".")[0] for name in model.state):
        entries = {k: v.numel() for k, v in model.state.items() if k.split(".")[0] == part}
        moved = sum(count for name, count in entries.items() if name in learned)
        yield NumberCount(part, moved, sum(entries.values()) - moved)
    yield NumberCount("mixer", _count(model.weights), 0 if model.cells is None else model.cells.numel())
    for name in model.fitted:
        floats = {k: v for k, v in snapshots[name].items() if v.is_floating_point()}
        yield NumberCount(f"memory {name}", _count(floats), 0)


def _count(state: State) -> int:
    return sum(value.numel() for value in state.values())


def _use(name: str, memory: Memory, snapshot: State) -> MemoryUse:
    of, largest = max(snapshot.items(), key=lambda item: item[1].nbytes, default=("", torch.empty(0)))
    return MemoryUse(
        name=name,
        experts=len(memory.abilities.experts),
        items=len(largest) if largest.ndim else 1,
        of=of,
        bytes=sum(value.nbytes for value in snapshot.values()),
        capacity=_limit(memory, "capacity"),
        budget=_limit(memory, "budget"),
    )


def _limit(memory: Memory, option: str) -> int | None:
    value = getattr(memory, option, None)
    return value if isinstance(value, int) else None


def _text(checkpoint: Checkpoint) -> TextCount:
    model, corpus = checkpoint.model, checkpoint.corpus
    return TextCount(
        documents=corpus.documents,
        bytes=corpus.bytes,
        tokens=len(corpus),
        held=sum(hi - lo for lo, hi in checkpoint.stored_ranges()),
        alphabet=len(model.alphabet),
        vocabulary=model.tokenizer.vocab,
    )


# --- the metric ---


def metric_form(model: Model) -> MetricForm | None:
    """Return the metric of ``model`` in float64; ``None`` without a geometry."""
    if model.geometry is None:
        return None
    return metric.cast(model.geometry.frame.form(sub(model.state, "frame")), torch.float64)


def spectrum(form: MetricForm) -> Tensor:
    """Return eigenvalues of ``g``, descending, ``(n,)``."""
    return torch.linalg.eigvalsh(metric.dense(form)).flip(0)


def effective_rank(eigenvalues: Tensor) -> float:
    """Return ``exp(H(p))`` with ``p`` the shares of the eigenvalues (O. Roy and M. Vetterli, 2007): 1 to
    ``n``."""
    p = eigenvalues / eigenvalues.sum()
    return float(torch.special.entr(p).sum().exp())


def metric_of(model: Model) -> MetricNumbers | None:
    """Return the metric of ``model`` in numbers; ``None`` without a geometry."""
    form = metric_form(model)
    if form is None:
        return None
    values = spectrum(form)
    return MetricNumbers(
        dimension=len(form.lam),
        rank=len(form.d),
        least=float(values[-1]),
        greatest=float(values[0]),
        effective_rank=effective_rank(values),
        beta=float(model.state["log_beta"].double().exp()),
    )


# --- invariants ---


def _invariants(run: Path, checkpoint: Checkpoint, snapshots: Mapping[str, State]) -> Iterator[Invariant]:
    """Yield the invariants of any run; costs and probabilities on a sample, which is always the same."""
    for name, damaged in rundir.damage(run).items():
        yield Invariant(f"{name}: damage", damaged, "<=", 0)
    model = checkpoint.model
    state = {**model.state, **model.weights, **({} if model.cells is None else {"cells": model.cells})}
    tensors = [*state.values(), *(v for snapshot in snapshots.values() for v in snapshot.values())]
    wrong = sum(int((~value.isfinite()).sum()) for value in tensors if value.is_floating_point())
    yield Invariant("numbers that are not finite", wrong, "<=", 0)
    counted = int(model.token_counts.sum()) - _text(checkpoint).held
    yield Invariant("tokens counted but not held, or held but not counted", abs(counted), "<=", 0)
    if (form := metric_form(model)) is not None:
        if form.q is not None:
            eye = torch.eye(len(form.q), dtype=form.q.dtype, device=form.q.device)
            deviation = _largest(form.q.mT @ form.q - eye)
            yield Invariant("orthogonality of Q: max |Q'Q - I|", deviation, "<=", 1e-4)
            determinant = _largest(torch.linalg.det(form.q) - 1)
            yield Invariant("rotation, no reflection: |det Q - 1|", determinant, "<=", 1e-3)
        least = float(spectrum(form)[-1])
        yield Invariant("metric positive definite: least eigenvalue of g", least, ">", 0)
        yield from _of_the_costs(checkpoint)
    yield from _of_the_probabilities(checkpoint)


def _of_the_costs(checkpoint: Checkpoint) -> Iterator[Invariant]:
    geometry, state = checkpoint.model.geometry, checkpoint.model.state
    assert geometry is not None
    z, _ = sample_stored(checkpoint, 2 * _PAIRS)
    if not len(z):
        return
    scorer = geometry.scorer(state)
    queries, items = scorer.features(z[::2], query=True), scorer.features(z[1::2], query=False)
    cost = scorer.cost(queries, items)
    r = geometry.rsource.resilience(sub(state, "rsource"), z, scorer.form)
    yield Invariant(f"least cost of {cost.numel():,} pairs", float(cost.min()), ">=", 0)
    yield Invariant(f"least resilience R at {len(r):,} contexts", float(r.min()), ">", 0)


def _of_the_probabilities(checkpoint: Checkpoint) -> Iterator[Invariant]:
    """Yield invariants of the probabilities at positions spread over the text, learned or held out."""
    begins, end = spread(len(checkpoint.corpus), _POSITIONS).tolist(), len(checkpoint.corpus)
    if not begins:
        return
    text, places = checkpoint.corpus.chunks(begins, 1, end, context=checkpoint.model.context)
    p = checkpoint.model.log_probs(text, places).double().exp()
    yield Invariant(f"probabilities at {len(p)} positions: max |sum - 1|", _largest(p.sum(1) - 1), "<=", 1e-4)
    yield Invariant("least probability of any token there", float(p.min()), ">", 0)


def _largest(x: Tensor) -> float:
    return float(x.abs().max())


# --- samples ---


def spread(total: int, count: int) -> Tensor:
    """Return a stratified sample of ``min(count, total)`` of the numbers ``0 .. total - 1``, ascending.

    The sample is the same on every call.
    """
    if count >= total:
        return torch.arange(total)
    shift = torch.rand(count, dtype=torch.float64, generator=Generator().manual_seed(0))
    return ((torch.arange(count) + shift) * (total / count)).long().clamp(max=total - 1)


def sample_stored(checkpoint: Checkpoint, count: int) -> tuple[Tensor, Tensor]:
    """Return coordinates ``(N, n)`` of up to ``count`` contexts in the memories, and the tokens there
    ``(N,)``.

    The contexts are spread over all of the held text. The model must have a geometry.
    """
    model, text = checkpoint.model, checkpoint.corpus
    geometry = model.geometry
    assert geometry is not None
    positions = sample_positions(checkpoint, count)
    reach, vocab = geometry.encoder.reach, geometry.vocab
    contexts = gather_contexts(text.tokens, positions, text.depth(positions), reach, vocab)
    return geometry.encoder.encode(sub(model.state, "encoder"), contexts), text.tokens[positions].long()


def sample_positions(checkpoint: Checkpoint, count: int) -> Tensor:
    """Return the positions of the contexts of :func:`sample_stored` in the text, int64 ``(N,)``."""
    bounds = torch.tensor(checkpoint.stored_ranges())
    ends = (bounds[:, 1] - bounds[:, 0]).cumsum(0)
    index = spread(int(ends[-1]), count)
    chunk = torch.searchsorted(ends, index, right=True)
    return (index + bounds[chunk, 1] - ends[chunk]).to(checkpoint.corpus.tokens.device)
