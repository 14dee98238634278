"""A member for tables of more rows than a kernel matrix can have: a ridge on functions, of all rows.

    f(z) = c + φ(z) w,    w = (ΦᵀWΦ + 1)⁻¹ ΦᵀW (y − c)

``φ`` are the functions of :mod:`lior_tables.functions`, whose scales take the role of the ridge; ``c`` is
the mean. The model stores the sums ``ΦᵀWΦ`` and ``ΦᵀW(y, 1)``: learning a row adds its part, forgetting
subtracts it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from lior.interfaces import State
from lior.tensors import add_prefix, sub
from lior_tables import readouts, solve
from lior_tables.blocks import Blocks
from lior_tables.choice import BLOCK_FOLDS, Explored, descend
from lior_tables.functions import CENTRES, Functions
from lior_tables.kernel import Kernel, blocks
from lior_tables.members import METRIC_ROWS, Candidate, Member, Metrics, Setting
from lior_tables.readouts import Fit
from lior_tables.row_store import Rows, draw
from lior_tables.solve import Factor
from lior_tables.sums import Sums, add_up

_KERNELS = 3
"""Maximum number of kernels to try."""
KNOWN, _HELD = 20_000, 5_000
"""Maximum numbers of rows that are learned, and of rows that are judged, to choose functions."""
_FIRST, _FEW = 10_000, 700
"""Number of rows to learn, and of centres, while a kernel is chosen."""
_STEP, _BEGIN, _FAR = 3.0, (1, 0, 2), 4
"""Base of the scales, their initial exponents, and the largest exponent."""
_QUICK = 8000
"""Maximum rows whose sums are not saved: they take seconds to add up, and would be most of the file."""


class Large:
    """A fitted member; it takes the place of a :class:`~lior_tables.members.Member`."""

    def __init__(
        self,
        candidate: Candidate,
        setting: Setting,
        functions: Functions,
        sums: Sums | None,
        rows: Rows,
        fit: Fit | None = None,
    ) -> None:
        self.candidate, self.setting = candidate, setting
        self.functions, self._sums, self.rows = functions, sums, rows
        self.kernel = functions.kernel
        self._factor: Factor | None = None
        self.fit = self._settled() if fit is None else fit

    def _settled(self) -> Fit:
        """Return the weights of the functions, and the mean."""
        return readouts.centred_at(self._solved(), readouts.mean(self.rows.y, self.rows.weights))

    def _solved(self) -> Tensor:
        """Return the solution ``(P, C + 1)`` for the outputs and for ones.

        For fewer rows than functions it is ``Φᵀ (ΦΦᵀ + W⁻¹)⁻¹ (y, 1)``, which needs no sums.
        """
        if self._sums is None and len(self.rows.z) < sum(self.functions.sizes):
            y, weights = self.rows.y.double(), self.rows.weights.double()
            phi = self.functions(self.rows.z).double()
            system = torch.diag(1 / weights).addmm_(phi, phi.mT)
            return phi.mT @ solve.factor(system).solve(readouts.with_ones(y))
        return self.factor.solve(self.sums.right)

    @property
    def sums(self) -> Sums:
        """The sums over the rows; computed on first use."""
        if self._sums is None:
            self._sums = add_up(self.functions, self.rows)
        return self._sums

    @property
    def factor(self) -> Factor:
        """The Cholesky factor of the system; computed on first use."""
        if self._factor is None:
            system = self.sums.gram.clone()
            system.diagonal().add_(1.0)
            self._factor = solve.factor(system)
        return self._factor

    @property
    def centre(self) -> Tensor:
        """The weighted mean of the stored outputs, ``(C,)``."""
        return self.fit.centre

    def predict(self, z: Tensor) -> Tensor:
        """Return ``f(z) (B, C)``."""
        # Terms cancel: in float32 the sum would differ from the one by weights of rows.
        parts = [(self.functions(z[block]).double() @ self.fit.values).to(z) for block in self._blocks(z)]
        return torch.cat([*parts, self.rows.y[:0]]) + self.fit.centre.to(z)

    def leave_one_out(self) -> Tensor:
        """Return predictions for each stored row without it, functions fixed, ``(N, C)``.

        With a smoother ``H`` the residual without row i is ``(1 − H_ii)⁻¹`` times the residual with it, for
        outputs measured from the mean of the others.
        """
        z, y, weights = self.rows
        solution, total = self._solved(), weights.sum()
        centres = (readouts.mean(y, weights) * total - weights[:, None] * y) / (total - weights)[:, None]
        eye = torch.eye(len(self.sums.gram), dtype=torch.float64, device=z.device)
        inverse = torch.linalg.solve_triangular(self.factor.lower, eye, upper=False).mT.to(z).contiguous()
        found = []
        for block in self._blocks(z):
            phi = self.functions(z[block])
            leverage = weights[block] * solve.times_triangle(phi, inverse).square().sum(1)
            said = (phi.double() @ solution).to(z)
            off = y[block] - centres[block] - (said[:, :-1] - said[:, -1:] * centres[block])
            found.append(y[block] - off / (1 - leverage)[:, None].clamp(min=1e-6))
        return torch.cat(found)

    def learned_on(self, known: Tensor, generator: Generator, metrics: Metrics) -> Large:
        """Return functions of the rows ``known``, with the same scales."""
        rows = self.rows.take(known)
        functions = build_functions(self.candidate, self.setting, rows, CENTRES, generator, metrics)
        return Large(self.candidate, self.setting, functions.scaled(self.functions.scales), None, rows)

    def solved_at(self, z: Tensor) -> Large:
        """Return the same functions with other coordinates ``z (N, n)`` of the rows."""
        return Large(self.candidate, self.setting, self.functions, None, self.rows._replace(z=z))

    def solved_on(self, known: Tensor) -> Large:
        """Return the same functions with weights from the rows ``known``."""
        rows = self.rows.take(known)
        if 2 * len(known) < len(self.rows.z):
            return Large(self.candidate, self.setting, self.functions, None, rows)
        out = torch.ones(len(self.rows.z), dtype=torch.bool, device=known.device)
        out[known] = False
        sums = self.sums.plus(add_up(self.functions, self.rows.take(out)), -1.0)
        return Large(self.candidate, self.setting, self.functions, sums, rows)

    def influence(self, z: Tensor) -> Tensor:
        """Return weights ``(B, N)`` of the stored outputs: ``f(z) = centre + Σ_i w_i (y_i − centre)``."""
        across = self.factor.solve(self.functions(z).mT.double())
        stored, weights = self.rows.z, self.rows.weights
        parts = [weights[b] * (self.functions(stored[b]).double() @ across).mT for b in self._blocks(stored)]
        return torch.cat(parts, 1)

    def _blocks(self, z: Tensor) -> list[slice]:
        return blocks(len(z), sum(self.functions.sizes), z.device)

    # --- editing ---

    def to(self, rows: Rows) -> Large:
        """Return the same member in the precision of ``rows``, its own rows; it is solved anew."""
        if self.rows.z.dtype == rows.z.dtype:
            return self
        functions = self.functions.to(rows.z.dtype)
        return Large(self.candidate, self.setting, functions, add_up(functions, rows), rows)

    def forget(self, chosen: Tensor, rows: Rows) -> None:
        """Remove the rows ``chosen``; ``rows`` are the remaining ones."""
        self._edited(rows, self.rows.take(chosen), -1.0)

    def learn(self, new: Rows, rows: Rows) -> None:
        """Add the rows ``new``; ``rows`` are all, the new ones last."""
        self._edited(rows, new, 1.0)

    def _edited(self, rows: Rows, changed: Rows, sign: float) -> None:
        self._sums = self.sums.plus(add_up(self.functions, changed), sign)
        self.rows, self._factor = rows, None
        self.fit = self._settled()

    # --- saving ---

    def tensors(self) -> State:
        """Return all tensors but the rows; :meth:`restored` takes them. Sums that take long are saved."""
        kept = self.sums._asdict() if len(self.rows.z) > _QUICK else {}
        return {
            **add_prefix("state", self.functions.kernel.state),
            **add_prefix("functions", self.functions.tensors()),
            **add_prefix("sums", kept),
            **add_prefix("fit", self.fit._asdict()),
        }

    @classmethod
    def restored(cls, tensors: State, candidate: Candidate, setting: Setting, rows: Rows) -> Large:
        """Return the member of :meth:`tensors` for the same ``rows``."""
        kernel = Kernel(candidate.parts, sub(tensors, "state"))
        functions = Functions.restored(kernel, sub(tensors, "functions"))
        kept, fit = sub(tensors, "sums"), Fit(**sub(tensors, "fit"))
        sums = Sums(**kept) if kept else None
        return cls(candidate, setting, functions, sums, rows.to(functions.centres), fit)


class Chosen(NamedTuple):
    """The best choice on held-out rows."""

    explored: Explored
    """Candidate whose kernel the functions use."""
    scales: Tensor
    """Scales of the three kinds of functions, ``(3,)``, float64."""
    said: Tensor
    """Predictions for the held-out rows, ``(H, C)``."""


def choose_functions(explored: Sequence[Explored], learned: Rows, held: Rows, generator: Generator) -> Chosen:
    """Choose the kernel, and how much functions of each kind may vary; ``held`` rows judge."""
    best = None
    first = learned.take(torch.arange(min(_FIRST, len(learned.z)), device=learned.z.device))
    for each in explored[:_KERNELS]:
        trial = _Trial(
            build_functions(each.candidate, each.setting, first, _FEW, generator), first, held, _BEGIN
        )
        if best is None or trial.error(trial.at) < best[1].error(best[1].at):
            best = each, trial
    assert best is not None
    kernel, trial = best
    functions = build_functions(kernel.candidate, kernel.setting, learned, CENTRES, generator)
    trial = _Trial(functions, learned, held, trial.at)
    return Chosen(kernel, _STEP ** torch.tensor(trial.at, dtype=torch.float64), trial.said)


def build_functions(
    candidate: Candidate,
    setting: Setting,
    rows: Rows,
    centres: int,
    generator: Generator,
    metrics: Metrics | None = None,
) -> Functions:
    """Build the functions of a table, with a candidate's kernel in a metric of these rows."""
    some = draw(rows, METRIC_ROWS, generator)
    teacher = Member.learn_all(candidate, setting, some, generator, known=metrics)
    functions = Functions.of(teacher.kernel, rows.z, centres, generator)
    return functions.with_pairs(rows.z, _left_over(functions, rows), rows.weights)


