"""PDF by PDFium: the text layer, page by page; lines are those of the extracted text."""

from __future__ import annotations

import re
from collections import Counter
from threading import Lock
from typing import Any, ClassVar

import attrs

from lior.errors import DataError
from lior.interfaces import ParsedDocument
from lior.reading.compression import LIMIT
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.opening import damaged, library

_ONE_AT_A_TIME = Lock()
"""PDFium is not safe for threads."""
_DIVIDED = re.compile(r"([^\W\d_]+)\x02([^\W\d_]+)([^\s\x02]*)[ ]?")
"""A word that PDFium found divided at the end of a line; the line break is gone."""
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@attrs.frozen(kw_only=True)
class Pdf:
    """Reader of PDF: the text layer, with a place for each page; lines are those of the extracted text.

    Words divided at the ends of lines are joined, with the hyphen where both parts are words of the text or
    it has the whole with a hyphen elsewhere.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".pdf",)
    packages: ClassVar[tuple[str, ...]] = ("pypdfium2",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """One document of kind "prose"; ``DataError`` also when there is no text layer."""
        pdfium, found = library("pypdfium2", "PDF"), Collected()
        with damaged("PDF"), _ONE_AT_A_TIME:
            try:
                document = pdfium.PdfDocument(data)
            except pdfium.PdfiumError as error:
                if "password" in str(error).lower():
                    raise DataError("protected by a password; save it without one") from error
                raise
            with document:
                title = str(document.get_metadata_value("Title"))
                pages, unread = _pages(document, pdfium.PdfiumError)
        words = Counter(word for text in pages.values() for word in _WORD.findall(text.lower()))
        for number, text in pages.items():
            found.begin(f"page {number}")
            found.put(_DIVIDED.sub(lambda match: _joined(match, words), text).replace("\x02", "-"))
        if unread:
            found.notes.append(f"pages left out, which PDFium cannot read: {', '.join(unread)}")
        if not found.text:
            raise DataError(found.notes[0] if unread else "no text in it: images of pages (run OCR on it)")
        return [found.document("prose", title)]


def _pages(document: Any, failed: type[Exception]) -> tuple[dict[int, str], list[str]]:
    """Number and text of each page that has one, and the numbers of those that cannot be read."""
    pages, unread, left = dict[int, str](), list[str](), LIMIT
    for number in range(1, len(document) + 1):
        try:
            text = document[number - 1].get_textpage().get_text_bounded()
        except failed:  # the other pages are kept
            unread.append(str(number))
            continue
        text = re.sub("[\ufffe\xad]\\s*", "\x02", text.replace("\r", "")).replace("\0", "").strip("\n")
        if text.strip("\x02 \t\n"):
            pages[number] = text
        left -= len(text)
        if left < 0:
            raise DataError(f"more than {LIMIT:,} characters")
    return pages, unread


def _joined(match: re.Match[str], words: Counter[str]) -> str:
    """A divided word, whole at the end of its line."""
    first, second, rest = match.groups()
    whole, hyphenated = (first + second).lower(), f"{first}-{second}".lower()
    known = words[first.lower()] > 1 and words[second.lower()] > 1
    hyphen = "-" if words[hyphenated] > words[whole] or (known and not words[whole]) else ""
    return f"{first}{hyphen}{second}{rest}\n"
