"""Hostile and huge files of text: mail, HTML, JSON, CSV, logs, chats, calendars, Markdown."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from functools import partial
from io import BytesIO

from lior_bench.attack.cases import case
from lior_bench.attack.formats import FORMATS, many

_MILLION = 1_000_000
_WORDS = ("the", "boiler", "pressure", "garden", "kettle", "morning", "window", "letter", "summer", "river")


def _times(unit: bytes, count: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """A unit many times."""
    return before + unit * count + after


def _prose(count: int, end: str = ".\n", words: Sequence[str] = _WORDS, seed: int = 1) -> bytes:
    """Ordinary words, each line of twelve with this end."""
    draw = random.Random(seed)
    return "".join(" ".join(draw.choices(words, k=12)) + end for _ in range(count)).encode()


# --- one thing many times ---

_TIMES: dict[str, tuple[bytes, int, bytes, bytes] | tuple[bytes, int]] = {
    # Markdown, reStructuredText, AsciiDoc
    "headings.md": (b"# heading\n", _MILLION),
    "bars.md": (b"|", 20 * _MILLION),
    "emphasis.md": (b"*a **b ", _MILLION),
    "brackets.md": (b"[", 4 * _MILLION),
    "fences.md": (b"```\n~~~\n", _MILLION // 2),
    "directives.rst": (b".. option:: --a\n", _MILLION),
    "terms.adoc": (b"a::\n", _MILLION),
    "frames.txt": ("│┼─\n".encode(), _MILLION // 2),
    # code
    "decorators.py": (b"@a\n", _MILLION),
    "comments.py": (b"#a\n", _MILLION),
    "changes.diff": (b"@@ -1 +1 @@\n-a b\n+b c\n", 300_000),
    # encodings and scripts
    "nul.txt": (b"a\0b ", _MILLION),
    "mixed.txt": ("é ß ".encode() + b"\xe9 \xdf \x80 ", _MILLION),
    "combining.txt": (b"e" + "\u0301".encode() * 20 + b" ", 200_000),
    "characters.txt": ("東京都の天気は晴れです".encode(), 200_000),
    "long-word.txt": (b"a", 60 * _MILLION),
    "spaces.txt": (b" ", 40 * _MILLION),
    # HTML
    "smaller.html": (b"<", _MILLION),
    "deep.html": (b"<div>", _MILLION),
    "cells.html": (b"<td>a", _MILLION),
    "comments.html": (b"<!--", _MILLION),
    "attributes.html": (b"<a b='", _MILLION // 2),
    "entities.html": (b"&#38;&amp", _MILLION // 2),
    # JSON, tables
    "open.json": (b"[", _MILLION),
    "quotes.csv": (b'"', 30 * _MILLION),
    "rows.csv": (b"1,a\n", 2 * _MILLION),
    # between something else
    "newlines.html": (b"\n", 2 * _MILLION, b"<h1>a", b"</h1>"),
    "cells.md": (b"|a", _MILLION, b"", b"\n" + b"|---" * _MILLION + b"\n" + b"|1" * _MILLION),
    "square.csv": (b"1\n", 50_000, b"a," * 50_000 + b"\n", b""),
    "front-date.md": (b" ", _MILLION, b"---\ndate: a", b"b"),
    "folded.ics": (b" a\n", _MILLION, b"BEGIN:VEVENT\nSUMMARY:a\n", b"END:VEVENT\n"),
    "rules.ics": (b"MO,", _MILLION, b"BEGIN:VEVENT\nRRULE:FREQ=WEEKLY;BYDAY=", b"TU\nEND:VEVENT\n"),
    "photo.vcf": (b" " + b"QUJD" * 18 + b"\n", 200_000, b"BEGIN:VCARD\nFN:A B\nPHOTO:\n", b"END:VCARD\n"),
    "header.eml": (b" a\n", 2 * _MILLION, b"Subject: a\n", b"\ntext\n"),
    "empty.mbox": (b"From a 2024\nA: b\n\n", 200_000, b"", b""),
    "depth.eml": (b"Content-Type: message/rfc822\n\n", 20_000, b"", b"Subject: a\n\ntext\n"),
    "halves.json": (b'"\\ud800",\n', _MILLION // 2, b"[", b"1]"),
}
"""Name of the file -> what is in it, how many times, and what stands before and after."""
_SAMPLE = {
    *("decorators.py", "cells.html", "attributes.html"),
    *("newlines.html", "front-date.md", "square.csv"),
}
for _file, _of in _TIMES.items():
    case(_file, sample=_file in _SAMPLE)(partial(_times, *_of))


# --- ordinary material, much of it ---

_ORDINARY = {
    "unique.txt": 150_000,
    "chat.txt": 250_000,
    "server.log": 100_000,
    "contacts.vcf": 100_000,
    "texts.jsonl": 50_000,
    "table.csv": 60_000,
    "mail.mbox": 100_000,
}
"""Name of a format -> units of the file."""
for _file, _count in _ORDINARY.items():
    case(_file, read=True)(partial(FORMATS[_file], _count))
case("daily.ics", read=True)(
    lambda: FORMATS["events.ics"](100_000).replace(b"\nEND", b"\nRRULE:FREQ=DAILY\nEND")
)
case("export.json")(partial(FORMATS["export.json"], 166_667))
case("prose.txt", read=True)(partial(_prose, 250_000))
case("notes.md", read=True, sample=True)(partial(_prose, 10_000, ".\n\n"))


# --- many entries, many files ---


_MANY = {
    "references.md": ("[r{0}]: http://example.com/{0}\n", 100_000),
    "footnotes.md": ("word[^{0}]\n\n[^{0}]: note {0}\n\n", 100_000),
    "rows.jsonl": ('{{"id": {0}, "name": "row {0}", "value": {0}.5}}\n', 600_000),
    "events.ics": ("BEGIN:VEVENT\nUID:{0}\nDTSTART:20240101T100000\nSUMMARY:a {0}\nEND:VEVENT\n", 200_000),
}
"""Name of the file -> form of a line or an entry, and how many."""
for _file, (_form, _count) in _MANY.items():
    case(_file, read=True)(partial(many, _form, _count))


def _notebook(kind: str) -> bytes:
    cells = [{"cell_type": kind, "source": [f"line {number}\n"]} for number in range(100_000)]
    return json.dumps({"cells": cells}, indent=1).encode()


def _signs(sign: bytes) -> dict[str, bytes]:
    return {f"{number}.txt": sign * (20 * _MILLION // len(sign)) for number in range(24)}


for _file in ("code", "markdown"):
    case(f"{_file}.ipynb", read=True)(partial(_notebook, _file))
for _file, _sign in (("letter", b"a"), ("dot", b"."), ("line", b"a\n"), ("star", b"*")):
    case(f"{_file}.txt")(partial(_signs, _sign))
case("links.txt")(
    lambda: {"aim.txt": _prose(15_000)} | {f"{number}.txt": "aim.txt" for number in range(5000)}
)


# --- more than is read at once ---


case("newlines.txt", sample=True)(partial(_times, b"\n", 60 * _MILLION, b"A pump.\n", b"The end.\n"))
_PHOTO = "BEGIN:VCARD\nFN:Ann {0}\nTEL:+44 {0}\nPHOTO;ENCODING=b:" + "QUJD" * 30 + "\nEND:VCARD\n"
case("photos.vcf")(partial(many, _PHOTO, 150_000))
_MANY_WORDS = [f"{word}{number:x}" for word in _WORDS for number in range(500)]
case("six.txt")(
    lambda: {f"{number}.txt": _prose(150_000, words=_MANY_WORDS, seed=number) for number in range(6)}
)


@case("sixty.png")
def sixty() -> dict[str, bytes]:
    """Sixty pictures of a line of text; each takes half a second."""
    from PIL import Image, ImageDraw

    made: dict[str, bytes] = {}
    for number in range(60):
        image, buffer = Image.new("L", (6000, 200), 255), BytesIO()
        ImageDraw.Draw(image).text((20, 60), f"picture {number}: {' '.join(_WORDS * 6)}", font_size=60)
        image.save(buffer, "PNG")
        made[f"{number}.png"] = buffer.getvalue()
    return made


# --- built of several things ---


# Each line is deeper than the one above it, and so a term.
case("deeper.txt")(lambda: b"".join(b"  " * depth + b"a\n" for depth in range(4000)))
case("giant.jsonl")(lambda: json.dumps({"text": "a line of the text\n" * 1_500_000}).encode())


@case("base64.eml")
def encode_text() -> bytes:
    """20 MB of text in base64."""
    text = base64.encodebytes(b"some words of a text\n" * _MILLION)
    return b"Subject: a\nContent-Transfer-Encoding: base64\n\n" + text


@case("random.txt")
def drawn() -> bytes:
    """Bytes above 127 in no encoding."""
    return bytes(byte | 128 if byte % 3 else 32 for byte in random.Random(1).randbytes(2 * _MILLION))
