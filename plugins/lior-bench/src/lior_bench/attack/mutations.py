"""Seeded mutations of files that other programs made: each is read, or refused in one line.

Material is what is found on the machine (PDF, HTML, calendars, templates) and what the libraries of formats
write, so that it runs anywhere, and files of entries, of which one odd entry loses that entry only
(:mod:`lior_bench.attack.listed`). Number ``n`` of a seed depends on them alone.
"""

from __future__ import annotations

import multiprocessing
import re
import resource
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from lior_bench.attack.listed import SENTENCES, Listed, Mutation, listed
from lior_bench.attack.packed import epub, packed

COUNT, SAMPLE = 10_000, 300
"""Mutations of a run, and of the sample that CI reads."""
_CPU, _WALL, _MEMORY = 12.0, 120.0, 700 << 20
"""Seconds of the processor and by the clock (machines are busy), and bytes, that a file may take."""
_LARGEST, _FILES = 300_000, 8
"""Bytes of a file that is taken, and files of each format."""
_FOUND = ("pdf", "html", "ics", "docx", "odt", "ods", "xlsx", "pptx", "epub")
_EXTREMES = (b"0", b"-1", b"65536", b"2147483648", b"4294967295", b"9" * 40, b"9" * 5000, b"1e308", b"nan")
_ODD = (b"\0", b"\x1b[2J", b"\xe2\x80\xae", b"\xff\xfe", b"<", b"&#xD800;", b'"', b"]]>", b"\r", b"\xc2\x85")
Material = list[tuple[str, bytes] | Listed]


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """A line for each mutation that is not read or refused as it should be."""
    files = [each for each in material(only) if only in (each.name if isinstance(each, Listed) else each[0])]
    first, last = 0, count or (SAMPLE if sample else COUNT)
    context = multiprocessing.get_context("fork")
    while first < last:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(theirs, files, seed, first, last), daemon=True)
        process.start()
        theirs.close()
        while first < last:
            told = "it hangs"
            with suppress(EOFError):
                told = ours.recv() if ours.poll(_WALL) else told
            if process.exitcode or told == "it hangs":
                process.kill()
                process.join()
                told = f"{told}, or the process ended with {process.exitcode}"
            first += 1
            if told:
                yield _told(files, seed, first - 1, told)
                break
        process.kill()
        process.join()


def _told(files: Material, seed: int, number: int, fault: str) -> str:
    """The line of a fault; the file is kept."""
    name, data, _ = mutated(files, seed, number)
    with tempfile.NamedTemporaryFile(prefix=f"{seed}-{number}-", suffix=name, delete=False) as kept:
        kept.write(data)
    return f"mutation {number} of seed {seed}, {name}: {fault}; kept as {kept.name}"


def _work(pipe: Connection, files: Material, seed: int, first: int, last: int) -> None:
    """Send what is wrong with each mutation, nothing for a good one."""
    from lior.reading import isolation

    if all(isinstance(each, Listed) for each in files):  # their readers are Python, which does not crash
        isolation.enter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(first, last):
        mutation = mutated(files, seed, number)
        begin = time.process_time()
        fault = fault_of(mutation.data, mutation.name, mutation.kept)
        took = time.process_time() - begin
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        large = f"{took:.1f} s, {memory >> 20} MB" if took > _CPU or memory > _MEMORY else ""
        pipe.send(fault or large)


def fault_of(data: bytes, name: str, kept: Sequence[str] = ()) -> str:
    """What is wrong with how a file is read or refused; nothing if nothing is. ``kept`` has to be read."""
    from lior.errors import LiorError
    from lior.reading.parsing import parse_bytes
    from lior.testing.readers import check_document
    from lior_ask.chunking.chunker import chunk

    text = ""
    try:
        for document in parse_bytes(data, name):
            check_document(document, data)
            chunk(document, name)
            text += f" {document.text}"
    except LiorError as error:
        if kept:
            return f"refused, with {len(kept)} entries that are whole: {error}"
        return "" if str(error).isprintable() else f"a refusal that is no plain line: {str(error)!r}"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {str(error)[:200]!r}"
    text = " ".join(text.split())
    lost = [each for each in kept if each not in text]
    return f"{len(lost)} of {len(kept)} whole entries are lost, such as {lost[0]!r}" if lost else ""


