"""Potentials: what they say of themselves is true, they can be varied, and nonsense is refused."""

import math

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.errors import UsageError
from lior_ritz.potentials.biquadratic import Biquadratic
from lior_ritz.potentials.expression import Expression
from lior_ritz.potentials.gaussian import DoubleGaussian, Gaussian
from lior_ritz.potentials.gridded import Gridded
from lior_ritz.potentials.grids import AssumedAxes, read_grid
from lior_ritz.potentials.wells import Box, Harmonic, HarmonicBarrier
from lior_ritz.problem import AXES, Potential, Problem
from lior_ritz.problem.arrays import STEP, slopes
from lior_ritz.problem.units import Units
from lior_ritz.reports.samples import Slice

UNITS = Units()
POINTS = torch.from_numpy(np.random.default_rng(0).uniform(-2, 2, (40, 4)))
FORMULA = "k*(x**2 - a**2)**2 + b*y**2 + d*x"
ALL = [
    Biquadratic(delta=0.3),
    Gaussian(x0=0.1, tilt_y=0.2),
    DoubleGaussian(asymmetry=0.5, tilt_x=0.1),
    Harmonic(hbar_omega_y_meV=5.0, x0=0.2),
    Harmonic(beta_x=1.0, beta_w=2.0),
    HarmonicBarrier(tilt_x=0.5, shear=0.2),
    HarmonicBarrier(beta_x=1.0, barrier_meV=3.0),
    Box(offset=1.5),
    Expression(expression=FORMULA, parameters={"k": 1, "a": 1.5, "b": 2, "d": 0.1}),
]


def energies(potential, dim=None, **device):
    values = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in device.items()}
    return potential.energy(POINTS[:, : dim or potential.dims[0]], UNITS, values)


def true_mirrors(potential, dim):
    """The mirrors by evaluation at random points."""
    points = POINTS[:, :dim]
    here = potential.energy(points, UNITS, {})
    flips = (points * (1 - 2 * torch.eye(dim, dtype=torch.float64)[axis]) for axis in range(dim))
    return {i for i, image in enumerate(flips) if torch.allclose(potential.energy(image, UNITS, {}), here)}


@pytest.mark.parametrize("potential", ALL, ids=lambda p: type(p).__name__)
def test_interface(potential):
    assert isinstance(potential, Potential)
    assert potential.api_version == 2
    for dim in potential.dims:
        value = energies(potential, dim)
        assert value.shape == (40,)
        assert value.dtype == torch.float64
        energy_at = lambda points: potential.energy(points, UNITS, {})  # noqa: E731
        np.testing.assert_allclose(energy_at(POINTS[:, :dim].numpy()), value)
        at = POINTS[:, :dim].clone().requires_grad_()
        if (energy := energy_at(at)).requires_grad:  # that of a box does not depend on the place
            [gradient] = torch.autograd.grad(energy.sum(), at)
            found = slopes(energy_at, POINTS[:, :dim].numpy())
            np.testing.assert_allclose(found, gradient, rtol=1e-11, atol=1e-12)
        assert potential.mirrors(dim) == true_mirrors(potential, dim)
        if parts := potential.parts(UNITS, dim):
            assert len(parts) == dim
            total = sum(part(POINTS[:, i]) for i, part in enumerate(parts))
            torch.testing.assert_close(total, value)
    assert all(math.isfinite(value) for value in potential.report(UNITS).values())
    assert potential.energy(POINTS[:, : potential.dims[0]].float(), UNITS, {}).dtype == torch.float32


