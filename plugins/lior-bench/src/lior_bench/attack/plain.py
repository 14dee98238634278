"""Hostile and huge files of text: mail, HTML, JSON, CSV, logs, chats, calendars, man pages, Markdown."""

from __future__ import annotations

import base64
import gzip
import json
import random
from functools import partial
from io import BytesIO

from lior_bench.attack.cases import case

_MILLION = 1_000_000
_WORDS = ("the", "boiler", "pressure", "garden", "kettle", "morning", "window", "letter", "summer", "river")

MAIL = (
    "From ann@example.com Mon Jan  1 10:00:00 2024\nFrom: Ann <ann@example.com>\nTo: bob@example.com\n"
    "Date: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: the garden, part {0}\n\nDear Bob,\n\n"
    "the tomatoes of bed {0} want water in the morning, and the roses want none of it.\n\nAnn\n\n"
)
"""A message of a mailbox, with its number."""


def _times(unit: bytes, count: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """A unit many times."""
    return before + unit * count + after


def _counted(form: str, count: int, before: str = "") -> bytes:
    """A form many times, with the number of each."""
    return (before + "".join([form.format(number) for number in range(count)])).encode()


def _prose(count: int, end: str) -> bytes:
    """Ordinary words, each line of twelve with this end."""
    draw = random.Random(1)
    return "".join(" ".join(draw.choices(_WORDS, k=12)) + end for _ in range(count)).encode()


# --- one thing many times ---

_REPEATED: dict[str, tuple[bytes, int]] = {
    # Markdown, reStructuredText, AsciiDoc
    "headings.md": (b"# heading\n", _MILLION),
    "setext.md": (b"a\n=\n\n", _MILLION),
    "rules.md": (b"---\n", _MILLION),
    "bars.md": (b"|", 20 * _MILLION),
    "bar-lines.md": (b"|\n|---|\n", _MILLION),
    "quoted.md": (b">", 4 * _MILLION),
    "emphasis.md": (b"*a **b ", _MILLION),
    "links.md": (b"[a](", _MILLION),
    "brackets.md": (b"[", 4 * _MILLION),
    "embedded.md": (b"![[a\n", _MILLION),
    "fences.md": (b"```\n~~~\n", _MILLION // 2),
    "items.md": (b"- \n  1. ", _MILLION),
    "bold-lines.md": (b"\n**a", _MILLION),
    "directives.rst": (b".. option:: --a\n", _MILLION),
    "literal.rst": (b"a::\n\n  b\n", _MILLION // 2),
    "terms.adoc": (b"a::\n", _MILLION),
    "joined.adoc": (b"+\n", _MILLION),
    "options.txt": (b"-a, --all  b\n", _MILLION // 2),
    "dots.txt": (b".", 10 * _MILLION),
    "leaders.txt": (b". . . . 1\n", _MILLION // 2),
    "sections.txt": (b"1.1.1.1.1.1 A\n\n", _MILLION // 2),
    "capitals.txt": (b"A\n", _MILLION),
    "frames.txt": ("│┼─\n".encode(), _MILLION // 2),
    # code
    "decorators.py": (b"@a\n", _MILLION),
    "comments.py": (b"#a\n", _MILLION),
    "calls.c": (b"f(a,\n", _MILLION),
    "docstrings.py": (b'"""\na\n', _MILLION // 2),
    "minified.js": (b"var a=function(b){return c[d](e)};", 600_000),
    "changes.diff": (b"@@ -1 +1 @@\n-a b\n+b c\n", 300_000),
    # encodings and scripts
    "nul.txt": (b"a\0b ", _MILLION),
    "controls.txt": (b"\x1b[31ma\x08b\x9b ", _MILLION),
    "surrogates.txt": (b"\x00\xd8a\x00 \x00", _MILLION),
    "mixed.txt": ("é ß ".encode() + b"\xe9 \xdf \x80 ", _MILLION),
    "returns.txt": (b"a line with a lone return\r", 200_000),
    "combining.txt": (b"e" + "\u0301".encode() * 20 + b" ", 200_000),
    "right-to-left.txt": ("\u202eשלום עולם \u202c".encode(), 300_000),
    "characters.txt": ("東京都の天気は晴れです".encode(), 200_000),
    "stop-words.txt": (b"the of and to a in is it you that ", 300_000),
    "long-word.txt": (b"a", 60 * _MILLION),
    "spaces.txt": (b" ", 40 * _MILLION),
    "digits.txt": (b"1", 10 * _MILLION),
    "slashes.txt": (b"1/1/", 2 * _MILLION),
    "months.txt": (b"1 and 2 march ", _MILLION),
    "no-stop.txt": (b"a line of words that goes on and on without any stop at its end\n", 300_000),
    # HTML
    "smaller.html": (b"<", _MILLION),
    "paragraphs.html": (b"<p>a", _MILLION // 2),
    "deep.html": (b"<div>", _MILLION),
    "cells.html": (b"<td>a", _MILLION),
    "lists.html": (b"<dl><dd>a", 100_000),
    "bold.html": (b"<p><b>a</b>", 300_000),
    "comments.html": (b"<!--", _MILLION),
    "ends.html": (b"</", _MILLION),
    "declarations.html": (b"<!a", _MILLION),
    "sections.html": (b"<![CDATA[", _MILLION // 2),
    "attributes.html": (b"<a b='", _MILLION // 2),
    "entities.html": (b"&#38;&amp", _MILLION // 2),
    "scripts.html": (b"<script>a</scrip", 300_000),
    "words.html": (b"<i>a</i> ", _MILLION // 2),
    # JSON, tables
    "open.json": (b"[", _MILLION),
    "quotes.csv": (b'"', 30 * _MILLION),
    "wide.csv": (b"a,", 5 * _MILLION),
    "rows.csv": (b"1,a\n", 2 * _MILLION),
}

for _file, (_unit, _count) in _REPEATED.items():
    _sample = _file in ("setext.md", "decorators.py", "cells.html", "lists.html", "attributes.html")
    case(_file, sample=_sample)(partial(_times, _unit, _count))

_AROUND: dict[str, tuple[bytes, int, bytes, bytes]] = {
    "attribute.html": (b"a", 20 * _MILLION, b'<p title="', b'">a'),
    "newlines.html": (b"\n", 2 * _MILLION, b"<h1>a", b"</h1>"),
    "row.html": (b"<td>a ", 300_000, b"<table><tr>", b"</table>"),
    "cells.md": (b"|a", _MILLION, b"", b"\n" + b"|---" * _MILLION + b"\n" + b"|1" * _MILLION),
    "square.csv": (b"1\n", 50_000, b"a," * 50_000 + b"\n", b""),
    "front.md": (b"a: b\n", 2 * _MILLION, b"---\n", b"---\ntext\n"),
    "front-date.md": (b" ", _MILLION, b"---\ndate: a", b"b"),
    "blanks.md": (b" ", _MILLION, b"# a", b"b\n"),
    "wide-terms.txt": (b"a  ", _MILLION, b"-a ", b"\n   b\n"),
    "folded.ics": (b" a\n", _MILLION, b"BEGIN:VEVENT\nSUMMARY:a\n", b"END:VEVENT\n"),
    "nested.ics": (b"BEGIN:VEVENT\n", 100_000, b"", b"END:VEVENT\n" * 100_000),
    "rules.ics": (
        b"MO,",
        _MILLION,
        b"BEGIN:VEVENT\nRRULE:FREQ=WEEKLY;BYDAY=",
        b"TU\nEND:VEVENT\n",
    ),
    "parameters.ics": (b";A=b", _MILLION, b"BEGIN:VEVENT\nSUMMARY", b"\nEND:VEVENT\n"),
    "photo.vcf": (b" " + b"QUJD" * 18 + b"\n", 200_000, b"BEGIN:VCARD\nFN:A B\nPHOTO:\n", b"END:VCARD\n"),
    "deeper.man": (b".RS\na\n", 100_000, b".TH A 1\n.SH B\n", b""),
    "conditions.man": (b".if n ", 100_000, b".TH A 1\n.SH B\n", b"a\n"),
    "macros.man": (b".de A\n.A\n..\n.so a.man\n.A\n", 100_000, b".TH A 1\n.SH B\n", b""),
    "escapes.man": (b"\\[", _MILLION, b".TH A 1\n.SH B\n", b""),
    "options.man": (b"Op ", _MILLION // 2, b".TH A 1\n.SH B\n.", b""),
    "arguments.man": (b'"', _MILLION, b".TH A 1\n.SH B\n.B ", b""),
    "encoded.eml": (b"=?utf-8?q?a?= ", 100_000, b"Subject: ", b"\n\ntext\n"),
    "header.eml": (b" a\n", 2 * _MILLION, b"Subject: a\n", b"\ntext\n"),
    "headers.eml": (b"A: b\n", _MILLION, b"", b"\ntext\n"),
    "soft.eml": (b"a=\n", _MILLION, b"Content-Transfer-Encoding: quoted-printable\n\n", b""),
    "empty.mbox": (b"From a 2024\nA: b\n\n", 200_000, b"", b""),
    "depth.eml": (b"Content-Type: message/rfc822\n\n", 20_000, b"", b"Subject: a\n\ntext\n"),
    "numbers.json": (b"1", _MILLION, b"[", b"]"),
    "halves.json": (b'"\\ud800",\n', _MILLION // 2, b"[", b"1]"),
    "message.txt": (b"and it goes on\n", _MILLION, b"[1/2/24, 10:00] Ann: hello\n" * 3, b""),
}
for _file, (_unit, _count, _before, _after) in _AROUND.items():
    _sample = _file in ("newlines.html", "front-date.md", "square.csv")
    case(_file, sample=_sample)(partial(_times, _unit, _count, _before, _after))


# --- ordinary material, much of it ---

_ORDINARY: dict[str, tuple[str, int, str]] = {
    "unique.txt": ("w{0:x} ", 2_500_000, ""),
    "short.txt": ("call number {0}\n", 3_000_000, ""),
    "chat.txt": ("[1/2/24, 10:00:00] Ann: message {0} on a garden\n", 100_000, "[1/2/24, 9:00] Bob: hi\n"),
    "dashes.txt": ("1/2/24, 10:00 - Ann: message {0} on a garden\n", 100_000, "1/2/24, 9:00 - Bob: hi\n"),
    "angles.txt": ("10:00 <ann> message {0} about the garden\n", 100_000, "10:00 <bob> hi\n"),
    "server.log": ("2024-01-02 10:00:00,123 ERROR [worker] request {0:x} failed\n", 400_000, ""),
    "events.ics": (
        "BEGIN:VEVENT\nSUMMARY:meeting {0}\nDTSTART:20240102T100000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\n",
        100_000, "",
    ),
    "contacts.vcf": ("BEGIN:VCARD\nFN:Ann {0}\nTEL:+44 {0}\nEND:VCARD\n", 100_000, ""),
    "documents.jsonl": ('{{"_id": "{0}", "text": "A note on the garden, number {0}."}}\n', 50_000, ""),
    "table.csv": ("{0},a name,2024-01-02,some words of a remark\n", 300_000, "id,name,date,remark\n"),
    "sections.md": ("## Section {0}\n\nA sentence on the garden, and number {0}.\n\n", 100_000, ""),
    "mail.mbox": (MAIL, 50_000, ""),
}  # fmt: skip
for _file, (_form, _count, _head) in _ORDINARY.items():
    case(_file, read=True)(partial(_counted, _form, _count, _head))
case("prose.txt", read=True)(partial(_prose, 250_000, ".\n"))
case("line.txt", read=True)(partial(_prose, 700_000, " "))
case("notes.md", read=True, sample=True)(partial(_prose, 10_000, ".\n\n"))


# --- more than is read at once ---


def _text(size: int, seed: int) -> bytes:
    """So many bytes of ordinary words, which are many different ones."""
    draw = random.Random(seed)
    words = [f"{draw.choice(_WORDS)}{number:x}" for number in range(5000)]
    return "\n".join(" ".join(draw.choices(words, k=12)) + "." for _ in range(size // 130)).encode()


case("newlines.txt", sample=True)(partial(_times, b"\n", 60 * _MILLION, b"A pump.\n", b"The end.\n"))
case("one-letter.txt")(partial(_times, b"a\n", 30 * _MILLION))
case("one-line.txt")(lambda: _text(30 * _MILLION, 1).replace(b"\n", b" "))
case("photos.vcf")(
    partial(
        _counted,
        "BEGIN:VCARD\nFN:Ann {0}\nTEL:+44 {0}\nPHOTO;ENCODING=b:" + "QUJD" * 30 + "\nEND:VCARD\n",
        150_000,
    )
)
case("texts.eml")(
    partial(
        _counted,
        "--b\nContent-Type: text/plain\n\nPart {0}, of the garden.\n",
        100_000,
        "From: ann@example.com\nSubject: parts\nContent-Type: multipart/mixed; boundary=b\n\n",
    )
)
case("six.txt")(lambda: {f"{number}.txt": _text(20 * _MILLION, number) for number in range(6)})
case("three.txt.gz")(
    lambda: {f"{number}.txt.gz": gzip.compress(_text(60 * _MILLION, number), 1) for number in range(3)}
)


@case("slack.json")
def slack() -> bytes:
    """An export of a chat, of a million lines."""
    sent = ({"user": f"U{n % 50}", "text": f"message {n} on the garden", "ts": f"{n + 1_700_000_000}.0"}
            for n in range(166_667))  # fmt: skip
    return json.dumps([{"type": "message", **each} for each in sent], indent=1).encode()


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


@case("deeper.txt")
def deeper() -> bytes:
    """Each line is deeper than the one above it, and so a term."""
    return b"".join(b"  " * depth + b"a\n" for depth in range(4000))


@case("definitions.py")
def definitions() -> bytes:
    """Functions inside functions."""
    return b"".join(b" " * depth + b"def a():\n" for depth in range(5000))


@case("sparse.html")
def sparse() -> bytes:
    """What never ends stands before much text."""
    return b"<nav>" * 300_000 + b"<p>a" * 300_000


@case("nested.json")
def nested() -> bytes:
    """900 deep and 30 MB wide: indented, each line has 900 columns."""
    return b"[" * 900 + b"1," * (15 * _MILLION) + b"1" + b"]" * 900


@case("object.json")
def pairs() -> bytes:
    """One line with many names and values."""
    return json.dumps({f"key{number}": f"value {number}" for number in range(500_000)}).encode()


@case("giant.jsonl")
def giant() -> bytes:
    """One document of 30 MB in one line."""
    return json.dumps({"text": "a line of the text\n" * 1_500_000}).encode()


@case("cells.ipynb")
def cells() -> bytes:
    """Many cells, which all have the same text."""
    cell = {"cell_type": "code", "source": ["print(1)\n", "print(2)"]}
    return json.dumps({"cells": [cell] * 100_000}, indent=1).encode()


@case("telegram.json")
def telegram() -> bytes:
    """An export of a chat, whose messages have the same texts."""
    sent = [{"date": "2024-01-02T10:00:00", "from": "Ann", "text": f"hi {n % 9}"} for n in range(200_000)]
    return json.dumps({"name": "Ann", "messages": sent}, indent=1).encode()


@case("parts.eml")
def parts() -> bytes:
    """20,000 parts."""
    part = b"--b\nContent-Type: text/plain\n\na few words\n"
    return b"Subject: a\nContent-Type: multipart/mixed; boundary=b\n\n" + part * 20_000 + b"--b--\n"


@case("depth-of-parts.eml")
def parts_in_parts() -> bytes:
    """Each part has one."""
    form = "Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n"
    return _counted(form, 2000, "Subject: a\n") + b"Content-Type: text/plain\n\na few words\n"


@case("base64.eml")
def encoded_text() -> bytes:
    """20 MB of text in base64."""
    text = base64.encodebytes(b"some words of a text\n" * _MILLION)
    return b"Subject: a\nContent-Transfer-Encoding: base64\n\n" + text


@case("page.eml")
def encoded_page() -> bytes:
    """A page whose elements never end."""
    return b"Subject: a\nContent-Type: text/html\n\n" + b"<td>a" * 500_000


@case("random.txt")
def drawn() -> bytes:
    """Bytes above 127 in no encoding."""
    return bytes(byte | 128 if byte % 3 else 32 for byte in random.Random(1).randbytes(2 * _MILLION))


@case("letters.txt")
def letters() -> bytes:
    """Words of random letters, nearly all different."""
    drawn_ = random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=10 * _MILLION)
    return " ".join("".join(drawn_[at : at + 9]) for at in range(0, len(drawn_), 9)).encode()
