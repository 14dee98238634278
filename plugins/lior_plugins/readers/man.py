"""Manual pages: the text of their roff source, each line with its line of the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

import attrs

from lior.interfaces import ParsedDocument
from lior.reading.decoding import decode
from lior_plugins.readers.collecting import Collected

_INDENT = 4
"""The indentation of a definition below its term, in columns."""
_DEEPEST = 80
"""The maximum margin, in columns."""
_LONGEST = 10_000
"""The maximum number of characters of a request's arguments that are read."""
_TERM = 120
"""The maximum length, in characters, of a line above deeper lines that is a term."""
_CHARACTERS = {
    "aq": "'",
    "cq": "’",
    "oq": "‘",
    "lq": "“",
    "rq": "”",
    "dq": '"',
    "bu": "•",
    "em": "—",
    "en": "–",
    "co": "©",
    "rg": "®",
    "+-": "±",
    "mu": "×",
    "->": "→",
    "<-": "←",
    "<=": "≤",
    ">=": "≥",
    "ha": "^",
    "ti": "~",
    "rs": "\\",
    "ga": "`",
    "at": "@",
    "sh": "#",
    "hy": "-",
    "mi": "−",
    "pl": "+",
    "eq": "=",
    "Bu": "•",
    "sc": "§",
    "de": "°",
    "fm": "′",
    "ua": "↑",
    "da": "↓",
    "!=": "≠",
    "lB": "[",
    "rB": "]",
    "lC": "{",
    "rC": "}",
    "ba": "|",
    "or": "|",
    "Fo": "«",
    "Fc": "»",
    "fo": "‹",
    "fc": "›",
    "ss": "ß",
    "Do": "$",
    "12": "½",
    "S2": "²",
    "la": "⟨",
    "ra": "⟩",
    "Aq": "'",
    'L"': "“",
    'R"': "”",
    "Tm": "™",
}
"""Names of special characters and predefined strings, with their text."""
_ACCENTS = {"'": "\u0301", "`": "\u0300", ":": "\u0308", "^": "\u0302", "~": "\u0303", ",": "\u0327"}
_ESCAPE = re.compile(
    r"\\(?:(?P<comment>[\"#].*)|[(*]?(?:\((?P<two>..)|\[(?P<long>[^\]]{0,80})\])|\*(?P<one>.)"
    r"|f(?:\(..|\[[^\]]{0,80}\]|.)|s[-+]?(?:\(\d\d|\[[^\]]{0,80}\]|'[^']{0,80}'|\d)"
    r"|[nmMFgkYV](?:\(..|\[[^\]]{0,80}\]|.)|[hvwlLDoxbNXZACSHR]'[^']{0,200}'|z.|(?P<char>.)|$)"
)
_ARGUMENT = re.compile(r'"((?:[^"]|"")*)"?|((?:\\.|[^\s\\])+)')
_CODE = {"nf": True, "EX": True, "Vb": True, "Bd": True, "fi": False, "EE": False, "Ve": False, "Ed": False}
_FONTS = ("B", "I", "SM", "SB", "R", "Nm", "Em", "Sy", "Li", "Dv", "Va", "Ev", "Pa", "Cm", "Ic", "Ar", "Nd")
_MDOC = {"Fl": "-", "Op": "[", "Oo": "[", "Oc": "]", "Dq": '"', "Ql": "'", "Sq": "'", "Pq": "("}
_CLOSED = {"Op": "]", "Dq": '"', "Ql": "'", "Sq": "'", "Pq": ")"}
_INLINE = {
    *_FONTS,
    *_MDOC,
    "Ns",
    "No",
    "Xr",
    "Tn",
    "Ft",
    "Fn",
    "Fa",
    "Vt",
    "Ux",
    "Bx",
    "Ad",
    "Er",
    "Lk",
    "Mt",
}


@attrs.frozen(kw_only=True)
class Man:
    """Reader of manual pages: sections as headings, tags as terms of a definition list.

    A tag ends with two colons and its text is indented, as in AsciiDoc. Definitions before the title of a
    page are not read. Only the terminal branch of a condition is read.
    """

    api_version: ClassVar[int] = 1
    suffixes: ClassVar[tuple[str, ...]] = (".man", ".roff")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        """Return one document of kind "markdown", with the name and section of the page as its title."""
        text, notes = decode(data)
        page = _Page()
        for number, line in enumerate(text.split("\n"), 1):
            page.feed(line, number)
        document = page.document()
        return [attrs.evolve(document, notes=(*notes, *document.notes))]


