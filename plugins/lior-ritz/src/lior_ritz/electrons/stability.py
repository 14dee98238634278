"""Charges that two gates hold: the ground states of no, one and two electrons over two options of the dot.

All devices of the plane are solved in the same few functions (:mod:`lior_ritz.electrons.shared`), so that
Coulomb integrals are computed once. Energies are upper bounds. Their distance to the energies in orbitals of
a device's own is measured at devices that the functions were not made from.

A reservoir with the chemical potential µ fills the dot with the N electrons that make ``E(N) - N µ`` least,
at no temperature. With ``µ(N) = E(N) - E(N - 1)`` the N-th electron enters where ``µ(N) = µ``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import numpy as np

from lior.errors import UsageError
from lior.plots import Picture
from lior_ritz.electrons.coulomb import Array, coefficients, hamiltonian, one_body
from lior_ritz.electrons.exchange import on_grid, require_plane
from lior_ritz.electrons.interaction import two_electrons
from lior_ritz.electrons.shared import SharedFunctions
from lior_ritz.problem import devices
from lior_ritz.problem.units import Units
from lior_ritz.reports.charts import label
from lior_ritz.reports.field import Field
from lior_ritz.verification import reference
from lior_ritz.verification.reference.lowest import lowest

_CHECKS = ((0.475107193, 0.592523992), (0.578763340, 0.037121940))
"""Devices that are also solved in orbitals of their own, as shares of both ranges: scrambled Sobol points."""
_OWN = 28
"""Number of these orbitals."""


@attrs.frozen(kw_only=True, eq=False)
class Stability:
    """Energies and charges over the plane of two options; arrays are ``[ny, nx]`` unless said otherwise."""

    names: tuple[str, str]
    x: tuple[float, ...]
    """Values of the first option."""
    y: tuple[float, ...]
    level_meV: float
    """Chemical potential of the reservoir."""
    units: Units
    one: Array
    """Lowest energy of one electron, in ``E0``."""
    singlet: Array
    """The lowest energy of two electrons with total spin 0, in ``E0``."""
    triplet: Array
    left: Array
    """``[2, ny, nx]``: the number of electrons at x < 0 in the ground states with one and with two."""
    functions: int
    missed: tuple[float, float]
    """The largest errors of the energies of one and of two electrons, in ``E0``, at devices that the
    functions were not made from: the distance to the energies in 28 orbitals of the device's own."""
    seconds: float

    @property
    def potentials(self) -> Array:
        """Chemical potentials µ(1) and µ(2), ``[2, ny, nx]`` in ``E0``."""
        return np.stack([self.one, np.minimum(self.singlet, self.triplet) - self.one])

    @property
    def electrons(self) -> np.ndarray[Any, Any]:
        """How many there are."""
        level = self.level_meV / self.units.E0_meV
        first, second = self.potentials
        both = first + second
        return np.stack([np.zeros_like(first), first - level, both - 2 * level]).argmin(0)

    @property
    def charges(self) -> Array:
        """Electrons on the left and on the right, ``[2, ny, nx]``."""
        n = self.electrons
        left = np.choose(n, [np.zeros_like(self.one), self.left[0], self.left[1]])
        return np.stack([left, n - left])

    def report(self) -> dict[str, Any]:
        """Ready for JSON; tables have a row for each value of the second option."""
        unit = self.units.E0_meV
        return {
            "x": {"name": self.names[0], "values": list(self.x)},
            "y": {"name": self.names[1], "values": list(self.y)},
            "order": "[y, x]",
            "level_meV": self.level_meV,
            "functions": self.functions,
            "E1_meV": (self.one * unit).tolist(),
            "E2_singlet_meV": (self.singlet * unit).tolist(),
            "E2_triplet_meV": (self.triplet * unit).tolist(),
            "mu_meV": (self.potentials * unit).tolist(),
            "electrons": self.electrons.tolist(),
            "left_e": self.charges[0].tolist(),
            "right_e": self.charges[1].tolist(),
            "above_own_orbitals_meV": [each * unit for each in self.missed],
            "seconds": round(self.seconds, 4),
        }


