"""Training: from a configuration and texts to a model.

:func:`train` and :func:`resume` prepare a :class:`~lior.training.loop.Training` and run it; its stages are
in :mod:`lior.training.stages` and :mod:`lior.training.reading`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Generator

from lior.config import Components, TrainConfig, build, with_instances
from lior.config.options import check_keywords
from lior.data import corpus
from lior.data.corpus import Corpus
from lior.data.split import split
from lior.errors import BrokenPlugin, DataError, UsageError, quantity
from lior.geometry.retrieval import PARTS, Geometry
from lior.interfaces import State, Text, Tokenizer
from lior.model import validation
from lior.model.language_model import Model, check_evidence
from lior.plugins.devices import pick_device
from lior.plugins.registry import registry
from lior.plugins.trust import opening
from lior.reading.documents import RawDocument, documents_of, read_documents, read_files
from lior.reading.files import File
from lior.reading.finding import as_path
from lior.runs.directory import RunDirectory, unstarted
from lior.runs.documents import note_known
from lior.runs.folder import check_place
from lior.runs.format import misfits_as_run_errors
from lior.runs.loop import START, LoopState, Stopwatch, never_stop
from lior.runs.run import Run
from lior.tensors import sub
from lior.training.job import Split, Stage, StageState
from lior.training.loop import Training

_PROBE = 64
"""Tokens of the text with which a memory's snapshot is checked; chosen by hand."""
_BYTES, _SAMPLE = bytes(range(256)), 4096
"""The text with which a tokenizer is checked, and bytes of each document; chosen by hand."""
MIN_TOKENS = 64
"""Minimum tokens of a text that can be split into memory, calibration split and validation text."""


@torch.no_grad()
def train(
    config: TrainConfig,
    out: Path | None = None,
    *,
    documents: list[RawDocument] | None = None,
    files: Sequence[File] | None = None,
    callbacks: Iterable[object] = (),
    stop: Callable[[], bool] = never_stop,
) -> Run:
    """Train a model with a configuration.

    Parameters
    ----------
    config
        Instances of plugins in it are used; other plugins are built.
    out
        Directory for the run, new or empty; ``None`` keeps the model in memory only.
    documents
        Text to learn from, instead of the text that ``config`` names.
    files
        The files of ``config`` with their documents, if they were read already.
    callbacks
        Objects with :mod:`lior.events` hooks.
    stop
        Called after every step; when it returns true, a checkpoint is written and :class:`Stopped` raised.

    Raises
    ------
    LiorError
        For a fault of the text, the configuration, the device or the directory.
    """
    clock = Stopwatch()
    if out:
        check_place(out)
    config = with_instances(_with_budget(config))
    device = pick_device(config.device)
    generator = Generator(device).manual_seed(config.seed)
    if documents is None:
        data = config.data
        files = files or read_files(data.text, field=data.field, limit=data.limit)
        documents = documents_of(files)
    text, parts = tokenize(config, config.tokenizer.plugin, documents)
    model = build_model(config, device, generator)
    components = {kind: [getattr(config, kind)] for kind in ("tokenizer", *PARTS)}
    components["memory"] = list(config.memory.components)
    directory = RunDirectory.create(out, config) if out else None
    with directory or nullcontext():
        if directory and files and config.data.text:
            directory.save_manifest(files)
        training = Training(
            model=model,
            text=text.to(device),
            parts=parts,
            config=config,
            components=components,
            generator=generator,
            **_loop_options(config, directory),
            clock=clock,
            callbacks=callbacks,
            stop=stop,
        )
        training.begin()
        training.save(0)  # with its text, this checkpoint suffices to resume
        training.run(training.stages)
        return training.finish()


