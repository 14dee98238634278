"""Functions for large tables, which depend on one coordinate, on two, or on the distance to centres.

Functions of one coordinate are piecewise linear between its quantiles; functions of two are their products.
The kernel is that in the learned metric (Nyström). Each function is an entry of a vector ``φ(z)``, in which
a ridge is solved:

    f(z) = φ(z) w,    φ(z) = (s₁ h(z_j) L | s₂ h(z_i) L ⊗ h(z_j) L | s₃ k(z, c) R)

``h`` has the two weights of the knots beside ``z_j``, ``L Lᵀ`` is Laplace's kernel between the knots, and
``R Rᵀ = k(c, c)⁻¹``. So ``φ φᵀ`` is a sum of three kernels (G. Wahba, *Spline Models*, 1990, section 10; C.
Williams and M. Seeger, *NIPS* 2001). Interacting pairs of coordinates are found in tables of mean
residuals, after functions of one coordinate (Y. Lou, R. Caruana, J. Gehrke and G. Hooker, *KDD* 2013).
"""

from __future__ import annotations

import functools

import attrs
import torch
from torch import Generator, Tensor

from lior.interfaces import State
from lior_tables import solve
from lior_tables.kernel import Kernel

CENTRES = 1500
"""Maximum number of centres of the kernel."""
_SINGLES, _DOUBLES = 800, 800
"""Maximum numbers of functions that depend on one coordinate, and on two."""
_KNOTS = (96, 64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2)
"""Maximum numbers of knots of a coordinate; the first that does not give too many functions is used."""
_CELLS = 10
"""Maximum number of knots for each coordinate in a pair, and of cells along each in the search for pairs."""
_PAIRED = 48
"""Maximum number of coordinates that form pairs."""
_CHANCE = 4.0
"""Minimum excess of a pair's explained variance over chance, in standard deviations."""
_TAILS = 3.0
"""Standard deviations at which residuals are clipped, so that no single row makes a pair."""
_REACH = 3.0
"""Distance from the first knot to the last, in lengths of Laplace's kernel."""
_LLOYD = 2
"""Number of rounds in which centres become means of their nearest rows."""
_ROWS_OF_CENTRE, _ROWS_OF_KNOT = 3, 4
"""Minimum average number of rows per centre, and per function of one coordinate or of two."""
_NUGGET = 1e-5
"""A constant added to the kernel between centres; float32 does not resolve smaller values."""


