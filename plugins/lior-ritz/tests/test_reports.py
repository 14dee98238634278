"""Reports say what is known of a solution, and why something is not."""

from __future__ import annotations

import math

import attrs
import numpy as np
import pytest
import torch
from solved import read, solved, written

from lior_ritz import artefacts
from lior_ritz.samples import Sampler
from lior_ritz.soundness import global_steps


@pytest.fixture(scope="module")
def dot(tmp_path_factory):
    return written("dot", tmp_path_factory.mktemp("dot"))


def test_energies_have_errors_and_bounds_of_each_level(dot):
    solution, _ = solved("dot")
    report = dot[0]["energies"]
    assert report["E_dimless"] == solution.energies.tolist()
    assert report["E0_meV"] == 0.6318378016583748
    for k, row in enumerate(report["levels"]):
        assert row["level"] == k
        exact, energy = row["referee_dimless"], row["E_dimless"]
        assert exact == float(solution.referee.energies[k])
        assert row["absolute_error_dimless"] == pytest.approx(energy - exact, abs=1e-14)
        assert row["absolute_error_meV"] == pytest.approx((energy - exact) * report["E0_meV"], abs=1e-14)
        assert row["relative_error"] == pytest.approx((energy - exact) / exact)
        assert row["lower_bound_dimless"] < exact < energy <= row["upper_bound_dimless"]
        assert row["E_meV"] == pytest.approx(energy * report["E0_meV"])
    assert report["metadata"]["K"] == 3
    assert report["metadata"]["quadrature_error_dimless"] == solution.evaluation.quadrature_error


def test_the_referee_is_reported_with_its_error(dot):
    solution, _ = solved("dot")
    report = dot[0]["reference"]
    assert report["method"] == "separable"
    assert report["sizes"] == list(solution.referee.sizes)
    assert len(report["energies_dimless"]) == len(report["error_bars_dimless"]) == 5
    assert 0 < max(report["error_bars_dimless"]) < 1e-9
    assert report["levels"][2]["relative_error"] == float(solution.relative_errors[2])
    assert dot[0]["bounds"]["referee_within"] == [True] * 3


def test_a_bound_that_is_broken_is_said(tmp_path):
    solution, history = solved("dot")
    wrong = attrs.evolve(solution.bounds, upper=solution.referee.energies[:3] - 1e-3)
    artefacts.write(attrs.evolve(solution, bounds=wrong), tmp_path, run_id="r", history=history)
    assert read(tmp_path)[0]["bounds"]["referee_within"] == [False] * 3


def test_the_potential_is_reported_as_it_was_used(dot):
    report = dot[0]["potential_report"]
    assert report["type"] == "biquadratic_dqd"
    assert report["c4"] == pytest.approx(0.6262226878928537)
    assert report["barrier_meV"] == pytest.approx(2.0030852802382726)
    assert report["mirrors"] == ["x", "y"]
    assert report["separable"] is True


def test_features_agree_with_observables(dot):
    states, measured = dot[0]["density_features"]["states"], dot[0]["observables"]
    for k, state in enumerate(states):
        assert state["left_weight"] == pytest.approx(0.5, abs=1e-9)
        assert measured["left_weight"][k] == pytest.approx(0.5, abs=1e-9)
        np.testing.assert_allclose(state["spread_L0"], measured["spread_L0"][k], atol=1e-8)
    assert [len(state["peaks"]) for state in states] == [2, 2, 3]
    assert measured["parity"]["x"] == pytest.approx([1, -1, 1], abs=1e-9)
    sums = np.add(measured["kinetic_E0"], measured["potential_E0"])
    np.testing.assert_allclose(sums, dot[0]["energies"]["E_dimless"], atol=1e-9)


