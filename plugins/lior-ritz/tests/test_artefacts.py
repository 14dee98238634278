"""The contract of a run's reports and arrays, and that they say what the solution says."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from solved import read, solved, written

from lior.errors import RunError
from lior_ritz import artefacts
from lior_ritz.pictures import names

REPORTS = {
    "energies": {"E_dimless", "E_meV", "E0_meV", "levels", "metadata"},
    "reference": {
        "method", "sizes", "converged", "seconds", "energies_dimless", "energies_meV", "error_bars_dimless",
        "E0_meV", "levels", "relative_error_is",
    },
    "bounds": {
        "upper", "upper_meV", "lower", "lower_meV", "width", "residuals", "assumes", "referee_within",
    },
    "potential_report": {
        "type", "param_mode", "a", "delta", "c4", "c2y", "beta_x", "beta_y", "hbar_omega_x_meV",
        "hbar_omega_y_meV", "barrier_dimless", "barrier_meV", "E0_meV", "L0_nm", "mirrors", "separable",
    },
    "orthonormality_report": {
        "weighted_overlap_matrix", "max_abs_offdiag", "max_diag_deviation_from_1", "S_max_abs_offdiag",
        "S_min_diag", "S_max_diag", "rule",
    },
    "checkpoint_report": {
        "best_checkpoint", "best_step", "best_loss_eigsum", "final_checkpoint", "final_step", "best_is",
        "why_null",
    },
    "density_features": {"grid", "states"},
    "quadrature_report": {
        "sampling_mode", "nq_first", "nq_last", "num_points", "evaluation_nq", "quadrature_error_dimless",
        "sound", "mismatches", "mismatch_is", "mismatch_tolerance", "refinements", "largest_fault",
        "fault_is", "fault_tolerance", "note", "verdict",
    },
    "final_summary": {
        "run_id", "final_E_dimless", "final_E_meV", "max_relative_error", "verdict", "steps",
        "processor_seconds", "training_dtype", "sampling_mode", "lr_schedule", "lr_dropout_info", "plots",
        "plots_are", "potential_plot_range", "checkpoints", "arrays", "grid", "why_null",
    },
    "observables": {
        "E_E0", "E_meV", "splitting_E0", "splitting_ueV", "orthonormality_max_error", "dipole_L0",
        "dipole_nm", "oscillator_strength", "centre_L0", "centre_nm", "spread_L0", "spread_nm", "left_weight",
        "right_weight", "inverse_participation_L0^-2", "participation_L0^2", "participation_nm^2", "parity",
        "kinetic_E0", "kinetic_meV", "potential_E0", "potential_meV", "virial_residual_E0", "rule",
    },
}  # fmt: skip
SHAPES = {
    "grid_x": (64,),
    "grid_y": (64,),
    "psi_grid": (3, 64, 64),
    "phi_basis": (4, 64, 64),
    "potential_grid": (64, 64),
    "overlap_S": (4, 4),
    "hamiltonian_H": (4, 4),
    "psi_overlap": (3, 3),
}


@pytest.fixture(scope="module")
def dot(tmp_path_factory):
    return written("dot", tmp_path_factory.mktemp("dot"))


# --- the contract ---


def test_exactly_these_files_with_exactly_these_keys(dot):
    reports, arrays = dot
    assert {name: set(table) for name, table in reports.items()} == REPORTS
    assert {name: array.shape for name, array in arrays.items()} == SHAPES
    assert {array.dtype.str for array in arrays.values()} == {"<f8"}


def test_the_summary_has_what_the_first_solvers_had(dot):
    summary = dot[0]["final_summary"]
    assert set(summary["lr_schedule"]) == {"enabled", "type"}
    rates = {"num_drops", "initial_lr", "final_lr", "min_lr_seen", "drops"}
    assert set(summary["lr_dropout_info"]) == rates
    assert summary["lr_dropout_info"]["initial_lr"] == 0.01 > summary["lr_dropout_info"]["final_lr"] > 0
    ranges = {"vmin", "vmax_full", "vmax_focus", "focus_scale", "barrier_dimless"}
    assert set(summary["potential_plot_range"]) == ranges
    assert set(summary["checkpoints"]) == {"best", "final", "best_step", "best_loss_eigsum"}
    assert summary["plots"] == {name: f"{name}.png" for name in names(3)}
    assert summary["run_id"] == "r"
    assert summary["steps"] == 50
    assert summary["training_dtype"] == "float64"
    assert summary["sampling_mode"] == "gauss_legendre"
    assert summary["grid"].startswith(
        "uniform with both edges, 64 points on each axis, more than domain.nq = 48"
    )
    assert {name: tuple(each["shape"]) for name, each in summary["arrays"].items()} == SHAPES


def test_what_is_returned_is_what_was_written(tmp_path):
    solution, history = solved("dot")
    summary = artefacts.write(solution, tmp_path, run_id="r", history=history)
    assert read(tmp_path)[0]["final_summary"] == summary


def test_writing_again_replaces_and_leaves_nothing_half_written(tmp_path):
    first, _ = written("dot", tmp_path)
    (tmp_path / "arrays" / "psi_grid.npy").write_bytes(b"damaged")
    solution, history = solved("dot")
    changed = attrs.evolve(solution, seconds=123.0)
    artefacts.write(changed, tmp_path, run_id="again", history=history)
    reports, arrays = read(tmp_path)
    assert reports["final_summary"]["run_id"] == reports["energies"]["metadata"]["run_id"] == "again"
    assert reports["final_summary"]["processor_seconds"] == 123.0
    assert reports["bounds"] == first["bounds"]
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
    np.testing.assert_allclose(arrays["psi_overlap"], np.eye(3), atol=1e-12)


def test_states_on_the_grid_have_the_energies(dot):
    """Worked out from their sine coefficients, without the network."""
    reports, arrays = dot
    psi, potential = arrays["psi_grid"], arrays["potential_grid"]
    assert np.abs(psi[:, [0, -1]]).max() < 1e-12, "0 on the edge"
    sines = scipy.fft.dstn(psi[:, 1:-1, 1:-1], type=1, axes=(1, 2), norm="ortho")
    square = (np.pi * np.arange(1, 63) / 8) ** 2
    cell = (8 / 63) ** 2
    kinetic = cell * np.einsum("kyx,yx->k", sines**2, square[:, None] + square)
    energies = kinetic + cell * np.einsum("kyx,yx->k", psi**2, potential)
    np.testing.assert_allclose(energies, reports["energies"]["E_dimless"], atol=1e-8)


def test_rows_are_y_and_columns_are_x(dot):
    _, arrays = dot
    x, y = arrays["grid_x"], arrays["grid_y"]
    assert (x[0], x[-1]) == (-4, 4)
    c4, c2y = 0.6262226878928537, 15.655567197321348
    want = c4 * (x**2 - 1.5**2) ** 2 + c2y * y[:, None] ** 2
    np.testing.assert_allclose(arrays["potential_grid"], want, rtol=1e-12)
    state = arrays["psi_grid"][1]
    np.testing.assert_allclose(state, -state[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(state, state[::-1], atol=1e-12)
    assert np.abs(state).max() > 0.1


def test_states_are_those_of_the_matrices_in_the_basis(dot):
    reports, arrays = dot
    energies, vectors = scipy.linalg.eigh(arrays["hamiltonian_H"], arrays["overlap_S"])
    np.testing.assert_allclose(energies[:3], reports["energies"]["E_dimless"], atol=1e-10)
    psi = np.einsum("mk,myx->kyx", vectors[:, :3], arrays["phi_basis"])
    signs = np.sign(np.einsum("kyx,kyx->k", psi, arrays["psi_grid"]))
    np.testing.assert_allclose(psi * signs[:, None, None], arrays["psi_grid"], atol=1e-9)


def test_arrays_and_observables_have_the_same_signs(dot):
    reports, arrays = dot
    x = arrays["grid_x"]
    moment = np.einsum("iyx,jyx,x->ij", arrays["psi_grid"], arrays["psi_grid"], x) * (8 / 63) ** 2
    np.testing.assert_allclose(moment, reports["observables"]["dipole_L0"]["x"], atol=1e-8)
    assert abs(moment[0, 1]) > 1
