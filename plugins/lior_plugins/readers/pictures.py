"""Pictures of text, recognised by RapidOCR; its models come in the package, and nothing is fetched."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from itertools import pairwise
from math import inf
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import attrs

from lior.errors import DataError, MissingPackage, install_hint
from lior.interfaces import ParsedDocument
from lior.reading.limits import TAKES_ALL, seconds_left
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.opening import damage, library

if TYPE_CHECKING:
    import numpy as np

PACKAGES = ("rapidocr", "onnxruntime")
T = TypeVar("T")
SIDE = 2500
"""The maximum side of a picture in pixels; a larger picture is scaled down."""
_FOUND = 1280
"""The maximum side, in pixels, of the picture in which lines are detected."""
NOTE = "the text was recognised in pictures (OCR); letters may be wrong"
_PIXELS = 100_000_000
_LEAST = 24
"""The minimum side of a picture with text, in pixels; smaller pictures are icons."""
_SURE = 0.7
"""The minimum confidence of a line."""
_LABEL = 20
"""The maximum length, in characters, of a part of a row that is joined with the next, such as "Total" and its
amount; columns of prose are wider.
"""
_ONE_AT_A_TIME = Lock()
_Part = tuple[float, float, float, str]
"""The middle, left side, height and text of a piece of recognised text."""


@attrs.frozen(kw_only=True)
class Pictures:
    """Reader of pictures of text: scans, photographs and screenshots."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (
        *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"),
        *(".heic", ".heif"),
    )
    packages: ClassVar[tuple[str, ...]] = (*PACKAGES, "pillow-heif")
    slow: ClassVar[bool] = True

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "prose" with a place for each page, without uncertain lines."""
        if not can_recognise():
            raise MissingPackage(f"a picture; to have its text recognised: {install_hint('ocr')}")
        image, found = library("PIL.Image", "a picture", "ocr"), Collected()
        if data[4:8] == b"ftyp":  # HEIC, even under another suffix
            library("pillow_heif", "a photograph in HEIC", "heic").register_heif_opener()
        try:
            opened = image.open(BytesIO(data))
        except image.UnidentifiedImageError:  # its message has a memory address
            raise DataError("damaged, or no picture of a known format") from None
        with damage("picture"), opened as picture:
            pages = int(getattr(picture, "n_frames", 1))
            done = 0
            for number in in_time(range(pages)):
                picture.seek(number)
                if picture.width * picture.height > _PIXELS:
                    raise DataError(f"more than {_PIXELS:,} pixels")
                if min(picture.size) >= _LEAST and (lines := recognise(_array(picture))):
                    if pages > 1:
                        found.begin(f"page {number + 1}")
                    found.put("\n".join(lines))
                done = number + 1
        found.notes += [NOTE] * bool(found.text)
        found.notes += [f"only {done} of {pages} pages are recognised; {TAKES_ALL}"] * (done < pages)
        return [found.document("prose")]


def _array(picture: Any) -> np.ndarray:
    """Return the picture upright, scaled down and in colours: uint8 ``(height, width, 3)``, blue first."""
    import numpy as np
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture)
    picture.thumbnail((SIDE, SIDE))
    return np.asarray(picture.convert("RGB"))[:, :, ::-1]


def can_recognise() -> bool:
    """Return whether the packages that recognise text are installed."""
    return all(find_spec(name) for name in PACKAGES)


def in_time(pages: Iterable[T]) -> Iterator[T]:
    """Yield pages until less time is left than the slowest page took."""
    dearest = 0.0
    for page in pages:
        left = seconds_left()
        if left < dearest:
            return
        yield page
        if left < inf:
            dearest = max(dearest, left - seconds_left())


def recognise(picture: np.ndarray) -> list[str]:
    """Return the lines of text in a picture, uint8 ``(height, width, 3)``, from the top to the bottom."""
    import numpy as np

    with _ONE_AT_A_TIME:
        try:
            found = _engine()(picture)
        except Exception as error:  # its message is a whole traceback
            if "bad_alloc" in str(error):
                raise MemoryError from error
            raise DataError(f"its text cannot be recognised ({type(error).__name__})") from error
    if not found.txts:
        return []
    parts = [
        (float(box[:, 1].mean()), float(box[:, 0].min()), float(np.ptp(box[:, 1])), text.strip())
        for box, text, sure in zip(found.boxes, found.txts, found.scores, strict=True)
        if sure >= _SURE and text.strip()
    ]
    return [line for row in _rows(sorted(parts)) for line in _join([text for _, _, _, text in row])]


def _rows(parts: list[_Part]) -> list[list[_Part]]:
    """Return parts beside each other, from the left to the right."""
    rows = list[list[_Part]]()
    for part in parts:
        if rows and part[0] - rows[-1][0][0] < min(part[2], rows[-1][0][2]) / 2:
            rows[-1].append(part)
        else:
            rows.append([part])
    return [sorted(row, key=lambda part: part[1]) for row in rows]


def _join(texts: list[str]) -> list[str]:
    """Return the parts of a row; short ones are joined with their neighbours."""
    lines = texts[:1]
    for before, text in pairwise(texts):
        if min(len(before), len(text)) <= _LABEL:
            lines[-1] += f"  {text}"
        else:
            lines.append(text)
    return lines


@cache
def _engine() -> Any:
    threads = max(1, (os.cpu_count() or 1) // 2)  # more threads wait for each other on a busy machine
    options = {
        "Global.log_level": "critical",
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        # Lines are detected in a smaller picture and read one at a time, which halves memory and time.
        "Det.limit_type": "max",
        "Det.limit_side_len": _FOUND,
        "Rec.rec_batch_num": 1,
        "Global.use_cls": False,  # it turns long lines that stand upright
    }
    before = os.environ.get("LD_LIBRARY_PATH")
    try:
        return library("rapidocr", "a picture", "ocr").RapidOCR(params=options)
    finally:  # OpenCV adds its own folder, which child processes would use
        os.environ.pop("LD_LIBRARY_PATH", None)
        os.environ |= {"LD_LIBRARY_PATH": before} if before is not None else {}
