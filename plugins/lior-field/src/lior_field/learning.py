"""Learning the field's own numbers: masses, potentials and the poles of memory.

The objectives here are probes (:class:`lior.interfaces.Probe`): the updaters that learn the geometry of a
text, ``contrastive`` and ``spsa``, learn these numbers unchanged (:func:`learn`). The names of the
parameters determine which numbers are learned:

===============================  ==================================================================
``log_mass``, ``log_potential``  the logarithm of a number of the Hamiltonian, which so stays above 0
``potential``                    the number or tensor itself
``log_rate``, ``frequency``      poles ``λ = exp(−e^r + iω)``, ``(P,)``, always inside the unit circle
``coeff_re``, ``coeff_im``       coefficients of the poles, ``(P,)``
===============================  ==================================================================

:class:`Equilibrium` learns from fields at rest by two phases (B. Scellier and Y. Bengio, *Front. Comput.
Neurosci.* 11 (2017) 24). Under the source ``J`` a damped field, ``∂T/∂τ = −(H T − J)/ħ``, comes to rest at
the minimum of

    F(T) = ½ ⟨T, H T⟩ − Re ⟨J, T⟩.

Conjugate gradients find it without time steps. A nudge ``β`` adds ``β C`` with ``C = ½ Σ √g |T − T*|²``
over the observed sites. This is an energy of the same form, with the potential ``V + β`` and the source ``J
+ β T*`` there. ``[∂F(T_β) − ∂F(T_0)]/β`` tends to the derivative of ``C`` at rest, and the mean over ``±β``
has an error of ``O(β²)`` (A. Laborieux and others, *Front. Neurosci.* 15 (2021) 633674). The derivatives
are local: ``∂F/∂V = ½ √g |T|²`` and ``∂F/∂ log m = −½ ⟨T, K T⟩``.

:class:`Filtered` learns a memory's kernel from its inputs and outputs.
"""

from __future__ import annotations

import math
from typing import Any

import attrs
import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.interfaces import Probe, State, Updater
from lior_field.grid import spread
from lior_field.hamiltonian import Hamiltonian
from lior_field.memory import FilterPullback, filter_pullback
from lior_plugins import kernel as filters
from lior_plugins.kernel import Kernel

_HAMILTONIAN = ("potential", "log_potential", "log_mass")


def learn(probe: Probe, params: State, updater: Updater, *, updates: int, generator: Generator) -> State:
    """Return ``params`` after ``updates`` updates, whose size falls linearly to 0."""
    state = updater.init(params)
    for update in range(updates):
        scale = 1 - update / updates
        params, state, _ = updater.step(params, state, probe, scale=scale, generator=generator)
    return params


# --- the numbers of a kernel ------------------------------------------------


def numbers(kernel: Kernel) -> State:
    """Return the learned form of a kernel of non-zero poles inside the unit circle: float64 ``(P,)`` each."""
    rate, frequency = -kernel.poles.abs().log(), kernel.poles.angle()
    coeff = {"coeff_re": kernel.coeff.real.clone(), "coeff_im": kernel.coeff.imag.clone()}
    return {"log_rate": rate.log(), "frequency": frequency, **coeff}


def kernel_of(params: State) -> Kernel:
    """Return the kernel that ``params`` describe; missing frequencies and imaginary parts are 0.

    Raises
    ------
    UsageError
        When rates or coefficients are missing.
    """
    if not {"log_rate", "coeff_re"} <= set(params):
        raise UsageError("memory kernel: both log_rate and coeff_re are needed")
    rate, real = params["log_rate"].double(), params["coeff_re"].double()
    frequency, imaginary = params.get("frequency", 0 * rate), params.get("coeff_im", 0 * real)
    poles = torch.polar((-rate.exp()).exp(), frequency.double())
    return Kernel(poles, torch.complex(real, imaginary.double()))


def _kernel_slopes(params: State, poles: Tensor, found: FilterPullback) -> State:
    """Return derivatives for the kernel's numbers among ``params``, from those for poles and coefficients."""
    along = found.poles.conj() * poles  # with respect to log λ, conjugate
    slopes = {
        "log_rate": along.real * poles.abs().log(),
        "frequency": -along.imag,
        "coeff_re": found.coeff.real,
        "coeff_im": found.coeff.imag,
    }
    return {name: slope.to(params[name]) for name, slope in slopes.items() if name in params}


# --- fields at rest ---------------------------------------------------------


def _mask(sites: Tensor | None) -> Tensor:
    """Return 1 at observed sites, else 0: a scalar, or ``(Nx, Ny)``."""
    return torch.ones((), dtype=torch.float64) if sites is None else sites.double().cpu()


def _fit(what: str, value: Tensor, shape: tuple[int, ...]) -> None:
    if value.shape != shape:
        raise UsageError(f"{what} of shape {tuple(value.shape)}: allowed is {tuple(shape)}")