@check_keywords()
@torch.no_grad()
def resume(
    run: str | Path, *, callbacks: Iterable[object] = (), stop: Callable[[], bool] = never_stop
) -> Run:
    """Continue the training of ``run``, which was stopped, from its newest checkpoint.

    The result is that of a training that was never interrupted, bit for bit on the CPU. A run without a
    checkpoint begins anew, from the files that its configuration names.
    For ``callbacks`` and ``stop`` see :func:`train`.

    Raises
    ------
    RunError
        When it is no run, finished, damaged, or its configuration was changed.
    """
    run = as_path("run", run)
    if config := unstarted(run):
        with opening(run):
            return train(config, run, callbacks=callbacks, stop=stop)
    directory, checkpoint = RunDirectory.resume(run)
    with directory:
        state, path = checkpoint.training, directory.folder.newest
        assert state is not None
        assert path is not None
        generator = Generator(checkpoint.model.device)
        with misfits_as_run_errors(path):
            generator.set_state(state.tensors["generator"].cpu())
            parts, loop = Split(*state.numbers["parts"]), LoopState(**state.numbers["loop"])
            found = {str(key): float(value) for key, value in state.numbers.get("found", {}).items()}
            begun, options = state.numbers["stage"], _loop_options(directory.config, directory, loop)
        training = Training(
            model=checkpoint.model,
            text=checkpoint.corpus,
            parts=parts,
            config=directory.config,
            components=checkpoint.components,
            generator=generator,
            **options,
            clock=Stopwatch(loop),
            step=loop.step,
            found=found,
            callbacks=callbacks,
            stop=stop,
        )
        training.begin()
        with misfits_as_run_errors(path):
            if not 0 <= loop.stage <= len(training.stages):
                raise UsageError(f"training is in stage {loop.stage} of {len(training.stages)}")

        def restore(stage: Stage) -> None:
            with misfits_as_run_errors(path):
                stage.restore(StageState(sub(state.tensors, "stage"), begun))

        training.run(training.stages, loop.stage, None if begun is None else restore)
        return training.finish()


def _loop_options(
    config: TrainConfig, directory: RunDirectory | None, state: LoopState = START
) -> dict[str, Any]:
    """Return the options with which a training writes its directory, continuing from ``state``."""
    return {
        "directory": directory,
        "folder": directory.folder if directory else None,
        "telemetry": directory.telemetry(state.metrics, state.elapsed) if directory else None,
        "interval": config.checkpoint.seconds or math.inf,
        "command": "lior train --resume",
    }


# --- model and text ---


def _with_budget(config: TrainConfig) -> TrainConfig:
    """Return ``config`` with ``memory_budget`` as the option ``budget`` of the memories that have one."""
    budget = config.memory_budget
    if not budget:
        return config
    plugins = [registry.get("memory", name) for name in config.memory.names]
    able = [attrs.has(plugin) and "budget" in attrs.fields_dict(plugin) for plugin in plugins]
    if not any(able):
        raise UsageError(f"memory_budget: memory {config.memory.name} has no budget; use one that has")
    components = tuple(
        attrs.evolve(part, options={**part.options, "budget": budget}, plugin=None)
        if limited and "budget" not in part.options
        else part
        for part, limited in zip(config.memory.components, able, strict=True)
    )
    return attrs.evolve(config, memory=Components(components=components))


def build_model(config: TrainConfig, device: torch.device, generator: Generator) -> Model:
    """Build the untrained model of the plugins in ``config``, with a geometry if a memory uses one.

    Raises
    ------
    UsageError
        When the tokenizer has more token ids than a memory can hold.
    """
    tokenizer = config.tokenizer.plugin
    memories = {part.name: part.plugin for part in config.memory.components}
    for name, memory in memories.items():
        if tokenizer.vocab > (most := memory.abilities.vocab):
            raise UsageError(
                f"tokenizer {config.tokenizer.name!r} has {tokenizer.vocab:,} token ids; memory {name!r}"
                f" holds at most {most:,}: choose a smaller vocabulary"
            )
    geometry: Geometry | None = None
    state: State = {}
    if any(memory.abilities.geometry for memory in memories.values()):
        geometry = Geometry(
            **{kind: getattr(config, kind).plugin for kind in PARTS},
            vocab=tokenizer.vocab,
            resilience_at=config.geometry.resilience_at,
            smoothing=config.geometry.smoothing,
        )
        _check_plugins(geometry, config)
        state = geometry.init(generator=generator)
    counts = torch.zeros(tokenizer.vocab, dtype=torch.int64, device=device)
    model = Model(tokenizer=tokenizer, memories=memories, geometry=geometry, state=state, token_counts=counts)
    _check_snapshots(model, config)
    return model


