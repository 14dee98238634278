"""Arithmetic coding with the online mode of a model: its probabilities, made into bytes and back.

Encoder and decoder take the same steps, :class:`lior.model.online.Follower`: before
each token both know its distribution, after it both learn the same. The range
coder (G. N. N. Martin, 1979) of ``constriction`` turns the distributions into
code words that are as long as the model's bits say, within a small share.

What both compute must agree to the last bit. So a prediction is made alone, in
arrays of the same shapes on both sides, and on one thread, for sums of several
threads depend on how many there are. Sums still depend on the processor that
they were compiled for and on the versions of the libraries.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from lior.config import load
from lior.errors import DataError, MissingPackage, RunError, UsageError
from lior.model.container import Container, machine
from lior.model.language_model import Model
from lior.model.online import Follower
from lior.runs import directory as rundir
from lior.runs.manifest import describe
from lior.training.preparation import build_model

Tick = Callable[[str, int, int, Mapping[str, float]], None]
"""Called now and then with (stage, tokens done, tokens, metrics)."""

_TICK = 256
_NAME = 64


@attrs.frozen
class Coder:
    """A model to code with, and what says that it is the same one on both sides."""

    model: Model
    identity: bytes
    """SHA-256 of the run's manifest, or of the parts that an untrained model is made of."""
    recipe: str
    """Name of the recipe of an untrained model; empty for a run."""
    document: int = 0
    """Number of the document that is coded: behind those that the model has read."""


@attrs.frozen
class Coded:
    """Code words, and the model's bits that they stand for."""

    words: bytes
    bits: float


def run_coder(path: Path) -> Coder:
    """The trained model of the run directory ``path``.

    Raises
    ------
    RunError
        When it is no run, unfinished or damaged.
    """
    loaded = rundir.open_run(path)
    return Coder(loaded.model, bytes.fromhex(loaded.identity), "", len(loaded.text.names))


def recipe_coder(recipe: str) -> Coder:
    """A model as the recipe, a name or a path, says, which has learned nothing yet.

    Raises
    ------
    ConfigError
        When there is no such recipe, or it has faults.
    UsageError
        When its model has a geometry: nothing fits one while reading.
    """
    config = load(recipe, components=True).config
    cpu = torch.device("cpu")
    model = build_model(config, cpu, Generator(cpu).manual_seed(config.seed))
    if model.geometry is not None:
        raise UsageError(
            f"recipe {recipe}: its memory needs a geometry, which is not learned while reading; "
            "train a run and give it with --run, or take a recipe with counts only"
        )
    parts = {"tokenizer": config.tokenizer, "memory": list(config.memory.components)}
    described = json.dumps(describe(parts), sort_keys=True)
    return Coder(model, hashlib.sha256(described.encode()).digest(), _recipe_name(recipe))


def _recipe_name(recipe: str) -> str:
    """What a compressed file tells of a recipe: its name, never where it is."""
    return Path(recipe).name.encode("ascii", "replace").decode()[:_NAME]


def compress(data: bytes, coder: Coder, *, tick: Tick | None = None) -> tuple[Container, float]:
    """Code ``data``; the model is changed.

    Returns
    -------
    tuple of Container and float
        The compressed file, and the bits that the model's probabilities ask for.

    Raises
    ------
    MissingPackage
        Without ``constriction``.
    """
    tokens = coder.model.tokenizer.encode(data)
    coded = encode(coder.model, tokens, document=coder.document, tick=tick)
    digest = hashlib.sha256(data).digest()
    parts = (coder.recipe, coder.identity, len(data), len(tokens), digest, machine(), coded.words)
    return Container(*parts), coded.bits


def decompress(container: Container, coder: Coder, *, name: str, tick: Tick | None = None) -> bytes:
    """What :func:`compress` was given; the model is changed.

    Parameters
    ----------
    name
        What the compressed file is called in messages.

    Raises
    ------
    RunError
        When it was made with another model.
    DataError
        When what comes out is not what went in.
    MissingPackage
        Without ``constriction``.
    """
    check_identity(container, coder, name=name)
    wrong = DataError(
        f"{name}: what came out is not what was compressed (its SHA-256 differs){_cause(container)}"
    )
    try:
        tokens = decode(coder.model, container.words, container.tokens, document=coder.document, tick=tick)
        data = coder.model.tokenizer.decode(tokens.tolist())
    except AssertionError as error:  # what constriction raises of code words that no model gives
        raise wrong from error
    if len(data) != container.size or hashlib.sha256(data).digest() != container.sha256:
        raise wrong
    return data


