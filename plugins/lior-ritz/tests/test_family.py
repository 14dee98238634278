"""Families: one trial space for many devices, made of the reference's states at a few."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_reference import BARRIERS

from lior.errors import RunError, UsageError
from lior_ritz.families.comparison import compare, picture
from lior_ritz.families.family import Family, exact_levels, make
from lior_ritz.families.shared import Range, rows, unseen
from lior_ritz.verification import reference


@functools.cache
def barrier():
    return make([Range("barrier_meV", 2.0, 6.0)], overrides=["solver.K=3"], devices=4)


@functools.cache
def detuned():
    ranges = [Range("barrier_meV", 1.0, 4.0), Range("delta", 0.0, 1.0)]
    return make(ranges, overrides=["solver.K=2"], devices=3)


@pytest.mark.usefixtures("older_constant")
def test_splittings_at_unseen_barriers():
    family = make([Range("barrier_meV", 0.5, 12.0)])
    values = torch.tensor(list(BARRIERS), dtype=torch.float64)
    exact = torch.tensor(list(BARRIERS.values()), dtype=torch.float64)
    found = family.splittings({"barrier_meV": values})[:, 0] * family.problem.units.E0_meV * 1e3
    assert float((found / exact - 1).abs().max()) < 1e-7
    assert family.notes[0] == "potential.param_mode=barrier"
    assert compare(family, unseen(family.ranges, 8, seed=43)).variational


@settings(max_examples=15, deadline=None)
@given(st.floats(2.0, 6.0))
def test_no_level_lies_below_the_references(value):
    family = barrier()
    gaps = family.errors({"barrier_meV": value})
    _, bars = exact_levels(family.problem, {"barrier_meV": torch.tensor([value], dtype=torch.float64)}, 3)
    assert bool((gaps >= -(bars[0] + 1e-10)).all())
    assert float(gaps.max()) < 1e-4


def test_two_options_beside_the_reference():
    family = detuned()
    others = unseen(family.ranges, 10, seed=3)
    found = compare(family, others)
    report = found.report()
    assert family.reproduced < 1e-10
    assert report["largest_relative_error"]["level"] < 1e-4
    assert found.variational
    assert len(report["devices"]) == 10
    assert len(picture(found).panels) == 3
    # What is compared is not what it was made from.
    seen = {tuple(row.items()) for row in rows(family.trained)}
    assert not seen & {tuple(row.items()) for row in rows(others)}


# --- derivatives and states ---


@pytest.mark.parametrize("value", [2.5, 4.4])
def test_derivatives_are_those_of_the_levels(value):
    """Exact for the family's own levels, whose trial space does not move; near to the reference's."""
    family, step = barrier(), 1e-3
    found = family.gradients({"barrier_meV": value})["barrier_meV"]
    ends = torch.tensor([value - step, value + step], dtype=torch.float64)
    low, high = family.energies({"barrier_meV": ends})
    torch.testing.assert_close(found, (high - low) / (2 * step), rtol=1e-6, atol=1e-8)
    low, high = (
        reference.solve(family.problem, 3, device={"barrier_meV": float(end)}).energies for end in ends
    )
    np.testing.assert_allclose(found, (high - low) / (2 * step), rtol=1e-4, atol=1e-5)


def test_where_levels_cross_derivatives_are_in_rising_order_and_unknown_where_K_cuts():
    layer = {"potential": {"type": "harmonic", "hbar_omega_x_meV": 3.0, "hbar_omega_y_meV": 3.0}}
    for count, expected in ((3, [0.5, 0.5, 1.5]), (2, [0.5, None])):
        ranges = [Range("hbar_omega_x_meV", 2.0, 4.0)]
        family = make(ranges, layer, overrides=[f"solver.K={count}"], devices=5)
        slopes = family.gradients({"hbar_omega_x_meV": 3.0})["hbar_omega_x_meV"] * family.problem.units.E0_meV
        # E = ħωx (nx + 1/2) + ħωy (ny + 1/2)
        found = [None if slope != slope else slope for slope in slopes.tolist()]
        assert found == [each if each is None else pytest.approx(each, abs=1e-5) for each in expected]


def test_one_dimension_and_a_potential_by_formula():
    layer = {
        "domain": {"dim": 1, "X": 4.0},
        "potential": {"type": "expression", "expression": "x**4 + b*x", "parameters": {"b": 0.5}},
    }
    family = make([Range("b", 0.0, 2.0)], layer, overrides=["solver.K=2"], devices=4)
    assert float(family.errors({"b": torch.linspace(0, 2, 7, dtype=torch.float64)}).abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("ranges", "devices", "said"),
    [
        ([], None, "an option to vary"),
        ([("delta", 0, 1), ("delta", 0, 2)], None, "twice"),
        ([("dleta", 0, 1)], None, "Did you mean 'delta'"),
        ([("delta", 0, 1)], 1, "allowed are 2 to 256"),
        ([("delta", 0, 1), ("barrier_meV", 1, 2)], 17, "allowed are 2 to 16"),
    ],
)
def test_families_that_cannot_be(ranges, devices, said):
    with pytest.raises(UsageError, match=said):
        make([Range(*each) for each in ranges], devices=devices)


# --- files ---


def test_what_is_read_is_what_was_written(tmp_path):
    family = detuned()
    family.save(tmp_path / "family")
    read = Family.load(tmp_path / "family")
    others = unseen(family.ranges, 6, seed=9)
    assert torch.equal(read.energies(others), family.energies(others))
    assert (read.ranges, read.devices, read.seconds) == (family.ranges, family.devices, family.seconds)
    with pytest.raises(OSError, match=r"exists|not empty"):
        family.save(tmp_path / "family")


def test_a_damaged_family_is_refused(tmp_path):
    barrier().save(tmp_path / "family")
    weights = sorted((tmp_path / "family").glob("*.safetensors"))[0]
    data = bytearray(weights.read_bytes())
    data[-9] ^= 1
    weights.write_bytes(data)
    with pytest.raises(RunError, match=r"family"):
        Family.load(tmp_path / "family")
    with pytest.raises(RunError, match="nothing"):
        Family.load(tmp_path / "nothing")
