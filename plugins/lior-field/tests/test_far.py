"""Canonical variates beside a dense solution, and the encoder that is made of them."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor
from torch.testing import assert_close

import lior
from lior.errors import UsageError
from lior.testing.encoders import encoder_contract
from lior.testing.tensors import make_generator
from lior_field.canonical import variates
from lior_field.far import Far

TestFarBeforePoles = encoder_contract(lambda: Far(n=6, coordinates=2, reach=64))
TestFarBeforeLags = encoder_contract(lambda: Far(n=6, coordinates=4, reach=64, near="lags"))


def correlations(x: Tensor, y: Tensor, groups: Tensor) -> Tensor:
    """By dense projections: what groups explain is taken out of both, the classes are scaled one by one."""
    members = torch.nn.functional.one_hot(groups).double()
    rest = torch.eye(len(x), dtype=torch.float64) - members @ torch.linalg.pinv(members)
    x, y = rest @ (x / x.std(0)), rest @ torch.nn.functional.one_hot(y).double()
    n = len(x)
    covariance = x.mT @ x / n + 1e-3 * torch.eye(x.shape[1], dtype=torch.float64)
    cross = x.mT @ (y / y.square().sum(0).clamp(min=1).sqrt()) / n**0.5
    return (
        torch.linalg.eigvals(torch.linalg.solve(covariance, cross @ cross.mT))
        .real.sort(descending=True)[0]
        .sqrt()
    )


def test_variates_are_those_of_a_dense_solution(generator: Generator) -> None:
    counts = torch.rand(300, 5, generator=generator, dtype=torch.float64)
    groups = torch.randint(7, (300,), generator=generator)
    tokens = (counts[:, 1] + counts[:, 3] > 1).long() + 2 * (groups > 3)
    found = variates(counts, groups, tokens, 3)
    assert_close(found.correlations, correlations(counts, tokens, groups)[:3])
    inside = counts - torch.stack([counts[groups == g].mean(0) for g in range(7)])[groups]
    spread = counts.std(0)
    ridge = 1e-3 * (found.weights * spread[:, None]).mT @ (found.weights * spread[:, None])
    sums = inside @ found.weights
    assert_close(sums.mT @ sums / 300 + ridge, torch.eye(3, dtype=torch.float64))
    leading = found.weights[:, 0] * spread
    assert leading.abs().topk(2).indices.sort().values.tolist() == [1, 3]


def test_what_the_last_tokens_say_is_no_correlation(generator: Generator) -> None:
    groups = torch.randint(4, (4000,), generator=generator)
    counts = torch.nn.functional.one_hot(groups).double() + torch.rand(4000, 4, generator=generator)
    assert variates(counts, groups, groups, 2).correlations[0] < 1e-6
    assert variates(counts, torch.zeros_like(groups), groups, 2).correlations[0] > 0.9


def test_columns_that_do_not_vary_and_missing_ranks_have_no_weight(generator: Generator) -> None:
    counts = torch.rand(50, 3, generator=generator)
    counts[:, 1] = 2
    found = variates(counts, torch.zeros(50, dtype=torch.int64), torch.arange(50) % 2, 6)
    assert found.weights.shape == (3, 6)
    assert not found.weights[1].any()
    assert not found.weights[:, 2:].any()
    assert not found.correlations[2:].any()


def bracketed(seed: int) -> Tensor:
    """0 opens and 1 closes, at times that nothing tells; after 2, the token is 3 inside and 4 outside."""
    draw, tokens, opened = make_generator(seed), [], False
    for chance in torch.rand(30_000, generator=draw).tolist():
        if chance < 0.01:
            opened = not opened
            tokens.append(0 if opened else 1)
        elif chance < 0.06:
            tokens += [2, 3 if opened else 4]
        else:
            tokens.append(5 + int(100 * chance) % 3)
    return torch.tensor(tokens)


def test_a_far_coordinate_tells_inside_from_outside() -> None:
    encoder = Far(n=4, coordinates=1, reach=256, fading=200.0, skip=0)

    def read(text: Tensor, at: Tensor) -> Tensor:
        return text[at[:, None] - 1 - torch.arange(256)]

    text, fresh = bracketed(0), bracketed(1)
    sample = ((read(text, part), text[part]) for part in torch.arange(300, len(text)).split(4096))
    state = encoder.observe(encoder.init(8, generator=make_generator(1)), sample)
    asked = (fresh[299:-1] == 2).nonzero()[:, 0] + 300
    z, inside = encoder.encode(state, read(fresh, asked))[:, -1], (fresh[asked] == 3).float()
    assert torch.corrcoef(torch.stack([z, inside]))[0, 1].abs() > 0.8


def test_training_finds_the_table_and_is_refused_what_does_not_fit() -> None:
    text = "".join(
        f"{'(' if i % 3 else '['} the rain fell on the roof {')' if i % 3 else ']'}\n" for i in range(80)
    )
    few = {"updates": 3, "batch": 32, "keys": 128}
    run = lior.train(
        documents={"a": text}, memory="exact", encoder={"name": "far", "reach": 64}, geometry=few
    )
    assert run.model.state["encoder.far"].any()
    with pytest.raises(UsageError, match="allowed are 1 to n - 2 = 6"):
        Far(n=8, coordinates=7)
    with pytest.raises(UsageError, match="reads 512 tokens"):
        Far(n=40, coordinates=2, reach=64, near="far").init(3, generator=make_generator(0))
