"""A small file of each format, made by hand or by the format's own library, and how tests read it."""

from __future__ import annotations

import json
from base64 import b85decode
from datetime import date, datetime, time
from email.message import EmailMessage
from io import BytesIO
from zipfile import ZipFile
from zlib import decompress

from lior.reading.parsing import parse_bytes
from lior.testing.readers import check_document

ODT = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><office:body><office:text>'
    '<text:h text:outline-level="2">Boiler</text:h><text:p>Pressure<text:s text:c="2"/>1.5'
    "<text:line-break/>bar, <text:span>never</text:span> more.</text:p>"
    "<text:list><text:list-item><text:p>bleed</text:p></text:list-item></text:list>"
    "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
    "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>"
    "</office:text></office:body></office:document-content>"
)
CONTAINER = '<c xmlns="urn:c"><rootfiles><rootfile full-path="O/b.opf"/></rootfiles></c>'
OPF = (
    '<package xmlns="urn:opf" xmlns:dc="urn:dc"><metadata><dc:title>A Book</dc:title></metadata><manifest>'
    '<item id="one" href="1%20a.xhtml"/><item id="two" href="2.xhtml"/></manifest>'
    '<spine><itemref idref="two"/><itemref idref="one"/></spine></package>'
)
CHAPTER = "<html><head><title>{}</title></head><body><h1>{}</h1>\n<p>Text of {}.</p></body></html>"


