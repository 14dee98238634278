"""Learn a document, or forget one, after training.

Learning writes to the memories. Forgetting makes them what they would be had
they never been told: what depends on the order of writing is worked out again
from the stored text. The numbers fitted in training (geometry, mixer, and what
adaptive memories learned) stay as they are; see ``docs/decisions.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath

import attrs
import torch

from lior import corpus
from lior._suggest import did_you_mean, sentences
from lior.corpus import Source
from lior.errors import DataError
from lior.loaded import Document, Loaded

_BLOCK = 65536


@torch.no_grad()
def learn(loaded: Loaded, sources: Sequence[Source]) -> Loaded:
    """Give ``sources`` to the memories of ``loaded.model``, which is changed.

    Raises
    ------
    DataError
        When one is empty, or a document of its name is there already; nothing is changed then.
    """
    names = set(loaded.text.names)
    for source in sources:
        if source.name in names:
            raise DataError(
                f"{source.name}: the run has a document of this name; forget that first, or give another name"
            )
        if not source.data:
            raise DataError(f"{source.name}: no text in there (0 bytes)")
        names.add(source.name)
    model, before = loaded.model, len(loaded.text)
    text = loaded.text.and_then(corpus.build(sources, model.tokenizer))
    try:
        for begin in range(before, len(text), _BLOCK):
            model.stage(*text.text(begin, min(begin + _BLOCK, len(text)), context=model.context))
    except BaseException:
        model.discard()
        raise
    model.commit()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return attrs.evolve(loaded, text=text, added=(*loaded.added, *(now for _ in sources)))


@torch.no_grad()
def forget(loaded: Loaded, name: str) -> Loaded:
    """Take a document out of the text and the memories of ``loaded.model``, which is changed.

    ``name`` is that of :func:`find`.

    Raises
    ------
    DataError
        When there is no such document, or several; nothing is changed then.
    """
    index, document = find(loaded, name)
    begin, end = loaded.text.bounds(index)
    later = index - (len(loaded.text.names) - len(loaded.added))
    kept = attrs.evolve(
        loaded,
        text=loaded.text.without(index, document.bytes),
        train=loaded.train - max(min(end, loaded.train) - begin, 0),
        added=loaded.added if later < 0 else loaded.added[:later] + loaded.added[later + 1 :],
    )
    if document.held:
        loaded.model.rewrite(kept.pieces(_BLOCK))
    return kept


def find(loaded: Loaded, name: str) -> tuple[int, Document]:
    """The document of that name, or the only one whose path ends with it, and its place among all.

    Raises
    ------
    DataError
        When there is none, or several.
    """
    documents = loaded.documents()
    found = [i for i, each in enumerate(documents) if each.name == name]
    found = found or [i for i, each in enumerate(documents) if _ends_with(each.name, name)]
    if len(found) > 1:
        some = ", ".join(documents[i].name for i in found[:3])
        raise DataError(f"{name}: {len(found)} documents are called so ({some}); give more of the path")
    if not found:
        names = loaded.text.names
        hint = did_you_mean(name, names) or did_you_mean(name, [PurePath(each).name for each in names])
        raise DataError(
            sentences(f"{name}: no document of this name in the run.", hint or "`lior docs` lists them.")
        )
    return found[0], documents[found[0]]


def _ends_with(path: str, name: str) -> bool:
    parts = PurePath(name).parts
    return bool(parts) and PurePath(path).parts[-len(parts) :] == parts