@pytest.mark.parametrize("potential", ALL, ids=lambda p: type(p).__name__)
def test_varied_options(potential):
    """Varying equals setting; many devices broadcast; the gradient is that of differences."""
    dim = potential.dims[0]
    problem = Problem(potential, (2.0,) * dim, units=UNITS)
    tried = 0
    for name in potential.device:
        own = getattr(potential, name, None) if name not in getattr(potential, "parameters", ()) else 0.7
        value = 0.9 if own is None else own + 0.125
        try:
            there = problem.varied({name: value})
        except UsageError:
            continue  # this one contradicts the options as they are
        if dim not in there.potential.dims:
            continue
        try:
            at = energies(potential, **{name: value})
        except UsageError:
            continue
        tried += 1
        torch.testing.assert_close(at, there.energy(POINTS[:, :dim]))
        both = energies(potential, **{name: [[value], [value + 0.1]]})
        assert both.shape == (2, 40)
        torch.testing.assert_close(both[0], at)
        leaf = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        slope = torch.autograd.grad(potential.energy(POINTS[:, :dim], UNITS, {name: leaf}).sum(), leaf)[0]
        step = 1e-6
        ends = [float(energies(potential, **{name: value + s}).sum()) for s in (step, -step)]
        assert float(slope) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-6)
        by_step = potential.energy(POINTS[:, :dim].numpy(), UNITS, {name: value + 1j * STEP}).imag / STEP
        assert float(slope) == pytest.approx(by_step.sum())
    assert tried >= 1


def test_varying_what_is_not_there_is_refused():
    with pytest.raises(UsageError, match="Did you mean 'sigma_x'"):
        energies(Gaussian(), sigmax=1.0)
    with pytest.raises(UsageError, match="say the same thing"):
        energies(HarmonicBarrier(beta_x=1.0), hbar_omega_x_meV=1.0)
    with pytest.raises(UsageError, match="says nothing here"):
        energies(Harmonic(beta_x=1.0), 1, y0=1.0)
    with pytest.raises(UsageError, match="2 values at once"):
        Problem(Gaussian(), (2.0, 2.0)).varied({"x0": torch.zeros(2, 1)})


def test_gaussian_formula_and_units():
    v = Gaussian(amplitude=-4.0, x0=0.2, y0=-0.1, sigma_x=0.7, sigma_y=1.1, tilt_x=0.3, offset=2.0)
    at = torch.tensor([[0.5, 0.25]], dtype=torch.float64)
    expected = -4 * math.exp(-0.5 * ((0.3 / 0.7) ** 2 + (0.35 / 1.1) ** 2)) + 0.15 + 2
    assert float(v.energy(at, UNITS, {})) == pytest.approx(expected, rel=1e-14)
    heavy = Units(m_eff=0.19, L0_nm=20.0)
    assert v.report(heavy)["amplitude_meV"] == pytest.approx(-4 * heavy.E0_meV)
    well = Harmonic(hbar_omega_meV=3.0)
    for units in (UNITS, heavy):
        assert float(well.energy(at, units, {})) == pytest.approx((3 / (2 * units.E0_meV)) ** 2 * 0.3125)
        assert well.report(units)["hbar_omega_x_meV"] == pytest.approx(3.0)
    barrier = HarmonicBarrier(barrier_meV=3.0)
    assert barrier.report(heavy)["barrier_dimless"] == pytest.approx(3.0 / heavy.E0_meV)


def test_two_gaussians_are_the_formula():
    """The deeper well is at x > 0."""
    v = DoubleGaussian(
        depth=10.0, asymmetry=3.0, separation=1.2, sigma_x=0.7, sigma_y=1.1, tilt_x=0.3, offset=2.0
    )
    at = torch.tensor([[0.5, 0.25]], dtype=torch.float64)
    wells = [
        -depth * math.exp(-0.5 * (((0.5 + shift) / 0.7) ** 2 + (0.25 / 1.1) ** 2))
        for depth, shift in ((8.5, 1.2), (11.5, -1.2))
    ]
    assert float(v.energy(at, UNITS, {})) == pytest.approx(sum(wells) + 0.15 + 2, rel=1e-14)


@pytest.mark.parametrize("cls", [Gaussian, DoubleGaussian, Harmonic, HarmonicBarrier, Box])
def test_numbers_that_are_none_are_refused(cls):
    for field in attrs.fields(cls):
        for bad in (math.nan, math.inf, -math.inf):
            with pytest.raises(UsageError, match=field.name):
                cls(**{field.name: bad})
        if field.name.startswith("sigma"):
            for bad in (-0.8, 0.0):
                with pytest.raises(UsageError, match=field.name):
                    cls(**{field.name: bad})