def test_the_quadrature_is_judged_in_words(dot, tmp_path):
    report = dot[0]["quadrature_report"]
    assert report["sound"] is True
    assert [check["step"] for check in report["mismatches"]] == [20, 50], "since the beginning of training"
    assert 0 < report["largest_fault"] < report["fault_tolerance"]
    assert report["verdict"].startswith("quadrature sound: energies on two rules")
    assert "training nodes stayed as they were, nq = 48" in report["verdict"]
    solution, _ = solved("dot")
    evaluation = attrs.evolve(solution.evaluation, quadrature_error=0.25)
    artefacts.write(attrs.evolve(solution, evaluation=evaluation), tmp_path, run_id="r", history=[])
    report = read(tmp_path)[0]["quadrature_report"]
    assert report["sound"] is False
    assert report["verdict"].startswith("quadrature NOT sound: energies on two rules")
    assert "differ by 2.5e-01 E0" in report["verdict"]


def test_refinements_and_drops_of_the_rate_are_kept(tmp_path):
    solution, history = solved("natural")
    reports, _ = written("natural", tmp_path)
    report = reports["quadrature_report"]
    assert (report["nq_first"], report["nq_last"]) == (24, 48)
    assert report["refinements"] == solution.trainer.progress.refinements != []
    assert "finer training nodes were taken once, in the end nq = 48" in report["verdict"]
    rates = reports["final_summary"]["lr_dropout_info"]
    assert rates["num_drops"] == len(rates["drops"]) > 1
    assert set(rates["drops"][0]) == {"step", "lr_prev", "lr_new", "lr_monitor"}
    assert rates["initial_lr"] == 0.01 == rates["drops"][0]["lr_prev"]
    assert rates["final_lr"] == rates["min_lr_seen"] == rates["drops"][-1]["lr_new"] < 0.01
    assert 1.0 in {line["lr"] for line in history}, "which is that of L-BFGS"


def test_checkpoints_are_named_where_there_are_any(dot, tmp_path):
    assert dot[0]["checkpoint_report"]["best_checkpoint"] is None
    assert "keeps no such" in dot[0]["checkpoint_report"]["why_null"]["best_checkpoint"]
    place = tmp_path / "checkpoints" / "step-000000051"
    place.mkdir(parents=True)
    for name in ("model_best", "model_final"):
        (place / f"{name}.safetensors").write_bytes(b"")
    solution, _ = solved("dot")
    report = written("dot", tmp_path)[0]["checkpoint_report"]
    assert report["best_checkpoint"] == "checkpoints/step-000000051/model_best.safetensors"
    assert report["final_checkpoint"] == "checkpoints/step-000000051/model_final.safetensors"
    assert report["best_loss_eigsum"] == pytest.approx(float(solution.energies.sum()), abs=1e-9)
    assert report["final_step"] == 50
    assert "why_null" not in report


def test_what_is_not_known_is_null_and_why(tmp_path):
    reports, _ = written("dot", tmp_path, history=[])
    assert reports["quadrature_report"]["largest_fault"] is None
    assert reports["quadrature_report"]["why_null"]["largest_fault"] == "no metrics of training are at hand"
    rates = reports["final_summary"]["lr_dropout_info"]
    assert (rates["initial_lr"], rates["final_lr"]) == (0.01, None)
    assert set(rates["why_null"]) == {"final_lr", "min_lr_seen"}


def test_numbers_that_are_none_become_null_with_their_place(tmp_path):
    solution, _ = solved("dot")
    lines = [{"step": 1, "nq": 48, "quadrature_mismatch": math.inf, "eval_energies": []}]
    artefacts.write(attrs.evolve(solution, seconds=math.nan), tmp_path, run_id="r", history=lines)
    reports, _ = read(tmp_path)
    assert reports["energies"]["metadata"]["processor_seconds"] is None
    assert reports["energies"]["why_null"] == {"metadata.processor_seconds": "nan, which is no number"}
    assert reports["quadrature_report"]["mismatches"][0]["mismatch"] is None
    assert "mismatches.0.mismatch" in reports["quadrature_report"]["why_null"]


# --- other problems ---


def test_negative_energies(tmp_path):
    reports, arrays = written("negative", tmp_path)
    energies = reports["energies"]["E_dimless"]
    assert energies[0] < -2
    assert reports["energies"]["levels"][0]["relative_error"] > 0
    assert arrays["potential_grid"].min() < -5
    ranges = reports["final_summary"]["potential_plot_range"]
    assert ranges["barrier_dimless"] is None
    assert "95th percentile" in ranges["why_null"]["barrier_dimless"]
    assert ranges["vmin"] < ranges["vmax_focus"] <= ranges["vmax_full"] < 0
    assert ranges["vmax_focus"] == pytest.approx(np.percentile(arrays["potential_grid"], 95))
    report = reports["potential_report"]
    assert (report["amplitude"], report["sigma_y"], report["barrier_meV"]) == (-6.0, 0.9, None)
    assert "barrier_meV" in report["why_null"]


