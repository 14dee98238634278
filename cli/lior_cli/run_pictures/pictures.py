"""The pictures of a run: their numbers are computed from its model, memories and telemetry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from lior.errors import RunError, UsageError
from lior.files import printable
from lior.geometry import metric
from lior.interfaces import CurvedRSource, MetricForm
from lior.model.language_model import Model
from lior.plots.figures import write_picture
from lior.plots.panels import Curve, HeatMap, Histogram, LeftOut, LineChart, Panel, Picture, ScatterPlot
from lior.runs import directory as rundir
from lior.runs import folder as runfolder
from lior.runs.checkpoint import Checkpoint
from lior.runs.format import read_manifest
from lior.runs.inspection import effective_rank, metric_form, sample_stored, spectrum
from lior.tensors import sub
from lior_cli.run_pictures import learning, scoring
from lior_cli.run_pictures.scoring import CLASSES, Progress, classes_of
from lior_cli.run_pictures.subjects import PICTURES

_BINS, _POINTS, _ROWS, _CURVED = 30, 2000, 4096, 200
_FIFTHS = "least fifth of R", "second", "third", "fourth", "greatest fifth"


@attrs.frozen(kw_only=True)
class PlottedRun:
    """A run, and the size of the samples for its pictures."""

    path: Path
    loaded: Checkpoint | None
    """``None`` until training is finished."""
    sample: int
    """Number of contexts in a sample."""
    progress: Progress

    @property
    def finished(self) -> Checkpoint:
        """The contents of a run that can predict."""
        if self.loaded is None:
            raise LeftOut(rundir.unfinished(self.path))
        return self.loaded

    @property
    def title(self) -> str:
        """The run's name, short and printable."""
        name = printable(str(self.path))
        return name if len(name) <= 40 else "…" + name[-39:]


def open_run(
    run: Path, *, sample: int, progress: Progress = lambda done, of: None, device: torch.device | str = "cpu"
) -> PlottedRun:
    """Open the run at ``run``; an unfinished one provides only the telemetry.

    Raises
    ------
    RunError
        When it is not a run, or is damaged.
    """
    loaded = None if _in_training(run) else rundir.open_run(run, device=device)
    return PlottedRun(path=run, loaded=loaded, sample=sample, progress=progress)


def _in_training(run: Path) -> bool:
    places = runfolder.list_checkpoints(run)
    if not places:
        return (run / "metrics.jsonl").is_file()
    with contextlib.suppress(RunError):
        return read_manifest(places[0])["training"] is not None
    return False


@torch.no_grad()
def picture(name: str, run: PlottedRun) -> Picture:
    """Return one of :data:`lior_cli.run_pictures.subjects.PICTURES`.

    Raises
    ------
    LeftOut
        When the run has nothing to show there.
    """
    subject, panels = _BUILDERS[name](run)
    return Picture(
        name=name, title=f"{run.title}: {subject}", panels=panels, columns=1 if name == "weights" else 2
    )


def write_pictures(
    path: Path, loaded: Checkpoint, folder: Path, names: Sequence[str] = (), *, sample: int, form: str
) -> Iterator[Path]:
    """Write pictures of the run at ``path`` into ``folder``, and yield their paths.

    Without ``names`` they are all that the run has numbers for; a name without any raises :class:`LeftOut`.
    """
    if unknown := [name for name in (*names, form) if name not in (*PICTURES, "png", "svg")]:
        raise UsageError(f"{unknown[0]!r} is not one of {', '.join(PICTURES)}, in the formats png and svg")
    run = PlottedRun(path=path, loaded=loaded, sample=sample, progress=lambda done, of: None)
    for name in names or PICTURES:
        try:
            yield from write_picture(picture(name, run), folder, [form])
        except LeftOut:
            if names:
                raise


_Built = tuple[str, list[Panel]]
"""The subject, and the panels."""


def _curves(run: PlottedRun) -> _Built:
    return "cost while training", [*learning.panels(run.path)]


def _positions(run: PlottedRun) -> _Built:
    scored = scoring.score(run.finished, run.sample, run.progress)
    subject = f"cost of {len(scored.nats):,} of {scored.total:,} tokens of the validation text"
    return subject, [*scoring.panels(scored)]


# --- the geometry ---


