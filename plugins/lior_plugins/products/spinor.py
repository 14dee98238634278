"""Cost from learned spinors with a rotor between query and item.

    ψ(y) = y W ∈ C^d,    c(q, k) = √(|ψ_q − S ψ_k|² + ε)

``W`` is a learned complex matrix, ``d = 2^⌈n/2⌉`` the number of components of a
spinor of ``n`` generators ``γ_a``, and ``S`` the rotor of the commuting planes
``(2k−1, 2k)`` with learned angles,

    S = Π_k exp(−½ θ_k γ_{2k−1} γ_{2k}).

In the Jordan–Wigner representation ``γ_{2k−1} γ_{2k} = i Z_k``, so ``S`` is diagonal:
it multiplies basis spinor ``b`` by ``exp(−(i/2) Σ_k θ_k z_k(b))`` with
``z_k(b) = ±1``. It turns vectors by ``θ_k`` in each plane, and ``θ_k → θ_k + 2π``
changes its sign. (P. Lounesto, *Clifford Algebras and Spinors*, 2nd ed., chapters 3
and 17; P. Jordan and E. Wigner, *Z. Phys.* 47 (1928) 631.)

Item features are therefore ``y`` times a second real matrix, and a lift is one matmul. The features ``[Re
ψ, Im ψ]`` have the dot products ``Re⟨ψ_q|S ψ_k⟩``. Because of ``S`` the cost is not symmetric in query and
item; with ``S = 1`` it would be the distance after one more linear map.
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.interfaces import CostPartials, State
from lior_plugins import gram, rotations


@attrs.frozen(kw_only=True)
class Spinor:
    """Chordal distance of a query's spinor to the turned spinor of an item.

    State: ``w_real`` and ``w_imag``, ``(m, d)`` with ``d = 2^⌈generators/2⌉``,
    and ``theta (⌊generators/2⌋,)``, radians. All are learned.
    """

    api_version: ClassVar[int] = 1
    learned: ClassVar[tuple[str, ...]] = ("w_real", "w_imag", "theta")

    generators: int = option(8, help="gamma matrices, spinors have 2^(half of it) components", low=2, high=12)
    angle: float = option(0.1, help="standard deviation of the rotor's first angles, in radians", low=0)
    eps: float = option(1e-2, help="added to the squared distance", low=1e-12)

    def init(self, m: int, *, generator: Generator) -> State:
        """Return a random isometry ``W``, or projection for ``m > 2d``, that preserves squared lengths on
        average.

        Raises
        ------
        UsageError
            When ``m < 1``.
        """
        if m < 1:
            raise UsageError(f"m = {m}: spinors need mapped coordinates of at least 1 dimension")
        d, device = spinor_dimension(self.generators), generator.device
        normal = torch.randn(max(m, 2 * d), min(m, 2 * d), generator=generator, device=device)
        orthonormal, _ = torch.linalg.qr(normal)
        w = orthonormal * math.sqrt(m / (2 * d)) if m > 2 * d else orthonormal.mT
        w_real, w_imag = w.contiguous().chunk(2, dim=1)
        theta = self.angle * torch.randn(self.generators // 2, generator=generator, device=device)
        return {"w_real": w_real.clone(), "w_imag": w_imag.clone(), "theta": theta}

    def lift(self, params: State, y: Tensor, *, query: bool) -> Tensor:
        """Return features ``[Re ψ, Im ψ] (..., 2d)`` of ``y (..., m)``, ``ψ`` turned by ``S`` for items."""
        return y @ self._matrix(params, query)

    def lift_pullback(self, params: State, y: Tensor, df: Tensor, *, query: bool) -> tuple[State, Tensor]:
        """Return derivatives of ``sum(df * lift(y))`` with respect to ``W``, ``theta`` and ``y``."""
        w = self._matrix(params, query)
        dw = y.reshape(-1, y.shape[-1]).mT @ df.reshape(-1, df.shape[-1])
        dre, dim = dw.chunk(2, dim=1)
        if query:
            return {"w_real": dre, "w_imag": dim, "theta": torch.zeros_like(params["theta"])}, df @ w.mT
        cos, sin = self._rotor(params)
        re, im = w.chunk(2, dim=1)
        dphases = (dim * re - dre * im).sum(0)
        signs = plane_signs(self.generators, dtype=w.dtype, device=w.device)
        dparams = {
            "w_real": dre * cos + dim * sin,
            "w_imag": dim * cos - dre * sin,
            "theta": -0.5 * signs @ dphases,
        }
        return dparams, df @ w.mT

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """Return the chordal distance, in the broadcast shape of the Gram products."""
        return gram.distance(qq, qk, kk, self.eps)

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Return partial derivatives of :meth:`cost`; ``qq`` and ``kk`` share one tensor."""
        return CostPartials(*gram.distance_partials(qq, qk, kk, self.eps), params={})

    def project(self, state: State) -> State:
        """Wrap ``theta`` modulo 4π into ``[−2π, 2π)``: a turn by 2π changes the sign of a spinor."""
        return {**state, "theta": 2 * rotations.wrap(state["theta"] / 2)}

    def _rotor(self, params: State) -> tuple[Tensor, Tensor]:
        """Return the real and imaginary part of the diagonal of ``S``, ``(d,)`` each."""
        phases = rotor_phases(params["theta"], self.generators)
        return phases.cos(), phases.sin()

    def _matrix(self, params: State, query: bool) -> Tensor:
        """Return ``[Re W, Im W]`` or, for items, ``[Re WS, Im WS]``; ``(m, 2d)``."""
        re, im = params["w_real"], params["w_imag"]
        if query:
            return torch.cat([re, im], dim=1)
        cos, sin = self._rotor(params)
        return torch.cat([re * cos - im * sin, re * sin + im * cos], dim=1)


def spinor_dimension(n: int) -> int:
    """Return ``d = 2^⌈n/2⌉``."""
    return int(2 ** ((n + 1) // 2))


def plane_signs(n: int, *, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Tensor:
    """Return ``z_k(b) = ±1`` for each of the ``⌊n/2⌋`` planes and each basis spinor, shape ``(⌊n/2⌋, d)``."""
    sites = (n + 1) // 2
    basis = torch.arange(2**sites, device=device)
    shifts = torch.arange(sites - 1, sites - 1 - n // 2, -1, device=device)[:, None]
    return (1 - 2 * ((basis >> shifts) & 1)).to(dtype)


def rotor_phases(theta: Tensor, n: int) -> Tensor:
    """Return phases ``−½ Σ_k θ_k z_k(b) (d,)`` of the diagonal of ``S``, for angles ``theta (⌊n/2⌋,)``."""
    return -0.5 * theta @ plane_signs(n, dtype=theta.dtype, device=theta.device)
