"""A checkpoint of lior: a model, its documents and where its training stands, in memory and on disk.

On disk it is a bundle (:mod:`lior.runs.bundle`). ``model.safetensors`` holds the tokenizer, the geometry, the
mixer and the memories, ``text.safetensors`` the documents and, while training is not over,
``training.safetensors`` the state from which it can be resumed. ``manifest.json`` names the components with
all their options and their distributions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs
import torch

from lior.config import Component, build
from lior.data import corpus as corpora
from lior.data.corpus import Corpus, byte_lengths
from lior.errors import RunError, UnknownPlugin
from lior.geometry.retrieval import PARTS, Geometry
from lior.interfaces import State, Text
from lior.model import validation
from lior.model.language_model import Model
from lior.plugins.registry import registry
from lior.reading.documents import RawDocument
from lior.runs import bundle
from lior.runs.asking import FORMAT
from lior.runs.bundle import digest
from lior.tensors import prefixed, sub

_MODEL, _TEXT, _TRAINING = "model", "text", "training"


@attrs.frozen
class Document:
    """A text of a run."""

    name: str
    bytes: int
    tokens: int
    held: int
    """How many of its tokens the memories hold; the others are validation text."""
    added: str | None
    """When it was learned, if after training: ISO 8601 with time zone."""


@attrs.frozen(kw_only=True)
class TrainingState:
    """Where training stands."""

    tensors: State = attrs.field(repr=False)
    numbers: dict[str, Any]
    """Ready for JSON."""


@attrs.frozen(kw_only=True)
class Checkpoint:
    """The state of a run at one moment."""

    model: Model
    corpus: Corpus
    train: int
    """How many tokens at the beginning of ``corpus`` the memories hold; validation text follows them."""
    components: Mapping[str, Any] = attrs.field(repr=False)
    """Kind -> :class:`~lior.config.Component`, and "memory" -> a list of them."""
    added: tuple[str, ...] = ()
    """When each of the last documents was learned after training; the memories hold these as well."""
    training: TrainingState | None = None
    """State from which training can be resumed; ``None`` when it is over."""
    score: float | None = None
    """Nats per byte of the validation text, if they are known."""
    forgets: bool = False
    """Whether earlier checkpoints hold text that was forgotten, and have to be removed."""
    manifest: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    """As it is on disk; empty for a checkpoint that was not read from there."""

    @property
    def identity(self) -> str:
        """SHA-256 of the manifest in hexadecimal: it covers all tensors, so only copies of a run share it."""
        return digest(self.manifest)

    @property
    def trained(self) -> int:
        """Number of tokens of the documents of training: the documents learned later begin there."""
        first = len(self.corpus.names) - len(self.added)
        return int(self.corpus.starts[first]) if self.added else len(self.corpus)

    def held(self) -> tuple[tuple[int, int], ...]:
        """Ranges ``lo, hi`` of the tokens that the memories hold."""
        return (0, self.train), (self.trained, len(self.corpus))

    def pieces(self, size: int = 65536) -> Iterator[tuple[Text, int]]:
        """The text that the memories hold, as :meth:`Model.write` takes it."""
        for lo, hi in self.held():
            for begin in range(lo, hi, size):
                yield self.corpus.text(begin, min(begin + size, hi), context=self.model.context)

    @property
    def fitted(self) -> tuple[str, ...]:
        """Names of the parts with parameters that training fitted and editing leaves as they are."""
        model = self.model
        parts = {
            "tokenizer": bool(model.tokenizer.snapshot()),
            "geometry": model.geometry is not None,
            "mixer": True,
            **{f"weights of memory {name}": True for name in model.adaptive},
        }
        return tuple(part for part, there in parts.items() if there)

    def documents(self) -> list[Document]:
        """All documents in their order; parts of a document that stand apart are counted with it."""
        parts, heads = self.parts(), self.corpus.heads
        for tail in sorted(heads, reverse=True):
            parts[heads[tail]] = _joined(parts[heads[tail]], parts[tail])
        return [part for i, part in enumerate(parts) if i not in heads]

    def parts(self) -> list[Document]:
        """As :meth:`documents`, with the parts that stand apart: one for each name of the corpus."""
        names, before = self.corpus.names, len(self.corpus.names) - len(self.added)
        lengths = byte_lengths(self.corpus.tokens.long(), self.model.tokenizer)
        starts = self.corpus.starts.cpu()
        bounds = torch.cat([starts, torch.tensor([len(self.corpus)])])
        sizes = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cpu().cumsum(0)])[bounds].diff()
        counts = bounds.diff()
        held = (self.train - starts).clamp(min=0).minimum(counts)
        held[before:] = counts[before:]
        columns = zip(names, sizes.tolist(), counts.tolist(), held.tolist(), strict=True)
        added = [None] * before + list(self.added)
        return [Document(*row, when) for row, when in zip(columns, added, strict=True)]

    def validation(self) -> tuple[Corpus, int, int]:
        """The run's own validation text: a corpus, and where the text begins and ends in it.

        Raises
        ------
        RunError
            When the run has none: it holds all of its text, or the validation text was forgotten.
        """
        if self.train >= self.trained:
            raise RunError(
                "the run has no validation text of its own: a score on text that its memories hold would be "
                "too good; name a text to score, or train with --holdout keep"
            )
        # Online scoring writes it after the documents that were learned later, so its numbers follow theirs.
        text = attrs.evolve(self.corpus, first_document=len(self.corpus.names)) if self.added else self.corpus
        return text, self.train, self.trained

    def other_text(self, documents: Sequence[RawDocument]) -> tuple[Corpus, int, int]:
        """Other documents as if they followed those of the run, with their beginning and end."""
        other = corpora.build(documents, self.model.tokenizer).to(self.model.device)
        return attrs.evolve(other, first_document=len(self.corpus.names)), 0, len(other)


def _joined(document: Document, end: Document) -> Document:
    """A document with a part that continues it."""
    sums = {key: getattr(document, key) + getattr(end, key) for key in ("bytes", "tokens", "held")}
    return attrs.evolve(document, **sums)


# --- on disk ---


def save(path: Path, checkpoint: Checkpoint, *, share: Path | None = None) -> None:
    """Write a checkpoint to ``path``, which must not exist and never holds half of one.

    Parameters
    ----------
    share
        An earlier checkpoint with the same text, whose file gets a second name.

    Raises
    ------
    OSError
        When a file cannot be written; nothing of the checkpoint is left then.
    """
    corpus, model, training = checkpoint.corpus, checkpoint.model, checkpoint.training
    groups = {_MODEL: tensors(model), _TEXT: {"tokens": corpus.tokens, "starts": corpus.starts}}
    if training is not None:
        groups[_TRAINING] = training.tensors
    geometry = model.geometry
    manifest = {
        "components": describe(checkpoint.components),
        "geometry": geometry and {name: getattr(geometry, name) for name in ("resilience_at", "smoothing")},
        "documents": list(corpus.names),
        "heads": sorted(corpus.heads.items()),
        "bytes": corpus.bytes,
        "train": checkpoint.train,
        "added": list(checkpoint.added),
        "forgets": checkpoint.forgets,
        "score": checkpoint.score,
        "training": training and training.numbers,
    }
    bundle.write(path, groups, manifest, format=FORMAT, share={} if share is None else {_TEXT: share})


def load(path: Path, *, device: torch.device | str = "cpu") -> Checkpoint:
    """Read the checkpoint at ``path``.

    Raises
    ------
    RunError
        When a file is missing, damaged or of another format, or a component is not installed.
    """
    manifest, found = bundle.read(path, format=FORMAT, device=device)
    with misfits_as_run_errors(path):
        numbers = manifest["training"]
        text, model = found[_TEXT], _rebuilt(manifest, found[_MODEL])
        heads = validation.check_text(text, manifest, vocab=model.tokenizer.vocab)
        names = tuple(manifest["documents"])
        return Checkpoint(
            model=model,
            corpus=Corpus(text["tokens"], text["starts"], names, manifest["bytes"], heads=heads),
            train=manifest["train"],
            components=_components(manifest),
            added=tuple(manifest["added"]),
            training=None if numbers is None else TrainingState(tensors=found[_TRAINING], numbers=numbers),
            score=manifest["score"],
            forgets=manifest["forgets"] is True,
            manifest=manifest,
        )


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the checkpoint at ``path``; raises as :func:`lior.runs.bundle.read_manifest`."""
    return bundle.read_manifest(path, format=FORMAT)


