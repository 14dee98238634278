"""Time evolution of a field: unitary, dissipative and symplectic.

===========  =================================================  ==========================================
unitary      ``iħ ∂T/∂t = H T + J``                             keeps ``⟨T, T⟩``, and ``⟨H⟩`` on average
dissipative  ``∂T/∂τ = −(H − ⟨H⟩) T/ħ`` and pulls               keeps ``⟨T, T⟩``, lowers ``⟨H⟩``
symplectic   ``dT/dt = P/m``, ``dP/dt = −∂W/∂T + F``            keeps a shadow energy; reversible
===========  =================================================  ==========================================

Each class holds the constants and one step ``dt``; ``start`` creates a state, a dict of tensors, and
``step`` returns the next one without changing its argument. ``start`` raises ``UsageError`` for a field that
:meth:`Grid.field` refuses, ``step`` for a drive that :meth:`Grid.source` does. ``drive``, in the field's
shape, is the source, the evidence or the force. ``limit`` is the largest allowed ``dt``, in the unit of time.
"""

from __future__ import annotations

import math
from functools import cached_property

import attrs
import torch
from torch import Tensor

from lior.errors import UsageError
from lior.interfaces import State
from lior_field.grid import Grid, parts, spread
from lior_field.hamiltonian import Hamiltonian
from lior_field.memory import FieldMemory
from lior_plugins.kernel import Kernel


def _within(dt: float, limit: float, why: str) -> None:
    if not 0 < dt <= limit:
        raise UsageError(f"time step {dt:.6g}: allowed is a number above 0 and up to {limit:.6g}, {why}")


@attrs.define(kw_only=True, eq=False)
class Unitary:
    """Schrödinger's equation with a source, by operator splitting.

    (M. Feit, J. Fleck and A. Steiger, *J. Comput. Phys.* 47 (1982) 412.)

    A step is ``exp(−iV dt/2ħ) exp(−iK dt/ħ) exp(−iV dt/2ħ)``, with the kinetic part in Fourier space. If
    the metric depends on the place, it is the exponential of the whole ``H`` by Chebyshev polynomials. A
    source acts half before and half after. A step beyond the limit turns the fastest wave by more than π,
    which looks like a slower wave that turns back.

    Raises
    ------
    UsageError
        If ``dt`` is above the limit.
    """

    hamiltonian: Hamiltonian
    dt: float
    """Time step, in the unit of ``ħ`` divided by the unit of energy."""

    def __attrs_post_init__(self) -> None:
        _within(self.dt, self.limit, "π ħ over the range of energies")

    @property
    def limit(self) -> float:
        """``π ħ / (E_max − E_min)``, in the unit of time, with :attr:`Hamiltonian.bounds`."""
        low, high = self.hamiltonian.bounds
        return math.pi * self.hamiltonian.hbar / max(high - low, 1e-300)

    def start(self, field: Tensor) -> State:
        """Return the field alone."""
        return {"field": self.hamiltonian.grid.field(field)}

    def step(self, state: State, *, drive: Tensor | None = None) -> State:
        """Make one step; ``drive`` is the source ``J``, constant, an energy times the field's unit."""
        t, rate = state["field"], -1j * self.dt / self.hamiltonian.hbar
        t = t.to(torch.promote_types(t.dtype, torch.complex64))
        drive = self.hamiltonian.grid.source(drive, t, "drive")
        if drive is not None:
            t = t + rate / 2 * drive
        if self.hamiltonian.grid.uniform:
            half, kinetic = self._factors
            half = spread(half, t)
            t = self.hamiltonian.grid.filter(kinetic, half * t).mul_(half)
        else:
            t = self.hamiltonian.exponential(t, rate)
        return {"field": t if drive is None else t + rate / 2 * drive}

    def energy(self, state: State) -> Tensor:
        """Return ``⟨T, H T⟩ / ⟨T, T⟩``, an energy."""
        return self.hamiltonian.energy(state["field"])

    @cached_property
    def _factors(self) -> tuple[Tensor, Tensor]:
        """``exp(−iV dt/2ħ)`` of each site and ``exp(−iK dt/ħ)`` of each wave."""
        h, rate = self.hamiltonian, -1j * self.dt / self.hamiltonian.hbar
        half = torch.exp(rate / 2 * h.potential.expand(h.grid.shape))
        return half, torch.exp(rate * h.scale * h.grid.symbol())


