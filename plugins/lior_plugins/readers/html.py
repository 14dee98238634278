"""HTML: the visible text, each line with its line of the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import ClassVar

import attrs

from lior.interfaces import ParsedDocument, Table
from lior.reading.decoding import decode_text
from lior_plugins.readers.collecting import Collected
from lior_plugins.readers.grids import Grid

_UNSEEN = {"script", "style", "nav", "noscript", "template", "svg", "select", "iframe"}
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = {
    *_HEADINGS,
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "footer",
    "aside",
    "ul",
    "ol",
    "dl",
    "pre",
    "table",
    "blockquote",
    "form",
    "figure",
    "hr",
    "details",
    "address",
    "body",
    "fieldset",
    "figcaption",
}
_LINES = {*_BLOCKS, "li", "tr", "dt", "dd", "br", "summary", "caption"}
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
_ENDED = {"p": "", "li": "ul ol", "dt": "dl", "dd": "dl", "tr": "table", "td": "table", "th": "table"}
"""Element that ends where the next one of its kind begins -> elements in which such a one does not end it."""
_HIDING = re.compile(r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.I)
"""A style with which a browser does not show an element."""
_MARKS = {"b": "b", "strong": "b", "i": "i", "em": "i", "var": "i"}
_PLAIN = {*_HEADINGS, "tr", "dt", "dd", "pre", "summary", "caption"}
"""Elements in which bold words or a single link have no special meaning."""
_ASIDES = {"note", "notes", "warning", "caution", "tip", "important", "example", "see also"}
"""Headings of a box, which are not headings of the text after the box."""
_LONGEST_HEADING = 200
"""The maximum length of a bold paragraph that is a heading, in characters."""
_DEEPEST = 20
"""The maximum depth of nested definition lists that are indented."""
_DIGITS = 10
_CODE = re.compile(rf"&#([0-9]{{{_DIGITS},}})")
"""A character reference beyond all code points; Python refuses integers of more than 4,300 digits."""
_SPACES = re.compile(r"[ \t\r\f]+")


@attrs.frozen(kw_only=True)
class Html:
    """Reader of HTML: the visible text with headings, lists, code and tables marked as in Markdown.

    A paragraph that is only bold is a heading. Terms of a definition list end with two colons, and their
    definitions are indented, as in AsciiDoc. Paragraphs and items that are only a link are titles.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".html", ".htm", ".xhtml")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "markdown"."""
        text, notes = decode_text(data, entries=True)
        document = visible(text)
        return [attrs.evolve(document, notes=(*notes, *document.notes))]


def _is_hidden(attributes: Sequence[tuple[str, str | None]]) -> bool:
    """Return whether a browser does not show an element, or it is navigation."""
    return any(
        name == "hidden"
        or (name == "style" and _HIDING.search(value or ""))
        or (name, value) == ("role", "navigation")
        for name, value in attributes
    )


def visible(source: str) -> ParsedDocument:
    """Return the visible text of ``source``, as in a browser, without navigation."""
    source = _CODE.sub(lambda match: f"&#{match[1].lstrip('0')[:_DIGITS] or '0'}", source)
    parser, end = _Visible(), source.rfind(">") + 1
    # no tag ends after the last ">"; html.parser would search the end of each, in quadratic time
    parser.feed(source[:end] + source[end:].replace("<", "&lt;"))
    parser.close()
    return parser.document()


class _Visible(HTMLParser):
    """A collector of lines. No line has words of two lines of the file, except headings and rows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._found = Collected()
        self._open = list[str]()
        """The parts of the open line."""
        self._bare = True
        """Whether the open line has only the mark of a heading or an item."""
        self._at = 1
        self._unseen = ""
        """The open hidden element."""
        self._within = Counter[str]()
        """The number of open elements of each kind in the hidden one, with itself."""
        self._inside = ""
        """The last block or line that began; headings and rows absorb line breaks."""
        self._pre = 0
        self._title: list[str] | None = None
        self._first: int | None = None
        """The first line of the open block; ``None`` before the block has a line."""
        self._marks = {"a": 0, "b": 0, "i": 0}
        """The number of open links, bold elements and italic elements."""
        self._strong = False
        """Whether a word of the open block is in bold."""
        self._only: set[str] | None = None
        """The marks that all words of the open block have; ``None`` before its first word."""
        self._defining: list[bool] = []
        """Whether a definition is open, for each open definition list."""
        self._grids: list[Grid] = []
        """The open tables."""
        self._tables: list[Table] = []
        self._heading = ""
        """The last heading."""
        self._head = False
        """Whether the rows are those of a header."""

    def document(self) -> ParsedDocument:
        """Return the document made of the lines collected so far."""
        self._end_block()
        last = self.getpos()[0]  # &#10; is a line break that the file does not have
        self._found.lines = [min(at, last) for at in self._found.lines]
        if self._unseen:
            self._found.notes.append(f"<{self._unseen}> never ends: what follows is left out")
        while self._grids:
            self._tables += self._grids.pop().tables()
        tables = tuple(sorted(self._tables, key=lambda each: each.lines))
        return attrs.evolve(self._found.document("markdown", "".join(self._title or ())), tables=tables)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Begin a block or an inline element."""
        if self._unseen and self._hides(tag):
            self._within[tag] += tag not in _VOID
        elif tag not in _VOID and (tag in _UNSEEN or _is_hidden(attributes)):
            self._unseen, self._within = tag, Counter({tag: 1})
        elif tag in ("td", "th"):
            if self._grids:
                self._grids[-1].begin_cell(attributes, head=tag == "th" or self._head)
            if self._open:
                self._put(" | ")
        elif tag in ("thead", "tbody"):
            self._head = tag == "thead"
        elif tag == "title":
            self._title, self._inside = [], tag
        elif tag == "br" and self._inside == "dt":
            self._put(", ")
        elif tag in _LINES:
            self._break(tag)
            self._inside = tag
            self._define(tag, opens=True)
            self._tabulate(tag)
            if tag == "pre":
                self._fence()
            else:
                mark = "#" * int(tag[1]) + " " if tag in _HEADINGS else "- " * (tag == "li")
                self._open, self._bare = [mark] * bool(mark), True
            self._pre += tag == "pre"
        elif tag in _MARKS or (tag == "a" and any(name == "href" for name, _ in attributes)):
            self._marks[_MARKS.get(tag, tag)] += 1

    def handle_endtag(self, tag: str) -> None:
        """End a block or an inline element."""
        if self._unseen in _ENDED and tag in _LINES and not self._within[tag]:
            self._unseen = ""  # its end may be left out
        if self._unseen:
            self._within[tag] -= self._within[tag] > 0
            self._unseen = self._unseen * bool(self._within[self._unseen])
        elif (tag in _LINES and tag not in _VOID) or tag == "title":
            if tag == "pre" and self._pre:
                self._end_line()
                self._pre -= 1
                self._fence()
            self._break(tag)
            self._define(tag, opens=False)
            self._inside = ""
            if tag == "table" and self._grids:
                self._tables += self._grids.pop().tables()
        elif tag in ("td", "th") and self._grids:
            self._grids[-1].cell = None
        elif tag == "thead":
            self._head = False
        elif (mark := _MARKS.get(tag, tag)) in self._marks:
            self._marks[mark] = max(self._marks[mark] - 1, 0)

    def handle_data(self, data: str) -> None:
        """Take in text; a line break in it ends a line, as it does in the file."""
        if self._inside == "title" and self._title is not None:
            self._title.append(data)
        elif not self._unseen:
            if self._inside == "tr" and data.isspace():
                data = " " * bool(self._open)
            if re.search(r"\w", data):
                within = {mark for mark, count in self._marks.items() if count}
                self._strong |= "b" in within
                within |= {"b"} if "i" in within else set()
                self._only = within if self._only is None else self._only & within
            for below, line in enumerate(data.split("\n")):
                if below and self._inside in _HEADINGS:
                    line = f" {line}"
                elif below:
                    self._end_line()
                if self._bare:
                    self._at = self.getpos()[0] + below
                if self._grids:
                    self._grids[-1].put(" " * bool(below) + line, len(self._found.text))
                self._put(line if self._pre else _SPACES.sub(" ", line))

    def _put(self, text: str) -> None:
        """Continue the open line."""
        if text:
            self._open.append(text)
            self._bare = self._bare and not text.strip("#- ")

    def _hides(self, tag: str) -> bool:
        """Return whether a new element is in the hidden one; a paragraph ends where the next one begins."""
        around = _ENDED[tag].split() if tag == self._unseen and tag in _ENDED else [tag]
        if (self._unseen == "p" and tag in _BLOCKS) or (
            tag not in around and not any(map(self._within.get, around))
        ):
            self._unseen = ""
        return bool(self._unseen)

    def _tabulate(self, tag: str) -> None:
        """Begin a table or a row of it."""
        if tag == "table":
            if self._grids:
                self._grids[-1].nested = True
            self._grids.append(Grid(self._heading))
            self._head = False
        elif tag == "tr" and self._grids:
            self._grids[-1].begin_row()
        elif self._grids:
            self._grids[-1].put(" ", 0)

    def _define(self, tag: str, *, opens: bool) -> None:
        """Record whether a definition is open."""
        if tag == "dl":
            if opens:
                self._defining.append(False)
            else:
                del self._defining[-1:]
        elif tag in ("dt", "dd") and self._defining:
            self._defining[-1] = opens and tag == "dd"

    def _fence(self) -> None:
        self._found.put(self._margin() + "```", self.getpos()[0])

    def _margin(self) -> str:
        """Return the white space before the lines of a definition."""
        return "    " * sum(self._defining[-_DEEPEST:])

    def _break(self, tag: str) -> None:
        self._end_block()
        last = self._found.text[-1] if self._found.text else ""
        if tag in _BLOCKS and last and not (self._pre or last.endswith("::")):
            self._found.put("", self._at)

    def _end_block(self) -> None:
        """Finish the open block or line; it may be a heading, a term, a table's header row or only a link."""
        self._end_line()
        (first, only), self._first, self._only = (self._first, self._only or ()), None, None
        strong, self._strong = self._strong, False
        if first is None or self._pre:
            return
        text, lines = self._found.text, self._found.lines
        many = range(first, len(text))
        whole = " ".join(text[number].strip() for number in many)
        bold = strong and "b" in only and self._inside not in _PLAIN and len(whole) <= _LONGEST_HEADING
        if (self._inside == "dt" and self._defining) or bold:
            del text[first + 1 :], lines[first + 1 :]
            while self._found.wrapped and self._found.wrapped[-1] >= first:
                self._found.wrapped.pop()
            text[first] = f"###### {whole.removeprefix('- ')}" if bold else f"{self._margin()}{whole}::"
            above = text[first - 1] if bold and first else ""
            if above.startswith("###### ") and len(above) <= _LONGEST_HEADING:  # a heading in several lines
                text[first - 1] += f", {text.pop()[7:]}"
                lines.pop()
        elif self._inside in _HEADINGS and (
            any(self._defining[-_DEEPEST:]) or whole.strip("# ").lower() in _ASIDES
        ):
            text[first] = self._margin() + whole.lstrip("# ")
            self._found.titles.append(first)
        elif self._inside == "tr" and len(many) == 1 and self._grids and self._grids[-1].is_header():
            self._found.put(" | ".join(["---"] * len(self._grids[-1].rows[-1])), lines[-1])
        elif "a" in only and self._inside not in _PLAIN - {"tr"}:
            self._found.titles += many
        if (line := text[min(first, len(text) - 1)]).startswith("#"):
            self._heading = line.strip("# ")
        elif self._inside == "caption" and self._grids:
            self._grids[-1].name = whole

    def _end_line(self) -> None:
        """Finish the open line; blank lines count only in preformatted text."""
        line = "".join(self._open)
        line = line.rstrip() if self._pre else " ".join(line.split()).removesuffix("¶").rstrip()
        if self._pre or line.strip("#- "):
            number = len(self._found.text)
            if self._first is None:
                self._first = number
            elif not self._pre:
                self._found.wrapped.append(number)
            margin = "" if self._pre or self._inside in _HEADINGS else self._margin()
            self._found.put(margin + line, self._at)
        self._open, self._bare = [], True
