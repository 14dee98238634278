"""Training: from a configuration and texts to a model.

:func:`train` prepares what a run needs; the stages are in :mod:`lior.training.stages`, the loop
over them in :mod:`lior.training.loop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import attrs
import torch
from torch import Generator

from lior.config import TrainConfig, build
from lior.counting.locations import MAX_VOCAB
from lior.data import corpus
from lior.data.corpus import Corpus
from lior.data.split import split
from lior.errors import BrokenPlugin, DataError, UsageError
from lior.geometry.retrieval import PARTS, Geometry
from lior.interfaces import State, Tokenizer
from lior.model import validation
from lior.model.language_model import Model
from lior.plugins.registry import registry
from lior.reading.documents import RawDocument, documents_of, read_documents, read_files
from lior.reading.files import File
from lior.runs.checkpoint import misfits_as_run_errors
from lior.runs.directory import RunDirectory
from lior.runs.loop import LoopState, Stopwatch, never
from lior.runs.run import Run
from lior.tensors import pick_device
from lior.training.loop import Training
from lior.training.stages import Split

MIN_TOKENS = 64
"""Least tokens of a text that can be split into memory, calibration split and validation text."""


@torch.no_grad()
def train(
    config: TrainConfig,
    out: Path | None = None,
    *,
    documents: list[RawDocument] | None = None,
    files: Sequence[File] | None = None,
    callbacks: Iterable[object] = (),
    stop: Callable[[], bool] = never,
) -> Run:
    """Train a model as ``config`` says.

    Parameters
    ----------
    out
        Directory for the run, new or empty; ``None`` keeps the model in memory only.
    documents
        Text to learn from, instead of the text that ``config`` names.
    files
        The files that ``config`` names with their documents, if they were read already.
    callbacks
        Objects with :mod:`lior.events` hooks.
    stop
        Asked after every step; when it returns true, a checkpoint is written and :class:`Stopped` raised.

    Raises
    ------
    LiorError
        For a fault of the text, the configuration, the device or the directory.
    """
    clock = Stopwatch()
    config = _with_budget(config)
    device = pick_device(config.device)
    generator = Generator(device).manual_seed(config.seed)
    tokenizer = build("tokenizer", config.tokenizer)
    if documents is None:
        data = config.data
        files = files or read_files(data.text, field=data.field, limit=data.limit)
        documents = documents_of(files)
    text, parts = read_text(config, tokenizer, documents)
    model = build_model(config, device, generator, tokenizer)
    directory = RunDirectory.create(out, config) if out else None
    try:
        if directory and files and config.data.text:
            directory.save_manifest(files)
        training = Training(
            model=model, text=text.to(device), parts=parts, config=config, generator=generator, clock=clock,
            directory=directory, telemetry=directory.telemetry() if directory else None,
            callbacks=callbacks, stop=stop,
        )  # fmt: skip
        return training.begin()
    finally:
        if directory:
            directory.close()


@torch.no_grad()
def resume(
    path: Path,
    *,
    callbacks: Iterable[object] = (),
    stop: Callable[[], bool] = never,
) -> Run:
    """Resume the training of the run at ``path`` from its newest checkpoint.

    The result is that of a training that was never interrupted, bit for bit on the CPU.
    For ``callbacks`` and ``stop`` see :func:`train`.

    Raises
    ------
    RunError
        When there is no run, it is finished or damaged, or its configuration was changed.
    """
    directory, checkpoint = RunDirectory.resume(path)
    try:
        state, place = checkpoint.training, directory.folder.newest
        assert state is not None
        assert place is not None
        generator = Generator(checkpoint.model.device)
        with misfits_as_run_errors(place):
            generator.set_state(state.tensors["generator"].cpu())
            parts, loop = Split(*state.numbers["parts"]), LoopState(**state.numbers["loop"])
            clock, telemetry = Stopwatch(loop), directory.telemetry(loop.metrics, loop.elapsed)
        training = Training(
            model=checkpoint.model, text=checkpoint.corpus, parts=parts, config=directory.config,
            generator=generator, clock=clock, directory=directory, telemetry=telemetry, callbacks=callbacks,
            stop=stop,
        )  # fmt: skip
        return training.resume(state)
    finally:
        directory.close()


# --- model and text ---


def _with_budget(config: TrainConfig) -> TrainConfig:
    """``config`` with ``memory_budget`` as the option ``budget`` of the memories that have one."""
    if not config.memory_budget:
        return config
    options = dict(config.memory.options)
    plugins = ((name, registry.get("memory", name)) for name in config.memory.names)
    able = [name for name, plugin in plugins if attrs.has(plugin) and "budget" in attrs.fields_dict(plugin)]
    if not able:
        raise UsageError(f"memory_budget: memory {config.memory.name} has no budget; use one that has")
    for name in able:
        options[name] = {"budget": config.memory_budget} | options.get(name, {})
    return attrs.evolve(config, memory=attrs.evolve(config.memory, options=options))


def build_model(
    config: TrainConfig, device: torch.device, generator: Generator, tokenizer: Tokenizer | None = None
) -> Model:
    """The untrained model that ``config`` describes, with a geometry if a memory uses one.

    Parameters
    ----------
    tokenizer
        Fitted by :func:`read_text`; without it, a fresh one.

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
            **{kind: build(kind, getattr(config, kind)) for kind in PARTS},
            vocab=tokenizer.vocab,
            resilience_at=config.geometry.resilience_at,
            smoothing=config.geometry.smoothing,
        )
        _check_plugins(geometry, config)
        state = geometry.init(generator=generator)
    counts = torch.zeros(tokenizer.vocab, dtype=torch.int64, device=device)
    return Model(tokenizer=tokenizer, memories=memories, geometry=geometry, state=state, token_counts=counts)


