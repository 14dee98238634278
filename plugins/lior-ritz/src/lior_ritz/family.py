"""One network for a family of devices: its trial space is shared, and the head is solved for each device.

>>> from lior_ritz.family import Range, train
>>> quick = ("model.hidden_features=8", "solver.K=2", "domain.nq=24")
>>> family = train([Range("barrier_meV", 2.0, 4.0)], overrides=quick, devices=3, steps=100)
>>> round(float(family.splittings({"barrier_meV": 3.0})) * family.problem.units.E0_meV, 3)  # meV
0.193
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from lior.config import resolving
from lior.errors import UsageError
from lior.runs import bundle
from lior_ritz import assembly, decay, reference
from lior_ritz import config as configuration
from lior_ritz import devices as options
from lior_ritz.ansatz import Ansatz
from lior_ritz.config import RitzConfig
from lior_ritz.evaluation import Evaluator
from lior_ritz.extent import Extent
from lior_ritz.family_training import FamilyTrainer, spans
from lior_ritz.gradients import first_order, grouped, near
from lior_ritz.network import Params
from lior_ritz.problem import Problem
from lior_ritz.reduced import SHARP, Space
from lior_ritz.shared import Picks, Range, Values, chebyshev, checked, rows, shared, unseen

FORMAT = bundle.Format(program="lior-ritz family", version=1)
DEVICES = {1: 12, 2: 5, 3: 4, 4: 3}
"""Trained values of each option by the number of options, unless said otherwise."""
_NUMBERS = ("devices", "nq", "quadrature_error", "seconds", "steps")
_GUARDED = 8
"""Unseen devices at which the quadrature is judged."""
_FINER = 1.35
_AGREE = 1e-9
"""Relative difference of the energies on two rules below which both are believed."""
_BATCH = 16384
"""Points at which the network is evaluated at once."""


@attrs.frozen(kw_only=True, eq=False)
class Family:
    """A trained trial space: the levels of any device in the ranges, in about a millisecond.

    Energies are in ``E0``, float64, and upper bounds up to :attr:`quadrature_error`, whatever the device.
    Devices are given by a value of each option, a number or a tensor of P numbers. What takes devices raises
    ``UsageError`` when an option is missing or unknown, or a value is outside of its range.
    """

    config: RitzConfig
    problem: Problem
    """One device of the family, as the configuration has it."""
    ranges: tuple[Range, ...]
    devices: int
    """Values of each option that were trained."""
    ansatz: Ansatz
    params: Params
    extent: Extent
    space: Space
    """What levels are worked out in, on a rule that training has not seen."""
    nq: int
    """Nodes on each axis of that rule, before folding."""
    quadrature_error: float
    """Largest difference of an energy to that on a finer rule, at devices that were not trained; ``E0``."""
    seconds: float
    """Processor seconds of training."""
    steps: int

    @property
    def trained(self) -> Values:
        """The devices that were trained, ``[P]`` of each option."""
        return chebyshev(self.ranges, self.devices)

    @property
    def sound(self) -> bool:
        """Whether the rule and a finer one agree about unseen devices."""
        largest = float(self.energies(self.trained).abs().max())
        return self.quadrature_error <= _AGREE * max(1.0, largest)

    def energies(self, device: Mapping[str, float | Tensor]) -> Tensor:
        """The K levels, ``[K]``, or ``[P, K]`` of P devices."""
        values, single = checked(self.ranges, device)
        found, _ = self.space.lowest(values, self.config.solver.K)
        return found[0] if single else found

    def splittings(self, device: Mapping[str, float | Tensor]) -> Tensor:
        """Distances of successive levels, ``[K - 1]`` or ``[P, K - 1]``."""
        return self.energies(device).diff()

    def errors(self, device: Mapping[str, float | Tensor]) -> Tensor:
        """Differences to the referee's levels, ``[K]`` or ``[P, K]``; it solves each device anew."""
        values, single = checked(self.ranges, device)
        found, _ = self.space.lowest(values, self.config.solver.K)
        gaps = found - referee(self.problem, values, found.shape[1])[0]
        return gaps[0] if single else gaps

    def gradients(self, device: Mapping[str, float | Tensor]) -> dict[str, Tensor]:
        """``dE_k/dp`` of one device by each option, ``[K]``, in ``E0`` per unit of the option.

        By the theorem of Hellmann and Feynman, ``∫ ψ_k² ∂V/∂p``: exact for these levels, as the trial space
        does not depend on p. Conventions about degenerate levels are those of
        :class:`lior_ritz.gradients.Gradients`.

        Raises
        ------
        UsageError
            When the derivative of V is not finite, or there are several devices.
        """
        values = self._one(device)
        count = self.config.solver.K
        levels, picks = self.space.lowest(values, count + 1)  # one more says whether the last is cut
        energies = levels[0].tolist()
        groups = grouped(
            len(energies), [k for k in range(1, len(energies)) if near(*energies[k - 1 : k + 1])]
        )
        cut = [k for k in groups[-1] if count in groups[-1] and len(groups[-1]) > 1]
        problem = self.problem.varied(rows(values)[0])
        found = {}
        for name in values:
            slope = options.sensitivity(problem, name, self.space.rule.points)
            matrix = torch.zeros(levels.shape[1], levels.shape[1], dtype=torch.float64)
            for span, pick in zip(self.space.spans, picks, strict=True):
                psi = span.value @ pick.vectors.T
                matrix[pick.level[:, None], pick.level] = psi.T @ (slope[:, None] * psi)
            found[name] = first_order(matrix, groups)
            found[name][cut] = torch.nan
            found[name] = found[name][:count]
        return found

    def states(self, device: Mapping[str, float | Tensor], points: Tensor, *, order: int = 0) -> Tensor:
        """The K states of one device at ``points``, ``[N, d]``: ``[K, N]``, or ``[1 + order·d, K, N]``.

        They are of norm 1 in the box, and of the sign that makes ``∫ ψ exp(Σ xᵢ/Xᵢ)`` positive, as those of
        the referee.
        """
        values = self._one(device)
        _, picks = self.space.lowest(values, self.config.solver.K)
        weights = [
            (span.basis @ self._signed(span.value, parity, pick).T)
            for span, parity, pick in zip(self.space.spans, self.ansatz.sectors, picks, strict=True)
        ]
        numbers = torch.cat([pick.level for pick in picks]).argsort()
        found = []
        with torch.no_grad():
            for batch in points.to(torch.float64).split(_BATCH):
                functions = self.ansatz.functions(self.params, batch, order=max(order, 1))
                factor = self.ansatz.decay(self.params, batch, order=max(order, 1))
                parts = [jet @ weight for jet, weight in zip(functions, weights, strict=True)]
                joined = decay.apply(factor, torch.cat(parts, 2), dim=self.problem.dim)
                found.append(joined[:, :, numbers].mT)
        whole = torch.cat(found, 2)
        return whole if order else whole[0]

    def _one(self, device: Mapping[str, float | Tensor]) -> Values:
        values, _ = checked(self.ranges, device)
        if any(len(each) != 1 for each in values.values()):
            raise UsageError("one device at a time; give one value of each option")
        return values

    def _signed(self, value: Tensor, parity: Sequence[int], pick: Picks) -> Tensor:
        """Coefficients ``[n, rank]`` of the states of one sector, with the conventional signs."""
        rule, test = self.space.rule, torch.ones(len(value), dtype=torch.float64)
        signs = dict(zip(self.ansatz.mirrored, parity, strict=True))
        for axis, width in enumerate(self.problem.half_widths):
            x = rule.points[:, axis] / width
            # Of a mirrored axis the rule has one half: what is left of exp(x) there is its even or odd part.
            test = test * {1: torch.cosh, -1: torch.sinh, 0: torch.exp}[signs.get(axis, 0)](x)
        moments = pick.vectors @ (value.T @ (rule.weights.sqrt() * test))
        return torch.where(moments < 0, -1.0, 1.0)[:, None] * pick.vectors

    # --- files ---

    def save(self, path: Path) -> None:
        """Write a snapshot to ``path``, which must not exist.

        Raises
        ------
        OSError
            When that is not possible.
        """
        manifest = {
            "config": resolving.to_table(self.config),
            "ranges": [attrs.asdict(each) for each in self.ranges],
            "extent": attrs.asdict(self.extent),
            **{name: getattr(self, name) for name in _NUMBERS},
        }
        bundle.write(path, {"network": self.params}, manifest, format=FORMAT)

    @classmethod
    def load(cls, path: Path) -> Family:
        """The family that was saved; its energies are the same to the last bit on the same machine.

        Raises
        ------
        RunError
            When there is none, or it is damaged.
        """
        manifest, groups = bundle.read(path, format=FORMAT)
        with bundle.misfits_as_run_errors(path, program=FORMAT.program):
            config = configuration.load([manifest["config"]], env={}).config
            extent = Extent(**{name: tuple(each) for name, each in manifest["extent"].items()})
            ranges = tuple(Range(**each) for each in manifest["ranges"])
            problem = configuration.problem(config)
            common = shared(problem, ranges, chebyshev(ranges, manifest["devices"]))
            ansatz = assembly.ansatz(config, common, extent)
            return cls(
                config=config, problem=problem, ranges=ranges, extent=extent, ansatz=ansatz,
                params=groups["network"],
                space=_space(ansatz, groups["network"], extent, ranges, manifest["nq"]),
                **{name: manifest[name] for name in _NUMBERS},
            )  # fmt: skip


