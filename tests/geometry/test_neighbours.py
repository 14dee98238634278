"""Approximate neighbours: all cells are an exact search, and what few cells find is what matters."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from lior.geometry.neighbours import CellIndex
from lior.interfaces import Features, Items, Query, Text
from lior_plugins.memories.exact import Exact
from tests.cases import cases

ALL = 10**6
"""Cells, more than there are."""
N, COUNT, QUERIES = 4, 3000, 50


class Scorer:
    """Minus the distances times a resilience of the query."""

    def features(self, z, *, query):
        return Features(z, z.square().sum(1), 1 + z[:, 0].sigmoid() if query else None)

    def scores(self, queries, items):
        cost = torch.cdist(queries.f, items.f, compute_mode="donot_use_mm_for_euclid_dist")
        return -8 * cost * queries.resilience[:, None]


def points(count, seed):
    return torch.randn(count, N, generator=torch.Generator().manual_seed(seed))


def indexed(z):
    position = 2 * torch.arange(len(z)) + 5
    return CellIndex.build(Scorer(), z, position, generator=torch.Generator().manual_seed(0)), position


def brute(z, position, queries, at, count, exclude):
    """Positions of the items nearest to each query, by sorting all of them."""
    distances = torch.cdist(queries, z, compute_mode="donot_use_mm_for_euclid_dist")
    distances[(position - at[:, None]).abs() < exclude] = torch.inf
    return position[distances.argsort(1)[:, :count]]


@cases("exclude", [1, 400])
def test_all_cells_are_an_exact_search(exclude):
    z, queries, at = points(COUNT, 0), points(QUERIES, 1), torch.arange(QUERIES) * 100
    index, position = indexed(z)
    found = index.search(queries, at, 9, probes=ALL, exclude=exclude)
    assert torch.equal(found, brute(z, position, queries, at, 9, exclude))


def test_few_cells_find_most_neighbours():
    z, queries, at = points(COUNT, 0), points(QUERIES, 1), torch.arange(QUERIES)
    index, position = indexed(z)
    expected = brute(z, position, queries, at, 9, 1)
    recall = {}
    for probes in (1, 4, len(index.centres)):
        found = index.search(queries, at, 9, probes=probes, exclude=1)
        recall[probes] = (found[:, :, None] == expected[:, None]).any(2).float().mean().item()
    assert 0.2 < recall[1] < recall[4] < recall[len(index.centres)] == 1, recall
    assert recall[4] > 0.7, recall


def test_neighbours_that_are_not_there_are_minus_one():
    index, position = indexed(points(3, 0))
    found = index.search(points(2, 1), torch.tensor([5, 1000]), 4, probes=ALL, exclude=2)
    assert found[0].tolist()[2:] == [-1, -1], "one of the three items is the query itself"
    assert sorted(found[1].tolist()) == [-1, *position.tolist()]


def test_groups_are_of_one_cell_and_uniform_over_the_items():
    index, position = indexed(points(COUNT, 0))
    chosen = index.groups(40 * COUNT, 10, generator=torch.Generator().manual_seed(0))
    inverse = torch.empty(int(position.max()) + 1, dtype=torch.int64)
    inverse[index.position] = torch.arange(COUNT)
    cell = torch.searchsorted(torch.tensor(index.begins), inverse[chosen], right=True) - 1
    assert (cell.view(-1, 10) == cell.view(-1, 10)[:, :1]).all()
    sizes = torch.tensor(index.begins).diff()
    counts = torch.bincount(cell, minlength=len(sizes)) / 40
    assert_close(counts, sizes.float(), atol=0, rtol=0.5)
    assert len(chosen.unique()) > 0.99 * COUNT, "every item has its turn"
    assert len(index.groups(7, 5, generator=torch.Generator())) == 7


# --- memories that read near items only ---


def items(seed, count):
    tokens = torch.randint(97, 107, (count,), generator=torch.Generator().manual_seed(seed))
    text = Text(tokens, torch.arange(count), torch.full((count,), seed))
    return Items(text, 0, points(count, seed))


SCORER = Scorer()


def answers(memory, alphabet):
    memory.learn([items(0, COUNT)])
    asked = items(1, QUERIES)
    return memory.predict(Query(asked.text, torch.arange(QUERIES), asked.z, scorer=SCORER), alphabet).log_p


THREE = {"inverse_temperatures": (0.7, 1.0, 2.0)}
ALPHABETS = [torch.arange(97, 107), torch.tensor([3, 98, 99, 105]), torch.tensor([1, 2])]


@cases("alphabet", ALPHABETS)
def test_all_cells_are_the_exact_memory(alphabet):
    assert_close(
        answers(Exact(probes=ALL, **THREE), alphabet), answers(Exact(**THREE), alphabet), atol=1e-4, rtol=0
    )


def test_near_items_carry_the_distribution():
    """Measured: total variation 0.047."""
    exact_p, p = (answers(Exact(probes=probes, **THREE), ALPHABETS[0]).exp() for probes in (0, 6))
    assert (p != exact_p).any(), "some items were left out"
    distance = 0.5 * (p - exact_p).abs().sum(2).mean()
    assert distance < 0.06, f"{distance:.4f}"


def test_items_written_later_are_found():
    later, memory = items(2, QUERIES), Exact(probes=1)
    answers(memory, ALPHABETS[0])
    memory.learn([later])
    query = Query(later.text, torch.arange(QUERIES), later.z, scorer=SCORER)
    log_p = memory.predict(query, ALPHABETS[0]).log_p[:, -1]
    column = torch.searchsorted(ALPHABETS[0], later.text.tokens)
    assert log_p.gather(1, column[:, None]).exp().mean() > 0.5
