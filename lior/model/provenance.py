"""Where predicted tokens come from: experts' shares, and the stored places behind them.

A token's probability is divided among the experts by how much each favours it over the other tokens (the
statistic that the mixer learns by, see :mod:`lior.model.mixer`), and an expert's part among the stored tokens
that it is made of, by the memories themselves (:class:`~lior.interfaces.TraceableMemory`). What no stored
token accounts for, such as smoothing, has no place. Everything together is the probability.
"""

from __future__ import annotations

import codecs
import itertools
import math
import unicodedata
from collections.abc import Sequence
from typing import TypeVar

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lior.interfaces import Text, Tokenizer, TraceableMemory
from lior.model.evaluation import byte_lengths
from lior.model.language_model import columns, mixer
from lior.runs.stored import Loaded

EXCERPT = 60
"""Characters of an excerpt to either side."""


@attrs.frozen
class Source:
    """A stored token, or a run of them, behind a prediction."""

    document: str
    line: int
    """From 1."""
    column: int
    """Character of the line, from 1."""
    before: str
    """What stands before it in its line."""
    text: str
    after: str
    weight: float
    """Its part of the probability."""


@attrs.frozen
class Explained:
    """A predicted token, or a word, with what it comes from. All weights sum to its probability."""

    text: bytes
    probability: float
    experts: dict[str, float]
    """Weight of each expert; with ``unseen`` where the token was in no text."""
    sources: tuple[Source, ...]
    """The weightiest places; of a word those where all of it stands."""
    elsewhere: float
    """Weight of all other stored places."""
    unplaced: float
    """What no stored token accounts for."""
    documents: dict[str, float]
    """Weight of each document: of all its places but those of contexts so common that none is named."""

    @property
    def blank(self) -> bool:
        """Whether it is nothing but white space."""
        return self.text.isspace()

    def share(self, weight: float) -> float:
        """Which part of the probability a weight is, from 0 to 1."""
        return weight / self.probability if self.probability else 0.0


UNSEEN = "unseen"

T = TypeVar("T")


@torch.no_grad()
def explain(
    loaded: Loaded, context: Sequence[int], tokens: Sequence[int], *, most: int = 5, words: bool = False
) -> list[Explained]:
    """Where each of ``tokens`` behind ``context`` comes from, at most ``most`` places each.

    With ``words`` the tokens of a word are taken together: its probability is their product, and every
    weight the mean of their shares in it. A place is then where the whole word stands; those where only
    some of its tokens do have their weight elsewhere.
    """
    if not len(tokens):
        return []
    model = loaded.model
    tail = list(context)[-model.context :]
    row = torch.tensor([*tail, *tokens], device=model.device)
    depth = torch.arange(len(row), device=model.device) + len(context) - len(tail)
    text = Text(row, depth, torch.zeros_like(row))
    positions = torch.arange(len(tail), len(row), device=model.device)
    probability = model.score(text, positions).double().exp().tolist()
    found = _Found(probability, *_shares(loaded, text, positions, row[positions]))
    pieces = [model.tokenizer.decode([token]) for token in tokens]
    library = Library(loaded)
    groups = _words(pieces) if words else [range(i, i + 1) for i in range(len(pieces))]
    return [_explained(found, library, tokens, pieces, group, most) for group in groups]


@attrs.frozen
class _Found:
    """What is known of ``B`` tokens; shares are of a token's probability."""

    probability: list[float]
    experts: list[dict[str, float]]
    places: list[dict[tuple[int, int], float]]
    """By document and offset."""
    stored: list[float]
    """Of all stored places."""


