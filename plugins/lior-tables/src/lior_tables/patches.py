"""From pictures to coordinates: responses of small filters, rectified, pooled on a grid, and reduced.

Every patch of ``5 × 5`` sites is centred and divided by its contrast. ``patches`` are filters drawn from
the training pictures and whitened (A. Coates and A. Y. Ng, *The importance of encoding versus training with
sparse coding and vector quantization*, 2011); ``derivatives`` are the least-squares filters of lior-field.
Responses of either sign are averaged over a grid, which preserves where they are. ``pixels`` is the
control: the unchanged picture. The principal directions of the training pictures are the coordinates in
which a metric is learned.
"""

from __future__ import annotations

import math

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from lior.errors import MissingPackage, UsageError, install_hint
from lior.interfaces import State
from lior_tables.rows import Floats

KINDS = ("patches", "derivatives", "pixels")
_SIDE, _FILTERS, _GRID, _COORDINATES = 5, 100, 3, 128
"""Sites of a patch along an axis, filters drawn, grid fields along an axis, and maximum coordinates."""
_THRESHOLD = 0.5
"""Response threshold of a drawn filter."""
_CONTRAST, _WHITE = 0.01, 0.1
"""Constants added to the variance of a patch, and of patch directions, relative to the mean variance."""
_SAMPLE, _BATCH = 20_000, 64
"""Number of patches for statistics, and of pictures processed at once."""


@attrs.frozen(eq=False, kw_only=True)
class Patches:
    """A map from rows of pixels to coordinates, in place of :class:`lior_tables.columns.Columns`."""

    shape: tuple[int, int, int]
    """Height, width, components."""
    threshold: float
    """Subtracted from the size of each response; negative for ``pixels``, which have no filters."""
    unit: Tensor
    """Variance of the pixels, a scalar."""
    filters: Tensor
    """``(C·25, F)`` float32, the last site of a patch running fastest."""
    shift: Tensor
    """Subtracted from responses, ``(F,)``."""
    mean: Tensor
    """Mean of the pooled responses of the training pictures, ``(D,)``."""
    directions: Tensor
    """Principal directions divided by the deviations, ``(D, n)``; the first coordinate has variance 1."""

    @classmethod
    def fit(
        cls, rows: Floats, shape: tuple[int, ...], kind: str, generator: Generator
    ) -> tuple[Patches, Floats]:
        """Learn the map from pictures ``(N, H·W·C)``; returns it with their coordinates ``(N, n)``.

        Raises
        ------
        UsageError
            For an unknown kind, or a shape ``(H, W, C)`` that does not fit the rows.
        MissingPackage
            For derivatives without lior-field.
        """
        if kind not in KINDS:
            raise UsageError(f"features {kind!r}: allowed are {', '.join(KINDS)}")
        size = _check(rows, shape)
        fields = _fields(rows, size)
        unit = fields.var().clamp_min(1e-12)
        filters, shift = _filters(kind, fields, unit, generator)
        threshold = {"patches": _THRESHOLD, "derivatives": 0.0, "pixels": -1.0}[kind]
        empty = torch.zeros(0)
        raw = cls(
            shape=size,
            threshold=threshold,
            unit=unit,
            filters=filters,
            shift=shift,
            mean=empty,
            directions=empty,
        )
        pooled = raw._pooled(fields).double()
        mean, deviation = pooled.mean(0), pooled.std(0, correction=0)
        used = deviation > 1e-6 * deviation.max().clamp_min(1e-12)
        scale = torch.where(used, deviation, torch.inf)
        directions = _principal((pooled - mean) / scale) / scale[:, None]
        found = attrs.evolve(raw, mean=mean, directions=directions)
        return found, ((pooled - mean) @ directions).numpy()

    def encode(self, rows: Floats) -> Floats:
        """Return coordinates ``(N, n)`` of pictures ``(N, H·W·C)``; ``ValueError`` for a missing number."""
        _check(rows, self.shape)
        pooled = self._pooled(_fields(rows, self.shape)).double()
        found: Floats = ((pooled - self.mean) @ self.directions).numpy()
        return found

    @property
    def origins(self) -> NDArray[np.int64]:
        """-1 for each coordinate: none belongs to one pixel."""
        return np.full(self.directions.shape[1], -1, dtype=np.int64)

    def snapshot(self) -> State:
        """Return everything as tensors."""
        numbers = {"shape": torch.tensor(self.shape), "threshold": torch.tensor(self.threshold)}
        return numbers | {name: getattr(self, name).contiguous() for name in _TENSORS}

    @classmethod
    def restore(cls, state: State) -> Patches:
        """Return the map of a snapshot."""
        height, width, components = state["shape"].tolist()
        return cls(
            shape=(height, width, components),
            threshold=float(state["threshold"]),
            **{name: state[name] for name in _TENSORS},
        )

    def _pooled(self, fields: Tensor) -> Tensor:
        """Return pooled responses ``(N, D)`` of fields ``(N, C, H, W)``, by place."""
        if self.threshold < 0:
            return fields.flatten(1)
        return torch.cat([self._responses(batch) for batch in fields.split(_BATCH)])

    def _responses(self, fields: Tensor) -> Tensor:
        windows = _windows(fields)
        said = (_normalise(windows, self.unit) @ self.filters - self.shift).movedim(-1, 1)
        both = torch.cat([said, -said], 1).sub_(self.threshold).clamp_(min=0)
        return functional.adaptive_avg_pool2d(both, _GRID).flatten(1)


