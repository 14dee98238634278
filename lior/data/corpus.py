"""Documents as one tensor of tokens.

Contexts never cross from one document into the next, so the tokens of a document can be removed without a
change to those of its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs
import torch
from torch import Tensor

from lior.interfaces import Text, Tokenizer
from lior.reading.documents import RawDocument

Structures = tuple[bytes, ...]


@attrs.frozen
class Corpus:
    """``D`` documents, one after the other."""

    tokens: Tensor = attrs.field(repr=False)
    """Token ids, int32 ``(N,)``."""
    starts: Tensor = attrs.field(repr=False)
    """First position of each document, int64 ``(D,)``, ascending from 0."""
    names: tuple[str, ...] = attrs.field(repr=False)
    """Name of each document."""
    bytes: int
    """Length of all documents in bytes."""
    first_document: int = 0
    """Number of the first document; the others follow in order."""
    split_parts: Mapping[int, int] = attrs.field(factory=dict, repr=False)
    """Index of the document that each document continues, by index: both are parts of one."""
    structures: Structures = attrs.field(repr=False)
    """:attr:`RawDocument.structure` of each document."""

    @structures.default
    def _without_structure(self) -> Structures:
        return (b"",) * len(self.names)

    def __len__(self) -> int:
        return len(self.tokens)

    def depth(self, positions: Tensor) -> Tensor:
        """Return the number of tokens of the same document before each position."""
        return positions - self.starts[torch.searchsorted(self.starts, positions, right=True) - 1]

    def text(self, lo: int, hi: int, *, context: int = 0) -> tuple[Text, int]:
        """Return tokens ``lo .. hi - 1`` with up to ``context`` tokens before, and the index of ``lo``."""
        first = max(lo - context, 0)
        position = torch.arange(first, hi, device=self.tokens.device)
        document = torch.searchsorted(self.starts, position, right=True) - 1
        depth = position - self.starts[document]
        text = Text(self.tokens[first:hi].long(), depth, document + self.first_document)
        return text, lo - first

    def chunks(self, begins: Sequence[int], length: int, hi: int, *, context: int) -> tuple[Text, Tensor]:
        """Return chunks of ``length`` tokens up to ``hi`` as one text, and the positions of these tokens in
        it.

        Values that depend on at most ``context`` earlier tokens are the same here as in the whole corpus.
        """
        texts, positions, total = [], [], 0
        for begin in begins:
            text, start = self.text(begin, min(begin + length, hi), context=context)
            positions.append(torch.arange(total + start, total + len(text.tokens), device=text.tokens.device))
            texts.append(text)
            total += len(text.tokens)
        return Text(*(torch.cat(column) for column in zip(*texts, strict=True))), torch.cat(positions)

    def bounds(self, index: int) -> tuple[int, int]:
        """Return the first position of the document of that index, and the position after its last."""
        return int(self.starts[index]), [*self.starts.tolist()[1:], len(self)][index]

    def and_then(self, more: Corpus) -> Corpus:
        """Return the concatenation of this corpus and ``more``."""
        return attrs.evolve(
            self,
            tokens=torch.cat([self.tokens, more.tokens.to(self.tokens)]),
            starts=torch.cat([self.starts, more.starts.to(self.starts) + len(self)]),
            names=(*self.names, *more.names),
            bytes=self.bytes + more.bytes,
            structures=(*self.structures, *more.structures),
        )

    @property
    def documents(self) -> int:
        """Number of documents; a document in parts counts once."""
        return len(self.names) - len(self.split_parts)

    def without(self, index: int, size: int) -> Corpus:
        """Return the corpus without one document, of ``size`` bytes; other parts of a split document stay."""
        begin, end = self.bounds(index)
        pairs = (pair for pair in self.split_parts.items() if index not in pair)
        return attrs.evolve(
            self,
            tokens=torch.cat([self.tokens[:begin], self.tokens[end:]]),
            starts=torch.cat([self.starts[:index], self.starts[index + 1 :] - (end - begin)]),
            names=self.names[:index] + self.names[index + 1 :],
            bytes=self.bytes - size,
            structures=self.structures[:index] + self.structures[index + 1 :],
            split_parts={part - (part > index): before - (before > index) for part, before in pairs},
        )

    def to(self, device: torch.device | str) -> Corpus:
        """Return the corpus on ``device``."""
        return attrs.evolve(self, tokens=self.tokens.to(device), starts=self.starts.to(device))


def build_corpus(documents: Iterable[RawDocument], tokenizer: Tokenizer) -> Corpus:
    """Tokenise ``documents``; empty documents are left out."""
    return build_parts(documents, tokenizer, 0)[0]


def build_parts(documents: Iterable[RawDocument], tokenizer: Tokenizer, cut: int) -> tuple[Corpus, int]:
    """Tokenise as :func:`build`, but no token crosses byte ``cut``; also returns the number of tokens
    before it.

    The document around that byte stays one document. So every tokenizer cuts the text at the same byte.
    """
    tokens, names, structures, starts, total, size, before = [], [], [], [], 0, 0, 0
    for name, data, structure in documents:
        at = max(cut - size, 0)
        head, rest = (tokenizer.encode(part).to(torch.int32) for part in (data[:at], data[at:]))
        if not len(head) + len(rest):
            continue
        tokens += [head, rest]
        names.append(name)
        structures.append(structure)
        starts.append(total)
        total += len(head) + len(rest)
        size += len(data)
        before += len(head)
    joined = torch.cat(tokens) if tokens else torch.empty(0, dtype=torch.int32)
    built = Corpus(
        joined, torch.tensor(starts, dtype=torch.int64), tuple(names), size, structures=tuple(structures)
    )
    return built, before


def until(documents: Iterable[RawDocument], cut: int) -> Iterator[bytes]:
    """Yield the text before byte ``cut`` of all documents, one document after the other."""
    for _, data, _ in documents:
        if cut <= 0:
            return
        yield data[:cut]
        cut -= len(data)


def byte_lengths(tokens: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Return the length in bytes of each of ``tokens (N,)``, int64 ``(N,)``."""
    present = torch.bincount(tokens).nonzero()[:, 0].tolist()
    lengths = [0] * (max(present, default=-1) + 1)
    for token in present:
        lengths[token] = len(tokenizer.decode([token]))
    return torch.tensor(lengths, dtype=torch.int64, device=tokens.device)[tokens]


def gather_contexts(tokens: Tensor, positions: Tensor, depth: Tensor, reach: int, vocab: int) -> Tensor:
    """Return the ``reach`` tokens before each position, most recent first, int64 ``(B, reach)``.

    ``depth (B,)`` is the number of tokens of the document before each position. Places before the beginning
    of the document have the id ``vocab``.
    """
    lag = torch.arange(reach, device=positions.device)
    index = (positions[:, None] - 1 - lag).clamp(min=0)
    return torch.where(depth[:, None] > lag, tokens[index].long(), vocab)
