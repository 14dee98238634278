"""Photographs in files: all are judged, then each is corrected or copied, and the outcome is reported.

Several are worked on at once, in threads: decoding, resampling and encoding run outside of Python's lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import attrs
import cv2

from lior.errors import LiorError, MissingPackage
from lior_lens import estimating, images, profiles, sheets
from lior_lens.arcs import LONG_SIDE
from lior_lens.estimating import Estimate, Safe
from lior_lens.geometry import Size
from lior_lens.images import Photo
from lior_lens.placing import Found, Places, find
from lior_lens.sheets import Picture
from lior_lens.warp import resample

STATUSES = ("corrected", "left alone", "skipped", "failed")
_MEMORY_USED = 0.7
"""Share of the memory that is free which photographs that are worked on at once may need."""
A = TypeVar("A")
B = TypeVar("B")


@attrs.frozen(kw_only=True)
class Options:
    """How photographs are corrected."""

    frame: str = "crop"
    quality: int = 95
    always: bool = False
    """Correct even where the verdict is not sure."""
    profile: bool = True
    """Ask lensfun's profiles, where lensfunpy is installed."""
    lens: Path | None = None
    """A lens for all photographs."""
    replace: bool = False
    """Write over results of an earlier run."""
    cards: bool = False
    """Keep a small picture of each photograph before and after."""
    copy_unsure: bool = True
    """Copy a photograph that is left alone, so that the folder is complete."""
    jobs: int = 0
    """Photographs that are worked on at once; 0 stands for as many as there are processors."""


@attrs.frozen(kw_only=True)
class CorrectionOutcome:
    """The outcome of one file."""

    path: Path
    out: Path | None
    status: str
    """One of :data:`STATUSES`."""
    words: str
    estimate: Estimate | None = None
    size: Size | None = None
    """Upright, in pixels."""
    numbers: dict[str, Any] = attrs.field(factory=dict)
    card: sheets.Card | None = None

    def line(self) -> str:
        """The outcome in a line."""
        where = "" if self.out is None else f" -> {self.out}"
        return f"{self.path}{where}: {self.status}: {self.words}"


Judge = Callable[[Path, Photo], Estimate]
"""The judge of a photograph, which may be reduced, but to no less than ``LONG_SIDE``."""


@attrs.frozen(kw_only=True)
class Judged:
    """A photograph of which is known what is to be done."""

    found: Found
    estimate: Estimate
    size: Size
    """Upright, in pixels."""
    format: str
    """Pillow's name of the kind of file."""
    need: int
    """Bytes of memory while it is corrected."""


def correct(
    sources: Sequence[Path],
    places: Places,
    options: Options,
    judge: Judge,
    *,
    pool: Callable[[Sequence[Judged]], Sequence[Judged]] = lambda judged: judged,
    progress: Callable[[int, int], None] = lambda done, all: None,
) -> Iterator[CorrectionOutcome]:
    """Correct photographs and folders of them; a bad file does not stop the others.

    Parameters
    ----------
    pool
        What is said of all photographs once each is judged alone (:func:`lior_lens.pooling.pool`).
    progress
        Told how many photographs of how many are judged.

    Raises ``DataError`` when there is nothing to correct or the folder cannot be written.
    """
    found = find(sources, places.folder)
    places.prepare(found)
    todo = [each for each in found if not each.why_not]
    jobs = min(options.jobs or os.cpu_count() or 1, len(todo))
    threads = cv2.getNumThreads()
    if jobs > 1:
        cv2.setNumThreads(1)
    room = _Room()
    try:
        judged: dict[Path, Judged | CorrectionOutcome] = {}
        for each in _together(lambda item: _try_out(item, _judge, item, judge), todo, jobs):
            judged[each.path if isinstance(each, CorrectionOutcome) else each.found.path] = each
            progress(len(judged), len(todo))
        alone = [each for each in judged.values() if isinstance(each, Judged)]
        judged |= {each.found.path: each for each in pool(alone)}

        def finished(each: Found) -> CorrectionOutcome:
            if each.why_not:
                status = "failed" if each.failed else "skipped"
                return CorrectionOutcome(path=each.path, out=None, status=status, words=each.why_not)
            said = judged.pop(each.path)
            if isinstance(said, CorrectionOutcome):
                return said
            with room.of(said.need):
                return _try_out(each, _apply, said, places, options)

        yield from _together(finished, found, jobs)
    finally:
        cv2.setNumThreads(threads)


def _together(function: Callable[[A], B], items: Sequence[A], jobs: int) -> Iterator[B]:
    """Results in the order of the items; what has not begun is dropped when the caller stops."""
    pool = ThreadPoolExecutor(max_workers=max(1, jobs))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)


def _try_out(found: Found, function: Callable[..., B], *arguments: Any) -> B | CorrectionOutcome:
    try:
        return function(*arguments)
    except LiorError as error:
        words = str(error).removeprefix(f"{found.path}: ")
    except MemoryError:
        words = "too large for the memory that is free"
    return CorrectionOutcome(path=found.path, out=None, status="failed", words=words)


