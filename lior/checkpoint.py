"""A model on disk: tensors as safetensors, everything else in a JSON manifest.

``model.safetensors`` holds the tokenizer, the geometry, the mixer and the memories,
``text.safetensors`` the documents and, while training is not over, ``training.safetensors``
what it needs to go on. ``manifest.json`` names the components with all their options and
their distributions, the size and SHA-256 of each file, and its own SHA-256, so that damage
is noticed before anything is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lior import consistency, durable
from lior.corpus import Corpus
from lior.errors import PluginError, RunError, UsageError
from lior.geometry.retrieval import Geometry
from lior.interfaces import State
from lior.loaded import Loaded
from lior.manifest import MANIFEST, build_part, describe, digest, fingerprint, read_manifest, verify
from lior.migration import FORMAT
from lior.model import Model
from lior.states import prefixed, sub

_MODEL, _TEXT, _TRAINING = "model.safetensors", "text.safetensors", "training.safetensors"
_MISFITS = (LookupError, TypeError, AttributeError, ValueError, RuntimeError, ArithmeticError, MemoryError)
"""What code raises that is given what it did not write."""
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
    part = path.with_name(path.name + durable.PARTIAL)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _write_tensors(part / _MODEL, _tensors(model))
        if before is None or not _share(before / _TEXT, part / _TEXT):
            _write_tensors(part / _TEXT, {"tokens": text.tokens, "starts": text.starts})
        if training is not None:
            _write_tensors(part / _TRAINING, training.tensors)
        manifest = {
            "format": FORMAT,
            "components": describe(components),
            "geometry": _geometry_options(model),
            "documents": list(text.names),
            "bytes": text.bytes,
            "train": train,
            "added": list(added),
            "forgets": forgets,
            "score": score,
            "training": None if training is None else training.numbers,
            "files": {file.name: fingerprint(file) for file in sorted(part.iterdir())},
        }
        manifest["sha256"] = digest(manifest)
        durable.write_text(part / MANIFEST, json.dumps(manifest, indent=1))
        part.rename(path)
        durable.sync(path.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _geometry_options(model: Model) -> dict[str, Any] | None:
    geometry = model.geometry
    if geometry is None:
        return None
    return {"resilience_at": geometry.resilience_at, "smoothing": geometry.smoothing}


def _share(source: Path, target: Path) -> bool:
    """Give a file a second name; it is never changed in place. Some file systems cannot."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def load(path: Path, *, device: torch.device | str = "cpu") -> Loaded:
    """Read the checkpoint at ``path``.

    Raises
    ------
    RunError
        When a file is missing, damaged or of a newer format, or a component is not installed.
    """
    manifest = read_manifest(path)
    with fitting_together(path):
        tensors, documents, training = _verified(path, manifest, device)
        model = _rebuild(manifest, tensors)
        consistency.check_text(documents, manifest, vocab=model.tokenizer.vocab)
        text = Corpus(
            documents["tokens"], documents["starts"], tuple(manifest["documents"]), manifest["bytes"]
        )
        return Loaded(model, text, manifest["train"], manifest, training, tuple(manifest["added"]))


def _verified(
    path: Path, manifest: dict[str, Any], device: torch.device | str
) -> tuple[State, State, State | None]:
    """What is in the files, read while their checksums are worked out; used only when these are right."""
    names = (_MODEL, _TEXT, *([_TRAINING] if manifest["training"] is not None else []))

    def check() -> None:
        for name in names:
            verify(path / name, manifest["files"][name])

    with ThreadPoolExecutor(1) as pool:
        checked = pool.submit(check)
        try:
            found = [_read_tensors(path / name, device) for name in names]
        finally:
            checked.result()  # a checksum that is wrong says more than what reading made of it
    return found[0], found[1], found[2] if len(found) > 2 else None


@contextlib.contextmanager
def fitting_together(path: Path) -> Iterator[None]:
    """Turn what code raises when the parts it was given belong to no one run into ``RunError``."""
    try:
        yield
    except PluginError:
        raise
    except (UsageError, *_MISFITS) as error:
        cause = " ".join(str(error).split()) if isinstance(error, UsageError) else repr(error).splitlines()[0]
        raise RunError(
            f"{path}: the checkpoint does not fit together ({cause}); it was not made by lior"
        ) from error


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


def _write_tensors(path: Path, tensors: State) -> None:
    try:
        save_file(_separate(tensors), path)
    except SafetensorError as error:  # what safetensors makes of a full disk
        raise OSError(f"{path.name}: {error}") from error
    path.chmod(0o666 & ~_umask())  # safetensors writes 0600 whatever the umask
    durable.sync(path)


def _separate(tensors: State) -> State:
    """The tensors on the CPU without common storage, which safetensors refuses: a plugin may keep views."""
    separate: State = {}
    seen: set[int] = set()
    for name, value in tensors.items():
        here = value.contiguous().cpu()
        storage = here.untyped_storage().data_ptr()
        separate[name] = here.clone() if storage in seen else here
        seen.add(storage)
    return separate


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _read_tensors(path: Path, device: torch.device | str) -> dict[str, Tensor]:
    try:
        tensors = load_file(path, device=str(device))
        # In the file they begin anywhere; matrix products round by how their operands are aligned.
        for name in tensors:
            tensors[name] = tensors[name].clone()
        return tensors
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: damaged ({error})") from error
