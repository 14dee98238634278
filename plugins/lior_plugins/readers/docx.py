"""DOCX, by python-docx."""

from __future__ import annotations

from io import BytesIO
from typing import ClassVar

import attrs

from lior.ask.interfaces import Reading
from lior.errors import DataError, MissingPackage


@attrs.frozen(kw_only=True)
class Docx:
    """Paragraphs, headings and tables, marked as in Markdown; lines are those of the extracted text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".docx", ".docm")

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "markdown".

        Raises
        ------
        DataError
            When it is damaged.
        MissingPackage
            When python-docx is not installed.
        """
        try:
            from docx import Document
            from docx.table import Table
        except ImportError as error:
            raise MissingPackage("DOCX needs a package; install it: pip install 'lior[readers]'") from error
        try:
            document = Document(BytesIO(data))
        except Exception as error:  # of zipfile, lxml and python-docx
            raise DataError(f"damaged DOCX ({error})") from error
        lines: list[str] = []
        for block in document.iter_inner_content():
            if isinstance(block, Table):
                lines += [" | ".join(" ".join(c.text.split()) for c in row.cells) for row in block.rows] + [
                    ""
                ]
                continue
            style = str(getattr(block.style, "name", "") or "")
            level = (
                style.removeprefix("Heading ") if style.startswith("Heading ") else "1" * (style == "Title")
            )
            mark = "#" * int(level) + " " if level.isdigit() else "- " if style.startswith("List") else ""
            if block.text.strip():
                lines += [mark + block.text] + [""] * (mark != "- ")
        title = str(document.core_properties.title or "")
        return [Reading(text="\n".join(lines), kind="markdown", title=title)]
