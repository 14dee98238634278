"""The geometry of a run: where its metric is stretched or curved, and the contexts there."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import attrs
import torch
from torch import Tensor

from lior.errors import RunError
from lior.geometry import metric
from lior.interfaces import CurvedRSource, PrincipalPlanes
from lior.runs.checkpoint import Checkpoint
from lior.runs.inspection import metric_form, sample_positions, sample_stored
from lior.tensors import sub

SAMPLE = 512
"""Number of contexts at which curvature is measured."""
_AXES, _COORDINATES, _PLACES, _BEFORE = 5, 3, 4, 40
"""Number of axes and planes listed, number of their coordinates, contexts of each kind, and bytes per
context."""
LEVELS = (0.0, 0.05, 0.5, 0.95, 1.0)
"""Quantiles of curvatures."""


@attrs.frozen
class Direction:
    """An axis or a plane, by its largest coordinates."""

    value: float
    """Eigenvalue of the metric, or mean sectional curvature in 1/length²."""
    share: float
    """Share in the sum of the eigenvalues, or of the absolute curvatures."""
    coordinates: tuple[tuple[int, float], ...]
    """Numbers of coordinates, from 0, with their shares of the squared length."""


@attrs.frozen
class ContextPlace:
    """A stored context, and the curvature there."""

    resilience: float
    """The factor ``R`` of every cost."""
    curvature: float | None
    """The Ricci scalar in 1/length²; ``None`` in a flat geometry."""
    document: str
    before: str
    """The end of the context."""


@attrs.frozen(kw_only=True)
class GeometryReport:
    """The content of ``lior inspect --geometry``."""

    axes: tuple[Direction, ...]
    """Axes along which the metric is stretched most; distances grow by the root of the eigenvalue."""
    contexts: int
    """Number of stored contexts at which the curvature was measured."""
    scalar: tuple[float, ...] | None
    """Quantiles :data:`LEVELS` of the Ricci scalar; ``None`` in a flat geometry."""
    sectional: tuple[float, ...] | None
    """Quantiles of the sectional curvatures, the spectrum of the curvature operator."""
    negative: float | None
    """Share of the planes with negative curvature."""
    planes: tuple[Direction, ...]
    """The two axes with the largest absolute curvature, at the most curved contexts."""
    places: tuple[ContextPlace, ...]
    """Contexts with the largest ``R``, then those with the smallest."""


@torch.no_grad()
def geometry_of(checkpoint: Checkpoint) -> GeometryReport:
    """Report on the geometry of a checkpoint, at :data:`SAMPLE` contexts in its memories.

    Raises
    ------
    RunError
        When the run has no geometry, or its memories are empty.
    """
    model = checkpoint.model
    form = metric_form(model)
    if form is None or model.geometry is None:
        raise RunError("the run has no geometry: none of its memories compares contexts")
    z, _ = sample_stored(checkpoint, SAMPLE)
    if not len(z):
        raise RunError("the run's memories are empty, so there is nothing to measure")
    source, z = model.geometry.rsource, z.double()
    medium = {
        name: t.double() if t.is_floating_point() else t for name, t in sub(model.state, "rsource").items()
    }
    r = source.resilience(medium, z, form)
    found = source.planes(medium, z, form) if isinstance(source, CurvedRSource) else None
    scalar = None if found is None else 2 * found.curvatures.sum(1)
    values, vectors = torch.linalg.eigh(metric.dense(form))
    axes = [
        Direction(float(values[i]), float(values[i] / values.sum()), _coordinates(vectors[:, i]))
        for i in reversed(range(max(len(values) - _AXES, 0), len(values)))
    ]
    return GeometryReport(
        axes=tuple(axes),
        contexts=len(z),
        scalar=None if scalar is None else quantiles(scalar),
        sectional=None if found is None else quantiles(found.curvatures.flatten()),
        negative=None if found is None else float((found.curvatures < 0).double().mean()),
        planes=() if found is None else tuple(_planes(found)),
        places=tuple(_places(checkpoint, SAMPLE, r, scalar)),
    )


def quantiles(values: Tensor) -> tuple[float, ...]:
    """Return the quantiles :data:`LEVELS`."""
    ordered = values.sort().values
    return tuple(float(ordered[round(level * (len(ordered) - 1))]) for level in LEVELS)


def _coordinates(vector: Tensor) -> tuple[tuple[int, float], ...]:
    """Return the coordinates with the largest shares of the squared length."""
    shares = vector.square() / vector.square().sum()
    found = shares.topk(min(_COORDINATES, len(shares)))
    return tuple(zip(found.indices.tolist(), found.values.tolist(), strict=True))


def _planes(found: PrincipalPlanes) -> Iterator[Direction]:
    """Return the most curved plane at each of the most curved contexts."""
    size = found.curvatures.abs()
    most, which = size.max(1)
    for row in most.argsort(descending=True)[:_AXES].tolist():
        plane = int(which[row])
        a, b = found.pairs[:, plane].tolist()
        spanned = (found.axes[row, :, a].square() + found.axes[row, :, b].square()).sqrt()
        share = float(most[row] / size[row].sum())
        yield Direction(float(found.curvatures[row, plane]), share, _coordinates(spanned))


def _places(checkpoint: Checkpoint, sample: int, r: Tensor, scalar: Tensor | None) -> Iterator[ContextPlace]:
    corpus, decode = checkpoint.corpus, checkpoint.model.tokenizer.decode
    positions, order = sample_positions(checkpoint, sample), r.argsort(descending=True).tolist()
    starts = [corpus.bounds(number)[0] for number in range(len(corpus.names))]
    for row in [*order[:_PLACES], *order[_PLACES:][-_PLACES:]]:
        position = int(positions[row])
        number = bisect_right(starts, position) - 1
        tokens = corpus.tokens[max(position - _BEFORE, starts[number]) : position].tolist()
        before = bytes(decode(tokens))[-_BEFORE:].decode("utf-8", "replace")
        curvature = None if scalar is None else float(scalar[row])
        yield ContextPlace(float(r[row]), curvature, corpus.names[number], before)
