"""PDF by PDFium, page by page: the text layer, or recognised text for pages without one."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import closing
from threading import Lock
from typing import Any, ClassVar

import attrs

from lior.errors import DataError, install_hint, quantity
from lior.interfaces import ParsedDocument
from lior.reading.limits import TAKES_ALL, current_limits
from lior_plugins.readers import pictures
from lior_plugins.readers.collecting import Collected, too_much_text
from lior_plugins.readers.columns import BEGINS, Box, may_have_columns, read_page
from lior_plugins.readers.opening import damage, library

_ONE_AT_A_TIME = Lock()
"""A lock, since PDFium is not thread-safe."""
_DIVIDED = re.compile(r"([^\W\d_]+)\x02([^\W\d_]+)([^\s\x02]*)[ \n]?")
"""A word that PDFium reports as divided at the end of a line, without the line break."""
_HINT = f"to have such pages recognised: {install_hint('ocr')}"
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@attrs.frozen(kw_only=True)
class Pdf:
    """Reader of PDF: the text with a place for each page; lines are those of the extracted text.

    The text of pages without a text layer is recognised where the extra ``ocr`` is installed.
    Words divided at line ends are joined. They keep the hyphen if both parts are words of the text, or if the
    text has the hyphenated word elsewhere.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".pdf",)
    packages: ClassVar[tuple[str, ...]] = ("pypdfium2", *pictures.PACKAGES)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "prose"; ``DataError`` also when there is no text."""
        pdfium, found = library("pypdfium2", "PDF"), Collected()
        with damage("PDF"), _ONE_AT_A_TIME:
            try:
                document = pdfium.PdfDocument(data)
            except pdfium.PdfiumError as error:
                if "password" in str(error).lower():
                    raise DataError("protected by a password; save it without one") from error
                raise
            with document:
                title = str(document.get_metadata_value("Title"))
                pages, unread, drawn = _pages(document, pdfium.PdfiumError)
                drawn = _recognise(document, drawn, pages, found.notes)
        words = Counter(word for text in pages.values() for word in _WORD.findall(text.lower()))
        for number, text in sorted(pages.items()):
            found.begin(f"page {number}")
            text = _DIVIDED.sub(lambda match: _join(match, words), text).replace("\x02", "-")
            for line in text.split("\n"):
                if text.startswith(BEGINS) and not line.startswith(BEGINS):
                    found.wrapped.append(len(found.text))
                found.put(line.removeprefix(BEGINS))
        if unread:
            some = f"{quantity(len(unread), 'page')} left out, such as page {unread[0]}"
            found.notes.append(f"{some}: PDFium cannot read it")
        if drawn:
            hint = TAKES_ALL if pictures.can_recognise() else _HINT
            found.notes.append(f"no text in {quantity(len(drawn), 'page')}, such as page {drawn[0]}; {hint}")
        if not found.text:
            raise DataError(found.notes[-1] if found.notes else "no text in it")
        return [found.document("prose", title)]


def _pages(document: Any, failed: type[Exception]) -> tuple[dict[int, str], list[int], list[int]]:
    """Return the text of each page that has one, by number, then the numbers of unreadable pages and of pages
    with pictures and drawings only.
    """
    pages, unread, drawn, left = dict[int, str](), list[int](), list[int](), current_limits().characters
    for number in range(1, len(document) + 1):
        try:
            with closing(document[number - 1]) as page:
                text = _text(page)
                shows = not text.strip() and any(page.get_objects())
        except failed:  # the other pages are kept
            unread.append(number)
            continue
        text = re.sub("[\ufffe\xad]\\s*", "\x02", text.replace("\r", "")).replace("\0", "").strip("\n")
        if text.strip("\x02 \t\n"):
            pages[number] = text
        elif shows:
            drawn.append(number)
        left -= len(text)
        if left < 0:
            raise too_much_text()
    return pages, unread, drawn


def _text(page: Any) -> str:
    """Return the text of a page in reading order."""
    text, words, bounds = page.get_textpage(), list[Box](), Box(*page.get_bbox())
    boxes = (Box(*text.get_rect(number)) for number in range(text.count_rects()))
    if may_have_columns([box for box in boxes if box.within(bounds)]):
        words = [word for word in _words(text) if word.within(bounds)]
    return read_page(words) or text.get_text_bounded()


def _words(page: Any) -> list[Box]:
    """Return the words of a page; the first part of a divided word ends with U+0002. The list is empty if
    most words do not run from left to right.
    """
    raw, words, backwards = library("pypdfium2.raw", "PDF"), list[Box](), 0
    text = "".join(chr(raw.FPDFText_GetUnicode(page, number) or 0x20) for number in range(page.count_chars()))
    for match in re.finditer(r"[^\s\x02]+\x02?", text):
        left, bottom, _, top = page.get_charbox(match.start(), loose=True)
        _, low, right, _ = page.get_charbox(match.end() - 1, loose=True)
        word = match[0].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        words.append(Box(left, bottom, right, top, word))
        backwards += right < left or 2 * abs(low - bottom) > top - bottom
    return words if 2 * backwards < len(words) else []


def _recognise(document: Any, drawn: list[int], pages: dict[int, str], notes: list[str]) -> list[int]:
    """Recognise the text of the pages ``drawn`` and add it to ``pages``; return the pages that remain."""
    if not drawn or not pictures.can_recognise():
        return drawn
    done = 0
    for number in pictures.in_time(drawn):
        page = document[number - 1]
        picture = page.render(scale=min(2, pictures.SIDE / max(page.get_size()))).to_numpy()
        if lines := pictures.recognise(picture[:, :, :3]):
            pages[number] = "\n".join(lines)
        done += 1
    notes += [pictures.NOTE] * any(number in pages for number in drawn)
    return drawn[done:]


def _join(match: re.Match[str], words: Counter[str]) -> str:
    """Return a divided word as a whole, at the end of its line."""
    first, second, rest = match.groups()
    whole, hyphenated = (first + second).lower(), f"{first}-{second}".lower()
    known = words[first.lower()] > 1 and words[second.lower()] > 1
    hyphen = "-" if words[hyphenated] > words[whole] or (known and not words[whole]) else ""
    return f"{first}{hyphen}{second}{rest}\n"