def misfits_as_run_errors(path: Path) -> AbstractContextManager[None]:
    """:func:`lior.runs.bundle.misfits_as_run_errors` for a checkpoint of lior."""
    return bundle.misfits_as_run_errors(path, program=FORMAT.program)


def tensors(model: Model) -> State:
    """All tensors of a model, by the names that they have on disk."""
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


def _rebuilt(manifest: Mapping[str, Any], flat: State) -> Model:
    """The model of a manifest and its :func:`tensors`."""
    parts = manifest["components"]
    options = manifest["geometry"]
    tokenizer = _build("tokenizer", parts["tokenizer"])
    tokenizer.restore(sub(flat, "tokenizer"))
    validation.check_counts(flat.get("token_counts"), vocab=tokenizer.vocab)
    geometry = None
    if options is not None:
        plugins = {kind: _build(kind, parts[kind]) for kind in PARTS}
        geometry = Geometry(vocab=tokenizer.vocab, **plugins, **options)
        validation.check_geometry(geometry, sub(flat, "geometry"))
    memories = {part["name"]: _build("memory", part) for part in parts["memory"]}
    for name, memory in memories.items():
        memory.restore(sub(flat, f"memory.{name}"))
    model = Model(
        tokenizer=tokenizer,
        memories=memories,
        geometry=geometry,
        state=sub(flat, "geometry"),
        weights=sub(flat, "mixer"),
        cells=flat.get("cells"),
        token_counts=flat["token_counts"],
    )
    validation.check_parts(model)
    validation.check_mixer(model)
    return model


