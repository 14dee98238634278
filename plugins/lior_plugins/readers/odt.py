"""OpenDocument text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar
from xml.etree import ElementTree

import attrs

from lior.ask.interfaces import Reading
from lior_plugins.readers.collecting import Collected, damaged, unzipped

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_ROW = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}table-row"
_BODY = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}body"


@attrs.frozen(kw_only=True)
class Odt:
    """Paragraphs, headings, lists and tables, as of DOCX; lines are those of the extracted text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".odt",)

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "markdown"."""
        found = Collected()
        with damaged("ODT"), unzipped(data) as archive:
            for body in ElementTree.fromstring(archive.read("content.xml")).iter(_BODY):
                for line in _blocks(body):
                    found.put(line)
        return [found.reading("markdown")]


def _blocks(element: ElementTree.Element) -> Iterator[str]:
    """Lines of the blocks inside an element."""
    for child in element:
        if child.tag == f"{_TEXT}h":
            yield from ("#" * int(child.get(f"{_TEXT}outline-level", "1")) + " " + _words(child), "")
        elif child.tag == f"{_TEXT}p":
            yield from (_words(child), "")
        elif child.tag == f"{_TEXT}list-item":
            yield from ("- " + line for line in _blocks(child) if line)
        elif child.tag == _ROW:
            yield " | ".join(" ".join(" ".join(_blocks(cell)).split()) for cell in child)
        elif child.tag != f"{_TEXT}tracked-changes":  # what was deleted
            yield from _blocks(child)


def _words(element: ElementTree.Element) -> str:
    """Text of a paragraph. Spaces, tabs and line breaks are elements of their own."""
    text = element.text or ""
    for child in element:
        marks = {"s": " " * int(child.get(f"{_TEXT}c", "1")), "tab": "\t", "line-break": "\n"}
        text += (marks.get(child.tag.removeprefix(_TEXT)) or _words(child)) + (child.tail or "")
    return text