def _check_plugins(geometry: Geometry, config: TrainConfig) -> None:
    """Refuse plugins with unusable outputs, before anything is computed with them."""
    generator, n = Generator().manual_seed(0), geometry.encoder.n
    try:
        form = geometry.frame.form(geometry.frame.init(n, generator=generator))
    except UsageError as error:  # an option that does not fit the dimension
        raise UsageError(f"frame.{error}") from error
    wrong = validation.form_fault(form, n)
    found = [("frame", wrong)] if wrong else validation.faults(geometry, geometry.init(generator=generator))
    for kind, fault in found:
        origin = registry.origin(kind, getattr(config, kind).name)
        raise BrokenPlugin(f"{origin.label} violates its interface: {fault}.")


def _check_snapshots(model: Model, config: TrainConfig) -> None:
    """Refuse a memory of another distribution whose snapshot does not hold what it learned."""
    device = model.device
    for part in config.memory.components:
        origin = registry.origin("memory", part.name)
        if origin.distribution == "lior":
            continue
        new, other = (build("memory", attrs.evolve(part, plugin=None)) for _ in range(2))
        places = torch.arange(_PROBE, device=device)
        text = Text(places % 5 % model.tokenizer.vocab, places, torch.zeros_like(places))
        new.learn([model.items(text)])
        other.restore({key: value.clone() for key, value in new.snapshot().items()})
        query, alphabet = model.query(text, places), text.tokens.unique()
        wanted, found = (
            check_evidence(part.name, each, each.predict(query, alphabet), len(places), len(alphabet)).log_p
            for each in (new, other)
        )
        if not torch.allclose(wanted, found, atol=1e-4, equal_nan=True):
            fault = "a memory that is restored from a snapshot does not predict as the one that made it"
            raise BrokenPlugin(f"{origin.label} violates its interface: {fault}.")


def _check_tokenizer(tokenizer: Tokenizer, name: str, documents: Iterable[RawDocument]) -> None:
    """Refuse a tokenizer of another distribution that loses bytes: the run would keep another text."""
    origin = registry.origin("tokenizer", name)
    if origin.distribution == "lior":
        return
    for data in (_BYTES, *(document.data[:_SAMPLE] for document in documents)):
        if fault := validation.tokens_fault(tokenizer, data):
            raise BrokenPlugin(f"{origin.label} violates its interface: {fault}.")


def tokenize(config: TrainConfig, tokenizer: Tokenizer, documents: list[RawDocument]) -> tuple[Corpus, Split]:
    """Return the tokens of ``documents``, and the ends of their parts; fits ``tokenizer`` on the training
    text.

    The validation text begins at the same bytes for every tokenizer.

    Raises
    ------
    DataError
        When there is too little text.
    """
    data = config.data
    divided = split(documents, 0.0 if data.valid else data.holdout, config.mixer.calibration)
    valid = read_documents([data.valid], field=data.field, limit=data.limit) if data.valid else []
    note_known(documents, valid)
    tokenizer.fit(corpus.until(divided.documents, divided.cut))
    _check_tokenizer(tokenizer, config.tokenizer.name, [*documents, *valid])
    text, train = corpus.build_parts([*divided.documents, *valid], tokenizer, divided.cut)
    where = ", ".join(data.text) or "documents"
    for count, least in ((train if data.valid else len(text), MIN_TOKENS), (train, MIN_TOKENS // 2)):
        if count < least:
            raise DataError(
                f"{where}: {quantity(count, 'token')}, too few to learn from; give at least {least}"
            )
    memory = max(train - max(int(train * config.mixer.calibration), 1), 1)
    if text.names[: len(divided.documents)] == tuple(document.name for document in divided.documents):
        text = attrs.evolve(
            text, split_parts=divided.split_parts
        )  # otherwise a part gave no token, and is no document
        if divided.calibration is not None:
            memory = int(text.starts[divided.calibration])
    return text, Split(memory, train, len(text))
