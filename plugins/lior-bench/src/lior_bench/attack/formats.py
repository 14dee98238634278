"""A file of each format in any size, for measurements, mutations and attacks, and its construction."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_W = 'xmlns:w="urn:w" xmlns:r="urn:r"'
_ODF = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in (("o", "office"), ("t", "text"), ("b", "table"))
)


def pack(members: Mapping[str, bytes | str], method: int = ZIP_DEFLATED) -> bytes:
    """Return a zip archive of these members, with reproducible bytes."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(ZipInfo(name), data, method, 6)
    return buffer.getvalue()


def relate(*targets: str) -> str:
    """Return a part that refers to targets, each a kind and a path."""
    links = (
        f'<Relationship Id="r{n}" Type="urn:x/{kind}" Target="{path}"/>'
        for n, (kind, _, path) in enumerate(t.partition(" ") for t in targets)
    )
    return f"<Relationships>{''.join(links)}</Relationships>"


def docx(body: str, before: str = "", members: Mapping[str, bytes | str] | None = None) -> bytes:
    """Return a DOCX with that body; ``before`` stands before its first element."""
    text = f"{before}<w:document {_W}><w:body>{body}</w:body></w:document>"
    start = {"_rels/.rels": relate("officeDocument word/document.xml")}
    return pack({**start, "[Content_Types].xml": "<Types/>", "word/document.xml": text, **(members or {})})