def test_contradicting_options_are_refused():
    for names in (("beta_x", "hbar_omega_x_meV"), ("barrier", "barrier_meV")):
        with pytest.raises(UsageError, match=f"{names[0]} and {names[1]} say the same"):
            HarmonicBarrier(**dict.fromkeys(names, 1.0))
    with pytest.raises(UsageError, match="say the same"):
        Harmonic(beta_z=1.0, hbar_omega_z_meV=1.0)


def test_dimensions():
    assert Harmonic().dims == (1, 2, 3, 4)
    assert Harmonic(z0=0.5).dims == (3, 4)
    assert Expression(expression="x**2 + z**2").dims == (3, 4)
    with pytest.raises(UsageError, match=r"domain\.dim = 3"):
        Problem(Gaussian(), (1.0, 1.0, 1.0))


MIRRORS = [
    ("k*(x**2-a**2)**2 + b*y**2", {"k": 1, "a": 1.5, "b": 2}, {0, 1}, True),
    ("exp(-(x-a)**2-y**2) + exp(-(x+b)**2-y**2)", {"a": 1.3, "b": 1.3}, {0, 1}, False),
    ("exp(-(x-a)**2-y**2) + exp(-(x+b)**2-y**2)", {"a": 1.3, "b": 1.4}, {1}, False),
    ("x*x + d*x*y + y*y", {"d": 0}, {0, 1}, True),
    ("x*x + d*x*y + y*y", {"d": 0.1}, set(), False),
    ("where(-1 < x <= 1, 5, 0) + abs(y)**3", {}, {1}, True),
    ("where(-1 < x < 1, 5, 0) + maximum(y, -y)", {}, {0, 1}, True),
    ("x**2 + 1e-12*x + where(y > 3.99, 1, 0)", {}, set(), True),
    ("exp(-1e6*(x-1)**2) + y**2", {}, {1}, True),
    ("where(-x < x, 1, 0) + where(abs(x) > 1, y**2, y**2)", {}, {1}, False),
    ("(x-1)*(x+1)*y**2", {}, {0, 1}, False),
    ("sqrt(x**2+1) + sin(x)*tanh(x) + x/x**3 + x**-2", {}, {0, 1}, True),
    ("2*(x**2 + 3*y**2 - 1)/4 - (y-1)**3", {}, {0}, True),
    ("-3/cosh(x)**2 + x*sinh(x) + cosh(y - 1)", {}, {0}, True),
    ("minimum(x**2 + y**2, 4)", {}, {0, 1}, False),
]


@pytest.mark.parametrize(("text", "parameters", "mirrors", "separable"), MIRRORS)
def test_symmetry_of_expressions(text, parameters, mirrors, separable):
    v = Expression(expression=text, parameters=parameters)
    assert v.mirrors(2) == mirrors
    parts = v.parts(UNITS, 2)
    assert (parts is not None) == separable
    if parts:
        torch.testing.assert_close(parts[0](POINTS[:, 0]) + parts[1](POINTS[:, 1]), energies(v, 2))


