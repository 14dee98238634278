"""What is reported of a solution: a table for each file of ``reports/``, ready for JSON.

What is not known is ``None``, and the entry ``why_null`` of the report says why. Names end in the unit, and
what has none is in ``E0`` or ``L0`` (:mod:`lior_ritz.units`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeAlias

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.runs import folder as runfolder
from lior_ritz.observables import centre_and_spread, density_features, left_weight, nodal_domains, peaks
from lior_ritz.problem import AXES
from lior_ritz.samples import Findings
from lior_ritz.soundness import rule_of

Report: TypeAlias = "dict[str, Any]"

RELATIVE = "error / max(|referee's level|, 1 E0)"
FOCUS = 4.0
"""The picture of the potential that has most to show ends so many barriers above the bottom."""


def _table(found: Findings) -> list[Report]:
    """What is known of each level."""
    solution, unit = found.solution, found.solution.problem.units.E0_meV
    bounds, referee = solution.bounds, solution.referee
    rows = []
    for k, energy in enumerate(solution.energies.tolist()):
        lower = None if bounds.lower is None else float(bounds.lower[k])
        upper, exact, error = float(bounds.upper[k]), float(referee.energies[k]), float(solution.errors[k])
        rows.append(
            {
                "level": k,
                "E_dimless": energy,
                "E_meV": energy * unit,
                "referee_dimless": exact,
                "referee_meV": exact * unit,
                "referee_error_bar_dimless": float(referee.errors[k]),
                "absolute_error_dimless": error,
                "absolute_error_meV": error * unit,
                "relative_error": float(solution.relative_errors[k]),
                "upper_bound_dimless": upper,
                "upper_bound_meV": upper * unit,
                "lower_bound_dimless": lower,
                "lower_bound_meV": None if lower is None else lower * unit,
            }
        )
    return rows


def energies(found: Findings) -> Report:
    """``energies.json``."""
    solution, problem, config = found.solution, found.solution.problem, found.solution.config
    report: Report = {
        "E_dimless": solution.energies.tolist(),
        "E_meV": solution.energies_meV.tolist(),
        "E0_meV": problem.units.E0_meV,
        "levels": _table(found),
        "metadata": {
            "run_id": found.run_id,
            "program": f"lior-ritz {_version()}",
            "what": "Ritz values of the best parameters, on Gauss-Legendre nodes that training has not seen; "
            "they lie above the levels, up to quadrature_error_dimless",
            "E0": "hbar^2 / (2 m_eff L0^2)",
            "m_eff": problem.units.m_eff,
            "L0_nm": problem.units.L0_nm,
            "eps_r": problem.units.eps_r,
            "potential": config.potential.name,
            "dim": problem.dim,
            "half_widths_L0": list(problem.half_widths),
            "boundary": problem.boundary,
            "K": config.solver.K,
            "M": config.solver.M,
            "seed": config.training.seed,
            "processor_seconds": solution.seconds,
            "evaluation_nq": solution.evaluation.nq,
            "quadrature_error_dimless": solution.evaluation.quadrature_error,
            "relative_error_is": RELATIVE,
        },
    }
    return report | _null_lower(found, "levels.lower_bound_dimless", "levels.lower_bound_meV")


def _null_lower(found: Findings, *names: str) -> Report:
    """Why there is no bound from below, if there is none."""
    why = "the functions do not fulfil the natural boundary condition, so that residuals bound nothing"
    return {} if found.solution.bounds.lower is not None else {"why_null": dict.fromkeys(names, why)}


def _version() -> str:
    try:
        return version("lior-ritz")
    except PackageNotFoundError:
        return "of unknown version"


def reference(found: Findings) -> Report:
    """``reference.json``."""
    referee, unit = found.solution.referee, found.solution.problem.units.E0_meV
    names = (
        "level", "E_dimless", "referee_dimless", "absolute_error_dimless", "absolute_error_meV",
        "relative_error",
    )  # fmt: skip
    return {
        "method": referee.method,
        "sizes": list(referee.sizes),
        "converged": bool(referee.converged),
        "seconds": referee.seconds,
        "energies_dimless": referee.energies.tolist(),
        "energies_meV": (referee.energies * unit).tolist(),
        "error_bars_dimless": referee.errors.tolist(),
        "E0_meV": unit,
        "levels": [{name: row[name] for name in names} for row in _table(found)],
        "relative_error_is": RELATIVE,
    }


def bounds(found: Findings) -> Report:
    """``bounds.json``."""
    known, referee = found.solution.bounds, found.solution.referee
    empty = dict.fromkeys(("lower", "lower_meV", "width", "residuals", "assumes"))
    report = empty | known.report(found.solution.problem.units.E0_meV)
    report.pop("why_no_lower", None)
    count = len(known.upper)
    exact, bars = referee.energies[:count], referee.errors[:count]
    inside = exact - bars <= known.upper
    if known.lower is not None:
        inside &= exact + bars >= known.lower
    report["referee_within"] = inside.tolist()
    return report | _null_lower(found, *empty)


def potential(found: Findings) -> Report:
    """``potential_report.json``: options as they were used, and what follows from them."""
    problem, chosen = found.solution.problem, found.solution.problem.potential
    fields = [field for field in attrs.fields(type(chosen)) if field.init]  # type: ignore[arg-type]
    options = {field.name: getattr(chosen, field.name) for field in fields}
    derived = problem.potential.report(problem.units)
    why = {name: "not given" for name, value in options.items() if value is None and name not in derived}
    if "barrier_dimless" not in derived:
        why |= dict.fromkeys(
            ("barrier_dimless", "barrier_meV"), "this potential does not say what its barrier is"
        )
    report = {"type": found.solution.config.potential.name} | {n: _plain(v) for n, v in options.items()}
    return (
        report
        | dict.fromkeys(why)
        | derived
        | {
            "E0_meV": problem.units.E0_meV,
            "L0_nm": problem.units.L0_nm,
            "mirrors": [AXES[axis] for axis in sorted(problem.mirrors)],
            "separable": problem.parts is not None,
        }
        | ({"why_null": why} if why else {})
    )


def _plain(value: Any) -> Any:
    """An option as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def checkpoint(found: Findings) -> Report:
    """``checkpoint_report.json``; paths are relative to the run."""
    best, why = found.solution.trainer.best, {}
    report: Report = {
        "best_checkpoint": _tensors(found, "model_best"),
        "best_step": best.step if best else None,
        "best_loss_eigsum": best.evaluation.eigsum if best else None,
        "final_checkpoint": _tensors(found, "model_final"),
        "final_step": found.solution.trainer.progress.step,
        "best_is": "the parameters with the least sum of energies on nodes that training has not seen",
    }
    for name in ("best_checkpoint", "final_checkpoint"):
        if report[name] is None:
            why[name] = "this run keeps no such checkpoint"
    if best is None:
        unsound = "there was no evaluation during training about which two quadrature rules agreed"
        why |= dict.fromkeys(("best_step", "best_loss_eigsum"), unsound)
    return report | ({"why_null": why} if why else {})


