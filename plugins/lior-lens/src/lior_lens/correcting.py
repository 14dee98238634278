"""Folders of photographs: what is corrected, under which name, and what is said of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from lior.errors import DataError, LiorError, MissingPackage, UsageError
from lior_lens import estimating, images, profiles, sheets
from lior_lens.data import SUFFIXES
from lior_lens.estimating import Estimate, Safe
from lior_lens.geometry import Size
from lior_lens.warp import resample

ANY = SUFFIXES | images.RAW | {".gif", ".heic", ".jp2"}
"""Endings of the files of a folder that are looked at; those that cannot be read get their line."""


@attrs.frozen(kw_only=True)
class Options:
    """How photographs are corrected."""

    frame: str = "crop"
    interpolation: str = "cubic"
    quality: int = 95
    always: bool = False
    """Correct even where the verdict is not sure."""
    profile: bool = True
    """Ask lensfun's profiles, where lensfunpy is installed."""
    lens: Path | None = None
    """A lens for all photographs."""
    replace: bool = False
    """Write over results of an earlier run."""
    sheets: Path | None = None
    """A folder for pictures of before and after, side by side with edges and grid."""
    copy_unsure: bool = True
    """Copy a photograph that is left alone, so that the folder is complete."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one file."""

    path: Path
    out: Path | None
    status: str
    """``corrected``, ``left alone`` or ``failed``."""
    words: str
    numbers: dict[str, Any] = attrs.field(factory=dict)

    def line(self) -> str:
        """The outcome in a line."""
        return f"{self.path}: {self.status}: {self.words}"


Judge = Callable[[Path, images.Photo], Estimate]


def files(source: Path) -> list[Path]:
    """The photographs of a file or folder; raises ``DataError`` when there is none."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder")
    found = sorted(each for each in source.rglob("*") if each.suffix.lower() in ANY and each.is_file())
    if not found:
        raise DataError(
            f"{source}: no photograph in there ({', '.join(sorted(SUFFIXES))} and raw files are looked for)"
        )
    return found


def place(path: Path, source: Path, out: Path, photo: images.Photo) -> Path:
    """Where a result goes: the same place below ``out``; names keep their endings, so that none meet."""
    if source.is_file() and out.suffix and not out.is_dir():
        return out
    inside = path.relative_to(source) if source.is_dir() else Path(path.name)
    return out / inside.with_name(inside.stem + images.suffix(photo, inside))


def check_places(source: Path, out: Path) -> None:
    """Refuse to write where originals are; raises ``UsageError``."""
    where = out.parent if source.is_file() and out.suffix and not out.is_dir() else out
    if source.is_dir() and out.is_file():
        raise UsageError(f"{out}: a file, perhaps an original; give a folder for the results")
    if source.is_file() and _same(source, out):
        raise UsageError(f"{out}: the original; give another name for the result")
    inside = source if source.is_dir() else source.parent
    if _same(inside, where) and (source.is_dir() or not out.suffix or out.is_dir()):
        raise UsageError(f"{out}: originals are in there, which are never written over; give another folder")


def _same(a: Path, b: Path) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)


def correct(source: Path, out: Path, options: Options, judge: Judge) -> Iterator[Outcome]:
    """Correct a photograph or a folder of them, one after the other; a bad file does not stop the others.

    Raises ``DataError`` when there is nothing to correct or the folder cannot be written; ``UsageError`` when
    results would be written over originals.
    """
    check_places(source, out)
    found = files(source)
    folder = out if source.is_dir() or not out.suffix else out.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from error
    if not os.access(folder, os.W_OK):
        raise DataError(f"{folder}: cannot be written; choose another folder")
    originals = {os.path.realpath(path) for path in found}
    for path in found:
        if folder in path.parents and folder != source:
            continue  # a result folder inside the source
        try:
            yield _one(path, source, out, options, judge, originals)
        except LiorError as error:
            yield Outcome(path=path, out=None, status="failed", words=str(error).removeprefix(f"{path}: "))
        except MemoryError:
            yield Outcome(path=path, out=None, status="failed", words="too large for the memory that is free")


def _one(path: Path, source: Path, out: Path, options: Options, judge: Judge, originals: set[str]) -> Outcome:
    photo = images.read(path)
    target = place(path, source, out, photo)
    if os.path.realpath(target) in originals:
        raise DataError(f"{target} is an original, which is never written over; give another folder")
    if target.exists() and not options.replace:
        raise DataError(f"{target} exists; --replace writes it anew")
    said = judge(path, photo)
    size = Size(width=photo.pixels.shape[1], height=photo.pixels.shape[0])
    upright = Size(width=size.height, height=size.width) if photo.orientation > 4 else size
    used: Safe | None = None
    if (said.sure or options.always) and not said.lens.is_identity:
        used = estimating.safe(said.lens, upright, flow=said.flow, frame=options.frame)
    numbers: dict[str, Any] = {
        "how": said.how, "size": [upright.width, upright.height], "lens": said.lens.table(),
    }  # fmt: skip
    if said.verdict is not None:
        numbers |= {
            "strength": said.verdict.strength, "spread": said.verdict.spread, "edges": said.verdict.arcs,
        }  # fmt: skip
    if used is None or used.correction.is_identity:
        words = said.words if used is None else f"{said.words}; nothing of it is safe to use"
        if options.copy_unsure:
            images.write(target, photo, photo.pixels, quality=options.quality)
        return Outcome(
            path=path, out=target if options.copy_unsure else None, status="left alone", words=words,
            numbers=numbers,
        )  # fmt: skip
    pixels = images.turned(photo.pixels, photo.orientation)
    fixed = resample(pixels, used.correction, interpolation=options.interpolation)
    del pixels
    images.write(target, photo, images.turned_back(fixed, photo.orientation), quality=options.quality)
    if options.sheets is not None:
        shown = sheets.before_after(photo.upright(), used.correction, said.words)
        card = images.Photo(pixels=shown, mode="RGB", format="PNG")
        inside = target.relative_to(out) if out in target.parents else Path(target.name)
        images.write(options.sheets / inside.with_name(f"{inside.name}.png"), card, shown)
    numbers |= {
        "safety": used.how, "zoom": used.correction.lens.scale,
        "mean_shift_px": estimating.mean_shift(used.correction),
    }  # fmt: skip
    safety = "" if used.how == "as it is" else f" ({used.how})"
    return Outcome(path=path, out=target, status="corrected", words=f"{said.words}{safety}", numbers=numbers)


def judge(options: Options, ask: Callable[[np.ndarray[Any, Any]], Estimate]) -> Judge:
    """Who is asked of each photograph: a lens that is given, the profile for its EXIF, or ``ask``."""

    def judged(path: Path, photo: images.Photo) -> Estimate:
        height, width = photo.pixels.shape[:2]
        size = (
            Size(width=width, height=height) if photo.orientation <= 4 else Size(width=height, height=width)
        )
        if options.lens is not None:
            lens = profiles.read_lens(options.lens, size)
            return Estimate(lens=lens, how="given", words=f"lens of {options.lens}")
        if options.profile:
            try:
                found = profiles.by_exif(path, size)
            except MissingPackage:
                found = None
            if found is not None:
                return Estimate(lens=found[0], how="profile", words=f"profile of {found[1]}")
        return ask(photo.upright())

    return judged
