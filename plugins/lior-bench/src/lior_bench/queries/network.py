"""The network that scores queries, learned from questions with their right queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import numpy as np
import torch
from scipy import sparse
from torch.nn import Parameter

from lior_ask.tables.learned import Network
from lior_ask.tables.query import Query

_MOST = 120
"""Maximum number of proposals of a question to learn from, besides those that are right."""
_BATCH = 32
_RATE, _DECAY, _DROPPED = 6e-3, 0.01, 0.1
"""Maximum learning rate, weight decay, and the share of features that a step leaves out."""
_LEAST_SCALE = 0.05
_PRIOR = {"class": 1.5, "mode": 1.0, "sign": 1.0}
"""Weights to begin with: these features are logarithms of probabilities. Chosen on folders left out."""


@attrs.frozen(eq=False)
class Choice:
    """The proposals of a question with their features."""

    how: str
    """The operation of the gold query."""
    queries: Sequence[Query]
    features: sparse.csr_matrix
    """``(P, F)``, float32."""
    right: np.ndarray
    """Whether each proposal is right, bool ``(P,)``."""
    accepted: np.ndarray
    """Whether each proposal is right or answers as well, bool ``(P,)``."""
    nothing: float
    """The score for no query: the logarithm of the probability of the classes without one."""
    meant: bool
    """Whether a query is meant."""
    meanings: np.ndarray
    """The number of each proposal's answer, the same for the same answer, -1 without one, int64 ``(P,)``."""
    planned: bool | None = None
    """Whether the calculation of the grammar is right; ``None`` without one."""
    same: np.ndarray | None = None
    """Whether each proposal has the value of that calculation, bool ``(P,)``."""
    grammar: str = ""
    """``refused`` if words name nothing to the grammar, ``zero`` if its calculation has no row or gives 0."""

    kind: str = ""
    """That of its :class:`~lior_bench.queries.examples.Example`."""

    @property
    def learnable(self) -> bool:
        """Whether the right choice is among the proposals."""
        return bool(not self.meant or self.right.any())


class _Net(torch.nn.Module):
    """Scores by a hidden layer of rectified units and a linear part, and that of no query."""

    def __init__(self, features: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden = Parameter(torch.randn(features, hidden, generator=generator) / features**0.5)
        self.shift = Parameter(torch.zeros(hidden))
        self.out = Parameter(torch.randn(hidden, generator=generator) / 10)
        self.direct = Parameter(torch.zeros(features))
        self.constant = Parameter(torch.zeros(1))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the scores of proposals."""
        return torch.relu(values @ self.hidden + self.shift) @ self.out + values @ self.direct


@attrs.frozen(eq=False)
class _Batch:
    """Questions with their proposals, each a row of ``values``."""

    values: torch.Tensor
    """``(N, F)``."""
    places: tuple[torch.Tensor, torch.Tensor]
    """The question of each proposal, and its number there from 1 on; 0 is the case of no query."""
    wrong: torch.Tensor
    """Whether a choice is wrong, bool ``(Q, 1 + P)``, true behind the last proposal of a question."""
    nothing: torch.Tensor
    """``(Q,)``."""

    def loss(self, net: _Net) -> torch.Tensor:
        """Return the mean negative logarithm of the probability of what is right (conditional logit)."""
        scores = torch.full(self.wrong.shape, -torch.inf).index_put(self.places, net(self.values))
        scores[:, 0] = net.constant + self.nothing
        right = scores.masked_fill(self.wrong, -torch.inf)
        return (torch.logsumexp(scores, 1) - torch.logsumexp(right, 1)).mean()


def fit_network(
    choices: Sequence[Choice], names: Sequence[str], *, hidden: int = 64, epochs: int = 10, seed: int = 0
) -> Network:
    """Learn the scores of queries by AdamW with a rate of one cycle; all choices must be learnable."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    choices = [_sampled(each, rng) for each in choices]
    features = sparse.vstack([each.features for each in choices])
    scale = np.maximum(np.sqrt(np.asarray(features.power(2).mean(0)).ravel()), _LEAST_SCALE)
    features = (features @ sparse.diags(1 / scale)).tocsr().astype(np.float32)
    net = _Net(len(names), hidden, generator)
    prior = np.array([_PRIOR.get(name, 0.0) for name in names]) * scale
    net.direct = Parameter(torch.from_numpy(prior.astype(np.float32)))
    steps = epochs * -(-len(choices) // _BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_RATE, total_steps=steps + 1)
    for _ in range(epochs):
        for batch in _batches(choices, features, rng):
            optimizer.zero_grad()
            batch.loss(net).backward()
            optimizer.step()
            rate.step()
    arrays = {name: value.detach().double().numpy() for name, value in net.named_parameters()}
    constant = float(arrays.pop("constant")[0])
    return Network((*names,), scale, constant=constant, **arrays)


def mean_of(networks: Sequence[Network]) -> Network:
    """Return the mean of networks of the same features: a network with the hidden units of all."""
    scale, count = networks[0].scale, len(networks)
    return Network(
        networks[0].names,
        scale,
        np.concatenate([each.hidden * (scale / each.scale)[:, None] for each in networks], 1),
        np.concatenate([each.shift for each in networks]),
        np.concatenate([each.out for each in networks]) / count,
        np.mean([each.direct * scale / each.scale for each in networks], 0),
        float(np.mean([each.constant for each in networks])),
    )


def _sampled(choice: Choice, rng: np.random.Generator) -> Choice:
    """Return a choice with at most ``_MOST`` proposals, and those that are right."""
    kept = choice.right.copy()
    kept[rng.permutation(len(kept))[:_MOST]] = True
    return attrs.evolve(choice, features=choice.features[kept], right=choice.right[kept])


def _batches(
    choices: Sequence[Choice], features: sparse.csr_matrix, rng: np.random.Generator
) -> Iterator[_Batch]:
    """Yield all questions in random order; ``features`` are those of all proposals."""
    firsts = np.cumsum([0, *(len(each.right) for each in choices)])
    order = rng.permutation(len(choices))
    for some in np.split(order, range(_BATCH, len(order), _BATCH)):
        counts = firsts[some + 1] - firsts[some]
        question = np.repeat(np.arange(len(some)), counts)
        place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        values = features[firsts[some][question] + place]
        values.data *= (rng.random(len(values.data)) >= _DROPPED) / np.float32(1 - _DROPPED)
        wrong = np.ones((len(some), 1 + counts.max()), bool)
        wrong[question, 1 + place] = ~np.concatenate([choices[n].right for n in some])
        wrong[:, 0] = [choices[n].meant for n in some]
        yield _Batch(
            values=torch.from_numpy(values.toarray()),
            places=(torch.from_numpy(question), torch.from_numpy(1 + place)),
            wrong=torch.from_numpy(wrong),
            nothing=torch.tensor([choices[n].nothing for n in some]),
        )
