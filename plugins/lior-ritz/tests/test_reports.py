"""Reports say what is known of a solution, and why something is not."""

from __future__ import annotations

import math

import attrs
import numpy as np
import pytest
from solved import read, solved, written

from lior_ritz.reports import artefacts
from lior_ritz.reports.samples import Sampler


@pytest.fixture(scope="module")
def dot(tmp_path_factory):
    return written("dot", tmp_path_factory.mktemp("dot"))


def test_levels_have_errors_and_bounds(dot):
    solution, _ = solved("dot")
    unit = dot[0]["units"]["E0_meV"]
    assert unit == 0.6318378293532338
    for k, row in enumerate(dot[0]["levels"]):
        exact, energy = row["reference_E0"], row["E_E0"]
        assert (exact, energy) == (float(solution.reference.energies[k]), float(solution.energies[k]))
        assert row["error_E0"] == pytest.approx(energy - exact, abs=1e-14)
        assert row["error_meV"] == pytest.approx((energy - exact) * unit, abs=1e-14)
        assert row["relative_error"] == pytest.approx((energy - exact) / exact)
        assert row["lower_E0"] < exact < energy <= row["upper_E0"]
        assert row["E_meV"] == pytest.approx(energy * unit)
        assert row["reference_within_bounds"]
    first = dot[0]["splittings"][0]
    assert first["lower_E0"] <= first["reference_E0"] <= first["upper_E0"]
    assert dot[0]["quadrature"]["error_E0"] == solution.network.evaluation.quadrature_error


def test_a_bound_that_is_broken_is_said(tmp_path):
    solution, history = solved("dot")
    wrong = attrs.evolve(solution.bounds, upper=solution.reference.energies[:3] - 1e-3)
    artefacts.write(attrs.evolve(solution, bounds=wrong), tmp_path, run_id="r", history=history)
    assert [row["reference_within_bounds"] for row in read(tmp_path)[0]["levels"]] == [False] * 3


def test_nodal_domains_and_observables(dot):
    measured = dot[0]["observables"]
    assert measured["left_weight"] == pytest.approx([0.5] * 3, abs=1e-9)
    assert dot[0]["nodal_domains"] == [1, 2, 3]
    assert measured["parity"]["x"] == pytest.approx([1, -1, 1], abs=1e-9)
    sums = np.add(measured["kinetic_E0"], measured["potential_E0"])
    np.testing.assert_allclose(sums, [row["E_E0"] for row in dot[0]["levels"]], atol=1e-9)


def test_the_quadrature_is_judged_in_words(dot, tmp_path):
    results, report = dot[0], dot[0]["quadrature"]
    assert report["sound"] is True
    assert [check["step"] for check in report["mismatches"]] == [20, 50], "since the beginning of training"
    assert 0 < report["largest_fault"] < report["fault_tolerance"]
    assert results["verdict"].startswith("quadrature sound: energies on two rules")
    assert "of the reference's" in results["verdict"]
    solution, _ = solved("dot")
    evaluation = attrs.evolve(solution.network.evaluation, quadrature_error=0.25)
    artefacts.write(
        attrs.evolve(solution, space=attrs.evolve(solution.network, evaluation=evaluation)),
        tmp_path,
        run_id="r",
        history=[],
    )
    results = read(tmp_path)[0]
    report = results["quadrature"]
    assert report["sound"] is False
    assert results["verdict"].startswith("WARNING: quadrature NOT sound: energies on two rules")
    assert "differ by 2.5e-01 E0" in results["verdict"]


def test_refinements_and_drops_of_the_rate_are_kept(tmp_path):
    solution, history = solved("natural")
    results, _ = written("natural", tmp_path)
    report = results["quadrature"]
    assert (report["nq_first"], report["nq_last"]) == (24, report["refinements"][-1]["nq_new"])
    assert report["refinements"] == solution.network.trainer.progress.refinements != []
    assert "24 on each axis in the beginning" in results["verdict"]
    rates = results["training"]["learning_rate"]
    assert len(rates["drops"]) > 1
    assert set(rates["drops"][0]) == {"step", "lr_prev", "lr_new", "lr_monitor"}
    assert rates["initial"] == 0.01 == rates["drops"][0]["lr_prev"]
    assert rates["final"] == rates["least"] == rates["drops"][-1]["lr_new"] < 0.01
    assert 1.0 in {line["lr"] for line in history}, "which is that of L-BFGS"


