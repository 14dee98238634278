"""A run's lowest states as plain arrays, which other programs fill with electrons and drive.

``matrices.npz`` has the arrays, ``export.json`` says what each is: its indices, unit and shape.
``potential.npy`` is the potential on the grid of the orbitals, and ``potential`` in the JSON the options with
which it is read again as a ``gridded`` potential.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import scipy.linalg

from lior.errors import MissingPackage, RunError, UsageError
from lior_ritz.electrons.coulomb import Array, pair_table
from lior_ritz.electrons.exchange import on_grid, require_plane
from lior_ritz.problem import AXES, Problem, devices
from lior_ritz.reports.observables import fix_signs
from lior_ritz.reports.samples import Sampler, Slice
from lior_ritz.training.solution import Solution

FORMAT = 1
HBAR = 0.6582119569
"""ħ in meV·ps (CODATA 2018), with which ``H / HBAR`` is a frequency in 1/ps."""
_POINTS = {1: 257, 2: 129, 3: 41}
"""Points on each axis of the grid of orbitals and potential, edges included, by dimension."""
_ARRAYS, _ABOUT, _POTENTIAL = "matrices.npz", "export.json", "potential.npy"


def export(solution: Solution, count: int) -> tuple[dict[str, Array], dict[str, Any]]:
    """The ``count`` lowest states of a run's trial space, which are eigenfunctions in it.

    Raises ``UsageError`` when there are not so many states, or the problem has four dimensions or a field.

    Returns ``arrays, about``: float64, and what they are, ready for JSON.
    """
    problem, units = solution.problem, solution.problem.units
    problem.require_plain("an export")
    if problem.dim not in _POINTS:
        raise UsageError(f"domain.dim = {problem.dim}: exported are states of 1 to {max(_POINTS)} dimensions")
    sampler = Sampler(solution=solution.widened(count))
    rule, meV, nm = sampler.rule, units.E0_meV, units.L0_nm
    overlap, hamiltonian = sampler.solution.space.matrices
    levels, vectors = scipy.linalg.eigh(hamiltonian, overlap)
    basis = vectors[:, :count].T @ sampler.basis(rule.points)
    turn = vectors[:, :count] * np.sign((fix_signs(basis, rule.points) * basis).sum(1))
    psi = turn.T @ sampler.basis(rule.points)
    weighted = psi * rule.weights
    names = AXES[: problem.dim]
    whole = Slice.central(problem, range(problem.dim), _POINTS[problem.dim])
    index = ", ".join(names[::-1])
    found: dict[str, tuple[Any, str, str, str]] = {
        "energies": (levels[:count] * meV, "[i]", "meV", "levels, from above"),
        "H": (np.diag(levels[:count]) * meV, "[i, j]", "meV", "one electron's Hamiltonian"),
        "orbitals": (
            whole.shaped(turn.T @ sampler.basis(whole.points)) * nm ** (-problem.dim / 2),
            f"[i, {index}]",
            f"nm^-{problem.dim}/2",
            "the states, real and of norm 1, on the grid",
        ),
        "potential": (whole.shaped(sampler.potential(whole.points)) * meV, f"[{index}]", "meV", "V"),
    }
    for axis, name in enumerate(names):
        matrix = (weighted * rule.points[:, axis]) @ psi.T * nm
        found[f"dipole_{name}"] = (matrix, "[i, j]", "nm", f"<i|{name}|j>")
        found[f"grid_{name}"] = (whole.places[axis] * nm, f"[{name}]", "nm", f"{name} of the grid")
    for name in devices.parameters(problem):
        slope = devices.sensitivity(problem, name, rule.points)
        what = f"<i|dV/dp|j> of the option {devices.key(problem, name)}"
        found[f"slope_{name}"] = ((weighted * slope) @ psi.T * meV, "[i, j]", "meV per its unit", what)
    why = None
    try:
        require_plane(problem)
        four = _repulsion(sampler, turn) * units.repulsion * meV
        what = "(ij|kl) = integrals of i(1) j(1) k(2) l(2) e^2/(4 pi eps r12), the first two of electron 1"
        found["coulomb"] = (four, "[i, j, k, l]", "meV", what)
    except UsageError as error:
        why = str(error)
    arrays = {name: np.ascontiguousarray(each[0], dtype=np.float64) for name, each in found.items()}
    said = {
        name: {"shape": list(arrays[name].shape), "indices": indices, "unit": unit, "what": what}
        for name, (_, indices, unit, what) in found.items()
    }
    extent = [float(x) for name in names for x in arrays[f"grid_{name}"][[0, -1]]]
    return arrays, _about(problem, extent) | {"arrays": said, "why_no_coulomb": why}


def _about(problem: Problem, extent: list[float]) -> dict[str, Any]:
    """Units, the box, and the options with which the potential is read again."""
    units, axes = problem.units, AXES[: problem.dim][::-1]
    read = {"type": "gridded", "path": _POTENTIAL, "extent": extent, "axes": axes}
    return {
        "format": FORMAT,
        "hbar_meV_ps": HBAR,
        "E0_meV": units.E0_meV,
        **attrs.asdict(units),
        "dim": problem.dim,
        "half_widths_nm": [x * units.L0_nm for x in problem.half_widths],
        "boundary": problem.boundary,
        "potential": read | {"length_unit": "nm", "energy_unit": "meV"},
    }


def _repulsion(sampler: Sampler, turn: Array) -> Array:
    """``(ij|kl)`` of all four, ``[k, k, k, k]`` in ``1/L0``."""
    nothing = np.zeros(turn.shape[1])
    there = on_grid(sampler.problem, lambda at: turn.T @ sampler.basis(at), nothing)
    table = pair_table(len(nothing))
    packed = there.coulomb().integrals(there.values)
    return packed[table[:, :, None, None], table]


def write(arrays: dict[str, Array], about: dict[str, Any], folder: Path) -> None:
    """Write the files into a folder that is there; ``OSError`` when that is not possible."""
    np.savez(folder / _ARRAYS, **arrays)  # type: ignore[arg-type]
    np.save(folder / _POTENTIAL, arrays["potential"])
    (folder / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def load(folder: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays, by name, and what the JSON says about them; ``RunError`` when they are not there."""
    folder = Path(folder)
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        with np.load(folder / _ARRAYS) as arrays:
            return dict(arrays), about
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: no export to be read ({error}); `lior ritz export` makes one") from None


