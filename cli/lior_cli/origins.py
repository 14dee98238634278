"""The origin of a whole text: the mean shares of the documents and of the experts in its words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

import attrs

from lior.model.provenance import Explained

T = TypeVar("T")


@attrs.frozen
class DocumentShare:
    """The share of a document in a text."""

    document: str
    share: float
    """Mean of its shares in the words."""
    lines: dict[int, float]
    """The share of each line among the listed places of the words, the largest first."""


@attrs.frozen
class Account:
    """The origin of a text. The shares of the documents, ``common`` and ``unplaced`` sum to 1."""

    documents: tuple[DocumentShare, ...]
    """Shares of the documents, the largest first."""
    common: float
    """Share of contexts too common to list their places."""
    unplaced: float
    """Share without a stored token, such as smoothing."""
    experts: dict[str, float]
    """The share of each expert; they sum to 1."""


def account(words: Sequence[Explained]) -> Account:
    """Return the means of the shares in ``words``; blank words do not count unless all are blank."""
    counted = [word for word in words if not word.blank] or words
    experts, documents = defaultdict[str, float](float), defaultdict[str, float](float)
    lines = defaultdict[str, defaultdict[int, float]](lambda: defaultdict(float))
    for word in counted:
        part = word.share(1 / len(counted))
        for place in word.sources:
            lines[place.document][place.line] += part * place.weight
        for into, weights in ((documents, word.documents), (experts, word.experts)):
            for name, weight in weights.items():
                into[name] += part * weight
    unplaced = sum(word.share(word.unplaced) / len(counted) for word in counted)
    common = max(1 - unplaced - sum(documents.values()), 0.0) if counted else 0.0
    shares = (DocumentShare(name, share, _descending(lines[name])) for name, share in documents.items())
    ordered = sorted(shares, key=lambda each: (-each.share, each.document))
    return Account(tuple(ordered), common, unplaced, _descending(experts))


def _descending(shares: dict[T, float]) -> dict[T, float]:
    return dict(sorted(shares.items(), key=lambda item: -item[1]))
