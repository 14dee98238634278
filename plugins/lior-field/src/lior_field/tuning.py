"""The state and the numbers of a system as dictionaries of tensors: to keep, to put back, to learn.

Names say what a number is:

=============================  ====================================================================
``log_mass``, ``log_tau``, …   the logarithm of a number of the system, which so stays above 0
``potential``, ``rest``, …     a number or tensor of the system itself
``log_rate``, ``frequency``    poles ``λ = exp(−e^r + iω)``, ``(P,)``, always inside the unit circle
``coeff_re``, ``coeff_im``     coefficients of the poles, ``(P,)``
=============================  ====================================================================
"""

from __future__ import annotations

from typing import Any, TypeVar

import attrs
import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.geometry.kernel import Kernel
from lior.interfaces import State
from lior_field.dynamics import Dissipative, Symplectic, Unitary
from lior_field.hamiltonian import Hamiltonian
from lior_field.memory import FilterPullback

_KERNEL = ("log_rate", "frequency", "coeff_re", "coeff_im")

System = TypeVar("System", bound=Hamiltonian | Unitary | Dissipative | Symplectic)


# --- snapshots --------------------------------------------------------------


def take(state: State, generator: Generator | None = None) -> State:
    """A copy of all that a run depends on: a ``state`` of the dynamics and, as ``generator``, its draws."""
    draws = {} if generator is None else {"generator": generator.get_state()}
    return {name: value.clone() for name, value in state.items()} | draws


def restore(snapshot: State, generator: Generator | None = None) -> State:
    """The state that was taken, bit for bit; ``generator`` then draws what it drew after :func:`take`.

    Raises
    ------
    UsageError
        When only one of the two has a generator: the run would not be the same.
    """
    if ("generator" in snapshot) != (generator is not None):
        raise UsageError(
            "snapshot: it must be restored with a generator if, and only if, it was taken with one"
        )
    if generator is not None:
        generator.set_state(snapshot["generator"])
    return {name: value.clone() for name, value in snapshot.items() if name != "generator"}


# --- numbers ----------------------------------------------------------------


def numbers(kernel: Kernel) -> State:
    """The learned form of a kernel of poles inside the unit circle and not 0: float64 ``(P,)`` each."""
    rate, frequency = -kernel.poles.abs().log(), kernel.poles.angle()
    coeff = {"coeff_re": kernel.coeff.real.clone(), "coeff_im": kernel.coeff.imag.clone()}
    return {"log_rate": rate.log(), "frequency": frequency, **coeff}


def kernel_of(params: State, otherwise: Kernel | None = None) -> Kernel | None:
    """The kernel that ``params`` describe, with numbers of ``otherwise`` where they do not, if there is one.

    Frequencies and imaginary parts that are nowhere are 0.

    Raises
    ------
    UsageError
        When rates or coefficients are nowhere.
    """
    if len(system_numbers(params)) == len(params):
        return otherwise
    entries = ({} if otherwise is None else numbers(otherwise)) | params
    if not {"log_rate", "coeff_re"} <= set(entries):
        raise UsageError(
            "memory kernel: both log_rate and coeff_re are needed, learned or in the kernel given"
        )
    rate, real = entries["log_rate"].double(), entries["coeff_re"].double()
    frequency, imaginary = entries.get("frequency", 0 * rate), entries.get("coeff_im", 0 * real)
    poles = torch.polar((-rate.exp()).exp(), frequency.double())
    return Kernel(poles, torch.complex(real, imaginary.double()))


def tuned(system: System, params: State) -> System:
    """``system`` with the numbers of ``params`` in place of its own; see the module for the names.

    Raises
    ------
    UsageError
        For a name that is no number of the system, or a number that it does not allow.
    """
    own, changes = system_numbers(params), dict[str, Any]()
    for name, value in own.items():
        number = value.exp() if name.startswith("log_") else value
        changes[name.removeprefix("log_")] = number if number.ndim else float(number)
    if len(own) < len(params):
        changes["kernel"] = kernel_of(params, getattr(system, "kernel", None))
    if isinstance(system, Unitary | Dissipative):
        inside = {n: changes.pop(n) for n in attrs.fields_dict(Hamiltonian) if n in changes}
        changes["hamiltonian"] = attrs.evolve(system.hamiltonian, **inside)
    if unknown := set(changes) - set(attrs.fields_dict(type(system))):
        raise UsageError(f"no number {min(unknown)!r} to learn in {type(system).__name__}")
    return attrs.evolve(system, **changes)


def system_numbers(params: State) -> State:
    """``params`` without the numbers of a kernel."""
    return {name: value for name, value in params.items() if name not in _KERNEL}


def kernel_slopes(params: State, poles: Tensor, found: FilterPullback) -> State:
    """Derivatives to the kernel's numbers among ``params``, from those to poles and coefficients."""
    along = found.poles.conj() * poles  # to log λ, conjugate
    slopes = {
        "log_rate": along.real * poles.abs().log(), "frequency": -along.imag,
        "coeff_re": found.coeff.real, "coeff_im": found.coeff.imag,
    }  # fmt: skip
    return {name: slope.to(params[name]) for name, slope in slopes.items() if name in params}
