"""Families: one trial space for many devices."""

import functools

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.errors import RunError
from lior_ritz import config as configuration
from lior_ritz import decay, reference
from lior_ritz.family import Family, begin, referee, train
from lior_ritz.family_report import compare, picture
from lior_ritz.family_training import spans
from lior_ritz.projection import project
from lior_ritz.reduced import Space, reduced_basis
from lior_ritz.shared import Range, chebyshev, rows, shared, unseen
from lior_ritz.solution import solve

BARRIER = {
    0.5: 447.694643, 1: 403.090938, 2: 285.433769, 3: 193.200589, 4: 130.196734, 6: 61.026777, 8: 30.256069,
    12: 8.605268,
}  # fmt: skip
"""Exact splittings of the default dot in µeV by its barrier in meV."""
SMALL = ("model.hidden_features=12", "solver.K=3", "domain.nq=32")


def trained(ranges, overrides=SMALL, *, devices=4, steps=90, layers=()):
    return train(ranges, *layers, overrides=overrides, devices=devices, steps=steps)


@functools.cache
def barrier():
    return trained([Range("barrier_meV", 2.0, 6.0)])


@functools.cache
def detuned():
    ranges = [Range("barrier_meV", 1.0, 4.0), Range("delta", 0.0, 1.0)]
    return trained(ranges, (*SMALL, "solver.K=2"), devices=3)


@functools.cache
def crossing():
    """Two levels cross where both frequencies are 3 meV."""
    layer = {"potential": {"type": "harmonic", "hbar_omega_x_meV": 3.0, "hbar_omega_y_meV": 3.0}}
    ranges = [Range("hbar_omega_x_meV", 2.0, 4.0)]
    size = ("model.hidden_features=16", "solver.K=3", "domain.nq=40")
    return trained(ranges, size, layers=[layer], devices=5, steps=300)


# --- what is asked of the product ---


def test_splittings_at_unseen_barriers_are_within_a_thousandth():
    """With a third of the default's steps; a network that was trained as long for one device in the middle,
    whose trial space is used for all, is what it has to beat."""
    family = trained([Range("barrier_meV", 0.5, 12.0)], (), devices=12, steps=120)
    values = torch.tensor(list(BARRIER), dtype=torch.float64)
    exact = torch.tensor(list(BARRIER.values()), dtype=torch.float64)
    found = family.splittings({"barrier_meV": values})[:, 0] * family.problem.units.E0_meV * 1e3
    assert float((found / exact - 1).abs().max()) < 1e-5
    assert family.sound
    assert bool((family.errors({"barrier_meV": values}) > -1e-9).all())
    middle = {"potential": {"param_mode": "barrier", "barrier_meV": 4.0}}
    one = solve({**middle, "training": {"lbfgs_refine": {"steps": 60}}})
    alone = _space_of(one).lowest({"barrier_meV": values}, 2)[0].diff(dim=1)[:, 0]
    alone *= one.problem.units.E0_meV * 1e3
    assert float((alone / exact - 1).abs().max()) > 20 * float((found / exact - 1).abs().max())


def _space_of(solution):
    """The trial space of a network that was trained for one device."""
    ansatz, nodes, params = solution.trainer.ansatz, solution.evaluation.nodes, solution.evaluation.params
    with torch.no_grad():
        functions = ansatz.functions(params, nodes.rule.points)
        found = spans(ansatz, functions, ansatz.decay(params, nodes.rule.points), nodes)
    return Space(problem=solution.problem, rule=nodes.rule, spans=tuple(found))


@settings(max_examples=15, deadline=None)
@given(st.floats(2.0, 6.0))
def test_no_level_lies_below_the_referees(value):
    family = barrier()
    gaps = family.errors({"barrier_meV": value})
    _, bars = referee(family.problem, {"barrier_meV": torch.tensor([value], dtype=torch.float64)}, 3)
    assert bool((gaps >= -(bars[0] + family.quadrature_error)).all())
    assert float(gaps.max()) < 1e-4


