"""A model of a table: a weighted mean of members, with everything that follows from stored rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import torch
from torch import Generator, Tensor

from lior.errors import UsageError
from lior.interfaces import State
from lior.tensors import add_prefix, sub
from lior.workers import Workers
from lior_tables import snapshots
from lior_tables.blocks import Blocks
from lior_tables.calibration import Calibration
from lior_tables.choice import choose
from lior_tables.fitting import Progress, fit_members
from lior_tables.kernel import blocks
from lior_tables.large import Large
from lior_tables.members import Member, Metrics
from lior_tables.plan import Options, plan
from lior_tables.row_store import Rows

_ROUNDING, _PRECISE_ROWS = 1e-4, 3_000
"""Maximum rounding error of predictions, in standard deviations of the outputs, and the maximum number of
rows to enforce it. With 8,000 rows, float64 would double the time and the memory of a fit."""

EXACT_ROWS = 12_000
"""Maximum rows for edits and leave-one-out in float64: then an inverse takes 1.2 GB a member."""


class Units(NamedTuple):
    """The units of outputs and sample weights, by which they are divided."""

    output: Tensor
    """Unit of each output, ``(C,)``."""
    weight: Tensor
    """Unit of the sample weights, a scalar tensor."""


@attrs.define(kw_only=True, eq=False)
class TableModel:
    """A weighted mean of members over the same stored rows.

    Made by :meth:`fit`. Coordinates are ``z (N, n)``, standardised; outputs ``y (N, C)`` are target columns,
    or for classes one column of 0 and 1 each.
    """

    options: Options
    members: list[Member | Large]
    member_weights: list[float]
    units: Units
    classes: bool
    calibration: Calibration | None
    """Calibration of the probabilities; ``None`` for numbers."""
    _exact: list[Member | Large] | None = attrs.field(default=None, init=False)

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
        blocks: Blocks | None = None,
        on_progress: Progress | None = None,
        resume: Path | None = None,
        workers: Workers | None = None,
    ) -> TableModel:
        """Choose and fit the members.

        Parameters
        ----------
        blocks
            Rows that belong together; choices are made for new blocks.
        resume
            Folder for the fitted parts of a large table. An interrupted fit of the same rows with the same
            options and generator continues from there.
        workers
            Workers that fit the parts of a large table; results are the same as without them, up to
            rounding.

        Raises
        ------
        UsageError
            When the shapes do not fit together, or a number is not finite.
        """
        options = options or Options()
        generator = generator or torch.Generator().manual_seed(0)
        begun = time.monotonic()
        _check(z, y, weights)
        units = Units(_unit(y, classes), _ones(weights, y).mean())
        dtype = torch.float64 if options.precision == "float64" else torch.float32
        rows = _rows(z, y, weights, units).to(dtype)
        limit = options.time_limit
        chosen = choose(
            plan(options, rows.z.shape[1]),
            rows,
            classes=classes,
            generator=generator,
            blocks=blocks,
            time_limit=limit,
            on_progress=on_progress,
        )
        fitted = fit_members(
            chosen,
            rows,
            options,
            generator,
            blocks=blocks,
            deadline=None if limit is None else begun + limit,
            on_progress=on_progress,
            resume=resume,
            workers=workers,
        )
        return cls(
            options=options,
            members=_in_precision(fitted.members),
            member_weights=fitted.weights,
            units=units,
            classes=classes,
            calibration=fitted.calibration,
        )

    @property
    def rows(self) -> int:
        """Number of stored rows."""
        return len(self.members[0].rows.z)

    @property
    def coordinates(self) -> Tensor:
        """Coordinates of the stored rows, ``(N, n)``."""
        return self.members[0].rows.z

    @property
    def centre(self) -> Tensor:
        """The part of every prediction that depends on no particular row, ``(C,)``."""
        return self._mean([member.centre for member in self.members])

    def predict(self, z: Tensor) -> Tensor:
        """Return predictions ``(B, C)`` for ``z (B, n)``."""
        z = self._coordinates(z)
        return self._mean([member.predict(z) for member in self.members])

    def probabilities(self, z: Tensor) -> Tensor:
        """Return probabilities of the classes, ``(B, C)``."""
        return self.to_probabilities(self.predict(z))

    def to_probabilities(self, predictions: Tensor) -> Tensor:
        """Return probabilities from predictions ``(B, C)``, for instance those of :meth:`leave_one_out`."""
        if self.calibration is None:
            raise UsageError("probabilities: the model was fitted to numbers; use classes")
        return self.calibration.probabilities(predictions)

    def leave_one_out(self) -> Tensor:
        """Return the model's prediction for each stored row without it, metric fixed, ``(N, C)``."""
        return self._mean([member.leave_one_out() for member in self._editable()])

    def predict_without(self, parts: Sequence[tuple[Tensor, Tensor]], z: Tensor) -> Tensor:
        """Return the model's predictions at ``z`` from some of its rows only, metric fixed, ``(N, C)``.

        Parameters
        ----------
        parts
            Places of the known rows, and of the rows of ``z`` to predict from them, int64. Rows that no
            part predicts are NaN.
        z
            Coordinates ``(N, n)``, one for each stored row: its own, or changed ones.
        """
        z, rows = self._coordinates(z), self.members[0].rows
        found = torch.full_like(rows.y, torch.nan)
        for known, asked in parts:
            found[asked] = self.solved_on(known).predict(z[asked]).to(found)
        return found

    def solved_on(self, known: Tensor) -> TableModel:
        """Return the model with some of the rows only, metric fixed."""
        return attrs.evolve(self, members=[member.solved_on(known) for member in self.members])

    def learned_on(self, known: Tensor) -> TableModel:
        """Return a model of some of the rows, with metrics of these rows and the same settings."""
        generator, metrics = torch.Generator().manual_seed(0), Metrics()
        return attrs.evolve(
            self, members=[member.learned_on(known, generator, metrics) for member in self.members]
        )

    def solved_at(self, z: Tensor) -> TableModel:
        """Return the model with other coordinates ``z (N, n)`` of its rows, metric fixed."""
        return attrs.evolve(self, members=[member.solved_at(z) for member in self.members])

    def _repr_html_(self) -> str:
        from lior_tables.notebook import model_html

        return model_html(self)

    # --- editing ---

    def learn(self, z: Tensor, y: Tensor, weights: Tensor | None = None) -> None:
        """Add rows ``z (B, n)``, ``y (B, C)``: as if fitted with them, metric and settings fixed.

        Raises
        ------
        UsageError
            When the shapes do not fit the model, or a number is not finite.
        """
        _check(z, y, weights)
        if y.shape[1] != len(self.units.output):
            raise UsageError(f"y has {y.shape[1]} columns: the model was fitted to {len(self.units.output)}")
        self._coordinates(z)
        members = self._editable()
        old = members[0].rows
        new = _rows(z, y, weights, self.units).to(old.z)
        for member in members:
            member.learn(new, old.with_more(new))
        self.members = members

    def forget(self, rows: Tensor) -> None:
        """Remove stored rows by their index, int64 ``(B,)``; the others keep their order.

        Values and centre become exactly those of a fit without the rows. The metric, the settings, the
        knots and centres of functions and the statistics of a resilience source still depend on them.

        Raises
        ------
        UsageError
            When an index is out of range or given twice, or no row would remain.
        """
        rows = torch.as_tensor(rows, dtype=torch.int64).reshape(-1).to(self.members[0].rows.z.device)
        if len(rows) and not bool(((rows >= 0) & (rows < self.rows)).all()):
            raise UsageError(f"rows to forget: allowed are 0 to {self.rows - 1}")
        if len(rows.unique()) != len(rows):
            raise UsageError("rows to forget: one of them is given twice")
        if len(rows) >= self.rows:
            raise UsageError("all rows would be forgotten: keep at least one, or fit anew")
        kept = torch.ones(self.rows, dtype=torch.bool, device=rows.device)
        kept[rows] = False
        members = self._editable()
        stay = members[0].rows.take(kept)
        for member in members:
            member.forget(rows, stay)
        self.members = members

    def _editable(self) -> list[Member | Large]:
        """Return the members in the precision of edits: float64, unless that is too large."""
        stored = self.members[0].rows
        exact = stored.z.dtype == torch.float64
        if exact or len(stored.z) > min(self.options.exact_rows, EXACT_ROWS):
            return self.members
        if self._exact is None or len(self._exact[0].rows.z) != len(stored.z):
            rows = stored.to(torch.float64)
            self._exact = [member.to(rows) for member in self.members]
        return self._exact

    # --- saving ---

    def snapshot(self) -> tuple[State, dict[str, Any]]:
        """Return all tensors, and the rest as JSON; :meth:`restore` takes them."""
        rows = self.members[0].rows
        tensors: State = {**add_prefix("rows", rows._asdict()), **add_prefix("units", self.units._asdict())}
        described = []
        for index, member in enumerate(self.members):
            state, meta = snapshots.member_as_snapshot(member)
            tensors |= add_prefix(f"member{index}", state)
            described.append(meta)
        meta = {
            "format": snapshots.FORMAT,
            "options": snapshots.options_as_meta(self.options),
            "classes": self.classes,
            "calibration": self.calibration and attrs.asdict(self.calibration),
            "weights": self.member_weights,
            "members": described,
        }
        return snapshots.contiguous(tensors), meta

    @classmethod
    def restore(cls, tensors: State, meta: dict[str, Any]) -> TableModel:
        """Return the model of a snapshot, which predicts the same to the last bit.

        Raises
        ------
        UsageError
            When the snapshot has another format, or its parts do not fit.
        """
        if meta.get("format") != snapshots.FORMAT:
            known, given = snapshots.FORMAT, meta.get("format")
            raise UsageError(f"a model of format {given!r}: this lior-tables reads {known}; fit it again")
        rows, units = Rows(**sub(tensors, "rows")), Units(**sub(tensors, "units"))
        options = snapshots.options_from_meta(meta["options"])
        members = [
            snapshots.member_from_snapshot(sub(tensors, f"member{index}"), each, rows)
            for index, each in enumerate(meta["members"])
        ]
        return cls(
            options=options,
            members=members,
            member_weights=list(meta["weights"]),
            units=units,
            classes=meta["classes"],
            calibration=meta["calibration"] and Calibration(**meta["calibration"]),
        )

    # --- the learned function ---

    def influence(self, z: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Yield weights of the stored outputs, blocks ``(B', N)`` with their rows of ``z``.

        A prediction is ``centre + Σ_i w_i (y_i − centre)`` with :attr:`centre`, the weighted mean of the
        outputs. There are several exact ways to divide a prediction among rows. This is the readable one:
        products of kernels and values nearly cancel, these weights hardly do.
        """
        z = self._coordinates(z)
        members = self._editable()
        for block in blocks(len(z), self.rows):
            here = z[block].to(members[0].rows.z)
            parts = [w * m.influence(here) for w, m in zip(self.member_weights, members, strict=True)]
            yield block, torch.stack(parts).sum(0)

    def directions(self) -> tuple[Tensor, Tensor]:
        """Return eigenvalues ``(n,)`` of the mean metric, largest first, and eigenvectors ``(n, n)`` in
        columns.

        Each metric counts with trace 1; float64.
        """
        members = zip(self.member_weights, self.members, strict=True)
        blended = torch.stack([share * member.kernel.metric.cpu() for share, member in members]).sum(0)
        values, vectors = torch.linalg.eigh(blended)
        return values.flip(0), vectors.flip(1)

    def _mean(self, parts: list[Tensor]) -> Tensor:
        """Return the weighted mean of the members' values, in units of the outputs."""
        total = sum(share * part for share, part in zip(self.member_weights, parts, strict=True))
        assert isinstance(total, Tensor)
        return total * self.units.output.to(total)

    def _coordinates(self, z: Tensor) -> Tensor:
        stored = self.members[0].rows.z
        z = pad(z.to(stored))
        if z.ndim != 2 or z.shape[1] != stored.shape[1]:
            raise UsageError(f"z has shape {tuple(z.shape)}: the model was fitted to (N, {stored.shape[1]})")
        return z


def _in_precision(members: list[Member | Large]) -> list[Member | Large]:
    """Return members in float32, or in float64 where float32 rounds their predictions too much."""
    plain = [member for member in members if isinstance(member, Member)]
    rows = members[0].rows
    single = rows.z.dtype == torch.float32 and len(rows.z) <= _PRECISE_ROWS
    if single and any(member.rounding() > _ROUNDING for member in plain):
        rows = rows.to(torch.float64)
        return [member.to(rows) for member in members]
    return members


def pad(z: Tensor) -> Tensor:
    """Pad ``z (N, n)`` with columns of zeros to the two that a metric needs."""
    missing = max(0, 2 - z.shape[1]) if z.ndim == 2 else 0
    return torch.cat([z, z.new_zeros(len(z), missing)], dim=1) if missing else z


def _ones(weights: Tensor | None, y: Tensor) -> Tensor:
    return torch.ones_like(y[:, 0], dtype=torch.float64) if weights is None else weights.double()


def _rows(z: Tensor, y: Tensor, weights: Tensor | None, units: Units) -> Rows:
    """Return rows in the units of a model; outputs and weights in float64."""
    return Rows(pad(z), y.double() / units.output.to(y.device), _ones(weights, y) / units.weight)


def _unit(y: Tensor, classes: bool) -> Tensor:
    """Return each output's unit, ``(C,)`` float64: its standard deviation, or 1 for classes and constants."""
    if classes or len(y) < 2:
        return torch.ones_like(y[0], dtype=torch.float64)
    spread = y.double().std(0, correction=0)
    return torch.where(spread > 0, spread, torch.ones_like(spread))


def _check(z: Tensor, y: Tensor, weights: Tensor | None) -> None:
    if z.ndim != 2 or y.ndim != 2 or len(z) != len(y) or not len(z):
        raise UsageError(
            f"z {tuple(z.shape)} and y {tuple(y.shape)}: give (N, n) and (N, C) of the same N >= 1"
        )
    for name, value in (("z", z), ("y", y), ("weights", weights)):
        if value is not None and not bool(torch.isfinite(value).all()):
            raise UsageError(f"{name} has numbers that are not finite")
    if weights is not None and (weights.shape != z.shape[:1] or not bool((weights > 0).all())):
        raise UsageError("weights: give one number above 0 for each row, and leave out rows of weight 0")
