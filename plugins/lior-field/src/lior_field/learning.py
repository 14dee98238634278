"""Learning the field's own numbers: masses, potentials and the poles of memory.

The objectives here are probes (:class:`lior.interfaces.Probe`): the updaters that learn the geometry of a
text, ``contrastive`` and ``spsa``, learn these numbers unchanged (:func:`learn`). The names of the parameters
say which are learned (:mod:`lior_field.tuning`).

:class:`Equilibrium` learns from fields at rest by two phases (B. Scellier and Y. Bengio, *Front. Comput.
Neurosci.* 11 (2017) 24). Under the source ``J`` a damped field, ``∂T/∂τ = −(H T − J)/ħ``, comes to rest where

    F(T) = ½ ⟨T, H T⟩ − Re ⟨J, T⟩

is least, which conjugate gradients find without a step of time. A nudge ``β`` adds ``β C`` with
``C = ½ Σ √g |T − T*|²`` over the sites observed: an energy of the same form, with the potential ``V + β``
and the source ``J + β T*`` there. ``[∂F(T_β) − ∂F(T_0)]/β`` tends to the derivative of ``C`` at rest, and the
mean over ``±β`` is off by ``O(β²)`` (A. Laborieux and others, *Front. Neurosci.* 15 (2021) 633674). What it
needs is local: ``∂F/∂V = ½ √g |T|²`` and ``∂F/∂ log m = −½ ⟨T, K T⟩``; with memory ``J_t = Σ_j K(j) D_{t−j}``
is what is remembered of drives ``D``, and ``∂F/∂J = −√g T``.

:class:`Trajectory` learns from a field that moves, by simultaneous perturbation: it has losses only.
:class:`Filtered` learns a memory's kernel from what went in and what came out.
"""

from __future__ import annotations

import math

import attrs
import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.geometry import kernel as filters
from lior.geometry.kernel import Kernel
from lior.interfaces import Probe, State, Updater
from lior_field.dynamics import Dissipative, Symplectic, Unitary
from lior_field.grid import spread
from lior_field.hamiltonian import Hamiltonian
from lior_field.memory import filter_pullback
from lior_field.tuning import kernel_of, kernel_slopes, restore, system_numbers, tuned

_PAST = ("field", "momentum", "norm", "modes")
"""What a state knows of the past; all else in it follows from the numbers of the system."""


def learn(probe: Probe, params: State, updater: Updater, *, updates: int, generator: Generator) -> State:
    """``params`` after so many updates, whose size falls linearly to 0."""
    state = updater.init(params)
    for update in range(updates):
        scale = 1 - update / updates
        params, state, _ = updater.step(params, state, probe, scale=scale, generator=generator)
    return params


# --- fields at rest ---------------------------------------------------------


def _mask(sites: Tensor | None) -> Tensor:
    """1 where the field is observed, else 0: a scalar, or ``(Nx, Ny)``."""
    return torch.ones((), dtype=torch.float64) if sites is None else sites.double().cpu()


