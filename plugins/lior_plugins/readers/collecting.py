"""What readers of files that are not plain text share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import attrs

from lior.ask.interfaces import Reading
from lior.ask.reading import LIMIT
from lior.errors import DataError, LiorError, MissingPackage


@attrs.define
class Collected:
    """Lines, the line of the file that each comes from, places and notes."""

    text: list[str] = attrs.field(factory=list)
    lines: list[int] = attrs.field(factory=list)
    places: list[tuple[int, str]] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)

    def begin(self, place: str) -> None:
        """The next line is the first of a page, cell or message."""
        self.places.append((len(self.text), " ".join(place.split())))

    def put(self, text: str, at: int = 0) -> None:
        """Add lines that stand in line ``at`` of the file; 0 where a file has no lines."""
        more = text.split("\n")
        self.text += more
        self.lines += [at] * len(more)

    def reading(self, kind: str, title: str = "") -> Reading:
        """All of it. Without lines of the file, those of the text count."""
        return Reading(
            text="\n".join(self.text),
            kind=kind,
            title=" ".join(title.split()),
            lines=tuple(self.lines) if any(self.lines) else None,
            places=tuple(self.places),
            notes=tuple(self.notes),
        )


def library(name: str, form: str) -> Any:
    """The module ``name``, which reads a form of file.

    Raises
    ------
    MissingPackage
        When it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackage(f"{form} needs a package; install it: pip install 'lior[readers]'") from error


@contextmanager
def damaged(form: str) -> Iterator[None]:
    """Raise whatever a library does with a damaged file as ``DataError``."""
    try:
        yield
    except LiorError:
        raise
    except Exception as error:
        cause = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(f"damaged or protected {form} ({cause})") from error


def unzipped(data: bytes) -> ZipFile:
    """A document that is a zip archive, if its text is not larger than the limit."""
    archive = ZipFile(BytesIO(data))
    if sum(info.file_size for info in archive.infolist() if "ml" in info.filename[-5:]) > LIMIT:
        raise DataError(f"larger than {LIMIT:,} bytes when unpacked")
    return archive
