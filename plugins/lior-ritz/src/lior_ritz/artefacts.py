"""What a run leaves behind besides checkpoints and logs: ``reports/`` as JSON and ``arrays/`` as ``.npy``.

Names and keys are those of the first published solver of this kind, and more. The arrays are on the uniform
grid of the whole box, edges included, of ``domain.nq`` points on each axis but at least 64; integrals over it
want half weights on the edge.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lior.errors import RunError
from lior.files import replacing
from lior.runs import files
from lior_ritz import assembly, pictures, reports, soundness
from lior_ritz.problem import AXES
from lior_ritz.reports import Report
from lior_ritz.samples import Findings, Sampler
from lior_ritz.solution import Solution

REPORTS, ARRAYS = "reports", "arrays"
"""Folders of a run."""
SUMMARY = "final_summary"

_REPORTS = {
    "energies": reports.energies,
    "reference": reports.reference,
    "bounds": reports.bounds,
    "potential_report": reports.potential,
    "orthonormality_report": soundness.orthonormality,
    "checkpoint_report": reports.checkpoint,
    "density_features": reports.features,
    "observables": reports.observables,
    "quadrature_report": soundness.quadrature,
}
"""Name of a file -> what is in it."""


def write(
    solution: Solution, folder: Path, *, run_id: str, history: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Write the reports and arrays of a run, in place of those of the same names.

    Each file is there whole or not at all. Every JSON file is valid: what is not finite, or not known, is
    ``null``, and ``why_null`` says why.

    Parameters
    ----------
    folder
        Of the run; made if it is not there.
    history
        The lines of the metrics; what needs them is ``null`` if there are none.

    Returns
    -------
    dict
        What ``reports/final_summary.json`` holds.

    Raises
    ------
    RunError
        When a file cannot be written.
    """
    found = Findings(
        solution=solution, sampler=Sampler(solution=solution), run_id=run_id, history=history, folder=folder
    )
    arrays = _arrays(found)
    tables = {name: make(found) for name, make in _REPORTS.items()}
    tables[SUMMARY] = summary(found, arrays)
    texts = {name: _valid(table) for name, table in tables.items()}
    try:
        for each in (REPORTS, ARRAYS):
            (folder / each).mkdir(parents=True, exist_ok=True)
        for name, (array, _) in arrays.items():
            _save(folder / ARRAYS / f"{name}.npy", array)
        for name, table in texts.items():
            text = json.dumps(table, indent=1, allow_nan=False)
            files.write_text(folder / REPORTS / f"{name}.json", text + "\n")
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written: {error.strerror or error}; free some space and repeat"
        ) from error
    return texts[SUMMARY]


# --- arrays ---


def _arrays(found: Findings) -> dict[str, tuple[NDArray[np.float64], str]]:
    """Name -> the array, and what it is."""
    problem, sampler = found.solution.problem, found.sampler
    overlap, hamiltonian = sampler.matrices
    states = sampler.measured
    whole = problem.dim < 3
    arrays: dict[str, tuple[Any, str]] = {}
    for index, grid in enumerate(found.slices):
        for axis, places in zip(grid.axes, grid.places, strict=True):
            arrays.setdefault(f"grid_{AXES[axis]}", (places, f"{AXES[axis]} in L0"))
        order = "[state, x]" if problem.dim == 1 else f"[state, {grid.name[1]}, {grid.name[0]}]"
        where = "" if whole else f" in the plane {grid.name}, other coordinates 0"
        ending = "" if index == 0 else f"_{grid.name}"
        basis = sampler.basis(grid.points)
        psi, values = sampler.coefficients.T @ basis, sampler.potential(grid.points)
        arrays[f"psi_grid{ending}"] = (grid.shaped(psi), f"states {order} in L0^-{problem.dim}/2{where}")
        arrays[f"phi_basis{ending}"] = (grid.shaped(basis), f"basis functions, as psi_grid{ending}")
        arrays[f"potential_grid{ending}"] = (grid.shaped(values), f"V in E0, as psi_grid{ending}")
    arrays["overlap_S"] = (overlap, "integrals phi_i phi_j")
    arrays["hamiltonian_H"] = (hamiltonian, "integrals grad phi_i . grad phi_j + V phi_i phi_j, in E0")
    arrays["psi_overlap"] = ((states.psi * states.weights) @ states.psi.T, "integrals psi_i psi_j")
    return {
        name: (np.ascontiguousarray(array.numpy(), dtype=np.float64), what)
        for name, (array, what) in arrays.items()
    }