def _fit(what: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if value.shape != shape:
        raise UsageError(f"{what} of shape {tuple(value.shape)}: allowed is {tuple(shape)}")


@attrs.frozen(kw_only=True, eq=False)
class Equilibrium:
    """Fields at rest under ``S`` drives, and what was observed of them. Nothing of the snapshot is changed.

    Learned: mass, potential (one number or one for each site) and, with memory, the numbers of its kernel.

    Raises
    ------
    UsageError
        If the shapes do not fit, or a potential that is learned falls to 0: learn its logarithm.
    """

    hamiltonian: Hamiltonian
    """Holds the numbers that are not learned."""
    snapshot: State
    """``field``, of the drives' shape, where every phase begins, and with memory ``modes``.

    ``modes (P, 2 · Nx · Ny · ...)``, as in :class:`lior_field.memory.FieldMemory`, are those of the drives
    that came before; without them there were none.
    """
    drives: Tensor
    """Complex ``(Nx, Ny, ..., S)``; with memory in their order in time, the oldest first."""
    targets: Tensor
    """``T*``, of the drives' shape; what it holds at sites that are not observed does not matter."""
    sites: Tensor | None = None
    """Which sites are observed, boolean ``(Nx, Ny)``; ``None`` for all."""
    kernel: Kernel | None = None
    """The memory of drives, if they act through one and its numbers are not all learned."""

    def __attrs_post_init__(self) -> None:
        if self.drives.ndim < 3:
            raise UsageError("drives: allowed is (Nx, Ny, ..., S), their number last")
        _fit("targets", self.targets, self.drives.shape)
        _fit("field of the snapshot", self.snapshot["field"], self.drives.shape)

    def fields(self, params: State, nudge: float = 0.0) -> Tensor:
        """The fields at rest, pulled to the targets by a finite ``nudge``, ``(Nx, Ny, ..., S)``."""
        h, pull = self._hamiltonian(params), nudge * _mask(self.sites)
        source = self._source(kernel_of(params, self.kernel))
        source = source + spread(pull.to(source.device), source) * self.targets
        return attrs.evolve(h, potential=h.potential + pull).relaxed(source, self.snapshot["field"])

    def loss(self, params: State) -> float:
        """Mean of ``C`` over the drives, in squared units of the field times an area."""
        away = self._away(self.fields(params))
        return float(self.hamiltonian.grid.norm(away).square()) / (2 * away.shape[-1])

    def phases(self, params: State, nudge: float) -> State:
        """``[∂F(T_β) − ∂F(T_0)]/β``, mean over the drives; for ``β = ∞`` the derivative of the loss itself.

        The latter is the limit of weak nudges, by the response ``dT/dβ = −H⁻¹ (T − T*)`` at the sites
        observed.

        Raises
        ------
        UsageError
            When a negative nudge is as strong as the potential, or a number has no part in ``F``.
        """
        if nudge == 0:
            return {name: torch.zeros_like(value) for name, value in params.items()}
        free = self.fields(params)
        if math.isinf(nudge):
            return self._slopes(params, free, self._hamiltonian(params).relaxed(-self._away(free)))
        nudged = self.fields(params, nudge)
        return self._slopes(params, (nudged + free) / 2, (nudged - free) / nudge)

    def _slopes(self, params: State, t: Tensor, change: Tensor) -> State:
        """The change of ``∂F/∂θ`` as the field changes by ``change`` about ``t``.

        ``F`` is of second order in the field, so that this is exact for finite changes: ``½|a|² − ½|b|²`` is
        the real part of the product of the conjugate of ``(a + b)/2`` and ``a − b``.
        """
        h, count = self._hamiltonian(params), t.shape[-1]
        volume = spread(h.grid.volume.to(t.device), t) / count
        still = (volume * (t.conj() * change).real).flatten(2).sum(2)
        moving = h.scale * h.grid.inner(t, h.grid.laplacian(change)).real / count
        slopes = {"potential": still, "log_potential": still * h.potential.to(t.device), "log_mass": moving}
        found = {n: s.to(params[n]).sum_to_size(params[n].shape) for n, s in slopes.items() if n in params}
        if (modes := kernel_of(params, self.kernel)) is not None:
            dm, past = -_channels(volume * change), self.snapshot.get("modes")
            found |= kernel_slopes(
                params, modes.poles, filter_pullback(*modes, _channels(self.drives), dm, past)
            )
        if missing := set(params) - set(found):
            raise UsageError(
                f"a field at rest does not teach {sorted(missing)[0]!r}: it teaches {sorted(slopes)}"
            )
        return found

    def _hamiltonian(self, params: State) -> Hamiltonian:
        return tuned(self.hamiltonian, system_numbers(params))

    def _away(self, t: Tensor) -> Tensor:
        """``T − T*`` at the sites observed, elsewhere 0."""
        return spread(_mask(self.sites).to(t.device), t) * (t - self.targets)

    def _source(self, modes: Kernel | None) -> Tensor:
        if modes is None:
            return self.drives
        recalled = filters.scan(*modes, _channels(self.drives), self.snapshot.get("modes"))[0]
        shape = (-1, *self.drives.shape[:-1], 2)
        return torch.view_as_complex(recalled.reshape(shape).contiguous()).movedim(0, -1)


def _channels(fields: Tensor) -> Tensor:
    """``(Nx, Ny, ..., S)`` as a sequence of real numbers, ``(S, 2 · Nx · Ny · ...)``."""
    return torch.view_as_real(fields.movedim(-1, 0).contiguous()).flatten(1)


# --- fields that move -------------------------------------------------------


@attrs.frozen(kw_only=True, eq=False)
class Trajectory:
    """A field that moves, and what was observed of it: an objective for the updater ``spsa``.

    Learned: any number of the system, and with memory those of the kernel. Every loss begins with the same
    snapshot and draws the same noise (common random numbers).

    Raises
    ------
    UsageError
        If the shapes do not fit, or noise has no generator; in a loss for numbers that the system does not
        allow, such as a mass so small that the step of time is too long.
    """

    system: Unitary | Dissipative | Symplectic
    """Holds the numbers that are not learned."""
    snapshot: State
    """``field``, and what else is known of the past (:func:`lior_field.tuning.take`).

    Without ``momentum`` the field is at rest; without ``modes`` it never changed before, whatever the poles.
    """
    observed: Tensor
    """The field after every ``every`` steps, ``(S, Nx, Ny, ...)``."""
    every: int = 1
    drives: Tensor | None = None
    """``(S · every, Nx, Ny, ...)``, for each step."""
    noise: float = 0.0
    """Standard deviation of a random drive, drawn anew at each step; needs a generator in the snapshot."""
    sites: Tensor | None = None
    """Which sites are observed, boolean ``(Nx, Ny)``; ``None`` for all."""

    def __attrs_post_init__(self) -> None:
        count, shape = len(self.observed), self.snapshot["field"].shape
        _fit("observations", self.observed, (count, *shape))
        if self.drives is not None:
            _fit("drives", self.drives, (count * self.every, *shape))
        if self.noise and "generator" not in self.snapshot:
            raise UsageError("noise: the snapshot must be taken with the generator that draws it")

    def fields(self, params: State) -> Tensor:
        """The field at the times observed, ``(S, Nx, Ny, ...)``."""
        system = tuned(self.system, params)
        draw = torch.Generator(self.observed.device) if "generator" in self.snapshot else None
        kept, found = restore(self.snapshot, draw), []
        state = system.start(kept["field"])
        state |= {name: kept[name] for name in _PAST if name in kept and name in state}
        for step in range(len(self.observed) * self.every):
            drive = None if self.drives is None else self.drives[step]
            if self.noise:
                field = state["field"]
                random = torch.randn(field.shape, dtype=field.dtype, device=field.device, generator=draw)
                drive = self.noise * random + (0 if drive is None else drive)
            state = system.step(state, drive=drive)
            found.append(state["field"])
        return torch.stack(found[self.every - 1 :: self.every])

    def loss(self, params: State) -> float:
        """Mean of ``½ Σ √g |T − T*|²`` over the times observed; squared units of the field times an area."""
        away = (self.fields(params) - self.observed).movedim(0, -1)
        away = spread(_mask(self.sites).to(away.device), away) * away
        grid = self.system.grid if isinstance(self.system, Symplectic) else self.system.hamiltonian.grid
        return float(grid.norm(away).square()) / (2 * len(self.observed))

    def phases(self, params: State, nudge: float) -> State:
        """None.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError("a field that moves is not the minimum of an energy and has no phases: use spsa")


@attrs.frozen(kw_only=True, eq=False)
class Filtered:
    """What went into a memory and what came out, ``(T, d)`` each, real: learns the kernel's numbers.

    The energy is ``½ |m − K ∗ x|²``, mean over time, and the nudge ``β`` times ``½ |m − m*|²``.
    """

    x: Tensor
    observed: Tensor
    """``m*``."""
    kernel: Kernel | None = None
    """Holds the numbers that are not learned."""
    modes: Tensor | None = None
    """Of the past, complex ``(P, d)``; without them there was none."""

    def loss(self, params: State) -> float:
        """Mean over time of ``½ |m − m*|²``."""
        return float((self._recalled(params)[1] - self.observed).square().sum()) / (2 * len(self.x))

    def phases(self, params: State, nudge: float) -> State:
        """The difference of the two phases, for ``β = ∞`` the derivative of the loss.

        The nudged phase is at ``m + (m* − m) β/(1 + β)``: the difference is the derivative over ``1 + β``.

        Raises
        ------
        UsageError
            For a nudge of −1 or below: nothing would come to rest.
        """
        if not nudge > -1:
            raise UsageError(f"nudge {nudge:g}: allowed is a number above −1")
        if nudge == 0:
            return {name: torch.zeros_like(value) for name, value in params.items()}
        kernel, m = self._recalled(params)
        share = len(self.x) * (1 if math.isinf(nudge) else 1 + nudge)
        found = filter_pullback(*kernel, self.x, (m - self.observed) / share, self.modes)
        return kernel_slopes(params, kernel.poles, found)

    def _recalled(self, params: State) -> tuple[Kernel, Tensor]:
        if (kernel := kernel_of(params, self.kernel)) is None:
            raise UsageError("nothing to learn: name numbers of the kernel")
        return kernel, filters.scan(*kernel, self.x, self.modes)[0]
