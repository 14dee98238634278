"""Text of subtitle files (SubRip): the words, each line with its line of the file."""

from __future__ import annotations

import re
from typing import ClassVar

import attrs

from lior.interfaces import ParsedDocument
from lior.reading import decode_text

_TIME = re.compile(r"(\d+:\d\d:\d\d),\d+ --> ")


@attrs.frozen(kw_only=True)
class Mine:
    """Subtitles without numbers and tags; the places are their times."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".srt",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "prose".

        Raises
        ------
        DataError
            When it is binary data.
        """
        source, notes = decode_text(data)
        text: list[str] = []
        lines: list[int] = []
        places: dict[int, str] = {}  # of several times without words between them, the last counts
        for number, line in enumerate(source.split("\n"), 1):
            if match := _TIME.match(line):
                places[len(text)] = match[1]
            elif line.strip() and not line.strip().isdecimal():
                text.append(re.sub(r"<[^<>]*>", "", line))
                lines.append(number)
        if not text:
            return []
        places.pop(len(text), None)
        return [
            ParsedDocument(
                text="\n".join(text),
                kind="prose",
                lines=tuple(lines),
                places=tuple(places.items()),
                notes=notes,
            )
        ]