def _check_plugins(geometry: Geometry, config: TrainConfig) -> None:
    """Refuse plugins with outputs that cannot be used, before anything is computed with them."""
    generator, n = Generator().manual_seed(0), geometry.encoder.n
    form = geometry.frame.form(geometry.frame.init(n, generator=generator))
    wrong = validation.form_fault(form, n)
    found = [("frame", wrong)] if wrong else validation.faults(geometry, geometry.init(generator=generator))
    for kind, fault in found:
        origin = registry.origin(kind, getattr(config, kind).name)
        raise BrokenPlugin(f"{origin.label} does not keep to its interface: {fault}.")


def read_text(
    config: TrainConfig, tokenizer: Tokenizer, documents: list[RawDocument] | None = None
) -> tuple[Corpus, Split]:
    """The text that ``config`` names, and where its parts end; ``tokenizer`` is fitted on the training text.

    The validation text begins at the same bytes whatever the tokenizer.

    Raises
    ------
    DataError
        When there is too little text.
    """
    data = config.data
    if documents is None:
        documents = read_documents(data.text, field=data.field, limit=data.limit)
    divided = split(documents, 0.0 if data.valid else data.holdout, config.mixer.calibration)
    valid = read_documents([data.valid], field=data.field, limit=data.limit) if data.valid else []
    tokenizer.fit(corpus.until(divided.documents, divided.cut))
    text, train = corpus.build_parts([*divided.documents, *valid], tokenizer, divided.cut)
    where = ", ".join(data.text) or "the text"
    for count, least in ((train if data.valid else len(text), MIN_TOKENS), (train, MIN_TOKENS // 2)):
        if count < least:
            raise DataError(f"{where}: {count} tokens are too few to learn from; give at least {least}")
    memory = max(train - max(int(train * config.mixer.calibration), 1), 1)
    if text.names[: len(divided.documents)] == tuple(document.name for document in divided.documents):
        text = attrs.evolve(text, heads=divided.heads)  # or else a part gave no token, and is no document
        if divided.calibration is not None:
            memory = int(text.starts[divided.calibration])
    return text, Split(memory, train, len(text))
