"""The files of a run besides checkpoints and logs: ``results.json``, and ``arrays/`` as ``.npy``.

The arrays are on the uniform grid of the whole box, edges included, with ``domain.nq`` points on each axis
but at least 64. Integrals over it need half weights on the edge. In ``results.json`` a name ends in its unit;
a number without one is in ``E0`` or ``L0``. An unknown number is ``null``, and ``why_null`` has the reason.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from lior.errors import RunError
from lior.files import replacing
from lior.runs import folder as runfolder
from lior.runs import write_text
from lior_ritz.config import RitzConfig
from lior_ritz.problem import AXES
from lior_ritz.reports.observables import nodal_domains
from lior_ritz.reports.samples import Sampler, Slice, grid_size, slices
from lior_ritz.reports.verdicts import History, verdicts
from lior_ritz.training.solution import Solution
from lior_ritz.verification.spin import spins

if TYPE_CHECKING:
    from lior_ritz.training.trained import Trained
    from lior_ritz.training.trainer import Trainer

RESULTS, ARRAYS = "results.json", "arrays"
FORMAT = 4
Report: TypeAlias = "dict[str, Any]"
Arrays: TypeAlias = "dict[str, tuple[NDArray[Any], str]]"
"""Name -> the array, and what it is: float64, or complex128 of states in a magnetic field."""
_NO_LOWER = "residuals bound nothing here"
_OWN = "the levels are the reference's own; see its bars"
_NO_METRICS = "no metrics of training are at hand"
_WHY = {
    "levels.lower_E0": _NO_LOWER,
    "levels.lower_meV": _NO_LOWER,
    "levels.residual": _NO_LOWER,
    "splittings.relative_error": "the reference cannot tell the splitting from 0, or it is its own",
    "training.best_checkpoint": "this run keeps no such checkpoint",
    "training.final_checkpoint": "this run keeps no such checkpoint",
    "training.best": "there was no evaluation during training",
    "training.learning_rate": "no phase had a learning rate, or no metrics are at hand",
    "quadrature.num_points": _NO_METRICS,
    "quadrature.largest_fault": _NO_METRICS,
    "nodal_domains": "they are counted in one and two dimensions, of real states",
    "problem.terms.spin.g_effective": "no two levels are the pair of this orbital",
    "problem": "not given",
    "levels.error": _OWN,
    "training": "no network was trained",
    "quadrature": "no network was trained",
}
"""How the path of a number begins, without places in lists -> why it is not known."""


def write(solution: Solution, folder: Path, *, run_id: str, history: History) -> Report:
    """Write the results and arrays of a run, in place of those of the same names.

    Each file is there whole or not at all. The JSON is valid: what is not finite is ``null``.

    Raises ``RunError`` when a file cannot be written.

    Returns what ``results.json`` holds.

    ``folder``: of the run; made if it is not there. ``history``: the lines of the metrics; what needs them is
    ``null`` if there are none.
    """
    sampler = Sampler(solution=solution)
    grids = slices(solution.problem, grid_size(solution.config.domain.axis_nodes))
    made = arrays(sampler, grids)
    why: dict[str, str] = {}
    found = _valid(_results(sampler, grids, made, history, folder) | {"run_id": run_id}, why)
    found["why_null"] = {
        path: solution.bounds.why if said == _NO_LOWER else said for path, said in why.items()
    }
    try:
        (folder / ARRAYS).mkdir(parents=True, exist_ok=True)
        for name, (array, _) in made.items():
            with replacing(folder / ARRAYS / f"{name}.npy") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
        write_text(folder / RESULTS, json.dumps(found, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written: {error.strerror or error}; free some space and repeat"
        ) from error
    return dict(found)


def arrays(sampler: Sampler, grids: list[Slice]) -> Arrays:
    """The states and V on the grids."""
    problem = sampler.problem
    found: dict[str, tuple[Any, str]] = {}
    for index, grid in enumerate(grids):
        for axis, places in zip(grid.axes, grid.places, strict=True):
            found.setdefault(f"grid_{AXES[axis]}", (places, f"{AXES[axis]} in L0"))
        order = f"[state, {', '.join(grid.name[::-1])}]"
        where = "" if problem.dim < 3 else f" in the plane {grid.name}, other coordinates 0"
        ending = "" if index == 0 else f"_{grid.name}"
        psi, values = sampler.states(grid.points), sampler.potential(grid.points)
        found[f"psi_grid{ending}"] = (grid.shaped(psi), f"states {order} in L0^-{problem.dim}/2{where}")
        found[f"potential_grid{ending}"] = (grid.shaped(values), f"V in E0, as psi_grid{ending}")
    return {
        name: (np.ascontiguousarray(array, dtype=np.result_type(array, np.float64)), what)
        for name, (array, what) in found.items()
    }


def _results(sampler: Sampler, grids: list[Slice], made: Arrays, history: History, folder: Path) -> Report:
    """All that is in the file."""
    solution, problem = sampler.solution, sampler.problem
    unit, reference = problem.units.E0_meV, solution.reference
    psi = made["psi_grid"][0]
    used = len(grids[0].places[0])
    return {
        "format": FORMAT,
        "program": f"lior-ritz {version('lior-ritz')}",
        "verdict": "; ".join(verdicts(solution)),
        "max_relative_error": float(np.abs(solution.relative_errors).max()),
        "missed": list(solution.missed),
        "units": {"E0_meV": unit} | attrs.asdict(problem.units),
        "problem": _problem(solution),
        "levels": levels(solution),
        "splittings": [
            {
                "between": [k, k + 1],
                "E0": each.value,
                "meV": each.value * unit,
                "reference_E0": each.reference,
                "lower_E0": each.lower,
                "upper_E0": each.upper,
                "relative_error": each.relative_error if solution.network else None,
                "missed": each.missed(solution.config.solver.accuracy),
            }
            for k, each in enumerate(solution.splittings)
        ],
        "reference": {
            "method": reference.method,
            "sizes": list(reference.sizes),
            "converged": not reference.misses(len(solution.energies)),
            "seconds": reference.seconds,
            "E_E0": reference.energies.tolist(),
            "bars_E0": reference.errors.tolist(),
        },
        "training": (net := solution.network) and _training(solution, net.trainer, history, folder),
        "quadrature": net and _quadrature(solution.config, net, history),
        "observables": sampler.measured.report(problem.units)
        | {"rule": f"Gauss-Legendre, {len(sampler.rule.points):,} nodes"},
        "nodal_domains": nodal_domains(psi).tolist() if problem.dim <= 2 and np.isrealobj(psi) else None,
        "arrays": {name: {"shape": list(a.shape), "what": what} for name, (a, what) in made.items()},
        "grid": f"uniform with both edges, {used} points on each axis"
        + ", central planes of the box" * (problem.dim > 2),
    }


def levels(solution: Solution) -> list[Report]:
    """Return the entry of each level in the results."""
    unit, bounds, reference = solution.problem.units.E0_meV, solution.bounds, solution.reference
    rows = []
    for k, energy in enumerate(solution.energies.tolist()):
        lower = None if bounds.lower is None else float(bounds.lower[k])
        upper, exact, bar = float(bounds.upper[k]), float(reference.energies[k]), float(reference.errors[k])
        row: Report = {
            "level": k,
            "relative_error": float(solution.relative_errors[k]),
            "reference_within_bounds": exact - bar <= upper and (lower is None or exact + bar >= lower),
            "residual": None if bounds.residuals is None else float(bounds.residuals[k]),
        }
        for name, value in (
            ("E", energy),
            ("reference", exact),
            ("bar", bar),
            ("lower", lower),
            ("upper", upper),
            ("error", energy - exact if solution.network else None),
        ):
            row |= {f"{name}_E0": value, f"{name}_meV": None if value is None else value * unit}
        rows.append(row)
    return rows


def _problem(solution: Solution) -> Report:
    """The potential's options as they were used, what follows from them, and the box."""
    problem, chosen = solution.problem, solution.problem.potential
    fields = [field for field in attrs.fields(type(chosen)) if field.init]  # type: ignore[arg-type]
    options = {field.name: getattr(chosen, field.name) for field in fields}
    return (
        {"type": solution.config.potential.name}
        | options
        | chosen.report(problem.units)
        | {
            "dim": problem.dim,
            "half_widths_L0": list(problem.half_widths),
            "boundary": problem.boundary,
            "mirrors": [AXES[axis] for axis in sorted(problem.mirrors)],
            "separable": problem.parts is not None and problem.terms.plain,
            "terms": _terms(solution),
        }
    )


