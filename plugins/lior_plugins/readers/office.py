"""DOCX, OpenDocument, EPUB and PPTX, from their XML: lines are those of the extracted text."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import ClassVar
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import attrs

from lior.interfaces import ParsedDocument
from lior.reading.decoding import decode_text
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.entries import read_entries
from lior_plugins.readers.html import visible
from lior_plugins.readers.opening import Archive, attribute, damage, local
from lior_plugins.readers.tables import barred

TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_MOST_SPACES = 100
"""The maximum number of spaces in one place that OpenDocument gives by a count."""
_DEEPEST = 6
"""The maximum level of headings; documents may claim any number."""
_WIDEST = 63
"""The maximum number of columns that a cell of DOCX can span."""
_DELETED = {"pPr", "rPr", "del", "moveFrom", "Fallback"}
"""Elements of DOCX without visible text, or with the same text for older programs."""
_GROUPS = {"sdt", "sdtContent", "customXml", "ins", "table-header-rows", "table-rows", "table-row-group"}
"""Elements between a table and its rows, or a row and its cells."""
_CONTAINER = "META-INF/container.xml"
_MARKS = {"tab": "\t", "ptab": "\t", "cr": "\n", "noBreakHyphen": "-", "p": " "}


@attrs.frozen(kw_only=True)
class Docx:
    """Reader of DOCX: paragraphs, headings and tables marked as in Markdown; lines are those of this text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".docx", ".docm")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "markdown"."""
        found, title = Collected(), ""
        with damage("DOCX"), Archive(data) as archive:
            main = _target(archive, "", "/officeDocument", "word/document.xml")
            styles = _styles(archive, _target(archive, main, "/styles", "word/styles.xml"))
            blocks = _number(archive.elements(main, "p", "tbl"))
            for lines in read_entries(blocks, lambda block: _docx_block(block, styles), found.notes):
                for line in lines:
                    found.put(line)
            core = _target(archive, "", "/core-properties", "docProps/core.xml")
            if core in archive:
                title = next((each.text or "" for each in archive.elements(core, "title")), "")
        return [_mark(found, title)]


def _number(blocks: Iterable[Element]) -> Iterator[tuple[str, Element]]:
    """Return blocks with their places; a block is a paragraph, list or table."""
    return ((f"block {number}", block) for number, block in enumerate(blocks, 1))


def _docx_block(block: Element, styles: dict[str, str]) -> list[str]:
    """Return the lines of a paragraph or table."""
    if local(block) == "tbl":
        return [*_frame(_docx_rows(block)), ""]
    text = _docx_text(block)
    return [_style(block, styles) + text, ""] if text.strip() else []


def _target(archive: Archive, part: str, kind: str, usual: str) -> str:
    """Return the path of the first object of a kind that a part refers to, or ``usual``."""
    return next((path for _, path, each in read_relations(archive, part) if each.endswith(kind)), usual)


def _styles(archive: Archive, path: str) -> dict[str, str]:
    """Return the Markdown mark of each style's paragraphs, by the id of the style."""
    marks = dict[str, str]()
    for style in archive.elements(path, "style") if path in archive else ():
        name = next((attribute(each, "val") for each in style if local(each) == "name"), "").lower()
        level = "1" if name == "title" else name.removeprefix("heading ")
        mark = "#" * min(int(level), _DEEPEST) + " " if level in [*"123456789"] else ""
        marks[attribute(style, "styleId")] = mark or "- " * name.startswith("list")
    return marks


def _style(paragraph: Element, styles: dict[str, str]) -> str:
    """Return the Markdown mark of a paragraph, such as ``## ``, or nothing."""
    properties = (each for each in paragraph if local(each) == "pPr")
    named = (attribute(each, "val") for some in properties for each in some if local(each) == "pStyle")
    return styles.get(next(named, ""), "")


def _docx_text(element: Element) -> str:
    """Return the text of a paragraph or cell, with that of its text boxes, without deleted text."""
    parts = list[str]()
    _add_text(element, parts)
    return "".join(parts)


def _add_text(element: Element, parts: list[str]) -> None:
    for child in element:
        name = local(child)
        if name == "t":
            parts.append(child.text or "")
        elif name == "br":
            parts.append("\n" * (attribute(child, "type") in ("", "textWrapping")))
        elif name not in _DELETED:
            parts += _MARKS.get(name, "")
            _add_text(child, parts)


