"""Panels about how training went, from the lines of its metrics."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from lior.plots.panels import Curve, LeftOut, LineChart, Panel, spans_decades
from lior_ritz.reports.verdicts import History, global_steps
from lior_ritz.training.solution import Solution

_STEP = "step of training"
_FEW = 8
"""Most levels that have a curve each."""
_PHASES = {"adam": "Adam", "adamw": "AdamW", "lbfgs": "L-BFGS", "polish": "polish"}
_PENALTIES = {
    "loss_S_condition": "condition of the overlap",
    "loss_boundary": "values on the edge",
    "loss_residual": "residuals",
}


def losses(solution: Solution, history: History) -> list[Panel]:
    """The loss and, if there are any, its penalties."""
    whole = _curve(history, "loss_total", "loss")
    energies = _curve(history, "loss_eigsum", "sum of the energies")
    alone = whole.y == energies.y
    panels: list[Panel] = [
        LineChart(
            title="loss on the training nodes" + ": the sum of the energies alone" * alone,
            x_label=_STEP,
            y_label=f"loss in units of {solution.problem.units.E0_meV:.5g} meV",
            curves=[whole] if alone else [whole, energies],
            log_y=_spread([*whole.y, *energies.y]),
        )
    ]
    penalties = [_curve(history, key, name) for key, name in _PENALTIES.items()]
    penalties = [curve for curve in penalties if any(curve.y)]
    if penalties:
        panels.append(
            LineChart(
                title="penalties in the loss, without their weights",
                x_label=_STEP,
                y_label="penalty",
                curves=penalties,
                log_y=True,
            )
        )
    return panels


def eigsum(solution: Solution, history: History) -> list[Panel]:
    """The sum of the energies, and its distance to the referee's."""
    unit = solution.problem.units.E0_meV
    exact = float(solution.referee.energies[: len(solution.energies)].sum()) * unit
    curves = [*_by_phase(history, "loss_eigsum", unit), _checked(history, "eval_eigsum", unit)]
    values = [y for curve in curves for y in curve.y]
    sums = LineChart(
        title="sum of the energies, and the referee's",
        x_label=_STEP,
        y_label="ΣE in meV",
        curves=curves,
        levels={"referee": exact},
        log_y=spans_decades([*values, exact]),
    )
    away = [_away(curve, exact) for curve in curves]
    return [sums, _distance("distance of the sum to the referee's", away)]


def conditioning(solution: Solution, history: History) -> list[Panel]:
    """Extreme eigenvalues of the overlap of the functions that the Ritz step chooses from."""
    parts = {
        "s_max_eig": "greatest eigenvalue",
        "s_min_eig": "least eigenvalue",
        "s_cond_est": "their ratio, the condition number",
    }
    curves = [_curve(history, key, name) for key, name in parts.items()]
    title = "overlap of the trial functions"
    return [LineChart(title=title, x_label=_STEP, y_label="eigenvalue, or ratio", curves=curves, log_y=True)]


def step_time(solution: Solution, history: History) -> list[Panel]:
    """Wall-clock time of each step."""
    curves = _by_phase(history, "dt_sec", 1000.0)
    times = [y for curve in curves for y in curve.y]
    return [
        LineChart(
            title="time of each step",
            x_label=_STEP,
            y_label="ms",
            curves=curves,
            levels={"median": statistics.median(times)} if times else {},
            log_y=spans_decades(times),
        )
    ]


def energies(solution: Solution, history: History) -> list[Panel]:
    """Each level, and the referee's."""
    unit, count = solution.problem.units.E0_meV, min(len(solution.energies), _FEW)
    exact = [float(e) * unit for e in solution.referee.energies[:count]]
    curves = [_curve(history, "eigvals", f"E{k}", unit, k) for k in range(count)]
    values = [y for curve in curves for y in curve.y]
    room = 1.5 * max(exact[-1] - exact[0], 0.2 * abs(exact[-1]))
    cut = bool(values) and max(values) > exact[-1] + room
    return [
        LineChart(
            title=f"{_lowest(solution)} on the training nodes, and the referee's (dashed)"
            + ", the beginning cut off" * cut,
            x_label=_STEP,
            y_label="E in meV",
            curves=curves,
            levels={f"E{k}": energy for k, energy in enumerate(exact)},
            levels_beside=True,
            high=exact[-1] + room if cut else None,
        )
    ]


def convergence(solution: Solution, history: History) -> list[Panel]:
    """How far each level is from the referee's, on the training nodes and on independent ones."""
    unit, count = solution.problem.units.E0_meV, min(len(solution.energies), _FEW)
    exact = [float(e) * unit for e in solution.referee.energies[:count]]
    bar = float(solution.referee.errors[:count].max()) * unit
    panels: list[Panel] = []
    for key, title in (
        ("eigvals", f"on the training nodes; the referee's own error is at most {bar:.0e} meV"),
        ("eval_energies", "on nodes that training has not seen"),
    ):
        curves = [_away(_curve(history, key, f"E{k}", unit, k), exact[k]) for k in range(count)]
        if any(curve.x for curve in curves):
            panels.append(_distance(title, curves, log_x=True))
    return panels


def dashboard(solution: Solution, history: History) -> list[Panel]:
    """The four that say most, two by two."""
    return [
        losses(solution, history)[0],
        *energies(solution, history),
        *conditioning(solution, history),
        *step_time(solution, history),
    ]


# --- what they are made of ---


def _spread(values: Sequence[float]) -> bool:
    """Whether a logarithmic axis is the better one, also with numbers below 0."""
    if not values or min(values) > 0:
        return spans_decades(values)
    return max(values) - min(values) > 20 * max(abs(statistics.median(values)), 1.0)


def _lowest(solution: Solution) -> str:
    count = len(solution.energies)
    return f"the {_FEW} lowest of {count} levels" if count > _FEW else "levels"


def _distance(title: str, curves: list[Curve], *, log_x: bool = False) -> LineChart:
    y_label = "|E − referee| in meV" if log_x else "|ΣE − referee| in meV"
    return LineChart(title=title, x_label=_STEP, y_label=y_label, curves=curves, log_x=log_x, log_y=True)


def _away(curve: Curve, exact: float) -> Curve:
    return Curve(name=curve.name, x=curve.x, y=[abs(y - exact) for y in curve.y])


def _curve(history: History, key: str, name: str, scale: float = 1.0, index: int | None = None) -> Curve:
    """A number of the metrics over the steps since the beginning; lines without it are passed over."""
    x, y = [], []
    for step, line in zip(global_steps(history), history, strict=True):
        value = line.get(key)
        if index is not None and value is not None:
            value = value[index] if index < len(value) else None
        if value is not None:
            x.append(step)
            y.append(scale * value)
    if not x and not history:
        raise LeftOut("no metrics of training are at hand")
    return Curve(name=name, x=x, y=y)


def _by_phase(history: History, key: str, scale: float) -> list[Curve]:
    """A curve for each phase."""
    names = dict.fromkeys(line.get("phase", "") for line in history)
    whole = _curve(history, key, "", scale)
    phase_of = {s: line.get("phase", "") for s, line in zip(global_steps(history), history, strict=True)}
    return [
        Curve(
            name=_PHASES.get(name, name or "training"),
            x=[x for x in whole.x if phase_of[int(x)] == name],
            y=[y for x, y in zip(whole.x, whole.y, strict=True) if phase_of[int(x)] == name],
        )
        for name in names
    ]


def _checked(history: History, key: str, scale: float) -> Curve:
    return _curve(history, key, "independent nodes", scale)