def _shares(
    loaded: Loaded, text: Text, positions: Tensor, tokens: Tensor
) -> tuple[list[dict[str, float]], list[dict[tuple[int, int], float]], list[float]]:
    """The last three parts of :class:`_Found`."""
    model, alphabet = loaded.model, loaded.model.alphabet
    known = columns(alphabet, tokens)
    experts = [{} if column >= 0 else {UNSEEN: 1.0} for column in known.tolist()]
    places: list[dict[tuple[int, int], float]] = [{} for _ in experts]
    stored = [0.0] * len(experts)
    there = (known >= 0).nonzero()[:, 0]
    if not len(there):
        return experts, places, stored
    query = model.query(text, positions[there])
    share = _effects(model.weights, model.inputs(text, positions[there], alphabet), known[there])
    for place, row in enumerate(there.tolist()):
        experts[row] = dict(zip(model.experts, share[place].tolist(), strict=True))
    first = 0
    for memory in model.memories.values():
        own = share[:, first : first + len(memory.experts)]
        first += len(memory.experts)
        if not isinstance(memory, TraceableMemory):
            continue
        trace = memory.trace(query, tokens[there], alphabet)
        for place, row in enumerate(there.tolist()):
            stored[row] += float((own[place] * trace.stored[place]).sum())
        weight = (own[trace.row, trace.expert] * trace.share).tolist()
        which = there.cpu()[trace.row].tolist()
        for row, document, offset, w in zip(
            which, trace.document.tolist(), trace.offset.tolist(), weight, strict=True
        ):
            key = document, offset
            places[row][key] = places[row].get(key, 0.0) + w
    return experts, places, stored


def _effects(weights: dict[str, Tensor], inputs: mixer.Inputs, known: Tensor) -> Tensor:
    """The experts' shares in the tokens of columns ``known (B,)``, float64 ``(B, E)``, rows sum to 1."""
    part = (mixer.weights(weights, inputs)[:, :, None] * inputs.log_p).double()
    others = mixer.log_probs(weights, inputs).double().exp().scatter(1, known[:, None], 0.0)
    others /= others.sum(1, keepdim=True).clamp(min=1e-300)
    at = known[:, None, None].expand(-1, part.shape[1], 1)
    effect = part.gather(2, at)[:, :, 0] - torch.einsum("bea,ba->be", part, others)
    positive = effect.clamp(min=0)
    total = positive.sum(1, keepdim=True)
    # Where no expert favours the token, each has part in what is left to all tokens.
    return torch.where(total > 0, positive / total.clamp(min=1e-300), 1.0 / part.shape[1]).cpu()