def referee(problem: Problem, values: Values, count: int) -> tuple[Tensor, Tensor]:
    """The referee's levels of P devices and their error bars, ``[P, count]`` each."""
    found = [reference.solve(problem, count, tolerance=SHARP, device=device) for device in rows(values)]
    return torch.stack([each.energies for each in found]), torch.stack([each.errors for each in found])


def _space(ansatz: Ansatz, params: Params, extent: Extent, ranges: Sequence[Range], nq: int) -> Space:
    """The trial space of a network, on a rule with ``nq`` nodes on each axis."""
    problem = ansatz.problem
    nodes = Evaluator(
        ansatz=ansatz, count=1, basis=1, limits=None, stretch=assembly.stretch(problem, extent),
        device=torch.device("cpu"),
    ).nodes(nq)  # fmt: skip
    points = nodes.rule.points
    with torch.no_grad():
        functions, factor = ansatz.functions(params, points), ansatz.decay(params, points)
        return Space.of(problem, nodes.rule, spans(ansatz, functions, factor, nodes), ranges)


# --- training ---


@attrs.frozen(kw_only=True, eq=False)
class Fit:
    """A family being trained."""

    config: RitzConfig
    problem: Problem
    ranges: tuple[Range, ...]
    devices: int
    trainer: FamilyTrainer
    notes: tuple[str, ...]
    """What was set so that the options mean something."""
    _begin: float = attrs.field(factory=time.process_time)

    @property
    def trained(self) -> Values:
        """The devices that are trained, ``[P]`` of each option."""
        return chebyshev(self.ranges, self.devices)

    @property
    def going(self) -> bool:
        """Whether there is anything left to do."""
        return self.trainer.phase is not None

    def step(self) -> dict[str, Any]:
        """Do one step; returns its numbers for the telemetry."""
        numbers = self.trainer.step()
        if self.trainer.evaluated:
            numbers |= self.trainer.check()
        return numbers

    def finished(self) -> Family:
        """What was learned so far."""
        trainer = self.trainer
        if self.going and trainer.progress.phase_step:
            trainer.check()  # what came since the last evaluation counts as well
        found = trainer.conclude()
        seconds = time.process_time() - self._begin
        params = {name: value.cpu() for name, value in found.params.items()}
        space, finer = (
            _space(trainer.ansatz, params, trainer.extent, self.ranges, nq)
            for nq in (found.nq, math.ceil(_FINER * found.nq))
        )
        others = unseen(self.ranges, _GUARDED, seed=self.config.training.seed)
        levels = [each.lowest(others, self.config.solver.K)[0] for each in (space, finer)]
        return Family(
            config=self.config,
            problem=self.problem,
            ranges=self.ranges,
            devices=self.devices,
            ansatz=trainer.ansatz,
            params=params,
            extent=trainer.extent,
            space=space,
            nq=found.nq,
            quadrature_error=max(found.quadrature_error, float((levels[0] - levels[1]).abs().max())),
            seconds=seconds,
            steps=trainer.progress.step,
        )


