"""A run in memory: its model and its documents, those learned in training, held out, and learned later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import torch

from lior.data import corpus
from lior.data.corpus import Corpus
from lior.errors import RunError
from lior.interfaces import State, Text
from lior.model.evaluation import byte_lengths
from lior.model.language_model import Model
from lior.runs.manifest import digest


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


@attrs.frozen
class Loaded:
    """What a checkpoint holds."""

    model: Model
    text: Corpus
    train: int
    """How many tokens at the beginning of ``text`` the memories hold; validation text follows them."""
    manifest: dict[str, Any]
    training: State | None
    """What training needs to go on; ``None`` when it is over."""
    added: tuple[str, ...] = ()
    """When each of the last documents was learned after training; the memories hold these as well."""

    @property
    def identity(self) -> str:
        """SHA-256 of the manifest in hexadecimal: it covers all tensors, so only copies of a run share it."""
        return digest(self.manifest)

    @property
    def trained(self) -> int:
        """How many tokens there are without the documents learned later: where those begin."""
        first = len(self.text.names) - len(self.added)
        return int(self.text.starts[first]) if self.added else len(self.text)

    def held(self) -> tuple[tuple[int, int], ...]:
        """The stretches ``lo, hi`` of the text that the memories hold."""
        return (0, self.train), (self.trained, len(self.text))

    def pieces(self, size: int = 65536) -> Iterator[tuple[Text, int]]:
        """What the memories hold, as :meth:`Model.stage` takes it."""
        for lo, hi in self.held():
            for begin in range(lo, hi, size):
                yield self.text.text(begin, min(begin + size, hi), context=self.model.context)

    @property
    def fitted(self) -> tuple[str, ...]:
        """Names of the parts with numbers that training fitted: editing leaves these as they are."""
        model = self.model
        parts = {
            "tokenizer": bool(model.tokenizer.snapshot()),
            "geometry": model.geometry is not None,
            "mixer": True,
            **{f"weights of memory {name}": True for name in model.adaptive},
        }
        return tuple(part for part, there in parts.items() if there)

    def documents(self) -> list[Document]:
        """All documents in their order."""
        names, before = self.text.names, len(self.text.names) - len(self.added)
        lengths = byte_lengths(self.text.tokens.long(), self.model.tokenizer)
        starts = self.text.starts.cpu()
        bounds = torch.cat([starts, torch.tensor([len(self.text)])])
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
            When the run has none: it was trained on all of its text, or that part was forgotten.
        """
        if self.train >= self.trained:
            raise RunError("the run has no validation text of its own; name a text to score")
        # Who reads it online writes it behind what was learned later: its documents get numbers after those.
        text = attrs.evolve(self.text, first_document=len(self.text.names)) if self.added else self.text
        return text, self.train, self.trained

    def other_text(self, paths: Sequence[str], *, field: str) -> tuple[Corpus, int, int]:
        """Another text as documents that follow those of the run, with its beginning and end."""
        sources = corpus.read(paths, field=field)
        other = corpus.build(sources, self.model.tokenizer).to(self.model.device)
        return attrs.evolve(other, first_document=len(self.text.names)), 0, len(other)
