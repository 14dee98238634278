"""What is exported, read by a stranger: arrays with their JSON, and QuTiP where it is installed."""

import json

import numpy as np
import pytest
import scipy.linalg
from commands import ritz
from solved import solve

from lior.errors import RunError, UsageError
from lior_ritz.electrons.exchange import exchange
from lior_ritz.electrons.export import export, load, qobjs, write
from lior_ritz.potentials.gridded import Gridded
from lior_ritz.problem.units import Units
from lior_ritz.verification.gradients import gradients

RANDOM = ["training.steps=0", "training.lbfgs_refine.steps=0"]
TILTED = [*RANDOM, "potential.delta=0.3", "model.hidden_features=96", "solver.K=2", "solver.M=2"]
COUNT = 6


@pytest.fixture(scope="module")
def dot():
    return solve(overrides=TILTED)


@pytest.fixture(scope="module")
def folder(dot, tmp_path_factory):
    path = tmp_path_factory.mktemp("export")
    write(*export(dot, COUNT), path)
    return path


@pytest.fixture(scope="module")
def read(folder):
    """With nothing but NumPy and JSON."""
    about = json.loads((folder / "export.json").read_text())
    return dict(np.load(folder / "matrices.npz")), about


def test_every_array_is_what_the_json_says(read):
    arrays, about = read
    assert set(arrays) == set(about["arrays"])
    for name, each in about["arrays"].items():
        assert list(arrays[name].shape) == each["shape"]
        assert arrays[name].dtype == np.float64
        assert each["indices"].count(",") == arrays[name].ndim - 1
        assert np.isfinite(arrays[name]).all()


def test_orbitals_on_the_grid_have_the_matrices(read):
    """Sums over the grid know neither the quadrature nor the network's integrals."""
    arrays, _ = read
    x, y, psi = arrays["grid_x"], arrays["grid_y"], arrays["orbitals"]
    cell = (x[1] - x[0]) * (y[1] - y[0])
    over = lambda f: np.einsum("iyx,yx,jyx->ij", psi, f, psi) * cell  # noqa: E731
    np.testing.assert_allclose(over(np.ones(psi.shape[1:])), np.eye(COUNT), atol=1e-6)
    np.testing.assert_allclose(over(0 * y[:, None] + x), arrays["dipole_x"], atol=1e-4)
    np.testing.assert_allclose(over(y[:, None] + 0 * x), arrays["dipole_y"], atol=1e-4)
    np.testing.assert_allclose(arrays["H"], np.diag(arrays["energies"]))


def test_two_electrons_from_the_arrays_alone(read, dot):
    """H(1) + H(2) + repulsion over all pairs, symmetric and antisymmetric states together."""
    arrays, _ = read
    h, four, one = arrays["H"], arrays["coulomb"], np.eye(COUNT)
    both = np.kron(h, one) + np.kron(one, h) + four.transpose(0, 2, 1, 3).reshape(COUNT**2, COUNT**2)
    known = exchange(dot, COUNT)
    unit = dot.problem.units.E0_meV
    exact = np.sort(np.concatenate([known.singlet.energies[:2], known.triplet.energies[:2]])) * unit
    np.testing.assert_allclose(np.linalg.eigvalsh(both)[:4], exact, rtol=0, atol=1e-9)


def test_slopes_are_those_of_hellmann_and_feynman(read, dot):
    arrays, about = read
    assert "potential.delta" in about["arrays"]["slope_delta"]["what"]
    known = gradients(dot.problem, dot.reference, 2, ["delta"])[0] * dot.problem.units.E0_meV
    np.testing.assert_allclose(arrays["slope_delta"].diagonal()[:2], known, rtol=0, atol=1e-6)
    # V has δ x in it, so that this slope is the dipole
    ratio = arrays["dipole_x"] / dot.problem.units.L0_nm * dot.problem.units.E0_meV
    np.testing.assert_allclose(arrays["slope_delta"], ratio, atol=1e-10)