class _Page:
    """A collector of the lines of a page."""

    def __init__(self) -> None:
        self._found = Collected()
        self._title = ""
        self._begun = False
        self._name: list[str] = []
        """The name that ``.Nm`` without an argument stands for."""
        self._skipped = ""
        """The beginning of the line that ends the skipped lines; empty if no lines are skipped."""
        self._base, self._outer = 0, list[tuple[int, bool]]()
        """The margin in columns, and the outer margins, each with whether a definition was open."""
        self._defining = False
        self._tag: Callable[[str, int], None] | None = None
        """The function that takes the next line of text as a tag or a heading; ``None`` for ordinary text."""
        self._code = False
        self._goes_on = False
        """Whether the next line continues the paragraph."""
        self._item = ""
        """The mark of the list item that begins, or empty."""
        self._table: str | None = None

    def document(self) -> ParsedDocument:
        """Return the document made of the lines collected so far."""
        if self._code:
            self._fence(False, max(self._found.lines, default=1))
        return self._found.document("markdown", self._title)

    def feed(self, line: str, number: int) -> None:
        """Take in the next line of the file."""
        if self._skipped:
            if line.strip().startswith(self._skipped):
                self._skipped = ""
            return
        request = re.match(r"[.']\s*(\S*)\s*(.*)", line)
        if not request:
            if self._begun:
                self._text(line, number)
            return
        name, rest = request[1], request[2][:_LONGEST]
        if name in ("TH", "Dt"):
            words = [plain(word) for word in _arguments(rest)]
            self._title, self._begun = f"{words[0].lower()}({words[1]})" if len(words) > 1 else "", True
        elif name == "Dd":
            self._begun = True
        elif name in ("de", "de1", "ig", "am"):
            self._skipped = ".."
        elif name in ("if", "ie", "el"):
            self._condition(name, rest, number)
        elif self._begun:
            self._request(name, rest, number)

    def _condition(self, name: str, rest: str, number: int) -> None:
        condition, _, body = rest.partition(" ") if name != "el" else ("", "", rest)
        if condition == "n" or (condition == "t" and "\\{" not in rest):
            if condition == "n" and "\\{" not in body:
                self.feed(body, number)
        elif "\\{" in rest and "\\}" not in rest:
            self._skipped = ".\\}"

    def _request(self, name: str, rest: str, number: int) -> None:
        arguments = _arguments(rest)
        if name in ("SH", "Sh", "SS", "Ss"):
            self._leave(number)
            mark = "# " if name in ("SH", "Sh") else "## "
            self._tag = lambda text, at: self._found.put(mark + text, at)
            if arguments:
                self._text(" ".join(arguments), number)
        elif name in ("TP", "TQ", "HP"):
            self._paragraph(number, tight=name == "TQ")
            self._defining, self._tag = False, self._define
        elif name in ("IP", "It"):
            self._bullet(arguments, number, mdoc=name == "It")
        elif name in ("PP", "P", "LP", "Pp", "sp", "Sp"):
            self._paragraph(number)
            self._defining &= name in ("sp", "Sp", "Pp")
        elif name in ("RS", "INDENT", "Bl"):
            self._deeper(number, listed=name == "Bl")
        elif name in ("RE", "UNINDENT", "El") and self._outer:
            self._paragraph(number)
            self._base, self._defining = self._outer.pop()
        elif name in _CODE:
            self._fence(_CODE[name], number)
        elif name in ("br", "PD"):
            self._goes_on = False
        elif name in ("TS", "TE"):
            self._paragraph(number)
            self._table = "" if name == "TS" else None
        elif name in ("BR", "RB", "BI", "IB", "IR", "RI"):
            self._text("".join(arguments), number)
        elif name == "Xr" and len(arguments) > 1:
            self._text(f"{arguments[0]}({arguments[1]}){''.join(arguments[2:])}", number)
        elif name == "Nm":
            self._name = self._name or arguments[:1]
            self._text(_mdoc(arguments or self._name), number)
        elif name in _INLINE:
            self._text(_mdoc([name, *arguments]), number)

    def _leave(self, number: int) -> None:
        self._paragraph(number)
        self._base, self._outer, self._defining = 0, [], False

    def _paragraph(self, number: int, *, tight: bool = False) -> None:
        """Finish the paragraph."""
        self._goes_on, self._tag = False, None
        last = self._found.text[-1] if self._found.text else ""
        if last and not (tight or self._code or last.endswith("::")):
            self._found.put("", number)

    def _bullet(self, arguments: list[str], number: int, *, mdoc: bool) -> None:
        tag = plain(_mdoc(arguments) if mdoc else (arguments or [""])[0]).strip()
        self._paragraph(number)
        if re.fullmatch(r"[•*·o-]?|\(?\d{1,2}[.)]", tag):
            self._item = f"{tag} " if tag[-1:] in (".", ")") else "- " * bool(tag or mdoc)
            self._defining = not tag and not mdoc
        else:
            self._define(tag, number)

    def _define(self, tag: str, number: int) -> None:
        self._found.put(f"{' ' * min(self._base, _DEEPEST)}{tag}::", number)
        self._defining = True

    def _deeper(self, number: int, *, listed: bool) -> None:
        """Move the margin inwards; a short line alone above it is a term."""
        text = self._found.text
        alone = bool(text) and (len(text) < 2 or not text[-2] or text[-2].endswith("::"))
        if not listed and alone and self._goes_on and len(text[-1]) <= _TERM and text[-1][-1:] not in ".:":
            text[-1] += "::"
        elif not (text and text[-1].endswith("::")):
            self._paragraph(number)
        self._goes_on = False
        self._outer.append((self._base, self._defining))
        self._base += 0 if listed else _INDENT
        self._defining = False

    def _fence(self, opens: bool, number: int) -> None:
        if opens != self._code:
            self._found.put(" " * self._margin + "```", number)
        self._code, self._goes_on = opens, False

    @property
    def _margin(self) -> int:
        return min(self._base, _DEEPEST) + _INDENT * self._defining

    def _text(self, source: str, number: int) -> None:
        """Add a line of text."""
        text = plain(source)
        if self._table is not None:
            self._row(text, number)
        elif self._code:
            self._found.put(text.rstrip(), number)
        elif not text.strip():
            self._paragraph(number)
        elif text.strip() in ("•", "·"):  # its text follows
            self._paragraph(number)
            self._item = "- "
        elif self._tag:
            take, self._tag, self._goes_on = self._tag, None, False
            take(" ".join(text.split()), number)
        else:
            if self._goes_on:
                self._found.wrapped.append(len(self._found.text))
            mark, self._item = self._item, ""
            self._found.put(" " * self._margin + mark + " ".join(text.split()), number)
            self._goes_on = True

    def _row(self, text: str, number: int) -> None:
        """Add a row of a table; the table's format ends with a full stop."""
        if not self._table:
            tab = re.search(r"tab\s*\((.)\)", text)
            self._table = (tab[1] if tab else "\t") if tab or text.rstrip().endswith((".", ";")) else ""
            self._format = not text.rstrip().endswith(".")
        elif self._format:
            self._format = not text.rstrip().endswith(".")
        elif not re.fullmatch(r"[_=\s]*", text):
            cells = re.sub(r"^T\}|T\{$", "", text).split(self._table)
            line = " | ".join(cell.strip() for cell in cells if cell.strip())
            if line:
                self._found.put(line, number)