# --- mutations ---


def mutated(files: Material, seed: int, number: int) -> Mutation:
    """That mutation."""
    random = Random(f"{seed}/{number}")
    file = files[number % len(files)]
    if isinstance(file, Listed):
        if random.random() < 0.75:
            return file.mutated(random, _changed)
        file = file.name, file.whole(file.data)
    name, data = file
    if data.startswith(b"PK") and random.random() < 0.7:
        with suppress(BadZipFile), ZipFile(BytesIO(data)) as archive:
            members = {each.filename: archive.read(each) for each in archive.infolist()}
            for member in random.choices([*members], k=random.randint(1, 3)):
                members[member] = _changed(members[member], random)
            return Mutation(name, packed(dict(members)))
    return Mutation(name, _changed(data, random))


def _changed(data: bytes, random: Random) -> bytes:
    for _ in range(random.randint(1, 4)):
        data = random.choice(_CHANGES)(data, random)
    return data


def _slice(data: bytes, random: Random, most: int = 2000) -> tuple[int, int]:
    begin = random.randint(0, len(data))
    return begin, min(len(data), begin + random.randint(0, most))


def _flip(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 3, 30))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(data: bytes, random: Random) -> bytes:
    begin, end = _slice(data, random)
    return data[:begin] + data[end:] if random.random() < 0.7 else data[:begin]


def _repeat(data: bytes, random: Random) -> bytes:
    begin, end = _slice(data, random)
    return data[:end] + data[begin:end] * random.choice((1, 2, 50)) + data[end:]


def _swap(data: bytes, random: Random) -> bytes:
    one, two = sorted((_slice(data, random), _slice(data, random)))
    if one[1] > two[0]:
        return data
    return data[: one[0]] + data[slice(*two)] + data[one[1] : two[0]] + data[slice(*one)] + data[two[1] :]


def _count(data: bytes, random: Random) -> bytes:
    numbers = [match.span() for match in re.finditer(rb"\d+", data[:_LARGEST])]
    begin, end = random.choice(numbers) if numbers else (0, 0)
    return data[:begin] + random.choice(_EXTREMES) + data[end:]


def _insert(data: bytes, random: Random) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(_ODD) * random.choice((1, 1, 300)) + data[at:]


_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (_flip, _cut, _repeat, _swap, _count, _insert)


# --- material ---