def stability(
    axes: Sequence[tuple[str, Sequence[float]]],
    *layers: Any,
    overrides: Iterable[str] = (),
    level_meV: float = 0.0,
    functions: int = 20,
) -> Stability:
    """Work out the plane of two options.

    Raises ``UsageError`` when there are not two options with rising values, they cannot be varied, or the dot
    is no plane one.

    ``axes``: names of two options of the potential, such as gates, with rising values. ``layers``,
    ``overrides``: as for :func:`lior_ritz.config.load`. ``level_meV``: chemical potential of the reservoir,
    on the scale of the potential. ``functions``: one-electron functions that all devices share.
    """
    begin = time.process_time()
    if len(axes) != 2 or any(len(v) < 2 or (np.diff(v) <= 0).any() for _, v in axes):
        raise UsageError("a stability diagram needs two options, each with two or more rising values")
    (first, x), (second, y) = ((devices.option(name), values) for name, values in axes)
    if first == second:
        raise UsageError(f"{first} is varied twice; give two options")
    corner = {first: x[0], second: y[0]}
    _, problem, _ = devices.open_device(layers, overrides, list(corner), corner)
    require_plane(problem)
    shared = SharedFunctions.make(problem, {first: (x[0], x[-1]), second: (y[0], y[-1])}, functions)
    plane = _Plane.of(shared)
    found = [plane.row({first: np.array(x), second: np.full(len(x), each)}) for each in y]
    one, singlet, triplet, left_one, left_two = (np.array(each) for each in zip(*found, strict=True))
    return Stability(
        names=(first, second),
        x=tuple(x),
        y=tuple(y),
        level_meV=level_meV,
        units=problem.units,
        one=one,
        singlet=singlet,
        triplet=triplet,
        left=np.stack([left_one, left_two]),
        functions=len(plane.left),
        missed=plane.missed(),
        seconds=time.process_time() - begin,
    )


@attrs.frozen(kw_only=True, eq=False)
class _Plane:
    """Integrals that all devices have in common."""

    shared: SharedFunctions
    repulsion: dict[int, Array]
    """In the products of two functions that are symmetric (1), antisymmetric (-1)."""
    left: Array
    """``[B, B]``: integrals over the left half."""

    @classmethod
    def of(cls, shared: SharedFunctions) -> _Plane:
        """The integrals of these functions."""
        nothing = np.zeros(shared.size)  # they are no eigenfunctions of any device
        grid = on_grid(shared.problem, shared.functions, nothing)
        integrals = grid.coulomb().integrals(grid.values)
        kappa = shared.problem.units.repulsion
        return cls(
            shared=shared,
            left=grid.left(0.0),
            repulsion={sign: hamiltonian(grid.energies, kappa, integrals, sign) for sign in (1, -1)},
        )

    def row(self, values: dict[str, Array]) -> tuple[list[float], ...]:
        """Return the energies of one electron, of two in a singlet and in a triplet, and the electrons on the
        left in the ground states of one and of two; a list of P numbers each."""
        return tuple(map(list, zip(*map(self._solved, self.shared.forms(values)), strict=True)))

    def _solved(self, h: Array) -> tuple[float, float, float, float, float]:
        energies, states = lowest(h, 1)
        found = []
        for sign, repulsion in self.repulsion.items():
            two, vectors = lowest(repulsion + one_body(h, sign), 1)
            c = coefficients(vectors, len(h), sign)[0]
            found.append((float(two[0]), 2 * float(np.sum((c @ c.T) * self.left))))
        one_left = float(states[:, 0] @ self.left @ states[:, 0])
        return float(energies[0]), found[0][0], found[1][0], one_left, min(found)[1]

    def missed(self) -> tuple[float, float]:
        """See :attr:`Stability.missed`."""
        ranges, gaps = self.shared.ranges, []
        shares = zip(*_CHECKS, strict=True)
        checked = {
            name: low + (high - low) * np.array(share)
            for (name, (low, high)), share in zip(ranges.items(), shares, strict=True)
        }
        for i, (one, singlet, triplet) in enumerate(zip(*self.row(checked)[:3], strict=True)):
            problem = self.shared.problem.varied({name: values[i] for name, values in checked.items()})
            exact = reference.solve(problem, _OWN)
            own = on_grid(problem, exact.functions, exact.energies)
            two = two_electrons(own, problem.units.repulsion, sizes=(_OWN,))
            ground = min(two.singlet.energies[0], two.triplet.energies[0])
            gaps.append((one - float(exact.energies[0]), min(singlet, triplet) - float(ground)))
        return max(each[0] for each in gaps), max(each[1] for each in gaps)


def picture(found: Stability) -> Picture:
    """The charges on both sides over the plane."""
    x, y = (label(name, found.names) for name in found.names)
    panels = [
        Field(
            title=f"electrons {side} of x = 0",
            x_label=x,
            y_label=y,
            unit="electrons",
            x=found.x,
            y=found.y,
            values=charge,
            low=0.0,
            high=2.0,
            smooth=False,
        )
        for side, charge in zip(("left", "right"), found.charges, strict=True)
    ]
    return Picture(
        name="stability", title=f"charge stability, reservoir at {found.level_meV:g} meV", panels=panels
    )
