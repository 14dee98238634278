"""OpenDocument text."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import ClassVar
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

import attrs

from lior.ask.interfaces import Reading
from lior.errors import DataError

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"


@attrs.frozen(kw_only=True)
class Odt:
    """Paragraphs, headings, lists and tables, marked as in Markdown; lines are those of the extracted text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".odt",)

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "markdown".

        Raises
        ------
        DataError
            When it is damaged or protected.
        """
        try:
            with ZipFile(BytesIO(data)) as archive:
                root = ElementTree.fromstring(archive.read("content.xml"))
        except (BadZipFile, KeyError, ElementTree.ParseError, RuntimeError) as error:
            raise DataError(f"damaged or protected ODT ({error})") from error
        body = root.find(f"{_OFFICE}body/{_OFFICE}text")
        lines = [] if body is None else list(_blocks(body))
        return [Reading(text="\n".join(lines), kind="markdown")]


def _blocks(element: ElementTree.Element) -> Iterator[str]:
    """Lines of the blocks inside an element."""
    for child in element:
        if child.tag == f"{_TEXT}h":
            yield from ("#" * int(child.get(f"{_TEXT}outline-level", "1")) + " " + _words(child), "")
        elif child.tag == f"{_TEXT}p":
            yield from (*_words(child).split("\n"), "")
        elif child.tag == f"{_TEXT}list-item":
            yield from ("- " + line for line in _blocks(child) if line)
        elif child.tag == f"{_TABLE}table-row":
            yield " | ".join(" ".join(" ".join(_blocks(cell)).split()) for cell in child)
        elif child.tag != f"{_TEXT}tracked-changes":  # what was deleted
            yield from _blocks(child)


def _words(element: ElementTree.Element) -> str:
    """Text of a paragraph. Spaces, tabs and line breaks are elements of their own."""
    text = element.text or ""
    for child in element:
        marks = {"s": " " * int(child.get(f"{_TEXT}c", "1")), "tab": "\t", "line-break": "\n"}
        text += marks.get(child.tag.removeprefix(_TEXT), "") or _words(child)
        text += child.tail or ""
    return text
