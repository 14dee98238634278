"""Threads of torch: one for what is small, all for what is large, and outside as before."""

from __future__ import annotations

import pytest
import torch

from lior.config.sampling import Sampling
from lior.model import generation
from lior.runs.directory import open_run
from lior.tensors import all_threads, one_thread, threads

SMALL, LARGE = 1000, 1 << 30


@pytest.fixture(autouse=True)
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_small_work_has_one_thread_and_large_work_inside_it_all():
    with threads(SMALL):
        assert (torch.get_num_threads(), all_threads()) == (1, 3)
        with threads(LARGE):
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert (torch.get_num_threads(), all_threads()) == (3, 3)


def test_an_error_leaves_the_threads_as_they_were():
    with pytest.raises(KeyError), threads(SMALL):
        raise KeyError
    assert torch.get_num_threads() == 3


def test_who_asked_for_one_thread_has_one():
    torch.set_num_threads(1)
    with threads(LARGE):
        assert torch.get_num_threads() == 1


def test_one_thread_is_one_for_large_work_too():
    with threads(SMALL), one_thread(), threads(LARGE):
        assert (torch.get_num_threads(), all_threads()) == (1, 1)
    assert (torch.get_num_threads(), all_threads()) == (3, 3)


def test_a_token_is_predicted_with_one_thread(finished, monkeypatch):
    run, seen = open_run(finished), []
    product = type(run.model.geometry.product)
    cost = product.cost

    def watched(*args):
        seen.append(torch.get_num_threads())
        return cost(*args)

    monkeypatch.setattr(product, "cost", watched)
    text, start = run.corpus.text(100, 101, context=run.model.context)
    run.model.score(text, torch.tensor([start]))
    assert set(seen) == {1}
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=3)])
def test_a_token_is_drawn_with_one_thread(sampling, monkeypatch):
    """A few hundred exponentials that two threads share wait for both, on a busy machine for 20 ms."""
    seen = []

    def watched(function):
        return lambda *args: (seen.append(torch.get_num_threads()), function(*args))[1]

    for name in ("exp", "softmax"):
        monkeypatch.setattr(torch, name, watched(getattr(torch, name)))
    generation.draw(torch.zeros(256).log_softmax(0), sampling, generator=torch.Generator().manual_seed(0))
    assert set(seen) == {1}
