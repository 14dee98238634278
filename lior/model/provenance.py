"""Origins of predicted tokens: the shares of the experts, and the stored places behind them.

Each expert has a share of a token's probability by how much it favours the token over others (the statistic
by which the mixer learns, see :mod:`lior.model.mixer`). The memories divide the share of an expert among
the stored tokens behind it (:class:`~lior.interfaces.TracingMemory`). A part such as smoothing counts in
the share and has no place. All parts sum to the probability.
"""

from __future__ import annotations

import codecs
import itertools
import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior.data.corpus import Corpus, byte_lengths
from lior.errors import RunError
from lior.interfaces import OutsideDocument, Text
from lior.model import memories, mixer
from lior.model.following import DocumentCoordinates
from lior.model.language_model import Model
from lior.model.mixer import columns

EXCERPT = 60
"""Maximum number of characters of an excerpt on either side."""


@attrs.frozen
class Place:
    """A stored token, or several consecutive ones, behind a prediction."""

    document: str
    line: int
    """Line, from 1."""
    column: int
    """Character of the line, from 1."""
    before: str
    """The part of its line before it, at most :data:`EXCERPT` characters."""
    text: str
    after: str
    weight: float
    """Its share of the probability, in units of probability."""


@attrs.frozen
class Explained:
    """A predicted token, or a word, and its origin. All weights sum to its probability."""

    text: bytes
    probability: float
    experts: dict[str, float]
    """Weight of each expert; with ``unseen`` if the token was in no text."""
    sources: tuple[Place, ...]
    """The places with the largest weights; for a word, places of the whole word."""
    elsewhere: float
    """Total weight of all other stored places."""
    unplaced: float
    """Weight without a stored token, such as smoothing."""
    documents: dict[str, float]
    """Weight of each document: the sum over its places, except of contexts too common to list."""

    @property
    def blank(self) -> bool:
        """Whether it is white space only."""
        return self.text.isspace()

    def share(self, weight: float) -> float:
        """Return ``weight`` as a share of the probability, from 0 to 1."""
        return weight / self.probability if self.probability else 0.0


_UNKNOWN = "the memories of the run hold documents that it does not have; it was not made by lior"
UNSEEN = "unseen"
"""Name in :attr:`Explained.experts` for a token that the memories do not hold."""


@torch.no_grad()
def explain(
    model: Model,
    corpus: Corpus,
    context: Sequence[int],
    tokens: Sequence[int],
    *,
    most: int = 5,
    words: bool = False,
) -> list[Explained]:
    """Explain the origin of each of ``tokens`` after ``context``.

    Parameters
    ----------
    corpus
        The documents that the memories hold, by number.
    most
        Maximum number of places listed for each.
    words
        Whether to combine the tokens of a word: its probability is their product, and each weight the mean
        of their shares in it. A place then holds the whole word; places of some of its tokens only count in
        the weight ``elsewhere``.
    """
    if not len(tokens):
        return []
    tail = list(context)[-model.context :]
    row = torch.tensor([*tail, *tokens], device=model.device)
    depth = torch.arange(len(row), device=model.device) + len(context) - len(tail)
    text = Text(row, depth, torch.zeros_like(row))
    coordinates = DocumentCoordinates(model)
    coordinates.read(torch.tensor([*context], dtype=torch.int64, device=model.device))
    z = coordinates.read(row[len(tail) :])
    library = _Library(model, corpus)
    origins = _origins(model, text, torch.arange(len(tail), len(row), device=model.device), z, library)
    pieces = [model.tokenizer.decode([token]) for token in tokens]
    groups = _words(pieces) if words else [range(i, i + 1) for i in range(len(pieces))]
    return [_explain(origins, library, tokens, pieces, group, most) for group in groups]


@attrs.define
class _Origin:
    """The origin of one token, in shares of its probability."""

    probability: float
    experts: dict[str, float]
    places: defaultdict[tuple[int, int], float] = attrs.field(factory=lambda: defaultdict(float))
    """Share of each stored token, by document and offset."""
    stored: float = 0.0
    """Total share of all stored tokens."""