@pytest.mark.parametrize("dim", [2, 3])
def test_the_exported_potential_is_read_back_as_it_is(dim, tmp_path, dot, folder):
    """A potential without any symmetry comes back with its axes where they were."""
    solution, path, atol = dot, folder, 1e-6
    if dim == 3:
        text = "(x - 0.3)**2 + 2*(y + 0.2)**2 + 3*z**2 + 0.5*x*y*z + 0.2*z"
        boxes = ["domain.dim=3", "domain.X=1.5", "domain.Y=2", "domain.Z=2.5", "domain.nq=8"]
        small = [
            "model.hidden_features=6",
            "solver.K=1",
            "solver.M=2",
            "potential.type=expression",
            f"potential.expression={text}",
        ]
        solution, path = solve(overrides=[*RANDOM, *boxes, *small]), tmp_path
        arrays, about = export(solution, 1)
        assert "3" in about["why_no_coulomb"]
        write(arrays, about, path)
    _, about = load(path)
    options = about["potential"]
    assert options.pop("type") == "gridded"
    assert options["axes"] == "zyx"[-dim:]
    again = Gridded(**options | {"path": str(path / options["path"]), "extent": tuple(options["extent"])})
    problem = solution.problem
    unit = 2 * np.random.default_rng(0).random((50, dim)) - 1
    points = unit * np.array(problem.half_widths)
    np.testing.assert_allclose(again.energy(points, Units(), {}), problem.energy(points), rtol=0, atol=atol)


def test_refusals(tmp_path, dot):
    with pytest.raises(RunError, match="makes one"):
        load(tmp_path)
    with pytest.raises(UsageError, match="take fewer"):
        export(dot, 4000)


def test_qutip_has_the_same_spectra(folder, read):
    pytest.importorskip("qutip")
    from qutip import qeye, tensor

    arrays, _ = read
    q = qobjs(folder)
    assert {"H", "dipole_x", "dipole_y", "slope_delta", "coulomb"} <= set(q)
    np.testing.assert_allclose(q["H"].eigenenergies(), arrays["energies"], rtol=0, atol=1e-12)
    one = qeye(COUNT)
    both = tensor(q["H"], one) + tensor(one, q["H"]) + q["coulomb"]
    h, four = arrays["H"], arrays["coulomb"]
    exact = np.zeros((COUNT,) * 4)
    for i, k, j, m in np.ndindex(*exact.shape):  # <ik|...|jm>
        exact[i, k, j, m] = h[i, j] * (k == m) + h[k, m] * (i == j) + four[i, j, k, m]
    exact = np.linalg.eigvalsh(exact.reshape(COUNT**2, COUNT**2))
    np.testing.assert_allclose(both.eigenenergies(), exact, rtol=0, atol=1e-12)


def test_qutip_drives_the_dot_as_matrix_exponentials_do(folder, read):
    """Pulses of the detuning, one after the other, each with a constant Hamiltonian."""
    qutip = pytest.importorskip("qutip")
    arrays, about = read
    q, hbar = qobjs(folder), about["hbar_meV_ps"]
    ours, theirs = np.eye(COUNT)[0].astype(complex), qutip.basis(COUNT, 0)
    options = {"atol": 1e-13, "rtol": 1e-12, "nsteps": 200_000}
    for strength, picoseconds in ((0.4, 3.0), (-0.7, 5.0), (0.0, 2.0)):
        turn = scipy.linalg.expm(-1j * picoseconds / hbar * (arrays["H"] + strength * arrays["slope_delta"]))
        ours = turn @ ours
        driven = (q["H"] + strength * q["slope_delta"]) / hbar
        theirs = qutip.sesolve(driven, theirs, [0, picoseconds], options=options).states[-1]
    assert abs(ours[0]) < 0.999
    np.testing.assert_allclose(theirs.full()[:, 0], ours, rtol=0, atol=1e-8)


def test_the_command(tmp_path):
    settings = [part for each in TILTED for part in ("--set", each)]
    assert ritz("run", "--network", *settings, "--out", tmp_path / "run", "--quiet").returncode == 0
    done = ritz("export", tmp_path / "run", "--out", tmp_path / "out", "--orbitals", 3)
    assert done.returncode == 0, done.stderr
    assert "coulomb" in done.stdout
    assert load(tmp_path / "out")[0]["coulomb"].shape == (3, 3, 3, 3)
    again = ritz("export", tmp_path / "run", "--out", tmp_path / "out")
    assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
