"""Training: memory in one pass, geometry by local updates, mixer on held-out text.

:func:`train` is the whole recipe, to be read from top to bottom; the steps
themselves are in :mod:`lior.fitting`.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Generator

from lior import baseline, corpus, evaluation, events, fitting
from lior._registry import registry
from lior.config import TrainConfig, build
from lior.corpus import Corpus, Source
from lior.counting.counters import MAX_VOCAB
from lior.errors import DataError, DeviceError, UsageError
from lior.geometry.retrieval import Geometry
from lior.interfaces import State, Tokenizer
from lior.model import Model
from lior.rundir import RunDir

MIN_TOKENS = 64
"""A text shorter than this cannot be split into memory, tail and validation."""


@attrs.frozen(kw_only=True)
class Result:
    """What a training run gives."""

    model: Model
    summary: dict[str, Any]
    """The object that ``lior train --json`` prints."""


@torch.no_grad()
def train(
    config: TrainConfig,
    out: Path | None = None,
    *,
    sources: list[Source] | None = None,
    listeners: Iterable[object] = (),
) -> Result:
    """Train a model as ``config`` says.

    Parameters
    ----------
    out
        Directory for the run, new or empty; ``None`` keeps the model in memory only.
    sources
        Documents to learn from, instead of those that ``config`` names.
    listeners
        Objects with :mod:`lior.events` hooks.

    Raises
    ------
    LiorError
        For everything a user can mend: text, configuration, device, directory.
    """
    clock = Stopwatch()
    spent = clock.share(config.time_limit)
    config = _with_budget(config)
    device = pick_device(config.device)
    generator = Generator(device).manual_seed(config.seed)
    tokenizer = build("tokenizer", config.tokenizer)
    text, parts = read_text(config, tokenizer, sources)
    model = build_model(config, device, generator, tokenizer)
    run = RunDir.create(out, config) if out else None
    hook = events.manager([*listeners, *([run.telemetry()] if run else [])]).hook
    hook.lior_train_start(config=config, run=run.path if run else None)
    text = text.to(device)

    def tick(stage: str, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        hook.lior_train_window(stage=stage, step=step, steps=steps, metrics=metrics)

    def begin(stage: str, message: str) -> Any:
        hook.lior_train_stage(stage=stage, message=message)
        return clock.measure(stage)

    if model.geometry:
        with begin("geometry", f"learning the metric: {config.geometry.steps} updates"):
            learned = fitting.fit_geometry(
                model.geometry, model.state, text, parts, build("updater", config.updater), config.geometry,
                generator=generator, tick=tick, spent=spent,
            )  # fmt: skip
            model.set_geometry(learned)
            fitting.place_cells(model, text, parts, config.mixer.cells, generator=generator)
    _fill(model, config, text, parts, generator=generator, begin=begin, tick=tick, spent=spent)
    with begin("validate", f"scoring {parts.end - parts.train:,} tokens"):
        score = evaluation.evaluate(model, text, parts.train, parts.end, stage="validate", tick=tick)
        reference = baseline.measure(text, parts.train, parts.end, vocab=model.tokenizer.vocab)
    summary = summarise(config, model, text, score, reference, clock, run)
    if run:
        run.save(model, text, parts.train, summary)
        hook.lior_checkpoint_saved(path=run.checkpoint)
    result = Result(model=model, summary=summary)
    hook.lior_train_end(result=result)
    return result


def _fill(
    model: Model,
    config: TrainConfig,
    text: Corpus,
    parts: fitting.Split,
    *,
    generator: Generator,
    begin: Callable[[str, str], Any],
    tick: fitting.Tick,
    spent: Callable[[], float],
) -> None:
    """Have the memories take the text in, and fit what weighs their evidence."""
    passes = config.study.passes if model.adaptive else 0
    with begin("memory", f"reading and writing {parts.memory:,} tokens"):
        for number in range(passes):
            for memory in model.adaptive.values():
                memory.clear()
            end = parts.train if number + 1 < passes else parts.memory
            fitting.study(
                model, text, 0, end, passes=(number, passes), train=parts.train, tick=tick, spent=spent
            )
        fitting.write(model, text, 0, parts.memory, tick=tick, studied=passes > 0)
    with begin(
        "mixer", f"fitting the mixer on {parts.train - parts.memory:,} tokens the memory has not seen"
    ):
        model.reset_mixer()
        fitting.fit_mixer(
            model, text, parts, config.mixer,
            (config.study.tail_passes, config.study.noise_passes),
            generator=generator, tick=tick, spent=spent,
        )  # fmt: skip
    with begin("memory", f"writing the {parts.train - parts.memory:,} tokens of the tail"):
        if passes:
            last = (passes - 1, passes)
            fitting.study(
                model, text, parts.memory, parts.train, passes=last, train=parts.train, tick=tick,
                spent=spent,
            )  # fmt: skip
        fitting.write(model, text, parts.memory, parts.train, tick=tick, studied=passes > 0)


# --- the steps that are not learning ---


def _with_budget(config: TrainConfig) -> TrainConfig:
    """``config`` with its budget as an option of the memories that have one."""
    if not config.memory_budget:
        return config
    options = dict(config.memory.options)
    able = [name for name in config.memory.names if "budget" in _fields(registry.get("memory", name))]
    if not able:
        raise UsageError(f"memory_budget: memory {config.memory.name} has no budget; use one that has")
    for name in able:
        options[name] = {"budget": config.memory_budget} | options.get(name, {})
    return attrs.evolve(config, memory=attrs.evolve(config.memory, options=options))


def _fields(plugin: type) -> set[str]:
    return {field.name for field in attrs.fields(plugin)} if attrs.has(plugin) else set()


def pick_device(name: str) -> torch.device:
    """The device called ``name``: ``cpu``, ``cuda`` or ``auto``, which takes CUDA when it is there.

    Raises
    ------
    UsageError
        When the name is none of these.
    DeviceError
        When CUDA is asked for and absent.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {name!r}: allowed is one of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device 'cuda': no CUDA GPU is visible to PyTorch here; use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def build_model(
    config: TrainConfig, device: torch.device, generator: Generator, tokenizer: Tokenizer | None = None
) -> Model:
    """The model that ``config`` describes, with nothing learned yet.

    A geometry is built only when a memory uses it; counts alone have none.

    Parameters
    ----------
    tokenizer
        One that was fitted (:func:`read_text`); a fresh one if not given.

    Raises
    ------
    UsageError
        When the tokenizer has more token ids than a memory can hold.
    """
    tokenizer = build("tokenizer", config.tokenizer) if tokenizer is None else tokenizer
    if tokenizer.vocab > MAX_VOCAB:
        raise UsageError(
            f"tokenizer {config.tokenizer.name!r} has {tokenizer.vocab:,} token ids; memories hold at most"
            f" {MAX_VOCAB:,}: choose a smaller vocabulary"
        )
    memories = {part.name: build("memory", part) for part in config.memory.components}
    geometry: Geometry | None = None
    state: State = {}
    if any(memory.needs_geometry for memory in memories.values()):
        geometry = Geometry(
            encoder=build("encoder", config.encoder),
            frame=build("frame", config.frame),
            rsource=build("rsource", config.rsource),
            product=build("product", config.product),
            vocab=tokenizer.vocab,
            resilience_at=config.geometry.resilience_at,
            smoothing=config.geometry.smoothing,
        )
        state = geometry.init(generator=generator)
    counts = torch.zeros(tokenizer.vocab, dtype=torch.int64, device=device)
    return Model(tokenizer=tokenizer, memories=memories, geometry=geometry, state=state, token_counts=counts)