def _form(run: PlottedRun) -> MetricForm:
    form = metric_form(run.finished.model)
    if form is None:
        raise LeftOut("the run has no geometry")
    return form


def _spectrum(run: PlottedRun) -> _Built:
    form = _form(run)
    values = spectrum(form)
    parts = {"g": values}
    if len(form.d):
        parts["g without its low-rank part"] = (form.omega2 * form.lam).sort(descending=True).values
    found = [value for part in parts.values() for value in part.tolist()]
    panel = LineChart(
        title=f"effective rank {effective_rank(values):.1f} of {len(values)}, "
        f"condition number {float(values[0] / values[-1]):.3g}",
        x_label="number of the eigenvalue, by size",
        y_label="eigenvalue",
        curves=[
            Curve(name=name, x=[*range(1, len(part) + 1)], y=part.tolist(), dots=True)
            for name, part in parts.items()
        ],
        log_y=_spans_decades(found),
    )
    return "spectrum of the metric g", [panel]


def _angles(run: PlottedRun) -> _Built:
    form = _form(run)
    if form.q is None:
        raise LeftOut("the frame of the run does not rotate, so it has no angles")
    turned = angles(form.q).tolist()
    panel = LineChart(
        title=f"{len(turned)} planes that Q turns in themselves",
        x_label="number of the plane, by angle",
        y_label="angle in degrees",
        curves=[Curve(name="angles", x=[*range(1, len(turned) + 1)], y=turned, dots=True)],
    )
    return "angles of the metric's rotation Q", [panel]