def plain(text: str) -> str:
    """Return the text without escape sequences.

    >>> plain(r"\\fB\\-\\-all\\fR\\&, the user\\(aqs \\[bu] \\*(lqown\\*(rq")
    "--all, the user's • “own”"
    """

    def shown(match: re.Match[str]) -> str:
        name = match["two"] or match["long"] or match["one"]
        if name:
            if len(name) == 2 and name[0] in _ACCENTS:
                return name[1] + _ACCENTS[name[0]]
            code = re.fullmatch(r"u([0-9A-F]{4,5})", name)
            return chr(int(code[1], 16)) if code else _CHARACTERS.get(name, "")
        return {"-": "-", "e": "\\", "\\": "\\", " ": " ", "~": " ", "0": " ", "t": "\t", ".": "."}.get(
            match["char"] or "", match["char"] if (match["char"] or "") in "'`_\"" else ""
        )

    return _ESCAPE.sub(shown, text)


def _arguments(text: str) -> list[str]:
    """Return the arguments of a request; those in quotation marks have spaces."""
    text = re.split(r"(?<!\\)\\\"", text)[0]
    return [(quoted or word).replace('""', '"') for quoted, word in _ARGUMENT.findall(text)]


def _mdoc(words: list[str]) -> str:
    """Return the text of words with mdoc macros among them."""
    found, closing, joined = "", "", True
    for word in words:
        if word in ("Ns", "Oo", "Op", "Dq", "Ql", "Sq", "Pq", "Oc", "Fl"):
            if word != "Ns" and not (joined or word == "Oc"):
                found += " "
            found += "" if word == "Ns" else _MDOC[word]
            closing = _CLOSED.get(word, "") + closing
            joined = True
        elif word not in _INLINE:
            joined = joined or bool(re.fullmatch(r"[.,;:)\]]", word))
            found, joined = found + " " * (not joined) + word, False
    return (found + closing).strip()