def qutip() -> Any:
    """The package; ``MissingPackage`` when it is not installed."""
    try:
        return import_module("qutip")
    except ImportError:
        raise MissingPackage("QuTiP is not installed; `pip install qutip`, or leave out --qutip") from None


def qobjs(folder: str | Path) -> dict[str, Any]:
    """The matrices as operators of QuTiP, in the units of the arrays: ``H``, ``dipole_x``, …, ``slope_NAME``
    on one electron, and ``coulomb`` on ``tensor(1, 2)``, whose elements are ``<ik|1/r|jl> = (ij|kl)``.

    QuTiP's ħ is 1: time evolution by ``H / about["hbar_meV_ps"]`` is in picoseconds. Two electrons have
    ``tensor(H, 1) + tensor(1, H) + coulomb``; states that are symmetric in them are singlets, the others
    triplets. Raises as :func:`load` and :func:`qutip`.
    """
    package, (arrays, _) = qutip(), load(folder)
    names = [name for name in arrays if name == "H" or name.startswith(("dipole_", "slope_"))]
    found = {name: package.Qobj(arrays[name]) for name in names}
    if "coulomb" in arrays:
        k = len(arrays["H"])
        matrix = arrays["coulomb"].transpose(0, 2, 1, 3).reshape(k * k, k * k)
        found["coulomb"] = package.Qobj(matrix, dims=[[k, k], [k, k]])
    return found