def _docx_rows(table: Element) -> Iterator[list[str]]:
    """Yield the cells of each row; a cell over several columns is in the first, one over rows in each."""
    above = dict[int, str]()
    for row in _inside(table, "tr"):
        cells = list[str]()
        for cell in _inside(row, "tc"):
            settings = {
                local(each): attribute(each, "val") for some in _inside(cell, "tcPr") for each in some
            }
            text = " ".join(_docx_text(cell).split())
            if settings.get("vMerge", "restart") != "restart":
                text = above.get(len(cells), "")
            above[len(cells)] = text
            span = settings.get("gridSpan", "1")[:9]
            cells += [text, *[""] * (min(int(span) if span.isdecimal() else 1, _WIDEST) - 1)]
        yield cells


@attrs.frozen(kw_only=True)
class Odt:
    """Reader of OpenDocument text: paragraphs, headings, lists and tables, as of DOCX."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".odt",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "markdown"."""
        found = Collected()
        with damage("ODT"), Archive(data) as archive:
            names = ("h", "p", "list", "table", "tracked-changes")
            blocks = _number(archive.elements("content.xml", *names))
            for lines in read_entries(blocks, lambda block: list(_blocks([block])), found.notes):
                for line in lines:
                    found.put(line)
        return [_mark(found)]


def _mark(found: Collected, title: str = "") -> ParsedDocument:
    """Return a document marked as Markdown, with its tables."""
    return attrs.evolve(found.document("markdown", title), tables=barred(found.text))


def _frame(rows: Iterable[list[str]]) -> Iterator[str]:
    """Yield the rows of a table as Markdown, with a line of dashes below the header row."""
    lines = (" | ".join(cell.replace("|", r"\|") for cell in cells) for cells in rows)
    head, second = next(lines, None), next(lines, None)
    if head is not None:
        yield head
    if head is not None and second is not None:
        yield " | ".join(["---"] * (head.count(" | ") + 1))
        yield second
        yield from lines


def _inside(element: Element, name: str) -> Iterator[Element]:
    """Yield the children with a local name, also those in groups, but not those of nested tables."""
    for child in element:
        if local(child) == name:
            yield child
        elif local(child) in _GROUPS:
            yield from _inside(child, name)


def _blocks(elements: Iterable[Element]) -> Iterator[str]:
    """Yield the lines of these blocks."""
    for child in elements:
        if child.tag == f"{TEXT}h":
            yield from ("#" * (_count(child, "outline-level", _DEEPEST) or 1) + " " + words(child), "")
        elif child.tag == f"{TEXT}p":
            yield from (words(child), "")
        elif child.tag == f"{TEXT}list-item":
            yield from ("- " + line for line in _blocks(child) if line)
        elif child.tag == f"{TABLE}table":
            rows = _inside(child, "table-row")
            yield from _frame([" ".join(" ".join(_blocks(c)).split()) for c in row] for row in rows)
            yield ""
        elif child.tag != f"{TEXT}tracked-changes":  # deleted text
            yield from _blocks(child)


def _count(element: Element, name: str, most: int) -> int:
    """Return a number from an attribute of OpenDocument, at most ``most``; 1 if it is not a number."""
    digits = element.get(f"{TEXT}{name}", "1")
    return min(int(digits[:9]), most) if digits.isdecimal() else 1


def words(element: Element) -> str:
    """Return the text of an OpenDocument paragraph, whose spaces, tabs and line breaks are elements."""
    text = element.text or ""
    for child in element:
        if child.tag == f"{TEXT}s":
            text += " " * _count(child, "c", _MOST_SPACES)
        elif child.tag == f"{TEXT}tab":
            text += "\t"
        elif child.tag == f"{TEXT}line-break":
            text += "\n"
        else:
            text += words(child)
        text += child.tail or ""
    return text


@attrs.frozen(kw_only=True)
class Epub:
    """Reader of EPUB: each chapter is read like an HTML file; lines are those of the extracted text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".epub",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "markdown" with a place for each chapter."""
        found = Collected()
        with damage("EPUB"), Archive(data) as archive:
            title, chapters = _chapters(archive)
            entries = ((f"chapter {path}", path) for path in dict.fromkeys(chapters))  # some repeat a chapter

            def read(path: str) -> tuple[str, str]:
                chapter = visible(decode_text(archive.read(path), entries=True)[0])
                return chapter.title or posixpath.basename(path), chapter.text

            for place, text in read_entries(entries, read, found.notes):
                found.begin(place)
                found.put(text + "\n")
        return [found.document("markdown", title)]