def material(only: str = "") -> Material:
    """Names and bytes of real files, always in the same order; files of entries alone where ``only`` is in
    the name of one."""
    found, entries = Material(), listed()
    if only and any(only in each.name for each in entries):
        return [*entries]
    roots = [Path(sysconfig.get_path("purelib")), Path("/usr/share/doc"), *map(Path, sys.path)]
    for suffix in _FOUND:
        paths = {each for root in dict.fromkeys(roots) if root.is_dir() for each in root.rglob(f"*.{suffix}")}
        fitting = sorted(each for each in paths if each.is_file() and 500 < each.stat().st_size < _LARGEST)
        found += [(f"a.{suffix}", each.read_bytes()) for each in fitting[:: len(fitting) // _FILES + 1]]
    for suffix, make in _MADE.items():
        with suppress(ImportError):
            found.append((f"a.{suffix}", _timeless(make())))
    return [*found, *entries]


def _timeless(data: bytes) -> bytes:
    """An archive without the time at which it was made."""
    if not data.startswith(b"PK"):
        return data
    buffer = BytesIO()
    with ZipFile(BytesIO(data)) as archive, ZipFile(buffer, "w", ZIP_DEFLATED) as made:
        for each in archive.infolist():
            content = re.sub(
                rb"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?Z?", b"2024-01-01T00:00:00Z", archive.read(each)
            )
            made.writestr(ZipInfo(each.filename), content, ZIP_DEFLATED)
    return buffer.getvalue()


def _docx() -> bytes:
    from docx import Document

    document, buffer = Document(), BytesIO()
    for number, text in enumerate(SENTENCES):
        document.add_heading(f"Part {number}", number % 4)
        document.add_paragraph(text, style="List Bullet" if number % 3 else None)
    table = document.add_table(5, 3)
    for number, cell in enumerate(table._cells):
        cell.text = SENTENCES[number]
    table.cell(0, 0).merge(table.cell(1, 1))
    document.save(buffer)
    return buffer.getvalue()


def _xlsx() -> bytes:
    from datetime import date

    from openpyxl import Workbook

    book, buffer = Workbook(), BytesIO()
    for sheet in (book.active, book.create_sheet("Pets")):
        sheet.append(["name", "day", "cost", "share"])
        for number, text in enumerate(SENTENCES):
            sheet.append([text, date(2024, 3, number + 1), number * 1.5, number / 7])
            sheet.cell(number + 2, 4).number_format = "0.0%"
    book.save(buffer)
    return buffer.getvalue()


def _pptx() -> bytes:
    from pptx import Presentation

    show, buffer = Presentation(), BytesIO()
    for text in SENTENCES[:5]:
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = "Pumps", f"{text}\n{text}"
        slide.notes_slide.notes_text_frame.text = text
        slide.shapes.add_table(2, 2, 0, 0, 99, 99).table.cell(0, 0).text = text
    show.save(buffer)
    return buffer.getvalue()


def _odt() -> bytes:
    from odf.opendocument import OpenDocumentText
    from odf.text import H, List, ListItem, P, S

    document, buffer = OpenDocumentText(), BytesIO()
    for number, text in enumerate(SENTENCES):
        document.text.addElement(H(outlinelevel=number % 5 + 1, text=f"Part {number}"))
        paragraph, item, listed = P(text=text), ListItem(), List()
        paragraph.addElement(S(c=number))
        item.addElement(P(text=text))
        listed.addElement(item)
        document.text.addElement(paragraph)
        document.text.addElement(listed)
    document.write(buffer)
    return buffer.getvalue()


def _ods() -> bytes:
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    document, buffer, table = OpenDocumentSpreadsheet(), BytesIO(), Table(name="Pumps")
    for number, text in enumerate(SENTENCES):
        row = TableRow(numberrowsrepeated=number % 3 + 1)
        for cell in (TableCell(valuetype="string"), TableCell(valuetype="float", value=number * 1.5)):
            cell.addElement(P(text=text))
            row.addElement(cell)
        table.addElement(row)
    document.spreadsheet.addElement(table)
    document.write(buffer)
    return buffer.getvalue()


def _mbox() -> bytes:
    from email.message import EmailMessage

    written = list[bytes]()
    for number, text in enumerate(SENTENCES):
        message = EmailMessage()
        message["From"], message["To"] = f"Änne <a{number}@x.org>", "b@x.org"
        message["Subject"], message["Date"] = text, f"Mon, {number + 1} Jan 2024 10:00:00 +0000"
        message.set_content(f"{text}\n> {text}\n")
        if number % 3 == 0:
            message.add_alternative(f"<p>{text}</p>", subtype="html")
            message.add_attachment(text.encode(), maintype="text", subtype="plain", filename=f"{number}.txt")
            message.set_boundary(f"==={number}")
        written.append(b"From a@x.org Mon Jan  1 10:00:00 2024\n" + bytes(message) + b"\n")
    return b"".join(written)


def _epub() -> bytes:
    chapters = {
        f"{n}.xhtml": f"<html><head><title>Part {n}</title></head><body><h1>Part {n}</h1>"
        f"<p>{text}</p><table><tr><th>a</th></tr><tr><td>{n}</td></tr></table></body></html>"
        for n, text in enumerate(SENTENCES)
    }
    return epub({**chapters}, [*chapters])


_MADE = {
    "docx": _docx, "xlsx": _xlsx, "pptx": _pptx, "odt": _odt, "ods": _ods, "mbox": _mbox, "epub": _epub,
}  # fmt: skip
