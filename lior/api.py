"""The library in a few calls: train, open, complete, score.

>>> import lior
>>> notes = {f"note {i}": f"Note {i}: the meeting is in room {i}.\\n" * 9 for i in range(9)}
>>> result = lior.train(documents=notes, memory="sdm", seed=1)
>>> bits = result.summary["val_bits_per_byte"]
>>> bits < result.summary["baseline"]["unigram"]
True
>>> lior.complete(result.model, "Note 8: the meet", 6, temperature=0)
'ing is'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch

from lior import corpus, rundir, training
from lior._layers import flatten
from lior.config import Override, load
from lior.corpus import Source
from lior.device import pick_device
from lior.evaluation import evaluate
from lior.generation import generate
from lior.model import Model
from lior.sampling import Sampling
from lior.session import Result
from lior.training import train as run_training


def train(
    text: str | Sequence[str] = (),
    *,
    documents: Mapping[str, str | bytes] | None = None,
    out: str | Path | None = None,
    recipe: str | None = None,
    listeners: Iterable[object] = (),
    **settings: Any,
) -> Result:
    """Train a model.

    Parameters
    ----------
    text
        Paths as `lior train` takes them; none means the embedded corpus.
    documents
        Name -> text, instead of ``text``.
    out
        Run directory, new or empty; without it the model stays in memory.
    recipe
        Name of a shipped recipe or path of a TOML file.
    listeners
        Objects with hooks of :mod:`lior.events`.
    settings
        Keys of the configuration. A plugin is given by name, as
        ``package.module:Class``, as an instance, or as a table with its
        options; ``memory`` takes several. Other sections are tables:
        ``geometry={"steps": 100}``.

    Returns
    -------
    Result
        The model and the summary of the run.

    Raises
    ------
    LiorError
        When something given cannot be used; the message says what and why.
    """
    overrides = [Override(path, value, "code") for path, value in flatten(_table(settings))]
    if text:
        overrides.append(Override("data.text", [text] if isinstance(text, str) else list(text), "code"))
    config = load(recipe, overrides=overrides, components=True).config
    sources = None
    if documents is not None:
        sources = [Source(name, _bytes(value)) for name, value in documents.items()]
    return run_training(config, Path(out) if out else None, sources=sources, listeners=listeners)


def resume(run: str | Path, *, listeners: Iterable[object] = ()) -> Result:
    """Go on with the training of ``run``, which was stopped; the outcome is that of one never stopped.

    Raises
    ------
    RunError
        When it is no run, finished, damaged, or its configuration was changed.
    """
    return training.resume(Path(run), listeners=listeners)


def open_model(run: str | Path, *, device: str = "cpu") -> Model:
    """The model of the run directory ``run`` on ``device``: ``cpu``, ``cuda`` or ``auto``.

    Raises
    ------
    DeviceError
        When CUDA is asked for and absent.
    RunError
        When it is no run, unfinished or damaged.
    """
    return rundir.open_run(Path(run), device=pick_device(device)).model


def complete(model: Model, prompt: str | bytes, tokens: int, *, seed: int = 0, **sampling: Any) -> str:
    """Continue ``prompt`` by ``tokens`` tokens; ``sampling`` are the fields of :class:`Sampling`."""
    generator = torch.Generator(model.device).manual_seed(seed)
    context = model.tokenizer.encode(_bytes(prompt)).tolist()
    drawn = generate(model, context, tokens, Sampling(**sampling), generator=generator)
    return model.tokenizer.decode(list(drawn)).decode("utf-8", "replace")


def score(model: Model, text: str | bytes) -> float:
    """How surprised the model is by ``text``, in bits per byte."""
    one = corpus.build([Source("text", _bytes(text))], model.tokenizer).to(model.device)
    return evaluate(model, one, 0, len(one)).bits_per_byte


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def _table(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` as the table of a recipe: plugins by name with their options."""
    table = dict(settings)
    for section, value in settings.items():
        several = section == "memory" and isinstance(value, list | tuple)
        if several or (section == "memory" and attrs.has(type(value))):
            parts = dict(_described(part) for part in (value if several else [value]))
            table[section] = {"name": ",".join(parts), **parts}
        elif attrs.has(type(value)):
            name, options = _described(value)
            table[section] = {"name": name, **options}
    return table


def _described(plugin: Any) -> tuple[str, dict[str, Any]]:
    """Name, as ``package.module:Class``, and options of a plugin given by name or as an instance."""
    if isinstance(plugin, str):
        return plugin, {}
    cls = type(plugin)
    fields = (f.name for f in attrs.fields(cls) if f.init)
    return f"{cls.__module__}:{cls.__qualname__}", {name: getattr(plugin, name) for name in fields}
