"""Logarithm and exponential against numpy; prefetching changes nothing."""

from __future__ import annotations

import numpy as np
from numba import njit

from lior_plugins.counting import kernels


@njit
def apply(x, logs, exps):
    for i in range(len(x)):
        kernels.prefetch(x, (i + 7) % len(x))
        logs[i] = kernels.log(abs(x[i]))
        exps[i] = kernels.exp(x[i])


def both(x):
    logs, exps = np.empty_like(x), np.empty_like(x)
    apply(x, logs, exps)
    return logs, exps


def test_logarithms_of_all_normal_numbers():
    generator = np.random.default_rng(0)
    exponents = np.arange(-126, 128)
    x = np.ldexp(generator.uniform(1, 2, (300, 254)), exponents).astype(np.float32).reshape(-1)
    x = np.append(x, np.float32([1, np.nextafter(np.float32(1), 0), np.sqrt(0.5), np.finfo(np.float32).max]))
    expected = np.log(x.astype(np.float64))
    assert (abs(both(x)[0] - expected) <= 3e-7 * abs(expected) + 1e-7).all()


def test_exponentials_of_all_that_fits():
    x = np.linspace(-86.9, 88, 200_001, dtype=np.float32)
    assert (abs(both(x)[1] / np.exp(x.astype(np.float64)) - 1) <= 3e-7).all()
    assert both(np.zeros(1, np.float32))[1][0] == 1


def test_far_below_the_exponential_stays_where_it_was():
    least = both(np.float32([-87]))[1][0]
    assert 0 < least < 2e-38
    assert (both(np.float32([-88, -1e4, -1e30]))[1] == least).all()


def test_prefetching_leaves_the_array_alone():
    x = np.linspace(-5, 5, 100, dtype=np.float32)
    kept = x.copy()
    both(x)
    assert (x == kept).all()