def _chapters(archive: Archive) -> tuple[str, list[str]]:
    """Return the title of the book, and the paths of its chapters in the archive."""
    title, items, order = "", dict[str, str](), list[str]()
    package = next(each.attrib["full-path"] for each in archive.elements(_CONTAINER, "rootfile"))
    for each in archive.elements(package, "title", "item", "itemref"):
        match local(each):
            case "title":
                title = title or each.text or ""
            case "item":
                items[each.get("id", "")] = each.get("href", "")
            case _:
                order.append(each.get("idref", ""))
    folder, hrefs = posixpath.dirname(package), (items.get(each, "") for each in order)
    return title, [posixpath.normpath(posixpath.join(folder, unquote(href))) for href in hrefs if href]


@attrs.frozen(kw_only=True)
class Pptx:
    """Reader of PPTX: titles as headings, lists, tables and the speaker's notes."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".pptx", ".pptm", ".ppsx")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "markdown" with a place for each slide and its notes."""
        found = Collected()
        with damage("PPTX"), Archive(data) as archive:
            slides = {key: path for key, path, _ in read_relations(archive, "ppt/presentation.xml")}
            shown = archive.elements("ppt/presentation.xml", "sldId")
            keys = (key for each in shown for key in each.attrib.values() if key in slides)
            parts = _slides(archive, dict.fromkeys(slides[key] for key in keys), found.notes)

            def read(part: tuple[str, str]) -> tuple[str, str]:
                shapes = archive.elements(part[1], "tbl", "sp", "Fallback")
                return part[0], "\n".join(_shapes(shapes))

            for place, text in read_entries(((part[0], part) for part in parts), read, found.notes):
                if text.strip("\n"):
                    found.begin(place)
                    found.put(text)
        return [_mark(found)]


def _slides(archive: Archive, paths: Iterable[str], notes: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the place and path of each slide and of its notes, each only once."""
    given = set[str]()
    for number, path in enumerate(paths, 1):
        place = f"slide {number}"
        links = read_entries([(f"notes of {place}", path)], lambda path: read_relations(archive, path), notes)
        others = [other for linked in links for _, other, kind in linked if kind.endswith("/notesSlide")]
        for where, part in ((place, path), *((f"{place}, notes", other) for other in others)):
            if part not in given:
                given.add(part)
                yield where, part


def read_relations(archive: Archive, path: str) -> list[tuple[str, str, str]]:
    """Return the id, path and type of each target to which a part of an Office document refers. The part ""
    is the archive itself.
    """
    folder, file = posixpath.split(path)
    listed = posixpath.join(folder, "_rels", f"{file}.rels")
    if listed not in archive:
        return []
    return [
        (
            each.get("Id", ""),
            posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/"),
            each.get("Type", ""),
        )
        for each in archive.elements(listed, "Relationship")
        if (target := each.get("Target")) and each.get("TargetMode") != "External"
    ]


def _shapes(elements: Iterable[Element]) -> Iterator[str]:
    """Yield the lines of the shapes of a slide, without its number, date and footer."""
    for child in elements:
        if local(child) == "tbl":
            rows = ([each for each in row if local(each) == "tc"] for row in child if local(row) == "tr")
            yield from (*_frame([" ".join(_paragraphs(cell)) for cell in cells] for cells in rows), "")
        elif local(child) == "sp":
            kinds = [each.get("type", "") for each in child.iter() if local(each) == "ph"]
            lines = _paragraphs(child)
            if kinds and kinds[0].endswith("itle") and lines:
                yield from ("# " * (kinds[0] != "subTitle") + " ".join(lines), "")
            elif lines and not {"sldNum", "dt", "ftr"} & {*kinds}:
                yield from (*("- " * (len(lines) > 1 and kinds == [""]) + line for line in lines), "")


def _paragraphs(element: Element) -> list[str]:
    """Return the paragraphs of a shape or cell that are not empty."""
    parts = list[str]()
    for each in element.iter():
        if local(each) == "t":
            parts.append((each.text or "").replace("\n", " "))
        else:
            parts += {"p": "\n", "br": " "}.get(local(each), "")
    return [text for line in "".join(parts).split("\n") if (text := " ".join(line.split()))]