@attrs.frozen(kw_only=True, eq=False)
class Equilibrium:
    """Fields at rest under ``S`` drives, and their observations. The snapshot is not changed.

    Learned: mass, and potential (one number or one for each site).

    Raises
    ------
    UsageError
        If the shapes do not fit, or a potential that is learned falls to 0: learn its logarithm.
    """

    hamiltonian: Hamiltonian
    """The Hamiltonian with the numbers that are not learned."""
    snapshot: State
    """Start of every phase: ``field``, in the drives' shape."""
    drives: Tensor
    """Drives, complex ``(Nx, Ny, ..., S)``."""
    targets: Tensor
    """``T*``, in the drives' shape; its values at sites that are not observed do not matter."""
    sites: Tensor | None = None
    """Mask of the observed sites, boolean ``(Nx, Ny)``; ``None`` for all."""

    def __attrs_post_init__(self) -> None:
        if self.drives.ndim < 3:
            raise UsageError("drives: allowed is (Nx, Ny, ..., S), their number last")
        _fit("targets", self.targets, self.drives.shape)
        _fit("field of the snapshot", self.snapshot["field"], self.drives.shape)

    def fields(self, params: State, nudge: float = 0.0) -> Tensor:
        """Return the fields at rest, pulled to the targets by a finite ``nudge``, ``(Nx, Ny, ..., S)``."""
        h, pull = self._hamiltonian(params), nudge * _mask(self.sites)
        source = self.drives + spread(pull.to(self.drives.device), self.drives) * self.targets
        return attrs.evolve(h, potential=h.potential + pull).relaxed(source, self.snapshot["field"])

    def loss(self, params: State) -> float:
        """Return the mean of ``C`` over the drives, in squared units of the field times an area."""
        away = self._away(self.fields(params))
        return float(self.hamiltonian.grid.norm(away).square()) / (2 * away.shape[-1])

    def phases(self, params: State, nudge: float) -> State:
        """Return ``[∂F(T_β) − ∂F(T_0)]/β``, mean over the drives; for ``β = ∞`` the derivative of the loss
        itself.

        The latter is the limit of weak nudges, by the response ``dT/dβ = −H⁻¹ (T − T*)`` at the observed
        sites.

        Raises
        ------
        UsageError
            When a negative nudge is as strong as the potential, or a number does not enter ``F``.
        """
        if nudge == 0:
            return {name: torch.zeros_like(value) for name, value in params.items()}
        free = self.fields(params)
        if math.isinf(nudge):
            return self._slopes(params, free, self._hamiltonian(params).relaxed(-self._away(free)))
        nudged = self.fields(params, nudge)
        return self._slopes(params, (nudged + free) / 2, (nudged - free) / nudge)

    def _slopes(self, params: State, t: Tensor, change: Tensor) -> State:
        """Return the change of ``∂F/∂θ`` as the field changes by ``change`` about ``t``.

        ``F`` is quadratic in the field, so this is exact for finite changes: ``½|a|² − ½|b|²`` is the real
        part of ``conj((a + b)/2) (a − b)``.
        """
        h, count = self._hamiltonian(params), t.shape[-1]
        volume = spread(h.grid.volume.to(t.device), t) / count
        still = (volume * (t.conj() * change).real).flatten(2).sum(2)
        moving = h.scale * h.grid.inner(t, h.grid.laplacian(change)).real / count
        slopes = {"potential": still, "log_potential": still * h.potential.to(t.device), "log_mass": moving}
        return {n: s.to(params[n]).sum_to_size(params[n].shape) for n, s in slopes.items() if n in params}

    def _hamiltonian(self, params: State) -> Hamiltonian:
        if unknown := set(params) - {*_HAMILTONIAN}:
            raise UsageError(f"a field at rest does not teach {min(unknown)!r}: it teaches {_HAMILTONIAN}")
        own: dict[str, Any] = {}
        for name in params:
            value = params[name].exp() if name.startswith("log_") else params[name]
            own[name.removeprefix("log_")] = value if value.ndim else float(value)
        return attrs.evolve(self.hamiltonian, **own)

    def _away(self, t: Tensor) -> Tensor:
        """Return ``T − T*`` at the observed sites, elsewhere 0."""
        return spread(_mask(self.sites).to(t.device), t) * (t - self.targets)


# --- memory -----------------------------------------------------------------


@attrs.frozen(kw_only=True, eq=False)
class Filtered:
    """Inputs and outputs of a memory, real ``(T, d)`` each, from which the kernel's numbers are learned.

    The energy is ``½ |m − K ∗ x|²``, mean over time, and the nudge ``β`` times ``½ |m − m*|²``.
    """

    x: Tensor
    observed: Tensor
    """Observed outputs ``m*``."""

    def loss(self, params: State) -> float:
        """Return the mean over time of ``½ |m − m*|²``."""
        return float((self._recalled(params)[1] - self.observed).square().sum()) / (2 * len(self.x))

    def phases(self, params: State, nudge: float) -> State:
        """Return the difference of the two phases, for ``β = ∞`` the derivative of the loss.

        The nudged phase is at ``m + (m* − m) β/(1 + β)``: the difference is the derivative over ``1 + β``.

        Raises
        ------
        UsageError
            For a nudge of −1 or below: the field would not come to rest.
        """
        if not nudge > -1:
            raise UsageError(f"nudge {nudge:g}: allowed is a number above −1")
        if nudge == 0:
            return {name: torch.zeros_like(value) for name, value in params.items()}
        kernel, m = self._recalled(params)
        share = len(self.x) * (1 if math.isinf(nudge) else 1 + nudge)
        found = filter_pullback(*kernel, self.x, (m - self.observed) / share)
        return _kernel_slopes(params, kernel.poles, found)

    def _recalled(self, params: State) -> tuple[Kernel, Tensor]:
        kernel = kernel_of(params)
        return kernel, filters.scan(*kernel, self.x)[0]