def test_the_focus_is_four_barriers_high(dot):
    ranges = dot[0]["final_summary"]["potential_plot_range"]
    assert ranges["barrier_dimless"] == pytest.approx(3.170252357457572)
    assert ranges["vmax_focus"] == pytest.approx(ranges["vmin"] + 4 * ranges["barrier_dimless"])
    assert ranges["vmax_full"] == pytest.approx(dot[1]["potential_grid"].max())


def test_one_dimension(tmp_path):
    reports, arrays = written("line", tmp_path)
    assert {name: array.shape for name, array in arrays.items()} == {
        "grid_x": (96,), "psi_grid": (3, 96), "phi_basis": (4, 96), "potential_grid": (96,),
        "overlap_S": (4, 4), "hamiltonian_H": (4, 4), "psi_overlap": (3, 3),
    }  # fmt: skip
    step = 6 / 95
    np.testing.assert_allclose(arrays["psi_grid"] @ arrays["psi_grid"].T * step, np.eye(3), atol=1e-9)
    assert np.sign(arrays["psi_grid"][1, :20]).sum() != 0
    states = reports["density_features"]["states"]
    assert [len(state["peaks"]) for state in states] == [1, 2, 3]
    assert [state["nodal_domains"] for state in states] == [1, 2, 3]
    assert states[2]["peaks"][0]["position_nm"][0] == 30 * states[2]["peaks"][0]["position_L0"][0]
    assert [state["spread_L0"] for state in states] == reports["observables"]["spread_L0"]
    assert reports["energies"]["E_meV"] == pytest.approx([1.5, 4.5, 7.5], abs=1e-4)


def test_three_dimensions_give_central_planes(tmp_path):
    reports, arrays = written("space", tmp_path)
    planes = {"": "xy", "_xz": "xz", "_yz": "yz"}
    for ending, plane in planes.items():
        assert arrays[f"psi_grid{ending}"].shape == (3, 64, 64)
        assert f"in the plane {plane}" in reports["final_summary"]["arrays"][f"psi_grid{ending}"]["what"]
        assert {f"phi_basis{ending}", f"potential_grid{ending}"} < set(arrays)
    assert len(arrays) == 3 * 3 + 3 + 3
    solution, _ = solved("space")
    sampler = Sampler(solution=solution)
    i, j = 20, 41  # of z and x in the plane y = 0
    point = torch.tensor([[arrays["grid_x"][j], 0.0, arrays["grid_z"][i]]], dtype=torch.float64)
    want = sampler.states(point)[:, 0]
    np.testing.assert_allclose(arrays["psi_grid_xz"][:, i, j], want, atol=1e-12)
    state = reports["density_features"]["states"][0]
    assert state["peaks"] is None
    assert "one and two dimensions" in reports["density_features"]["why_null"]["states.peaks"]
    assert len(state["centre_L0"]) == 3


def test_without_a_boundary_condition_there_is_no_lower_bound(tmp_path):
    reports, _ = written("natural", tmp_path)
    report = reports["bounds"]
    assert {"upper", "lower_meV", "residuals", "assumes"} < set(report)
    assert report["lower"] is report["width"] is None
    assert "natural boundary condition" in report["why_null"]["lower"]
    assert reports["energies"]["levels"][0]["lower_bound_meV"] is None
    assert "levels.lower_bound_meV" in reports["energies"]["why_null"]


def test_steps_count_from_the_beginning_of_training():
    lines = [{"step": step} for step in (1, 2, 3, 1, 2, 1)]
    assert global_steps(lines) == [1, 2, 3, 4, 5, 6]
    assert global_steps([{"step": step} for step in (1, 2, 7)]) == [1, 2, 7]
    assert global_steps([]) == []