def _origins(
    model: Model, text: Text, positions: Tensor, z: Tensor | None, library: _Library
) -> list[_Origin]:
    alphabet, tokens = model.alphabet, text.tokens[positions]
    known = columns(alphabet, tokens)
    origins = [_Origin(p, {UNSEEN: 1.0}) for p in model.score(text, positions, z).double().exp().tolist()]
    seen = (known >= 0).nonzero()[:, 0]
    if not len(seen):
        return origins
    found = [origins[row] for row in seen.tolist()]
    z = None if z is None else z[seen]
    query = model.query(text, positions[seen], z)
    share = _effects(model.weights, model.inputs(text, positions[seen], alphabet, z=z), known[seen])
    for origin, row in zip(found, share.tolist(), strict=True):
        origin.experts = dict(zip(model.experts, row, strict=True))
    first = 0
    for number, memory in enumerate(model.memories.values()):
        own = share[:, first : first + len(memory.abilities.experts)]
        first += own.shape[1]
        trace = memories.trace(memory, query, tokens[seen], alphabet)
        if trace is None:
            continue
        if trace.outside is not None:
            library.outside[number] = trace.outside
        for origin, stored in zip(found, (own * trace.stored).sum(1).tolist(), strict=True):
            origin.stored += stored
        weight = own[trace.row, trace.expert] * trace.share
        # Documents that the run does not hold: each memory has every M-th negative number.
        documents = torch.where(
            trace.document < 0, (trace.document + 1) * len(model.memories) - 1 - number, trace.document
        )
        traced = (trace.row, documents, trace.offset, weight)
        for at, document, offset, w in zip(*(column.tolist() for column in traced), strict=True):
            found[at].places[document, offset] += w
    return origins


def _effects(weights: dict[str, Tensor], inputs: mixer.Inputs, known: Tensor) -> Tensor:
    """Return the experts' shares in tokens of columns ``known (B,)``, float64 ``(B, E)``, rows sum to 1."""
    part = (mixer.weights(weights, inputs)[:, :, None] * inputs.log_p).double()
    others = mixer.log_probs(weights, inputs).double().exp().scatter(1, known[:, None], 0.0)
    others /= others.sum(1, keepdim=True).clamp(min=1e-300)
    at = known[:, None, None].expand(-1, part.shape[1], 1)
    effect = part.gather(2, at)[:, :, 0] - torch.einsum("bea,ba->be", part, others)
    # The effect of an expert that is uniform over all tokens is the rounding error of its terms.
    positive = effect.where(effect > 1e-12 * part.abs().amax((1, 2), keepdim=True)[:, :, 0], 0.0)
    total = positive.sum(1, keepdim=True)
    # If no expert favours the token, all share equally.
    return torch.where(total > 0, positive / total.clamp(min=1e-300), 1.0 / part.shape[1]).cpu()


def _words(pieces: Sequence[bytes]) -> list[range]:
    """Group tokens by word, and by run of any other character.

    A token begins a new word unless its first byte continues the character or the word before it.
    """
    goes_on, before = [], ""
    for c in b"".join(pieces).decode("utf-8", "surrogateescape"):
        letter = c.isalnum() or c in "_'’" or unicodedata.category(c).startswith("M")
        kind = "letter" if letter else c
        goes_on += [kind == before] + [True] * (len(c.encode("utf-8", "surrogateescape")) - 1)
        before = kind
    starts, at = [0], len(pieces[0])
    for number, piece in enumerate(pieces[1:], 1):
        if piece and not goes_on[at]:
            starts.append(number)
        at += len(piece)
    return [range(*pair) for pair in itertools.pairwise([*starts, len(pieces)])]