def zipped(**files: str | bytes) -> bytes:
    """A zip archive; ``__`` in a name stands for a slash."""
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def pdf(*pages: str) -> bytes:
    """A minimal PDF with a line of text on each page; an empty text makes a page without any."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET" if text else ""
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>"
            f"/Contents {5 + 2 * number} 0 R>>",
            f"<</Length {len(stream)}>>stream\n{stream}\nendstream",
        ]
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj{body}endobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{len(data)}\n%%EOF"
    return data + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


def docx() -> bytes:
    from docx import Document

    document = Document()
    document.add_heading("Boiler", 2)
    document.add_paragraph("Pressure 1.5 bar.")
    document.add_paragraph("bleed", style="List Bullet")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "a", "b"
    buffer = BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def mail(
    subject: str = "Invoice", body: str = "Pay by Friday.\nThanks,\nAnna\n", cte: str = "7bit"
) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Anna <a@x.org>", "b@x.org"
    message["Date"] = "Mon, 02 Jan 2023 10:00:00 +0000"
    message.set_content(body, cte=cte)
    return message


def notebook() -> bytes:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "some prose"]},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": ["import os\n", "x = 1"]},
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1).encode()


def attached() -> bytes:
    message = mail()
    message.add_attachment(b"\0\1", maintype="application", subtype="pdf", filename="bill.pdf")
    return bytes(message)


EPUB = zipped(
    mimetype="application/epub+zip",
    **{
        "META-INF__container.xml": CONTAINER,
        "O__b.opf": OPF,
        "O__1 a.xhtml": CHAPTER.format("One", "One", "one"),
        "O__2.xhtml": CHAPTER.format("Two", "Two", "two"),
    },
)


def workbook() -> bytes:
    from openpyxl import Workbook
    from openpyxl.comments import Comment

    book = Workbook()
    sheet = book.active
    sheet.title = "Expenses"
    sheet.append(["Household"])
    sheet.append(["Date", "Category", "Amount", "Share", "At"])
    sheet.append([date(2024, 3, 1), "food", 12.5, 0.19, time(9, 30)])
    sheet.append([datetime(2024, 3, 2, 18, 5), "train\nto Hull", 40.0, 1, None])
    sheet["D3"].number_format = sheet["D4"].number_format = "0%"
    sheet["B3"].comment = Comment("never read", "x")
    sheet["B6"], sheet["C6"] = "total", "=SUM(C3:C4)"
    sheet["XFD1048576"] = "far away"
    other = book.create_sheet("Pets")
    for row in (["name", "born"], ["Biscuit", 2019], ["Rex", 0.1 + 0.2]):
        other.append(row)
    book.create_sheet("Empty")
    buffer = BytesIO()
    book.save(buffer)
    return buffer.getvalue()


XLS = decompress(
    b85decode(
        "c-rk)J!lkB5dPlY-Y>b!UH&i;!VxfP43S`C6IUe~o1D=UY7q2d7EU6Uuw0{sM&nf?2v&+sBo;PN8-MTz1q%xyqJ<!ccZ!vjpkk3^"
        "otfR!<cyF54H))Y-n@D9X5P%c|J@hUiNeIKrXtF)1wPE#VFc#M6s2&f5C_%UHnXKXM9KE>Um+Z#feiR@Kl(h#W60xOgoc~?6QaO-"
        "N(V8D)JWD$E+e)}3~9wNbP-j!LXsF7C8`>sM}*c2y&;+pgl-kdd7)jTTTla-Hd1Yy-C4X}YmvGbxZOKq^F}0{sK+y&#iuSPN7s*S"
        "*3tB_l~U2HS78z~(miI@w749_HD0*g9lad~2nE#99GJvcI|+O#E%wJrPrkfz1(JVXC=dQY9-<*!Odh7ETz*m0fic*JWliN#ja@p|"
        "1ks-{&0Ml`1{-OzKoZq-r*kH;{i9|!$9X1gak<C(_Kx$^h?UDk_*{^EB)(uDiOTw_B05BVm`}(mi&Mli*FV4P9qcm>iDXR94(Ehf"
        "!x6&9X|^EanAG@%`Y5%D#Rj2gq}A2JHwmpHP0CyQ>Ro2%xagdf+E((jN$|>8JC9#SeE!p(yUqCz#(LtXdWt9Nrd}HpXrVqFB71(u"
        "(XQIn<x7lvMk!bBZuC}Y<8M1tNQ=9%+wL)1jafv5O$c>L+&k)LNpt&(tyP)zL#z^64X!?Ay>qqfYqwajz9!s4Z<=`H{yV8f+_8wc"
        "?fVwd_ldsl>ia~$!PVEx^dC`=>F(RGwl3PuRQgCQDYDj`JB3z*+Z+h((7zCY2M-=Rc<|uCgNNmVlDnL9v)0{vc0j%doc}trl;*tO"
        "Br6tsF+xv{z7lsJOSy&P70sUp_*JPbwM3iJ|3bz-@@`=mgA&JZ#q*cGz0~~oS+ZgL?=7K9{m)er=RfxU1JwcMIR"
    )
)
"""Date, Spent, Share; 1 March 2024, 12.5, 19 %; Größe, 3; North (over two rows) 5 and 7; of Excel 97."""


def sheet(*rows: list[object], merged: str = "", **formats: str) -> bytes:
    """An XLSX of rows, with merged cells such as ``A2:A3`` and the number formats of some cells."""
    from openpyxl import Workbook

    book, buffer = Workbook(), BytesIO()
    for row in rows:
        book.active.append(row)
    for cells in merged.split():
        book.active.merge_cells(cells)
    for cell, form in formats.items():
        book.active[cell].number_format = form
    book.save(buffer)
    return buffer.getvalue()


ODS = (
    '<o:document-content xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:t="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:b="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><o:body><o:spreadsheet><b:table b:name="A">'
    "<b:table-row><b:table-cell o:value-type='string'><t:p>day</t:p></b:table-cell>"
    "<b:table-cell o:value-type='string'><t:p>price</t:p></b:table-cell></b:table-row>"
    "<b:table-row><b:table-cell o:value-type='date' o:date-value='2024-03-01'><t:p>1.3.24</t:p>"
    "</b:table-cell><b:table-cell o:value-type='currency' o:value='1234.5'>"
    "<o:annotation><t:p>secret</t:p></o:annotation>"
    "<t:p>1.234,50 €</t:p></b:table-cell>{}</b:table-row>"
    "<b:table-row b:number-rows-repeated='1048570'><b:table-cell b:number-columns-repeated='16384'/>"
    "</b:table-row></b:table></o:spreadsheet></o:body></o:document-content>"
)

CALENDAR = """BEGIN:VCALENDAR
X-WR-CALNAME:House
BEGIN:VTIMEZONE
BEGIN:STANDARD
DTSTART:19701025T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
DTSTART;TZID="Europe/London":20240305T140000
DTEND;TZID=Europe/London:20240305T144500
SUMMARY:Dentist\\, Dr Ho
 lt
