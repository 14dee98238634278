"""The contract of a run's results and arrays, and that they say what the solution says."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import scipy.fft
from solved import read, solved, written

from lior.errors import RunError
from lior_ritz.reports import artefacts

KEYS = (
    "format run_id program verdict max_relative_error missed units problem levels splittings reference "
    "training quadrature observables nodal_domains arrays grid why_null"
)
SHAPES = {
    "grid_x": (64,),
    "grid_y": (64,),
    "psi_grid": (3, 64, 64),
    "potential_grid": (64, 64),
}


@pytest.fixture(scope="module")
def dot(tmp_path_factory):
    return written("dot", tmp_path_factory.mktemp("dot"))


# --- the contract ---


def test_exactly_these_files_with_exactly_these_keys(dot):
    results, arrays = dot
    assert set(results) == set(KEYS.split())
    assert {name: array.shape for name, array in arrays.items()} == SHAPES
    assert {array.dtype.str for array in arrays.values()} == {"<f8"}


def test_the_results_say_how_training_went(dot):
    results, training = dot[0], dot[0]["training"]
    rate = training["learning_rate"]
    assert rate["initial"] == 0.01 > rate["final"] == rate["least"] > 0
    assert results["run_id"] == "r"
    assert (training["steps"], training["dtype"]) == (50, "float64")
    assert results["quadrature"]["sampling_mode"] == "gauss_legendre"
    assert results["grid"] == "uniform with both edges, 64 points on each axis"
    assert {name: tuple(each["shape"]) for name, each in results["arrays"].items()} == SHAPES


def test_writing_again_replaces_and_leaves_nothing_half_written(tmp_path):
    first, _ = written("dot", tmp_path)
    (tmp_path / "arrays" / "psi_grid.npy").write_bytes(b"damaged")
    solution, history = solved("dot")
    changed = attrs.evolve(solution, seconds=123.0)
    returned = artefacts.write(changed, tmp_path, run_id="again", history=history)
    results, arrays = read(tmp_path)
    assert results == returned
    assert results["run_id"] == "again"
    assert results["training"]["processor_seconds"] == 123.0
    assert results["levels"] == first["levels"]
    assert set(arrays) == set(SHAPES)
    assert not list(tmp_path.rglob("*.partial"))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "arrays").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot be written: .* free some space"):
        written("dot", tmp_path)


# --- arrays ---


def test_states_on_the_grid_are_orthonormal(dot):
    _, arrays = dot
    weights = np.full(64, 8.0 / 63)
    weights[[0, -1]] /= 2
    overlap = np.einsum("iyx,jyx,y,x->ij", arrays["psi_grid"], arrays["psi_grid"], weights, weights)
    np.testing.assert_allclose(overlap, np.eye(3), atol=1e-9)


def test_states_on_the_grid_have_the_energies(dot):
    """Worked out from their sine coefficients, without the network."""
    results, arrays = dot
    psi, potential = arrays["psi_grid"], arrays["potential_grid"]
    assert np.abs(psi[:, [0, -1]]).max() < 1e-12, "0 on the edge"
    sines = scipy.fft.dstn(psi[:, 1:-1, 1:-1], type=1, axes=(1, 2), norm="ortho")
    square = (np.pi * np.arange(1, 63) / 8) ** 2
    cell = (8 / 63) ** 2
    kinetic = cell * np.einsum("kyx,yx->k", sines**2, square[:, None] + square)
    energies = kinetic + cell * np.einsum("kyx,yx->k", psi**2, potential)
    np.testing.assert_allclose(energies, [row["E_E0"] for row in results["levels"]], atol=1e-8)


def test_rows_are_y_and_columns_are_x(dot):
    _, arrays = dot
    x, y = arrays["grid_x"], arrays["grid_y"]
    assert (x[0], x[-1]) == (-4, 4)
    c4, c2y = 0.626222632995385, 15.655565824884633
    want = c4 * (x**2 - 1.5**2) ** 2 + c2y * y[:, None] ** 2
    np.testing.assert_allclose(arrays["potential_grid"], want, rtol=1e-9)
    state = arrays["psi_grid"][1]
    np.testing.assert_allclose(state, -state[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(state, state[::-1], atol=1e-12)
    assert np.abs(state).max() > 0.1


def test_arrays_and_observables_have_the_same_signs(dot):
    results, arrays = dot
    x = arrays["grid_x"]
    moment = np.einsum("iyx,jyx,x->ij", arrays["psi_grid"], arrays["psi_grid"], x) * (8 / 63) ** 2
    np.testing.assert_allclose(moment, results["observables"]["dipole_L0"]["x"], atol=1e-8)
    assert abs(moment[0, 1]) > 1
