"""A model on disk: tensors as safetensors, everything else in a JSON manifest.

``model.safetensors`` holds the tokenizer, the geometry, the mixer and the memories,
``text.safetensors`` the documents and, while training is not over, ``training.safetensors``
what it needs to go on. ``manifest.json`` names the components with all their options and
their distributions, the size and SHA-256 of each file, and its own SHA-256, so that damage
is noticed before anything is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs
import torch

from lior.data.corpus import Corpus
from lior.geometry.retrieval import Geometry
from lior.interfaces import State
from lior.model import validation as consistency
from lior.model.language_model import Model
from lior.runs import storage as snapshots
from lior.runs.manifest import build_part, describe, read_manifest
from lior.runs.migration import FORMAT as FORMAT
from lior.runs.migration import LAYOUT
from lior.runs.stored import Loaded
from lior.tensors import prefixed, sub

_MODEL, _TEXT, _TRAINING = "model", "text", "training"
_GEOMETRY = ("encoder", "frame", "rsource", "product")


@attrs.frozen(kw_only=True)
class Training:
    """Where training stands."""

    tensors: State
    numbers: dict[str, Any]
    """Ready for JSON."""


def save(
    path: Path,
    model: Model,
    components: dict[str, Any],
    text: Corpus,
    train: int,
    *,
    added: Sequence[str] = (),
    forgets: bool = False,
    training: Training | None = None,
    score: float | None = None,
    before: Path | None = None,
) -> None:
    """Write a checkpoint to ``path``, which must not exist.

    All files are written to a sibling first, flushed to the disk and moved at
    the end, so that ``path`` never holds half a checkpoint.

    Parameters
    ----------
    components
        Kind -> :class:`~lior.config.Component`, and "memory" -> a list of them.
    added
        When each of the last documents was learned after training.
    forgets
        Whether earlier checkpoints hold text that was forgotten, and have to go.
    training
        What training needs to go on, unless it is over.
    score
        Nats per byte of the validation text, if they are known.
    before
        An earlier checkpoint with the same text, whose file can be shared.

    Raises
    ------
    OSError
        When a file cannot be written; nothing of the checkpoint is left then.
    """
    tensors = {_MODEL: _tensors(model), _TEXT: {"tokens": text.tokens, "starts": text.starts}}
    if training is not None:
        tensors[_TRAINING] = training.tensors
    manifest = {
        "components": describe(components),
        "geometry": _geometry_options(model),
        "documents": list(text.names),
        "bytes": text.bytes,
        "train": train,
        "added": list(added),
        "forgets": forgets,
        "score": score,
        "training": None if training is None else training.numbers,
    }
    share = {} if before is None else {_TEXT: before}
    snapshots.write(path, tensors, manifest, format=LAYOUT, share=share)


def _geometry_options(model: Model) -> dict[str, Any] | None:
    geometry = model.geometry
    if geometry is None:
        return None
    return {"resilience_at": geometry.resilience_at, "smoothing": geometry.smoothing}


def load(path: Path, *, device: torch.device | str = "cpu") -> Loaded:
    """Read the checkpoint at ``path``.

    Raises
    ------
    RunError
        When a file is missing, damaged or of a newer format, or a component is not installed.
    """
    manifest = read_manifest(path)
    with fitting_together(path):
        groups = [_MODEL, _TEXT, *([_TRAINING] if manifest["training"] is not None else [])]
        tensors = snapshots.read_tensors(path, manifest, groups, device=device)
        documents = tensors[_TEXT]
        model = _rebuild(manifest, tensors[_MODEL])
        consistency.check_text(documents, manifest, vocab=model.tokenizer.vocab)
        text = Corpus(
            documents["tokens"], documents["starts"], tuple(manifest["documents"]), manifest["bytes"]
        )
        training, added = tensors.get(_TRAINING), tuple(manifest["added"])
        return Loaded(model, text, manifest["train"], manifest, training, added)


def fitting_together(path: Path) -> AbstractContextManager[None]:
    """As :func:`lior.runs.storage.fitting_together`, of a checkpoint of lior."""
    return snapshots.fitting_together(path, program=LAYOUT.program)


# --- tensors ---


def _tensors(model: Model) -> State:
    parts = {
        "tokenizer": model.tokenizer.snapshot(),
        "geometry": model.state,
        "mixer": model.weights,
        **{f"memory.{name}": memory.snapshot() for name, memory in model.memories.items()},
    }
    flat = {name: value for part, values in parts.items() for name, value in prefixed(part, values).items()}
    if model.cells is not None:
        flat["cells"] = model.cells
    return flat | {"token_counts": model.token_counts}


def _rebuild(manifest: dict[str, Any], tensors: State) -> Model:
    parts = manifest["components"]
    options = manifest["geometry"]
    tokenizer = build_part("tokenizer", parts["tokenizer"])
    tokenizer.restore(sub(tensors, "tokenizer"))
    consistency.check_counts(tensors.get("token_counts"), vocab=tokenizer.vocab)
    geometry = None
    if options is not None:
        plugins = {kind: build_part(kind, parts[kind]) for kind in _GEOMETRY}
        geometry = Geometry(vocab=tokenizer.vocab, **plugins, **options)
        consistency.check_geometry(geometry, sub(tensors, "geometry"))
    memories = {part["name"]: build_part("memory", part) for part in parts["memory"]}
    for name, memory in memories.items():
        memory.restore(sub(tensors, f"memory.{name}"))
    model = Model(
        tokenizer=tokenizer,
        memories=memories,
        geometry=geometry,
        state=sub(tensors, "geometry"),
        weights=sub(tensors, "mixer"),
        cells=tensors.get("cells"),
        token_counts=tensors["token_counts"],
    )
    consistency.check_parts(model)
    consistency.check_mixer(model)
    return model