LOCATION:High Street 5
ATTENDEE;CN="Biscuit: the dog":mailto:b@x.org
DESCRIPTION:Bring the card\\nand a pen
RRULE:FREQ=MONTHLY;INTERVAL=6;BYDAY=1TU;COUNT=4
EXDATE:20240903T140000
BEGIN:VALARM
DESCRIPTION:never read
END:VALARM
END:VEVENT
BEGIN:VEVENT
SUMMARY:Holiday
DTSTART;VALUE=DATE:20240701
DTEND;VALUE=DATE:20240715
STATUS:CANCELLED
END:VEVENT
BEGIN:VEVENT
SUMMARY:Call
DTSTART:20240102T230000Z
DURATION:PT2H
END:VEVENT
BEGIN:VTODO
SUMMARY:Pay the rent
DUE;VALUE=DATE:20240401
END:VTODO
END:VCALENDAR
"""
CARDS = """BEGIN:VCARD
VERSION:2.1
N:Smith;Anna;;;
TEL;CELL:+44 20 1234
item1.EMAIL;type=INTERNET:anna@x.org
BDAY:19800201
NOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:caf=C3=A9 =
owner
PHOTO;ENCODING=BASE64;JPEG:AAAA
 BBBB
END:VCARD
BEGIN:VCARD
FN:Bob
ORG:Example\\; Ltd;Garage
ADR;TYPE=home:;;High Street 5;London;;N1;UK
TEL:tel:+44-30
TEL:555
END:VCARD
"""


def slides() -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Boiler"
    slide.placeholders[1].text = "Pressure 1.5 bar\nBleed in autumn"
    slide.notes_slide.notes_text_frame.text = "Say that the key is under the mat."
    slide = show.slides.add_slide(show.slide_layouts[6])
    table = slide.shapes.add_table(1, 2, 0, 0, Inches(4), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "pump", "7 W"
    buffer = BytesIO()
    show.save(buffer)
    return buffer.getvalue()


def picture(*lines: str, form: str = "PNG", pages: int = 1) -> bytes:
    """A picture of lines of text; parts of a line that a tab divides stand apart."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (640, 30 + 60 * len(lines)), "white")
    font, draw = ImageFont.load_default(size=28), ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        for part, text in enumerate(line.split("\t")):
            draw.text((20 + 380 * part, 20 + 60 * number), text, fill="black", font=font)
    buffer = BytesIO()
    more = {"save_all": True, "append_images": [image] * (pages - 1)} if pages > 1 else {}
    image.save(buffer, form, **more)
    return buffer.getvalue()


SAMPLES = {
    "a.md": b"# Title\n\nText.\n",
    "a.py": b"def f():\n    return 1\n",
    "a.html": b"<html><body><h1>Title</h1><p>one\ntwo</p></body></html>",
    "a.csv": b'name,note\nAnna,"two\nlines"\nBob,one\n',
    "a.jsonl": b'{"_id": "d1", "title": "T", "text": "first"}\n{"_id": "d2", "text": "second"}\n',
    "a.json": b'{\n "key": "value"\n}\n',
    "a.ipynb": notebook(),
    "a.eml": attached(),
    "a.pdf": pdf("Hello world", "", "Third page"),
    "a.docx": docx(),
    "a.odt": zipped(mimetype="application/vnd.oasis.opendocument.text", **{"content.xml": ODT}),
    "a.epub": EPUB,
    "a.xlsx": workbook(),
    "a.pptx": slides(),
    "a.png": picture("The boiler"),
    "a.zip": zipped(
        **{"notes__boiler.md": "The pressure is 1.5 bar.\n", "list.jsonl": '{"_id": 1, "text": "x"}\n'}
    ),
    "a.ics": CALENDAR.encode(),
    "a.vcf": CARDS.encode(),
    "a.ods": zipped(
        mimetype="application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": ODS.format("")}
    ),
}


def one(data: bytes, name: str):
    (document,) = parse_bytes(data, name)
    check_document(document, data)
    return document


def sourced(document) -> list[tuple[int, str]]:
    """Line of the file and text of each line that is not blank."""
    lines = document.text.split("\n")
    return [
        (n, line) for n, line in zip(document.lines or range(1, 1 << 20), lines, strict=False) if line.strip()
    ]
