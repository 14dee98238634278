"""A checkpoint of lior: a model, its documents and the state of its training, in memory and on disk.

On disk it is a bundle (:mod:`lior.runs.bundle`). ``model.safetensors`` holds the tokenizer, the geometry,
the mixer and the memories, and ``text.safetensors`` the documents. Until training is finished,
``training.safetensors`` holds the state from which it can be resumed. ``manifest.json`` names the
components with all their options and their distributions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from lior.config import Component, build
from lior.data import corpus as corpora
from lior.data.corpus import Corpus, byte_lengths
from lior.errors import RunError, UnknownPlugin
from lior.geometry.retrieval import PARTS, Geometry
from lior.interfaces import State, Text
from lior.model import validation
from lior.model.following import know_text
from lior.model.language_model import Model
from lior.model.weighting import weights_before
from lior.plugins.registry import registry
from lior.reading.documents import RawDocument
from lior.runs import bundle
from lior.runs.format import FORMAT, MODEL, TEXT, TRAINING, check_text, misfits_as_run_errors, separate
from lior.tensors import add_prefix, sub


@attrs.frozen
class Document:
    """A text of a run."""

    name: str
    bytes: int
    tokens: int
    held: int
    """Number of its tokens in the memories; the others are validation text."""
    added: str | None
    """Time of learning, for a document learned after training: ISO 8601 with time zone."""


def total(documents: Sequence[Document]) -> Document:
    """Return the first of ``documents`` with the total sizes."""
    sums = {key: sum(getattr(each, key) for each in documents) for key in ("bytes", "tokens", "held")}
    return attrs.evolve(documents[0], **sums)


@attrs.frozen(kw_only=True)
class TrainingState:
    """The state of a training."""

    tensors: State = attrs.field(repr=False)
    numbers: dict[str, Any]
    """Counters and settings, ready for JSON."""


@attrs.frozen(kw_only=True)
class Checkpoint:
    """The state of a run at one moment."""

    model: Model
    corpus: Corpus
    n_train: int
    """Number of tokens at the beginning of ``corpus`` that the memories hold; then comes validation text."""
    components: Mapping[str, Sequence[Component]] = attrs.field(repr=False)
    """The plugins of each kind; every kind but "memory" has one."""
    added: tuple[str, ...] = ()
    """Times at which the last documents were learned, after training; the memories hold them too."""
    quoting: bool = False
    """Whether the last memory was added for documents that were learned later; it holds only these."""
    training: TrainingState | None = None
    """State from which training can be resumed; ``None`` when it is finished."""
    score: float | None = None
    """Nats per byte of the validation text, if known."""
    pending_erasure: bool = False
    """Whether earlier checkpoints hold forgotten text and must be removed."""
    manifest: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    """The manifest on disk; empty for a checkpoint that was not read from there."""

    def __attrs_post_init__(self) -> None:
        know_text(self.model, self.corpus, self.stored_ranges())

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest in hexadecimal: it covers all tensors, so only copies of a run share it."""
        return bundle.digest(self.manifest)

    def is_of_training(self, other: Checkpoint) -> bool:
        """Return whether both belong to one training: the fitted parameters, which editing preserves, are
        equal."""
        (mine, parts), (theirs, others) = self._of_training(), other._of_training()
        same = parts == others and mine.keys() == theirs.keys()
        return same and all(mine[name].equal(theirs[name].to(mine[name].device)) for name in mine)

    def _of_training(self) -> tuple[State, dict[str, list[dict[str, Any]]]]:
        """Return the parameters that training fitted, and its components."""
        model, parts = self.model, describe(self.components)
        weights = model.weights
        if self.quoting:
            weights, parts["memory"] = weights_before(model), parts["memory"][:-1]
        fitted = {"tokenizer": model.tokenizer.snapshot(), "geometry": model.state, "mixer": weights}
        return {k: v for part, state in fitted.items() for k, v in add_prefix(part, state).items()}, parts

    @property
    def end_of_training(self) -> int:
        """Number of tokens of the training's documents; documents learned later begin there."""
        first = len(self.corpus.names) - len(self.added)
        return int(self.corpus.starts[first]) if self.added else len(self.corpus)

    def stored_ranges(self) -> tuple[tuple[int, int], ...]:
        """Return the ranges ``lo, hi`` of the tokens that the memories hold."""
        return (0, self.n_train), (self.end_of_training, len(self.corpus))

    def pieces(self, size: int = 65536) -> Iterator[tuple[Text, int]]:
        """Yield the text that the memories hold, in the form of :meth:`Model.write`."""
        for lo, hi in self.stored_ranges():
            for begin in range(lo, hi, size):
                yield self.corpus.text(begin, min(begin + size, hi), context=self.model.context)

    def rewrite(self, size: int = 65536) -> None:
        """Let the memories of the model hold exactly the text of the checkpoint, in pieces of ``size``."""
        later = len(self.corpus.names) - len(self.added)
        since = {[*self.model.memories][-1]: later} if self.quoting else {}
        self.model.rewrite(self.pieces(size), since)

    @property
    def fitted(self) -> tuple[str, ...]:
        """Names of the parts whose parameters training fitted and editing preserves."""
        model = self.model
        parts = {
            "tokenizer": bool(model.tokenizer.snapshot()),
            "geometry": model.geometry is not None,
            "mixer": True,
            **{f"weights of memory {name}": True for name in model.fitted},
        }
        return tuple(part for part, there in parts.items() if there)

    def documents(self) -> list[Document]:
        """Return all documents in their order; the parts of a split document count as one."""
        parts, split = self.parts(), self.corpus.split_parts
        for part in sorted(split, reverse=True):
            parts[split[part]] = total([parts[split[part]], parts[part]])
        return [document for i, document in enumerate(parts) if i not in split]

    def parts(self) -> list[Document]:
        """Return :meth:`documents` with each part of a split document: one for each name of the corpus."""
        names, before = self.corpus.names, len(self.corpus.names) - len(self.added)
        lengths = byte_lengths(self.corpus.tokens.long(), self.model.tokenizer)
        starts = self.corpus.starts.cpu()
        bounds = torch.cat([starts, torch.tensor([len(self.corpus)])])
        sizes = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cpu().cumsum(0)])[bounds].diff()
        counts = bounds.diff()
        held = (self.n_train - starts).clamp(min=0).minimum(counts)
        held[before:] = counts[before:]
        columns = zip(names, sizes.tolist(), counts.tolist(), held.tolist(), strict=True)
        added = [None] * before + list(self.added)
        return [Document(*row, when) for row, when in zip(columns, added, strict=True)]

    def validation(self) -> tuple[Corpus, int, int]:
        """Return the run's own validation text: a corpus, and the text's beginning and end in it.

        Raises
        ------
        RunError
            When the run has none: it holds all of its text, or the validation text was forgotten.
        """
        if self.n_train >= self.end_of_training:
            raise RunError(
                "the run has no validation text of its own: a score on text that its memories hold would be "
                "too good; name a text to score, or train with --holdout keep"
            )
        # Online scoring writes it after the documents that were learned later, so its numbers follow
        # theirs.
        text = attrs.evolve(self.corpus, first_document=len(self.corpus.names)) if self.added else self.corpus
        return text, self.n_train, self.end_of_training

    def other_text(self, documents: Sequence[RawDocument]) -> tuple[Corpus, int, int]:
        """Return other documents as if they followed the run's, with their beginning and end."""
        other = corpora.build_corpus(documents, self.model.tokenizer).to(self.model.device)
        return attrs.evolve(other, first_document=len(self.corpus.names)), 0, len(other)


