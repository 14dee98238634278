"""What readers of binary formats share: their packages, damaged files, and the bounds of zip archives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element
from zipfile import ZipFile

from lior.errors import DataError, LiorError, MissingPackage
from lior.reading.compression import LIMIT


def library(name: str, form: str, extra: str = "readers") -> Any:
    """The module ``name``, which reads a form of file.

    Raises ``MissingPackage`` when it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackage(f"{form} needs a package; install it: pip install 'lior[{extra}]'") from error


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
    if sum(info.file_size for info in archive.infolist() if info.filename.endswith(("ml", ".rels"))) > LIMIT:
        raise DataError(f"larger than {LIMIT:,} bytes when unpacked")
    return archive


def local(element: Element) -> str:
    """The name of an element without its namespace, of which formats have several versions."""
    return element.tag.rpartition("}")[2]
