"""The action of texts: the cost of a document's path, and its rank correlation with surprise.

Every token moves the coordinate of its context by a step. Its share of the action is ``R √(g(Δz, Δz) +
ε)``, with the resilience half-way; where the path turns, the angle between two steps is large. The control
is the same step in the plain metric of the coordinates, with ``R = 1``. A rank correlation over lines shows
whether any of them agrees with the model's surprise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lior import Model
from lior.errors import RunError, UsageError, quantity
from lior.geometry import metric
from lior.model import Corpus, ScoredDocument, byte_lengths
from lior.tensors import sub
from lior_field import paths

_FEWEST_LINES = 8
_DRAWS = 1000
MEASURES = ("action", "turning", "plain step")


class PathMeasures(NamedTuple):
    """Measures of the path of one document, one number for each of its bytes, float64."""

    action: NDArray[np.float64]
    """Share of the action; a token's bytes share its step equally."""
    turning: NDArray[np.float64]
    """Angle at the token, in radians."""
    plain: NDArray[np.float64]
    """Length of the step with the identity as metric and ``R = 1``."""


@torch.no_grad()
def measure(model: Model, corpus: Corpus) -> list[PathMeasures]:
    """Return the measures of every document of ``corpus``.

    Raises
    ------
    RunError
        When the model has no geometry.
    """
    geometry, state = model.geometry, model.state
    if geometry is None:
        raise RunError(
            "the run has no geometry, so that its texts have no path; train with --memory exact, sdm,exact"
        )
    text, _ = corpus.text(0, len(corpus), context=model.context)
    form = geometry.frame.form(sub(state, "frame"))
    root, resilience = metric.root(form), sub(state, "rsource")
    found = []
    for positions in torch.arange(len(corpus)).tensor_split(corpus.starts[1:].cpu()):
        z = model.space.coordinates(text, positions.to(model.device))
        assert z is not None  # there is a geometry
        # A token's step leads from the context before it to the one after, which belongs to the next
        # position.
        steps = torch.zeros(3, len(positions), dtype=torch.float64)
        if len(positions) > 1:
            r = geometry.rsource.resilience(resilience, paths.midpoints(z), form)
            steps[0, :-1] = paths.action(z @ root.mT, r).double().cpu()
            steps[1, 1:-1] = paths.turning(z @ root.mT).double().cpu()
            steps[2, :-1] = paths.action(z, torch.ones_like(r)).double().cpu()
        lengths = byte_lengths(corpus.tokens[positions.to(corpus.tokens.device)], model.tokenizer).cpu()
        steps[[0, 2]] /= lengths.clamp(min=1)
        found.append(PathMeasures(*steps.repeat_interleave(lengths, dim=1).numpy()))
    return found


class LineMeasures(NamedTuple):
    """The lines of some documents, each with means over its bytes."""

    document: list[str]
    line: list[int]
    text: list[str]
    surprise: NDArray[np.float64]
    """Bits per byte."""
    values: dict[str, NDArray[np.float64]]
    """One number for each line, for each of :data:`MEASURES`."""


def by_line(scored: list[ScoredDocument], measured: list[PathMeasures]) -> LineMeasures:
    """Return the lines that are not empty."""
    rows = [
        (part, document, path)
        for document, path in zip(scored, measured, strict=True)
        for part in document.lines()
        if document.data[part.begin : part.end].strip()
    ]
    means = np.array([[values[p.begin : p.end].mean() for values in path] for p, _, path in rows])
    return LineMeasures(
        [part.document for part, _, _ in rows],
        [part.line for part, _, _ in rows],
        [
            document.data[part.begin : part.end].decode("utf-8", "replace").rstrip()
            for part, document, _ in rows
        ],
        np.array([part.bits_per_byte for part, _, _ in rows]),
        dict(zip(MEASURES, means.reshape(-1, 3).T, strict=True)),
    )


class Agreement(NamedTuple):
    """A rank correlation with its interval."""

    value: float
    low: float
    high: float
    """Upper end of the 95 % interval (``low`` is the lower one), by a bootstrap over lines."""


def agreement(a: NDArray[np.float64], b: NDArray[np.float64], *, seed: int = 0) -> Agreement:
    """Return Spearman's rank correlation of two measures of the same lines.

    Raises
    ------
    UsageError
        With fewer than 8 lines.
    """
    if len(a) < _FEWEST_LINES:
        raise UsageError(
            f"{quantity(len(a), 'line')} with text: comparing two measures needs at least {_FEWEST_LINES}"
        )
    rng = np.random.default_rng(seed)
    draws = [_spearman(a[rows], b[rows]) for rows in rng.integers(len(a), size=(_DRAWS, len(a)))]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Agreement(_spearman(a, b), float(low), float(high))


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    x, y = _ranks(a), _ranks(b)
    spread = float(x.std() * y.std())
    return float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks; equal values get their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    means: NDArray[np.float64] = (ends - (counts - 1) / 2)[inverse]
    return means
