"""The penalty on what states are on the edge of the box, where no boundary condition makes them vanish.

``w`` times the mean of ψ² over the edge belongs to the quadratic form: the states that training lowers are
those of ``-∇² + V`` with ``∂ψ/∂n = -(w/|∂Ω|) ψ`` on the edge (K. Gustafson and T. Abe, *The third boundary
condition - was it Robin's?*, Math. Intelligencer 20, 63, 1998). Without it a solved head would undo whatever
the network gives up for the penalty, and the sum would not be stationary in the head's weights.
"""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor

from lior_ritz.network.ansatz import Ansatz
from lior_ritz.network.layers import Params
from lior_ritz.network.states import Head
from lior_ritz.problem import Problem
from lior_ritz.problem.quadrature import Rule, grid_rule


@attrs.frozen(kw_only=True)
class Edge:
    """Nodes on the edge, and what the mean of a state's square there costs."""

    rule: Rule
    weight: float
    """In ``E0``."""

    def values(self, ansatz: Ansatz, params: Params) -> list[Tensor]:
        """The functions of each sector at the nodes, ``[N, F]`` each, scaled: the squares of a state's values
        sum to its penalty."""
        like = next(iter(params.values()))
        rule = self.rule.to(like.device, like.dtype)
        share = (self.weight * rule.weights / rule.weights.sum()).sqrt()
        scale = (share * ansatz.decay(params, rule.points)[0])[:, None]
        return [scale * jet[0] for jet in ansatz.functions(params, rule.points)]


def edge_form(values: list[Tensor], first: Head, second: Head) -> Tensor:
    """``w · mean(φ_k ψ_l)`` over the edge, of two sets of states with the same sectors; ``[K, K]``, float64.

    Parameters
    ----------
    values
        From :meth:`Edge.values`.
    """
    blocks, rows = [], []
    for sector, each in enumerate(values):
        if mine := second.rows(sector):
            weights = [head.weights[mine, : each.shape[1]].to(each.dtype) for head in (first, second)]
            blocks.append(((each @ weights[0].T).T @ (each @ weights[1].T)).double())
            rows += mine
    order = torch.argsort(torch.tensor(rows, device=values[0].device))
    return torch.block_diag(*blocks)[order][:, order]


def edge_rule(problem: Problem, nq: int, folded: frozenset[int]) -> Rule:
    """Nodes on the faces of the box; the weights are right up to a factor.

    Parameters
    ----------
    nq
        Nodes on each axis of the box; on faces of more than two dimensions there are fewer.
    folded
        Axes of which only ``x >= 0`` is wanted, for integrands that are even.
    """
    points, weights = [], []
    size = max(8, math.ceil(nq ** min(1.0, 2 / max(problem.dim - 1, 1))))
    for axis, width in enumerate(problem.half_widths):
        others = [i for i in range(problem.dim) if i != axis]
        face = Rule(torch.zeros(1, 0, dtype=torch.float64), torch.ones(1, dtype=torch.float64))
        if others:
            kept = frozenset(place for place, i in enumerate(others) if i in folded)
            face = grid_rule(
                "gauss_legendre", [size] * len(others), [problem.half_widths[i] for i in others], kept
            )
        ends = (width,) if axis in folded else (-width, width)
        for end in ends:
            column = torch.full((len(face.points), 1), end, dtype=torch.float64)
            points.append(torch.cat([face.points[:, :axis], column, face.points[:, axis:]], 1))
            weights.append(face.weights * (2 / len(ends)))
    return Rule(torch.cat(points), torch.cat(weights))
