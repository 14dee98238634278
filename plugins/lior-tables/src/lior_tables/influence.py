"""What predictions depend on: stored rows, and inputs.

A ridge prediction ``Σ α_i k(x, x_i)`` has coefficients of both signs that cancel, by a factor of a hundred
where rows are close to one another, and says little to people. The same number is linear in the targets:

    f(x) = c + Σ_i w_i(x) (y_i − c),    w(x) = (K + λ W⁻¹)⁻¹ k(x)

with the weights of the equivalent kernel (B. W. Silverman, *Spline smoothing: the equivalent variable kernel
method*, Annals of Statistics 12, 1984). They are near the query, mostly positive, and their shares add up to
the prediction as exactly. For a vote they are its softmax weights.

Inputs count by the slope of the prediction along them: ``G = mean_x Σ_c ∇f_c ∇f_cᵀ`` of the whole model, over
its own rows. It is made as a metric is (:mod:`lior_tables.agop`), but of the mean of all members, so that it
says what the predictions do whatever the frames are.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lior_tables import solve
from lior_tables.kernel import blocks, matrix
from lior_tables.members import Member
from lior_tables.model import Model


def weights(model: Model, z: Tensor) -> Tensor:
    """Weight of each stored row in each prediction, ``(B, N)`` float64, for coordinates ``z (B, n)``.

    Takes one solve of each member's system.
    """
    stored = model.members[0].rows
    total = torch.zeros(len(z), model.rows, dtype=torch.float64, device=stored.z.device)
    for share, member in zip(model.member_weights, model.members, strict=True):
        total += share * _of(member, z.to(stored.z)).double()
    return total


def _of(member: Member, z: Tensor) -> Tensor:
    across = member.weigh(z)
    if not member.candidate.readout.solves:
        return across
    system = matrix(member.kernel, member.items, member.items).exp_()
    system.diagonal().add_(member.setting.ridge / member.rows.weights)
    return solve.factor(system).solve(across.mT.contiguous()).mT


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


def _slopes(member: Member, chosen: Tensor) -> Tensor:
    readout, values = member.candidate.readout, member.fit.values
    found = []
    for block in blocks(len(chosen), len(values)):
        own = chosen[block].to(values.device)
        queries = member.items.rows(own)
        weighed = readout.weigh(member.kernel.scores(queries, member.items), member.rows.weights, own)
        slope = member.kernel.gradient(queries, member.items, weighed, values)
        offset = readout.slopes(weighed, values)
        if offset is not None:
            flat = member.kernel.gradient(queries, member.items, weighed, torch.ones_like(values[:, :1]))
            slope = slope - offset[:, :, None] * flat
        found.append(slope.cpu())
    return torch.cat(found)
