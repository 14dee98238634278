"""HTML: the visible text, each line with its line of the file."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import ClassVar

import attrs

from lior.ask.decoding import decode
from lior.ask.interfaces import Reading

_UNSEEN = {"script", "style", "nav", "noscript", "template", "svg", "select", "iframe"}
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = {
    *_HEADINGS, "p", "div", "section", "article", "main", "header", "footer", "aside", "ul", "ol", "dl", "table",
    "blockquote", "pre", "form", "figure", "hr", "details", "address", "body", "fieldset", "figcaption",
}  # fmt: skip
_LINES = {"li", "tr", "dt", "dd", "br", "option", "summary", "caption"}
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}


@attrs.frozen(kw_only=True)
class Html:
    """Blocks are paragraphs, headings and list items are marked as in Markdown, rows have cells between bars."""

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".html", ".htm", ".xhtml")

    def read(self, data: bytes, name: str) -> list[Reading]:
        """One reading of kind "markdown"."""
        text, notes = decode(data)
        reading = visible(text)
        return [attrs.evolve(reading, notes=(*notes, *reading.notes))]


def visible(source: str) -> Reading:
    """The text that a browser shows of ``source``, without navigation."""
    parser = _Visible()
    parser.feed(source)
    parser.close()
    return parser.reading()


class _Visible(HTMLParser):
    """Collects lines. A line of the text never holds words of two lines of the file, headings excepted."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[tuple[str, int]] = []
        self._open = ""
        self._at = 1
        self._unseen: list[str] = []
        self._pre = 0
        self._heading = False
        self._row = False
        self._in_title = False
        self._title = ""

    def reading(self) -> Reading:
        """What was collected."""
        self._end_line()
        while self._lines and not self._lines[-1][0]:
            self._lines.pop()
        last = self.getpos()[0]  # &#10; is a line break that the file does not have
        return Reading(
            text="\n".join(line for line, _ in self._lines),
            kind="markdown",
            title=" ".join(self._title.split()),
            lines=tuple(min(at, last) for _, at in self._lines) or (1,),
            notes=(f"<{self._unseen[0]}> never ends: what follows is left out",) if self._unseen else (),
        )

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """A block begins."""
        if self._unseen:
            if tag == self._unseen[-1]:
                self._unseen.append(tag)
            return
        if tag in _UNSEEN or (tag not in _VOID and ("role", "navigation") in attributes):
            self._unseen.append(tag)
            return
        self._in_title = tag == "title"
        self._break(tag)
        if tag in _LINES or tag in _BLOCKS:
            self._row = tag == "tr"
        if tag in _HEADINGS:
            self._heading, self._open = True, "#" * int(tag[1]) + " "
        elif tag == "li":
            self._open = "- "
        elif tag == "pre":
            self._pre += 1
            self._put("```")
            self._end_line()
        elif tag in ("td", "th") and self._open:
            self._open += " | "

    def handle_endtag(self, tag: str) -> None:
        """A block ends."""
        if self._unseen:
            if tag == self._unseen[-1]:
                self._unseen.pop()
            return
        self._in_title = False
        if tag == "pre" and self._pre:
            self._end_line()
            self._pre -= 1
            self._put("```")
        self._break(tag)
        if tag in _HEADINGS:
            self._heading = False

    def handle_data(self, data: str) -> None:
        """Text; a line break in it ends a line, as it does in the file."""
        if self._in_title:
            self._title += data
        elif not self._unseen and not (self._row and data.isspace()):
            first, *rest = data.split("\n")
            self._put(first)
            for number, line in enumerate(rest, 1):
                if self._heading:
                    self._open += " "
                else:
                    self._end_line(keep=self._pre > 0)
                self._put(line, number)

    def _put(self, text: str, below: int = 0) -> None:
        """Add to the open line; ``below`` counts lines from the parser's position."""
        if not self._open.strip("#- "):
            self._at = self.getpos()[0] + below
        if self._pre:
            self._open += text
        elif text := re.sub(r"[ \t\r\f]+", " ", text):
            self._open += text.lstrip(" ") if self._open.endswith(" ") or not self._open else text

    def _break(self, tag: str) -> None:
        if tag in _BLOCKS or tag in _LINES:
            self._end_line()
            if tag in _BLOCKS and self._lines and self._lines[-1][0]:
                self._lines.append(("", self._lines[-1][1]))

    def _end_line(self, keep: bool = False) -> None:
        line = self._open.rstrip()
        if line.strip("#- ") or keep:
            self._lines.append((line, self._at))
        self._open = ""