@attrs.define(kw_only=True, eq=False)
class Dissipative:
    """Imaginary time, which ends in the ground state, and two pulls, each a convex step.

    The pull of *evidence* ``E``, weight ``λ_QR``, is towards the posterior of Bayes' rule with the
    likelihood ``w = exp(−|T − E|²/τ)``: ``B = √w T · ‖T‖/‖√w T‖``. The pull of *memory*, weight ``λ_F``, is
    towards the recalled field. ``T ← (1 − λ dt) T + λ dt B`` stays between the two for ``λ dt <= 1``. Every
    step restores the initial norm.

    Raises
    ------
    UsageError
        If ``dt`` is above the limit, or a weight or ``tau`` is not allowed.
    """

    hamiltonian: Hamiltonian
    dt: float
    """Time step, in the unit of ``ħ`` divided by the unit of energy."""
    bayes: float = 0.0
    """``λ_QR >= 0``, per unit of time; without evidence there is no pull."""
    tau: float = 0.5
    """``τ > 0``, in the unit of ``|T|²``."""
    remembering: float = 0.0
    """``λ_F >= 0``, per unit of time."""
    kernel: Kernel | None = None
    """The memory's kernel, in steps; needed with ``remembering``."""

    def __attrs_post_init__(self) -> None:
        if not (min(self.bayes, self.remembering) >= 0 and self.tau > 0):
            raise UsageError("weights of evidence and memory must not be below 0, and tau must be above 0")
        if self.remembering and self.kernel is None:
            raise UsageError("a weight of memory needs a kernel")
        _within(self.dt, self.limit, "1 over the sum of the weights of evidence and memory")

    @property
    def limit(self) -> float:
        """``1/(λ_QR + λ_F)``, in the unit of time; without pulls any finite step is allowed."""
        total = self.bayes + self.remembering
        return 1 / total if total else torch.finfo(torch.float64).max

    def start(self, field: Tensor) -> State:
        """Return the field, its norm and, with memory, the modes of a constant past."""
        field = self.hamiltonian.grid.field(field)
        state = {"field": field, "norm": self.hamiltonian.grid.norm(field)}
        if not state["norm"] > 0:
            raise UsageError(
                "the field is 0 everywhere: its norm, which every step restores, must be above 0"
            )
        if self.remembering and self.kernel is not None:
            memory = FieldMemory.start(self.kernel, field)
            state |= {"modes": memory.modes, "poles": memory.kernel.poles, "coeff": memory.kernel.coeff}
        return state

    def step(self, state: State, *, drive: Tensor | None = None) -> State:
        """Make one step; ``drive`` is the evidence ``E``, in the field's unit."""
        t = self.hamiltonian.exponential(state["field"], complex(-self.dt / self.hamiltonian.hbar))
        drive = self.hamiltonian.grid.source(drive, t, "drive")
        if (drive is not None and self.bayes) or "modes" in state:
            # Pulls are weighed against a field with the initial norm.
            t = self._normal(t, state["norm"])
        if drive is not None and self.bayes:
            t = t + self.bayes * self.dt * (self.posterior(t, drive) - t)
        after = dict(state)
        if "modes" in state:
            memory = FieldMemory(Kernel(state["poles"], state["coeff"]), state["modes"])
            t = t + self.remembering * self.dt * (memory.recall(t) - t)
        t = self._normal(t, state["norm"])
        if "modes" in state:
            after["modes"] = memory.after(t).modes
        return after | {"field": t}

    def posterior(self, t: Tensor, evidence: Tensor) -> Tensor:
        """Return ``B``, with the norm of ``T``."""
        # Scaled to a largest weight of 1: the constant cancels, and not all weights round to 0.
        exponent = -(t - evidence).abs().square() / self.tau
        b = torch.exp((exponent - exponent.max()) / 2) * t
        return self._normal(b, self.hamiltonian.grid.norm(t))

    def energy(self, state: State) -> Tensor:
        """Return ``⟨T, H T⟩ / ⟨T, T⟩``, an energy."""
        return self.hamiltonian.energy(state["field"])

    def _normal(self, t: Tensor, norm: Tensor) -> Tensor:
        return t * (norm / self.hamiltonian.grid.norm(t))


