"""Pictures and arrays from files, as a table: a row for each, named by its file, a column for each pixel.

Pictures need Pillow (the extra ``images``); ``.npy`` and ``.npz`` do not. An array is ``(H, W)``,
``(H, W, C)`` of at most 4 components, a video ``(T, H, W)`` or ``(T, H, W, C)``, whose frames are components.
"""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.nn import functional

from lior.errors import DataError, MissingPackage, UsageError, install_hint
from lior_tables.rows import ColumnNote, no_column

FILE, FOLDER = "file", "folder"
"""Columns of a folder of pictures: the file, and its folder, which is its class."""
NO_PILLOW = f"pictures need the package Pillow: {install_hint('images')}"
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
_ARRAYS = (".npy", ".npz")
_SHOWN = 5
"""Maximum number of bad files that are named."""
_THUMBNAIL = 96
"""Size of a picture on a page along the longer side, in pixels."""

Field = NDArray[np.float32]


def holds(path: Path) -> bool:
    """Return whether a path is a folder, a picture or an array."""
    return path.is_dir() or path.suffix.lower() in _PICTURES + _ARRAYS


def pixels(shape: tuple[int, ...]) -> list[str]:
    """Return the names of the columns of pixels."""
    return [f"pixel {i}" for i in range(math.prod(shape))]


def read(
    path: Path,
    column: str = "",
    *,
    listed: pd.DataFrame | None = None,
    shape: tuple[int, ...] = (),
    size: int = 32,
) -> pd.DataFrame:
    """Return the pictures of a folder, a file, or a list, with the columns of :func:`pixels` last.

    Files that cannot be read, or do not fit the others, are left out with a note that names them.
    ``attrs`` of the frame have ``pictures`` (the column of names), ``shape`` and ``skipped`` (reasons).

    Parameters
    ----------
    path
        A folder (its sub-folders are classes, in the column ``folder``), a picture, an array, or the file
        of ``listed``.
    column
        Column of ``listed`` that names files, relative to the folder of ``path``.
    shape
        ``(H, W, C)`` of a model. Without it: the shape of the pictures, if they share one of at most
        ``size`` pixels along an axis, else ``(size, size, C)``.

    Raises
    ------
    DataError
        When there is no picture that can be read.
    MissingPackage
        For pictures without Pillow.
    """
    size = max(shape[:2]) if shape else size
    named = column or FILE
    fields, rows, skipped = _load_all(_places(path, column, listed), named, size)
    if fields:
        shape = shape or _common(fields, size)
        fit = [_fits(field, shape) for field in fields]
        loaded = list(zip(fields, rows, fit, strict=True))
        skipped += [f"{row[named]}: {_misfit(field, shape)}" for field, row, fits in loaded if not fits]
        fields, rows = [_shape(each, shape) for each in compress(fields, fit)], [*compress(rows, fit)]
    if skipped:
        warnings.warn(_note(skipped, len(fields)), ColumnNote, stacklevel=2)
    if not fields:
        raise DataError(
            f"{path}: no picture or array that can be read" + "".join(f" ({each})" for each in skipped[:1])
        )
    flat = np.stack([field.reshape(-1) for field in fields]).astype(float)
    frame = pd.concat([pd.DataFrame(rows), pd.DataFrame(flat, columns=pixels(shape))], axis=1)
    frame.attrs = {"pictures": named, "shape": tuple(shape), "skipped": skipped}
    return frame


def _load_all(
    places: Iterator[tuple[Path, dict[str, Any]]], named: str, size: int
) -> tuple[list[Field], list[dict[str, Any]], list[str]]:
    """Return fields of at most ``size`` along an axis, their rows, and why files could not be read.

    ``named`` is the column of names.
    """
    fields: list[Field] = []
    rows: list[dict[str, Any]] = []
    skipped: list[str] = []
    for place, row in places:
        try:
            for name, field in _load(place):
                fields.append(_resize(field, size))
                rows.append(row | {named: row[named] + name})
        except (OSError, ValueError, TypeError, SyntaxError, EOFError, Warning) as error:
            cause = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
            skipped.append(f"{row[named]}: {cause.replace(f' {str(place)!r}', '')}")
    return fields, rows, skipped


def _note(skipped: list[str], count: int) -> str:
    more = f", and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
    files = f"{len(skipped)} file{'s' * (len(skipped) != 1)} skipped"
    return f"{files}, {count} read: {'; '.join(skipped[:_SHOWN])}{more}"


