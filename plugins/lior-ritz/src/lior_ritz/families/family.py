"""A family of devices, solved at once: the span of the reference's states at a few of them serves all others.

>>> from lior_ritz.families.family import Range, make
>>> family = make([Range("barrier_meV", 2.0, 4.0)], overrides=["solver.K=2"], devices=3)
>>> round(float(family.splittings({"barrier_meV": 3.0})) * family.problem.units.E0_meV, 3)  # meV
0.193
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor

from lior.config import resolving
from lior.errors import UsageError
from lior.runs import bundle
from lior_ritz import config as configuration
from lior_ritz.config import RitzConfig
from lior_ritz.families.reduced import SHARP, Interpolation, ReducedSpace, reduced_space, snapshots, span_at
from lior_ritz.families.shared import Range, Values, chebyshev, check, rows
from lior_ritz.network.projection import Whitened
from lior_ritz.problem import Problem
from lior_ritz.problem import devices as options
from lior_ritz.problem.arrays import Array
from lior_ritz.problem.quadrature import Rule
from lior_ritz.verification import reference
from lior_ritz.verification.gradients import first_order
from lior_ritz.verification.reference import Reference

FORMAT = bundle.Format(program="lior-ritz family", version=2)
DEVICES = {1: 12, 2: 5, 3: 4, 4: 3}
"""Values of each option that are solved for, by the number of options, unless said otherwise."""
_NUMBERS = ("devices", "reproduced", "seconds")


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Family:
    """A reduced basis: the levels of any device in the ranges, in less than a millisecond.

    Energies are in ``E0``, float64, and upper bounds whatever the device. Devices are given by a value of
    each option, a number or a tensor of P numbers. What takes devices raises ``UsageError`` when an option is
    missing or unknown, or a value is outside of its range."""

    config: RitzConfig
    problem: Problem
    """One device of the family, as the configuration has it."""
    ranges: tuple[Range, ...]
    devices: int
    """Values of each option at which the reference was asked."""
    space: ReducedSpace
    """What levels are worked out in."""
    reproduced: float
    """Largest difference to the reference's levels at these, in ``E0``."""
    seconds: float
    """Processor seconds that it took, those of the reference among them."""
    notes: tuple[str, ...] = ()
    """What was set so that the options mean something."""

    @property
    def trained(self) -> Values:
        """The devices that it was made from, ``[P]`` of each option."""
        return chebyshev(self.ranges, self.devices)

    def energies(self, device: Mapping[str, float | Tensor]) -> Tensor:
        """The K levels, ``[K]``, or ``[P, K]`` of P devices."""
        values, single = check(self.ranges, device)
        found = self.space.lowest(values, self.config.solver.K)[0]
        return found[0] if single else found

    def splittings(self, device: Mapping[str, float | Tensor]) -> Tensor:
        """Distances of successive levels, ``[K - 1]`` or ``[P, K - 1]``."""
        return self.energies(device).diff()

    def errors(self, device: Mapping[str, float | Tensor]) -> Tensor:
        """Differences to the reference's levels, ``[K]`` or ``[P, K]``; it solves each device anew."""
        values, single = check(self.ranges, device)
        found = self.space.lowest(values, self.config.solver.K)[0]
        gaps = found - exact_levels(self.problem, values, found.shape[1])[0]
        return gaps[0] if single else gaps

    def gradients(self, device: Mapping[str, float | Tensor]) -> dict[str, Tensor]:
        """``dE_k/dp`` of one device by each option, ``[K]``, in ``E0`` per unit of the option.

        By the theorem of Hellmann and Feynman, ``∫ ψ_k² ∂V/∂p``: exact for these levels, as the trial space
        does not depend on p. Conventions about degenerate levels are those of
        :func:`lior_ritz.verification.gradients.gradients`.

        Raises ``UsageError`` when the derivative of V is not finite, or there are several devices.
        """
        values, count = self._one(device), self.config.solver.K
        levels, vectors = self.space.lowest(values, count + 1)  # one more says whether the last is cut
        energies, states = levels[0].tolist(), vectors[0, :, :count]
        problem, found = self.problem.varied(rows(values)[0]), {}
        inner = self.space.interpolation
        points = self.space.rule.points if inner is None else inner.points
        for name in values:
            slope = torch.from_numpy(options.sensitivity(problem, name, points.numpy()))
            elements = states.T @ self.space.form(slope[None])[0] @ states
            found[name] = torch.from_numpy(first_order(elements.numpy(), energies))
        return found

    def functions(self, points: Array) -> Array:
        """The orthonormal functions of the space at ``points``, ``[N, d]``; ``[rank, N]``."""
        return np.asarray((span_at(self._snapshots, points)[0] @ self.space.span.basis).T)

    @cached_property
    def _snapshots(self) -> list[Reference]:
        return snapshots(self.problem, self.trained, self.config.solver.K)

    def _one(self, device: Mapping[str, float | Tensor]) -> Values:
        values, _ = check(self.ranges, device)
        if any(len(each) != 1 for each in values.values()):
            raise UsageError("one device at a time; give one value of each option")
        return values

    # --- files ---

    def save(self, path: Path) -> None:
        """Write a snapshot to ``path``, which must not exist; ``OSError`` when that is not possible."""
        manifest = {
            "config": resolving.to_table(self.config),
            "ranges": [attrs.asdict(each) for each in self.ranges],
            **{name: getattr(self, name) for name in _NUMBERS},
        }
        parts = {"rule": self.space.rule, "span": self.space.span, "inner": self.space.interpolation}
        groups = {name: _tensors(part) for name, part in parts.items() if part is not None}
        bundle.write(path, groups, manifest, format=FORMAT)

    @classmethod
    def load(cls, path: Path) -> Family:
        """The family that was saved; its energies are the same to the last bit on the same machine.

        Raises ``RunError`` when there is none, or it is damaged.
        """
        manifest, groups = bundle.read(path, format=FORMAT)
        with bundle.misfits_as_run_errors(path, program=FORMAT.program):
            config = configuration.load([manifest["config"]], env={}).config
            problem = configuration.problem(config)
            space = ReducedSpace(
                problem=problem,
                rule=Rule(**groups["rule"]),
                span=Whitened(**groups["span"]),
                interpolation=Interpolation(**groups["inner"]) if "inner" in groups else None,
            )
            return cls(
                config=config,
                problem=problem,
                ranges=tuple(Range(**each) for each in manifest["ranges"]),
                space=space,
                **{name: manifest[name] for name in _NUMBERS},
            )