def read_text(
    config: TrainConfig, tokenizer: Tokenizer, sources: list[Source] | None = None
) -> tuple[Corpus, fitting.Split]:
    """The text that ``config`` names, and where its parts end; ``tokenizer`` is fitted on the training text.

    The validation text begins at the same byte whatever the tokenizer.

    Raises
    ------
    DataError
        When there is too little of it.
    """
    data = config.data
    sources = corpus.read(data.text, field=data.field) if sources is None else sources
    size = sum(len(source.data) for source in sources)
    cut = fitting.split(size, holdout=0.0 if data.valid else data.holdout, tail=0.0).train
    valid = corpus.read([data.valid], field=data.field) if data.valid else []
    tokenizer.fit(corpus.until(sources, cut))
    text, train = corpus.build_parts([*sources, *valid], tokenizer, cut)
    where = ", ".join(data.text) or "the text"
    for count, least in ((train if data.valid else len(text), MIN_TOKENS), (train, MIN_TOKENS // 2)):
        if count < least:
            raise DataError(f"{where}: {count} tokens are too few to learn from; give at least {least}")
    return text, attrs.evolve(fitting.split(train, holdout=0.0, tail=config.mixer.tail), end=len(text))


def summarise(
    config: TrainConfig,
    model: Model,
    text: Corpus,
    score: evaluation.Score,
    reference: baseline.Baseline,
    clock: Stopwatch,
    run: RunDir | None,
) -> dict[str, Any]:
    """The numbers of a run; the keys are documented in ``docs/interfaces.md``."""
    used: dict[str, Any] = {"tokenizer": config.tokenizer.name, "memory": config.memory.names}
    for kind in ("encoder", "frame", "rsource", "product", "updater"):
        used[kind] = getattr(config, kind).name if model.geometry else None
    return {
        "run": str(run.path) if run else None,
        "bytes": text.bytes,
        "documents": len(text.names),
        "val_bytes": score.bytes,
        "val_nats_per_byte": score.nats_per_byte if score.bytes else None,
        "val_bits_per_byte": score.bits_per_byte if score.bytes else None,
        "baseline": reference.bits(score.tokens / score.bytes) if score.bytes else None,
        "seconds": clock.seconds | {"total": clock.total},
        "peak_rss_bytes": peak_rss(),
        "device": str(model.device),
        "components": used,
    }


def peak_rss() -> int:
    """Largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Stopwatch:
    """Wall-clock seconds of the stages of a run."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self.seconds: dict[str, float] = {"memory": 0.0, "geometry": 0.0, "mixer": 0.0, "validate": 0.0}

    @property
    def total(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begin

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add what the block takes to ``stage``."""
        begin = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - begin

    def share(self, limit: float) -> Callable[[], float]:
        """A function that tells how much of ``limit`` seconds is used up; always 0 without a limit."""
        return lambda: self.total / limit if limit else 0.0
