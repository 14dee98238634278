"""Training in one call.

>>> import lior
>>> notes = {f"note {i}": f"Note {i}: the meeting is in room {i}.\\n" * 9 for i in range(9)}
>>> run = lior.train(documents=notes, memory="sdm", seed=1)
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

from lior.config import Override, TrainConfig, flatten, load_chosen
from lior.config.options import check_keywords
from lior.errors import UsageError
from lior.reading.finding import as_path, as_paths
from lior.runs.documents import named
from lior.runs.run import Run
from lior.runs.telemetry import ProgressLine, is_watched
from lior.training import preparation

_TEXT = ("data", "text")
"""The key of the paths of the text."""


@check_keywords(TrainConfig)
def train(
    text: str | Path | Sequence[str | Path] = (),
    *,
    documents: Mapping[str, str | bytes] | None = None,
    out: str | Path | None = None,
    recipe: str | None = None,
    callbacks: Iterable[object] = (),
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Train a model.

    Parameters
    ----------
    text
        Paths as `lior train` takes them, of files and folders; none means the embedded corpus.
    documents
        Name -> text, instead of ``text``. A name is one line of text.
    out
        Run directory, new or empty; without it the model stays in memory.
    recipe
        Name of a shipped recipe or path of a TOML file. Without it: the defaults, and ``geometry`` if
        ``settings`` name a part of the geometry and no memory.
    callbacks
        Objects with hooks of :mod:`lior.events`.
    quiet
        Show no progress; otherwise terminals and notebooks show the stage and its share in one line.
    settings
        Keys of the configuration. A plugin is given by name, as ``package.module:Class``, as an instance,
        or as a table with its options; ``memory`` takes several. An instance is used itself:
        ``run.model.memories["sdm"]`` is the given one. Other sections are tables: ``geometry={"updates":
        100}``.

    Returns
    -------
    Run
        The model with its documents; its ``summary`` is the object that ``lior train --json`` prints.

    Raises
    ------
    LiorError
        When an argument cannot be used; the message names it and the reason.
    """
    memory = settings.get("memory")
    _refuse_used(settings.get("tokenizer"), *(memory if isinstance(memory, list | tuple) else [memory]))
    overrides = [Override(path, value, "code") for path, value in flatten(settings)]
    if paths := as_paths("text", text):
        overrides.append(Override(_TEXT, paths, "code"))
    read = None if documents is None else named(documents)
    if read is not None and any(each.key == _TEXT for each in overrides):
        raise UsageError("text and documents are both given; give one of them")
    config = load_chosen(recipe and str(as_path("recipe", recipe)), overrides).config
    if read is not None:  # a recipe may name files, which are not read
        config = attrs.evolve(config, data=attrs.evolve(config.data, text=()))
    heard = [*callbacks] if quiet or not is_watched() else [*callbacks, ProgressLine()]
    return preparation.train(config, as_path("out", out) if out else None, documents=read, callbacks=heard)


def _refuse_used(*plugins: Any) -> None:
    """Refuse instances that have read a text: the run that they belong to would change."""
    for plugin in plugins:
        if attrs.has(type(plugin)) and hasattr(plugin, "snapshot"):
            now, fresh = (each.snapshot() for each in (plugin, attrs.evolve(plugin)))
            if now.keys() != fresh.keys() or not all(now[key].equal(fresh[key]) for key in now):
                name = type(plugin).__name__
                raise UsageError(f"{name}: this instance has read a text already; make a new one")
