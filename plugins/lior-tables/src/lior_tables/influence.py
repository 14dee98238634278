"""What predictions depend on: the slope along each input.

    G = mean_x Σ_c ∇f_c(x) ∇f_c(x)ᵀ

over the model's own rows. It is made as a metric is (:mod:`lior_tables.agop`), but of the mean of all
members, so that it says what the predictions do whatever the frames are.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lior_tables.members import Member, gradients
from lior_tables.model import Model
from lior_tables.tree import Grove


def slopes(model: Model, count: int, generator: Generator) -> Tensor:
    """Gradients of the model at some of its rows, ``(G, C, n)`` float64, without the share of the row itself.

    Outputs are in units of their deviations, inputs as coordinates.

    Parameters
    ----------
    count
        Most rows that are taken.
    """
    chosen = torch.randperm(model.rows, generator=generator)[:count]
    members = zip(model.member_weights, model.members, strict=True)
    parts = [share * _slopes(member, chosen).double() for share, member in members]
    return torch.stack(parts).sum(0)


def _slopes(member: Member | Grove, chosen: Tensor) -> Tensor:
    if isinstance(member, Member):
        return _slopes_of_one(member, chosen)
    total = torch.zeros(len(chosen), *member.rows.y.shape[1:], member.rows.z.shape[1])
    routed = member.tree.route(member.rows.z[chosen])
    for (at, share), leaf, index in zip(routed, member.leaves, member.index, strict=True):
        place = torch.empty(len(member.rows.z), dtype=torch.int64)
        place[index.cpu()] = torch.arange(len(index))
        if len(at):
            slope = _slopes_of_one(leaf, place[chosen[at.cpu()]])
            total[at.cpu()] += share.cpu()[:, None, None] * slope.to(total)
    return total


def _slopes_of_one(member: Member, chosen: Tensor) -> Tensor:
    readout, rows = member.candidate.readout, member.rows
    own = chosen.to(rows.z.device)
    return gradients(readout, member.kernel, member.items, rows.weights, member.fit.values, own).cpu()