# --- on disk ---


def contents(checkpoint: Checkpoint) -> tuple[dict[str, State], dict[str, Any]]:
    """Return the tensors and the manifest of a checkpoint, as :func:`lior.runs.bundle.write` takes them."""
    corpus, model, training = checkpoint.corpus, checkpoint.model, checkpoint.training
    groups = {MODEL: tensors(model), TEXT: _text(corpus)}
    if training is not None:
        groups[TRAINING] = training.tensors
    geometry = model.geometry
    return groups, {
        "components": describe(checkpoint.components),
        "geometry": geometry and {name: getattr(geometry, name) for name in ("resilience_at", "smoothing")},
        "documents": list(corpus.names),
        "split_parts": sorted(corpus.split_parts.items()),
        "bytes": corpus.bytes,
        "n_train": checkpoint.n_train,
        "added": list(checkpoint.added),
        "quoting": checkpoint.quoting,
        "pending_erasure": checkpoint.pending_erasure,
        "score": checkpoint.score,
        "training": training and training.numbers,
    }


def _text(corpus: Corpus) -> State:
    """Return the tensors of the documents."""
    sizes = [0, *map(len, corpus.structures)]
    return {
        "tokens": corpus.tokens,
        "starts": corpus.starts,
        "structures": torch.tensor(np.frombuffer(b"".join(corpus.structures), np.uint8)),
        "structure_starts": torch.tensor(sizes[:-1], dtype=torch.int64).cumsum(0),
    }