def _terms(solution: Solution) -> Report:
    """Return the other terms of the Hamiltonian that were set, with the levels of both spins."""
    physics, problem = solution.config.physics, solution.problem
    names = ("mass", "mass_x", "mass_y", "offset_meV", "rashba_meV_nm", "dresselhaus_meV_nm", "field_tesla")
    found: Report = {name: getattr(physics, name) for name in names if getattr(physics, name)}
    if spin := spins(problem, solution.reference, len(solution.energies)):
        found |= {"g": problem.terms.g, "spin": spin.report(problem.units)}
    return found


def _training(solution: Solution, trainer: Trainer, history: History, folder: Path) -> Report:
    """Return the steps and seconds of training, the best step, and the checkpoints."""
    from lior_ritz.training import assembly

    config = solution.config
    best, drops, schedule = trainer.best, trainer.progress.drops, config.training.lr_schedule
    first = any(phase.name == "adam" for phase in trainer.phases)
    rates = [line["lr"] for line in history if line.get("phase") == "adam" and line.get("lr") is not None]
    rates += [drop["lr_new"] for drop in drops[-1:] if rates]  # which may be of the last step
    newest = runfolder.list_checkpoints(folder)[:1]
    files = [file for place in newest for file in place.glob("*.safetensors")]
    kept = {file.stem: file.relative_to(folder).as_posix() for file in files}
    return {
        "K": config.solver.K,
        "M": config.solver.M,
        "seed": config.training.seed,
        "steps": trainer.progress.step,
        "processor_seconds": solution.seconds,
        "judging_processor_seconds": solution.judging_seconds,
        "dtype": str(assembly.dtype(config)).removeprefix("torch."),
        "best_step": best.step if best else None,
        "best_eigsum_E0": best.evaluation.eigsum if best else None,
        "best_checkpoint": kept.get("model_best"),
        "final_checkpoint": kept.get("model_final"),
        "learning_rate": {
            "enabled": schedule.enabled,
            "type": schedule.type,
            "initial": config.training.lr if first else None,
            "final": rates[-1] if rates else None,
            "least": min(rates, default=None),
            "drops": drops,
        },
    }