# --- components in a manifest ---


def describe(components: Mapping[str, Any]) -> dict[str, Any]:
    """Names, options and distributions of components, kinds as in :class:`Checkpoint`, ready for JSON."""
    return {
        kind: [_entry(kind, c) for c in chosen] if isinstance(chosen, list) else _entry(kind, chosen)
        for kind, chosen in components.items()
    }


def _entry(kind: str, component: Component) -> dict[str, Any]:
    origin = registry.origin(kind, component.name)
    plugin, options = registry.get(kind, component.name), component.options
    if attrs.has(plugin):  # all options: a later version may have other defaults
        made = build(kind, component)
        options = {str(f.alias): getattr(made, f.name) for f in attrs.fields(plugin) if f.init}
    return {
        "name": component.name,
        "options": options,
        "distribution": origin.distribution,
        "version": origin.version,
    }


def _components(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The components of a manifest, undoing :func:`describe`."""
    return {
        kind: [_component(part) for part in parts] if isinstance(parts, list) else _component(parts)
        for kind, parts in manifest["components"].items()
    }


def _component(entry: Mapping[str, Any]) -> Component:
    return Component(name=entry["name"], options=entry["options"])


def _build(kind: str, entry: Mapping[str, Any]) -> Any:
    """The plugin of an entry; ``RunError`` when it is not installed."""
    try:
        return build(kind, _component(entry))
    except UnknownPlugin as error:
        owner = f"{entry['distribution']} {entry['version']}"
        raise RunError(
            f"the run needs {kind} {entry['name']!r} of {owner}, which is not installed. {error}"
        ) from error
