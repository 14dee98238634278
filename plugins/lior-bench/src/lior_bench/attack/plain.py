"""Hostile and huge files of text: mail, HTML, JSON, CSV, logs, chats, calendars, man pages, Markdown."""

from __future__ import annotations

import base64
import json
import random
from functools import partial
from io import BytesIO

from lior_bench.attack.cases import case
from lior_bench.attack.formats import FORMATS

_MILLION = 1_000_000
_WORDS = ("the", "boiler", "pressure", "garden", "kettle", "morning", "window", "letter", "summer", "river")


def _times(unit: bytes, count: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """Return ``unit`` repeated ``count`` times, between ``before`` and ``after``."""
    return before + unit * count + after


def _prose(count: int, end: str) -> bytes:
    """Return lines of twelve ordinary words, each with this end."""
    draw = random.Random(1)
    return "".join(" ".join(draw.choices(_WORDS, k=12)) + end for _ in range(count)).encode()


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
    "conditions.man": (b".if n ", 100_000, b".TH A 1\n.SH B\n", b"a\n"),
    "macros.man": (b".de A\n.A\n..\n.so a.man\n.A\n", 100_000, b".TH A 1\n.SH B\n", b""),
    "arguments.man": (b'"', _MILLION, b".TH A 1\n.SH B\n.B ", b""),
    "header.eml": (b" a\n", 2 * _MILLION, b"Subject: a\n", b"\ntext\n"),
    "empty.mbox": (b"From a 2024\nA: b\n\n", 200_000, b"", b""),
    "depth.eml": (b"Content-Type: message/rfc822\n\n", 20_000, b"", b"Subject: a\n\ntext\n"),
    "halves.json": (b'"\\ud800",\n', _MILLION // 2, b"[", b"1]"),
}
"""The unit of each file, the number of repetitions, and the bytes before and after, by the file's name."""
_SAMPLE = {
    *("decorators.py", "cells.html", "attributes.html"),
    *("newlines.html", "front-date.md", "square.csv"),
}
for _file, _of in _TIMES.items():
    case(_file, sample=_file in _SAMPLE)(partial(_times, *_of))


# --- large ordinary material ---

_ORDINARY = {
    "unique.txt": 150_000,
    "chat.txt": 25_000,
    "server.log": 100_000,
    "contacts.vcf": 100_000,
    "texts.jsonl": 50_000,
    "table.csv": 60_000,
    "mail.mbox": 100_000,
}
"""The number of units in each format's file, by name."""
for _file, _count in _ORDINARY.items():
    case(_file, read=True)(partial(FORMATS[_file], _count))
case("daily.ics", read=True)(
    lambda: FORMATS["events.ics"](100_000).replace(b"\nEND", b"\nRRULE:FREQ=DAILY\nEND")
)
case("export.json")(partial(FORMATS["export.json"], 166_667))
case("prose.txt", read=True)(partial(_prose, 250_000, ".\n"))
case("notes.md", read=True, sample=True)(partial(_prose, 10_000, ".\n\n"))


# --- many entries, many files ---


def _many(form: str, count: int) -> bytes:
    """Return a line of this form for each number below ``count``."""
    return "".join(map(form.format, range(count))).encode()


_MANY = {
    "whatsapp.txt": ("[1/2/24, 10:00] Ann: message {0}\n", _MILLION),
    "references.md": ("[r{0}]: http://example.com/{0}\n", 100_000),
    "footnotes.md": ("word[^{0}]\n\n[^{0}]: note {0}\n\n", 100_000),
    "cards.vcf": ("BEGIN:VCARD\nFN:Ann {0}\nTEL:+44 {0}\nEND:VCARD\n", 100_000),
    "rows.jsonl": ('{{"id": {0}, "name": "row {0}", "value": {0}.5}}\n', 600_000),
    "events.ics": ("BEGIN:VEVENT\nUID:{0}\nDTSTART:20240101T100000\nSUMMARY:a {0}\nEND:VEVENT\n", 200_000),
}
"""The form of a line or entry, and their number, by the file's name."""
for _file, (_form, _count) in _MANY.items():
    case(_file, read=True)(partial(_many, _form, _count))


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
    lambda: {"aim.txt": _prose(15_000, ".\n")} | {f"{number}.txt": "aim.txt" for number in range(5000)}
)


# --- more than one reading takes ---


def _text(size: int, seed: int) -> bytes:
    """Return about ``size`` bytes of text with many different words."""
    draw = random.Random(seed)
    words = [f"{draw.choice(_WORDS)}{number:x}" for number in range(5000)]
    return "\n".join(" ".join(draw.choices(words, k=12)) + "." for _ in range(size // 130)).encode()


case("newlines.txt", sample=True)(partial(_times, b"\n", 60 * _MILLION, b"A pump.\n", b"The end.\n"))
_PHOTO = "PHOTO;ENCODING=b:" + "QUJD" * 30
case("photos.vcf")(
    lambda: "".join(
        f"BEGIN:VCARD\nFN:Ann {n}\nTEL:+44 {n}\n{_PHOTO}\nEND:VCARD\n" for n in range(150_000)
    ).encode()
)
case("six.txt")(lambda: {f"{number}.txt": _text(20 * _MILLION, number) for number in range(6)})


@case("sixty.png")
def sixty() -> dict[str, bytes]:
    """Return sixty pictures of a line of text; each takes half a second."""
    from PIL import Image, ImageDraw

    made: dict[str, bytes] = {}
    for number in range(60):
        image, buffer = Image.new("L", (6000, 200), 255), BytesIO()
        ImageDraw.Draw(image).text((20, 60), f"picture {number}: {' '.join(_WORDS * 6)}", font_size=60)
        image.save(buffer, "PNG")
        made[f"{number}.png"] = buffer.getvalue()
    return made


# --- built of several things ---


@case("deeper.txt")
def deeper() -> bytes:
    """Return lines, each deeper than the one above, which is therefore a term."""
    return b"".join(b"  " * depth + b"a\n" for depth in range(4000))


@case("giant.jsonl")
def giant() -> bytes:
    """Return one document of 30 MB in one line."""
    return json.dumps({"text": "a line of the text\n" * 1_500_000}).encode()


@case("base64.eml")
def encode_text() -> bytes:
    """Return 20 MB of text in base64."""
    text = base64.encodebytes(b"some words of a text\n" * _MILLION)
    return b"Subject: a\nContent-Transfer-Encoding: base64\n\n" + text


@case("random.txt")
def drawn() -> bytes:
    """Return random bytes above 127, which are text in no encoding."""
    return bytes(byte | 128 if byte % 3 else 32 for byte in random.Random(1).randbytes(2 * _MILLION))
