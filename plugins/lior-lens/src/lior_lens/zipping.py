"""A folder of pictures as a zip whose bytes depend on the pictures alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

from lior.errors import DataError
from lior.files import replacing
from lior_lens.data import image_files

_DATE = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can have."""


def write(folder: Path, out: Path) -> int:
    """Write the zip, and return the number of pictures.

    Raises ``DataError`` when the folder has no picture or two of one name, or the zip cannot be written.
    """
    found = list(image_files(folder))
    names = [path.relative_to(folder).as_posix() for path in found]
    if not found:
        raise DataError(f"{folder}: no picture in there")
    try:
        with replacing(out) as stream, zipfile.ZipFile(stream, "w") as archive:
            for name, path in sorted(zip(names, found, strict=True)):
                entry = zipfile.ZipInfo(name, _DATE)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes())
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}") from error
    return len(found)