def opendocument(body: str, kind: str = "text", before: str = "") -> bytes:
    """Return an OpenDocument file with that body."""
    text = f"<o:document-content {_ODF}><o:body><o:{kind}>{body}</o:{kind}></o:body></o:document-content>"
    return pack({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": before + text})


def epub(chapters: dict[str, bytes | str], spine: list[str], title: str = "A book") -> bytes:
    """Return an EPUB whose chapters are read in the order of the spine."""
    items = "".join(f'<item id="{name}" href="{name}"/>' for name in dict.fromkeys(spine))
    order = "".join(f'<itemref idref="{name}"/>' for name in spine)
    book = f'<p xmlns="urn:o"><title>{title}</title><manifest>{items}</manifest><spine>{order}</spine></p>'
    start = '<c xmlns="urn:c"><rootfile full-path="b.opf"/></c>'
    mimetype = {"mimetype": "application/epub+zip"}
    return pack({**mimetype, "META-INF/container.xml": start, "b.opf": book, **chapters})


def xlsx(rows: str, sheets: str = '<sheet name="S" r:id="r0"/>', **members: bytes | str) -> bytes:
    """Return a workbook whose sheet has these rows."""
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    book = f'<workbook xmlns="urn:m" xmlns:r="{kinds}"><sheets>{sheets}</sheets></workbook>'
    parts = {
        "_rels/.rels": relate("officeDocument xl/workbook.xml").replace("urn:x", kinds),
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": relate("worksheet worksheets/a.xml").replace("urn:x", kinds),
        "xl/worksheets/a.xml": f"<worksheet><sheetData>{rows}</sheetData></worksheet>",
    }
    return pack({**parts, **members})


def pptx(slides: dict[str, str], shown: list[int], links: dict[str, str]) -> bytes:
    """Return a PPTX of these slides, the numbers of those that are shown, and the references of each."""
    keys = "".join(f'<p:sldId r:id="r{n}"/>' for n in shown)
    show = f'<p:show xmlns:p="urn:p" xmlns:r="urn:r"><p:sldIdLst>{keys}</p:sldIdLst></p:show>'
    listed = relate(*(f"slide slides/{name}" for name in slides))
    parts = {"ppt/presentation.xml": show, "ppt/_rels/presentation.xml.rels": listed}
    parts |= {f"ppt/slides/{name}": text for name, text in slides.items()}
    return pack(parts | {f"ppt/slides/_rels/{name}.rels": text for name, text in links.items()})


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """Return a PDF of these objects; the first is the catalogue."""
    parts, offsets, begin = [b"%PDF-1.5\n"], list[int](), 9
    for number, body in enumerate(objects, 1):
        offsets.append(begin)
        parts.append(b"%d 0 obj%sendobj\n" % (number, body))
        begin += len(parts[-1])
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    end = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (size, trailer, begin)
    return b"".join((*parts, table, end))


def stream(data: bytes, entries: bytes = b"", times: int = 1) -> bytes:
    """Return a stream object of PDF, compressed ``times`` times."""
    for _ in range(times):
        data = zlib.compress(data, 9)
    filters = b"/FlateDecode " * times
    return b"<</Length %d/Filter[%s]%s>>stream\n%s\nendstream" % (len(data), filters, entries, data)


_CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1<</Type/Font/Subtype/Type1"
PAGE += b"/BaseFont/Helvetica>>>>/XObject<</I 5 0 R>>>>/Contents 4 0 R>>"


def pages(kids: bytes, count: int, content: bytes, *more: bytes) -> bytes:
    """Return a PDF whose page tree has these kids; object 3 is a page, 4 is its content."""
    tree = b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count)
    return pdf(_CATALOG, tree, PAGE, content, *more)


# --- a file of each format ---

_TEXT = "The tomatoes of bed {0} want water in the morning. Cut the roses of row {0} in March.\n"
_MAIL = (
    "From ann@example.com Mon Jan  1 10:00:00 2024\nFrom: Ann <ann@example.com>\nTo: bob@example.com\n"
    "Date: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: the garden, part {0}\n\nDear Bob,\n\n"
    "the tomatoes of bed {0} want water in the morning, and the roses want none of it.\n\nAnn\n\n"
)
"""A message of a mailbox, with a place for its number."""


def many(form: str, count: int) -> bytes:
    """Each number in this form."""
    return "".join(form.format(number) for number in range(count)).encode()


def _paragraphs(form: str, count: int) -> str:
    return "".join(form.format(_TEXT.format(number).strip()) for number in range(count))


def _pdf(count: int) -> bytes:
    shown = "".join(f"({_TEXT.format(number).strip()}) Tj 0 -9 Td " for number in range(40))
    content = stream(f"BT /F1 8 Tf 20 780 Td {shown} ET".encode())
    return pages(b"3 0 R " * (count // 40), count // 40, content, b"<<>>")


FORMATS: dict[str, Callable[[int], bytes]] = {
    "prose.txt": lambda n: many(_TEXT, n),
    "unique.txt": lambda n: many("w{0:x} ", 15 * n),
    "lines.txt": lambda n: many("number {0}\n", 8 * n),
    "headings.md": lambda n: many("## Part {0}\n\nIt is on row {0}.\n\n", 2 * n),
    "table.md": lambda n: b"a|b\n-|-\n" + many("{0}|row {0}\n", 5 * n),
    "code.py": lambda n: many("def f{0}(a):\n    # doubles it\n    return 2 * a\n\n", 2 * n),
    "mail.mbox": lambda n: many(_MAIL, n // 2),
    "parts.eml": lambda n: b"Content-Type: multipart/mixed; boundary=b\n" + many("\n--b\n\n{0}\n", 4 * n),
    "page.html": lambda n: _paragraphs("<h2>A</h2><p>{0}</p>", n).encode(),
    "nested.html": lambda n: b"<div>" * n + _paragraphs("<dl><dd>{0}", n).encode(),
    "values.json": lambda n: b"{" + many('"key {0}": "value",\n', 8 * n) + b'"a": 1}',
    "texts.jsonl": lambda n: many('{{"_id": "{0}", "text": "The roses of row {0} are cut."}}\n', n),
    "export.json": lambda n: b"[" + many(_MESSAGE, n) + b"{}]",
    "table.csv": lambda n: b"id,name\n" + many("{0},row {0}\n", 5 * n),
    "chat.txt": lambda n: many("[1/2/24, 10:00] Ann: message {0}\n", 4 * n),
    "server.log": lambda n: many("2024-01-02 10:00:00 ERROR request {0} failed\n", 4 * n),
    "events.ics": lambda n: many(_EVENT, n),
    "contacts.vcf": lambda n: many("BEGIN:VCARD\nFN:Ann {0}\nTEL:{0}\nEND:VCARD\n", n),
    "text.docx": lambda n: docx(_paragraphs("<w:p><w:r><w:t>{0}</w:t></w:r></w:p>", n)),
    "text.odt": lambda n: opendocument(_paragraphs("<t:p>{0}</t:p>", n)),
    "table.ods": lambda n: opendocument(
        '<b:table b:name="A">'
        + _paragraphs("<b:table-row><b:table-cell><t:p>{0}</t:p></b:table-cell></b:table-row>", n)
        + "</b:table>",
        "spreadsheet",
    ),
    "book.epub": lambda n: epub({"a.xhtml": _paragraphs("<p>{0}</p>", n)}, ["a.xhtml"]),
    "table.xlsx": lambda n: xlsx(_paragraphs('<row><c t="inlineStr"><is><t>{0}</t></is></c></row>', n)),
    "slides.pptx": lambda n: pptx(
        {f"s{k}.xml": f"<s>{_paragraphs(_SLIDE, 20)}</s>" for k in range(n // 20)}, [*range(n // 20)], {}
    ),
    "pages.pdf": _pdf,
    "texts.zip": lambda n: pack({f"{k}.txt": _TEXT.format(k) * 20 for k in range(n // 20)}),
}
"""A function from a number of units to the bytes of each file, by name; a unit has about 85 bytes."""
_MESSAGE = (
    '{{\n "type": "message",\n "user": "U{0}",\n "text": "message {0} on the garden",\n "ts": "{0}.0"\n}},\n'
)
_EVENT = "BEGIN:VEVENT\nSUMMARY:meeting {0}\nDTSTART:20240102T100000Z\nEND:VEVENT\n"
_SLIDE = '<p:sp xmlns:p="urn:p" xmlns:a="urn:a"><a:p><a:r><a:t>{0}</a:t></a:r></a:p></p:sp>'