def _explain(
    origins: Sequence[_Origin],
    library: _Library,
    tokens: Sequence[int],
    pieces: Sequence[bytes],
    group: range,
    most: int,
) -> Explained:
    probability = math.prod(origins[i].probability for i in group)
    part = probability / len(group)
    experts, documents = defaultdict[str, float](float), defaultdict[str, float](float)
    places = defaultdict[tuple[int, int], float](float)
    for turn, i in enumerate(group):
        for expert, share in origins[i].experts.items():
            experts[expert] += part * share
        for (document, offset), share in origins[i].places.items():
            documents[library.name(document)] += part * share
            places[document, offset - turn] += part * share
    stored = part * sum(origins[i].stored for i in group)
    ordered = sorted(places.items(), key=lambda item: (item[1], item[0]), reverse=True)
    word = np.array([tokens[i] for i in group])
    whole = (
        library.page(document).place(offset, len(group), weight)
        for (document, offset), weight in ordered
        if library.page(document).holds(offset, word)
    )
    sources = tuple(itertools.islice(whole, most))
    listed = sum(place.weight for place in sources)
    text = b"".join(pieces[i] for i in group)
    elsewhere, unplaced = max(stored - listed, 0.0), max(probability - stored, 0.0)
    return Explained(text, probability, dict(experts), sources, elsewhere, unplaced, dict(documents))


class _Library:
    """The documents of a corpus as bytes, to quote from."""

    def __init__(self, model: Model, corpus: Corpus) -> None:
        self._model, self._corpus = model, corpus
        self._open: dict[int, _Page] = {}
        self.outside: dict[int, Callable[[int], OutsideDocument]] = {}
        """Functions that return the documents of a memory, by the number of the memory."""

    def name(self, document: int) -> str:
        """Return the name of the document with that number; raises as :meth:`page`."""
        if 0 <= document < len(self._corpus.names):
            return self._corpus.names[document]
        return self.page(document).name

    def page(self, document: int) -> _Page:
        """Return the document with that number; a negative one belongs to a memory.

        Raises
        ------
        RunError
            When there is no such document.
        """
        if document not in self._open:
            self._open[document] = self._outside(document) if document < 0 else self._held(document)
        return self._open[document]

    def _held(self, document: int) -> _Page:
        if document >= len(self._corpus.names):
            raise RunError(_UNKNOWN)
        begin, end = self._corpus.bounds(document)
        tokens, name = self._corpus.tokens[begin:end], self._corpus.names[document]
        first = self._corpus.split_parts.get(document)
        return self._paged(name, tokens, b"" if first is None else self.page(first).data, 1)

    def _outside(self, document: int) -> _Page:
        number, which = divmod(-1 - document, len(self._model.memories))
        if which not in self.outside:
            raise RunError(_UNKNOWN)
        found = self.outside[which](-1 - number)
        return self._paged(found.name, found.tokens, b"", found.line)

    def _paged(self, name: str, tokens: Tensor, before: bytes, line: int) -> _Page:
        ends = np.append(0, byte_lengths(tokens, self._model.tokenizer).cumsum(0).cpu().numpy())
        data = before + self._model.tokenizer.decode(tokens.tolist())
        lines = np.append(0, np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1)
        return _Page(name, tokens.cpu().numpy().astype(np.int64), data, ends + len(before), lines, line)


@attrs.frozen(eq=False)
class _Page:
    """A document of ``N`` tokens; a part that continues another document starts with its bytes."""

    name: str
    tokens: NDArray[np.int64]
    data: bytes
    ends: NDArray[np.int64]
    """Number of bytes before each token, then of all bytes, ``(N + 1,)``."""
    lines: NDArray[np.int64]
    """First byte of each line."""
    line: int
    """Number of the first line."""

    def holds(self, offset: int, tokens: NDArray[np.int64]) -> bool:
        """Return whether it holds ``tokens (N,)`` from its token ``offset`` on."""
        return offset >= 0 and np.array_equal(self.tokens[offset:][: len(tokens)], tokens)

    def place(self, offset: int, length: int, weight: float) -> Place:
        """Return the place of ``length`` tokens from token ``offset`` on."""
        begin, end = (int(self.ends[at]) for at in (offset, offset + length))
        line = int(np.searchsorted(self.lines, begin, side="right")) - 1
        last = int(self.lines[line + 1]) - 1 if line + 1 < len(self.lines) else len(self.data)
        # An incremental decoder drops the bytes of a character if a token begins inside it.
        before = codecs.getincrementaldecoder("utf-8")("replace").decode(self.data[self.lines[line] : begin])
        text, after = (self.data[lo:hi].decode("utf-8", "replace") for lo, hi in ((begin, end), (end, last)))
        return Place(
            self.name, self.line + line, len(before) + 1, before[-EXCERPT:], text, after[:EXCERPT], weight
        )