class _Room:
    """Memory for photographs that are corrected at once; one alone always has room."""

    def __init__(self) -> None:
        free = images.free_memory()
        self._limit = float("inf") if free is None else _MEMORY_USED * free
        self._used = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def of(self, need: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + need <= self._limit)
            self._used += need
        try:
            yield
        finally:
            with self._changed:
                self._used -= need
                self._changed.notify_all()


def _judge(found: Found, judge: Judge) -> Judged:
    photo = images.read(found.path, least=LONG_SIDE)
    return Judged(
        found=found,
        estimate=judge(found.path, photo),
        size=photo.size,
        format=photo.format,
        need=photo.memory,
    )


def _apply(judged: Judged, places: Places, options: Options) -> CorrectionOutcome:
    """Correct a photograph, or leave it alone."""
    said, path = judged.estimate, judged.found.path
    used: Safe | None = None
    if (said.sure or options.always) and not said.lens.is_identity:
        used = estimating.safe(said.careful, judged.size, flow=said.flow, frame=options.frame)
        if used.correction.is_identity:
            said = attrs.evolve(said, words=f"{said.words}; nothing of it is safe to use")
    if used is None or used.correction.is_identity:
        return _left_alone(attrs.evolve(judged, estimate=said), places, options)
    photo = images.read(path)
    target = places.place(judged.found, images.name(photo, path), replace=options.replace)
    pixels = images.turn(photo.pixels, photo.orientation)
    fixed = resample(pixels, used.correction)
    del pixels
    lost = images.write(target, photo, images.turn_back(fixed, photo.orientation), quality=options.quality)
    after = attrs.evolve(photo, pixels=fixed, orientation=1)
    safety = "" if used.how == "as it is" else f" ({used.how})"
    note = f"; {lost}" if lost else ""
    more = {
        "safety": used.how,
        "zoom": used.correction.lens.scale,
        "mean_shift_px": estimating.mean_shift(used.correction),
    }
    card = sheets.card(photo.upright(), after.upright(), used.correction) if options.cards else None
    return _outcome(judged, target, "corrected", f"{said.words}{safety}{note}", card, more)


def _left_alone(judged: Judged, places: Places, options: Options) -> CorrectionOutcome:
    """Copy the file byte by byte; only where OUT names another kind of file is it coded anew."""
    path, target, how = judged.found.path, None, "not copied"
    if options.copy_unsure:
        target = places.place(judged.found, judged.found.inside.name, replace=options.replace)
        if places.named and images.format_of(target) != judged.format:
            photo = images.read(path)
            lost = images.write(target, photo, photo.pixels, quality=options.quality)
            how = "written as another kind of file" + (f"; {lost}" if lost else "")
        else:
            images.copy(path, target)
            how = "copied"
    card = None
    if options.cards:
        card = sheets.card(images.read(path, least=sheets.WIDTH).upright())
    return _outcome(judged, target, "left alone", f"{judged.estimate.words}; {how}", card, {})


def _outcome(
    judged: Judged,
    out: Path | None,
    status: str,
    words: str,
    card: sheets.Card | None,
    more: dict[str, Any],
) -> CorrectionOutcome:
    """Return the outcome of a judged photograph, with the numbers of its judgement and ``more``."""
    said = judged.estimate
    numbers: dict[str, Any] = {
        "how": said.how,
        "size": [judged.size.width, judged.size.height],
        "lens": said.careful.table(),  # what the corrected picture was made with
        "estimate": said.lens.table(),
    }
    if said.verdict is not None:
        numbers |= {
            "strength": said.verdict.strength,
            "spread": said.verdict.spread,
            "share": said.share if status == "corrected" else 0.0,
            "edges": said.verdict.arcs,
            "photographs": said.photographs,
        }
    return CorrectionOutcome(
        path=judged.found.path,
        out=out,
        status=status,
        words=words,
        estimate=said,
        size=judged.size,
        numbers=numbers | more,
        card=card,
    )


def summary(outcomes: Sequence[CorrectionOutcome]) -> str:
    """Return the number of files with each status, in one line."""
    counts = {status: sum(each.status == status for each in outcomes) for status in STATUSES}
    return f"{len(outcomes)} files: " + ", ".join(f"{n} {status}" for status, n in counts.items() if n)


def judge(options: Options, ask: Callable[[Picture], Estimate]) -> Judge:
    """Return the judge of a photograph: the given lens, the profile for its EXIF, or ``ask``."""

    def judged(path: Path, photo: Photo) -> Estimate:
        if options.lens is not None:
            exif = profiles.exif_of(path)
            crop = profiles.crop_of(exif)
            lens = profiles.read_lens(options.lens, photo.size, focal=exif.get("focal"), crop=crop)
            return Estimate(lens=lens, how="given", words=f"lens of {options.lens}")
        if options.profile:
            with contextlib.suppress(MissingPackage):
                found = profiles.by_exif(path, photo.size)
                if found is not None:
                    return Estimate(lens=found[0], how="profile", words=f"profile of {found[1]}")
        return ask(photo.upright())

    return judged
