"""EPUB: the chapters in the order of the book."""

from __future__ import annotations

import posixpath
from typing import ClassVar
from urllib.parse import unquote
from xml.etree import ElementTree
from zipfile import ZipFile

import attrs

from lior.ask.decoding import decode
from lior.ask.interfaces import Reading
from lior.errors import DataError
from lior_plugins.readers.collecting import Collected, damaged, unzipped
from lior_plugins.readers.html import visible


@attrs.frozen(kw_only=True)
class Epub:
    """The text of each chapter as of an HTML file; lines are those of the extracted text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".epub",)

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "markdown" with a place for each chapter."""
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
        return [found.reading("markdown", title)]


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
