"""The kernel of rows and its derivatives, against autograd in float64; and gradients that are known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from lior.geometry import metric
from lior.interfaces import State
from lior.tensors import sub
from lior.testing.tensors import assert_derivatives, cast, gradients, make_generator
from lior_plugins.frames.derived import Derived
from lior_plugins.frames.lowrank import LowRank
from lior_plugins.frames.rotor import Rotor
from lior_plugins.products.spinor import Spinor
from lior_plugins.products.tensor import TensorProduct
from lior_plugins.products.wedge import Wedge
from lior_plugins.rsources.constitutive import Constitutive
from lior_plugins.rsources.curvature import Curvature
from lior_tables import likelihood, members
from lior_tables.agop import Agop
from lior_tables.kernel import Kernel, Parts, matrix
from lior_tables.local import Local
from lior_tables.members import Candidate, Member, Setting
from lior_tables.power import Power
from lior_tables.readouts import Ridge, Vote
from lior_tables.row_store import Rows

FRAMES = [Agop(), Agop(diagonal=True), Derived(), LowRank(), Rotor()]
SOURCES = [Local(k=2), Constitutive(k=2), Curvature(centres=4)]
PRODUCTS = [
    Power(),
    Power(exponent=0.7),
    Power(exponent=2.0),
    Power(norm=1),
    Power(norm=1, exponent=0.5),
    TensorProduct(),
    Wedge(),
    Spinor(generators=4),
]
CASES = [(frame, None, Power()) for frame in FRAMES]
CASES += [(Agop(), None, product) for product in PRODUCTS[1:]]
CASES += [(Agop(), source, product) for source in SOURCES for product in (Power(), TensorProduct())]


def _name(plugin: Any) -> str:
    options = "".join(f" {value}" for value in getattr(plugin, "__dict__", {}).values())
    return type(plugin).__name__ + options


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=make_generator(seed), dtype=torch.float64)


def _kernel(frame: Any, source: Any, product: Any, n: int = 4) -> Kernel:
    """A kernel whose frame and medium have seen rows and gradients."""
    parts = Parts(frame=frame, rsource=source, product=product)
    state = cast(parts.init(n, generator=make_generator(1)), torch.float64)
    if isinstance(frame, Agop):
        seen = frame.observe_gradients(sub(state, "frame"), _random(30, 1, n, seed=2))
        state |= {f"frame.{name}": value for name, value in seen.items()}
    state = parts.observe(state, _random(30, n, seed=3))
    if isinstance(source, Local):
        state["rsource.slope"] = 0.1 * _random(n, seed=4)
    return Kernel(parts, state | {"log_beta": torch.tensor(0.3, dtype=torch.float64)})


@pytest.mark.parametrize(("frame", "source", "product"), CASES, ids=_name)
def test_gradient_of_a_weighted_sum_of_scores_is_that_of_autograd(
    frame: Any, source: Any, product: Any
) -> None:
    kernel = _kernel(frame, source, product)
    z, items = _random(5, 4, seed=5), kernel.side(_random(7, 4, seed=6))
    weights, values = _random(5, 7, seed=7), _random(7, 3, seed=8)
    found = kernel.gradient(kernel.side(z), items, weights, values)
    for output in range(3):
        asked = gradients(
            lambda s, c=output: (kernel.scores(kernel.side(s["z"]), items) * weights * values[:, c]).sum(),
            {"z": z},
            ["z"],
        )
        assert_derivatives({"z": found[:, output]}, asked, 1e-9)


@pytest.mark.parametrize(("frame", "source", "product"), CASES, ids=_name)
def test_pullback_to_learned_entries_is_that_of_autograd(frame: Any, source: Any, product: Any) -> None:
    kernel = _kernel(frame, source, product)
    z, items, flow = _random(5, 4, seed=5), _random(7, 4, seed=6), _random(5, 7, seed=7)
    found = kernel.pullback(kernel.side(z), kernel.side(items), flow)
    names = [name for name in found if name != "log_beta"]

    def scalar(state: State) -> Tensor:
        other = Kernel(kernel.parts, state)
        return (other.scores(other.side(z), other.side(items)) * flow).sum()

    assert_derivatives({name: found[name] for name in names}, gradients(scalar, kernel.state, names), 1e-9)
    # β enters as a number; the score is proportional to it.
    assert_close(found["log_beta"], (kernel.scores(kernel.side(z), kernel.side(items)) * flow).sum())


@pytest.mark.parametrize("product", PRODUCTS, ids=_name)
def test_kernels_are_symmetric_and_the_same_in_blocks(product: Any) -> None:
    kernel = _kernel(Agop(), Local(k=2), product)
    side = kernel.side(_random(40, 4, seed=9))
    scores = kernel.scores(side, side)
    assert_close(scores, scores.mT)
    assert (scores <= 0).all()
    assert_close(matrix(kernel, side, side), scores)


def test_likelihood_is_that_of_each_row_by_the_others() -> None:
    kernel = _kernel(Agop(), None, Power())
    rows = Rows(_random(12, 4), _random(12, 2, seed=1), torch.linspace(0.5, 1.5, 12, dtype=torch.float64))
    candidate = Candidate(name="", parts=kernel.parts, readout=Vote(), bandwidths=(), ridges=(), rounds=0)
    fit = Vote().fit(torch.zeros(12, 12), rows.y, rows.weights, 0.0)
    member = Member(candidate, kernel.state, Setting(steps=((1.0, 0.0),)), rows, fit)
    wrong = (member.leave_one_out() - rows.y).square().sum(1)
    expected = (rows.weights * wrong).sum() / rows.weights.sum()
    assert_close(likelihood.loss_of(kernel, rows, 12, classes=False)[0], expected)


@pytest.mark.parametrize("readout", [Ridge(), Vote()], ids=_name)
def test_predictions_are_those_of_the_formula(readout: Any) -> None:
    """Pair by pair: the distance under ``g``, both resiliences and the exponential; then the solution."""
    kernel = _kernel(Agop(), Local(k=2), Power(exponent=0.7))
    rows = Rows(_random(12, 4), _random(12, 2, seed=1), torch.linspace(0.5, 1.5, 12, dtype=torch.float64))
    candidate = Candidate(name="", parts=kernel.parts, readout=readout, bandwidths=(), ridges=(), rounds=0)
    side = kernel.side(rows.z)
    weighed = readout.weigh(kernel.scores(side, side), rows.weights, None)
    fit = readout.fit(weighed, rows.y, rows.weights, 0.1)
    member = Member(candidate, kernel.state, Setting(steps=((1.0, 0.1),)), rows, fit)
    g, medium = metric.dense(kernel.form), sub(kernel.state, "rsource")

    def k(a: Tensor, b: Tensor) -> Tensor:
        r = Local(k=2).resilience(medium, torch.stack([a, b]), kernel.form)
        v = a - b
        return (-kernel.state["log_beta"].exp() * r.prod().sqrt() * (v @ g @ v + 1e-5) ** 0.35).exp()

    probe = _random(3, 4, seed=9)
    near = torch.stack([torch.stack([k(a, b) for b in rows.z]) for a in probe])
    if readout.solves:
        system = torch.stack([torch.stack([k(a, b) for b in rows.z]) for a in rows.z])
        centre = (rows.weights[:, None] * rows.y).sum(0) / rows.weights.sum()
        alpha = torch.linalg.solve(system + (0.1 / rows.weights).diag(), rows.y - centre)
        expected = near @ alpha + centre
    else:
        votes = near * rows.weights
        expected = votes @ rows.y / votes.sum(1, keepdim=True)
    assert_close(member.predict(probe), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("readout", [Ridge(), Vote()], ids=_name)
def test_gradient_of_a_fit_is_that_of_its_prediction_by_the_other_rows(readout: Any) -> None:
    kernel = _kernel(Agop(), Local(k=2), Power())
    rows = Rows(_random(12, 4), _random(12, 2, seed=1), torch.linspace(0.5, 1.5, 12, dtype=torch.float64))
    side = kernel.side(rows.z)
    weighed = readout.weigh(kernel.scores(side, side), rows.weights, None)
    fit = readout.fit(weighed, rows.y, rows.weights, 0.1)
    found = members.gradients(readout, kernel, side, rows.weights, fit.values, torch.tensor([3, 8]))
    others = side.rows(torch.arange(12) != 3)

    def predicted(state: State) -> Tensor:
        scores = kernel.scores(kernel.side(state["z"]), others)
        if readout.solves:
            weights = scores.exp()
        else:
            weights = (scores + rows.weights[torch.arange(12) != 3].log()).softmax(1)
        return (weights @ fit.values[torch.arange(12) != 3])[0]

    for output in range(2):
        asked = gradients(lambda s, c=output: predicted(s)[c], {"z": rows.z[3:4]}, ["z"])
        assert_derivatives({"z": found[:1, output]}, asked, 1e-9)


@pytest.mark.parametrize("classes", [False, True])
def test_likelihood_derivative_is_that_of_autograd(classes: bool) -> None:
    kernel = _kernel(LowRank(), Local(k=2), TensorProduct())
    y = torch.eye(3, dtype=torch.float64)[torch.arange(20) % 3] if classes else _random(20, 2, seed=1)
    rows = Rows(_random(20, 4, seed=2), y, torch.linspace(0.5, 1.5, 20, dtype=torch.float64))
    found = likelihood.gradient(kernel, rows, 8, classes=classes)
    names = [name for name in found if name != "log_beta"]

    def loss(state: State) -> Tensor:
        return likelihood.loss_of(Kernel(kernel.parts, state), rows, 8, classes=classes)[0]

    assert_derivatives({name: found[name] for name in names}, gradients(loss, kernel.state, names), 1e-9)


@pytest.mark.parametrize("readout", [Ridge(), Vote()], ids=_name)
@pytest.mark.parametrize(
    "product", [Power(), Power(exponent=2.0), Power(exponent=0.7), Power(norm=1)], ids=_name
)
def test_metric_of_a_function_of_one_direction_has_rank_one(readout: Any, product: Any) -> None:
    direction = torch.tensor([0.6, -0.8, 0.0, 0.0, 0.0])
    if product.pairwise:
        direction = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
    z = torch.randn(600, 5, generator=make_generator(1))
    y = torch.sin(1.5 * z @ direction)[:, None]
    rows = Rows(z, y, torch.ones(600))
    parts = Parts(frame=Agop(diagonal=product.pairwise), rsource=None, product=product)
    candidate = Candidate(name="", parts=parts, readout=readout, bandwidths=(), ridges=(), rounds=0)
    wide = 1.0 if readout.solves else 0.1
    setting = Setting(steps=((1.0, 1e-3), (1.0, 1e-3), (wide, 1e-3)))
    member = Member.learn_all(candidate, setting, rows, make_generator(0))
    values, vectors = torch.linalg.eigh(metric.dense(member.kernel.form))
    assert values[-2] < 0.05 * values[-1], f"eigenvalues {values.tolist()}"
    assert (vectors[:, -1] @ direction).abs() > 0.995


def test_own_rows_have_no_share_in_their_gradients() -> None:
    kernel = _kernel(Agop(), None, Power())
    z = _random(6, 4)
    side = kernel.side(torch.cat([z, z]))  # every row twice: a distance of 0 has no direction
    weights = torch.ones(12, 12, dtype=torch.float64)
    found = kernel.gradient(side, side, weights, torch.ones(12, 1, dtype=torch.float64))
    assert found.isfinite().all()