def _places(path: Path, column: str, listed: pd.DataFrame | None) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the files with their rows."""
    if listed is not None:
        if column not in listed:
            raise UsageError(f"{path}: {no_column(column, list(listed), ', which names the pictures')}")
        for row in listed.to_dict("records"):
            row[column] = str(row[column])
            yield path.parent / row[column], row
    elif not path.is_dir():
        yield path, {FILE: path.name}
    else:
        files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        inside = [file.relative_to(path) for file in files]
        deep = any(len(each.parts) > 1 for each in inside)
        for file, each in zip(files, inside, strict=True):
            folder = {FOLDER: each.parts[0] if len(each.parts) > 1 else None} if deep else {}
            yield file, {FILE: each.as_posix()} | folder


def _load(path: Path) -> Iterator[tuple[str, Field]]:
    """Yield the arrays of a file ``(H, W, C)``, each with a suffix to the file's name."""
    kind = path.suffix.lower()
    if kind == ".npy":
        yield "", _field(np.load(path, allow_pickle=False))
    elif kind == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            several = len(stored.files) > 1
            # All before the first: a truncated file yields none.
            yield from [(f":{name}" * several, _field(stored[name])) for name in stored.files]
    elif kind in _PICTURES:
        yield "", _field(_decode(path))
    else:
        raise ValueError(f"no picture or array (known are {' '.join(_PICTURES + _ARRAYS)})")


def _pillow() -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingPackage(NO_PILLOW) from error
    return Image


def _decode(path: Path) -> NDArray[Any]:
    library = _pillow()
    from PIL import ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("error", library.DecompressionBombWarning)
        try:
            with library.open(path) as opened:
                picture = ImageOps.exif_transpose(opened)
                plain = {"1": "L", "LA": "L", "L": "", "I": "", "I;16": "", "F": "", "RGB": ""}
                mode = plain.get(picture.mode, "RGB")
                return np.asarray(picture.convert(mode) if mode else picture)
        except library.DecompressionBombError as error:
            raise ValueError(str(error)) from error


def _field(array: NDArray[Any]) -> Field:
    if array.dtype.kind not in "biuf" or not 2 <= array.ndim <= 4 or not array.size:
        raise ValueError(f"array of {array.dtype} {array.shape}; allowed are numbers of 2 to 4 axes")
    found = array.astype(np.float32)
    if not np.isfinite(found).all():
        raise ValueError("some numbers are not finite")
    if (found.ndim == 3 and found.shape[2] > 4) or found.ndim == 4:
        found = np.moveaxis(found, 0, 2)
    return found.reshape(*found.shape[:2], -1)


def _resize(field: Field, size: int, to: tuple[int, int] | None = None) -> Field:
    """Resize to at most ``size`` pixels along an axis, or to the given height and width."""
    height, width = field.shape[:2]
    if to is None:
        by = min(1.0, size / max(height, width))
        to = max(1, round(height * by)), max(1, round(width * by))
    if to == (height, width):
        return field
    tensor = torch.from_numpy(np.ascontiguousarray(field)).movedim(-1, 0)[None]
    found = functional.interpolate(tensor, to, mode="bilinear", antialias=True, align_corners=False)
    return found[0].movedim(0, -1).numpy()


def _common(fields: list[Field], size: int) -> tuple[int, int, int]:
    sizes = {field.shape[:2] for field in fields}
    components = Counter(field.shape[2] for field in fields).most_common(1)[0][0]
    height, width = sizes.pop() if len(sizes) == 1 else (size, size)
    return height, width, components


def _fits(field: Field, shape: tuple[int, ...]) -> bool:
    return field.shape[2] == shape[2] or {field.shape[2], shape[2]} <= {1, 3}


def _misfit(field: Field, shape: tuple[int, ...]) -> str:
    return f"{field.shape[2]} components or frames, where the others have {shape[2]}"


def _shape(field: Field, shape: tuple[int, ...]) -> Field:
    """Fit the picture to the others' height, width and components; grey becomes equal colour components."""
    field = _resize(field, max(shape[:2]), (shape[0], shape[1]))
    if field.shape[2] == shape[2]:
        return field
    return np.repeat(field, shape[2], 2) if field.shape[2] == 1 else field.mean(2, keepdims=True)


# --- looking ---


def thumbnails(shape: tuple[int, ...]) -> Callable[[Any], str]:
    """Return a function from the numbers of a row to a PNG in base64, scaled between minimum and maximum; a
    video shows its first frame.

    Raises
    ------
    MissingPackage
        Without Pillow.
    """
    library = _pillow()

    def drawn(values: Any) -> str:
        field = np.asarray(values, dtype=float).reshape(shape)
        field = field if shape[2] == 3 else field[:, :, :1].repeat(3, 2)
        low, high = field.min(), field.max()
        top = 255 if low >= 0 and 64 < high <= 255 else high  # pictures of 8 bits keep their brightness
        low = 0 if top == 255 else low
        grey = ((field - low) / ((top - low) or 1) * 255).round().astype(np.uint8)
        by = max(1, _THUMBNAIL // max(shape[:2]))
        stream = io.BytesIO()
        library.fromarray(grey.repeat(by, 0).repeat(by, 1)).save(stream, "PNG")
        return base64.b64encode(stream.getvalue()).decode()

    return drawn
