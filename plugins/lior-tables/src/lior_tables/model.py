"""A model of a table: a weighted mean of members, with everything that follows from stored rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.geometry import metric
from lior.interfaces import State
from lior_tables.choice import choose
from lior_tables.kernel import blocks
from lior_tables.members import Member, Rows
from lior_tables.plan import Options, plan

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done."""


class Model:
    """A weighted mean of members over the same stored rows.

    Made by :meth:`fit`. Coordinates are ``z (N, n)``, standardised; outputs ``y (N, C)`` are target columns, or
    for classes one column of 0 and 1 each.
    """

    def __init__(
        self, options: Options, members: list[Member], shares: list[float], scale: Tensor, *, classes: bool, tau: float
    ) -> None:
        self.options, self.members, self.member_weights = options, members, shares
        self.scale, self.classes, self.tau = scale, classes, tau

    @classmethod
    def fit(
        cls,
        z: Tensor,
        y: Tensor,
        weights: Tensor | None = None,
        *,
        classes: bool,
        options: Options | None = None,
        generator: Generator | None = None,
        on_progress: Progress | None = None,
    ) -> Model:
        """Choose and fit the members.

        Raises
        ------
        UsageError
            When the shapes do not belong together, or a number is not finite.
        """
        options = options or Options()
        generator = generator or torch.Generator().manual_seed(0)
        _check(z, y, weights)
        dtype = torch.float64 if options.precision == "float64" else torch.float32
        z, scale = padded(z.to(dtype)), _scale(y, classes).to(dtype)
        weights = torch.ones_like(z[:, 0]) if weights is None else (weights / weights.mean()).to(dtype)
        rows = Rows(z, (y / scale).to(dtype), weights)
        candidates = plan(options, z.shape[1])
        chosen = choose(
            candidates,
            rows,
            classes=classes,
            generator=generator,
            time_limit=options.time_limit,
            on_progress=on_progress,
        )
        members = []
        for index, explored in enumerate(chosen.explored):
            if on_progress is not None:
                on_progress(f"fitting {explored.candidate.name}", index / len(chosen.explored))
            members.append(Member.learn(explored.candidate, explored.setting, rows, generator))
        return cls(options, members, chosen.weights.tolist(), scale, classes=classes, tau=chosen.tau)

    @property
    def rows(self) -> int:
        """How many rows are stored."""
        return len(self.members[0].rows.z)

    @property
    def centre(self) -> Tensor:
        """The part of every prediction that comes from no row in particular, ``(C,)``."""
        return self._mean([member.fit.centre for member in self.members])

    def predict(self, z: Tensor) -> Tensor:
        """Predictions ``(B, C)`` for ``z (B, n)``."""
        z = self._coordinates(z)
        return self._mean([member.predict(z) for member in self.members])

    def probabilities(self, z: Tensor) -> Tensor:
        """Probabilities of the classes, ``softmax(τ f)``, ``(B, C)``."""
        return self.to_probabilities(self.predict(z))

    def to_probabilities(self, predictions: Tensor) -> Tensor:
        """Probabilities from predictions ``(B, C)``, for instance those of :meth:`leave_one_out`."""
        if not self.classes:
            raise UsageError("probabilities: the model was fitted to numbers; use classes")
        return (self.tau * predictions).softmax(1)

    def leave_one_out(self) -> Tensor:
        """What the model would predict for each stored row without it, metric fixed, ``(N, C)``."""
        return self._mean([member.leave_one_out() for member in self.members])

    def shares(self, z: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """The share of each stored row in each prediction: blocks ``(B', N, C)`` with their rows of ``z``.

        The sum over the stored rows, plus :attr:`centre`, is the prediction.
        """
        z = self._coordinates(z)
        outputs = self.members[0].fit.values.shape[1]
        for block in blocks(len(z), self.rows * outputs):
            parts = [m.weigh(z[block])[:, :, None] * m.fit.values for m in self.members]
            yield block, self._mean(parts)

    def directions(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues ``(n,)``, largest first, and eigenvectors ``(n, n)`` in columns, of the blended metric."""
        values, vectors = torch.linalg.eigh(self._blended())
        return values.flip(0), vectors.flip(1)

    def importances(self) -> Tensor:
        """Share of each input in the blended metric, ``(n,)`` with sum 1."""
        diagonal = self._blended().diagonal()
        return diagonal / diagonal.sum()

    def _blended(self) -> Tensor:
        """The weighted mean of the members' metrics, each of trace 1, float64."""
        total = torch.zeros(1, dtype=torch.float64)
        for share, member in zip(self.member_weights, self.members, strict=True):
            g = metric.dense(metric.cast(member.kernel.form, torch.float64))
            total = total + share * g / g.trace()
        return total

    def _mean(self, parts: list[Tensor]) -> Tensor:
        """The weighted mean of what the members say, in units of the outputs."""
        total = sum(share * part for share, part in zip(self.member_weights, parts, strict=True))
        assert isinstance(total, Tensor)
        return total * self.scale

    def _coordinates(self, z: Tensor) -> Tensor:
        stored = self.members[0].rows.z
        z = padded(z.to(stored))
        if z.ndim != 2 or z.shape[1] != stored.shape[1]:
            raise UsageError(f"z has shape {tuple(z.shape)}: the model was fitted to (N, {stored.shape[1]})")
        return z


def padded(z: Tensor) -> Tensor:
    """``z (N, n)`` with columns of zeros up to the two that a metric needs."""
    missing = max(0, 2 - z.shape[1]) if z.ndim == 2 else 0
    return torch.cat([z, z.new_zeros(len(z), missing)], dim=1) if missing else z


def _scale(y: Tensor, classes: bool) -> Tensor:
    """Unit of each output, ``(C,)``: its standard deviation, or 1 for classes and constant outputs."""
    if classes or len(y) < 2:
        return torch.ones_like(y[0])
    spread = y.double().std(0, correction=0)
    return torch.where(spread > 0, spread, torch.ones_like(spread))


def _check(z: Tensor, y: Tensor, weights: Tensor | None) -> None:
    if z.ndim != 2 or y.ndim != 2 or len(z) != len(y) or not len(z):
        raise UsageError(f"z {tuple(z.shape)} and y {tuple(y.shape)}: give (N, n) and (N, C) of the same N >= 1")
    for name, value in (("z", z), ("y", y), ("weights", weights)):
        if value is not None and not bool(torch.isfinite(value).all()):
            raise UsageError(f"{name} has numbers that are not finite")
    if weights is not None and (weights.shape != z.shape[:1] or not bool((weights > 0).all())):
        raise UsageError("weights: give one number above 0 for each row, and leave out rows of weight 0")


__all__ = ["Any", "Model", "Options", "State"]
