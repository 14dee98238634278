"""Laws of the memory kernel, paths, and the algebra of components."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lior.plots import Curve
from lior_field import algebra, paths
from lior_field.laws.law import Law, chart, noise
from lior_field.memory import letnikov_weights, product_weights
from lior_plugins import kernel, ricci_scalar, rotor_phases


def _convolution() -> Law:
    modes = kernel.concatenate(
        kernel.exponential(0.7, 0.2), kernel.oscillation(0.4, 1.1, 0.3, 0.15), kernel.power_law(0.5, 1000)
    )
    x = torch.randn(400, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = kernel.impulse(modes.poles, modes.coeff, 400)
    exact = torch.stack([(weights[: t + 1].flip(0) * x[: t + 1, 0]).sum() for t in range(400)])
    off = float((kernel.scan(*modes, x)[0][:, 0] - exact).abs().max())
    times = torch.logspace(0, 5, 120, dtype=torch.float64).round().unique()
    curves = []
    for horizon in (64, 1024, 65536):
        power = kernel.power_law(0.5, horizon)
        rates = -power.poles.real.log()
        values = (power.coeff.real * torch.exp(-times[:, None] * rates)).sum(1)
        error = (values * times.sqrt() - 1).abs().clamp(min=1e-6)
        name = f"up to {horizon:,}: {len(rates)} poles"
        curves.append(Curve(name=name, x=times.tolist(), y=error.tolist()))
    panel = chart(
        "memory: t^-1/2 as a sum of exponentials", "lag", "relative error", *curves, log_x=True, log_y=True
    )
    return Law("poles", "poles beside direct convolution, 400 steps", off, 1e-12, panel)


def _fractional() -> Law:
    alpha, sizes, curves, off = 0.5, [2**i for i in range(3, 13)], [], 0.0
    for name, weights in (("product integration", product_weights), ("Grünwald–Letnikov", letnikov_weights)):
        errors = []
        for steps in sizes:
            f = torch.arange(1, steps + 1, dtype=torch.float64).flip(0) / steps
            value = float((weights(alpha, steps, 1 / steps) * f).sum())
            errors.append(abs(value * math.gamma(alpha + 2) - 1))
        off = max(off, errors[-1])
        curves.append(Curve(name=name, x=[float(s) for s in sizes], y=errors))
    panel = chart(
        "memory: half an integral of a line", "steps", "relative error", *curves, log_x=True, log_y=True
    )
    return Law("fractional", "error of the fractional integral of a line, 4,096 steps", off, 1e-3, panel)


def _geodesics() -> Law:
    """Compare distances between points with known ones: stereographic coordinates, and Poincaré's disc."""
    start, end = torch.tensor([-0.6, -0.1]).double(), torch.tensor([0.5, 0.4]).double()
    curves, off = [Curve(name="straight", x=[-0.6, 0.5], y=[-0.1, 0.4])], 0.0
    squared, sides = float((start - end).square().sum()), [float(p.square().sum()) for p in (start, end)]
    exact = {
        "sphere": 2 * math.asin(math.sqrt(squared / ((1 + sides[0]) * (1 + sides[1])))),
        "hyperbolic plane": 2 * math.asinh(math.sqrt(squared / ((1 - sides[0]) * (1 - sides[1])))),
    }
    for (name, distance), factor in zip(exact.items(), (paths.sphere, paths.ball), strict=True):
        path = paths.connect(factor, start, end)
        length = float(factor(path.points[0])[0].exp() * path.velocities[0].norm())
        off = max(off, abs(length / distance - 1))
        x, y = path.points.T.tolist()
        curves.append(Curve(name=name, x=x, y=y))
    panel = chart("geodesics between two points", "x", "y", *curves)
    return Law("geodesics", "length beside the closed form, sphere and hyperbolic plane", off, 1e-8, panel)


def _curvature() -> Law:
    """Compute ``±n(n − 1)`` from the factors of :mod:`lior_field.paths` and the closed form of the model."""
    sizes, curves, off = list(range(2, 9)), [], 0.0
    for name, factor, sign in (("sphere", paths.sphere, 1), ("hyperbolic space", paths.ball, -1)):
        found = []
        for n in sizes:
            x = torch.full((n,), 0.2, dtype=torch.float64)
            phi, slope = factor(x)
            laplacian = _divergence(lambda at, f=factor: f(at)[1], x)  # type: ignore[misc]
            found.append(float(ricci_scalar(phi, laplacian, slope.square().sum(), n)))
            off = max(off, abs(found[-1] / (sign * n * (n - 1)) - 1))
        curves.append(Curve(name=name, x=[float(n) for n in sizes], y=found))
    panel = chart("scalar curvature ±n(n − 1): ±6 for n = 3", "dimension n", "R", *curves)
    return Law("curvature", "scalar curvature of Sⁿ and Hⁿ beside ±n(n − 1)", off, 1e-9, panel)


