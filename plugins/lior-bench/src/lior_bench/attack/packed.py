"""Hostile archives, documents that are archives (DOCX, ODT, EPUB, XLSX, PPTX), PDF and pictures."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from functools import partial
from zipfile import ZIP_BZIP2, ZIP_LZMA

from lior_bench.attack.cases import case
from lior_bench.attack.formats import PAGE, docx, epub, opendocument, pack, pages, pptx, stream, xlsx

MIB = 1 << 20
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
LAUGHS = f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]>'
"""Entities that grow tenfold nine times."""
STOLEN = '<!DOCTYPE x [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>'


def png(width: int, height: int, *, frames: int = 0) -> bytes:
    """A picture that claims a size and a number of frames, and has a few rows."""
    rows = zlib.compress(bytes(width // 8 + 1) * min(height, 2000), 9)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))]
    chunks += [(b"acTL", struct.pack(">II", frames, 0))] * bool(frames)
    chunks += [(b"IDAT", rows), (b"IEND", b"")]
    made = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def lines(size: int, text: str = "The pump hums. ") -> bytes:
    """So many bytes of lines, no two alike."""
    each = len(text) + 9
    return "\n".join(f"{text}{number:08}" for number in range(size // each)).encode()


# --- zip archives and compressed files ---


@case("thirty.zip", sample=True)
def thirty() -> bytes:
    """Thirty compressed files of 60 MiB; what a member unpacks to is not in the directory."""
    one = gzip.compress(lines(MIB >> 6) * 3840, 6)
    return pack({f"{number}.txt.gz": one for number in range(30)}, 0)


@case("overlap.zip", sample=True)
def overlap() -> bytes:
    """Members that quote the headers of those after them, and share their data (Fifield, 2019)."""
    text = lines(4 * MIB)
    squeezed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = squeezed.compress(text) + squeezed.flush()
    headers, directory = list[bytes](), list[bytes]()
    for number in reversed(range(150)):
        name = b"%04d.txt" % number
        sizes = struct.pack("<III", zlib.crc32(text), len(data), len(text))
        common = struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes + struct.pack("<HH", len(name), 0)
        header = b"PK\3\4" + common + name
        headers.insert(0, header)
        directory.insert(0, b"PK\1\2\x14\0" + common + struct.pack("<HHHI", 0, 0, 0, 0) + b"%s" + name)
        if number:
            quoted = struct.pack("<BHH", 0, len(header), len(header) ^ 0xFFFF) + header
            data, text = quoted + data, header + text
    made, begin = headers[0] + data, 0
    entries = list[bytes]()
    for entry, header in zip(directory, headers, strict=True):
        entries.append(entry.replace(b"%s", struct.pack("<I", begin), 1))
        begin += len(header) + 5
    listed = b"".join(entries)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(entries), len(entries), len(listed), len(made), 0)
    return made + listed + end


@case("locked.zip", sample=True)
def lock() -> bytes:
    """Members with a password."""
    data = pack({f"{number}.txt": b"secret" for number in range(1000)})
    for head in (b"PK\3\4\x14\0", b"PK\1\2\x14\3\x14\0"):
        data = data.replace(head + b"\0", head + b"\1")
    return data


case("zeros.zip", sample=True)(lambda: pack({"zeros.txt": b"0" * (60 * MIB)}))
for _suffix, _method in (("bzip2", ZIP_BZIP2), ("lzma", ZIP_LZMA)):
    case(f"{_suffix}.zip")(partial(pack, {"a.txt": b"0" * (900 * MIB // 4)}, _method))
case("members.zip")(lambda: pack(dict.fromkeys((f"{number}.txt" for number in range(400_000)), b"")))
case("cut.zip")(lambda: pack({"a.txt": lines(4 * MIB)})[:-400])
case("bomb.txt.gz", sample=True)(lambda: gzip.compress(b"0" * (400 * MIB), 6))
case("bomb.txt.bz2")(lambda: bz2.compress(b"0" * (400 * MIB)))
case("bomb.txt.xz")(lambda: lzma.compress(b"0" * (400 * MIB), preset=1))
case("twice.txt.gz.gz")(lambda: gzip.compress(gzip.compress(lines(60 * MIB), 1), 6))
case("cut.txt.gz")(lambda: gzip.compress(lines(30 * MIB), 1)[:-9])
case("members.txt.gz", read=True)(
    lambda: b"".join(gzip.compress(b"line %d of a text\n" % number, 1) for number in range(200_000))
)


# --- DOCX ---


def _cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>"


def _table(*rows: str) -> str:
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"


_SPAN = '<w:gridSpan w:val="300000000"/>'
case("span.docx", sample=True)(lambda: docx(_table(_cell("x" * 1000, _SPAN) * 50)))
case("paragraphs.docx")(lambda: docx("<w:p/>" * (10 * MIB)))
case("runs.docx")(lambda: docx(f"<w:p>{'<w:r/>' * (10 * MIB)}</w:p>"))
case("deep.docx")(lambda: docx("<w:tbl><w:tr><w:tc>" * 1_000_000))
case("tables.docx")(lambda: docx("<w:tbl><w:tr><w:tc>" * 60 + "</w:tc></w:tr></w:tbl>" * 60))
case("dashes.docx")(lambda: docx(_table(*[_cell("---") * 2] * 50_000)))
case("laughs.docx", sample=True)(lambda: docx("<w:p><w:r><w:t>&a9;</w:t></w:r></w:p>", LAUGHS))
case("stolen.docx")(lambda: docx("<w:p><w:r><w:t>&a9;</w:t></w:r></w:p>", STOLEN))
case("attribute.docx")(lambda: docx(f'<w:p w:x="{"y" * (50 * MIB)}"/>'))
case("report.docx", read=True)(
    lambda: docx(
        "<w:p><w:r><w:t>The pump hums.</w:t></w:r></w:p>" * 20_000
        + _table(*(_cell(f"part {number}") + _cell(f"{number}.5") for number in range(20_000))),
        members={"word/media/1.png": bytes(100 * MIB)},
    )
)

# --- OpenDocument ---

_FILLED = '<b:table-cell o:value-type="string" b:number-columns-repeated="{}"><t:p>x</t:p></b:table-cell>'
for _name, _count in (("large", "100000000"), ("larger", "9" * 5000)):
    case(f"spaces-{_name}.odt")(partial(opendocument, f'<t:p>a<t:s t:c="{_count}"/>b</t:p>' * 9))
    case(f"levels-{_name}.odt")(partial(opendocument, f'<t:h t:outline-level="{_count}">a</t:h>' * 9))
    _repeated = f'<b:table-row b:number-rows-repeated="{_count}">{_FILLED.format(_count) * 20}</b:table-row>'
    case(f"columns-{_name}.ods")(partial(opendocument, f"<b:table>{_repeated}</b:table>", "spreadsheet"))
case("lists.odt")(lambda: opendocument("<t:list><t:list-item>" * 200_000))
case("tables.odt", sample=True)(
    lambda: opendocument(
        "<b:table><b:table-row><b:table-cell>" * 60 + "</b:table-cell></b:table-row></b:table>" * 60
    )
)
case("laughs.odt")(lambda: opendocument("<t:p>&a9;</t:p>", before=LAUGHS))

# --- EPUB ---

_CHAPTER = "<html><body><h1>A chapter</h1>{}</body></html>"
_PROSE = "<p>The pump hums, and the boiler is silent.</p>"
case("again.epub", sample=True)(lambda: epub({"a": _CHAPTER.format(_PROSE * 1000)}, ["a"] * 20_000))
case("missing.epub")(lambda: epub({}, [f"{number}" for number in range(200_000)]))
case("title.epub")(lambda: epub({"a": _CHAPTER.format(_PROSE * 20_000)}, ["a"], "long " * (8 * MIB)))

# --- XLSX ---


def _cells(count: int) -> str:
    return "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c></row>' for n in range(1, count + 1))


_STRINGS, _FORMATS = "xl/sharedStrings.xml", "xl/styles.xml"
case("million.xlsx", read=True)(lambda: xlsx(_cells(1_000_000)))
case("far.xlsx", sample=True)(
    lambda: xlsx(
        "".join(f'<row r="{"9" * n}"><c r="{"Z" * n}1"><v>{n}</v></c></row>' for n in range(1, 5000))
    )
)
case("sheets.xlsx")(lambda: xlsx(_cells(1000), '<sheet name="S" r:id="r0"/>' * 100_000))
case("name.xlsx")(lambda: xlsx(_cells(20_000), f'<sheet name="{"n" * MIB}" r:id="r0"/>'))
case("infinite.xlsx")(lambda: xlsx("<row><c><v>inf</v></c><c><v>nan</v></c><c><v>1e400</v></c></row>" * 9))
case("laughs.xlsx")(lambda: xlsx(_cells(3), **{_STRINGS: f"{LAUGHS}<sst><si><t>&a9;</t></si></sst>"}))

# --- PPTX ---


def _slide(text: str) -> str:
    return f'<p:s xmlns:p="urn:p" xmlns:a="urn:a">{text}</p:s>'


_SHAPE = "<p:sp><a:p><a:r><a:t>The pump hums.</a:t></a:r></a:p></p:sp>"
case("again.pptx", sample=True)(lambda: pptx({"a": _slide(_SHAPE * 100)}, [0] * 100_000, {}))
case("deep.pptx")(lambda: pptx({"a": _slide("<p:sp>" * 1_000_000)}, [0], {}))

# --- PDF ---

_SHOWN = b"BT /F1 12 Tf 72 720 Td (The pump hums.) Tj ET"
case("kids.pdf")(lambda: pages(b"3 0 R " * 100_000, 100_000, stream(_SHOWN)))
case("loop.pdf", sample=True)(lambda: pages(b"2 0 R 3 0 R", 1000, stream(_SHOWN)))
case("count.pdf")(lambda: pages(b"3 0 R", 2**31 - 1, stream(_SHOWN)))
case("flate.pdf")(lambda: pages(b"3 0 R", 1, stream(b" " * (900 * MIB), times=2)))
case("states.pdf")(lambda: pages(b"3 0 R", 1, stream(b"q " * (10 * MIB))))
case("arrays.pdf")(lambda: pages(b"3 0 R", 1, stream(b"BT " + b"[" * (10 * MIB))))


@case("report.pdf", read=True)
def report() -> bytes:
    """A thousand pages."""
    content = (
        b"BT /F1 9 Tf 72 720 Td " + b"(The pump hums, and the boiler is silent.) Tj 0 -9 Td " * 60 + b"ET"
    )
    kids = b" ".join(b"%d 0 R" % number for number in range(5, 1005))
    return pages(kids, 1000, stream(content), *[PAGE] * 1000)


# --- pictures ---

case("square.png", sample=True)(lambda: png(65535, 65535))
case("wide.png")(lambda: png(2**31 - 1, 1))
case("large.png")(lambda: png(10_000, 9_999))