@attrs.frozen(eq=False)
class Functions:
    """A map from coordinates to ``φ``."""

    kernel: Kernel
    knots: tuple[Tensor, ...]
    """Knots of each coordinate, ascending; one knot or none gives no function."""
    coarse: tuple[Tensor, ...]
    """Knots for pairs, in the same form."""
    pairs: Tensor
    """Pairs of coordinates, int64 ``(M, 2)``."""
    centres: Tensor
    """Centres of the kernel, ``(K, n)``."""
    root: Tensor
    """Factor ``R (K, K)``."""
    scales: Tensor
    """Scales ``(s₁, s₂, s₃)``."""

    @classmethod
    def of(cls, kernel: Kernel, z: Tensor, most: int, generator: Generator) -> Functions:
        """Return functions of single coordinates, and of the distance to ``most`` centres, for ``z (N,
        n)``."""
        distinct = torch.tensor([len(column.unique()) for column in z.T])
        room = min(_SINGLES, len(z) // _ROWS_OF_KNOT)
        fitting = (count for count in _KNOTS if distinct.clamp(max=count).sum() <= room)
        count = next(fitting, _KNOTS[-1])
        centres = _centres(kernel, z, most, generator)
        side = kernel.side(centres)
        among = kernel.scores(side, side).exp_().double()
        among.diagonal().add_(_NUGGET)
        lower = solve.factor(among).lower.tril()
        eye = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
        root = torch.linalg.solve_triangular(lower, eye, upper=False).mT
        return cls(
            kernel,
            tuple(_quantiles(column, count) for column in z.T),
            tuple(_quantiles(column, _CELLS) for column in z.T),
            torch.zeros(0, 2, dtype=torch.int64, device=z.device),
            centres,
            root.to(z).contiguous(),
            torch.ones(3, dtype=z.dtype, device=z.device),
        )

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of functions that depend on one coordinate, on two, and on distances."""
        single = sum(len(knots) for knots in self.knots if len(knots) > 1)
        double = sum(len(self.coarse[i]) * len(self.coarse[j]) for i, j in self.pairs.tolist())
        return single, double, len(self.centres)

    def __call__(self, z: Tensor) -> Tensor:
        """Return ``φ (B, P)`` of ``z (B, n)``."""
        return torch.cat([self.singles(z), *self._products(z), self._distances(z)], 1)

    def singles(self, z: Tensor) -> Tensor:
        """Return the part of ``φ`` that depends on single coordinates."""
        parts = [
            _hats(column, knots) @ _laplace(len(knots)).to(z)
            for column, knots in zip(z.T, self.knots, strict=True)
            if len(knots) > 1
        ]
        return torch.cat([z[:, :0], *parts], 1) * self.scales[0]

    def _products(self, z: Tensor) -> list[Tensor]:
        parts = {i: self._half(z, i) for i in self.pairs.unique().tolist()}
        scale = self.scales[1]
        return [(scale * parts[i][:, :, None] * parts[j][:, None]).flatten(1) for i, j in self.pairs.tolist()]

    def _half(self, z: Tensor, i: int) -> Tensor:
        knots = self.coarse[i]
        return _hats(z[:, i], knots) @ _laplace(len(knots)).to(z)

    def _distances(self, z: Tensor) -> Tensor:
        near = self.kernel.scores(self.kernel.side(z), self.kernel.side(self.centres)).exp_()
        return near @ (self.scales[2] * self.root)

    def with_pairs(self, z: Tensor, left: Tensor, weights: Tensor) -> Functions:
        """Add functions of the pairs that explain the residuals ``left (N, C)`` better than chance."""
        weight = torch.diagonal(self.kernel.root.mT @ self.kernel.root)
        some = weight.argsort(descending=True)[:_PAIRED]
        some = some[[len(self.coarse[i]) > 1 for i in some.tolist()]].sort().values
        if len(some) < 2:
            return self
        spread = left.square().mean(0).sqrt().clamp(min=torch.finfo(left.dtype).tiny)
        left = (left / spread).clamp(-_TAILS, _TAILS) * weights[:, None].sqrt()
        # Weighted rows: sums of √w r over cells have the variance of their counts.
        cells = torch.zeros(len(z), len(some) * _CELLS, dtype=z.dtype, device=z.device)
        for place, i in enumerate(some.tolist()):
            inner = self.coarse[i][1:].contiguous()
            cell = torch.searchsorted(inner, z[:, i].contiguous(), right=True)
            cells.scatter_(1, (place * _CELLS + cell)[:, None], 1.0)
        counts = cells.mT @ cells
        explained = sum((cells.mT @ (one[:, None] * cells)).square() for one in left.unbind(1))
        shape = (len(some), _CELLS, len(some), _CELLS)
        there = (counts > 0).reshape(shape).sum((1, 3))
        gain = (explained / counts.clamp(min=1)).reshape(shape).sum((1, 3))
        free = there * left.shape[1]
        beyond = ((gain - free) / (2 * free).sqrt()).triu(1)
        best = beyond.flatten().argsort(descending=True)
        best = best[beyond.flatten()[best] > _CHANCE]
        pairs = torch.stack([some[best // len(some)], some[best % len(some)]], 1)
        room = min(_DOUBLES, len(z) // _ROWS_OF_KNOT)
        sizes = torch.tensor([len(self.coarse[i]) * len(self.coarse[j]) for i, j in pairs.tolist()])
        return attrs.evolve(self, pairs=pairs[sizes.cumsum(0).to(pairs.device) <= room])

    def scaled(self, scales: Tensor) -> Functions:
        """Return the functions with other scales ``(3,)``."""
        return attrs.evolve(self, scales=scales.to(self.scales))

    def to(self, dtype: torch.dtype) -> Functions:
        """Return the functions in another precision."""
        state = {key: v.to(dtype) if v.is_floating_point() else v for key, v in self.kernel.state.items()}
        tensors = {key: v.to(dtype) if v.is_floating_point() else v for key, v in self.tensors().items()}
        return Functions.restored(Kernel(self.kernel.parts, state), tensors)

    # --- saving ---

    def tensors(self) -> State:
        """Return all tensors but the kernel's; :meth:`restored` takes them."""
        found = {name: getattr(self, name) for name in ("pairs", "centres", "root", "scales")}
        for name in ("knots", "coarse"):
            parts = getattr(self, name)
            found |= {name: torch.cat(parts), f"{name}_of": torch.tensor([len(part) for part in parts])}
        return found

    @classmethod
    def restored(cls, kernel: Kernel, tensors: State) -> Functions:
        """Return the inverse of :meth:`tensors`."""
        knots, coarse = (tensors[n].split(tensors[f"{n}_of"].tolist()) for n in ("knots", "coarse"))
        return cls(kernel, knots, coarse, *(tensors[name] for name in ("pairs", "centres", "root", "scales")))


def _quantiles(column: Tensor, count: int) -> Tensor:
    """Return at most ``count`` quantiles, ascending, from the minimum to the maximum."""
    return column.quantile(torch.linspace(0, 1, count).to(column)).unique()


def _hats(column: Tensor, knots: Tensor) -> Tensor:
    """Return weights ``(B, k)`` of the two knots beside each value; outside, one knot has all."""
    right = torch.searchsorted(knots, column.contiguous()).clamp(1, len(knots) - 1)
    width = knots[right] - knots[right - 1]
    high = ((column - knots[right - 1]) / width).clamp(0, 1)
    found = column.new_zeros(len(column), len(knots))
    found.scatter_(1, (right - 1)[:, None], 1 - high[:, None])
    return found.scatter_(1, right[:, None], high[:, None])


@functools.cache
def _laplace(count: int) -> Tensor:
    """Return ``L``, the Cholesky factor of Laplace's kernel between ``count`` knots, float64."""
    place = torch.linspace(0, _REACH, count, dtype=torch.float64)
    return torch.linalg.cholesky(torch.exp(-(place[:, None] - place[None]).abs()))


def _centres(kernel: Kernel, z: Tensor, most: int, generator: Generator) -> Tensor:
    """Return means of neighbouring rows, ``(K, n)``: a row as a centre would remain after being forgotten."""
    most = min(most, -(-len(z) // _ROWS_OF_CENTRE))
    found = z[torch.randperm(len(z), generator=generator)[:most].to(z.device)]
    mapped = kernel.side(z).y
    for _ in range(_LLOYD):
        asked = kernel.side(found).y
        nearest = torch.cat([torch.cdist(part, asked).argmin(1) for part in mapped.split(2000)])
        counts = torch.bincount(nearest, minlength=len(found))
        sums = torch.zeros_like(found).index_add_(0, nearest, z)
        found = (sums / counts.clamp(min=1)[:, None])[counts > 1]
    return found