_TENSORS = ("unit", "filters", "shift", "mean", "directions")


def _check(rows: Floats, shape: tuple[int, ...]) -> tuple[int, int, int]:
    if len(shape) != 3 or min(shape) < 1 or math.prod(shape) != rows.shape[1]:
        raise UsageError(
            f"shape {tuple(shape)}: allowed are height, width and components of a row of "
            f"{rows.shape[1]} numbers"
        )
    if not np.isfinite(rows).all():
        raise ValueError("a picture has missing numbers; leave it out")
    return int(shape[0]), int(shape[1]), int(shape[2])


def _fields(rows: Floats, shape: tuple[int, int, int]) -> Tensor:
    return torch.from_numpy(np.array(rows, dtype=np.float32)).reshape(-1, *shape).movedim(-1, 1)


def _windows(fields: Tensor) -> Tensor:
    """Return all patches, ``(N, H, W, C·25)``; a picture is padded with zeros."""
    around = functional.pad(fields, [_SIDE // 2] * 4)
    return around.unfold(2, _SIDE, 1).unfold(3, _SIDE, 1).movedim(1, 3).flatten(3)


def _normalise(windows: Tensor, unit: Tensor) -> Tensor:
    spread = (windows.var(-1, keepdim=True) + _CONTRAST * unit).sqrt()
    return (windows - windows.mean(-1, keepdim=True)) / spread


def _filters(kind: str, fields: Tensor, unit: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    if kind == "pixels":
        return torch.zeros(0, 0), torch.zeros(0)
    if kind == "derivatives":
        try:
            from lior_field.images import observables
        except ModuleNotFoundError as error:
            raise MissingPackage(f"derivatives need lior-field: {install_hint('field')}") from error
        slopes = observables((_SIDE, _SIDE))[1:].float()
        slopes = slopes / slopes.norm(dim=1, keepdim=True)
        found = torch.block_diag(*[slopes.T] * fields.shape[1])
        return found, torch.zeros(found.shape[1])
    few = fields[torch.randperm(len(fields), generator=generator)[: max(_SAMPLE // fields[0, 0].numel(), 64)]]
    windows = _normalise(_windows(few), unit).flatten(0, 2).double()
    windows = windows[torch.randperm(len(windows), generator=generator)[:_SAMPLE]]
    mean = windows.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(windows.T))
    white = (vectors * (values.clamp_min(0) + _WHITE * values.mean() + 1e-12).rsqrt()) @ vectors.T
    drawn = (windows - mean)[torch.randperm(len(windows), generator=generator)[:_FILTERS]] @ white
    filters = white @ functional.normalize(drawn, dim=1).T
    return filters.float(), (mean @ filters).float()


def _principal(centred: Tensor) -> Tensor:
    """Return the principal directions of ``(N, D)``, ``(D, n)``, in units of the first deviation."""
    wide = centred.shape[0] < centred.shape[1]
    values, vectors = torch.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    kept = values > 1e-9 * values[-1].clamp_min(1e-12)
    values, vectors = values[kept].flip(0)[:_COORDINATES], vectors[:, kept].flip(1)[:, :_COORDINATES]
    if not len(values):
        raise ValueError("all pictures are the same")
    found = centred.T @ vectors / values.sqrt() if wide else vectors
    found = found / (values[0] / len(centred)).sqrt()
    return functional.pad(found, (0, max(0, 2 - found.shape[1])))  # a metric needs two
