"""Cost from learned spinors with a rotor between query and item.

    ψ(y) = y W ∈ C^d,    c(q, k) = √(|ψ_q − S ψ_k|² + ε)

``W`` is a learned complex matrix and ``S`` the rotor of commuting planes with
learned angles (:mod:`lior.geometry.clifford`). As ``S`` is diagonal there, item
features are ``y`` times a second real matrix, so a lift is one matmul. The
features ``[Re ψ, Im ψ]`` have the dot products ``Re⟨ψ_q|S ψ_k⟩``. Were ``S`` the
identity, this would be the distance under one more linear map; with it the cost
is not symmetric in query and item.
"""

from __future__ import annotations

import math
from typing import ClassVar

import attrs
import torch
from torch import Generator, Tensor

from lior.config.options import option
from lior.errors import UsageError
from lior.geometry import clifford, gram, rotor
from lior.interfaces import CostPartials, State


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
        """Random isometry ``W``, or projection for ``m > 2d``, that keeps squared lengths on average.

        Raises
        ------
        UsageError
            When ``m < 1``.
        """
        if m < 1:
            raise UsageError(f"m = {m}: spinors need mapped coordinates of at least 1 dimension")
        d, device = clifford.spinor_dimension(self.generators), generator.device
        normal = torch.randn(max(m, 2 * d), min(m, 2 * d), generator=generator, device=device)
        orthonormal, _ = torch.linalg.qr(normal)
        w = orthonormal * math.sqrt(m / (2 * d)) if m > 2 * d else orthonormal.mT
        w_real, w_imag = w.contiguous().chunk(2, dim=1)
        theta = self.angle * torch.randn(self.generators // 2, generator=generator, device=device)
        return {"w_real": w_real.clone(), "w_imag": w_imag.clone(), "theta": theta}

    def lift(self, params: State, y: Tensor, *, query: bool) -> Tensor:
        """Features ``[Re ψ, Im ψ]`` of ``y (..., m)``, ``ψ`` turned by ``S`` for items; ``(..., 2d)``."""
        return y @ self._matrix(params, query)

    def lift_pullback(self, params: State, y: Tensor, df: Tensor, *, query: bool) -> tuple[State, Tensor]:
        """Derivatives of ``sum(df * lift(y))`` with respect to ``W``, ``theta`` and ``y``."""
        w = self._matrix(params, query)
        dw = y.reshape(-1, y.shape[-1]).mT @ df.reshape(-1, df.shape[-1])
        dre, dim = dw.chunk(2, dim=1)
        if query:
            return {"w_real": dre, "w_imag": dim, "theta": torch.zeros_like(params["theta"])}, df @ w.mT
        phases = clifford.rotor_phases(params["theta"], self.generators)
        cos, sin = phases.cos(), phases.sin()
        re, im = w.chunk(2, dim=1)
        dphases = (dim * re - dre * im).sum(0)
        signs = clifford.plane_signs(self.generators, dtype=w.dtype, device=w.device)
        dparams = {
            "w_real": dre * cos + dim * sin,
            "w_imag": dim * cos - dre * sin,
            "theta": -0.5 * signs @ dphases,
        }
        return dparams, df @ w.mT

    def cost(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> Tensor:
        """The chordal distance, of the broadcast shape of the Gram numbers."""
        return gram.distance(qq, qk, kk, self.eps)

    def partials(self, qq: Tensor, qk: Tensor, kk: Tensor, params: State) -> CostPartials:
        """Partial derivatives of :meth:`cost`; those of ``qq`` and ``kk`` are one tensor."""
        return CostPartials(*gram.distance_partials(qq, qk, kk, self.eps), params={})

    def project(self, state: State) -> State:
        """``theta`` modulo 4π in ``[−2π, 2π)``: a turn by 2π changes the sign of a spinor."""
        return {**state, "theta": 2 * rotor.wrap(state["theta"] / 2)}

    def _matrix(self, params: State, query: bool) -> Tensor:
        """``[Re W, Im W]`` or, for items, ``[Re WS, Im WS]``; ``(m, 2d)``."""
        re, im = params["w_real"], params["w_imag"]
        if query:
            return torch.cat([re, im], dim=1)
        phases = clifford.rotor_phases(params["theta"], self.generators)
        cos, sin = phases.cos(), phases.sin()
        return torch.cat([re * cos - im * sin, re * sin + im * cos], dim=1)
