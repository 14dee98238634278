"""Learn and forget documents after training.

Learning writes to the memories. After forgetting, the memories hold exactly what they would hold if they
had never seen the document. Contents that depend on the order of writing are computed again from the stored
text. Parameters fitted in training (geometry, mixer, weights of fitted memories) do not change; see
``docs/decisions/language-model.md#forgetting``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import attrs
import torch

from lior.config import Component
from lior.data import corpus
from lior.errors import DataError, did_you_mean, sentences
from lior.files import in_line, printable
from lior.interfaces import Memory
from lior.model.weighting import add_memory, drop_memory
from lior.plugins.registry import registry
from lior.reading.documents import RawDocument
from lior.runs.checkpoint import Checkpoint
from lior.runs.documents import check_name

_BLOCK = 65536
_QUOTES = "match"
"""Name of the memory that repeats texts learned once."""
_TRUST = 1.25
"""Its weight, relative to a memory of all text: a text that was learned on purpose should be repeated. After
learning 40 kB beside 60 kB, other text costs at most 0.006 bits per byte more, and mostly less."""


@torch.no_grad()
def learn(checkpoint: Checkpoint, documents: Sequence[RawDocument]) -> Checkpoint:
    """Write ``documents`` to the memories of ``checkpoint.model``, which is changed.

    Raises
    ------
    DataError
        When a document is empty, or its name exists already or is not allowed; nothing is changed then.
    """
    check(documents, checkpoint.corpus.names)
    checkpoint, found = _quoting(checkpoint), checkpoint
    model, before = checkpoint.model, len(checkpoint.corpus)
    text = checkpoint.corpus.and_then(corpus.build_corpus(documents, model.tokenizer))
    try:
        for begin in range(before, len(text), _BLOCK):
            model.write(*text.text(begin, min(begin + _BLOCK, len(text)), context=model.context))
    except BaseException:
        model.rollback()
        if checkpoint is not found:
            _unquoting(checkpoint)
        raise
    model.commit()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return attrs.evolve(checkpoint, corpus=text, added=(*checkpoint.added, *(now for _ in documents)))


def _quoting(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with a memory that repeats texts learned once, which counts alone do not.

    It holds only documents that were learned after training, so that learning other text is not slower.
    """
    model = checkpoint.model
    if _QUOTES in model.memories or not model.weights:
        return checkpoint
    kind: Any = registry.get("memory", _QUOTES)
    memory: Memory = kind(weight=_TRUST)
    add_memory(model, _QUOTES, memory)
    memories = [*checkpoint.components["memory"], Component(name=_QUOTES, plugin=memory)]
    return attrs.evolve(checkpoint, quoting=True, components={**checkpoint.components, "memory": memories})


def _unquoting(checkpoint: Checkpoint) -> Checkpoint:
    """Undo :func:`_quoting`; the model equals the earlier one to the last bit."""
    drop_memory(checkpoint.model, _QUOTES)
    memories = checkpoint.components["memory"][:-1]
    return attrs.evolve(checkpoint, quoting=False, components={**checkpoint.components, "memory": memories})


def check(documents: Sequence[RawDocument], held: Collection[str]) -> None:
    """Raise ``DataError`` for documents that cannot be learned beside documents named ``held``."""
    held, names = set(held), set[str]()
    for document in documents:
        check_name(document.name)
        if document.name in held:
            fault = "there is a document of this name already; forget it, or give another name"
            raise DataError(f"{format_name(document.name)}: {fault}")
        if document.name in names:
            raise DataError(
                f"{format_name(document.name)}: two documents have one name; give each a name of its own"
            )
        if not document.data:
            raise DataError(f"{format_name(document.name)}: no text in there (0 bytes)")
        names.add(document.name)


@torch.no_grad()
def forget(checkpoint: Checkpoint, indices: Collection[int]) -> Checkpoint:
    """Remove documents from the text and the memories of ``checkpoint.model``, which is changed.

    ``indices`` count :meth:`Checkpoint.parts`, as those of :func:`find` do.
    """
    documents, kept = checkpoint.parts(), checkpoint
    for index in sorted(set(indices), reverse=True):
        kept = _without(kept, index, documents[index].bytes)
    # Later documents get new numbers, which the memories store, even if they held nothing of the document.
    later = any(document.held for document in documents[min(indices, default=len(documents)) :])
    if kept.quoting and not kept.added:
        kept = _unquoting(kept)
    if later:
        kept.rewrite(_BLOCK)
    return kept


def restructure(checkpoint: Checkpoint, documents: Sequence[RawDocument]) -> Checkpoint:
    """Give documents of the checkpoint the structure of ``documents`` with the same names and texts."""
    found, text = {each.name: each.structure for each in documents}, checkpoint.corpus
    structures = tuple(
        old if number in text.split_parts else found.get(name, old)
        for number, (name, old) in enumerate(zip(text.names, text.structures, strict=True))
    )
    return attrs.evolve(checkpoint, corpus=attrs.evolve(text, structures=structures))


def _without(checkpoint: Checkpoint, index: int, size: int) -> Checkpoint:
    """Return the checkpoint without the document of that number, which has ``size`` bytes."""
    begin, end = checkpoint.corpus.bounds(index)
    later = index - (len(checkpoint.corpus.names) - len(checkpoint.added))
    return attrs.evolve(
        checkpoint,
        corpus=checkpoint.corpus.without(index, size),
        n_train=checkpoint.n_train - max(min(end, checkpoint.n_train) - begin, 0),
        added=checkpoint.added if later < 0 else checkpoint.added[:later] + checkpoint.added[later + 1 :],
    )


def find(checkpoint: Checkpoint, name: str) -> list[int]:
    """Return the indices of all documents with a name, or the index of the only one whose path ends with
    it.

    Training accepts several documents of one name; they are forgotten together, as are the parts of one.

    Raises
    ------
    DataError
        When there is none, or documents with different names have this ending.
    """
    names = checkpoint.corpus.names
    wanted = (name, printable(name)) if isinstance(name, str) else ()
    found = [i for i, each in enumerate(names) if each in wanted]
    found = found or [i for i, each in enumerate(names) if any(_ends_with(each, part) for part in wanted)]
    different = sorted({names[i] for i in found})
    if len(different) > 1:
        some = ", ".join(map(format_name, different[:3])) + (", ..." if len(different) > 3 else "")
        raise DataError(
            f"{format_name(name)}: {len(different)} documents have this name ({some}); give more of the path"
        )
    if not found:
        if not isinstance(name, str):
            check_name(name)
        hint = did_you_mean(name, names) or did_you_mean(name, [PurePath(each).name for each in names])
        hint = hint or ("`lior docs` lists them." if names else "It has no documents.")
        raise DataError(sentences(f"{format_name(name)}: no document of this name in the run.", hint))
    return found


def format_name(name: str) -> str:
    """Return a name for messages and tables, in one line."""
    return in_line(name) or "''"


def _ends_with(path: str, name: str) -> bool:
    parts = PurePath(name).parts
    return bool(parts) and PurePath(path).parts[-len(parts) :] == parts