def hold_out(count: int, given: Blocks | None, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return places of rows to learn and of rows to judge by: later ones, other groups, or a fifth of all."""
    if given is None:
        order = torch.randperm(count, generator=generator)
        known, asked = order[count // 5 :], order[: count // 5]
    else:
        known, asked = (
            part[torch.randperm(len(part), generator=generator)]
            for part in given.parts(BLOCK_FOLDS, generator)[-1]
        )
    return known[:KNOWN], asked[:_HELD]


class _Trial:
    """Functions with the scales that do best on held-out rows, as far as steps find them."""

    def __init__(self, functions: Functions, learned: Rows, held: Rows, begin: tuple[int, ...]) -> None:
        self.functions, self.held = functions, held
        self._sums, self._phi = add_up(functions, learned), functions(held.z)
        self._centre = readouts.mean(learned.y, learned.weights)
        kinds = torch.repeat_interleave(torch.arange(3), torch.tensor(functions.sizes))
        self._kinds = kinds.to(held.z.device)
        self._tried: dict[tuple[int, ...], tuple[float, Tensor]] = {}
        self.at = self._known(descend(self.error, begin))

    def _known(self, at: tuple[int, ...]) -> tuple[int, ...]:
        """Return the scales, with 0 for kinds without functions."""
        return tuple(place if size else 0 for place, size in zip(at, self.functions.sizes, strict=True))

    @property
    def said(self) -> Tensor:
        """Predictions of the held-out rows, ``(H, C)``."""
        return self._tried[self.at][1]

    def error(self, at: tuple[int, ...]) -> float:
        """Return the mean squared error with scales that are these powers of :data:`_STEP`."""
        at = self._known(at)
        if max(map(abs, at)) > _FAR:
            return math.inf
        if at not in self._tried:
            scale = (_STEP ** torch.tensor(at, dtype=torch.float64)).to(self._sums.gram)[self._kinds]
            system = self._sums.gram * scale * scale[:, None]
            system.diagonal().add_(1.0)
            solution = scale[:, None] * solve.factor(system).solve(self._sums.right * scale[:, None])
            fit = readouts.centred_at(solution, self._centre.to(solution))
            said = self._phi @ fit.values.to(self._phi) + self._centre
            off = float(readouts.mean((said - self.held.y).square(), self.held.weights).sum())
            self._tried[at] = off if math.isfinite(off) else math.inf, said
        return self._tried[at][0]


def _left_over(functions: Functions, rows: Rows) -> Tensor:
    """Return the residuals of functions of single coordinates, ``(N, C)``."""
    scale = _STEP ** _BEGIN[0]
    phi, centre = scale * functions.singles(rows.z), readouts.mean(rows.y, rows.weights)
    weighed = phi * rows.weights[:, None]
    system = (weighed.mT @ phi).double()
    system.diagonal().add_(1.0)
    return (
        rows.y - centre - phi @ solve.factor(system).solve((weighed.mT @ (rows.y - centre)).double()).to(phi)
    )