def test_two_options_and_the_reduced_basis_beside_them():
    family = detuned()
    others = unseen(family.ranges, 10, seed=3)
    basis = reduced_basis(family.problem, family.ranges, family.trained, 2)
    found = compare(family, basis, others)
    assert basis.reproduced < 1e-10
    assert found.largest("network")["level"] < 1e-3
    assert found.largest("reduced")["level"] < 1e-4
    assert found.variational
    assert len(found.report()["devices"]) == 10
    assert len(picture(found).panels) == 4
    assert found.csv().count("\n") == 11
    # What is compared is not what was trained.
    seen = {tuple(row.items()) for row in rows(family.trained)}
    assert not seen & {tuple(row.items()) for row in rows(others)}


# --- derivatives and states ---


@pytest.mark.parametrize("value", [2.5, 4.4])
def test_derivatives_are_those_of_the_levels(value):
    """Exact for the family's own levels, whose trial space does not move; near to the referee's."""
    family, step = barrier(), 1e-3
    found = family.gradients({"barrier_meV": value})["barrier_meV"]
    ends = torch.tensor([value - step, value + step], dtype=torch.float64)
    low, high = family.energies({"barrier_meV": ends})
    torch.testing.assert_close(found, (high - low) / (2 * step), rtol=1e-6, atol=1e-8)
    low, high = (
        reference.solve(family.problem, 3, device={"barrier_meV": float(end)}).energies for end in ends
    )
    torch.testing.assert_close(found, (high - low) / (2 * step), rtol=1e-4, atol=1e-5)


def test_where_levels_cross_derivatives_are_in_rising_order_and_unknown_where_K_cuts():
    family, problem = crossing(), crossing().problem
    levels = family.energies({"hbar_omega_x_meV": 3.0})
    assert float(levels[2] - levels[1]) < 1e-7
    slopes = family.gradients({"hbar_omega_x_meV": 3.0})["hbar_omega_x_meV"] * problem.units.E0_meV
    # E = ħωx (nx + 1/2) + ħωy (ny + 1/2)
    torch.testing.assert_close(slopes, torch.tensor([0.5, 0.5, 1.5], dtype=torch.float64), atol=1e-6, rtol=0)
    cut = attrs.evolve(family, config=_with_K(family.config, 2))
    slopes = cut.gradients({"hbar_omega_x_meV": 3.0})["hbar_omega_x_meV"]
    assert slopes.isnan().tolist() == [False, True]


def _with_K(config, count):
    return attrs.evolve(config, solver=attrs.evolve(config.solver, K=count))


@pytest.mark.parametrize("family", [barrier, detuned])
def test_states_are_the_referees(family):
    family = family()
    device = {each.name: 0.3 * each.low + 0.7 * each.high for each in family.ranges}
    points = 4 * torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 2
    count = family.config.solver.K
    found = family.states(device, points)
    exact = reference.eigenfunctions(family.problem, points, count, device=device)
    assert found.shape == (count, 40)
    torch.testing.assert_close(found, exact, atol=0.02, rtol=0)