def load(path: Path, *, device: torch.device | str = "cpu") -> Checkpoint:
    """Read the checkpoint at ``path``.

    Raises
    ------
    RunError
        When a file is missing, damaged or of another format, or a component is not installed.
    """
    manifest, found = bundle.read(path, format=FORMAT, device=device)
    with misfits_as_run_errors(path):
        numbers, text = manifest["training"], found[TEXT]
        model, components = _rebuild(manifest, found[MODEL])
        arrays = {name: value.cpu().numpy() for name, value in text.items()}
        split_parts = check_text(arrays, manifest, vocab=model.tokenizer.vocab)
        structures = separate(arrays["structures"].tobytes(), arrays["structure_starts"].tolist())
        documents = Corpus(
            text["tokens"],
            text["starts"],
            tuple(manifest["documents"]),
            manifest["bytes"],
            split_parts=split_parts,
            structures=tuple(structures),
        )
        return Checkpoint(
            model=model,
            corpus=documents,
            n_train=manifest["n_train"],
            components=components,
            added=tuple(manifest["added"]),
            quoting=manifest.get("quoting") is True,
            training=None if numbers is None else TrainingState(tensors=found[TRAINING], numbers=numbers),
            score=manifest["score"],
            pending_erasure=manifest["pending_erasure"] is True,
            manifest=manifest,
        )


def tensors(model: Model) -> State:
    """Return all tensors of a model, by their names on disk."""
    parts = {
        "tokenizer": model.tokenizer.snapshot(),
        "geometry": model.state,
        "mixer": model.weights,
        **{f"memory.{name}": memory.snapshot() for name, memory in model.memories.items()},
    }
    flat = {name: value for part, values in parts.items() for name, value in add_prefix(part, values).items()}
    if model.cells is not None:
        flat["cells"] = model.cells
    return flat | {"token_counts": model.token_counts}


def _rebuild(manifest: Mapping[str, Any], flat: State) -> tuple[Model, dict[str, list[Component]]]:
    """Return the model of a manifest and its :func:`tensors`, and the components with its plugins."""
    options = manifest["geometry"]
    parts: dict[str, list[Component]] = {}
    for kind, entries in manifest["components"].items():
        needed = options is not None or kind not in PARTS  # the others need not be installed
        parts[kind] = [_component(kind, entry, needed) for entry in entries]
    tokenizer = parts["tokenizer"][0].plugin
    tokenizer.restore(sub(flat, "tokenizer"))
    validation.check_counts(flat.get("token_counts"), vocab=tokenizer.vocab)
    geometry = None
    if options is not None:
        plugins = {kind: parts[kind][0].plugin for kind in PARTS}
        geometry = Geometry(vocab=tokenizer.vocab, **plugins, **options)
        validation.check_geometry(geometry, sub(flat, "geometry"))
    memories = {part.name: part.plugin for part in parts["memory"]}
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
    return model, parts


# --- components in a manifest ---


def describe(components: Mapping[str, Sequence[Component]]) -> dict[str, list[dict[str, Any]]]:
    """Return names, options and distributions of the components by kind, ready for JSON.

    All options of the instances, including defaults: a later version may have other defaults.
    """
    return {kind: [_entry(kind, each) for each in chosen] for kind, chosen in components.items()}


def _entry(kind: str, component: Component) -> dict[str, Any]:
    origin = registry.origin(kind, component.name)
    return {
        "name": component.name,
        "options": component.all_options,
        "distribution": origin.distribution,
        "version": origin.version,
    }


def _component(kind: str, entry: Mapping[str, Any], needed: bool) -> Component:
    """Return the component of an entry, with its plugin if that is ``needed``; ``RunError`` if it is
    missing."""
    component = Component(name=entry["name"], options=entry["options"])
    try:
        return attrs.evolve(component, plugin=build(kind, component)) if needed else component
    except UnknownPlugin as error:
        owner = f"{entry['distribution']} {entry['version']}"
        raise RunError(
            f"the run needs {kind} {component.name!r} of {owner}, which is not installed. {error}"
        ) from error