def _quadrature(config: RitzConfig, net: Trained, history: History) -> Report:
    """The nodes of training, and how they were judged."""
    from lior_ritz.training import assembly

    progress, found = net.trainer.progress, net.evaluation
    seen = [line["quadrature_fault"] for line in history if line.get("quadrature_fault") is not None]
    points = [line["num_points"] for line in history if "num_points" in line]
    return {
        "sampling_mode": assembly.sampling_mode(config),
        "nq_first": progress.refinements[0]["nq_prev"] if progress.refinements else progress.nq,
        "nq_last": progress.nq,
        "num_points": points[-1] if points else None,
        "evaluation_nq": found.nq,
        "error_E0": found.quadrature_error,
        "sound": found.sound,
        "mismatches": [
            {"step": line["step"], "nq": line["nq"], "mismatch": line["quadrature_mismatch"]}
            for line in history
            if "quadrature_mismatch" in line
        ],
        "mismatch_tolerance": config.training.guard.tolerance,
        "refinements": progress.refinements,
        "largest_fault": max(seen, default=None),
        "fault_tolerance": assembly.fault_limit(config),
        "note": progress.note,
    }


def _valid(value: Any, why: dict[str, str], path: str = "", kind: str = "") -> Any:
    """A value as JSON has it; ``None`` in place of what is not finite, and ``why`` gets the reasons.

    ``kind`` is the path without places in lists.
    """
    if isinstance(value, Mapping):
        at = [
            (str(key), inner, f"{path}.{key}".lstrip("."), f"{kind}.{key}".lstrip("."))
            for key, inner in value.items()
        ]
        return {key: _valid(inner, why, *paths) for key, inner, *paths in at}
    if isinstance(value, list | tuple):
        return [_valid(inner, why, f"{path}.{i}", kind) for i, inner in enumerate(value)]
    if value is None:
        why[path] = next((said for begin, said in _WHY.items() if kind.startswith(begin)), "not known")
    elif isinstance(value, float) and not math.isfinite(value):
        why[path] = f"{value}, which is no number"
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
