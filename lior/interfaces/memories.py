"""Interfaces of memories, and the records that pass between a memory and a model.

:class:`MemoryBackend` is the interface of every memory. The other protocols are optional abilities.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from lior.interfaces.base import Plugin, State

if TYPE_CHECKING:
    from torch import Tensor


class Text(NamedTuple):
    """A part of a text: tokens, possibly of several documents one after the other.

    Two tokens at a distance of ``k`` places belong to the same document exactly when the later one has
    ``depth >= k``.
    """

    tokens: Tensor
    """Token ids, int64 ``(T,)``."""
    depth: Tensor
    """Number of tokens of its document before each token, int64 ``(T,)``."""
    document: Tensor
    """Number of the document of each token, int64 ``(T,)``."""


class Items(NamedTuple):
    """The tokens of ``text[start:]``; before them, the last ``MemoryBackend.context`` tokens are needed."""

    text: Text
    start: int
    z: Tensor | None
    """Coordinate of the context of each item, ``(T - start, n)``; see ``stores_coordinates``."""
    cell: Tensor | None = None
    """Cell of the geometric gate that holds each coordinate, int64 ``(T - start,)``."""
    kept: Tensor | None = None
    """Mask of the items that noise left unchanged, boolean ``(T - start,)``; ``None`` for clean text."""


class Query(NamedTuple):
    """A batch of contexts: predict ``text.tokens[positions]`` from the tokens before each."""

    text: Text
    positions: Tensor
    """Indices into ``text``, int64 ``(B,)``; the tokens at these places are not read."""
    z: Tensor | None
    """Coordinates ``(B, n)``."""
    cell: Tensor | None = None
    """Cells of the geometric gate, int64 ``(B,)``."""


class Evidence(NamedTuple):
    """Predictions of the next token at ``B`` contexts."""

    log_p: Tensor
    """Log-probabilities of ``E`` experts, ``(B, E, A)`` over an alphabet of ``A`` tokens, float32 and finite.

    The exponentials of a row sum to 1; an empty memory gives uniform rows.
    """
    gates: tuple[Tensor, ...]
    """Integer gates ``(B,)`` for the mixer's weight tables, in the order of ``gate_sizes``."""

    def rows(self, index: slice | Tensor) -> Evidence:
        """Return the predictions at some of the contexts."""
        return Evidence(self.log_p[index], tuple(gate[index] for gate in self.gates))


class Features(NamedTuple):
    """The inputs of a score, for ``N`` queries or items."""

    f: Tensor
    """Lifted features ``(N, p)``."""
    norm: Tensor
    """Their squared norms ``(N,)``."""
    resilience: Tensor | None
    """``R (N,)``; ``None`` if it does not enter the score."""

    def rows(self, index: slice | Tensor) -> Features:
        """Return the features of some of them."""
        here = None if self.resilience is None else self.resilience[index]
        return Features(self.f[index], self.norm[index], here)


class Trace(NamedTuple):
    """The ``K`` stored tokens behind the probabilities that a memory gave to ``B`` tokens."""

    row: Tensor
    """Index of the token, ``0 .. B - 1``, int64 ``(K,)``."""
    expert: Tensor
    """Index of the expert, int64 ``(K,)``."""
    document: Tensor
    """Number of the document that holds the stored token, int64 ``(K,)``."""
    offset: Tensor
    """Number of tokens of the document before it, int64 ``(K,)``."""
    share: Tensor
    """Its share of the expert's probability, float64 ``(K,)``; the sum per row and expert is at most 1."""
    stored: Tensor
    """Total share of all stored tokens, listed or not, float64 ``(B, E)``."""


class Scorer(Protocol):
    """The learned geometry as a memory uses it (``lior.geometry.retrieval.Retrieval``)."""

    def features(self, z: Tensor, *, query: bool) -> Features:
        """Return features of coordinates ``z (N, n)``."""

    def scores(self, queries: Features, items: Features) -> Tensor:
        """Return ``-beta * R * cost`` between ``B`` queries and ``K`` items, ``(B, K)``, all ``<= 0``."""


@runtime_checkable
class MemoryBackend(Plugin, Protocol):
    """A store of (context, next token) pairs that returns distributions.

    The content after :meth:`commit` does not depend on the order of writing.
    """

    @property
    def needs_geometry(self) -> bool:
        """Whether it uses coordinates, cells or a :class:`Scorer`."""

    @property
    def stores_coordinates(self) -> bool:
        """Whether :meth:`write` and :meth:`rewrite` need ``Items.z``, which is ``None`` if no memory does.

        :meth:`read` and :meth:`AdaptiveMemory.partial_fit` get coordinates and cells in any case.
        """

    @property
    def context(self) -> int:
        """Number of tokens before a position that a read or a write depends on."""

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the distributions that a read returns."""

    def gate_sizes(self, alphabet: int) -> tuple[int, ...]:
        """Return each gate's number of values, for an alphabet of ``alphabet`` tokens."""

    def write(self, items: Items) -> None:
        """Add ``items`` as pending: reads do not see them until :meth:`commit`."""

    def commit(self) -> None:
        """Make the pending items readable."""

    def rollback(self) -> None:
        """Drop the pending items."""

    def rewrite(self, items: Iterable[Items]) -> None:
        """Replace all stored and pending items by ``items``, readable at once; learned parameters stay."""

    def attach(self, scorer: Scorer | None) -> None:
        """Set the geometry for the reads that follow; a memory without coordinates ignores it."""

    def read(self, query: Query, alphabet: Tensor) -> Evidence:
        """Return evidence over ``alphabet`` (sorted token ids, int64 ``(A,)``)."""

    def snapshot(self) -> State:
        """Return everything committed, in canonical order: equal memories give equal tensors."""

    def restore(self, snapshot: State) -> None:
        """Become the memory that ``snapshot`` describes; pending items are dropped."""


