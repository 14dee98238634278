"""The encoder ``field``: tokens drive a field, and coordinates are read from it.

Each coordinate is a component of a field on a small periodic grid. A token instantly adds its embedding to
it. Between tokens the field evolves under ``H = K/m + V(x)`` for a time ``t`` and loses a share of each
mode. In the modes of ``H``, with energies ``E_m`` and damping rates ``γ_m``, this is a diagonal recurrence.
So the field is read exactly as a sum of poles (:mod:`lior_plugins.kernel`):

    λ_m = exp(−γ_m + μ_m t),    S_m ← λ_m S_m + E[x_t],    z = Re Σ_m c_m S_m,

with a rate ``μ_m`` for each of the dynamics of :mod:`lior_field.dynamics`:

===========  =============================  =====================================================
unitary      ``−i E_m``                     Schrödinger's equation
dissipative  ``−(E_m − E_0)``               imaginary time: high modes fade, the ground state stays
symplectic   ``−i √(E_m − E_0 + ω₀²)``      waves, ``∂²T/∂t² = −(H − E_0 + ω₀²) T``; ``S`` is ``T + i P/ω``
===========  =============================  =====================================================

At ``t = 0`` the field only decays, in the same way for all dynamics: the control.

Unlike the fixed poles of ``poles``, these are learned, through mass, potential and damping: ``∂E_m/∂V(x) =
u_m(x)²`` and ``∂E_m/∂ log m = −⟨u_m|K/m|u_m⟩`` (H. Hellmann, 1937; R. Feynman, *Phys. Rev.* 56 (1939) 340).
Energies are in units of ħ per token; a mode with a rate of ``1/T`` remembers about ``T`` tokens.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.config import option
from lior.interfaces import State
from lior_field.grid import Grid
from lior_field.memory import poles_pullback
from lior_plugins import kernel, lookup_rows, scan_poles, scatter_rows, stream_poles

_BAND = 0.9 * math.pi
"""Initial energy of the fastest wave, just below the one at which a turn looks like a turn backwards."""
_FASTEST = 0.7
"""Damping rate of the mode that decays fastest, per token."""
_REST = 0.1
"""``ω₀``, the frequency of a wave of the lowest energy, per token; at 0 it would have no slope."""
DYNAMICS = ("unitary", "dissipative", "symplectic")


@attrs.frozen(kw_only=True)
class FieldEncoder:
    """An encoder whose embedding, reading, mass, potential and damping are all learned.

    State, with ``P = side²`` modes: ``embedding (vocab + 1, n)``; ``coeff_re``, ``coeff_im (P, n)``, by
    ascending energy; ``potential (side, side)``; ``log_mass``, a scalar; ``log_damping (P,)``. Dissipative
    modes are real, so they have no ``coeff_im``.
    """

    api_version: ClassVar[int] = 1

    n: int = option(64, help="dimension of a coordinate", low=2)
    reach: int = option(32, help="previous tokens that a coordinate depends on in training", low=2)
    side: int = option(
        4, help="sites along each side of the grid; there are as many modes as sites", low=3, high=16
    )
    dynamics: str = option("unitary", help="how the field evolves between tokens", choices=DYNAMICS)
    time: float = option(1.0, help="time that passes between two tokens; at 0 the field only forgets", low=0)
    horizon: float = option(64.0, help="tokens that the slowest mode remembers at first", low=2, high=1e6)
    disorder: float = option(
        0.3, help="standard deviation of the potential at first, as a share of the band", low=1e-3
    )
    scale: float = option(0.35, help="initial standard deviation of the most recent token's entries", low=0)

    @property
    def learned(self) -> tuple[str, ...]:
        """Names of the learned entries: the whole state."""
        reading = ("coeff_re",) if self.dynamics == "dissipative" else ("coeff_re", "coeff_im")
        return ("embedding", *reading, "potential", "log_mass", "log_damping")

    def init(self, vocab: int, *, generator: Generator) -> State:
        """Return random embedding, reading and potential; the modes of least energy last longest."""
        device, count = generator.device, self.side**2

        def noise(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device=device)

        rates = torch.logspace(-math.log10(self.horizon), math.log10(_FASTEST), count, device=device)
        state = {
            "embedding": noise(vocab + 1, self.n) * self.scale,
            "coeff_re": noise(count, self.n) / math.sqrt(count),
            "coeff_im": noise(count, self.n) / math.sqrt(count),
            "potential": noise(self.side, self.side) * self.disorder * _BAND / 4,
            "log_mass": torch.zeros((), device=device),
            "log_damping": rates.log(),
        }
        return {name: state[name] for name in self.learned}

    def encode(self, state: State, contexts: Tensor) -> Tensor:
        """Return coordinates ``(B, n)`` of contexts ``(B, L)``, ``L >= reach``, in the embedding's dtype."""
        width = max(self.reach, contexts.shape[-1])
        weights = kernel.impulse(self.modes(state).poles, _coeff(state), width)
        return lookup_rows((weights[:, None] * state["embedding"]).reshape(-1, self.n), contexts, width)

    def pullback(self, state: State, contexts: Tensor, dz: Tensor) -> State:
        """Return derivatives of ``sum(dz * encode(contexts))`` to everything that is learned."""
        modes, coeff = self.modes(state), _coeff(state)
        weights = kernel.impulse(modes.poles, coeff, contexts.shape[1])
        dtable = scatter_rows(contexts, dz, state["embedding"].shape[0])
        dk = (dtable * state["embedding"]).sum(1)
        dcoeff = kernel.impulse_pullback(modes.poles, dk)
        dlog = poles_pullback(modes.poles, coeff, dk).conj() * modes.poles  # with respect to log λ, conjugate
        denergy = self._denergy(modes.energies, dlog)
        moving = (modes.vectors * (self._kinetic(state) @ modes.vectors)).sum(0)
        found = {
            "embedding": (dtable * weights[:, None]).sum(0),
            "coeff_re": dcoeff.real.clone(),
            "coeff_im": dcoeff.imag.clone(),
            "potential": (modes.vectors.square() @ denergy).reshape(self.side, self.side),
            "log_mass": -(moving * denergy).sum(),
            "log_damping": -dlog.real * state["log_damping"].exp(),
        }
        return {name: found[name] for name in self.learned}

    def stream(self, state: State) -> State:
        """Return the field's modes after ``reach`` times the id ``vocab``, complex ``(P, n)``."""
        return stream_poles(self.modes(state).poles, state["embedding"], self.reach)

    def scan(self, state: State, stream: State, tokens: Tensor) -> tuple[State, Tensor]:
        """Drive the field with ``tokens (T,)`` and read it after each, ``(T, n)``."""
        return scan_poles(self.modes(state).poles, _coeff(state), state["embedding"], stream, tokens)

    def modes(self, state: State) -> Modes:
        """Return the modes of the field between two tokens."""
        energies, vectors = torch.linalg.eigh(self._kinetic(state) + state["potential"].reshape(-1).diag())
        fading, turning = self._rates(energies)
        sizes = (-state["log_damping"].exp() - self.time * fading).exp()
        return Modes(energies, torch.polar(sizes, -self.time * turning), vectors)

    def _rates(self, energies: Tensor) -> tuple[Tensor | float, Tensor]:
        """Return ``−Re μ`` and ``−Im μ``, ``(P,)``, of ascending energies ``(P,)``, per unit of time."""
        if self.dynamics == "unitary":
            return 0.0, energies
        above = energies - energies[0]
        if self.dynamics == "dissipative":
            return above, torch.zeros_like(above)
        return 0.0, (above + _REST**2).sqrt()

    def _denergy(self, energies: Tensor, dlog: Tensor) -> Tensor:
        """Return derivatives with respect to energies ``(P,)`` from those to ``log λ``, complex ``(P,)``."""
        if self.dynamics == "unitary":
            return self.time * dlog.imag
        if self.dynamics == "dissipative":
            denergy = -self.time * dlog.real
        else:
            denergy = self.time * dlog.imag / (2 * (energies - energies[0] + _REST**2).sqrt())
        denergy[0] -= denergy.sum()  # all energies are relative to the lowest
        return denergy

    def _kinetic(self, state: State) -> Tensor:
        """Return ``K/m``, real symmetric ``(P, P)``."""
        like = state["potential"]
        return _waves(self.side).to(like) / state["log_mass"].exp()


class Modes(NamedTuple):
    """The eigenstates of ``H``, by rising energy."""

    energies: Tensor
    """``E (P,)``, in units of ħ per token."""
    poles: Tensor
    """``λ (P,)``."""
    vectors: Tensor
    """``u``, orthonormal columns ``(P, P)``."""


def _waves(side: int) -> Tensor:
    """Return ``−Δ`` of the grid as a matrix ``(P, P)``, scaled to a largest eigenvalue of :data:`_BAND`."""
    # Unequal spacings separate the axes: degenerate energies have no derivatives of their own.
    grid = Grid(shape=(side, side), spacing=(1.0, 1.2))
    unit = torch.eye(side**2, dtype=torch.float64).reshape(side, side, side**2)
    return -grid.laplacian(unit).reshape(side**2, side**2) * (_BAND / grid.largest())


def _coeff(state: State) -> Tensor:
    real = state["coeff_re"]
    return torch.complex(real, state.get("coeff_im", torch.zeros_like(real)))