@attrs.define(kw_only=True, eq=False)
class Symplectic:
    """``W = k/2 Σ|T − T_eq|² + κ/2 Σ|∇T|²`` and ``Σ|P|²/2m``, by velocity Verlet.

    (L. Verlet, *Phys. Rev.* 159 (1967) 98.)

    Sums are over sites with their volume; ``|∇T|²`` is taken in the metric. For a wave of angular frequency
    ``ω`` the energy oscillates by a share ``(ω dt)²/4`` after release from rest, without drift; the step is
    exactly reversible.

    Raises
    ------
    UsageError
        If ``dt`` is above the limit, or a constant is not allowed.
    """

    grid: Grid
    dt: float
    """Time step, in the unit of ``√(m/k)``."""
    mass: float = 1.0
    """``m > 0``, in ``k``'s unit times a squared time."""
    stiffness: float = 0.01
    """``k >= 0``, an energy per area and squared unit of the field."""
    tension: float = 0.0
    """``κ >= 0``, in ``k``'s unit times a squared length."""
    rest: Tensor | float = 0.0
    """``T_eq``, a number or a tensor in the field's shape."""

    def __attrs_post_init__(self) -> None:
        if not (
            self.mass > 0 and min(self.stiffness, self.tension) >= 0 and self.stiffness + self.tension > 0
        ):
            raise UsageError(
                f"mass {self.mass}, stiffness {self.stiffness}, tension {self.tension}: "
                "the mass must be above 0, the others not below, and one of them above"
            )
        _within(self.dt, self.limit, "2 over the largest frequency")

    @property
    def limit(self) -> float:
        """``2/ω_max``, in the unit of time, with ``ω²_max = (k + κ λ)/m``, ``λ`` of :meth:`Grid.largest`."""
        return 2 * math.sqrt(self.mass / (self.stiffness + self.tension * self.grid.largest()))

    def start(self, field: Tensor) -> State:
        """Return the field at rest."""
        field = self.grid.field(field)
        rest = torch.as_tensor(self.rest)
        self.grid.source(rest if isinstance(self.rest, Tensor) else rest.expand_as(field), field, "rest")
        if not bool(rest.isfinite().all()):
            raise UsageError("rest must be finite at every site")
        return {"field": field, "momentum": torch.zeros_like(field)}

    def step(self, state: State, *, drive: Tensor | None = None) -> State:
        """Make one step; ``drive`` is the force per area, constant, in the field's shape and dtype."""
        t, p = state["field"], state["momentum"].clone()
        drive = self.grid.source(drive, t, "drive")
        self._kick(p, t, drive)
        t = t.clone()
        parts(t).add_(parts(p), alpha=self.dt / self.mass)
        self._kick(p, t, drive)
        return {"field": t, "momentum": p}

    def energy(self, state: State) -> Tensor:
        """Return kinetic and potential energy, summed over the area, without the energy of the force."""
        t, p = state["field"], state["momentum"]
        away = t - self.rest
        bent = self.grid.inner(t, self.grid.laplacian(t)).real
        still = self.stiffness * self.grid.norm(away).square() - self.tension * bent
        return self.grid.norm(p).square() / (2 * self.mass) + still / 2

    def _kick(self, p: Tensor, t: Tensor, drive: Tensor | None) -> None:
        """Add the force of half a step to ``p``."""
        half = self.dt / 2
        parts(p).add_(parts(t), alpha=-half * self.stiffness)
        if self.tension:
            self.grid.add_laplacian(p, t, half * self.tension)
        if isinstance(self.rest, Tensor) or self.rest:
            p.add_(half * self.stiffness * self.rest)
        if drive is not None:
            p.add_(drive, alpha=half)