def _divergence(field: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute the divergence by central differences of order 4, at ``x (n,)``."""
    step = 1e-3 * torch.eye(len(x), dtype=x.dtype)
    near, far = (field(x + k * step) - field(x - k * step) for k in (1, 2))
    return (8 * near - far).diagonal().sum() / 12e-3


def _clifford() -> Law:
    """Check Clifford's relations of left multiplication by the imaginary units, for octonions too."""
    sizes, m, off = [1, 2, 4, 8], algebra.multiply, 0.0
    broken: dict[str, list[float]] = {"commute": [], "associate": [], "alternate": [], "norms multiply": []}
    for size in sizes:
        a, b, c = torch.view_as_real(noise(3, 20, size))[..., 0]
        left = torch.stack([m(unit, torch.eye(size)) for unit in torch.eye(size)[1:]] or [torch.zeros(0, 0)])
        both = left[:, None] @ left[None] + left[None] @ left[:, None]
        wanted = -2 * torch.eye(len(left))[:, :, None, None] * torch.eye(left.shape[-1])
        faults = {
            "commute": m(a, b) - m(b, a),
            "associate": m(m(a, b), c) - m(a, m(b, c)),
            "alternate": m(a, m(a, b)) - m(m(a, a), b),
            "norms multiply": algebra.norm_squared(m(a, b)) / algebra.norm_squared(a)
            - algebra.norm_squared(b),
        }
        for name, values in faults.items():
            broken[name].append(float(values.abs().max()))
        if size > 1:
            off = max(off, float((both - wanted).abs().max()))
        off = max(off, broken["alternate"][-1], broken["norms multiply"][-1])
    curves = [Curve(name=name, x=[float(s) for s in sizes], y=y) for name, y in broken.items()]
    panel = chart(
        "algebras: what holds with 1, 2, 4, 8 components",
        "components",
        "largest violation",
        *curves,
        log_y=True,
    )
    says = "Clifford's relations of quaternions and octonions, alternativity, norms"
    return Law("clifford", says, off, 1e-12, panel)


def _shift() -> Law:
    """Check that scores of turned positions depend on their distance only."""
    angles = torch.tensor([0.7, 0.31, 0.11, 0.03], dtype=torch.float64)
    at = torch.arange(60, dtype=torch.float64)
    q, k = torch.view_as_real(noise(2, 16))[..., 0]
    psi, chi = noise(2, 16)

    def rotary(begin: float) -> Tensor:
        keys = algebra.rotary(k[:8].expand(60, 8), angles, begin + at)
        return keys @ algebra.rotary(q[None, :8], angles, at[:1] + begin)[0]

    def spinor(begin: float) -> Tensor:
        turns = torch.exp(1j * rotor_phases((begin + at)[:, None] * angles, 8))
        return ((turns[0] * psi).conj() * (turns * chi)).sum(-1).real

    curves, off = [], 0.0
    for name, score in (("rotary", rotary), ("spinor", spinor)):
        there, moved = score(0.0), score(1000.0)
        off = max(off, float((there - moved).abs().max() / there.abs().max()))
        curves.append(Curve(name=name, x=at.tolist(), y=there.tolist()))
        curves.append(Curve(name=f"{name}, 1,000 later", x=at.tolist(), y=moved.tolist(), dots=True))
    panel = chart("turned positions: only the distance counts", "distance", "score", *curves)
    return Law("shift", "change of scores when all positions move by 1,000", off, 1e-11, panel)


def _wedge() -> Law:
    """Check that ``|q − R k|²`` of a rotor has both forms, so that the model's distances contain them."""
    q, k = torch.view_as_real(noise(2, 6))[..., 0]
    omega = torch.block_diag(*[torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)] * 3)
    angles = torch.linspace(0, 2 * math.pi, 61, dtype=torch.float64)
    turned = algebra.rotary(k.expand(61, 6), torch.ones(3, dtype=torch.float64), angles)
    direct = (q - turned).square().sum(-1)
    even, odd = algebra.symmetric_form(q, k, torch.eye(6, dtype=q.dtype)), algebra.wedge(q, k, omega)
    lengths = q.square().sum() + k.square().sum()
    closed = lengths - 2 * angles.cos() * even - 2 * angles.sin() * odd
    off = float((direct - closed).abs().max() / lengths)
    curves = [
        Curve(name="from q·k and ω(q, k)", x=angles.tolist(), y=closed.tolist()),
        Curve(name="from q·k alone", x=angles.tolist(), y=(lengths - 2 * angles.cos() * even).tolist()),
        Curve(name="|q − R k|²", x=angles[::3].tolist(), y=direct[::3].tolist(), dots=True),
    ]
    panel = chart(
        "the distance from a turned point has both forms", "angle of the rotor", "squared distance", *curves
    )
    return Law("wedge", "|q − R k|² beside |q|² + |k|² − 2 cos θ q·k − 2 sin θ ω(q, k)", off, 1e-14, panel)


LAWS: tuple[Callable[[], Law], ...] = (
    _convolution,
    _fractional,
    _geodesics,
    _curvature,
    _clifford,
    _shift,
    _wedge,
)
