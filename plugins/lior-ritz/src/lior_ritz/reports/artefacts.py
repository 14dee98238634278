"""What a run leaves behind besides checkpoints and logs: ``results.json``, and ``arrays/`` as ``.npy``.

The arrays have the names of the first published solver of this kind, and are on the uniform grid of the whole
box, edges included, of ``domain.nq`` points on each axis but at least 64; integrals over it want half weights
on the edge. In ``results.json`` names end in the unit, what has none is in ``E0`` or ``L0``, and what is not
known is ``null``, and ``why_null`` says why."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from lior.errors import RunError
from lior.files import replacing
from lior.runs import files
from lior.runs import folder as runfolder
from lior_ritz.judge.spin import spins
from lior_ritz.problem import AXES
from lior_ritz.reports import pictures
from lior_ritz.reports.observables import nodal_domains, peaks
from lior_ritz.reports.samples import Sampler, Slice, grid_size, slices
from lior_ritz.reports.verdicts import FOCUS, History, focus_range, global_steps, verdict
from lior_ritz.training import assembly
from lior_ritz.training.solution import Solution

RESULTS, ARRAYS = "results.json", "arrays"
FORMAT = 1
Report: TypeAlias = "dict[str, Any]"
Arrays: TypeAlias = "dict[str, tuple[NDArray[Any], str]]"
"""Name -> the array, and what it is: float64, or complex128 of states in a magnetic field."""
_NO_METRICS = "no metrics of training are at hand"
_NO_BARRIER = "this potential does not say what its barrier is"


def write(solution: Solution, folder: Path, *, run_id: str, history: History) -> Report:
    """Write the results and arrays of a run, in place of those of the same names.

    Each file is there whole or not at all. The JSON is valid: what is not finite is ``null``.

    Parameters
    ----------
    folder
        Of the run; made if it is not there.
    history
        The lines of the metrics; what needs them is ``null`` if there are none.

    Returns
    -------
    dict
        What ``results.json`` holds.

    Raises
    ------
    RunError
        When a file cannot be written.
    """
    sampler = Sampler(solution=solution)
    grids = slices(solution.problem, grid_size(solution.config.domain.axis_nodes))
    made = arrays(sampler, grids)
    found = _Results(solution, sampler, grids, run_id, history, folder, {}).tables(made)
    try:
        (folder / ARRAYS).mkdir(parents=True, exist_ok=True)
        for name, (array, _) in made.items():
            with replacing(folder / ARRAYS / f"{name}.npy") as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
        files.write_text(folder / RESULTS, json.dumps(found, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written: {error.strerror or error}; free some space and repeat"
        ) from error
    return found


def arrays(sampler: Sampler, grids: list[Slice]) -> Arrays:
    """Everything on the grids, and the matrices."""
    problem, states = sampler.problem, sampler.measured
    overlap, hamiltonian = sampler.matrices
    found: dict[str, tuple[Any, str]] = {}
    for index, grid in enumerate(grids):
        for axis, places in zip(grid.axes, grid.places, strict=True):
            found.setdefault(f"grid_{AXES[axis]}", (places, f"{AXES[axis]} in L0"))
        order = f"[state, {', '.join(grid.name[::-1])}]"
        where = "" if problem.dim < 3 else f" in the plane {grid.name}, other coordinates 0"
        ending = "" if index == 0 else f"_{grid.name}"
        basis = sampler.basis(grid.points)
        psi, values = sampler.coefficients.T @ basis, sampler.potential(grid.points)
        found[f"psi_grid{ending}"] = (grid.shaped(psi), f"states {order} in L0^-{problem.dim}/2{where}")
        found[f"phi_basis{ending}"] = (grid.shaped(basis), f"basis functions, as psi_grid{ending}")
        found[f"potential_grid{ending}"] = (grid.shaped(values), f"V in E0, as psi_grid{ending}")
    found["overlap_S"] = (overlap, "integrals phi_i phi_j")
    found["hamiltonian_H"] = (hamiltonian, "integrals grad phi_i . grad phi_j + V phi_i phi_j, in E0")
    found["psi_overlap"] = ((states.psi.conj() * states.weights) @ states.psi.T, "integrals psi_i* psi_j")
    return {
        name: (np.ascontiguousarray(array.numpy(), dtype=np.result_type(array.numpy(), np.float64)), what)
        for name, (array, what) in found.items()
    }


@attrs.define(eq=False)
class _Results:
    """What the tables are made from."""

    solution: Solution
    sampler: Sampler
    grids: list[Slice]
    run_id: str
    history: History
    folder: Path
    why: dict[str, str]
    """Path in the tables -> why that is not known."""

    def tables(self, made: Arrays) -> Report:
        """All that is in the file."""
        solution, config, units = self.solution, self.solution.config, self.solution.problem.units
        found = {
            "format": FORMAT,
            "run_id": self.run_id,
            "program": f"lior-ritz {_version()}",
            "verdict": verdict(solution, self.history),
            "max_relative_error": float(solution.relative_errors.abs().max()),
            "missed": list(solution.missed),
            "relative_error_is": "error / max(|referee's level|, 1 E0)",
            "units": {"E0_meV": units.E0_meV} | attrs.asdict(units),
            "problem": self.problem(),
            "levels": self.levels(),
            "splittings": [
                {
                    "between": [k, k + 1], "E0": each.value, "meV": each.value * units.E0_meV,
                    "referee_E0": each.referee, "lower_E0": each.lower, "upper_E0": each.upper,
                    "relative_error": each.relative_error, "missed": each.missed(config.solver.accuracy),
                }
                for k, each in enumerate(solution.splittings)
            ],
            "referee": {
                "method": solution.referee.method, "sizes": list(solution.referee.sizes),
                "converged": solution.referee.converged, "seconds": solution.referee.seconds,
                "E_E0": solution.referee.energies.tolist(), "bars_E0": solution.referee.errors.tolist(),
            },
            "training": self.training(),
            "quadrature": self.quadrature(),
            "observables": solution_observables(self.sampler),
            "shapes": self.shapes(),
            "basis": _orthonormality(self.sampler.matrices[0]),
            "plots": {name: f"{name}.png" for name in pictures.names(len(solution.energies))},
            "potential_range": self.potential_range(),
            "arrays": {name: {"shape": list(a.shape), "what": what} for name, (a, what) in made.items()},
            "grid": self.grid_in_words(),
        }  # fmt: skip
        return self._valid(found) | {"why_null": self.why}

    def levels(self) -> list[Report]:
        """What is known of each level."""
        solution, unit = self.solution, self.solution.problem.units.E0_meV
        bounds, referee = solution.bounds, solution.referee
        if bounds.lower is None:
            names = ("levels.lower_E0", "levels.lower_meV", "levels.residual")
            self.why |= dict.fromkeys(names, bounds.why)
        rows = []
        for k, energy in enumerate(solution.energies.tolist()):
            lower = None if bounds.lower is None else float(bounds.lower[k])
            upper, exact, bar = float(bounds.upper[k]), float(referee.energies[k]), float(referee.errors[k])
            inside = exact - bar <= upper and (lower is None or exact + bar >= lower)
            row: Report = {
                "level": k,
                "relative_error": float(solution.relative_errors[k]),
                "referee_within_bounds": inside,
                "residual": None if bounds.residuals is None else float(bounds.residuals[k]),
            }
            for name, value in (
                ("E", energy), ("referee", exact), ("bar", bar), ("error", energy - exact), ("lower", lower),
                ("upper", upper),
            ):  # fmt: skip
                row |= {f"{name}_E0": value, f"{name}_meV": None if value is None else value * unit}
            rows.append(row)
        return rows

    def problem(self) -> Report:
        """The potential's options as they were used, what follows from them, and the box."""
        problem, chosen = self.solution.problem, self.solution.problem.potential
        fields = [field for field in attrs.fields(type(chosen)) if field.init]  # type: ignore[arg-type]
        options = {field.name: _plain(getattr(chosen, field.name)) for field in fields}
        derived = chosen.report(problem.units)
        for name, value in options.items():
            if value is None and name not in derived:
                self.why[f"problem.{name}"] = "not given"
        return (
            {"type": self.solution.config.potential.name} | options | derived
            | {
                "dim": problem.dim, "half_widths_L0": list(problem.half_widths), "boundary": problem.boundary,
                "mirrors": [AXES[axis] for axis in sorted(problem.mirrors)],
                "separable": problem.parts is not None and problem.terms.plain,
                "terms": self.terms(),
            }
        )  # fmt: skip

    def terms(self) -> Report:
        """What the Hamiltonian has beside ``-∇² + V``, with the levels of both spins in the referee's
        orbitals; only what was asked for."""
        solution, physics = self.solution, self.solution.config.physics
        names = (
            "mass",
            "mass_x",
            "mass_y",
            "offset_meV",
            "rashba_meV_nm",
            "dresselhaus_meV_nm",
            "field_tesla",
        )
        found: Report = {name: getattr(physics, name) for name in names if getattr(physics, name)}
        if spin := spins(solution.problem, solution.referee, len(solution.energies)):
            found |= {"g": solution.problem.terms.g, "spin": spin.report(solution.problem.units)}
        return found

    def training(self) -> Report:
        """What was done, how long it took, what was best and where it is kept."""
        solution, config, trainer = self.solution, self.solution.config, self.solution.trainer
        best = trainer.best
        report = {
            "K": config.solver.K, "M": config.solver.M, "seed": config.training.seed,
            "steps": trainer.progress.step, "processor_seconds": solution.seconds,
            "judging_processor_seconds": solution.judging_seconds,
            "dtype": str(assembly.dtype(config)).removeprefix("torch."),
            "best_step": best.step if best else None,
            "best_eigsum_E0": best.evaluation.eigsum if best else None,
            "best_checkpoint": self._tensors("model_best"), "final_checkpoint": self._tensors("model_final"),
            "learning_rate": self.rates(),
        }  # fmt: skip
        for name in ("best_checkpoint", "final_checkpoint"):
            if report[name] is None:
                self.why[f"training.{name}"] = "this run keeps no such checkpoint"
        if best is None:
            unsound = "there was no evaluation during training about which two quadrature rules agreed"
            self.why |= dict.fromkeys(("training.best_step", "training.best_eigsum_E0"), unsound)
        return report

    def _tensors(self, name: str) -> str | None:
        """The file of a group of tensors in the newest checkpoint."""
        files_ = [place / f"{name}.safetensors" for place in runfolder.listed(self.folder)[:1]]
        return next((f.relative_to(self.folder).as_posix() for f in files_ if f.is_file()), None)

    def rates(self) -> Report:
        """What became of the learning rate of the first-order phases; L-BFGS has none."""
        trainer, training = self.solution.trainer, self.solution.config.training
        drops, names = trainer.progress.drops, {phase.name for phase in trainer.phases} - {"lbfgs", "polish"}
        lines = [line for line in self.history if line.get("phase") in names]
        rates = [line["lr"] for line in lines if line.get("lr") is not None]
        rates += [drop["lr_new"] for drop in drops[-1:] if rates]  # which may be of the last step
        report: Report = {
            "enabled": training.lr_schedule.enabled, "type": training.lr_schedule.type,
            "initial": training.lr if names else None, "final": rates[-1] if rates else None,
            "least": min(rates, default=None), "drops": drops,
        }  # fmt: skip
        why = _NO_METRICS if names else "no phase had a learning rate"
        self.why |= {f"training.learning_rate.{n}": why for n, value in report.items() if value is None}
        return report

    def quadrature(self) -> Report:
        """The nodes of training, and how they were judged."""
        solution, progress, history = self.solution, self.solution.trainer.progress, self.history
        seen = [line["quadrature_fault"] for line in history if line.get("quadrature_fault") is not None]
        points = [line["num_points"] for line in history if "num_points" in line]
        report = {
            "sampling_mode": assembly.sampling_mode(solution.config),
            "nq_first": progress.refinements[0]["nq_prev"] if progress.refinements else progress.nq,
            "nq_last": progress.nq,
            "num_points": points[-1] if points else None,
            "evaluation_nq": solution.evaluation.nq,
            "error_E0": solution.evaluation.quadrature_error,
            "sound": solution.evaluation.sound,
            "mismatches": [
                {"step": step, "nq": line["nq"], "mismatch": line["quadrature_mismatch"]}
                for step, line in zip(global_steps(history), history, strict=True)
                if "quadrature_mismatch" in line
            ],
            "mismatch_is": "|sum of energies on the training nodes - on independent ones| / max(|sum|, 1 E0)",
            "mismatch_tolerance": solution.config.training.guard.tolerance,
            "refinements": progress.refinements,
            "largest_fault": max(seen, default=None),
            "fault_is": "largest |integral of d(u psi^2)/dx_i| at a step, which is 0 for exact integrals",
            "fault_tolerance": assembly.fault_limit(solution.config),
            "note": progress.note,
        }
        for name in ("num_points", "largest_fault"):
            if report[name] is None:
                self.why[f"quadrature.{name}"] = _NO_METRICS
        return report

    def shapes(self) -> list[Report] | None:
        """Nodal domains and peaks of each state, in one and two dimensions."""
        problem = self.solution.problem
        if problem.dim > 2 or problem.terms.field_tesla:
            real = "of real states" if problem.terms.field_tesla else "in one and two dimensions"
            self.why["shapes"] = f"nodal domains and peaks are looked for {real}"
            return None
        grid, scale = self.grids[0], self.solution.problem.units.L0_nm
        psi = grid.shaped(self.sampler.states(grid.points))
        places = [each.numpy() for each in grid.places[::-1]]
        return [
            {
                "nodal_domains": domains,
                "peaks": [
                    {"position_L0": at[::-1], "position_nm": [scale * x for x in at[::-1]], "density": height}
                    for at, height in peaks(state.square().numpy(), places)
                ],
            }
            for state, domains in zip(psi, nodal_domains(psi).tolist(), strict=True)
        ]

    def potential_range(self) -> Report:
        """Where pictures of the potential begin and end, in ``E0``, on the grid of the arrays."""
        problem = self.solution.problem
        values = torch.cat([self.sampler.potential(each.points) for each in self.grids])
        barrier = problem.potential.report(problem.units).get("barrier_dimless")
        if barrier is None:
            why = f"{_NO_BARRIER}; the focus ends at the 95th percentile"
            self.why["potential_range.barrier"] = why
        low, high, focus = focus_range(values, barrier)
        return {
            "vmin": low, "vmax_full": high, "vmax_focus": focus, "focus_scale": FOCUS, "barrier": barrier
        }  # fmt: skip

    def grid_in_words(self) -> str:
        """The grid of the arrays."""
        nq, used = self.solution.config.domain.axis_nodes, len(self.grids[0].places[0])
        raised = f", more than domain.nq = {nq}, which is too few to look at" if used > nq else ""
        planes = ", central planes of the box" if self.solution.problem.dim > 2 else ""
        return f"uniform with both edges, {used} points on each axis{raised}{planes}"

    def _valid(self, value: Any, path: str = "") -> Any:
        """``None`` in place of what is not finite."""
        if isinstance(value, Mapping):
            return {str(key): self._valid(inner, f"{path}.{key}") for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._valid(inner, f"{path}.{i}") for i, inner in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            self.why[path.lstrip(".")] = f"{value}, which is no number"
            return None
        return value


def solution_observables(sampler: Sampler) -> Report:
    """All observables, and the rule that they were integrated with."""
    points, dim = len(sampler.rule.points), sampler.problem.dim
    return sampler.measured.report(sampler.problem.units) | {
        "rule": {
            "what": "Gauss-Legendre nodes of both halves of each axis; no state was worked out on them",
            "nodes_per_axis": round(points ** (1 / dim)),
            "nodes": points,
        }
    }


def _orthonormality(overlap: torch.Tensor) -> Report:
    """How far the basis functions are from orthonormal ones."""
    diagonal = overlap.diagonal().real
    return {
        "S_max_abs_offdiag": float((overlap - diagonal.diag()).abs().max()),
        "S_min_diag": float(diagonal.min()),
        "S_max_diag": float(diagonal.max()),
    }


def _plain(value: Any) -> Any:
    """An option as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _version() -> str:
    try:
        return version("lior-ritz")
    except PackageNotFoundError:
        return "of unknown version"