def check_identity(container: Container, coder: Coder, *, name: str) -> None:
    """Refuse a model that is not the one that the file was made with.

    Raises
    ------
    RunError
        When it is another.
    """
    if container.identity == coder.identity:
        return
    theirs, ours = container.identity.hex()[:12], coder.identity.hex()[:12]
    if container.recipe:
        raise RunError(
            f"{name}: made with other settings or versions of recipe {container.recipe!r} "
            f"(their SHA-256 begins with {theirs}, not {ours})"
        )
    raise RunError(f"{name}: made with another run (its SHA-256 begins with {theirs}, not {ours})")


def _cause(container: Container) -> str:
    if container.machine == machine():
        return ""
    return "; it was made with another type of CPU or other versions of the libraries: decode it there"


# --- tokens and code words ---


def encode(model: Model, tokens: Tensor, *, document: int = 0, tick: Tick | None = None) -> Coded:
    """Code ``tokens (N,)``, int64 on the CPU, as document number ``document``; the model is changed.

    Raises
    ------
    MissingPackage
        Without ``constriction``.
    """
    stream = library().stream
    out, bits = stream.queue.RangeEncoder(), 0.0
    with _one_thread():
        reader = Follower(model, len(tokens), document=document)
        for count, token in enumerate(tokens.tolist(), 1):
            p = reader.predict()
            column = int(np.searchsorted(reader.known, token))
            seen = column < len(reader.known) and reader.known[column] == token
            column = column if seen else len(reader.known)
            bits -= math.log2(p[column])
            _put(out, stream, p, column)
            if not seen:
                bits += math.log2(len(reader.unknown))
                _put(out, stream, len(reader.unknown), int(np.searchsorted(reader.unknown, token)))
            reader.take(token)
            _report(tick, "compress", count, len(tokens), {"bits_per_token": bits / count})
    return Coded(out.get_compressed().astype("<u4").tobytes(), bits)


def decode(model: Model, words: bytes, count: int, *, document: int = 0, tick: Tick | None = None) -> Tensor:
    """The ``count`` tokens that :func:`encode` made ``words`` of, int64; the model is changed.

    Raises
    ------
    MissingPackage
        Without ``constriction``.
    """
    stream = library().stream
    source = stream.queue.RangeDecoder(np.frombuffer(words, "<u4").astype(np.uint32))
    with _one_thread():
        reader = Follower(model, count, document=document)
        for done in range(1, count + 1):
            column = _take(source, stream, reader.predict())
            if column < len(reader.known):
                token = int(reader.known[column])
            else:
                token = int(reader.unknown[_take(source, stream, len(reader.unknown))])
            reader.take(token)
            _report(tick, "decompress", done, count, {})
    return reader.tokens


def _put(out: Any, stream: ModuleType, choices: NDArray[np.float64] | int, choice: int) -> None:
    chances = _chances(stream, choices)
    if chances is not None:
        out.encode(choice, chances)


def _take(source: Any, stream: ModuleType, choices: NDArray[np.float64] | int) -> int:
    chances = _chances(stream, choices)
    return 0 if chances is None else int(source.decode(chances))


def _chances(stream: ModuleType, choices: NDArray[np.float64] | int) -> Any:
    """Probabilities, or so many equal ones, as the coder takes them; ``None`` when there is no choice."""
    if isinstance(choices, int):
        return stream.model.Uniform(choices) if choices > 1 else None
    return stream.model.Categorical(choices, perfect=False) if len(choices) > 1 else None


def _report(tick: Tick | None, stage: str, done: int, count: int, metrics: Mapping[str, float]) -> None:
    if tick and (done % _TICK == 0 or done == count):
        tick(stage, done, count, metrics)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def library() -> ModuleType:
    """The package ``constriction``, imported when something is coded.

    Raises
    ------
    MissingPackage
        When it is not installed.
    """
    try:
        return import_module("constriction")
    except ImportError as error:
        raise MissingPackage(
            "the arithmetic coder is in the package constriction, which cannot be imported; "
            f"install it: pip install 'lior[compress]' ({error})"
        ) from error