@runtime_checkable
class AdaptiveMemory(MemoryBackend, Protocol):
    """A memory with learned parameters of its own, which it fits while it reads a text."""

    def partial_fit(self, items: Items, alphabet: Tensor, *, progress: float, write: bool) -> Evidence:
        """Read the items, each window before it is learned; the evidence has the form of :meth:`read`.

        Parameters
        ----------
        items
            With ``kept`` they are text with errors, which is never written: a memory may learn from the
            unchanged tokens how to read such text, and must not read clean text worse because of it.
        alphabet
            Sorted token ids, int64 ``(A,)``.
        progress
            Finished share of the training, in [0, 1]; it sets the learning rates.
        write
            Whether to store the items as they are read. Without, the stored items do not change, and the
            learned parameters are those that :meth:`read` uses.
        """


@runtime_checkable
class TrialMemory(AdaptiveMemory, Protocol):
    """An adaptive memory that can be fitted on trial, to measure its gain."""

    def trial(self, *, geometry: bool) -> TrialMemory:
        """Return a memory of the same items with copies of the learned parameters, to read and fit, not to
        write.

        Without ``geometry`` it begins with the mean over all cells of the learned parameters; its items
        have no cells.
        """


class CellTable(NamedTuple):
    """Scores of the ``J`` cells of a geometry as sums over the last tokens; the nearest has the largest."""

    scores: Tensor
    """Contribution of each of the last ``L`` tokens, the most recent first, float64 ``(L, V + 1, J)``.

    Token id ``V`` stands for a place before the document.
    """
    offset: Tensor
    """Constant term of each cell, ``(J,)``"""


@runtime_checkable
class FollowingMemory(MemoryBackend, Protocol):
    """A memory that follows a text token by token, at less cost than a new read at each position."""

    def cursor(self, cells: CellTable | None) -> Any:
        """Return a cursor at the start of a document, or ``None``; its method ``feed(tokens)`` moves it.

        It depends on the tokens and on ``cells`` alone: the memory may learn between two reads. Its attribute
        ``finds_cells`` says whether it knows the cells of the geometry.
        """

    def read_at(self, cursors: Sequence[Any], alphabet: Tensor, cell: Tensor | None) -> Evidence:
        """Return the evidence after each of ``cursors``, as :meth:`read` does, bit for bit, on
        ``alphabet``'s device.

        ``cell (B,)`` is the cell of each, as in a :class:`Query`.
        """


@runtime_checkable
class DrawingMemory(FollowingMemory, Protocol):
    """A memory that draws tokens in a loop of its compiled functions."""

    def draw(self, cursor: Any, alphabet: Tensor, race: Any, thread: int) -> list[int]:
        """Draw the tokens after ``cursor`` from the memory without learning; the cursor moves on.

        ``race``, a :class:`lior.counting.sampling.Race`, holds the random numbers, the temperature and the
        mixer. Threads with different numbers may draw side by side.
        """


@runtime_checkable
class TraceableMemory(MemoryBackend, Protocol):
    """A memory that can name the stored tokens behind a probability."""

    def trace(self, query: Query, tokens: Tensor, alphabet: Tensor) -> Trace:
        """Return the sources of the probabilities of ``tokens (B,)`` in :meth:`read`, one a position."""


class OutsideDocument(NamedTuple):
    """A document, or a piece of one, that a memory reads and the run does not hold."""

    name: str
    tokens: Tensor
    """Tokens, int64 ``(N,)``"""
    line: int
    """The line, from 1, of the whole document at which it begins."""


@runtime_checkable
class QuotingMemory(TraceableMemory, Protocol):
    """A memory that reads documents which the run does not hold; its traces name them ``-1``, ``-2``, …"""

    def document(self, number: int) -> OutsideDocument:
        """Return the document that a trace names by a negative number."""


@runtime_checkable
class PreparedMemory(MemoryBackend, Protocol):
    """A memory whose first use in a process is slow, for instance because it compiles its functions."""

    def prepare(self) -> None:
        """Start that work in the background; training calls it before its first stage."""


@runtime_checkable
class WholeMemory(MemoryBackend, Protocol):
    """A memory that may count a text as a whole, and would count it again at each commit of a part."""

    @property
    def whole(self) -> bool:
        """Whether its options make it do so; training then commits its text when all of it is written."""

    def settle(self) -> None:
        """Commit the text of a training: all items are counted as a whole, later ones as they come."""


@runtime_checkable
class SelfWeightedMemory(MemoryBackend, Protocol):
    """A memory that sets the mixer's initial weights of its experts."""

    def trust(self, alphabet: int) -> tuple[Tensor, ...]:
        """Return for each gate the mixer's initial weights of the experts, ``(gate size, E)``."""