def angles(q: Tensor) -> Tensor:
    """Return angles in degrees, descending, of the ``n // 2`` planes that the rotation ``q (n, n)`` turns.

    They are the arguments of its eigenvalues, which come in conjugate pairs ``exp(±iθ)``. A rotation turns
    each of these planes in itself, by an angle from 0 to 180.
    """
    arguments = torch.linalg.eigvals(q.double()).angle().abs().rad2deg()
    return arguments.sort(descending=True).values[::2][: len(q) // 2]


def _resilience(run: PlottedRun) -> _Built:
    z, _ = _store(run.finished, run.sample)
    model = run.finished.model
    geometry = model.geometry
    assert geometry is not None
    form, medium = geometry.frame.form(sub(model.state, "frame")), sub(model.state, "rsource")
    r = torch.cat([geometry.rsource.resilience(medium, part, form) for part in z.split(_ROWS)]).double().cpu()
    log = _spans_decades([float(r.min()), float(r.max())])
    counts, edges = _histogram(r.log10() if log else r)
    quantiles = r.quantile(r.new_tensor([0.05, 0.5, 0.95])).tolist()
    panel = Histogram(
        title=f"at {len(r):,} stored contexts",
        x_label="resilience R, the factor of every cost",
        y_label="contexts",
        edges=[10**e for e in edges] if log else edges,
        counts=counts,
        levels=dict(zip(("5 %", "median", "95 %"), quantiles, strict=True)),
        log_x=log,
    )
    return "resilience over the memory", [panel]


def _spans_decades(values: Sequence[float]) -> bool:
    """Return whether a logarithmic axis suits these numbers: the largest is over 20 times the smallest."""
    return bool(values) and 0 < 20 * min(values) < max(values)


def _histogram(values: Tensor) -> tuple[list[int], list[float]]:
    lo, hi = float(values.min()), float(values.max())
    if hi - lo < 1e-6 * max(abs(lo), abs(hi), 1e-6):  # all the same but for rounding
        lo, hi = lo - 0.5 * abs(lo) - 1e-6, hi + 0.5 * abs(hi) + 1e-6
    counts, edges = torch.histogram(values, _BINS, range=(lo, hi))
    return counts.long().tolist(), edges.tolist()


def _coordinates(run: PlottedRun) -> _Built:
    loaded = run.finished
    z, tokens = _store(loaded, min(run.sample, _POINTS))
    assert loaded.model.geometry is not None
    y = z.double() @ loaded.model.geometry.scorer(loaded.model.state).root.double().T
    panel = _scatter(
        y,
        title=f"{len(z):,} stored contexts, by class of the token that follows",
        classes=CLASSES,
        of=classes_of(tokens, loaded.model.tokenizer).tolist(),
    )
    return "coordinates in the metric", [panel]


def _scatter(y: Tensor, **given: Any) -> ScatterPlot:
    """Return a scatter plot of coordinates ``y = A z (N, m)`` along their two principal axes."""
    flat, shares = principal(y)
    return ScatterPlot(
        x_label=f"first principal axis of A z ({shares[0]:.1%} of the variance)",
        y_label=f"second ({shares[1]:.1%})",
        x=flat[:, 0].tolist(),
        y=flat[:, 1].tolist(),
        **given,
    )


def _curvature(run: PlottedRun) -> _Built:
    loaded = run.finished
    z, _ = _store(loaded, min(run.sample, _POINTS))
    geometry, state, form = loaded.model.geometry, loaded.model.state, _form(run)
    assert geometry is not None
    medium = {name: t.double() if t.is_floating_point() else t for name, t in sub(state, "rsource").items()}
    r = geometry.rsource.resilience(medium, z.double(), form)
    fifth = (r.argsort().argsort() * len(_FIFTHS)) // len(r)
    y, title = z.double() @ metric.root(form).T, f"{len(z):,} stored contexts, by R"
    panels: list[Panel] = [_scatter(y, title=title, classes=_FIFTHS, of=fifth.tolist(), subject="resilience")]
    if isinstance(geometry.rsource, CurvedRSource):
        found = geometry.rsource.planes(medium, z[:_CURVED].double(), form).curvatures.flatten()
        counts, edges = _histogram(found.cpu())
        levels = {"median": float(found.median()), "mean": float(found.mean())}
        panels.append(
            Histogram(
                title=f"spectrum of the curvature operator at {min(len(z), _CURVED)} contexts",
                x_label="sectional curvature of a principal plane, 1/length²",
                y_label="planes",
                edges=edges,
                counts=counts,
                levels=levels,
            )
        )
    return "curvature of the metric", panels


def principal(y: Tensor) -> tuple[Tensor, tuple[float, float]]:
    """Return the two principal components ``(N, 2)`` of ``y (N, m)``, and their shares of the variance.

    The largest entry of each axis is positive, so that the same points give the same picture.
    """
    centred = y - y.mean(0)
    variances, axes = torch.linalg.eigh(centred.mT @ centred)
    axes = axes[:, -2:].flip(1)
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    shares = (variances.clamp(min=0) / variances.sum().clamp(min=1e-300)).tolist()
    return centred @ axes, (shares[-1], shares[-2])


def _store(loaded: Checkpoint, count: int) -> tuple[Tensor, Tensor]:
    if loaded.model.geometry is None:
        raise LeftOut("the run has no geometry")
    z, tokens = sample_stored(loaded, count)
    if not len(z):
        raise LeftOut("the memories hold nothing")
    return z, tokens


# --- the mixer ---


def _weights(run: PlottedRun) -> _Built:
    model = run.finished.model
    if len(model.experts) == 1:
        raise LeftOut(f"the mixer has one expert ({model.experts[0]}), so there is nothing to weigh")
    panels: list[Panel] = []
    for table, title, label in _tables(model):
        values = model.weights[table].T.tolist()
        panels.append(HeatMap(title=title, x_label=label, unit="weight", rows=model.experts, values=values))
    return "the mixer's weights, each the sum of one column a table", panels


def _tables(model: Model) -> list[tuple[str, str, str]]:
    """Return name, title and axis label of each table of the mixer."""
    gates = [
        (name, number, len(sizes))
        for name, memory in model.memories.items()
        for sizes in [memory.abilities.gates]
        for number in range(1, len(sizes) + 1)
    ]
    tables = [
        (
            f"gate{i}",
            f"gate{f' {number} of {count}' if count > 1 else ''} of memory {name}",
            "value of the gate",
        )
        for i, (name, number, count) in enumerate(gates)
    ]
    tables = [*tables, ("cells", "cells of the geometry: columns are mixed by distance", "cell")]
    return [table for table in tables if table[0] in model.weights] or [("gate0", "no gate", "")]


_BUILDERS: dict[str, Callable[[PlottedRun], _Built]] = {
    "curves": _curves,
    "positions": _positions,
    "spectrum": _spectrum,
    "angles": _angles,
    "resilience": _resilience,
    "weights": _weights,
    "coordinates": _coordinates,
    "curved": _curvature,
}
