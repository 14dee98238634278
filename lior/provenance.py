"""Where predicted tokens come from: experts' shares, and the stored places behind them.

A token's probability is divided among the experts by how much each favours it over the other tokens (the
statistic that the mixer learns by, see :mod:`lior.mixer`), and an expert's part among the stored tokens
that it is made of, by the memories themselves (:class:`~lior.interfaces.TraceableMemory`). What no stored
token accounts for, such as smoothing, has no place. Everything together is the probability.
"""

from __future__ import annotations

import bisect
import heapq
import math
from collections.abc import Sequence
from functools import cached_property

import attrs
import torch
from torch import Tensor

from lior import mixer
from lior.interfaces import Text, TraceableMemory
from lior.loaded import Loaded
from lior.model import columns

EXCERPT = 30
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
    """The weightiest places."""
    elsewhere: float
    """Weight of all other stored places."""
    unplaced: float
    """What no stored token accounts for."""


UNSEEN = "unseen"


@torch.no_grad()
def explain(
    loaded: Loaded, context: Sequence[int], tokens: Sequence[int], *, most: int = 5, words: bool = False
) -> list[Explained]:
    """Where each of ``tokens`` behind ``context`` comes from, at most ``most`` places each.

    With ``words`` the tokens of a word are taken together: its probability is their product, and every
    weight the mean of their shares in it; places count as the same when the word as a whole is.
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
    return [_explained(found, library, pieces, group, most) for group in groups]


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
    """Neighbouring tokens of letters, digits and bytes above ASCII together, every other one alone."""
    groups: list[range] = []
    inside = False
    for number, piece in enumerate(pieces):
        word = all(chr(byte).isalnum() or byte in b"_'" or byte > 127 for byte in piece)
        if word and inside:
            groups[-1] = range(groups[-1].start, number + 1)
        else:
            groups.append(range(number, number + 1))
        inside = word
    return groups


def _explained(
    found: _Found, library: Library, pieces: Sequence[bytes], group: range, most: int
) -> Explained:
    probability = math.prod(found.probability[i] for i in group)
    part = probability / len(group)
    experts: dict[str, float] = {}
    places: dict[tuple[int, int], float] = {}
    for turn, i in enumerate(group):
        for name, share in found.experts[i].items():
            experts[name] = experts.get(name, 0.0) + part * share
        for (document, offset), share in found.places[i].items():
            key = document, max(offset - turn, 0)
            places[key] = places.get(key, 0.0) + part * share
    stored = part * sum(found.stored[i] for i in group)
    best = heapq.nlargest(most, places.items(), key=lambda item: (item[1], item[0]))
    sources = tuple(library.source(*key, len(group), weight) for key, weight in best)
    listed = sum(source.weight for source in sources)
    text = b"".join(pieces[i] for i in group)
    return Explained(text, probability, experts, sources, max(stored - listed, 0.0), probability - stored)


class Library:
    """The documents of a run as bytes, to quote from."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._open: dict[int, _Page] = {}

    def source(self, document: int, offset: int, length: int, weight: float) -> Source:
        """``length`` tokens of a document from its token ``offset`` on."""
        if document not in self._open:
            begin, end = self._loaded.text.bounds(document)
            tokens = self._loaded.text.tokens[begin:end].tolist()
            self._open[document] = _Page([self._loaded.model.tokenizer.decode([t]) for t in tokens])
        page = self._open[document]
        name = self._loaded.text.names[document]
        return page.source(name, offset, length, weight)


@attrs.define
class _Page:
    pieces: list[bytes]

    @cached_property
    def _ends(self) -> list[int]:
        ends, total = [0], 0
        for piece in self.pieces:
            total += len(piece)
            ends.append(total)
        return ends

    @cached_property
    def _data(self) -> bytes:
        return b"".join(self.pieces)

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(at + 1 for at, byte in enumerate(self._data) if byte == 10)]

    def source(self, name: str, offset: int, length: int, weight: float) -> Source:
        begin, end = self._ends[offset], self._ends[min(offset + length, len(self.pieces))]
        line = bisect.bisect_right(self._lines, begin) - 1
        first = self._lines[line]
        last = self._lines[line + 1] - 1 if line + 1 < len(self._lines) else len(self._data)
        before = self._data[first:begin].decode("utf-8", "replace")
        after = self._data[end : max(last, end)].decode("utf-8", "replace")
        text = self._data[begin:end].decode("utf-8", "replace")
        return Source(name, line + 1, len(before) + 1, before[-EXCERPT:], text, after[:EXCERPT], weight)
