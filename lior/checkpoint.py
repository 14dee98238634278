"""A model on disk: tensors as safetensors, everything else in a JSON manifest.

``model.safetensors`` holds the tokenizer, the geometry, the mixer and the memories,
``text.safetensors`` the documents; ``manifest.json`` names the components with
their options and distributions, the size and SHA-256 of both files, and its own
SHA-256, so that damage is noticed before anything is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lior import corpus
from lior._registry import registry
from lior.config import Component, build
from lior.corpus import Corpus
from lior.errors import RunError, UnknownPlugin
from lior.geometry.retrieval import Geometry
from lior.interfaces import State
from lior.model import Model

FORMAT = 3
"""Version of the layout; 3 has the two sets and the gate `always` of `sdm`. Others are refused."""

_FILES = ("model.safetensors", "text.safetensors")
_GEOMETRY = ("encoder", "frame", "rsource", "product")


@attrs.frozen
class Loaded:
    """What a checkpoint holds."""

    model: Model
    text: Corpus
    train: int
    """How many tokens of ``text`` the model has learned; the rest is validation text."""
    manifest: dict[str, Any]

    @property
    def identity(self) -> str:
        """SHA-256 of the manifest in hexadecimal: it covers all tensors, so only copies of a run share it."""
        return _digest(self.manifest)

    def validation(self) -> tuple[Corpus, int, int]:
        """The run's own validation text: a corpus, and where the text begins and ends in it.

        Raises
        ------
        RunError
            When the run was trained on all of its text.
        """
        if self.train >= len(self.text):
            raise RunError("the run has no validation text of its own; name a text to score")
        return self.text, self.train, len(self.text)

    def other_text(self, paths: Sequence[str], *, field: str) -> tuple[Corpus, int, int]:
        """Another text as documents that follow those of the run, with its beginning and end."""
        sources = corpus.read(paths, field=field)
        other = corpus.build(sources, self.model.tokenizer).to(self.model.device)
        return attrs.evolve(other, first_document=len(self.text.names)), 0, len(other)


def save(path: Path, model: Model, components: dict[str, Any], text: Corpus, train: int) -> None:
    """Write a checkpoint to ``path``, which must not exist.

    All files are written to a sibling first and moved at the end, so that
    ``path`` never holds half a checkpoint.

    Parameters
    ----------
    components
        Kind -> :class:`~lior.config.Component`, and "memory" -> a list of them.

    Raises
    ------
    OSError
        When a file cannot be written; nothing of the checkpoint is left then.
    """
    part = path.with_name(path.name + ".partial")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _write_tensors(part / _FILES[0], _tensors(model))
        _write_tensors(part / _FILES[1], {"tokens": text.tokens, "starts": text.starts})
        _write_manifest(part, model, components, text, train)
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def load(path: Path, *, device: torch.device | str = "cpu") -> Loaded:
    """Read the checkpoint at ``path``.

    Raises
    ------
    RunError
        When a file is missing, damaged or of a newer format.
    PluginError
        When a component is not installed.
    """
    manifest = _manifest(path)
    for name, expected in manifest["files"].items():
        _verify(path / name, expected)
    tensors = _read_tensors(path / _FILES[0], device)
    documents = _read_tensors(path / _FILES[1], device)
    try:
        model = _rebuild(manifest, tensors)
        text = Corpus(
            documents["tokens"], documents["starts"], tuple(manifest["documents"]), manifest["bytes"]
        )
        return Loaded(model, text, manifest["train"], manifest)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise RunError(
            f"{path}: the checkpoint does not fit together ({error!r}); it was not made by lior"
        ) from error


# --- tensors ---


def _tensors(model: Model) -> State:
    parts = {
        "tokenizer": model.tokenizer.snapshot(),
        "geometry": model.state,
        "mixer": model.weights,
        **{f"memory.{name}": memory.snapshot() for name, memory in model.memories.items()},
    }
    flat = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
    if model.cells is not None:
        flat["cells"] = model.cells
    return flat | {"token_counts": model.token_counts}


def _rebuild(manifest: dict[str, Any], tensors: State) -> Model:
    parts = manifest["components"]
    options = manifest["geometry"]
    tokenizer = _build("tokenizer", parts["tokenizer"])
    tokenizer.restore(_under(tensors, "tokenizer."))
    geometry = None
    if options is not None:
        plugins = {kind: _build(kind, parts[kind]) for kind in _GEOMETRY}
        geometry = Geometry(vocab=tokenizer.vocab, **plugins, **options)
    memories = {part["name"]: _build("memory", part) for part in parts["memory"]}
    for name, memory in memories.items():
        memory.restore(_under(tensors, f"memory.{name}."))
    return Model(
        tokenizer=tokenizer,
        memories=memories,
        geometry=geometry,
        state=_under(tensors, "geometry."),
        weights=_under(tensors, "mixer."),
        cells=tensors.get("cells"),
        token_counts=tensors["token_counts"],
    )


def _under(tensors: State, prefix: str) -> State:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _write_tensors(path: Path, tensors: State) -> None:
    try:
        save_file(_separate(tensors), path)
    except SafetensorError as error:  # what safetensors makes of a full disk
        raise OSError(f"{path.name}: {error}") from error
    path.chmod(0o666 & ~_umask())  # safetensors writes 0600 whatever the umask
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


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


# --- manifest ---


def _write_manifest(part: Path, model: Model, components: dict[str, Any], text: Corpus, train: int) -> None:
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "components": describe(components),
        "geometry": None
        if model.geometry is None
        else {"resilience_at": model.geometry.resilience_at, "smoothing": model.geometry.smoothing},
        "documents": list(text.names),
        "bytes": text.bytes,
        "train": train,
        "files": {name: _fingerprint(part / name) for name in _FILES},
    }
    manifest["sha256"] = _digest(manifest)
    with (part / "manifest.json").open("w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())


def describe(components: dict[str, Any]) -> dict[str, Any]:
    """Names, options and distributions of components, ready for JSON; kinds as in :func:`save`."""
    return {
        kind: [_entry(kind, c) for c in chosen] if isinstance(chosen, list) else _entry(kind, chosen)
        for kind, chosen in components.items()
    }


def _entry(kind: str, component: Component) -> dict[str, Any]:
    origin = registry.origin(kind, component.name)
    return {
        "name": component.name,
        "options": component.options,
        "distribution": origin.distribution,
        "version": origin.version,
    }


def _build(kind: str, entry: dict[str, Any]) -> Any:
    try:
        return build(kind, Component(name=entry["name"], options=entry["options"]))
    except UnknownPlugin as error:
        owner = f"{entry['distribution']} {entry['version']}"
        raise RunError(
            f"the run needs {kind} {entry['name']!r} of {owner}, which is not installed. {error}"
        ) from error


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no checkpoint there (manifest.json is missing)") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file}: cannot be read ({error})") from error
    if not isinstance(manifest, dict) or type(manifest.get("format")) is not int:
        raise RunError(f"{file}: not a manifest of lior")
    if manifest["format"] < FORMAT:
        raise RunError(
            f"{file}: written in format {manifest['format']} by an earlier lior; this one reads {FORMAT}; "
            "train again with the run's config.toml"
        )
    if manifest["format"] > FORMAT:
        raise RunError(
            f"{file}: written in format {manifest['format']}, and this lior reads {FORMAT}; "
            "install a newer lior"
        )
    if manifest.pop("sha256", None) != _digest(manifest):
        raise RunError(f"{file}: changed since it was written (its checksum does not match)")
    return manifest


def _digest(manifest: dict[str, Any]) -> str:
    """SHA-256 of a manifest without its own entry, whatever its layout on disk."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def _verify(path: Path, expected: dict[str, Any]) -> None:
    try:
        found = _fingerprint(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    if found != expected:
        what = "cut short or grown" if found["bytes"] != expected.get("bytes") else "changed"
        raise RunError(f"{path}: {what} since it was written (its checksum does not match the manifest)")
