"""Centres of the geometric gate against Lloyd's algorithm written point by point."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.geometry import metric
from lior.geometry.neighbours import cell_centres
from lior.testing.strategies import EDGES, LAW, dimensions, dtypes, fill, seeds
from tests.cases import cases
from tests.strategies import metric_forms

ROUNDS = 8


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def slow_centres(z, root, count, seed):
    """The same rounds from the same first centres, one point at a time."""
    centres = [z[i] for i in torch.randperm(len(z), generator=seeded(seed))[:count]]
    for _ in range(ROUNDS):
        cells = [[] for _ in centres]
        for point in z:
            distances = [((point - c) @ root.mT).norm().item() for c in centres]
            cells[distances.index(min(distances))].append(point)
        centres = [torch.stack(own).mean(0) if own else c for own, c in zip(cells, centres, strict=True)]
    return torch.stack(centres)


@LAW
@given(form=metric_forms(dtype=torch.float64), count=st.integers(1, 12), seed=seeds())
def test_centres_are_those_of_lloyd(form, count, seed):
    z = fill((25, len(form.lam)), "normal", seed, torch.float64)
    root = metric.root(form)
    assert_close(cell_centres(z, root, count, generator=seeded(seed)), slow_centres(z, root, count, seed))


@LAW
@given(edge=st.sampled_from([e for e in EDGES if e != "huge"]), dtype=dtypes(), n=dimensions(), seed=seeds())
def test_any_points_give_finite_centres(edge, dtype, n, seed):
    z = fill((20, n), edge, seed, dtype)
    kept = z.clone()
    centres = cell_centres(z, torch.eye(n, dtype=dtype), 6, generator=seeded(seed))
    assert centres.shape == (6, n)
    assert centres.dtype == dtype
    assert centres.isfinite().all()
    assert torch.equal(z, kept)


@cases("count", [1, 4, 5, 9])
def test_no_more_centres_than_points(count):
    z = fill((4, 3), "normal", 0, torch.float32)
    assert cell_centres(z, torch.eye(3), count, generator=seeded(0)).shape == (min(count, 4), 3)
