"""Rows added to and removed from a ridge fit, exactly, with the metric fixed.

With ``P = (K + λW⁻¹)⁻¹`` and the solutions ``a = P [y, 1]``, block elimination gives (W. W. Hager, *SIAM
Review* 31 (1989) 221), for rows ``F`` to forget and rows ``L`` to learn with ``B = K_{·L}`` and ``U = P B``:

    forget:  P ← P − P_{·F} (P_FF)⁻¹ P_{F·}                     a ← a − P_{·F} (P_FF)⁻¹ a_F
    learn:   P ← [P 0; 0 0] + [U; −1] S [U; −1]ᵀ                a ← [a; 0] − [U; −1] S (y_L − Bᵀa)
             S = (K_LL + λW_L⁻¹ − BᵀU)⁻¹

Both add a low-rank term ``V s Vᵀ`` to ``P``. So an edit need not write the matrix: the terms are collected
beside it and merged when there are many. Forgetting then costs reading the columns of ``P``, and learning
one product with ``P``. Rounding errors add up slowly; :meth:`Inverse.refine` removes them from the
solutions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lior_tables import solve

_PENDING = 128
"""Number of terms beside the matrix before they are merged."""
_CROWDED = 0.8
"""Minimum share of the matrix's places with live rows; below it the matrix is made smaller."""
BATCH = 64
"""Maximum number of rows of one edit."""
_BY_FACTOR = 12
"""Number of columns, and of products, that are solved for singly before the matrix is computed, which takes
longer."""


class Inverse:
    """``P`` and the solutions ``a`` of the live rows, in the dtype of the initial matrix.

    Parameters
    ----------
    a
        ``K + λW⁻¹ (N, N)``; its memory is reused.
    right
        Right-hand sides ``(N, C)``.
    """

    def __init__(self, a: Tensor, right: Tensor) -> None:
        self._factor = solve.factor(a)
        self.added = self._factor.added
        """Addend that makes the matrix positive definite; the diagonal of new rows gets it too."""
        self.solution = self._factor.solve(right)
        self._made: Tensor | None = None
        self._asked = 0
        self._size = len(right)
        self._live = torch.arange(len(right), device=right.device)
        self._terms = right.new_zeros(len(right), 0)
        self._signs = right.new_zeros(0)

    @property
    def _base(self) -> Tensor:
        """Return ``P`` without the terms, of the rows that have a place in it."""
        if self._made is None:
            self._made = self._factor.inverse()
            del self._factor
        return self._made

    def _base_times(self, right: Tensor) -> Tensor:
        """Return ``P right`` without the terms, for ``right (S, C)``; the first few by solving."""
        self._asked += right.shape[1]
        if self._made is None and self._asked <= _BY_FACTOR:
            return self._factor.solve(right)
        return self._base @ right

    @property
    def diagonal(self) -> Tensor:
        """``P_ii (N,)``."""
        total = (self._terms.square() * self._signs).sum(1)
        total[: self._size] += self._base.diagonal()
        return total[self._live]

    def forget(self, rows: Tensor) -> None:
        """Remove rows (int64, distinct, at most :data:`BATCH`) and their solutions."""
        slots = self._live[rows]
        columns = self._columns(slots)
        root = torch.linalg.cholesky(columns[slots])
        # P_FF = R Rᵀ, so the term is −(P_F R⁻ᵀ)(P_F R⁻ᵀ)ᵀ.
        term = torch.linalg.solve_triangular(root, columns.mT, upper=False).mT
        change = torch.cholesky_solve(self.solution[rows], root)
        self._append(term, -1.0)
        solution = self.solution - columns[self._live] @ change
        kept = torch.ones(len(self._live), dtype=torch.bool, device=rows.device)
        kept[rows] = False
        self.solution, self._live = solution[kept], self._live[kept]
        self._merge_if_many()

    def learn(self, across: Tensor, among: Tensor, right: Tensor) -> None:
        """Add ``L`` rows, at most :data:`BATCH`.

        Parameters
        ----------
        across
            ``K (N, L)`` between the present rows and the new ones.
        among
            ``K + λW⁻¹ (L, L)`` of the new ones.
        right
            Their right-hand sides ``(L, C)``.
        """
        count = len(right)
        moved = self.times(across)
        schur = among - across.mT @ moved
        schur.diagonal().add_(self.added)
        root = torch.linalg.cholesky(0.5 * (schur + schur.mT))
        values = torch.cholesky_solve(right - across.mT @ self.solution, root)
        wide = torch.zeros(len(self._terms) + count, count, dtype=root.dtype, device=root.device)
        wide[self._live] = moved
        wide[len(self._terms) :] = -torch.eye(count, dtype=root.dtype, device=root.device)
        self._terms = torch.cat([self._terms, self._terms.new_zeros(count, self._terms.shape[1])])
        self._append(torch.linalg.solve_triangular(root, wide.mT, upper=False).mT, 1.0)
        self.solution = torch.cat([self.solution - moved @ values, values])
        new = torch.arange(len(wide) - count, len(wide), device=self._live.device)
        self._live = torch.cat([self._live, new])
        self._merge_if_many()

    def refine(self, residual: Tensor) -> None:
        """Do one step of iterative refinement: ``residual`` is ``right − (K + λW⁻¹) a``, ``(N, C)``."""
        self.solution = self.solution + self.times(residual)

    def _columns(self, slots: Tensor) -> Tensor:
        """Return columns of ``P`` over all slots, ``(S, L)``."""
        columns = (self._terms * self._signs) @ self._terms[slots].mT
        inside = slots < self._size
        if self._made is None and self._asked + len(slots) <= _BY_FACTOR:
            ones = columns.new_zeros(self._size, int(inside.sum()))
            ones[slots[inside], torch.arange(ones.shape[1], device=slots.device)] = 1
            columns[: self._size, inside] += self._base_times(ones)
        else:
            columns[: self._size, inside] += self._base[:, slots[inside]]
        return columns

    def times(self, right: Tensor) -> Tensor:
        """Return ``P right`` for ``right (N, C)`` over the live rows."""
        terms, size = self._terms[self._live], self._size
        product = terms @ (self._signs[:, None] * (terms.mT @ right))
        inside = self._live < size
        if bool(inside.all()) and len(self._live) == size:
            return product + self._base_times(right)
        wide = right.new_zeros(size, right.shape[1])
        wide[self._live[inside]] = right[inside]
        product[inside] += self._base_times(wide)[self._live[inside]]
        return product

    def _append(self, term: Tensor, sign: float) -> None:
        self._terms = torch.cat([self._terms, term], dim=1)
        self._signs = torch.cat([self._signs, self._signs.new_full((term.shape[1],), sign)])

    def _merge_if_many(self) -> None:
        """Add many terms to the matrix, in place if no rows were learned since the last merge."""
        if len(self._signs) < _PENDING:
            return
        size, slots = self._size, len(self._terms)
        if slots > size or len(self._live) < _CROWDED * size:
            self._resize()
        self._base.addmm_(self._terms * self._signs, self._terms.mT)
        self._terms = self._base.new_zeros(self._size, 0)
        self._signs = self._base.new_zeros(0)

    def _resize(self) -> None:
        """Give exactly the live rows a place in the matrix."""
        old, live = self._base, self._live
        inside = live < len(old)
        count = int(inside.sum())  # slots are in order, so those of the matrix come first
        self._made = old.new_zeros(len(live), len(live))
        self._made[:count, :count] = old[live[inside]][:, live[inside]]
        self._size = len(live)
        self._terms = self._terms[live]
        self._live = torch.arange(len(live), device=live.device)
