"""The Jordan–Wigner matrices obey Clifford's relations; the rotor turns vectors and spinors."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from lior.testing.strategies import fill
from tests.geometry import clifford_matrices as clifford

SIZES = pytest.mark.parametrize("n", [2, 3, 5, 8])


def angles(n, seed=0):
    return fill((n // 2,), "normal", seed, torch.float64)


def turn(theta, n):
    """Rotation by ``theta[k]`` in the plane of axes ``2k, 2k + 1``."""
    q = torch.eye(n, dtype=torch.float64)
    for k, angle in enumerate(theta.tolist()):
        c, s = math.cos(angle), math.sin(angle)
        q[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = torch.tensor([[c, -s], [s, c]])
    return q


@SIZES
def test_rotor_is_the_exponential_of_the_bivectors(n):
    gammas, theta = clifford.gamma_matrices(n), angles(n)
    exponent = sum(-0.5 * theta[k] * clifford.bivector(gammas, 2 * k, 2 * k + 1) for k in range(n // 2))
    assert_close(clifford.rotor(theta, n), torch.linalg.matrix_exp(exponent))


@SIZES
def test_rotor_turns_vectors(n):
    gammas, theta, v = clifford.gamma_matrices(n), angles(n, 3), fill((n,), "normal", 4, torch.float64)
    s = clifford.rotor(theta, n)
    assert_close(s @ clifford.slash(v, gammas) @ s.mH, clifford.slash(turn(theta, n) @ v, gammas))
