"""What predictions depend on: the slope along each input.

    G = mean_x Σ_c ∇f_c(x) ∇f_c(x)ᵀ

over the model's own rows. It is made as a metric is (:mod:`lior_tables.agop`), but of the mean of all
members, so that it says what the predictions do whatever the frames are. In a tree of leaves it has the
change of the blend as well: ``∇Σ g f = Σ (g ∇f + f ∇g)``.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from lior_tables.members import Member, gradients
from lior_tables.model import Model
from lior_tables.tree import Grove, Tree


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
    z = member.rows.z[chosen]
    total = torch.zeros(len(chosen), member.rows.y.shape[1], z.shape[1], dtype=torch.float64)
    blends = blends_with_slopes(member.tree, z)
    for (at, share, slope), leaf, index in zip(blends, member.leaves, member.index, strict=True):
        if len(at):
            place = torch.empty(len(member.rows.z), dtype=torch.int64)
            place[index.cpu()] = torch.arange(len(index))
            inside = _slopes_of_one(leaf, place[chosen[at.cpu()]]).double()
            said = leaf.predict(z[at].to(leaf.rows.z)).double().cpu()
            across = said[:, :, None] * slope.double().cpu()[:, None]
            total.index_add_(0, at.cpu(), share.double().cpu()[:, None, None] * inside + across)
    return total


def blends_with_slopes(tree: Tree, z: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """For each leaf the rows of ``z (B, n)`` that belong to it, their ``g``, and ``∂g/∂z (·, n)``."""
    found: list[tuple[Tensor, Tensor, Tensor]] = [(torch.zeros(0),) * 3] * tree.leaves
    everything = torch.arange(len(z), device=z.device), z.new_ones(len(z)), torch.zeros_like(z)
    pending = [(0 if len(tree.places) else -1, *everything)]
    while pending:
        node, rows, share, slope = pending.pop()
        if node < 0:
            found[-1 - node] = (rows, share, slope)
            continue
        place = (z[rows] @ tree.directions[node] - tree.places[node]) / tree.widths[node]
        place = ((place + 1) / 2).clamp(0, 1)
        above = place.square() * (3 - 2 * place)
        change = (3 * place * (1 - place) / tree.widths[node])[:, None] * tree.directions[node]
        below_to_above = zip(tree.children[node].tolist(), (1 - above, above), (-change, change), strict=True)
        for child, part, turn in below_to_above:
            here = part > 0
            turned = slope[here] * part[here, None] + share[here, None] * turn[here]
            pending.append((child, rows[here], share[here] * part[here], turned))
    return found


def _slopes_of_one(member: Member, chosen: Tensor) -> Tensor:
    readout, rows = member.candidate.readout, member.rows
    own = chosen.to(rows.z.device)
    return gradients(readout, member.kernel, member.items, rows.weights, member.fit.values, own).cpu()
