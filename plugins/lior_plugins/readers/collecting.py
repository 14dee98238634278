"""The lines of a document while a reader collects them."""

from __future__ import annotations

import attrs

from lior.interfaces import ParsedDocument
from lior.reading.limits import current_limits
from lior.reading.skipping import SkipReason, UnreadableFile

_TITLE = 1000
"""The maximum length of a title or place, in characters; each passage carries both."""


def too_much_text() -> UnreadableFile:
    """Return the error of a file with more characters than its limit."""
    return UnreadableFile(SkipReason.TOO_MUCH_TEXT, f"{current_limits().characters:,} characters")


@attrs.define
class Collected:
    """A collector of text lines with their line numbers in the file, of places and of notes."""

    text: list[str] = attrs.field(factory=list)
    lines: list[int] = attrs.field(factory=list)
    places: list[tuple[int, str]] = attrs.field(factory=list)
    notes: list[str] = attrs.field(factory=list)
    wrapped: list[int] = attrs.field(factory=list)
    titles: list[int] = attrs.field(factory=list)
    left: float = attrs.field(factory=lambda: current_limits().characters)
    """The number of characters that may still be added."""

    def begin(self, place: str) -> None:
        """Begin a page, cell or message with the next line."""
        self.places.append((len(self.text), " ".join(place[:_TITLE].split())))

    def put(self, text: str, at: int = 0) -> None:
        """Add lines from line ``at`` of the file; 0 if the file has no lines.

        Raises ``UnreadableFile`` when the document exceeds the limit of characters for a file.
        """
        self.left -= len(text) + 1
        if self.left < 0:
            raise too_much_text()
        more = text.split("\n")
        self.text += more
        self.lines += [at] * len(more)

    def document(self, kind: str, title: str = "") -> ParsedDocument:
        """Return the document of all lines. Without lines of the file, those of the text count."""
        return ParsedDocument(
            text="\n".join(self.text),
            kind=kind,
            title=" ".join(title[:_TITLE].split()),
            lines=tuple(self.lines) if any(self.lines) else None,
            places=tuple(self.places),
            notes=tuple(self.notes),
            wrapped=tuple(self.wrapped),
            titles=tuple(self.titles),
        )
