"""Interfaces of memories, and the records that pass between a memory and a model.

:class:`Memory` is the interface of every memory; :class:`Abilities` says as data what it needs and returns.
Four optional protocols learn more, or replace slow ways of the core: :class:`FittedMemory`,
:class:`FoldedMemory`, :class:`StreamingMemory` and :class:`TracingMemory`. :mod:`lior.model.memories` is the
only module that asks which of them a memory has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from lior.interfaces.base import Plugin, State

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
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
    """The tokens of ``text[start:]``; before them, the last ``Abilities.context`` tokens are needed."""

    text: Text
    start: int
    z: Tensor | None
    """Coordinate of the context of each item, ``(T - start, n)``; see :attr:`Abilities.coordinates`."""
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
    scorer: Scorer | None = None
    """The learned geometry; one object as long as the geometry does not change."""


class Evidence(NamedTuple):
    """Predictions of the next token at ``B`` contexts."""

    log_p: Tensor
    """Log-probabilities of ``E`` experts, ``(B, E, A)`` over an alphabet of ``A`` tokens, float32 and finite.

    The exponentials of a row sum to 1; an empty memory gives uniform rows.
    """
    gates: tuple[Tensor, ...] = ()
    """Integer gates ``(B,)`` for the mixer's weight tables, in the order of :attr:`Abilities.gates`."""

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


class OutsideDocument(NamedTuple):
    """A document, or a piece of one, that a memory reads and the run does not hold."""

    name: str
    tokens: Tensor
    """Tokens, int64 ``(N,)``"""
    line: int
    """The line, from 1, of the whole document at which it begins."""


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
    outside: Callable[[int], OutsideDocument] | None = None
    """Function that returns a document by a negative number ``-1``, ``-2``, …; ``None`` if there are none."""


class Scorer(Protocol):
    """The learned geometry as a memory uses it (``lior.geometry.retrieval.Retrieval``)."""

    def features(self, z: Tensor, *, query: bool) -> Features:
        """Return features of coordinates ``z (N, n)``."""

    def scores(self, queries: Features, items: Features) -> Tensor:
        """Return ``-beta * R * cost`` between ``B`` queries and ``K`` items, ``(B, K)``, all ``<= 0``."""


class Abilities(NamedTuple):
    """What a memory stores, needs and returns. It does not change during the life of the memory."""

    context: int = 0
    """Number of tokens before a position that a prediction or an item depends on."""
    experts: tuple[str, ...] = ("memory",)
    """Names of the distributions that a prediction returns, all different."""
    gates: tuple[int, ...] = ()
    """Number of values of each gate."""
    trust: tuple[Tensor, ...] = ()
    """The mixer's initial weights of the experts by gate, ``(gate size, E)``; empty for the mixer's own."""
    vocab: int = 1 << 16
    """Number of token ids that it can hold."""
    sums: bool = False
    """Whether it stores sums of real numbers, whose last bits depend on the order of learning."""
    geometry: bool = False
    """Whether it uses coordinates, cells or ``Query.scorer``."""
    coordinates: bool = False
    """Whether :meth:`Memory.learn` needs ``Items.z``, which is ``None`` if no memory does."""
    outside: bool = False
    """Whether it reads documents that the run does not hold."""
    whole: bool = False
    """Whether training commits its text only at the end, by :meth:`FittedMemory.finish`."""
    compiled: str = ""
    """Package of compiled functions that training starts to compile before its first stage."""


@runtime_checkable
class Memory(Plugin, Protocol):
    """A store of (context, next token) pairs that returns distributions.

    Its content does not depend on the order of learning, except as :attr:`Abilities.sums` says.
    """

    @property
    def abilities(self) -> Abilities:
        """What it stores, needs and returns."""

    def learn(self, batch: Sequence[Items]) -> None:
        """Store the items of all pieces."""

    def predict(self, query: Query, alphabet: Tensor) -> Evidence:
        """Return evidence over ``alphabet`` (sorted token ids, int64 ``(A,)``); nothing changes."""

    def snapshot(self) -> State:
        """Return everything stored, in canonical order: equal memories give equal tensors."""

    def restore(self, snapshot: State) -> None:
        """Become the memory that ``snapshot`` describes; an empty one describes a new memory."""


