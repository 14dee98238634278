"""DOCX by python-docx, OpenDocument, EPUB and PPTX: lines are those of the extracted text."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import ClassVar
from urllib.parse import unquote
from xml.etree import ElementTree
from zipfile import ZipFile

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument
from lior.reading.decoding import decode
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.html import visible
from lior_plugins.readers.opening import damaged, library, local, unzipped
from lior_plugins.readers.tables import barred

TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_MOST_SPACES = 100
"""In one place, of those that OpenDocument only counts."""


@attrs.frozen(kw_only=True)
class Docx:
    """Reader of DOCX: paragraphs, headings and tables marked as in Markdown; lines are those of this text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".docx", ".docm")
    packages: ClassVar[tuple[str, ...]] = ("python-docx",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "markdown"."""
        docx, found = library("docx", "DOCX"), Collected()
        with damaged("DOCX"):
            unzipped(data).close()
            document = docx.Document(BytesIO(data))
            for block in document.iter_inner_content():
                if isinstance(block, docx.table.Table):
                    rows = ([" ".join(cell.text.split()) for cell in row.cells] for row in block.rows)
                    found.put("\n".join((*_framed(rows), "")))
                elif block.text.strip():
                    style = str(getattr(block.style, "name", "") or "")
                    level = "1" if style == "Title" else style.removeprefix("Heading ")
                    heading = "#" * int(level) + " " if level.isdecimal() else ""
                    found.put(heading + block.text if not style.startswith("List") else f"- {block.text}\n")
                    found.put("")
            return [_marked(found, str(document.core_properties.title or ""))]


@attrs.frozen(kw_only=True)
class Odt:
    """Reader of OpenDocument text: paragraphs, headings, lists and tables, as of DOCX."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".odt",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "markdown"."""
        found = Collected()
        with damaged("ODT"), unzipped(data) as archive:
            for body in ElementTree.fromstring(archive.read("content.xml")).iter(f"{OFFICE}body"):
                for line in _blocks(body):
                    found.put(line)
        return [_marked(found)]


def _marked(found: Collected, title: str = "") -> ParsedDocument:
    """A document marked as Markdown, with its tables."""
    return attrs.evolve(found.document("markdown", title), tables=barred(found.text))


def _framed(rows: Iterable[list[str]]) -> list[str]:
    """The rows of a table as Markdown: below the first one, which has the names of the columns, is a line."""
    lines = [" | ".join(cells) for cells in rows]
    frame = [" | ".join(["---"] * (lines[0].count(" | ") + 1))] if len(lines) > 1 else []
    return [*lines[:1], *frame, *lines[1:]]


def _blocks(element: ElementTree.Element) -> Iterator[str]:
    """Lines of the blocks inside an element."""
    for child in element:
        if child.tag == f"{TEXT}h":
            yield from ("#" * int(child.get(f"{TEXT}outline-level", "1")) + " " + words(child), "")
        elif child.tag == f"{TEXT}p":
            yield from (words(child), "")
        elif child.tag == f"{TEXT}list-item":
            yield from ("- " + line for line in _blocks(child) if line)
        elif child.tag == f"{TABLE}table":
            rows = child.iter(f"{TABLE}table-row")
            yield from (*_framed([" ".join(" ".join(_blocks(c)).split()) for c in row] for row in rows), "")
        elif child.tag != f"{TEXT}tracked-changes":  # what was deleted
            yield from _blocks(child)


def words(element: ElementTree.Element) -> str:
    """Text of a paragraph of OpenDocument. Spaces, tabs and line breaks are elements of their own."""
    text = element.text or ""
    for child in element:
        marks = {
            "s": " " * min(int(child.get(f"{TEXT}c", "1")), _MOST_SPACES),
            "tab": "\t",
            "line-break": "\n",
        }
        text += (marks.get(child.tag.removeprefix(TEXT)) or words(child)) + (child.tail or "")
    return text


@attrs.frozen(kw_only=True)
class Epub:
    """Reader of EPUB: the text of each chapter as of an HTML file; lines are those of this text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".epub",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "markdown" with a place for each chapter."""
        found = Collected()
        with damaged("EPUB"), unzipped(data) as archive:
            title, chapters = _chapters(archive)
            for path in chapters:
                try:
                    chapter = visible(decode(archive.read(path))[0])
                except (KeyError, DataError) as error:
                    found.notes.append(f"chapter {path} is left out: {error}")
                    continue
                found.begin(chapter.title or posixpath.basename(path))
                found.put(chapter.text + "\n")
        return [found.document("markdown", title)]


def _chapters(archive: ZipFile) -> tuple[str, list[str]]:
    """Title of the book, and the paths of its chapters in the archive."""
    container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
    package = next(each.attrib["full-path"] for each in container.iter() if "full-path" in each.attrib)
    book = ElementTree.fromstring(archive.read(package))
    items = {each.get("id"): each.get("href", "") for each in book.iter() if each.tag.endswith("}item")}
    order = [items.get(each.get("idref"), "") for each in book.iter() if each.tag.endswith("}itemref")]
    title = next((each.text or "" for each in book.iter() if each.tag.endswith("}title")), "")
    folder = posixpath.dirname(package)
    return title, [posixpath.normpath(posixpath.join(folder, unquote(href))) for href in order if href]


@attrs.frozen(kw_only=True)
class Pptx:
    """Reader of PPTX: titles as headings, lists, tables and the speaker's notes."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".pptx", ".pptm", ".ppsx")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "markdown" with a place for each slide and its notes."""
        found = Collected()
        with damaged("PPTX"), unzipped(data) as archive:
            show = ElementTree.fromstring(archive.read("ppt/presentation.xml"))
            slides = {key: path for key, path, _ in related(archive, "ppt/presentation.xml")}
            keys = (key for each in show.iter() if local(each) == "sldId" for key in each.attrib.values())
            for number, path in enumerate((slides[key] for key in keys if key in slides), 1):
                parts = [(f"slide {number}", path)]
                for _, other, kind in related(archive, path):
                    parts += [(f"slide {number}, notes", other)] * kind.endswith("/notesSlide")
                for place, part in parts:
                    lines = list(_shapes(ElementTree.fromstring(archive.read(part))))
                    if any(lines):
                        found.begin(place)
                        found.put("\n".join(lines))
        return [_marked(found)]


def related(archive: ZipFile, path: str) -> list[tuple[str, str, str]]:
    """Id, path and type of what a part of an Office document refers to."""
    folder, file = posixpath.split(path)
    listed = f"{folder}/_rels/{file}.rels"
    if listed not in archive.namelist():
        return []
    return [
        (
            each.get("Id", ""),
            posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/"),
            each.get("Type", ""),
        )
        for each in ElementTree.fromstring(archive.read(listed))
        if (target := each.get("Target")) and each.get("TargetMode") != "External"
    ]


def _shapes(element: ElementTree.Element) -> Iterator[str]:
    """Lines of the shapes of a slide, without its number, date and footer."""
    for child in element:
        if local(child) == "tbl":
            rows = ([each for each in row if local(each) == "tc"] for row in child if local(row) == "tr")
            yield from (*_framed([" ".join(_paragraphs(cell)) for cell in cells] for cells in rows), "")
        elif local(child) == "sp":
            kinds = [each.get("type", "") for each in child.iter() if local(each) == "ph"]
            lines = _paragraphs(child)
            if kinds and kinds[0].endswith("itle") and lines:
                yield from ("# " * (kinds[0] != "subTitle") + " ".join(lines), "")
            elif lines and not {"sldNum", "dt", "ftr"} & {*kinds}:
                yield from (*("- " * (len(lines) > 1 and kinds == [""]) + line for line in lines), "")
        elif local(child) != "Fallback":  # the same for older programs
            yield from _shapes(child)


def _paragraphs(element: ElementTree.Element) -> list[str]:
    """The paragraphs of a shape or cell that are not empty."""
    texts = list[str]()
    for paragraph in (each for each in element.iter() if local(each) == "p"):
        parts = (each for each in paragraph.iter() if local(each) in ("t", "br"))
        runs = (" " if local(each) == "br" else each.text or "" for each in parts)
        texts.append(" ".join("".join(runs).split()))
    return [text for text in texts if text]
