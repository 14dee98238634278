"""Interfaces of the metric, of the maps from text to coordinates, and of learning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol, TypeGuard, runtime_checkable

from lior.interfaces.base import Plugin, State

if TYPE_CHECKING:
    from torch import Generator, Tensor


# --- geometry ---------------------------------------------------------------


class MetricForm(NamedTuple):
    """A symmetric positive definite form on ``R^n``, in factors."""

    q: Tensor | None
    """Rotation ``Q (n, n)``, or ``None`` for the identity."""
    lam: Tensor
    """Scales ``λ > 0 (n,)``."""
    omega2: Tensor
    """Overall scale ``Ω² > 0``, a scalar tensor."""
    u: Tensor
    """Directions of the low-rank part, unit columns ``(n, r)``; ``r`` may be 0."""
    d: Tensor
    """Weights ``D >= 0 (r,)`` of these directions."""


@runtime_checkable
class FrameProvider(Plugin, Protocol):
    """A builder of the metric ``g`` from learned parameters or from statistics of ``z``."""

    learned: ClassVar[tuple[str, ...]]

    def init(self, n: int, *, generator: Generator) -> State:
        """Return a fresh float32 state for coordinates of dimension ``n >= 2``, on the generator's device."""

    def observe(self, state: State, z: Tensor) -> State:
        """Update statistics with a batch ``z (N, n)``; a frame without statistics returns ``state``."""

    def form(self, state: State) -> MetricForm:
        """Return the metric that ``state`` describes."""

    def pullback(self, state: State, dform: MetricForm) -> State:
        """Return derivatives with respect to the learned entries, given those with respect to the form."""

    def project(self, state: State) -> State:
        """Clamp, wrap and normalise. Idempotent; ``form`` is unchanged for values in range."""


@runtime_checkable
class GradientFrame(FrameProvider, Protocol):
    """A frame with statistics of gradients: it needs a function that is being learned.

    A system without such a function does not call the method, and the metric does not change.
    """

    least_scale: ClassVar[float]
    """The minimum entry of ``lam``. Along a direction without any gradient, rows should be almost equal."""

    def observe_gradients(self, state: State, gradients: Tensor) -> State:
        """Update statistics with gradients ``(N, C, n)`` of ``C`` outputs at ``N`` points."""


class ResiliencePullback(NamedTuple):
    """Derivatives returned by :meth:`RSource.pullback`."""

    params: State
    """Derivatives with respect to the learned entries."""
    z: Tensor
    """Derivatives with respect to the coordinates, shape ``(..., n)``."""
    root: Tensor
    """Derivatives with respect to the root ``A`` of the metric, shape ``(m, n)``."""


@runtime_checkable
class RSource(Plugin, Protocol):
    """Resilience ``R(z) > 0``: one number per point, which multiplies the cost."""

    learned: ClassVar[tuple[str, ...]]

    def init(self, n: int, *, generator: Generator) -> State:
        """Return the initial state; ``R`` is finite before anything was observed."""

    def observe(self, state: State, z: Tensor, form: MetricForm, *, total: int) -> State:
        """Take ``z (N, n)``, a uniform sample of a memory of ``total`` items, as the medium."""

    def resilience(self, state: State, z: Tensor, form: MetricForm) -> Tensor:
        """Return ``R`` at ``z (..., n)``: positive and finite, shape ``(...)``."""

    def pullback(self, state: State, z: Tensor, form: MetricForm, dr: Tensor) -> ResiliencePullback:
        """Return derivatives of ``sum(dr * R)``; ``dr`` has the shape of ``R``."""

    def project(self, state: State) -> State:
        """Clamp the learned entries. Idempotent."""


class CostPartials(NamedTuple):
    """Partial derivatives of a cost, each in its shape. They may share memory: do not write into them."""

    qq: Tensor
    qk: Tensor
    kk: Tensor
    params: State
    """One entry per learned *scalar* that the cost itself uses (not the lift)."""


