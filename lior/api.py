"""Training in one call, and going on with it.

>>> import lior
>>> notes = {f"note {i}": f"Note {i}: the meeting is in room {i}.\\n" * 9 for i in range(9)}
>>> run = lior.train(documents=notes, memory="sdm", geometry={"updates": 8}, seed=1)
>>> bits = run.summary["val_bits_per_byte"]
>>> bits < run.summary["baseline"]["unigram"]
True
>>> run.complete("Note 8: the meet", 6, temperature=0)
'ing is'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from lior.config import Override, TrainConfig, flatten, load
from lior.config.options import checked_keywords
from lior.reading.documents import RawDocument, as_bytes
from lior.runs.run import Run
from lior.training import preparation
from lior.training.preparation import train as run_training


@checked_keywords(TrainConfig)
def train(
    text: str | Sequence[str] = (),
    *,
    documents: Mapping[str, str | bytes] | None = None,
    out: str | Path | None = None,
    recipe: str | None = None,
    callbacks: Iterable[object] = (),
    **settings: Any,
) -> Run:
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
    callbacks
        Objects with hooks of :mod:`lior.events`.
    settings
        Keys of the configuration. A plugin is given by name, as
        ``package.module:Class``, as an instance, or as a table with its
        options; ``memory`` takes several. Other sections are tables:
        ``geometry={"updates": 100}``.

    Returns
    -------
    Run
        The model with its documents; its ``summary`` is the object that ``lior train --json`` prints.

    Raises
    ------
    LiorError
        When something given cannot be used; the message says what and why.
    """
    overrides = [Override(path, value, "code") for path, value in flatten(_table(settings))]
    if text:
        overrides.append(Override("data.text", [text] if isinstance(text, str) else list(text), "code"))
    config = load(recipe, overrides=overrides, components=True).config
    read = None
    if documents is not None:
        read = [RawDocument(name, as_bytes(value)) for name, value in documents.items()]
    return run_training(config, Path(out) if out else None, documents=read, callbacks=callbacks)


@checked_keywords()
def resume(run: str | Path, *, callbacks: Iterable[object] = ()) -> Run:
    """Go on with the training of ``run``, which was stopped; the outcome is that of one never stopped.

    Raises
    ------
    RunError
        When it is no run, finished, damaged, or its configuration was changed.
    """
    return preparation.resume(Path(run), callbacks=callbacks)


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
