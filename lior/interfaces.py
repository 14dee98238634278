"""The extension points of lior: what a plugin must provide.

Everything is a ``Protocol``: an implementation needs no base class, only the
attributes and methods named here. Three conventions hold throughout.

* **State is data.** Whatever an implementation keeps is a ``State``, a flat ``dict[str, Tensor]``; methods
  return new dictionaries and never write into the tensors they were given. ``learned`` names the entries
  that an updater may move; the others are statistics.
* **Randomness is explicit.** It comes from the ``torch.Generator`` passed in.
* **Gradients are by hand.** ``pullback`` methods map a derivative of a scalar with respect to the output to
  derivatives with respect to learned entries and inputs. No implementation uses autograd.

Shapes: ``n`` is the dimension of a coordinate ``z``; ``m`` that of a mapped coordinate ``y = A z`` with
``A`` the metric's root (``AᵀA = g``), so that ``g(z, z') = y · y'``; ``...`` stands for batch dimensions.

A plugin class states in ``api_version`` the version it was written for; the registry refuses others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeAlias, runtime_checkable

from lior.records import Evidence as Evidence
from lior.records import Features as Features
from lior.records import Items as Items
from lior.records import Query as Query
from lior.records import Text as Text
from lior.records import Trace as Trace

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from lior.geometry.metric import MetricForm

API_VERSION = 1
"""Version of the interfaces below. A plugin declares the one it implements."""

State: TypeAlias = "dict[str, Tensor]"


class Plugin(Protocol):
    """What every implementation has in common."""

    api_version: ClassVar[int]


# --- geometry ---------------------------------------------------------------


@runtime_checkable
class FrameProvider(Plugin, Protocol):
    """Builds the metric ``g`` from learned numbers or from statistics of ``z``."""

    learned: ClassVar[tuple[str, ...]]

    def init(self, n: int, *, generator: Generator) -> State:
        """Fresh state for coordinates of dimension ``n >= 2`` (float32, generator's device)."""

    def observe(self, state: State, z: Tensor) -> State:
        """Take in a batch ``z (N, n)`` of coordinates; a frame without statistics returns ``state``."""

    def form(self, state: State) -> MetricForm:
        """The metric that ``state`` describes."""

    def pullback(self, state: State, dform: MetricForm) -> State:
        """Derivatives with respect to the learned entries, given those with respect to the form."""

    def project(self, state: State) -> State:
        """Clamp, wrap and normalise. Idempotent; ``form`` is unchanged for values in range."""


class ResiliencePullback(NamedTuple):
    """Derivatives returned by :meth:`RSource.pullback`."""

    params: State
    """With respect to the learned entries."""
    z: Tensor
    """With respect to the coordinates, shape ``(..., n)``."""
    root: Tensor
    """With respect to the metric's root ``A``, shape ``(m, n)``."""


@runtime_checkable
class RSource(Plugin, Protocol):
    """Resilience ``R(z) > 0``: one number per point, which multiplies the cost."""

    learned: ClassVar[tuple[str, ...]]

    def init(self, n: int, *, generator: Generator) -> State:
        """Fresh state; usable (finite ``R``) before anything was observed."""

    def observe(self, state: State, z: Tensor, form: MetricForm, *, total: int) -> State:
        """Take ``z (N, n)``, a uniform sample of a memory of ``total`` items, as the medium."""

    def resilience(self, state: State, z: Tensor, form: MetricForm) -> Tensor:
        """``R`` at ``z (..., n)``: positive and finite, shape ``(...)``."""

    def pullback(self, state: State, z: Tensor, form: MetricForm, dr: Tensor) -> ResiliencePullback:
        """Derivatives of ``sum(dr * R)``; ``dr`` has the shape of ``R``."""

    def project(self, state: State) -> State:
        """Clamp the learned entries. Idempotent."""


class CostPartials(NamedTuple):
    """Partial derivatives of a product's cost, each of its shape; they may share memory: write nowhere."""

    qq: Tensor
    qk: Tensor
    kk: Tensor
    params: State
    """One entry per learned *scalar* that the cost itself uses (not the lift)."""


@runtime_checkable
class AttentionProduct(Plugin, Protocol):
    """Turns the Gram numbers of a query and a memory item into a cost ``>= 0``.

    ``lift`` maps ``y`` to where dot products are the Gram numbers ``(qq, qk, kk)``; often it is the identity.
    """

    learned: ClassVar[tuple[str, ...]]

    def init(self, m: int, *, generator: Generator) -> State:
        """Fresh state for mapped coordinates of dimension ``m``."""

    def lift(self, params: State, y: Tensor, *, query: bool) -> Tensor:
        """Features of ``y (..., m)``, shape ``(..., p)``; queries and items may differ."""

    def lift_pullback(self, params: State, y: Tensor, df: Tensor, *, query: bool) -> tuple[State, Tensor]:
        """Derivatives with respect to the learned entries of the lift and to ``y``."""

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Cost from broadcastable Gram numbers; finite and ``>= 0`` for every real input."""

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Partial derivatives of :meth:`cost` at the same arguments."""

    def project(self, state: State) -> State:
        """Clamp and wrap the learned entries. Idempotent."""


# --- coordinates ------------------------------------------------------------


@runtime_checkable
class Encoder(Plugin, Protocol):
    """Turns the tokens before a position into a coordinate ``z``.

    Contexts are int64 token ids, latest first; the id ``vocab`` is "before the beginning of the document".
    """

    learned: ClassVar[tuple[str, ...]]

    @property
    def n(self) -> int:
        """Dimension of a coordinate."""

    @property
    def reach(self) -> int:
        """How many previous tokens a coordinate depends on."""

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Fresh state for token ids ``0 .. vocab - 1`` (and ``vocab``, see above)."""

    def encode(self, state: State, contexts: Tensor) -> Tensor:
        """Coordinates ``(B, n)`` of contexts ``(B, reach)``."""

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Derivatives of ``sum(dz * encode(contexts))`` with respect to the learned entries."""

    def stream(self, state: State) -> State:
        """Streaming state at the beginning of a document."""

    def step(self, state: State, stream: State, token: int) -> tuple[State, Tensor]:
        """Read one token: the next streaming state and the coordinate ``(n,)`` after it.

        ``stream`` must come from the same ``state``.
        """


@runtime_checkable
class Tokenizer(Plugin, Protocol):
    """Bytes to token ids and back, without loss, once :meth:`fit` or :meth:`restore` was called."""

    @property
    def vocab(self) -> int:
        """Number of token ids, at most 65,536."""

    def fit(self, documents: Iterable[bytes]) -> None:
        """Learn from the training text, read once, and nothing else: the same text gives the same ids."""

    def encode(self, data: bytes) -> Tensor:
        """Token ids of ``data``, int64 ``(N,)`` on the CPU."""

    def decode(self, tokens: Sequence[int]) -> bytes:
        """The bytes that ``tokens`` stand for; ``decode(encode(b)) == b`` for every ``b``."""

    def snapshot(self) -> State:
        """What was learned; empty when there is nothing to learn."""

    def restore(self, snapshot: State) -> None:
        """Become the tokenizer that ``snapshot`` describes."""


# --- memory -----------------------------------------------------------------


class Scorer(Protocol):
    """The learned geometry as a memory sees it (``lior.geometry.retrieval.Geometry``)."""

    def features(self, z: Tensor, *, query: bool) -> Features:
        """Features of coordinates ``z (N, n)``."""

    def scores(self, queries: Features, items: Features) -> Tensor:
        """``-beta * R * cost`` between ``B`` queries and ``K`` items, ``(B, K)``, all ``<= 0``."""


@runtime_checkable
class MemoryBackend(Plugin, Protocol):
    """Stores (context, next token) pairs and reads distributions back.

    A read sees what was staged from ``commit`` on. ``erase`` takes back exactly what the items wrote.
    """

    @property
    def needs_geometry(self) -> bool:
        """Whether it uses coordinates, cells or a :class:`Scorer`."""

    @property
    def context(self) -> int:
        """How many tokens before a position a read or a write depends on."""

    @property
    def experts(self) -> tuple[str, ...]:
        """Names of the distributions a read returns."""

    def gate_sizes(self, alphabet: int) -> tuple[int, ...]:
        """Number of values of each gate, for an alphabet of that size."""

    def stage(self, items: Items) -> None:
        """Hold ``items`` until :meth:`commit` or :meth:`discard`."""

    def commit(self) -> int:
        """Make the staged items readable; returns how many."""

    def discard(self) -> None:
        """Drop the staged items."""

    def erase(self, items: Items) -> int:
        """Remove committed items; returns how many were removed.

        Raises
        ------
        UsageError
            When it can tell that the items were not all written; it is then left as it was.
        """

    def rewrite(self, items: Iterable[Items]) -> None:
        """Hold exactly ``items`` instead of all that was written; what was learned stays, staged items go."""

    def attach(self, scorer: Scorer | None) -> None:
        """Set the geometry for the reads that follow; a backend without coordinates ignores it."""

    def read(self, query: Query, alphabet: Tensor) -> Evidence:
        """Evidence over ``alphabet`` (sorted token ids, int64 ``(A,)``)."""

    def snapshot(self) -> State:
        """Everything that is committed, in canonical order: equal memories give equal tensors."""

    def restore(self, snapshot: State) -> None:
        """Become the memory that ``snapshot`` describes; staged items are dropped."""


@runtime_checkable
class AdaptiveMemory(MemoryBackend, Protocol):
    """A memory with learned numbers of its own, which it fits while a text goes by."""

    @property
    def window(self) -> int:
        """How many tokens a study reads before it learns them; the first window begins with the items."""

    def peek(self, query: Query, alphabet: Tensor, *, ahead: int) -> Evidence:
        """What a study with ``write`` will say of a position, bit for bit; nothing changes.

        The position stands in the study's first window behind ``ahead`` tokens, ``0 <= ahead < window``.
        """

    def study(self, items: Items, alphabet: Tensor, *, progress: float, write: bool) -> Evidence:
        """Read the items, each window of them before it is learned; evidence as of :meth:`read`.

        With ``write`` the items are taken in as they are read, as a compressor does. Without, the memory
        stands still, and what is learned serves :meth:`read`. ``progress`` in [0, 1] sets the step sizes.
        Items with ``kept`` are of text with errors, never to be written: a memory may learn from the tokens
        that were kept how to read such text, and must not read clean text worse for it.
        """

    def clear(self) -> None:
        """Forget all items; what was learned stays."""


@runtime_checkable
class TraceableMemory(MemoryBackend, Protocol):
    """A memory that can name the stored tokens behind a probability."""

    def trace(self, query: Query, tokens: Tensor, alphabet: Tensor) -> Trace:
        """Where the probabilities that :meth:`read` gives to ``tokens (B,)``, one a position, come from."""


@runtime_checkable
class SelfWeightedMemory(MemoryBackend, Protocol):
    """A memory that knows when to be trusted, also where no training text tells the mixer."""

    def trust(self, alphabet: int) -> tuple[Tensor, ...]:
        """For each gate the weights of the experts with which the mixer begins, ``(gate size, E)``."""


# --- learning ---------------------------------------------------------------


class Probe(Protocol):
    """One window's objective, as an updater sees it."""

    def loss(self, params: State) -> float:
        """Mean loss of the window in nats at ``params``."""

    def phases(self, params: State, nudge: float) -> State:
        """``(<dE/dp>_nudged - <dE/dp>_free) / nudge`` for every parameter.

        ``nudge = inf`` clamps the outputs to the targets, and the result is the gradient of the mean loss; a
        negative nudge pushes away from them; ``nudge = 0`` gives zeros exactly.
        """


class Report(NamedTuple):
    """What a step did."""

    accepted: bool
    """False when the proposed change was not finite and the parameters were left as they were."""
    loss: float | None
    """Loss that the step itself measured, if any."""


@runtime_checkable
class Updater(Plugin, Protocol):
    """Moves parameters from what a :class:`Probe` tells; never sees a computation graph."""

    def init(self, params: State) -> State:
        """Fresh optimiser state."""

    def step(
        self, params: State, state: State, probe: Probe, *, scale: float, generator: Generator
    ) -> tuple[State, State, Report]:
        """One update; ``scale`` in [0, 1] multiplies the step size (the schedule)."""


class Command(Protocol):
    """A Click command that ``lior.commands`` adds to the command line."""

    name: str | None

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command."""
