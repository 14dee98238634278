"""Learn ``lior ask``'s bags of word pieces: a linear map of the pieces' vectors, and a weight for each piece.

The vector of a question should be nearer to its answer than to the other passages of its folder (contrastive
learning: M. Henderson et al., *Efficient Natural Language Response Suggestion for Smart Reply*, 2017). The
folders are those that the encoder learns from: the judge learns the value of cosines on others.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import attrs
import click
import numpy as np
import torch
from safetensors.numpy import save_file
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

import lior_ask
from lior.interfaces import Forward
from lior_ask.embedders import bags, e5
from lior_ask.judging.features import read_rows
from lior_ask.question.question import understood
from lior_bench.sets import Question, folder
from lior_bench.worlds import holds, unpack, worlds

WEIGHTS = f"lior-ask/src/lior_ask/embedders/{bags.WEIGHTS}"


@attrs.frozen(kw_only=True)
class Plan:
    """The settings of learning."""

    width: int = 256
    epochs: int = 4
    temperature: float = 0.05
    """The temperature of cosines."""
    rate: float = 4e-4
    """The learning rate of the map, in standard deviations of a piece's numbers; that of the weight is two
    fifths of it.
    """
    seed: int = 0


class Read(NamedTuple):
    """A folder: ``P`` passages and ``Q`` questions as counts of its ``M`` pieces."""

    vectors: Tensor
    """The vectors of the pieces, float32 ``(M, 384)``."""
    passages: Tensor
    """The counts of pieces in passages, sparse float32 ``(P, M)``."""
    questions: Tensor
    """The counts of pieces in questions, sparse float32 ``(Q, M)``."""
    right: Tensor
    """Whether a passage answers a question, bool ``(Q, P)``."""


class Bags(nn.Module):
    """A model that maps the vectors of ``e5``'s pieces."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        every = e5.open_file().vectors(np.arange(len(e5.open_file().pieces.scores)))
        self.mean, self.unit = torch.from_numpy(every.mean(0)), float(every.std())
        first = torch.randn(len(self.mean), plan.width, generator=torch.Generator().manual_seed(plan.seed))
        self.map = nn.Parameter(first / self.unit / 20)
        self.weight, self.constant = nn.Parameter(0 * self.mean), nn.Parameter(torch.tensor([0.5]))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x (M, 384)`` to ``(M, width)``, like :mod:`lior_ask.embedders.bags`."""
        x = x - self.mean
        out: Tensor = softplus(x @ self.weight + self.constant)[:, None] * (x @ self.map)
        return out


def take_in(name: str, asked: Sequence[Question]) -> Read:
    """Return a folder with its answerable questions."""
    with tempfile.TemporaryDirectory() as place:
        unpack(name, Path(place))
        view = lior_ask.Index(place, retriever="settle", embedder="", cache=False).inverted
        passages = read_rows(view, np.arange(len(view)))
        pieces, terms = bags.terms_of(view)
        of_terms = _counts(pieces, len(terms))
        said = _matrix(view.forward("passage_"), terms)
        said += _matrix(view.forward("context_"), terms)[view.layout.context_of]
    marked = {each.text: [holds(each, one) for one in passages] for each in asked if each.words}
    marked = {text: right for text, right in marked.items() if any(right)}
    words = [understood(text).tokens for text in marked]
    of_questions = _counts([[p for each in bags.pieces_of(some) for p in each] for some in words], len(words))
    used = np.unique(np.concatenate([of_terms.indices, of_questions.indices]))
    return Read(
        torch.from_numpy(e5.open_file().vectors(used)),
        _sparse((said @ of_terms)[:, used]),
        _sparse(of_questions[:, used]),
        torch.tensor([*marked.values()]),
    )


def _counts(pieces: Sequence[Sequence[int]], rows: int) -> csr_array:
    ends = np.cumsum([0, *map(len, pieces)])
    every = np.array([one for each in pieces for one in each], np.int64)
    return csr_array(
        (np.ones(len(every), np.float32), every, ends), shape=(rows, len(e5.open_file().pieces.scores))
    )


def _matrix(entries: Forward, terms: np.ndarray) -> csr_array:
    """Return how often each unit has each of ``terms``, which are ascending keys."""
    at = np.minimum(np.searchsorted(terms, entries.terms), len(terms) - 1)
    counts = np.where(terms[at] == entries.terms, entries.counts, 0).astype(np.float32)
    return csr_array((counts, at, entries.starts), shape=(len(entries.starts) - 1, len(terms)))


def _sparse(counts: csr_array) -> Tensor:
    found = counts.tocoo()
    at = torch.from_numpy(np.stack([found.row, found.col]).astype(np.int64))
    data = torch.from_numpy(found.data)
    return torch.sparse_coo_tensor(at, data, found.shape, check_invariants=True).coalesce()


def train(model: Bags, folders: Sequence[Read], plan: Plan) -> float:
    """Learn from the folders, one at a time; return the mean loss of the last epoch."""
    rates = [([model.map], plan.rate / model.unit), ([model.weight], plan.rate / model.unit / 2.5)]
    rates.append(([model.constant], 3e-3))
    optimiser = torch.optim.Adam([{"params": some, "lr": rate} for some, rate in rates])
    steps = plan.epochs * len(folders)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)
    draw, losses = torch.Generator().manual_seed(plan.seed), list[float]()
    for _ in range(plan.epochs):
        losses = []
        for number in torch.randperm(len(folders), generator=draw).tolist():
            loss = loss_of(model, folders[number], plan.temperature)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
    return float(np.mean(losses))


def loss_of(model: Bags, read: Read, temperature: float) -> Tensor:
    """Return the cross entropy of each question's answers among the passages, by cosines."""
    vectors = model(read.vectors)
    asked, said = (normalize(torch.sparse.mm(some, vectors)) for some in (read.questions, read.passages))
    scores = asked @ said.T / temperature
    right = scores.masked_fill(~read.right, -torch.inf)
    return (scores.logsumexp(1) - right.logsumexp(1)).mean()


@click.command("bags")
def learn() -> None:
    """Learn the bags of word pieces of `lior ask`; a minute of a core."""
    plan, since = Plan(), time.perf_counter()
    model = Bags(plan)
    folders = [take_in(name, asked) for name, asked in worlds("read").items()]
    loss = train(model, folders, plan)
    click.echo(f"{len(folders)} folders, loss {loss:.3f}, {time.perf_counter() - since:.0f} s")
    named = {"map": model.map, "mean": model.mean, "weight": model.weight, "constant": model.constant}
    weights = {name: each.detach().numpy().astype(np.float16) for name, each in named.items()}
    save_file(weights, folder("plugins") / WEIGHTS)
