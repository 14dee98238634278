"""Learn which conditions questions imply (:mod:`lior_ask.tables.implied`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations

import attrs
import numpy as np
import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn.functional import binary_cross_entropy_with_logits

from lior_ask.embedders.e5 import E5
from lior_ask.tables.implied import ROLES, Implying
from lior_ask.tables.query import OPPOSITE
from lior_bench.sets import folder
from lior_bench.worlds import DATA

FILE = "implied.jsonl"

_EPOCHS, _BATCH = 10, 512
_RATE, _DECAY = 3e-3, 0.05
_CONSTANT = -4.0
"""The constants to begin with: few conditions are implied."""
_OTHER = {str(one): str(other) for one, other in OPPOSITE.items()}
"""Sign of a comparison -> that of its columns in the other order."""
_ROLES = {
    "text": ("empty", "filled", "yes", "no"),
    "number": ("empty", "filled", "zero", "some"),
    "date": ("empty", "filled", "past", "future"),
}
"""Type of a column -> what may be implied of it."""
_ASKED, _WORDS, _PAIRS = 5.0, 0.25, 20.0
"""Factors of vectors, of the states of words by their deviations, and of products."""


@attrs.frozen(eq=False)
class Row:
    """A condition that a question may imply."""

    question: int
    role: str
    names: np.ndarray
    """The vectors of the names of its columns, ``(1 or 2, D)``."""
    implied: bool
    made: bool = False
    """Whether the question was written to imply conditions: more of them do."""


def made_rows(first: int) -> tuple[list[str], list[Row]]:
    """Return the questions of ``implied.jsonl``, which have numbers from ``first`` on, and their rows."""
    texts, found = list[str](), list[Row]()
    for line in (folder(DATA) / FILE).read_text("utf-8").splitlines():
        table = json.loads(line)
        names, kinds = zip(*table["columns"], strict=True)
        vectors = E5().embed(names)
        for asked in table["questions"]:
            gold = {_ordered(names, each) for each in asked["implied"]}
            for role, own in _conditions(kinds):
                found.append(Row(first + len(texts), role, vectors[[*own]], (role, own) in gold, made=True))
            texts.append(asked["q"])
    return texts, found


def _conditions(kinds: Sequence[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield all conditions on columns of some types: roles, and columns."""
    for n, kind in enumerate(kinds):
        yield from ((role, (n,)) for role in _ROLES[kind])
    for pair in combinations(range(len(kinds)), 2):
        if kinds[pair[0]] == kinds[pair[1]] != "text":
            yield from ((sign, pair) for sign in OPPOSITE)


def _ordered(names: Sequence[str], implied: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """Return the role and the columns of a gold condition, of two columns the first one first."""
    if len(implied) == 2:
        return implied[1], (names.index(implied[0]),)
    one, sign, other = names.index(implied[0]), implied[1], names.index(implied[2])
    return (sign, (one, other)) if one < other else (_OTHER[sign], (other, one))


def fit_implying(
    questions: np.ndarray, words: Sequence[np.ndarray], rows: Sequence[Row], seed: int
) -> Implying:
    """Learn the odds by AdamW with a rate of one cycle.

    Parameters
    ----------
    questions, words
        The vectors ``(N, D)`` of questions, and the states ``(W, D)`` of the words of each.
    rows
        Conditions, implied and not.
    """
    every = np.concatenate(words)
    mean, scale = every.mean(0), every.std(0) + 1e-3
    length, width = max(map(len, words)), questions.shape[1]
    states, there = np.zeros((len(words), length, width), np.float32), np.zeros((len(words), length), bool)
    for n, own in enumerate(words):
        states[n, : len(own)], there[n, : len(own)] = (own - mean) / scale, True
    names = np.zeros((len(rows), 2, width), np.float32)
    for n, row in enumerate(rows):
        names[n, : len(row.names)] = row.names
    net = _Net(width, *map(torch.from_numpy, (questions, states, there)))
    known = [(each.question, ROLES.index(each.role), int(each.made)) for each in rows]
    data = (
        torch.tensor(known),
        torch.from_numpy(names),
        torch.tensor([float(each.implied) for each in rows]),
    )
    _learn(net, data, np.random.default_rng(seed))
    made = {name: value.detach().double().numpy() for name, value in net.named_parameters()}
    each = made["words"] * _WORDS / scale
    return Implying(
        constants=made["constants"][0],
        asked=made["asked"] * _ASKED,
        words=np.column_stack([-each @ mean, each]),
        columns=made["columns"] * _ASKED,
        pairs=made["pairs"] * _PAIRS,
    )


class _Net(Module):
    """The function of :class:`~lior_ask.tables.implied.Implying`."""

    def __init__(self, width: int, questions: Tensor, states: Tensor, there: Tensor) -> None:
        super().__init__()
        self._questions, self._states, self._there = questions, states, there
        self.constants = Parameter(torch.full((2, len(ROLES)), _CONSTANT))
        self.asked, self.words, self.columns = (Parameter(torch.zeros(len(ROLES), width)) for _ in range(3))
        self.pairs = Parameter(torch.zeros(2, len(ROLES), width))

    def forward(self, own: Tensor, names: Tensor) -> Tensor:
        """Return the logarithms of the odds of rows, from their questions, roles and sources, and names."""
        question, role, source = own.T
        vectors = self._questions[question]
        told = _WORDS * torch.einsum("nwd,nd->nw", self._states[question], self.words[role])
        told = torch.logsumexp((2 * told).masked_fill(~self._there[question], -torch.inf), 1) / 2
        products = torch.einsum("nd,knd,nkd->n", vectors, self.pairs[:, role], names)
        by_name = (_ASKED * self.columns[role] * names[:, 0]).sum(1) + _PAIRS * products
        return self.constants[source, role] + (_ASKED * self.asked[role] * vectors).sum(1) + told + by_name


def _learn(net: _Net, data: tuple[Tensor, Tensor, Tensor], random: np.random.Generator) -> None:
    own, names, implied = data
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = _EPOCHS * -(-len(own) // _BATCH)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_RATE, total_steps=steps + 1)
    for _ in range(_EPOCHS):
        order = random.permutation(len(own))
        for some in map(torch.from_numpy, np.split(order, range(_BATCH, len(order), _BATCH))):
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(net(own[some], names[some]), implied[some]).backward()
            optimizer.step()
            rate.step()