def test_checkpoints_are_named_where_there_are_any(dot, tmp_path):
    assert dot[0]["training"]["best_checkpoint"] is None
    assert "keeps no such" in dot[0]["why_null"]["training.best_checkpoint"]
    place = tmp_path / "checkpoints" / "step-000000051"
    place.mkdir(parents=True)
    for name in ("model_best", "model_final"):
        (place / f"{name}.safetensors").write_bytes(b"")
    solution, _ = solved("dot")
    report = written("dot", tmp_path)[0]["training"]
    assert report["best_checkpoint"] == "checkpoints/step-000000051/model_best.safetensors"
    assert report["final_checkpoint"] == "checkpoints/step-000000051/model_final.safetensors"
    assert report["best_eigsum_E0"] == pytest.approx(float(solution.energies.sum()), abs=1e-9)


def test_what_is_not_known_is_null_and_why(tmp_path):
    results, _ = written("dot", tmp_path, history=[])
    assert results["quadrature"]["largest_fault"] is None
    assert results["why_null"]["quadrature.largest_fault"] == "no metrics of training are at hand"
    rates = results["training"]["learning_rate"]
    assert (rates["initial"], rates["final"]) == (0.01, None)
    assert {"training.learning_rate.final", "training.learning_rate.least"} < set(results["why_null"])


def test_numbers_that_are_none_become_null_with_their_place(tmp_path):
    solution, _ = solved("dot")
    lines = [{"step": 1, "nq": 48, "quadrature_mismatch": math.inf, "eval_energies": []}]
    artefacts.write(attrs.evolve(solution, seconds=math.nan), tmp_path, run_id="r", history=lines)
    results, _ = read(tmp_path)
    assert results["training"]["processor_seconds"] is None
    assert results["why_null"]["training.processor_seconds"] == "nan, which is no number"
    assert results["quadrature"]["mismatches"][0]["mismatch"] is None
    assert "quadrature.mismatches.0.mismatch" in results["why_null"]


# --- other problems ---


def test_negative_energies(tmp_path):
    results, arrays = written("negative", tmp_path)
    energies = [row["E_E0"] for row in results["levels"]]
    assert energies[0] < -2
    assert results["levels"][0]["relative_error"] > 0
    assert arrays["potential_grid"].min() < -5
    assert (results["problem"]["amplitude"], results["problem"]["sigma_y"]) == (-6.0, 0.9)


def test_one_dimension(tmp_path):
    results, arrays = written("line", tmp_path)
    assert {name: array.shape for name, array in arrays.items()} == {
        "grid_x": (96,),
        "psi_grid": (3, 96),
        "potential_grid": (96,),
    }
    step = 6 / 95
    np.testing.assert_allclose(arrays["psi_grid"] @ arrays["psi_grid"].T * step, np.eye(3), atol=1e-9)
    assert np.sign(arrays["psi_grid"][1, :20]).sum() != 0
    assert results["nodal_domains"] == [1, 2, 3]
    assert [row["E_meV"] for row in results["levels"]] == pytest.approx([1.5, 4.5, 7.5], abs=1e-4)


def test_three_dimensions_give_central_planes(tmp_path):
    results, arrays = written("space", tmp_path)
    planes = {"": "xy", "_xz": "xz", "_yz": "yz"}
    for ending, plane in planes.items():
        assert arrays[f"psi_grid{ending}"].shape == (3, 64, 64)
        assert f"in the plane {plane}" in results["arrays"][f"psi_grid{ending}"]["what"]
        assert f"potential_grid{ending}" in arrays
    assert len(arrays) == 2 * 3 + 3
    solution, _ = solved("space")
    sampler = Sampler(solution=solution)
    i, j = 20, 41  # of z and x in the plane y = 0
    point = np.array([[arrays["grid_x"][j], 0.0, arrays["grid_z"][i]]])
    want = sampler.states(point)[:, 0]
    np.testing.assert_allclose(arrays["psi_grid_xz"][:, i, j], want, atol=1e-12)
    assert results["nodal_domains"] is None
    assert "one and two dimensions" in results["why_null"]["nodal_domains"]
    assert len(results["observables"]["centre_L0"][0]) == 3


def test_without_a_boundary_condition_there_is_no_lower_bound(tmp_path):
    results, _ = written("natural", tmp_path)
    row = results["levels"][0]
    assert row["lower_E0"] is row["lower_meV"] is row["residual"] is None
    assert "natural boundary condition" in results["why_null"]["levels.0.lower_E0"]
    assert "natural boundary condition" in results["verdict"]