def _tensors(found: Findings, name: str) -> str | None:
    """The file of a group of tensors in the newest checkpoint."""
    for place in runfolder.listed(found.folder)[:1]:
        file = place / f"{name}.safetensors"
        if file.is_file():
            return file.relative_to(found.folder).as_posix()
    return None


def observables(found: Findings) -> Report:
    """``observables.json``."""
    report = found.sampler.measured.report(found.solution.problem.units)
    return report | {"rule": rule_of(found)}


def features(found: Findings) -> Report:
    """``density_features.json``: where each state is, and how it looks."""
    problem, slices_ = found.solution.problem, found.slices
    grid = slices_[0]
    report: Report = {"grid": f"uniform, {len(grid.places[0])} points on each axis, of the whole box"}
    if problem.dim == 2:
        psi = grid.shaped(found.sampler.states(grid.points))
        x, y = grid.places
        return report | {"states": density_features(psi, x, y, problem.units)}
    states, scale = found.sampler.measured, problem.units.L0_nm
    centre, spread = centre_and_spread(states.psi, states.weights, states.points)
    left = left_weight(states.psi, states.weights, states.points).tolist()
    rows: list[Report] = [
        {
            "state": k,
            "centre_L0": centre[k].tolist(),
            "centre_nm": (scale * centre[k]).tolist(),
            "spread_L0": spread[k].tolist(),
            "left_weight": left[k],
            "right_weight": 1 - left[k],
            "nodal_domains": None,
            "peaks": None,
        }
        for k in range(len(centre))
    ]
    if problem.dim > 2:
        why = "nodal domains and peaks are looked for on a grid, in one and two dimensions"
        return {"states": rows, "why_null": {"states.nodal_domains": why, "states.peaks": why}}
    psi = found.sampler.states(grid.points)
    for row, state, count in zip(rows, psi, nodal_domains(psi).tolist(), strict=True):
        row["nodal_domains"] = count
        row["peaks"] = [
            {
                "position_L0": position,
                "position_nm": [scale * each for each in position],
                "density_L0^-1": height,
            }
            for position, height in peaks(state.square().numpy(), (grid.places[0].numpy(),))
        ]
    return report | {"states": rows}


def plot_range(found: Findings) -> Report:
    """Where pictures of the potential begin and end, in ``E0``, on the grid of the arrays."""
    problem = found.solution.problem
    values = torch.cat([found.sampler.potential(each.points) for each in found.slices])
    barrier = problem.potential.report(problem.units).get("barrier_dimless")
    low, high, focus = focus_range(values, barrier)
    report: Report = {
        "vmin": low,
        "vmax_full": high,
        "vmax_focus": focus,
        "focus_scale": FOCUS,
        "barrier_dimless": barrier,
    }
    why = "this potential does not say what its barrier is; the focus ends at the 95th percentile"
    return report | ({"why_null": {"barrier_dimless": why}} if barrier is None else {})


def focus_range(values: Tensor, barrier: float | None) -> tuple[float, float, float]:
    """Least and greatest number, and where the focused picture ends: four barriers above the least, or at
    the 95th percentile without a barrier."""
    low, high = float(values.min()), float(values.max())
    if barrier is not None and math.isfinite(barrier) and barrier > 0:
        return low, high, min(high, low + FOCUS * barrier)
    return low, high, float(np.percentile(values.numpy(), 95))
