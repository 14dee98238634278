"""Seeded mutations of files that other programs made: each is read, or refused in one line.

Material is what is found on the machine (PDF, HTML, calendars, templates) and a file of each format that is
made here, so that it runs anywhere. Number ``n`` of a seed depends on them alone.
"""

from __future__ import annotations

import re
import signal
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from random import Random
from zipfile import BadZipFile, ZipFile

from lior.process import peak_bytes
from lior_bench.attack.formats import FORMATS, pack

COUNT, SAMPLE = 10_000, 300
"""Mutations of a run, and of the sample that CI reads."""
_CPU, _WALL, _MEMORY = 12.0, 120, 700 << 20
"""Seconds of the processor and by the clock (machines are busy), and bytes, that a file may take."""
_LARGEST, _FILES, _UNITS = 300_000, 8, 40
"""Bytes of a file that is taken, files of each format, and units of a file that is made."""
_FOUND = ("pdf", "html", "ics", "docx", "odt", "ods", "xlsx", "pptx", "epub")
_EXTREMES = (b"0", b"-1", b"65536", b"2147483648", b"4294967295", b"9" * 40, b"9" * 5000, b"1e308", b"nan")
_ODD = (b"\0", b"\x1b[2J", b"\xe2\x80\xae", b"\xff\xfe", b"<", b"&#xD800;", b'"', b"]]>", b"\r", b"\xc2\x85")
Material = list[tuple[str, bytes]]


def run(seed: int, sample: bool, *, count: int = 0, only: str = "") -> Iterator[str]:
    """A line for each mutation that is not read or refused as it should be."""
    files = [each for each in material() if only in each[0]]
    signal.signal(signal.SIGALRM, _interrupt)
    for number in range(count or (SAMPLE if sample else COUNT)):
        name, data = mutate(files, seed, number)
        before, begin = peak_bytes(), time.process_time()
        signal.alarm(_WALL)
        fault = fault_of(data, name)
        signal.alarm(0)
        took, memory = time.process_time() - begin, peak_bytes() - before
        large = f"{took:.1f} s, {memory >> 20} MB" if took > _CPU or memory > _MEMORY else ""
        if told := fault or large:
            with tempfile.NamedTemporaryFile(prefix=f"{seed}-{number}-", suffix=name, delete=False) as kept:
                kept.write(data)
            yield f"mutation {number} of seed {seed}, {name}: {told}; kept as {kept.name}"


def _interrupt(*_: object) -> None:
    raise TimeoutError("it hangs")


def fault_of(data: bytes, name: str) -> str:
    """What is wrong with how a file is read or refused; nothing if nothing is."""
    from lior.errors import LiorError
    from lior.reading import parse_bytes
    from lior.testing import check_document
    from lior_ask.chunking.chunker import chunk

    try:
        for document in parse_bytes(data, name):
            check_document(document, data)
            chunk(document, name)
    except LiorError as error:
        return "" if str(error).isprintable() else f"a refusal that is no plain line: {str(error)!r}"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}: {str(error)[:200]!r}"
    return ""


# --- mutations ---


def mutate(files: Material, seed: int, number: int) -> tuple[str, bytes]:
    """That mutation."""
    random = Random(f"{seed}/{number}")
    name, data = files[number % len(files)]
    if data.startswith(b"PK") and random.random() < 0.7:
        with suppress(BadZipFile), ZipFile(BytesIO(data)) as archive:
            members = {each.filename: archive.read(each) for each in archive.infolist()}
            for member in random.choices([*members], k=random.randint(1, 3)):
                members[member] = _change(members[member], random)
            return name, pack(dict(members))
    return name, _change(data, random)


def _change(data: bytes, random: Random) -> bytes:
    for _ in range(random.randint(1, 4)):
        data = random.choice(_CHANGES)(data, random)
    return data


def damage(data: bytes, random: Random) -> tuple[str, bytes]:
    """Damage bytes as disks do: a bit, a stretch of zeros, a cut; what was done, and the bytes."""
    at = random.randrange(len(data))
    kind = random.choice(("bit", "zeros", "cut"))
    if kind == "cut":
        return f"cut at {at}", data[:at]
    if kind == "zeros":
        size = min(random.choice((1, 512, 4096, len(data))), len(data) - at)
        return f"{size} zeros at {at}", data[:at] + bytes(size) + data[at + size :]
    bit = 1 << random.randrange(8)
    return f"byte {at} ^ {bit}", data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


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


def material() -> Material:
    """Names and bytes of files, always in the same order: one of each format made here, and those found."""
    found = [(name, make(_UNITS)) for name, make in FORMATS.items()]
    roots = [Path(sysconfig.get_path("purelib")), Path("/usr/share/doc"), *map(Path, sys.path)]
    for suffix in _FOUND:
        paths = {each for root in dict.fromkeys(roots) if root.is_dir() for each in root.rglob(f"*.{suffix}")}
        fitting = sorted(each for each in paths if each.is_file() and 500 < each.stat().st_size < _LARGEST)
        found += [(f"a.{suffix}", each.read_bytes()) for each in fitting[:: len(fitting) // _FILES + 1]]
    return found