def test_slopes_of_states_are_their_derivatives():
    family, step = barrier(), 1e-5
    points = 4 * torch.rand(9, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 2
    jet = family.states({"barrier_meV": 3.0}, points, order=1)
    for axis in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[axis] = step
        ends = [family.states({"barrier_meV": 3.0}, points + sign * shift) for sign in (1, -1)]
        torch.testing.assert_close(jet[1 + axis], (ends[0] - ends[1]) / (2 * step), atol=1e-7, rtol=0)


# --- training ---


def test_the_gradient_of_the_loss_is_that_of_the_mean_energy():
    fit = begin([Range("barrier_meV", 2.0, 6.0), Range("delta", 0.0, 1.0)], overrides=SMALL, devices=2)
    trainer = fit.trainer
    nodes = trainer.evaluator.nodes(24)
    params = {name: value.detach().clone().requires_grad_() for name, value in trainer.params.items()}
    trainer.objective(params, nodes).total.backward()
    generator = torch.Generator().manual_seed(0)
    for name, value in params.items():
        way = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        ends = []
        for sign in (1, -1):
            moved = params | {name: (value + sign * 1e-5 * way).detach()}
            ends.append(float(trainer.objective(moved, nodes).total.detach()))
        expected = (ends[0] - ends[1]) / 2e-5
        got = 0.0 if value.grad is None else float((value.grad * way).sum())
        assert got == pytest.approx(expected, rel=1e-5, abs=1e-7), name


def test_a_device_alone_is_solved_as_by_its_own_objective():
    """One of two equal devices has the energies of the ordinary Ritz step."""
    fit = begin([Range("barrier_meV", 2.0, 6.0)], overrides=SMALL, devices=2)
    nodes = fit.trainer.evaluator.nodes(24)
    ansatz, params = fit.trainer.ansatz, fit.trainer.params
    found = fit.trainer.objective(params, nodes).head.energies
    each = []
    for device in rows(fit.trained):
        problem = fit.problem.varied(device)
        levels = []
        with torch.no_grad():
            factor = ansatz.decay(params, nodes.rule.points)
            for jet in ansatz.functions(params, nodes.rule.points):
                jet = decay.apply(factor, jet, dim=2)
                levels.append(project(jet, nodes.rule.weights, problem.energy(nodes.rule.points)).energies)
        each.append(torch.cat(levels).sort().values[:3])
    torch.testing.assert_close(found, torch.stack(each).mean(0), rtol=1e-12, atol=1e-12)


def test_a_symmetry_of_single_devices_is_none_of_the_family():
    config = configuration.load(
        (), ["potential.param_mode=barrier", "potential.barrier_meV=3"], env={}
    ).config
    problem = configuration.problem(config)
    assert problem.mirrors == {0, 1}
    ranges = [Range("delta", 0.0, 1.0)]
    assert shared(problem, ranges, chebyshev(ranges, 2)).mirrors == {1}
    ranges = [Range("barrier_meV", 1.0, 3.0)]
    assert shared(problem, ranges, chebyshev(ranges, 2)).mirrors == {0, 1}


def test_one_dimension_and_a_potential_by_formula():
    layer = {
        "domain": {"dim": 1, "X": 4.0},
        "potential": {"type": "expression", "expression": "x**4 + b*x", "parameters": {"b": 0.5}},
    }
    family = trained([Range("b", 0.0, 2.0)], ("solver.K=2", "model.hidden_features=10"), layers=[layer])
    assert float(family.errors({"b": torch.linspace(0, 2, 7, dtype=torch.float64)}).abs().max()) < 1e-5


def test_every_switch_of_a_family_changes_it():
    base = trained([Range("barrier_meV", 2.0, 6.0)], steps=12)
    at = {"barrier_meV": 3.3}
    for other in (
        trained([Range("barrier_meV", 2.0, 6.0)], steps=12, devices=5),
        trained([Range("barrier_meV", 2.0, 6.0, log=True)], steps=12),
        trained([Range("barrier_meV", 2.0, 7.0)], steps=12),
        trained([Range("barrier_meV", 2.0, 6.0)], steps=16),
        trained([Range("barrier_meV", 2.0, 6.0)], (*SMALL, "training.seed=7"), steps=12),
    ):
        assert not torch.equal(base.energies(at), other.energies(at))
    again = trained([Range("barrier_meV", 2.0, 6.0)], steps=12)
    assert torch.equal(base.energies(at), again.energies(at))


def test_a_rule_that_is_too_coarse_is_reported(monkeypatch):
    fit = begin([Range("barrier_meV", 2.0, 6.0)], overrides=SMALL, devices=2)
    for _ in range(10):
        fit.step()
    fit.trainer.check()
    found = attrs.evolve(fit.trainer.conclude(), nq=10, quadrature_error=0.0)
    monkeypatch.setattr(fit.trainer, "conclude", lambda: found)
    family = fit.finished()
    assert not family.sound
    assert family.quadrature_error > 1e-6


# --- files ---


def test_what_is_read_is_what_was_written(tmp_path):
    family = detuned()
    family.save(tmp_path / "family")
    read = Family.load(tmp_path / "family")
    others = unseen(family.ranges, 6, seed=9)
    assert torch.equal(read.energies(others), family.energies(others))
    assert (read.ranges, read.nq, read.sound) == (family.ranges, family.nq, family.sound)
    with pytest.raises(OSError, match=r"exists|not empty"):
        family.save(tmp_path / "family")


def test_a_damaged_family_is_refused(tmp_path):
    barrier().save(tmp_path / "family")
    [weights] = (tmp_path / "family").glob("*.safetensors")
    data = bytearray(weights.read_bytes())
    data[-9] ^= 1
    weights.write_bytes(data)
    with pytest.raises(RunError, match=r"family"):
        Family.load(tmp_path / "family")
    with pytest.raises(RunError, match="nothing"):
        Family.load(tmp_path / "nothing")
