"""PDF, by pypdf."""

from __future__ import annotations

import logging
from io import BytesIO
from typing import ClassVar

import attrs

from lior.ask.interfaces import Reading
from lior.errors import DataError
from lior_plugins.readers.collecting import Collected, damaged, library


@attrs.frozen(kw_only=True)
class Pdf:
    """The text layer, with a place for each page; lines are those of the extracted text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".pdf",)

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "prose"; ``DataError`` also when there is no text layer."""
        pypdf = library("pypdf", "PDF")
        logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it reports what it has mended
        found, unread = Collected(), []
        with damaged("PDF"):
            document = pypdf.PdfReader(BytesIO(data))
            if document.is_encrypted and not document.decrypt(""):
                raise DataError("protected by a password; save it without one")
            title = str((document.metadata and document.metadata.title) or "")
            for number, page in enumerate(document.pages, 1):
                try:
                    text = page.extract_text().replace("\r", "").strip("\n")
                except Exception:  # one page that pypdf cannot read; the others are kept
                    unread.append(str(number))
                    continue
                if text.strip():
                    found.begin(f"page {number}")
                    found.put(text)
        if unread:
            found.notes.append(f"pages left out, which pypdf cannot read: {', '.join(unread)}")
        if not found.text:
            raise DataError(found.notes[0] if unread else "no text in it: images of pages (run OCR on it)")
        return [found.reading("prose", title)]