@runtime_checkable
class AttentionProduct(Plugin, Protocol):
    """A cost ``>= 0`` from the Gram products of a query and a memory item.

    ``lift`` maps ``y`` to features whose dot products are the Gram products ``(qq, qk, kk)``; often it is
    the identity. If it is, and the cost grows with the distance of two features, a true attribute
    ``euclidean`` allows a table to find the nearest cell.
    """

    learned: ClassVar[tuple[str, ...]]

    def init(self, m: int, *, generator: Generator) -> State:
        """Return a fresh state for mapped coordinates of dimension ``m``."""

    def lift(self, params: State, y: Tensor, *, query: bool) -> Tensor:
        """Return features of ``y (..., m)``, shape ``(..., p)``; queries and items may differ."""

    def lift_pullback(self, params: State, y: Tensor, df: Tensor, *, query: bool) -> tuple[State, Tensor]:
        """Return derivatives with respect to the learned entries of the lift and to ``y``."""

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Return the cost from broadcastable Gram products; finite and ``>= 0`` for every real input."""

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Return partial derivatives of :meth:`cost` at the same arguments."""

    def project(self, state: State) -> State:
        """Clamp and wrap the learned entries. Idempotent."""


@runtime_checkable
class PairwiseProduct(AttentionProduct, Protocol):
    """A product that may need the features themselves, because its cost is no function of Gram products.

    If ``pairwise`` is true, :meth:`pair_cost` replaces ``cost`` and ``partials``. It is symmetric:
    exchanging the arguments transposes it.
    """

    @property
    def pairwise(self) -> bool:
        """Whether the cost with these options depends on pairs of features."""

    def pair_cost(self, q: Tensor, k: Tensor, params: State) -> Tensor:
        """Return costs ``(B, K)``, finite and ``>= 0``, of features ``q (B, p)`` and ``k (K, p)``."""

    def pair_gradient(self, q: Tensor, k: Tensor, weights: Tensor, values: Tensor, params: State) -> Tensor:
        """Return ``Σ_i weights_bi values_ic ∂cost_bi/∂q_b``, shape ``(B, C, p)``, for ``values (K, C)``."""


def is_pairwise(product: AttentionProduct) -> TypeGuard[PairwiseProduct]:
    """Return whether ``product`` needs pairs of features; called for each of many matrices."""
    return bool(getattr(product, "pairwise", False))


# --- text to coordinates ----------------------------------------------------


@runtime_checkable
class Encoder(Plugin, Protocol):
    """A map from the tokens before a position to a coordinate ``z``.

    Contexts are int64 token ids, latest first; the id ``vocab`` means "before the beginning of the document".
    """

    learned: ClassVar[tuple[str, ...]]

    @property
    def n(self) -> int:
        """Dimension of a coordinate."""

    @property
    def reach(self) -> int:
        """Number of previous tokens that :meth:`encode` reads."""

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Return a fresh state for token ids ``0 .. vocab - 1`` (and ``vocab``, see above)."""

    def encode(self, state: State, contexts: Tensor) -> Tensor:
        """Return coordinates ``(B, n)`` of contexts ``(B, reach)``."""

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Return derivatives of ``sum(dz * encode(contexts))`` with respect to the learned entries."""


@runtime_checkable
class ObservingEncoder(Encoder, Protocol):
    """An encoder with statistics of the text, which it collects in one pass before learning starts."""

    def observe(self, state: State, sample: Iterable[tuple[Tensor, Tensor]]) -> State:
        """Take blocks of positions: contexts ``(N, reach)``, and the tokens after them ``(N,)``."""


@runtime_checkable
class AdditiveEncoder(Encoder, Protocol):
    """An encoder whose coordinates are sums of one vector for each of the last ``reach`` tokens."""

    def rows(self, state: State) -> Tensor:
        """Return these vectors, ``(reach, vocab + 1, n)``."""


