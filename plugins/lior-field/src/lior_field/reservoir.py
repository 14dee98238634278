"""The memory ``reservoir``: a fixed random field that tokens drive, and a readout learned from its state.

The features of a context are those of the encoder ``field`` with random numbers that stay as they were drawn,
after ``tanh``: an echo state network (H. Jaeger, *GMD report* 148, 2001) whose recurrence is diagonal. The
local delta rule ``ΔW = η (y − W φ) φᵀ`` (B. Widrow and M. Hoff, 1960) moves a readout towards that of least
squares; here that end of the way is computed at once, from the sums

    G = Σ φ φᵀ,    B = Σ φ yᵀ,    W = (G + ρ N)⁻¹ B,

with a small share ``ρ``, which keeps weights of features without effect at 0.

Features are rounded to whole numbers, and the sums are exact. So writes commute, and to forget a text is to
compute its sums.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar

import attrs
import torch
from torch import Tensor

from lior.config.options import option
from lior.data.corpus import gather_contexts
from lior.errors import UsageError
from lior.interfaces import Evidence, Items, Query, Scorer, State, Text
from lior.tensors import Expected, check
from lior_field.encoder import FieldEncoder

_STEPS = 127
"""A feature between −1 and 1 is one of the whole numbers from minus this to this."""
_BLOCK = 4096
_SEED = 5


@attrs.define
class _Sums:
    """``N``, ``G`` and ``B`` of some text: whole numbers in float64, exact below 2^53."""

    gram: Tensor
    """``(F + 1, F + 1)``; the last feature is constant, so that its last entry counts the items."""
    cross: Tensor
    """``(F + 1, A)``."""
    tokens: Tensor
    """The tokens of its columns, ascending, int64 ``(A,)``."""

    @classmethod
    def empty(cls, features: int) -> _Sums:
        zeros = torch.zeros(features + 1, features + 1, dtype=torch.float64)
        return cls(zeros, zeros[:, :0], torch.zeros(0, dtype=torch.int64))

    def plus(self, phi: Tensor, tokens: Tensor) -> _Sums:
        """With the items of features ``phi (N, F + 1)``."""
        alphabet = torch.cat([self.tokens, tokens]).unique()
        cross = phi.new_zeros(len(alphabet), phi.shape[1])
        cross[torch.searchsorted(alphabet, self.tokens)] = self.cross.mT
        cross.index_add_(0, torch.searchsorted(alphabet, tokens), phi)
        return _Sums(self.gram + phi.mT @ phi, cross.mT.contiguous(), alphabet)


@attrs.define(kw_only=True)
class Reservoir:
    """Least squares on the state of a driven field."""

    api_version: ClassVar[int] = 1
    needs_geometry: ClassVar[bool] = False
    stores_coordinates: ClassVar[bool] = False
    experts: ClassVar[tuple[str, ...]] = ("reservoir",)

    features: int = option(1024, help="numbers that are read from the field", low=2, high=4096)
    reach: int = option(32, help="previous tokens that drive the field", low=2, high=4096)
    horizon: float = option(4.0, help="tokens that the slowest mode of the field remembers", low=2, high=1e6)
    side: int = option(6, help="sites along each side of the grid", low=3, high=16)
    gain: float = option(1.0, help="strength of the drive; the larger, the less linear", low=1e-3)
    ridge: float = option(1e-4, help="share of the items added to the squares of a feature", low=1e-9)
    floor: float = option(0.02, help="share of the uniform distribution", low=1e-6, high=0.5)
    ids: int = option(256, help="token ids told apart; larger ones share a drive", low=2, high=65536)

    _sums: _Sums | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _pending: _Sums | None = attrs.field(default=None, init=False, repr=False, eq=False)
    _readout: Tensor | None = attrs.field(default=None, init=False, repr=False, eq=False)

    @property
    def context(self) -> int:
        """The reach."""
        return self.reach

    def gate_sizes(self, alphabet: int) -> tuple[int, ...]:
        """No gate."""
        return ()

    def attach(self, scorer: Scorer | None) -> None:
        """The field does not depend on the geometry."""

    # --- writing ---

    def write(self, items: Items) -> None:
        """Add the sums of ``items`` as pending."""
        start, text = items.start, items.text
        sums = self._pending or self._stored()
        for begin in range(start, len(text.tokens), _BLOCK):
            at = torch.arange(begin, min(begin + _BLOCK, len(text.tokens)))
            sums = sums.plus(self._features(text, at), text.tokens.cpu()[at].long())
        self._pending = sums

    def commit(self) -> None:
        """Make the pending sums those that are read."""
        if self._pending is not None:
            self._sums, self._pending, self._readout = self._pending, None, None

    def rollback(self) -> None:
        """Drop the pending sums."""
        self._pending = None

    def rewrite(self, items: Iterable[Items]) -> None:
        """Replace all items by ``items``."""
        self._sums = self._pending = self._readout = None
        for each in items:
            self.write(each)
        self.commit()

    # --- reading ---

    def read(self, query: Query, alphabet: Tensor) -> Evidence:
        """``W φ`` where it is above 0, mixed with the uniform distribution."""
        sums, known = self._stored(), alphabet.cpu()
        values = torch.zeros(len(query.positions), len(known), dtype=torch.float64)
        if len(sums.tokens) and len(values):
            column = torch.searchsorted(sums.tokens, known).clamp(max=len(sums.tokens) - 1)
            found = sums.tokens[column] == known
            phi = self._features(query.text, query.positions.cpu())
            values = torch.where(found, (phi @ self._weights())[:, column].clamp(min=0), 0.0)
        total = values.sum(1, keepdim=True)
        p = torch.where(total > 0, values / total.clamp(min=1e-300), 1 / len(known))
        p = (1 - self.floor) * p + self.floor / len(known)
        return Evidence(p.log().float()[:, None].to(alphabet.device), ())

    # --- state ---

    def snapshot(self) -> State:
        """The sums and their tokens."""
        sums = self._stored()
        return {"gram": sums.gram, "cross": sums.cross, "tokens": sums.tokens}

    def restore(self, snapshot: State) -> None:
        """Become the memory of ``snapshot``.

        Raises
        ------
        UsageError
            When it is none, or of another number of features; the memory is left as it was.
        """
        width = self.features + 1
        expected = {
            "gram": Expected("float64", (width, width)),
            "cross": Expected("float64", (width, None)),
            "tokens": Expected("int64", (None,)),
        }
        check(snapshot, expected, of="memory reservoir")
        tokens = snapshot["tokens"]
        if len(tokens) != snapshot["cross"].shape[1] or not bool((tokens.diff() > 0).all()):
            raise UsageError("memory reservoir: tokens must be ascending, one for each column of cross")
        self._sums = _Sums(*(snapshot[name].cpu() for name in ("gram", "cross", "tokens")))
        self._pending = self._readout = None

    def _stored(self) -> _Sums:
        return self._sums or _Sums.empty(self.features)

    def _weights(self) -> Tensor:
        """``W (F + 1, A)``."""
        if self._readout is None:
            sums = self._stored()
            extra = sums.gram[-1, -1] * self.ridge * torch.eye(len(sums.gram), dtype=torch.float64)
            self._readout = torch.cholesky_solve(sums.cross, torch.linalg.cholesky(sums.gram + extra))
        return self._readout

    @cached_property
    def _field(self) -> tuple[FieldEncoder, State]:
        encoder = FieldEncoder(n=self.features, reach=self.reach, side=self.side, horizon=self.horizon)
        state = encoder.init(self.ids, generator=torch.Generator().manual_seed(_SEED))
        state = {name: value.double() for name, value in state.items()}
        state["embedding"][-1] = 0  # nothing drives the field before a document begins
        return encoder, state

    def _features(self, text: Text, positions: Tensor) -> Tensor:
        """Whole numbers of the contexts at ``positions (N,)``, float64 ``(N, F + 1)``."""
        encoder, state = self._field
        tokens = text.tokens.cpu() % self.ids
        contexts = gather_contexts(tokens, positions, text.depth.cpu()[positions], self.reach, self.ids)
        phi = (self.gain * encoder.encode(state, contexts)).tanh().mul_(_STEPS).round_()
        return torch.cat([phi, torch.full_like(phi[:, :1], _STEPS)], 1)