def begin(
    ranges: Iterable[Range], *layers: Any, overrides: Iterable[str] = (), devices: int | None = None
) -> Fit:
    """Begin the training of a family.

    Parameters
    ----------
    ranges
        What is varied, and how far.
    layers, overrides
        As for :func:`lior_ritz.config.load`. Where no mode of the potential is chosen, the one is taken in
        which the options mean something.
    devices
        Values of each option that are trained, in all combinations; 12 of one option, 5 of each of two.

    Raises
    ------
    UsageError
        When an option cannot be varied so far, or the configuration is wrong, or not one of a family.
    """
    ranges = tuple(ranges)
    names = [each.name for each in ranges]
    if not ranges:
        raise UsageError("a family needs an option to vary")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise UsageError(f"{name} is varied twice")
    count = DEVICES.get(len(ranges), 2) if devices is None else devices
    values = chebyshev(ranges, count)
    overrides = list(overrides)
    config, problem, found = options.opened(
        layers, overrides, names, {each.name: each.low for each in ranges}
    )
    return Fit(
        config=config,
        problem=problem,
        ranges=ranges,
        devices=count,
        trainer=FamilyTrainer(config, shared(problem, ranges, values), values),
        notes=tuple(found[len(overrides) :]),
    )


def train(
    ranges: Iterable[Range],
    *layers: Any,
    overrides: Iterable[str] = (),
    devices: int | None = None,
    steps: int | None = None,
) -> Family:
    """Train a family to the end, or for so many ``steps``; the rest is as for :func:`begin`."""
    fit = begin(ranges, *layers, overrides=overrides, devices=devices)
    while fit.going and (steps is None or fit.trainer.progress.step < steps):
        fit.step()
    return fit.finished()
