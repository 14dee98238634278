"""Zip archives: the files in them, each by its own reader."""

from __future__ import annotations

from io import BytesIO
from typing import ClassVar
from zipfile import BadZipFile, ZipFile

import attrs

from lior.ask.interfaces import Reading
from lior.ask.reading import LIMIT, read_bytes
from lior.errors import DataError, LiorError


@attrs.frozen(kw_only=True)
class Zip:
    """A reading for each document in the archive, named by its path there."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".zip",)

    def read(self, data: bytes, name: str) -> list[Reading]:
        """All readings of all files; what is left out is in the notes of the first.

        Raises
        ------
        DataError
            When it is damaged, larger than the limit when unpacked, or nothing in it can be read.
        """
        readings: list[Reading] = []
        notes = []
        try:
            with ZipFile(BytesIO(data)) as archive:
                files = [info for info in archive.infolist() if not info.is_dir()]
                if sum(info.file_size for info in files) > LIMIT:
                    raise DataError(f"larger than {LIMIT:,} bytes when unpacked; unpack it into a folder")
                for info in files:
                    try:
                        if info.filename.lower().endswith(".zip"):
                            raise DataError("an archive in an archive; unpack it")
                        found = read_bytes(archive.read(info), info.filename.rpartition("/")[2])
                    except (LiorError, RuntimeError) as error:
                        notes.append(f"{info.filename} is left out: {error}")
                    else:
                        path = info.filename
                        readings += [
                            attrs.evolve(r, name=f"{path}/{r.name}" if r.name else path) for r in found
                        ]
        except BadZipFile as error:
            raise DataError(f"damaged zip archive ({error})") from error
        if not readings:
            raise DataError(f"nothing in it can be read; {notes[0] if notes else 'it is empty'}")
        return [attrs.evolve(readings[0], notes=(*readings[0].notes, *notes)), *readings[1:]]
