"""Actions against their laws, geodesics against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior_field import paths
from lior_field.paths import ball, sphere


def lifted(x: Tensor) -> Tensor:
    """From the plane to the unit sphere."""
    s = x.square().sum(-1, keepdim=True)
    return torch.cat([2 * x, s - 1], -1) / (1 + s)


def on_sphere(a: Tensor, b: Tensor) -> float:
    """The angle between two points, which is their distance."""
    p, q = lifted(a), lifted(b)
    return 2 * math.atan2(float((p - q).norm()), float((p + q).norm()))


def in_ball(a: Tensor, b: Tensor) -> float:
    """J. Ratcliffe, *Foundations of Hyperbolic Manifolds*, theorem 4.5.1."""
    chord = 2 * (a - b).square().sum() / ((1 - a.square().sum()) * (1 - b.square().sum()))
    return math.acosh(1 + float(chord))


def length(path: paths.Geodesic, factor: paths.Factor) -> float:
    speed = factor(path.points)[0].exp() * path.velocities.norm(dim=-1)
    assert float((speed / speed[0] - 1).abs().max()) < 1e-8  # constant along a geodesic
    return float(speed[0])


@pytest.mark.parametrize(
    ("factor", "distance"), [(sphere, on_sphere), (ball, in_ball)], ids=["sphere", "ball"]
)
@pytest.mark.parametrize("n", [2, 3])
def test_geodesics_have_the_length_that_they_should(
    factor: paths.Factor, distance: object, n: int, generator: Generator
) -> None:
    for _ in range(3):
        a, b = (0.5 * torch.rand(n, generator=generator, dtype=torch.float64) - 0.25 for _ in range(2))
        path = paths.connect(factor, a, b)
        torch.testing.assert_close(path.points[-1], b, rtol=0, atol=1e-9)
        exact = distance(a, b)  # type: ignore[operator]
        assert length(path, factor) == pytest.approx(exact, rel=1e-8)
        straight = torch.stack([a + (b - a) * s for s in torch.linspace(0, 1, 400, dtype=torch.float64)])
        middle = paths.midpoints(straight)
        assert float(paths.action(straight, factor(middle)[0].exp()).sum()) >= exact * (1 - 1e-5)


def test_a_geodesic_of_the_sphere_is_a_great_circle(generator: Generator) -> None:
    start, velocity = torch.tensor([0.3, -0.2]).double(), torch.tensor([0.5, 0.9]).double()
    points = lifted(paths.shoot(sphere, start, velocity, time=2.0, steps=400).points)
    normal = torch.linalg.cross(points[0], points[100])
    assert float((points @ normal).abs().max()) < 1e-8


def test_points_near_the_rim_are_connected(generator: Generator) -> None:
    """Newton's whole steps leave the ball here."""
    for _ in range(5):
        a, b = torch.randn(2, 2, generator=generator, dtype=torch.float64)
        a, b = 0.9 * a / a.norm(), 0.9 * b / b.norm()
        assert length(paths.connect(ball, a, b, steps=400), ball) == pytest.approx(in_ball(a, b), rel=1e-6)


def test_points_of_single_precision_are_connected() -> None:
    """Their rounding is larger than the tolerance of a path."""
    a, b = torch.tensor([0.1, 0.2]), torch.tensor([-0.1, 0.2])
    path = paths.connect(sphere, a, b).points
    torch.testing.assert_close(path, paths.connect(sphere, a.double(), b.double()).points)


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((1, 2), (1, 2)), ((), ())])
def test_points_of_different_spaces_are_refused(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(UsageError, match="points of shapes"):
        paths.connect(sphere, *(torch.full(shape, 0.1).double() for shape in shapes))


def test_points_too_far_apart_are_refused() -> None:
    with pytest.raises(UsageError, match="nearer"):
        paths.connect(
            ball, torch.tensor([-0.999999, 0.0]).double(), torch.tensor([0.0, 0.999999]).double(), rounds=3
        )


@pytest.mark.parametrize("outside", [[1.2, 0.0], [1.0, 0.0], [math.nan, 0.0]])
def test_points_outside_of_the_ball_are_refused(outside: list[float]) -> None:
    inside, out = torch.tensor([0.1, 0.2]).double(), torch.tensor(outside).double()
    with pytest.raises(UsageError, match=r"end .*inside of its space"):
        paths.connect(ball, inside, out)
    with pytest.raises(UsageError, match=r"start .*inside of its space"):
        paths.connect(ball, out, inside)
    with pytest.raises(UsageError, match=r"start .*inside of its space"):
        paths.shoot(ball, out, inside)


def test_the_action_is_additive_symmetric_and_of_first_degree(generator: Generator) -> None:
    x = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    r = torch.rand(29, generator=generator, dtype=torch.float64) + 0.1
    terms = paths.action(x, r)
    assert bool((terms >= 0).all())
    torch.testing.assert_close(
        terms.sum(), paths.action(x[:12], r[:11]).sum() + paths.action(x[11:], r[11:]).sum()
    )
    torch.testing.assert_close(terms.sum(), paths.action(x.flip(0), r.flip(0)).sum())
    torch.testing.assert_close(paths.action(2 * x, r), 2 * terms)


def test_the_action_does_not_depend_on_the_parameter() -> None:
    """The same curve at other times: both sums converge to one integral."""

    def curve(s: Tensor) -> Tensor:
        return torch.stack([s.cos(), 0.5 * (2 * s).sin()], -1)

    totals = []
    for times in (torch.linspace(0, 1, 4001), torch.linspace(0, 1, 4001) ** 2):
        points = 0.7 * curve(3 * times.double())
        totals.append(float(paths.action(points, ball(paths.midpoints(points))[0].exp()).sum()))
    assert totals[0] == pytest.approx(totals[1], rel=1e-6)


def test_turning_is_the_angle_between_steps() -> None:
    points = torch.tensor(
        [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [2.0, 1.0], [2.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
    )
    expected = torch.tensor([0.0, math.pi / 2, math.pi, 0.0, 0.0])
    torch.testing.assert_close(paths.turning(points), expected)
    nearly = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 1e-9]]).double()
    assert float(paths.turning(nearly)) == pytest.approx(1e-9, rel=1e-6)
