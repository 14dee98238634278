"""Files of entries for the mutations: one entry is changed, and all others have to be found.

Asked of a change inside one entry is that the sentences of all others are in the text that is read. Where the
format hides behind the damage where the next entry begins (XML that is not well-formed, a tag of HTML that
opens), those before it have to be, and those of other sheets. A plain text with null bytes, or many control
characters, may be refused as binary data. Other mutations, anywhere in the file, may lose more.
"""

from __future__ import annotations

import base64
import json
import quopri
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple
from xml.etree.ElementTree import ParseError, fromstring
from xml.sax.saxutils import escape

import attrs

from lior_bench.attack.packed import packed

SENTENCES = [f"Pump {n} hums in room {n * 7} since 2024-03-{n:02}, for {n}.50 €." for n in range(1, 29)]
_CONTROLS = bytes({*range(32), 127} - set(b"\b\t\n\f\r\x1b"))
_VALUES = re.compile(rb'(?<==")[^"<>]*(?=")|(?<=>)[^<>]+(?=<)')
"""Attributes and texts of XML."""
Change = Callable[[bytes, Random], bytes]


class Mutation(NamedTuple):
    """A changed file."""

    name: str
    data: bytes
    kept: tuple[str, ...] = ()
    """Sentences that have to be in the text that is read of it."""


@attrs.frozen
class Listed:
    """A file of entries, each with a sentence of its own."""

    name: str
    data: bytes
    """Of the file, or of the member of an archive that has the entries."""
    spans: tuple[tuple[int, int], ...]
    """Where each entry begins and ends."""
    said: tuple[str, ...] = tuple(SENTENCES)
    """The sentence of each entry."""
    contained: Callable[[bytes], bool] = lambda _: True
    """Whether a changed entry leaves it open where the next one begins."""
    member: str = ""
    members: dict[str, bytes] = attrs.field(factory=dict)
    elsewhere: tuple[str, ...] = ()
    """Sentences of other members."""

    def whole(self, data: bytes) -> bytes:
        """The file with these bytes as its entries."""
        return packed({**self.members, self.member: data}) if self.member else data

    def mutated(self, random: Random, change: Change) -> Mutation:
        """The file with one entry changed."""
        number = random.randrange(len(self.spans))
        begin, end = self.spans[number]
        entry = self.data[begin:end]
        changed = _with_value(entry, random, change) if self.member and random.random() < 0.7 else b""
        changed = changed or change(entry, random)
        data = self.data[:begin] + changed + self.data[end:]
        kept = [*self.elsewhere, *self.said[:number]]
        kept += self.said[number + 1 :] if self.contained(changed) else ()
        binary = b"\0" in data or len(data) - len(data.translate(None, _CONTROLS)) > 0.015 * len(data)
        return Mutation(
            self.name, self.whole(data), () if binary and self.name.endswith(".txt") else (*kept,)
        )


def _with_value(entry: bytes, random: Random, change: Change) -> bytes:
    """An entry of XML with another text or attribute."""
    begin, end = random.choice([match.span() for match in _VALUES.finditer(entry)])
    value = change(entry[begin:end], random).decode("utf-8", "replace")
    return entry[:begin] + escape(value, {'"': "&quot;"}).encode() + entry[end:]


def listed() -> list[Listed]:
    """A file of each format that has entries."""
    found = [
        _spanned("events.ics", _ics(), rb"BEGIN:VEVENT.*?END:VEVENT"),
        _spanned("cards.vcf", _vcf(), rb"BEGIN:VCARD.*?END:VCARD"),
        _spanned("page.html", _html(), rb"(?<=<p>).*?(?=</p>)", contained=lambda entry: b"<" not in entry),
        _spanned("slack.json", _slack(), rb"(?m)^ \{.*?^ \}"),
        _spanned("telegram.json", _telegram(), rb"(?m)^  \{.*?^  \}"),
        _spanned("whatsapp.txt", _whatsapp(), rb"(?m)^\d[^\n]*"),
        _spanned("box.mbox", _mbox(), rb"From a@x.*?Content-Transfer[^.]*\.50 \xe2\x82\xac\."),
    ]
    return [*found, *_workbooks()]


def _spanned(name: str, data: bytes, pattern: bytes, **others: object) -> Listed:
    spans = tuple(match.span() for match in re.finditer(pattern, data, re.DOTALL))
    made = Listed(name, data, spans, **others)  # type: ignore[arg-type]
    assert len(made.spans) == len(made.said), (name, len(spans))
    return made


def _ics() -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "X-WR-CALNAME:Pumps"]
    for number, text in enumerate(SENTENCES, 1):
        lines += [
            "BEGIN:VEVENT",
            f"UID:{number}@x.org",
            f"DTSTART;TZID=Europe/Berlin:202403{number:02}T101500",
        ]
        lines += [f"DURATION:PT{number}H" if number % 2 else f"DTEND:202403{number:02}T120000Z"]
        lines += [
            f"SUMMARY:{text}",
            f'ATTENDEE;CN="Anna {number}":mailto:a{number}@x.org',
            "LOCATION:Mill La",
            " ne",
        ]
        lines += [
            f"RRULE:FREQ=WEEKLY;INTERVAL={number};BYDAY=MO,2FR;UNTIL=20251231",
            "EXDATE:20240401T101500",
        ]
        lines += ["BEGIN:VALARM", "TRIGGER:-PT15M", "END:VALARM", "DESCRIPTION:a\\, b\\nc", "END:VEVENT"]
    return "\r\n".join((*lines, "END:VCALENDAR", "")).encode()