@runtime_checkable
class StreamingEncoder(Encoder, Protocol):
    """An encoder with unlimited context: a coordinate depends on every token of its document.

    Generation, online evaluation and compression read a document from its beginning and use :meth:`scan`.
    Training and scoring, which need coordinates at any position, use :meth:`encode` with the last ``reach``
    tokens. Here :meth:`encode` takes contexts of at least ``reach`` tokens. The coordinate after ``t``
    tokens of a document is :meth:`encode` of these tokens after ``reach`` ids ``vocab``.
    """

    def stream(self, state: State) -> State:
        """Return the streaming state at the beginning of a document."""

    def scan(self, state: State, stream: State, tokens: Tensor) -> tuple[State, Tensor]:
        """Read ``tokens`` (int64 ``(T,)``, ``T >= 1``) after those that led to ``stream``.

        Returns
        -------
        tuple[State, Tensor]
            The next streaming state, and the coordinates after each token, ``(T, n)``. ``stream`` must come
            from the same ``state``. The division of a document into parts changes the rounding only.
        """


@runtime_checkable
class Tokenizer(Plugin, Protocol):
    """A lossless map from bytes to token ids and back, once :meth:`fit` or :meth:`restore` was called."""

    @property
    def vocab(self) -> int:
        """Number of token ids, at most 65,536."""

    def fit(self, documents: Iterable[bytes]) -> None:
        """Learn from the training text alone, which is read once; the same text gives the same ids."""

    def encode(self, data: bytes) -> Tensor:
        """Return token ids of ``data``, int64 ``(N,)`` on the CPU."""

    def decode(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes that ``tokens`` stand for; ``decode(encode(b)) == b`` for every ``b``."""

    def snapshot(self) -> State:
        """Return the learned content; empty if nothing is learned."""

    def restore(self, snapshot: State) -> None:
        """Become the tokenizer that ``snapshot`` describes."""


# --- learning ---------------------------------------------------------------


class Probe(Protocol):
    """The objective of one update, as an updater sees it."""

    def loss(self, params: State) -> float:
        """Return the mean loss of the batch in nats at ``params``."""

    def phases(self, params: State, nudge: float) -> State:
        """Return ``(<dE/dp>_nudged - <dE/dp>_free) / nudge`` for every parameter.

        ``nudge = inf`` clamps the outputs to the targets and gives the gradient of the mean loss. A
        negative nudge pushes away from the targets, and ``nudge = 0`` gives zeros exactly.
        """


@runtime_checkable
class Updater(Plugin, Protocol):
    """A rule that changes parameters by means of a :class:`Probe`; it never sees a computation graph."""

    def init(self, params: State) -> State:
        """Return a fresh optimiser state."""

    def step(
        self, params: State, state: State, probe: Probe, *, scale: float, generator: Generator
    ) -> tuple[State, State, bool]:
        """Make one update; ``scale`` in [0, 1] multiplies the step size (the schedule).

        Returns
        -------
        tuple[State, State, bool]
            Parameters, optimiser state, and False if the proposed change was not finite: the parameters are
            then unchanged.
        """


class PrincipalPlanes(NamedTuple):
    """The curvature operator at ``N`` points by its eigenvectors, each of which is a plane of two axes."""

    curvatures: Tensor
    """Sectional curvatures of the planes ``a < b``, the eigenvalues ``(N, n(n−1)/2)``, in 1/length²."""
    axes: Tensor
    """Unit vectors under ``ĝ`` as columns, in coordinates ``x``, ``(N, n, n)``."""
    pairs: Tensor
    """``a`` and ``b`` of each plane, int64 ``(2, n(n−1)/2)``."""


@runtime_checkable
class CurvedRSource(RSource, Protocol):
    """A source whose metric varies from place to place: ``lior inspect --geometry`` shows its curvature."""

    def planes(self, state: State, z: Tensor, form: MetricForm) -> PrincipalPlanes:
        """Return the curvature operator at ``z (N, n)``."""
