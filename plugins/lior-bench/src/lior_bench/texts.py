"""Texts that are not prose, made from the standard library: source code, scripts, a log, records.

``lior bench texts FOLDER`` writes ``source.py``, ``scripts.txt``, ``server.log`` and
``records.txt`` of up to 500,000 bytes each, the same on every machine with the same Python.
"""

from __future__ import annotations

import json
import random
import sysconfig
import unicodedata
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import click

BYTES = 500_000
_MODULES = """
    argparse ast asyncio/base_events collections/__init__ configparser csv datetime decimal difflib
    email/message fractions functools http/client inspect json/decoder logging/__init__ mailbox optparse
    pathlib pickle random shutil statistics subprocess tarfile textwrap threading typing unittest/case zipfile
""".split()  # noqa: SIM905
_BLOCKS = ((0x370, 0x600), (0x900, 0xE00), (0x10A0, 0x1400), (0x3040, 0x3100), (0xAC00, 0xB400))


def source() -> str:
    """Return modules of the standard library, one after the other."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = (library / f"{module}.py" for module in _MODULES)
    return "\n".join(path.read_text("utf-8") for path in files if path.exists())


def scripts() -> str:
    """Return letters of many scripts with name, case, category and decomposition, repeated in
    other orders.
    """
    letters = [
        chr(c) for lo, hi in _BLOCKS for c in range(lo, hi) if unicodedata.category(chr(c))[0] in "LMN"
    ]
    draw = random.Random(1)
    return "\n".join(
        f"{letter} {unicodedata.name(letter, '?')} {letter.upper()}{letter.lower()} "
        f"{unicodedata.normalize('NFD', letter)} {''.join(draw.choices(letters[:400], k=draw.randint(2, 9)))}"
        for _ in range(3)
        for letter in draw.sample(letters, len(letters))
    )


def _log_lines() -> Iterator[str]:
    draw, second = random.Random(2), 0
    paths = [
        f"/{a}/{b}"
        for a in ("api", "static", "users", "search")
        for b in ("list", "item", "style.css", "edit")
    ]
    agents = ("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4)")
    while True:
        second += draw.choice((0, 0, 1, 1, 2, 7))
        at = f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        status = draw.choices((200, 304, 404, 500), (80, 12, 6, 2))[0]
        path = f"{draw.choice(paths)}?id={int(draw.paretovariate(0.8)) % 100_000}"
        yield (
            f"10.{draw.randrange(4)}.{draw.randrange(16)}.{draw.randrange(256)} - - [12/Mar/2026:{at} +0000] "
            f'"GET {path} HTTP/1.1" {status} {draw.randrange(200, 40_000)} "{draw.choice(agents)}"'
        )
        if status == 500:
            yield f"{at} ERROR worker-{draw.randrange(8)} {path}: {HTTPStatus(500).description}"


def _record_lines() -> Iterator[str]:
    draw, number = random.Random(3), 0
    names = ("Ada", "Béla", "Chloé", "Dmitri", "Émile", "Fatima", "Güneş", "Hiro", "Ingrid", "José")
    while True:
        number += 1
        status = draw.choice(list(HTTPStatus))
        record = {
            "id": number,
            "user": {"name": draw.choice(names), "age": draw.randrange(18, 90)},
            "status": status.value,
            "text": f"{status.phrase}: {status.description or 'no description'}",
            "tags": sorted(draw.sample(("new", "open", "urgent", "done", "later"), draw.randint(0, 3))),
            "price": round(draw.lognormvariate(3, 1), 2),
        }
        yield json.dumps(record, ensure_ascii=False)


def _enough(lines: Iterator[str]) -> str:
    out: list[str] = []
    size = 0
    while size < BYTES:
        out.append(next(lines))
        size += len(out[-1].encode()) + 1
    return "\n".join(out)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def write_texts(folder: Path) -> None:
    """Write four texts of up to 500,000 bytes each to FOLDER: source code, scripts, a log, records."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"source.py": source(), "scripts.txt": scripts()}
    texts |= {"server.log": _enough(_log_lines()), "records.txt": _enough(_record_lines())}
    for name, text in texts.items():
        whole = text.encode()[:BYTES].decode(errors="ignore")  # no part of a character at the end
        (folder / name).write_text(whole, encoding="utf-8", newline="")
