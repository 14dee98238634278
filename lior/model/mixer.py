"""The mixer: from experts to one distribution.

``logits(y) = Σ_e W_e log p_e(y)`` is a product of experts. Its weights ``W`` are sums of small tables; a
gate selects one row of each, and a soft gate mixes the rows of its table instead. Learning is the two-phase
rule, clamped minus free statistics, ``ΔW_e = log p_e(y) - Σ_s p(s) log p_e(s)``. This is the gradient of
the log-likelihood, which is concave in ``W``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lior.geometry import adam
from lior.interfaces import Evidence, State
from lior.tensors import threads


class Inputs(NamedTuple):
    """The evidence of all memories at ``B`` positions."""

    log_p: Tensor
    """Expert log-probabilities ``(B, E, A)``."""
    gates: tuple[Tensor, ...]
    """Hard gates, int64 ``(B,)`` each."""
    cells: Tensor | None
    """Soft gate ``(B, J)``, rows sum to 1; ``None`` without a geometric gate."""

    def rows(self, index: Tensor | slice) -> Inputs:
        """Return the inputs at some of the positions."""
        return Inputs(
            self.log_p[index],
            tuple(g[index] for g in self.gates),
            None if self.cells is None else self.cells[index],
        )


def beside(evidence: Sequence[Evidence], cells: Tensor | None) -> Inputs:
    """Join the evidence of several memories."""
    return Inputs(
        torch.cat([e.log_p for e in evidence], 1), tuple(gate for e in evidence for gate in e.gates), cells
    )


def init(
    experts: int,
    gate_sizes: tuple[int, ...],
    cells: int,
    *,
    device: torch.device | str,
    strong: Sequence[int] = (),
) -> State:
    """Return weights that average the experts: ``1/E`` in the first table, 0 elsewhere.

    If some experts are ``strong``, that is mixtures themselves, the average is over these, and the other
    experts begin at 0.
    """
    sizes = {f"gate{i}": n for i, n in enumerate(gate_sizes)}
    if cells:
        sizes["cells"] = cells
    params = {name: torch.zeros(n, experts, device=device) for name, n in sizes.items()}
    first = next(iter(params), None)
    if first is None:
        first = "gate0"
        params[first] = torch.zeros(1, experts, device=device)
    chosen = list(strong) or list(range(experts))
    params[first][:, chosen] = 1.0 / len(chosen)
    return params


def widen(params: State, gates: int, table: Tensor) -> State:
    """Return weights with one more expert, whose weights are ``table (n, 1)`` by a gate of its own.

    ``gates`` is the number of existing gates. :func:`narrow` undoes it to the last bit.
    """
    wide = {name: torch.cat([each, torch.zeros_like(each[:, :1])], 1) for name, each in params.items()}
    any_table = next(iter(wide.values()))
    own = any_table.new_zeros(len(table), any_table.shape[1])
    if not gates and "gate0" in params:  # weights without a gate are the same in every row of the first one
        own += wide["gate0"]
    own[:, -1:] += table.to(own)
    return wide | {f"gate{gates}": own}


def narrow(params: State, gates: int) -> State:
    """Return the weights without the last expert and its gate, which follows ``gates`` others."""
    kept = {name: each[:, :-1].clone() for name, each in params.items() if name != f"gate{gates}"}
    return kept or {"gate0": params["gate0"][:1, :-1].clone()}


def weights(params: State, inputs: Inputs) -> Tensor:
    """Return ``W`` at each position, ``(B, E)``."""
    rows = [params[f"gate{i}"].index_select(0, gate) for i, gate in enumerate(inputs.gates)]
    total = rows[0] if rows else inputs.log_p.new_zeros(inputs.log_p.shape[:2])
    for row in rows[1:]:
        total += row
    if inputs.cells is not None:
        total += inputs.cells @ params["cells"]
    return total if inputs.gates or inputs.cells is not None else total + params["gate0"]


def log_probs(params: State, inputs: Inputs) -> Tensor:
    """Return log-probabilities over the alphabet, ``(B, A)``."""
    with threads(inputs.log_p.numel()):
        chosen, log_p = weights(params, inputs), inputs.log_p
        alone = log_p.shape[1] == 1  # a token of a growing text should cost few calls
        logits = chosen * log_p[:, 0] if alone else torch.einsum("be,bea->ba", chosen, log_p)
        return torch.log_softmax(logits, 1)


def vote(inputs: Inputs) -> Tensor:
    """Log of the unweighted average of the experts over the alphabet, ``(B, A)``."""
    return inputs.log_p.logsumexp(1) - math.log(inputs.log_p.shape[1])


def gradient(params: State, inputs: Inputs, targets: Tensor) -> tuple[State, Tensor]:
    """Return the gradient of the mean loss ``-log p(target)`` and the log-probabilities of the targets
    ``(B,)``.

    Parameters
    ----------
    targets
        Column of the observed token, int64 ``(B,)``; -1 for a token outside the alphabet, which has no
        gradient.
    """
    known = targets >= 0
    column = targets.clamp(min=0)[:, None]
    log_p = log_probs(params, inputs)
    error = log_p.exp()
    error.scatter_add_(1, column, -torch.ones_like(error[:, :1]))
    error *= known[:, None].to(error) / max(len(targets), 1)
    d_weights = torch.einsum("ba,bea->be", error, inputs.log_p)
    grads = {name: torch.zeros_like(table) for name, table in params.items()}
    for i, gate in enumerate(inputs.gates):
        grads[f"gate{i}"].index_add_(0, gate, d_weights)
    if inputs.cells is not None:
        grads["cells"] += inputs.cells.T @ d_weights
    if not inputs.gates and inputs.cells is None:
        grads["gate0"] += d_weights.sum(0)
    return grads, torch.where(known, log_p.gather(1, column)[:, 0], 0.0)


def update(
    params: State, state: State, inputs: Inputs, targets: Tensor, rate: float
) -> tuple[State, State, Tensor]:
    """Make one step of Adam along :func:`gradient`.

    Parameters
    ----------
    state
        State of the optimiser: :func:`lior.geometry.adam.init` of ``params``, or from the update before.
    rate
        Learning rate.

    Returns
    -------
    tuple[State, State, Tensor]
        The next weights and optimiser state, and the log-probabilities of the targets before the update.
    """
    with threads(inputs.log_p.numel()):
        grads, log_p = gradient(params, inputs, targets)
        directions, state = adam.update(grads, state, b1=0.9, b2=0.999, eps=1e-6)
        return {name: w - rate * directions[name] for name, w in params.items()}, state, log_p


# --- targets and block sizes ---


def columns(alphabet: Tensor, tokens: Tensor) -> Tensor:
    """Index of each token in ``alphabet``, -1 for a token that is not in it."""
    if not len(alphabet):
        return torch.full_like(tokens, -1)
    column = torch.searchsorted(alphabet, tokens).clamp(max=len(alphabet) - 1)
    return torch.where(alphabet[column] == tokens, column, -1)


_ELEMENTS = 1 << 22
"""Maximum number of values of the distributions computed at a time: 16 MB, which the allocator can reuse."""


def rows_at_once(most: int, alphabet: int) -> int:
    """Return the number of positions to read at a time: ``most``, or the power of two that memory allows."""
    fit = max(_ELEMENTS // max(alphabet, 1), 64)
    return most if fit >= most else 1 << fit.bit_length() - 1