def _vcf() -> bytes:
    lines = list[str]()
    for number, text in enumerate(SENTENCES, 1):
        note = quopri.encodestring(f"Café {number} = {number * 'é'}".encode()).decode()
        photo = base64.encodebytes(bytes(range(200))).decode().replace("\n", "\r\n ").strip()
        lines += [
            "BEGIN:VCARD",
            "VERSION:3.0",
            f"FN:{text}",
            f"N:Smith {number};Anna;;;",
            f"TEL;TYPE=cell:+44 20 {number}",
        ]
        lines += [f"item1.EMAIL:a{number}@x.org", f"BDAY:1980-02-{number:02}", "ORG:Example\\; Ltd;Garage"]
        lines += ["ADR;TYPE=home:;;High Street 5;London;;N1;UK", f"NOTE;ENCODING=QUOTED-PRINTABLE:{note}"]
        lines += [f"PHOTO;ENCODING=b;TYPE=JPEG:{photo}", "END:VCARD"]
    return "\r\n".join((*lines, "")).encode()


def _html() -> bytes:
    parts = (
        f"<h2>Part {n}</h2>\n<p>{text}</p>\n<ul><li>a &amp; b<li>&#8364;</ul>\n"
        for n, text in enumerate(SENTENCES)
    )
    head = "<!doctype html>\n<html><head><title>Pumps</title></head><body>\n"
    return f"{head}{''.join(parts)}</body></html>\n".encode()


def _slack() -> bytes:
    rows = [
        {"type": "message", "user": f"U{n % 3}", "text": text, "ts": f"17100{n:05}.000{n:03}",
         "user_profile": {"real_name": f"Anna {n % 3}"}, "reactions": [{"count": n, "users": []}]}
        for n, text in enumerate(SENTENCES)
    ]  # fmt: skip
    return json.dumps(rows, indent=1, ensure_ascii=False).encode()


def _telegram() -> bytes:
    rows = [
        {"id": n, "type": "message", "date": f"2024-03-{n + 1:02}T10:00:00", "date_unixtime": f"17100{n:05}",
         "from": f"Anna {n % 3}", "from_id": f"user{n % 3}", "text": text,
         "text_entities": [{"type": "bold", "text": text[:4]}, text[4:]]}
        for n, text in enumerate(SENTENCES)
    ]  # fmt: skip
    return json.dumps({"name": "Pumps", "id": 7, "messages": rows}, indent=1, ensure_ascii=False).encode()


def _whatsapp() -> bytes:
    return "".join(
        f"{n:02}/03/2024, {n % 24:02}:15 - Anna {n % 3}: {text}\n" for n, text in enumerate(SENTENCES, 1)
    ).encode()


def _mbox() -> bytes:
    return b"".join(
        "From a@x.org Mon Jan  1 10:00:00 2024\n"
        f"From: =?utf-8?q?=C3=84nne?= <a{n}@x.org>\nTo: b@x.org\nSubject: pump {n}\n"
        f"Date: {datetime(2024, 1, n, tzinfo=UTC):%a, %d %b %Y %H:%M:%S %z}\nMIME-Version: 1.0\n"
        'Content-Type: text/plain; charset="utf-8"\nContent-Transfer-Encoding: 8bit\n\n'
        f"{text}\n\n".encode()
        for n, text in enumerate(SENTENCES, 1)
    )


def _workbooks() -> list[Listed]:
    """A workbook whose rows are changed, and the same whose shared strings are."""
    rows, strings = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
    cats = [text.replace("Pump", "Cat") for text in SENTENCES]
    links = "".join(
        f'<Relationship Id="rId{n}" Type="urn:x/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in (1, 2)
    )
    sheets = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in ((1, "Pumps"), (2, "Pets"))
    )
    members = {
        "xl/workbook.xml": f'<workbook xmlns:r="urn:r"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships>{links}</Relationships>",
        "xl/styles.xml": '<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="10"/></cellXfs></styleSheet>',
        rows: _sheet(range(len(SENTENCES))),
        "xl/worksheets/sheet2.xml": _sheet(range(len(SENTENCES), 2 * len(SENTENCES))),
        strings: f"<sst>{''.join(f'<si><t>{each}</t></si>' for each in (*SENTENCES, *cats))}</sst>",
    }
    data = {name: text.encode() for name, text in members.items()}
    rows_of = _spanned("rows.xlsx", data[rows], rb"<row r.*?</row>", contained=_is_xml)
    strings_of = _spanned(
        "strings.xlsx", data[strings], rb"<si>.*?</si>", contained=_is_string, said=(*SENTENCES, *cats)
    )
    return [
        attrs.evolve(rows_of, member=rows, members=data, elsewhere=(*cats,)),
        attrs.evolve(strings_of, member=strings, members=data),
    ]


def _sheet(numbers: Iterable[int]) -> str:
    rows = (
        f'<row r="{n % 28 + 2}"><c r="A{n % 28 + 2}" t="s"><v>{n}</v></c><c r="B{n % 28 + 2}" s="1">'
        f'<v>{45000 + n}</v></c><c r="C{n % 28 + 2}" s="2"><v>{n / 7}</v></c><c t="b"><v>1</v></c></row>'
        for n in numbers
    )
    head = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("name", "day", "share", "on"))
    cells = f"<row>{head}</row>{''.join(rows)}"
    return f'<worksheet><dimension ref="A1:D29"/><sheetData>{cells}</sheetData></worksheet>'


def _is_xml(entry: bytes) -> bool:
    try:
        return bool(fromstring(b"<x>" + entry + b"</x>").tag)
    except (ParseError, ValueError):
        return False


def _is_string(entry: bytes) -> bool:
    """Whether it is one string: those behind it have the number that cells say."""
    try:
        root = fromstring(b"<x>" + entry + b"</x>")
    except (ParseError, ValueError):
        return False
    return [each.tag for each in root] == ["si"] and sum(each.tag == "si" for each in root.iter()) == 1
