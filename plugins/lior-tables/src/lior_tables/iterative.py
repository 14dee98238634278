"""A ridge fit of many rows with one metric, by conjugate gradients that never hold the kernel matrix.

``(K + λW⁻¹) a = [y, 1]`` is solved for all right-hand sides at once. In the variables ``W^{-½} a`` the system
is ``W^½ K W^½ + λ``. A Nyström approximation ``U S Uᵀ`` of its first part, from some rows, makes the
preconditioner (Z. Frangella, J. A. Tropp and M. Udell, *SIAM J. Matrix Anal. Appl.* 44 (2023) 718):

    P⁻¹ = (s_min + λ) U (S + λ)⁻¹ Uᵀ + (1 − U Uᵀ)

Memory is that of ``N × rank`` numbers; each step costs one pass over all pairs of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.interfaces import State
from lior_tables import readouts, solve
from lior_tables.kernel import Kernel, Side, blocks, times
from lior_tables.members import METRIC_ROWS, Candidate, Member, Setting
from lior_tables.row_store import Rows, draw

RANK = 1000
"""Rows of the approximation."""
TOLERANCE = 1e-4
"""Residual at which the iteration ends, relative to the right-hand side."""
STEPS = 200
"""Steps after which it ends in any case."""
PATIENCE = 20
"""Steps without a smaller residual after which it ends: rounding allows no smaller one."""
FOLDS = 4
"""Parts of the rows that are left out in turn where a solve would leave out each row."""

OnStep = Callable[[int, float], None]
"""Called with the number of the step and the largest relative residual."""


class Solution(NamedTuple):
    """What the iteration found."""

    values: Tensor
    """``(N, C)``."""
    residual: float
    """Largest residual of a column relative to its right-hand side."""
    steps: int


class System(NamedTuple):
    """``K + λW⁻¹`` of stored rows, as a function."""

    kernel: Kernel
    side: Side
    root: Tensor
    """``W^½ (N, 1)``, float64."""
    ridge: float

    def times(self, x: Tensor) -> Tensor:
        """``(W^½ K W^½ + λ) x`` for ``x (N, C)`` in float64; the kernel is of the precision of the rows."""
        found = times(self.kernel, self.side, (self.root * x).to(self.side.z))
        return self.root * found.double() + self.ridge * x


def conjugate_gradients(
    system: System,
    right: Tensor,
    generator: Generator,
    *,
    first: Tensor | None = None,
    on_step: OnStep | None = None,
) -> Solution:
    """Solve ``(K + λW⁻¹) a = right (N, C)``, from the values ``first`` if given; all in float64.

    Each column has steps of its own length; they share the passes over the kernel. The preconditioner takes
    away parts that are many orders larger than what it leaves, for which float32 has too few digits.
    """
    precondition = _nystrom(system, generator)
    right = system.root * right
    x = torch.zeros_like(right) if first is None else first / system.root
    r = right - system.times(x) if first is not None else right
    tiny = torch.finfo(right.dtype).tiny
    size = torch.linalg.vector_norm(right, dim=0).clamp(min=tiny)
    direction = precondition(r)
    flow = (r * direction).sum(0)
    best, step = Solution(x, float((torch.linalg.vector_norm(r, dim=0) / size).max()), 0), 0
    while best.residual > TOLERANCE and step < min(STEPS, best.steps + PATIENCE):
        step += 1
        moved = system.times(direction)
        length = flow / (direction * moved).sum(0).clamp(min=tiny)
        x = x + length * direction
        r = r - length * moved
        towards = precondition(r)
        before, flow = flow, (r * towards).sum(0)
        direction = towards + (flow / before.clamp(min=tiny)) * direction
        residual = float((torch.linalg.vector_norm(r, dim=0) / size).max())
        if residual < best.residual:
            best = Solution(x, residual, step)
        if on_step is not None:
            on_step(step, best.residual)
    return best._replace(values=system.root * best.values)


def _nystrom(system: System, generator: Generator) -> Callable[[Tensor], Tensor]:
    """The preconditioner ``P⁻¹`` as a function."""
    side, count = system.side, len(system.root)
    chosen = torch.randperm(count, generator=generator)[: min(RANK, count)].to(system.root.device)
    some, weight = side.rows(chosen), system.root[chosen]
    core = weight * system.kernel.scores(some, some).exp_() * weight.mT
    shift = torch.finfo(side.z.dtype).eps * float(core.diagonal().sum())
    core.diagonal().add_(shift)  # their algorithm 2.1
    found = solve.factor(core)
    upper = found.lower.tril().mT
    wide = system.root.new_empty(count, len(chosen))
    for block in blocks(count, len(chosen), wide.device):
        part = system.root[block] * system.kernel.scores(side.rows(block), some).exp_() * weight.mT
        wide[block] = torch.linalg.solve_triangular(upper, part, upper=True, left=False)
    basis, triangle = torch.linalg.qr(wide)
    turned, sizes, _ = torch.linalg.svd(triangle)
    basis, values = basis @ turned, (sizes.square() - shift - found.added).clamp(min=0)
    factors = (values.min() + system.ridge) / (values + system.ridge) - 1
    return lambda r: r + basis @ (factors[:, None] * (basis.mT @ r))


class IterativeMember(Member):
    """A member whose values come from conjugate gradients; edits solve again from the values before."""

    solution: Tensor
    """Values for the outputs and for a column of ones, ``(N, C + 1)``."""
    residual: float
    """Of the last solve, relative."""

    @classmethod
    def learn_metric(
        cls,
        candidate: Candidate,
        setting: Setting,
        rows: Rows,
        generator: Generator,
        on_step: OnStep | None = None,
    ) -> IterativeMember:
        """Learn the metric on some rows, as :class:`Member` does, and solve for all.

        Raises
        ------
        UsageError
            For a readout that does not solve.
        """
        if not candidate.readout.solves:
            raise UsageError("iterative: the readout solves nothing; use leaves, or the readout ridge")
        guide = Member.learn_all(candidate, setting, draw(rows, METRIC_ROWS, generator), generator)
        member = cls(candidate, guide.state, setting, rows, guide.fit)
        member._solve(None, on_step)
        return member

    def tensors(self) -> State:
        """Values, centre, state and the solution, without the rows."""
        return {**super().tensors(), "solution": self.solution}

    @classmethod
    def restored(cls, tensors: State, candidate: Candidate, setting: Setting, rows: Rows) -> Self:
        """The member of :meth:`tensors`, whose rows were ``rows``."""
        member = super().restored(tensors, candidate, setting, rows)
        member.solution = tensors["solution"]
        return member

    def forget(self, chosen: Tensor, rows: Rows) -> None:
        """Remove the rows ``chosen``; ``rows`` are those that stay."""
        kept = torch.ones(len(self.rows.z), dtype=torch.bool, device=chosen.device)
        kept[chosen] = False
        self._store(rows)
        self._solve(self.solution[kept])

    def learn(self, new: Rows, rows: Rows) -> None:
        """Add the rows ``new``; ``rows`` are all, the new ones last."""
        self._store(rows)
        zeros = self.solution.new_zeros(len(new.z), self.solution.shape[1])
        self._solve(torch.cat([self.solution, zeros]))

    def leave_one_out(self) -> Tensor:
        """Predictions for each stored row without it and a fourth of the others, metric fixed, ``(N, C)``.

        There is no inverse that would leave out one row at a time; each of :data:`FOLDS` parts is left out.
        """
        total = torch.empty_like(self.rows.y)
        fold = torch.arange(len(total), device=total.device) % FOLDS
        for part in range(FOLDS):
            kept = fold != part
            member = IterativeMember(self.candidate, self.state, self.setting, self.rows.take(kept), self.fit)
            member._solve(self.solution[kept])
            total[~kept] = member.predict(self.rows.z[~kept])
        return total

    def influence(self, z: Tensor) -> Tensor:
        """Weights ``(B, N)`` of the stored outputs, each solved for: ``(K + λW⁻¹)⁻¹ k(z)``."""
        weighed = self.weigh(z)
        return self._solved(weighed.mT.double(), None).values.mT.to(weighed)

    def _solved(self, right: Tensor, first: Tensor | None, on_step: OnStep | None = None) -> Solution:
        """The solution for ``right (N, C)``; the preconditioner's rows are the same each time."""
        root = self.rows.weights.double().sqrt()[:, None]
        system = System(self.kernel, self.items, root, self.setting.ridge)
        generator = torch.Generator().manual_seed(len(right))
        return conjugate_gradients(system, right, generator, first=first, on_step=on_step)

    def _solve(self, first: Tensor | None, on_step: OnStep | None = None) -> None:
        """Solve for the outputs of the stored rows."""
        found = self._solved(readouts.with_ones(self.rows.y).double(), first, on_step)
        self.solution, self.residual = found.values, found.residual
        self.fit = readouts.centred(found.values.to(self.rows.y), self.rows.y, self.rows.weights)