def _words(pieces: Sequence[bytes]) -> list[range]:
    """The tokens of each word together, and those of each run of one other character.

    A token begins anew unless its first byte goes on with what the byte before is of.
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


def _explained(
    found: _Found, library: Library, tokens: Sequence[int], pieces: Sequence[bytes], group: range, most: int
) -> Explained:
    probability = math.prod(found.probability[i] for i in group)
    part = probability / len(group)
    experts: dict[str, float] = {}
    documents: dict[str, float] = {}
    places: dict[tuple[int, int], float] = {}
    for turn, i in enumerate(group):
        for expert, share in found.experts[i].items():
            experts[expert] = experts.get(expert, 0.0) + part * share
        for (document, offset), share in found.places[i].items():
            name, key = library.name(document), (document, offset - turn)
            documents[name] = documents.get(name, 0.0) + part * share
            places[key] = places.get(key, 0.0) + part * share
    stored = part * sum(found.stored[i] for i in group)
    ordered = sorted(places.items(), key=lambda item: (item[1], item[0]), reverse=True)
    word = np.array([tokens[i] for i in group])
    whole = (library.source(*key, len(group), weight) for key, weight in ordered if library.holds(*key, word))
    sources = tuple(itertools.islice(whole, most))
    listed = sum(source.weight for source in sources)
    text = b"".join(pieces[i] for i in group)
    elsewhere, unplaced = max(stored - listed, 0.0), max(probability - stored, 0.0)
    return Explained(text, probability, experts, sources, elsewhere, unplaced, documents)


@attrs.frozen
class Behind:
    """A document behind a text."""

    document: str
    share: float
    """Mean of its shares in the words."""
    lines: dict[int, float]
    """The same of each line that is among the weightiest places of a word, the largest first."""


@attrs.frozen
class Account:
    """Where a text as a whole comes from. The shares of documents, ``common`` and ``unplaced`` sum to 1."""

    documents: tuple[Behind, ...]
    """The largest share first."""
    common: float
    """The share of contexts so common that no place of theirs is named."""
    unplaced: float
    """What no stored token accounts for."""
    experts: dict[str, float]
    """The share of each expert; they sum to 1."""


def account(words: Sequence[Explained]) -> Account:
    """The means of the shares in ``words``, without those that are blank unless all are."""
    counted = [word for word in words if not word.blank] or words
    documents: dict[str, float] = {}
    lines: dict[str, dict[int, float]] = {}
    experts: dict[str, float] = {}
    for word in counted:
        part = word.share(1 / len(counted))
        for source in word.sources:
            here = lines.setdefault(source.document, {})
            here[source.line] = here.get(source.line, 0.0) + part * source.weight
        for into, weights in ((documents, word.documents), (experts, word.experts)):
            for name, weight in weights.items():
                into[name] = into.get(name, 0.0) + part * weight
    unplaced = sum(word.share(word.unplaced) / len(counted) for word in counted)
    common = max(1 - unplaced - sum(documents.values()), 0.0) if counted else 0.0
    behind = (Behind(name, share, _descending(lines.get(name, {}))) for name, share in documents.items())
    ordered = sorted(behind, key=lambda each: (-each.share, each.document))
    return Account(tuple(ordered), common, unplaced, _descending(experts))


def _descending(shares: dict[T, float]) -> dict[T, float]:
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


class Library:
    """The documents of a run as bytes, to quote from."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._open: dict[int, _Page] = {}

    def name(self, document: int) -> str:
        """What a document is called."""
        return self._loaded.text.names[document]

    def holds(self, document: int, offset: int, tokens: NDArray[np.int64]) -> bool:
        """Whether ``tokens (N,)`` stand in a document from its token ``offset`` on."""
        return offset >= 0 and np.array_equal(self._page(document).tokens[offset:][: len(tokens)], tokens)

    def source(self, document: int, offset: int, length: int, weight: float) -> Source:
        """``length`` tokens of a document from its token ``offset`` on."""
        return self._page(document).source(self.name(document), offset, length, weight)

    def _page(self, document: int) -> _Page:
        if document not in self._open:
            begin, end = self._loaded.text.bounds(document)
            self._open[document] = _page(self._loaded.text.tokens[begin:end], self._loaded.model.tokenizer)
        return self._open[document]


@attrs.frozen(eq=False)
class _Page:
    """A document of ``N`` tokens."""

    tokens: NDArray[np.int64]
    data: bytes
    ends: NDArray[np.int64]
    """How many bytes the tokens before each have, and in the end all, ``(N + 1,)``."""
    lines: NDArray[np.int64]
    """At which byte each line begins."""

    def source(self, name: str, offset: int, length: int, weight: float) -> Source:
        begin, end = (int(self.ends[at]) for at in (offset, offset + length))
        line = int(np.searchsorted(self.lines, begin, side="right")) - 1
        last = int(self.lines[line + 1]) - 1 if line + 1 < len(self.lines) else len(self.data)
        # Without its end: a token may begin inside of a character, and stands where that does.
        before = codecs.getincrementaldecoder("utf-8")("replace").decode(self.data[self.lines[line] : begin])
        text, after = (self.data[lo:hi].decode("utf-8", "replace") for lo, hi in ((begin, end), (end, last)))
        return Source(name, line + 1, len(before) + 1, before[-EXCERPT:], text, after[:EXCERPT], weight)


def _page(tokens: Tensor, tokenizer: Tokenizer) -> _Page:
    ends = np.append(0, byte_lengths(tokens, tokenizer).cumsum(0).cpu().numpy())
    data = tokenizer.decode(tokens.tolist())
    newline = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    return _Page(tokens.cpu().numpy().astype(np.int64), data, ends, np.append(0, newline + 1))