def _formulas():
    leaves = st.sampled_from(["x", "y", "-x", "2", "0.5", "k", "x**2", "(x-1)**2", "(x+1)**2", "x**3"])
    combine = lambda inner: st.one_of(  # noqa: E731
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["sin", "cos", "abs", "exp", "tanh", "sinh", "cosh"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(inner, st.integers(1, 3)).map(lambda t: f"({t[0]})**{t[1]}"),
        st.tuples(st.sampled_from(["minimum", "maximum"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
        st.tuples(inner, inner, inner).map(lambda t: f"where({t[0]} < {t[1]}, {t[2]}, {t[0]})"),
    )
    return st.recursive(leaves, combine, max_leaves=8)


@given(text=_formulas())
@settings(max_examples=300, deadline=None)
def test_no_mirror_and_no_sum_is_made_up(text):
    v = Expression(expression=f"{text} + 0*k", parameters={"k": 0.75})
    values = energies(v, 2)
    for axis in v.mirrors(2):
        image = POINTS[:, :2] * torch.tensor([-1.0 if i == axis else 1.0 for i in range(2)])
        torch.testing.assert_close(v.energy(image, UNITS, {}), values, equal_nan=True)
    if parts := v.parts(UNITS, 2):
        torch.testing.assert_close(sum(f(POINTS[:, i]) for i, f in enumerate(parts)), values, equal_nan=True)


REFUSED = [
    ("kapa*x", {"kappa": 1}, "Did you mean 'kappa'"),
    ("__import__('os')", {}, "no function '__import__'"),
    ("exp(x, y)", {}, "exp takes 1 argument, not 2"),
    ("x if x else y", {}, "not allowed"),
    ("x < 1", {}, r"outside where\(\)"),
    ("where(x, 1, 2)", {}, "is a comparison"),
    ("x.real", {}, "character 1: attribute"),
    ("1 + cost(x)", {}, "character 5: no function 'cost'. Did you mean 'cos"),
    ("(lambda: 1)()", {}, "not allowed"),
    ("9" * 1000, {}, "too large"),
    ("x*" * 1000 + "x", {}, "2001 characters"),
    ("+".join("x" * 400), {}, "deep"),
    ("x + True", {}, "no real number"),
    ("x^2", {}, r"write \*\* instead"),
    ("x + 1j", {}, "no real number"),
    ("x // 2", {}, "operator"),
    ("x[0]", {}, "not allowed"),
    ("[x for x in y]", {}, "not allowed"),
    ("exp(x=1)", {}, "not allowed"),
    ("x +", {}, "no formula"),
    ("", {}, "no formula"),
    ("x\0", {}, "no formula"),
    ("x", {"k": 1}, "not in the expression"),
    ("x", {"x": 1}, "cannot name a parameter"),
    ("k*x", {"k": math.nan}, r"parameters\.k = nan"),
    ("k*x", {"k": True}, r"parameters\.k = True"),
    ("k*x", [1], "allowed is a table"),
]


@pytest.mark.parametrize(("text", "parameters", "message"), REFUSED)
def test_expressions_that_are_refused(text, parameters, message):
    with pytest.raises(UsageError, match=message) as caught:
        Expression(expression=text, parameters=parameters)
    assert "\n" not in str(caught.value)


def test_infinite_at_the_corner_is_refused():
    with pytest.raises(UsageError, match="not finite at a corner"):
        Problem(Expression(expression="1/(x**2 - 4)"), (2.0,))


def _grid(n, m, half=(2.0, 1.5)):
    return np.linspace(-half[0], half[0], n), np.linspace(-half[1], half[1], m)


def _write(path, x, y, values, header="", shuffled=False):
    rows = np.array([[a, b, values[i, j]] for i, a in enumerate(x) for j, b in enumerate(y)])
    if shuffled:
        rows = np.random.default_rng(1).permutation(rows)
    if path.suffix == ".npy":
        np.save(path, rows)
    else:
        separator = "," if path.suffix == ".csv" else " "
        lines = [separator.join(repr(float(value)) for value in row) for row in rows]
        path.write_text("\n".join(([header] if header else []) + lines))
    return str(path)


@pytest.mark.parametrize("header", ["x;V\n", ""])
def test_commas_between_semicolons_are_decimal(tmp_path, header):
    """The digits behind them were a column of their own, or lost."""
    path = tmp_path / "v.csv"
    path.write_text(header + "".join(f"{x};{x * x},75\n" for x in range(-9, 10)))
    nodes, values = read_grid(str(path), (), "")
    assert nodes[0].tolist() == [*range(-9, 10)]
    assert values.tolist() == [x * x + 0.75 for x in range(-9, 10)]


def test_a_column_without_a_name_is_refused(tmp_path):
    path = tmp_path / "v.csv"
    path.write_text("x,V\n" + "".join(f"{x},{x * x},75\n" for x in range(-9, 10)))
    with pytest.raises(UsageError, match="2 names of columns and 3 numbers on each line"):
        read_grid(str(path), (), "")


@pytest.mark.parametrize("name", ["v.npy", "v.csv", "v.txt"])
def test_gridded_reproduces_cubics_and_smooth_functions(tmp_path, name):
    x, y = _grid(9, 12)
    cubic = lambda x, y: x**3 - 2 * x * y**2 + y**3 + 1  # noqa: E731
    path = _write(tmp_path / name, x, y, cubic(x[:, None], y), shuffled=True)
    v = Gridded(path=path)
    at = POINTS[:, :2] * torch.tensor([1.0, 0.75])
    torch.testing.assert_close(v.energy(at, UNITS, {}), cubic(*at.unbind(1)), rtol=1e-11, atol=1e-11)
    assert v.dims == (2,)
    assert v.mirrors(2) == frozenset()
    meV = Gridded(path=path, energy_unit="meV", length_unit="nm", scale=2.0)
    near = at / UNITS.L0_nm
    torch.testing.assert_close(meV.energy(near, UNITS, {}), 2 * cubic(*at.unbind(1)) / UNITS.E0_meV)


def test_gridded_symmetry_header_and_edges(tmp_path):
    x, y = _grid(21, 31)
    even = np.exp(-(x[:, None] ** 2)) + (y + 0.1) ** 2 * 0.5
    path = _write(tmp_path / "v.csv", x, y, even, header="x,y,V")
    turned = tmp_path / "w.csv"
    rows = np.loadtxt(path, delimiter=",", skiprows=1)[:, [2, 1, 0]]
    turned.write_text("V, y, x\n" + "\n".join(",".join(map(repr, row.tolist())) for row in rows))
    np.save(tmp_path / "values.npy", even)
    for v in (
        Gridded(path=path),
        Gridded(path=str(turned)),
        Gridded(path=str(tmp_path / "values.npy"), extent=(-2.0, 2.0, -1.5, 1.5), axes="xy"),
    ):
        assert v.mirrors(2) == {0}
        corner = torch.tensor([[2.0, -1.5]], dtype=torch.float64)
        assert float(v.energy(corner, UNITS, {})) == pytest.approx(even[-1, 0])
    Problem(Gridded(path=path), (2.0, 1.5))
    with pytest.raises(UsageError, match="larger than the grid"):
        Problem(Gridded(path=path), (2.0, 1.6))
    skewed = even.copy()
    skewed[3, 5] += 1e-6
    assert Gridded(path=_write(tmp_path / "s.txt", x, y, skewed)).mirrors(2) == frozenset()


def test_what_a_run_writes_of_its_potential_is_read_as_it_is(tmp_path):
    """A centre at (0.523, -0.375) stays there, with and without ``axes``, which has to be said for others."""
    well = Gaussian(amplitude=-40.0, x0=0.523, y0=-0.375, sigma_y=0.5)
    grid = Slice.central(Problem(well, (2.0, 2.0)), (0, 1), 64)
    values = grid.shaped(well.energy(grid.points, UNITS, {}))
    path, extent = str(tmp_path / "potential_grid.npy"), (-2.0, 2.0, -2.0, 2.0)
    np.save(path, values)
    with pytest.warns(AssumedAxes, match=r"taken to be \[y, x\].*axes = \"yx\", or \"xy\""):
        assumed = Gridded(path=path, extent=extent)
    points = POINTS[:, :2] / 2
    expected = well.energy(points, UNITS, {})
    for found in (assumed, Gridded(path=path, extent=extent, axes="yx")):
        torch.testing.assert_close(found.energy(points, UNITS, {}), expected, rtol=0, atol=2e-3)
    np.save(path, values.T)
    turned = Gridded(path=path, extent=extent, axes="xy")
    torch.testing.assert_close(turned.energy(points, UNITS, {}), expected, rtol=0, atol=2e-3)
    with pytest.raises(UsageError, match="needs each of x, y once"):
        Gridded(path=path, extent=extent, axes="xz")
    with pytest.raises(UsageError, match="give extent"):
        Gridded(path=path, axes="xy")


def test_jumps_and_kinks_of_a_formula_are_where_its_tests_change_sides():
    text = "where(x**2 < 2, where(y < 0.5, -1, 0), 0) + maximum(x - 1, 0) + abs(0.25 - y) + where(x<y, 1, 0)"
    root = math.sqrt(2)
    found = Expression(expression=text).jumps((3.0, 3.0))
    assert found[0] == (pytest.approx(-root), 1.0, pytest.approx(root))
    assert found[1] == (0.25, 0.5)
    assert Expression(expression="x**2 + y").jumps((3.0, 3.0)) == ((), ())


def test_gridded_in_three_dimensions(tmp_path):
    x, y, z = (torch.linspace(-2, 2, n, dtype=torch.float64) for n in (9, 11, 13))
    cubic = lambda x, y, z: x**3 - x * y * z + 2 * z**2 - y  # noqa: E731
    path = str(tmp_path / "v.npy")
    np.save(path, cubic(x, y[:, None], z[:, None, None]).numpy())
    v = Gridded(path=path, extent=(-2.0, 2.0) * 3, axes="zyx")
    assert (v.dims, v.mirrors(3)) == ((3,), frozenset())
    at = POINTS[:, :3]
    torch.testing.assert_close(v.energy(at, UNITS, {}), cubic(*at.unbind(1)), rtol=1e-10, atol=1e-10)


def test_gridded_in_one_dimension(tmp_path):
    x = np.linspace(-3, 3, 61)
    np.savetxt(tmp_path / "v.txt", np.column_stack([x, np.cos(x)]))
    v = Gridded(path=str(tmp_path / "v.txt"))
    assert v.dims == (1,)
    assert v.mirrors(1) == {0}
    line = POINTS[:, :1]
    torch.testing.assert_close(v.energy(line, UNITS, {}), torch.cos(line[:, 0]), rtol=0, atol=1e-5)
    torch.testing.assert_close(v.parts(UNITS, 1)[0](line[:, 0]), v.energy(line, UNITS, {}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0 0 1\n0 1 1\n1 0 1\n", "3 lines, and a full grid"),
        ("0 0 1\n0 1 nan\n1 0 1\n1 1 1\n", "no finite numbers"),
        ("x[nm] V\n1 2\n", "energy_unit"),
        ("0 0 1\n0 1\n", "different lengths"),
        ("0 zero 1\n0 1 1\n", "columns '0 zero 1'"),
        ("", "is empty"),
        ("0 1\n1 1\n2 1\n", "at least 6"),
    ],
)
def test_gridded_files_that_are_refused(tmp_path, content, message):
    path = tmp_path / "v.txt"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        Gridded(path=str(path))


def test_gridded_other_refusals(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "complex.npy", np.zeros((4, 3)) + 1j)
    np.save(tmp_path / "values.npy", np.zeros((5, 6)))
    for options, message in (
        ({"path": ""}, "must be given"),
        ({"path": str(tmp_path / "none.csv")}, "cannot be read"),
        ({"path": str(tmp_path / "v.xls")}, "another ending"),
        ({"path": str(tmp_path / "objects.npy")}, "cannot be understood"),
        ({"path": str(tmp_path / "complex.npy")}, "no array of real numbers"),
        ({"path": str(tmp_path / "values.npy")}, "allowed are the columns"),
        ({"path": str(tmp_path / "values.npy"), "extent": (0.0, 1.0)}, "extent has 2 numbers"),
        ({"path": str(tmp_path / "values.npy"), "extent": (1.0, 0.0, 0.0, 1.0)}, "first coordinate below"),
        ({"path": "x.npy", "length_unit": "m"}, "length_unit"),
    ):
        with pytest.raises(UsageError, match=message):
            Gridded(**options)
    assert len(AXES) == 4
