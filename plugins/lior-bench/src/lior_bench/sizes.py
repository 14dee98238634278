"""What reading, cutting and indexing a file costs by its size: time, memory, and the slope of the time.

    lior bench sizes [--quick] [NAME ...]

A slope of 1, in the logarithms of size and time, is linear; those above 1.15 are marked. Each file is read in
a process of its own, without limits. `--quick` reads small files, in which a quadratic step still shows.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial

import attrs
import click
import numpy as np

from lior_bench.attack import packed
from lior_bench.attack.plain import MAIL

SIZES = 1, 2, 4, 8, 16
STEEP = 1.15
"""Slope above which a reader is not linear."""
_TEXT = "The tomatoes of bed {0} want water in the morning. Cut the roses of row {0} in March.\n"


def _lines(form: str, count: int) -> bytes:
    return "".join(form.format(number) for number in range(count)).encode()


def _paragraphs(form: str, count: int) -> str:
    return "".join(form.format(_TEXT.format(number).strip()) for number in range(count))


def _pdf(count: int) -> bytes:
    shown = "".join(f"({_TEXT.format(number).strip()}) Tj 0 -9 Td " for number in range(40))
    content = packed.stream(f"BT /F1 8 Tf 20 780 Td {shown} ET".encode())
    return packed.pages(b"3 0 R " * (count // 40), count // 40, content, b"<<>>")


MAKERS: dict[str, Callable[[int], bytes]] = {
    "prose.txt": lambda n: _lines(_TEXT, n),
    "unique.txt": lambda n: _lines("w{0:x} ", 15 * n),
    "lines.txt": lambda n: _lines("number {0}\n", 8 * n),
    "headings.md": lambda n: _lines("## Part {0}\n\nIt is on row {0}.\n\n", 2 * n),
    "table.md": lambda n: b"a|b\n-|-\n" + _lines("{0}|row {0}\n", 5 * n),
    "code.py": lambda n: _lines("def f{0}(a):\n    # doubles it\n    return 2 * a\n\n", 2 * n),
    "mail.mbox": lambda n: _lines(MAIL, n // 2),
    "parts.eml": lambda n: b"Content-Type: multipart/mixed; boundary=b\n" + _lines("\n--b\n\n{0}\n", 4 * n),
    "page.html": lambda n: _paragraphs("<h2>A</h2><p>{0}</p>", n).encode(),
    "nested.html": lambda n: b"<div>" * n + _paragraphs("<dl><dd>{0}", n).encode(),
    "values.json": lambda n: b"{" + _lines('"key {0}": "value",\n', 8 * n) + b'"a": 1}',
    "texts.jsonl": lambda n: _lines('{{"text": "The roses of row {0} are cut."}}\n', n),
    "table.csv": lambda n: b"id,name\n" + _lines("{0},row {0}\n", 5 * n),
    "chat.txt": lambda n: _lines("[1/2/24, 10:00] Ann: message {0}\n", 4 * n),
    "server.log": lambda n: _lines("2024-01-02 10:00:00 ERROR request {0} failed\n", 4 * n),
    "events.ics": lambda n: _lines("BEGIN:VEVENT\nSUMMARY:a {0}\nDTSTART:20240102\nEND:VEVENT\n", n),
    "contacts.vcf": lambda n: _lines("BEGIN:VCARD\nFN:Ann {0}\nTEL:{0}\nEND:VCARD\n", n),
    "page.man": lambda n: b".TH A 1\n.SH B\n" + _lines(".TP\n.B \\-\\-option{0}\nIt cuts row {0}.\n", 2 * n),
    "text.docx": lambda n: packed.docx(_paragraphs("<w:p><w:r><w:t>{0}</w:t></w:r></w:p>", n)),
    "text.odt": lambda n: packed.opendocument(_paragraphs("<t:p>{0}</t:p>", n)),
    "table.ods": lambda n: packed.opendocument(
        '<b:table b:name="A">'
        + _paragraphs("<b:table-row><b:table-cell><t:p>{0}</t:p></b:table-cell></b:table-row>", n)
        + "</b:table>",
        "spreadsheet",
    ),
    "book.epub": lambda n: packed.epub({"a.xhtml": _paragraphs("<p>{0}</p>", n)}, ["a.xhtml"]),
    "table.xlsx": lambda n: packed.xlsx(
        _paragraphs('<row><c t="inlineStr"><is><t>{0}</t></is></c></row>', n)
    ),
    "slides.pptx": lambda n: packed.pptx(
        {f"s{k}.xml": f"<s>{_paragraphs(_SLIDE, 20)}</s>" for k in range(n // 20)}, [*range(n // 20)], {}
    ),
    "pages.pdf": _pdf,
    "texts.zip": lambda n: packed.pack({f"{k}.txt": _TEXT.format(k) * 20 for k in range(n // 20)}),
}
"""Name of a file -> its bytes, which hold about 85 bytes for each unit."""
_SLIDE = '<p:sp xmlns:p="urn:p" xmlns:a="urn:a"><a:p><a:r><a:t>{0}</a:t></a:r></a:p></p:sp>'


@attrs.frozen
class Cost:
    """Of one file."""

    size: int
    """In bytes."""
    seconds: float
    """Of the processor."""
    memory: int
    """Bytes by which the process grew at most."""


def costs(name: str, unit: int) -> list[Cost]:
    """Of files of :data:`SIZES` times ``unit``."""
    return [_in_child(partial(_cost, name, MAKERS[name](size * unit))) for size in SIZES]


def slope(found: list[Cost]) -> float:
    """Of the logarithm of the time by that of the units of :data:`SIZES`; each counts as it has units.

    Bytes would not do: archives are compressed, the more so the larger they are.

    >>> round(slope([Cost(size, size**2, 0) for size in SIZES]), 6)
    2.0
    """
    size, seconds = np.log(SIZES), np.log([max(each.seconds, 1e-3) for each in found])
    return float(np.polyfit(size, seconds, 1, w=np.sqrt(np.exp(size)))[0])


def _cost(name: str, data: bytes) -> Cost:
    from lior.reading import isolation
    from lior.reading.limits import OFF, limit_by
    from lior.reading.parsing import parse_bytes
    from lior_ask.api import Index

    isolation.enter()  # this process reads
    index = Index(retriever="settle", embedder="")
    index.learn("garden.md", "What is loaded at the first text is loaded now.")
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with limit_by(OFF):
        index.put(name, parse_bytes(data, name))
    seconds = time.process_time() - begin
    return Cost(len(data), seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)


def _in_child(work: Callable[[], Cost]) -> Cost:
    """``work()`` in a process of its own, so that no file finds memory that another one left."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.write(writing, json.dumps(attrs.astuple(work())).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        data = stream.read()
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("the process that reads the file failed")
    return Cost(*json.loads(data))


@click.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Small files.")
def measure_sizes(names: tuple[str, ...], quick: bool) -> None:
    """Measure what a file costs by its size: MB/s and memory of the largest, slope of the time."""
    steep = 0
    for name in names or MAKERS:
        found = costs(name, 150 if quick else 3000)
        last, up = found[-1], slope(found)
        steep += up > STEEP
        memory = last.memory / last.size
        told = f"{name:14} {last.size / 1e6:7.2f} MB {last.size / 1e6 / last.seconds:7.2f} MB/s"
        click.echo(f"{told} {memory:6.1f} × memory  slope {up:.2f}{'  not linear' * (up > STEEP)}")
    sys.exit(steep > 0)
