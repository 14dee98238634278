"""DOCX, by python-docx."""

from __future__ import annotations

from io import BytesIO
from typing import ClassVar

import attrs

from lior.ask.interfaces import Reading
from lior_plugins.readers.collecting import Collected, damaged, library, unzipped


@attrs.frozen(kw_only=True)
class Docx:
    """Paragraphs, headings and tables, marked as in Markdown; lines are those of the extracted text."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".docx", ".docm")

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "markdown"."""
        docx, found = library("docx", "DOCX"), Collected()
        with damaged("DOCX"):
            unzipped(data).close()
            document = docx.Document(BytesIO(data))
            for block in document.iter_inner_content():
                if isinstance(block, docx.table.Table):
                    for row in block.rows:
                        found.put(" | ".join(" ".join(cell.text.split()) for cell in row.cells))
                    found.put("")
                elif block.text.strip():
                    style = str(getattr(block.style, "name", "") or "")
                    level = "1" if style == "Title" else style.removeprefix("Heading ")
                    heading = "#" * int(level) + " " if level.isdecimal() else ""
                    found.put(heading + block.text if not style.startswith("List") else f"- {block.text}\n")
                    found.put("")
            return [found.reading("markdown", str(document.core_properties.title or ""))]