def _save(path: Path, array: NDArray[np.float64]) -> None:
    """Put the array in place of the file at ``path``."""
    with replacing(path) as stream:
        np.lib.format.write_array(stream, array, allow_pickle=False)


# --- the summary ---


def summary(found: Findings, arrays: Mapping[str, tuple[NDArray[np.float64], str]]) -> Report:
    """``final_summary.json``."""
    solution, config, checkpoint = found.solution, found.solution.config, reports.checkpoint(found)
    schedule = config.training.lr_schedule
    return {
        "run_id": found.run_id,
        "final_E_dimless": solution.energies.tolist(),
        "final_E_meV": solution.energies_meV.tolist(),
        "max_relative_error": float(solution.relative_errors.abs().max()),
        "verdict": soundness.verdict(found),
        "steps": solution.trainer.progress.step,
        "processor_seconds": solution.seconds,
        "training_dtype": str(assembly.dtype(config)).removeprefix("torch."),
        "sampling_mode": assembly.sampling_mode(config),
        "lr_schedule": {"enabled": schedule.enabled, "type": schedule.type},
        "lr_dropout_info": _rates(found),
        "plots": {name: f"{name}.png" for name in pictures.names(len(solution.energies))},
        "plots_are": "what `lior ritz plot` draws into plots/",
        "potential_plot_range": reports.plot_range(found),
        "checkpoints": {
            "best": checkpoint["best_checkpoint"],
            "final": checkpoint["final_checkpoint"],
            "best_step": checkpoint["best_step"],
            "best_loss_eigsum": checkpoint["best_loss_eigsum"],
        },
        "arrays": {
            name: {"shape": list(array.shape), "what": what} for name, (array, what) in arrays.items()
        },
        "grid": _grid_in_words(found),
    } | ({"why_null": checkpoint["why_null"]} if "why_null" in checkpoint else {})


def _grid_in_words(found: Findings) -> str:
    nq, used = found.solution.config.domain.axis_nodes, len(found.slices[0].places[0])
    raised = f", more than domain.nq = {nq}, which is too few to look at" if used > nq else ""
    planes = ", central planes of the box" if found.solution.problem.dim > 2 else ""
    return f"uniform with both edges, {used} points on each axis{raised}{planes}"


def _rates(found: Findings) -> Report:
    """What became of the learning rate of the first-order phases; L-BFGS has none."""
    progress = found.solution.trainer.progress
    names = {phase.name for phase in found.solution.trainer.phases} - {"lbfgs", "polish"}
    rates = [
        line["lr"] for line in found.history if line.get("phase") in names and line.get("lr") is not None
    ]
    report: Report = {
        "num_drops": len(progress.drops),
        "initial_lr": found.solution.config.training.lr if names else None,
        "final_lr": rates[-1] if rates else None,
        "min_lr_seen": min(rates) if rates else None,
        "drops": progress.drops,
    }
    if rates and progress.drops:  # the last drop may be that of the last step
        report["final_lr"] = progress.drops[-1]["lr_new"]
        report["min_lr_seen"] = min(report["min_lr_seen"], report["final_lr"])
    if names and rates:
        return report
    why = "no metrics of training are at hand" if names else "no phase had a learning rate"
    return report | {"why_null": {name: why for name, value in report.items() if value is None}}


# --- JSON ---


def _valid(table: Report) -> Report:
    """The table with ``None`` in place of what is not finite, which ``why_null`` then names."""
    bad: dict[str, str] = {}

    def clean(value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            return {str(key): clean(inner, f"{path}.{key}") for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [clean(inner, f"{path}.{i}") for i, inner in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            bad[path.lstrip(".")] = f"{value}, which is no number"
            return None
        return value

    valid: Report = clean(table, "")
    return valid | {"why_null": valid.get("why_null", {}) | bad} if bad else valid