@runtime_checkable
class FittedMemory(Memory, Protocol):
    """A memory with learned parameters of its own, which it fits while it reads a text.

    Other memories are read, and learn the text afterwards.
    """

    def fit(self, items: Items, alphabet: Tensor, *, progress: float, write: bool) -> Evidence:
        """Read the items, each window before it is learned; the evidence has the form of :meth:`predict`.

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
            learned parameters are those that :meth:`predict` uses.
        """

    def trial(self, *, geometry: bool) -> FittedMemory:
        """Return a memory of the same items with copies of the learned parameters, to read and fit, not to
        write.

        Without ``geometry`` it begins with the mean over all cells of the learned parameters; its items
        have no cells.
        """

    def rewrite(self, batch: Sequence[Items]) -> None:
        """Replace all items by those of ``batch``; learned parameters stay.

        Other memories are emptied and learn ``batch``.
        """

    def finish(self, batch: Sequence[Items]) -> None:
        """Learn the last items of a training's text, which may now be counted as a whole."""


@runtime_checkable
class FoldedMemory(FittedMemory, Protocol):
    """A memory whose parameters for reading a fixed memory can be fitted on all of its own text.

    Others fit them on the calibration split alone.
    """

    def without(self, first: int, end: int) -> FittedMemory:
        """Return a memory of all tokens but ``first .. end - 1`` in their order, to read and to fit.

        It is never written. Parameters learned by one are learned by the other.
        """


class CellTable(NamedTuple):
    """Scores of the ``J`` cells of a geometry as sums over the last tokens; the nearest has the largest."""

    scores: Tensor
    """Contribution of each of the last ``L`` tokens, the most recent first, float64 ``(L, V + 1, J)``.

    Token id ``V`` stands for a place before the document.
    """
    offset: Tensor
    """Constant term of each cell, ``(J,)``"""


class Limits(NamedTuple):
    """The longest run of each unit in a text, and a sample that must not exceed them."""

    times: float
    """Factor of all limits; 0 sets none."""
    units: NDArray[np.int64]
    """Hashes of the units that the text repeats, ascending, ``(K,)``."""
    longest: NDArray[np.int64]
    """Length of each unit's longest run in positions, ``(K,)``."""
    tokens: NDArray[np.int64]
    """Last tokens of the sample."""
    runs: NDArray[np.int64]
    """Length of the run of each period that lasts to the end."""
    used: NDArray[np.int64]
    """Number of tokens, ``(1,)``."""
    barred: NDArray[np.int64]
    """Scratch array for tokens."""


class Race(NamedTuple):
    """The parameters of a draw beside the memory and the position."""

    noise: NDArray[np.float64]
    """Exponentially distributed numbers, ``(T, V)`` for ``T`` tokens."""
    beta: float
    """Inverse temperature."""
    least: float
    """Minimum probability of a token, relative to the likeliest."""
    mixing: NDArray[np.float32]
    """Exponents of the outer mixer, one for each value of its gate."""
    others: NDArray[np.int64]
    """Tokens outside of the alphabet, ascending; all are equally likely."""
    unseen: float
    """Total probability of the tokens outside of the alphabet."""
    limits: Limits
    """Limits of repetition; the tokens drawn are added to their sample."""


class Session(Protocol):
    """A document that grows token by token; the memory may learn between two predictions."""

    @property
    def finds_cells(self) -> bool:
        """Whether it knows the cells of the geometry."""

    def feed(self, tokens: Sequence[int]) -> None:
        """Append tokens to the document."""

    def next(self, alphabet: Tensor, cell: Tensor | None, beside: Sequence[Session] = ()) -> Evidence:
        """Return the evidence after the document and those of ``beside``, of the same memory, one row each.

        It equals :meth:`Memory.predict`, on the CPU bit for bit; it is on the device of ``alphabet``.
        ``cell (B,)`` is the cell of each, as in a :class:`Query`.
        """

    def draw(
        self, alphabet: Tensor, races: Sequence[Race], thread: int, beside: Sequence[Session] = ()
    ) -> list[list[int]]:
        """Draw the next tokens of this document and those of ``beside`` without learning; they are fed.

        Each has a race, and one token for each row of its noise. Threads with different numbers may draw side
        by side on the CPU.
        """


@runtime_checkable
class StreamingMemory(Memory, Protocol):
    """A memory that follows a text at less cost than a new prediction at each position.

    Other memories read the last ``Abilities.context`` tokens each time.
    """

    def session(self, cells: CellTable | None) -> Session:
        """Return a session at the start of a document, which depends on its tokens and ``cells`` alone."""


@runtime_checkable
class TracingMemory(Memory, Protocol):
    """A memory that can name the stored tokens behind a probability; others give no sources."""

    def trace(self, query: Query, tokens: Tensor, alphabet: Tensor) -> Trace:
        """Return the sources of the probabilities of ``tokens (B,)`` in :meth:`predict`, one a position."""
