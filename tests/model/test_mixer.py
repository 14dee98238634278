"""The mixer: its gradient against autograd, its gates one by one, and that it learns whom to trust."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.model import mixer
from lior.testing.strategies import LAW, seeds
from lior.testing.tensors import assert_same, clones
from tests.cases import cases

B, E, A = 9, 3, 5
SIZES = (4, 2)
CELLS = 6


def case(seed, *, sizes=SIZES, cells=CELLS, dtype=torch.float64):
    """Weights in generic position and inputs."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    params = mixer.init(E, sizes, cells, device="cpu")
    params = {name: table.to(dtype) + 0.5 * noise(*table.shape) for name, table in params.items()}
    inputs = mixer.Inputs(
        torch.log_softmax(3 * noise(B, E, A), 2),
        tuple(torch.randint(size, (B,), generator=generator) for size in sizes),
        torch.softmax(noise(B, cells), 1) if cells else None,
    )
    targets = torch.randint(-1, A, (B,), generator=generator)
    targets[0] = -1
    return params, inputs, targets


def gatings():
    """Every way to select weights: hard gates, the soft one, both, none."""
    return st.sampled_from(((SIZES, CELLS), (SIZES, 0), ((), CELLS), ((), 0)))


def slow_log_probs(params, inputs, row):
    """``log softmax(Σ_e W_e log p_e)`` at one position."""
    w = torch.zeros(E, dtype=inputs.log_p.dtype)
    for i, gate in enumerate(inputs.gates):
        w = w + params[f"gate{i}"][gate[row]]
    if inputs.cells is not None:
        for share, weights in zip(inputs.cells[row], params["cells"], strict=True):
            w = w + share * weights
    if not inputs.gates and inputs.cells is None:
        w = w + params["gate0"][0]
    logits = sum(w[e] * inputs.log_p[row, e] for e in range(E))
    return logits - logits.exp().sum().log()


def slow_loss(params, inputs, targets):
    """Mean over all positions, of which those without a target count as 0."""
    rows = [row for row in range(len(targets)) if targets[row] >= 0]
    return -sum(slow_log_probs(params, inputs, r)[targets[r]] for r in rows) / len(targets)


@LAW
@given(seed=seeds(), gating=gatings())
def test_log_probs_are_those_of_the_formula(seed, gating):
    params, inputs, _ = case(seed, sizes=gating[0], cells=gating[1])
    expected = torch.stack([slow_log_probs(params, inputs, row) for row in range(B)])
    assert_close(mixer.log_probs(params, inputs), expected, atol=1e-12, rtol=0)


@LAW
@given(seed=seeds(), gating=gatings())
def test_gradient_is_that_of_the_loss(seed, gating):
    params, inputs, targets = case(seed, sizes=gating[0], cells=gating[1])
    actual, log_p = mixer.gradient(params, inputs, targets)
    leaves = {name: table.clone().requires_grad_() for name, table in params.items()}
    loss = slow_loss(leaves, inputs, targets)
    expected = torch.autograd.grad(loss, list(leaves.values()))
    assert set(actual) == set(params)
    for name, gradient in zip(leaves, expected, strict=True):
        assert_close(actual[name], gradient, atol=1e-12, rtol=0, msg=lambda m, n=name: f"{n}: {m}")
        assert (gradient != 0).any(), name
    assert_close(-log_p.sum() / B, loss.detach(), atol=1e-12, rtol=0)


def test_a_token_outside_the_alphabet_teaches_nothing():
    params, inputs, _ = case(0)
    gradient, log_p = mixer.gradient(params, inputs, torch.full((B,), -1))
    assert_same(gradient, {name: torch.zeros_like(table) for name, table in params.items()})
    assert_same({"": log_p}, {"": torch.zeros(B, dtype=torch.float64)})


def test_no_positions_give_a_gradient_of_zero():
    params, inputs, targets = case(0)
    gradient, log_p = mixer.gradient(params, inputs.rows(slice(0, 0)), targets[:0])
    assert_same(gradient, {name: torch.zeros_like(table) for name, table in params.items()})
    assert log_p.shape == (0,)


@cases(("sizes", "cells"), [(SIZES, CELLS), (SIZES, 0), ((), CELLS), ((), 0)])
def test_fresh_weights_average_the_experts(sizes, cells):
    _, inputs, _ = case(0, sizes=sizes, cells=cells, dtype=torch.float32)
    params = mixer.init(E, sizes, cells, device="cpu")
    assert_close(mixer.weights(params, inputs), torch.full((B, E), 1 / E))
    assert_close(mixer.log_probs(params, inputs), torch.log_softmax(inputs.log_p.mean(1), 1))


def test_every_gate_matters():
    params, inputs, _ = case(0)
    base = mixer.log_probs(params, inputs)
    for i, size in enumerate(SIZES):
        gates = list(inputs.gates)
        gates[i] = (gates[i] + 1) % size
        assert (mixer.log_probs(params, inputs._replace(gates=tuple(gates))) != base).any()
    assert (mixer.log_probs(params, inputs._replace(cells=inputs.cells.flip(1))) != base).any()


@LAW
@given(seed=seeds())
def test_inputs_are_not_mutated(seed):
    params, inputs, targets = case(seed)
    entries = {**params, "log_p": inputs.log_p, "cells": inputs.cells, "targets": targets}
    entries |= {f"index{i}": gate for i, gate in enumerate(inputs.gates)}
    copies = clones(entries)
    mixer.gradient(params, inputs, targets)
    mixer.log_probs(params, inputs)
    assert_same(entries, copies)


@LAW
@given(seed=seeds(), gating=gatings())
def test_learning_beats_the_average(seed, gating):
    """One expert knows the token, one misleads, one knows nothing; the weights find out."""
    _, inputs, _ = case(seed, sizes=gating[0], cells=gating[1])
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(A, (B,), generator=generator)
    hint = 2.0 * torch.nn.functional.one_hot(targets, A).double()
    log_p = torch.log_softmax(torch.stack([hint, -hint, torch.zeros_like(hint)], 1), 2)
    inputs = inputs._replace(log_p=log_p)
    params = {
        name: table.double() for name, table in mixer.init(E, gating[0], gating[1], device="cpu").items()
    }
    _, before = mixer.gradient(params, inputs, targets)
    for _ in range(100):
        gradient, _ = mixer.gradient(params, inputs, targets)
        params = {name: table - 0.5 * gradient[name] for name, table in params.items()}
    _, after = mixer.gradient(params, inputs, targets)
    expert = log_p[:, 0].gather(1, targets[:, None]).mean()
    assert after.mean() > expert > before.mean(), "the mixture is sharper than its best expert"