def _tensors(part: Any) -> dict[str, Tensor]:
    return {field.name: getattr(part, field.name).contiguous() for field in attrs.fields(type(part))}


def exact_levels(problem: Problem, values: Values, count: int) -> tuple[Tensor, Tensor]:
    """The reference's levels of P devices and their error bars, ``[P, count]`` each."""
    found = [reference.solve(problem, count, tolerance=SHARP, device=device) for device in rows(values)]
    pairs = [[each.energies for each in found], [each.errors for each in found]]
    energies, errors = torch.from_numpy(np.array(pairs))
    return energies, errors


def make(
    ranges: Sequence[Range],
    *layers: Any,
    overrides: Iterable[str] = (),
    devices: int | None = None,
    tolerance: float = SHARP,
) -> Family:
    """Make the reduced basis of a family.

    Raises ``UsageError`` when an option cannot be varied so far, or the configuration is wrong.

    ``ranges``: what is varied, and how far. ``layers``, ``overrides``: as for :func:`lior_ritz.config.load`.
    Where no mode of the potential is chosen, the one is taken in which the options mean something.
    ``devices``: values of each option at which the reference is asked, in all combinations; 12 of one option,
    5 of each of two. ``tolerance``: the reference's.
    """
    begin, overrides = time.process_time(), list(overrides)
    ranges = tuple(attrs.evolve(each, name=options.option(each.name)) for each in ranges)
    names = [each.name for each in ranges]
    if not ranges:
        raise UsageError("a family needs an option to vary")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise UsageError(f"{name} is varied twice")
    count = DEVICES.get(len(ranges), 2) if devices is None else devices
    values, first = chebyshev(ranges, count), {each.name: each.low for each in ranges}
    config, problem, found = options.open_device(layers, overrides, names, first)
    problem.require_plain("a family")
    solved = snapshots(problem, values, config.solver.K, tolerance)
    space = reduced_space(problem, ranges, solved)
    exact = torch.from_numpy(np.stack([each.energies[: config.solver.K] for each in solved]))
    family = Family(
        config=config,
        problem=problem,
        ranges=ranges,
        devices=count,
        space=space,
        reproduced=float((space.lowest(values, config.solver.K)[0] - exact).abs().max()),
        notes=tuple(found[len(overrides) :]),
        seconds=time.process_time() - begin,
    )
    vars(family)["_snapshots"] = solved
    return family
