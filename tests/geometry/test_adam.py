"""Laws of the moments: Adam, whatever the shape, dtype and magnitude."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from lior.errors import LiorError
from lior.geometry import adam
from lior.testing.strategies import EDGES, LAW, dtypes, fill, seeds
from tests.cases import cases

OPTIONS = {"b1": 0.9, "b2": 0.99, "eps": 1e-8}
SHAPES = {"table": (7, 3), "scalar": (), "empty": (0, 4), "vector": (5,)}


def tensors(edge, seed, dtype):
    return {name: fill(shape or (1,), edge, seed, dtype).reshape(shape) for name, shape in SHAPES.items()}


@LAW
@given(dtype=dtypes(), seed=seeds(), b1=st.sampled_from((0.0, 0.9)), b2=st.sampled_from((0.5, 0.999)))
def test_moments_are_adams(dtype, seed, b1, b2):
    tolerance = {"atol": 1e-5, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 1e-12, "rtol": 1e-12}
    state = adam.init(tensors("normal", seed, dtype))
    history = []
    for k in range(1, 6):
        history.append(tensors("normal", seed + k, dtype))
        directions, state = adam.update(history[-1], state, b1=b1, b2=b2, eps=1e-8)
        for name in SHAPES:
            past = [g[name].double() for g in history]
            # The moments in closed form: exponentially weighted sums of the gradients.
            first = sum((1 - b1) * b1 ** (k - i) * g for i, g in enumerate(past, 1)) / (1 - b1**k)
            second = sum((1 - b2) * b2 ** (k - i) * g**2 for i, g in enumerate(past, 1)) / (1 - b2**k)
            assert_close(directions[name], (first / (second.sqrt() + 1e-8)).to(dtype), **tolerance)
    assert state["step"].item() == 5
    assert state["step"].dtype == torch.int64


@LAW
@given(dtype=dtypes(), edge=st.sampled_from([e for e in EDGES if e != "huge"]), seed=seeds())
def test_directions_are_bounded_and_finite(dtype, edge, seed):
    grads = tensors(edge, seed, dtype)
    directions, state = adam.update(grads, adam.init(grads), **OPTIONS)
    assert adam.finite(directions, state)
    for name, direction in directions.items():
        assert (direction.dtype, direction.shape) == (dtype, grads[name].shape)
        assert (direction.abs() <= 1 + 1e-5).all()
        assert (direction * grads[name] >= 0).all()


@cases("dtype", [torch.float32, torch.float64])
def test_an_overflowing_square_is_reported(dtype):
    grads = {"x": torch.full((2,), torch.finfo(dtype).max / 2, dtype=dtype)}
    _, state = adam.update(grads, adam.init(grads), **OPTIONS)
    assert not adam.finite(state)


def test_a_gradient_of_another_shape_is_refused():
    state = adam.init({"x": torch.zeros(4, 3)})
    with pytest.raises(LiorError, match=r"'x' has shape \(3,\), its parameter \(4, 3\)"):
        adam.update({"x": torch.ones(3)}, state, **OPTIONS)


@cases("wrong", [float("nan"), float("inf"), -float("inf")])
@cases("place", ["table", "scalar", "vector"])
def test_finite_finds_one_wrong_number(wrong, place):
    state = tensors("normal", 0, torch.float32)
    assert adam.finite(state)
    state[place].view(-1)[-1] = wrong
    assert not adam.finite(state)
    assert not adam.finite({}, state)
