"""What passes between a model and its memories: text, items, questions and evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class Text(NamedTuple):
    """A stretch of tokens, possibly of several documents one after the other.

    ``depth`` keeps documents apart: the token ``k`` places back is of the same exactly when ``depth >= k``.
    """

    tokens: Tensor
    """Token ids, int64 ``(T,)``."""
    depth: Tensor
    """How many tokens of its document precede each token, int64 ``(T,)``."""
    document: Tensor
    """Number of the document of each token, int64 ``(T,)``."""


class Items(NamedTuple):
    """The tokens of ``text[start:]``, with context before them: ``MemoryBackend.context`` tokens suffice."""

    text: Text
    start: int
    z: Tensor | None
    """Coordinate of each stored token's context, ``(T - start, n)``; ``None`` when no backend uses any."""
    cell: Tensor | None = None
    """Cell of the geometric gate that each coordinate is in, int64 ``(T - start,)``."""
    kept: Tensor | None = None
    """Which stored tokens noise left as they were, boolean ``(T - start,)``; ``None`` for clean text."""


class Query(NamedTuple):
    """A batch of contexts: predict ``text.tokens[positions]`` from the tokens before each."""

    text: Text
    positions: Tensor
    """int64 ``(B,)``, indices into ``text``; the tokens there are not looked at."""
    z: Tensor | None
    """``(B, n)``, as in :class:`Items`."""
    cell: Tensor | None = None
    """``(B,)``, as in :class:`Items`."""


class Evidence(NamedTuple):
    """What a memory says about the next token at ``B`` contexts."""

    log_p: Tensor
    """Expert log-probabilities ``(B, E, A)`` over the model's alphabet, float32 and finite.

    The exponentials of a row sum to 1; where nothing is stored the row is uniform.
    """
    gates: tuple[Tensor, ...]
    """Integer gates ``(B,)`` for the mixer's weight tables, in the order of ``gate_sizes``."""


class Features(NamedTuple):
    """What scores need of ``N`` queries or items."""

    f: Tensor
    """Lifted features ``(N, p)``."""
    norm: Tensor
    """Their squared norms ``(N,)``."""
    resilience: Tensor | None
    """``R (N,)``, or ``None`` on a side where it does not count."""

    def rows(self, index: slice | Tensor) -> Features:
        """The features of some of them."""
        here = None if self.resilience is None else self.resilience[index]
        return Features(self.f[index], self.norm[index], here)


class Trace(NamedTuple):
    """Stored tokens behind the probabilities that a memory gave to ``B`` tokens."""

    row: Tensor
    """Which of the tokens each place is behind, int64 ``(K,)``."""
    expert: Tensor
    """Of which expert's probability it is a share, int64 ``(K,)``."""
    document: Tensor
    """Number of the document of each place, int64 ``(K,)``."""
    offset: Tensor
    """How many tokens of the document precede it, int64 ``(K,)``."""
    share: Tensor
    """Its share of that probability, float64 ``(K,)``; those of a token and an expert sum to at most 1."""
    stored: Tensor
    """The share of all stored places together, listed or not, float64 ``(B, E)``."""
