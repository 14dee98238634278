"""A folder of pictures, checked, as a zip whose bytes depend on the pictures alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

from lior.errors import DataError
from lior.files import writing
from lior_lens.data import image_files

_DATE = (1980, 1, 1, 0, 0, 0)
"""The first that a zip can have."""


def check(folder: Path, table: Path) -> dict[str, str]:
    """Return the faults of a folder of corrected pictures, by name; it must have exactly those of ``table``.

    Raises ``DataError`` when the folder or the table cannot be read.
    """
    from lior_lens import images, pairs, scoring

    found: dict[str, list[Path]] = {}
    for path in image_files(folder):
        found.setdefault(path.stem, []).append(path)
    faults = {}
    for pair in pairs.read(table):
        mine = found.pop(pair.name, [])
        if len(mine) != 1:
            faults[pair.name] = "no picture" if not mine else f"{len(mine)} pictures of this name"
            continue
        try:
            picture = images.read(mine[0]).upright()
        except DataError as error:
            faults[pair.name] = str(error)
            continue
        wanted, given = (pairs.size_of(each) for each in (pair.input, mine[0]))
        if wanted != given:
            sizes = ["x".join(map(str, each)) for each in (given, wanted)]
            faults[pair.name] = f"{sizes[0]} pixels, its input has {sizes[1]}"
        elif pair.target is not None:
            if said := scoring.score_files(mine[0], pair.target).failed:
                faults[pair.name] = said
        elif picture.std() < 255 * scoring.Limits().flat:
            faults[pair.name] = "empty"
    return faults | dict.fromkeys(found, "not in the table")


def write(folder: Path, out: Path) -> int:
    """Write the zip, and return the number of pictures.

    Raises ``DataError`` when the folder has no picture or two of one name, or the zip cannot be written.
    """
    found = list(image_files(folder))
    names = [path.relative_to(folder).as_posix() for path in found]
    if not found:
        raise DataError(f"{folder}: no picture in there")
    with writing(out) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, path in sorted(zip(names, found, strict=True)):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return len(found)
