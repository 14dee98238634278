"""Files read by a process of their own: the same documents, and a reader that fails costs its file only."""

from __future__ import annotations

import bz2
import logging
import math
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import attrs
import pytest

from lior.errors import DataError
from lior.interfaces import ParsedDocument, Table
from lior.reading import isolation
from lior.reading.limits import NO_LIMITS, Limits, limit_by
from lior.reading.parsing import parse_bytes
from lior.reading.skipping import UnreadableFile
from lior.reading.structure import by_lines, structure_of, with_structure
from lior_ask.api import Index
from tests.reading.samples import SAMPLES, pdf

FOE = """
import logging, os, sys, time, warnings
from lior.interfaces import ParsedDocument

class Foe:
    api_version = 1
    suffixes = (".foe",)

    def read(self, data, name):
        what = data.decode().strip()
        while what == "loops":
            pass
        while what == "sleeps":
            time.sleep(100)
        while what == "allocates":
            self.kept = getattr(self, "kept", []) + [bytearray(1 << 22)]
        if what == "aborts":
            os.abort()
        if what == "exits":
            sys.exit(3)
        if what == "raises":
            raise KeyError("oh")
        if what == "prints":
            print("to stdout")
            os.write(1, b"raw \\x1b[31m")
            logging.getLogger("theirs").warning("one\\ntwo \\x1b[31m")
            warnings.warn("beware")
        return [ParsedDocument(text="words " * (10_000 if what == "much" else 1), kind="prose")]
"""
KEY = "The spare key of the greenhouse hangs behind the rain barrel.\n"


@pytest.fixture
def foes(install):
    """A distribution with the reader above; the processes that find it end with the test."""
    isolation.end_idle_workers()
    yield install("lior-foes", "[lior.readers]\nfoe = foes:Foe\n", foes=FOE)
    isolation.end_idle_workers()


def read(what: str, **limits: float) -> bytes:
    with limit_by(Limits(**limits)):
        return isolation.read_apart(what.encode(), "a.foe", reader="foe")[1]


@pytest.mark.parametrize(
    ("what", "limits", "message"),
    [
        ("loops", {"seconds": 0.2}, "more than 0.2 s; --limits off"),
        ("sleeps", {"seconds": 0.05}, "s by the clock; --limits off"),
        ("allocates", {"memory": 64 << 20}, "more than 64 MiB of memory; --limits off"),
        ("aborts", {}, r"its reader crashed: aborted without .* memory \(limit: 512 MiB\); --limits off"),
        ("aborts", {"memory": math.inf}, "its reader crashed: aborted$"),
        ("exits", {}, "its reader crashed: exit code 3"),
        ("much", {"characters": 9_000}, "million characters; --limits off"),
        ("raises", {}, r"not what its name says \(KeyError: 'oh'\)"),
    ],
)
def test_a_reader_that_fails_costs_its_file_only(what, limits, message, foes, monkeypatch):
    if what != "sleeps":  # on a busy machine a loop takes long by the clock
        monkeypatch.setattr(isolation, "_PATIENCE", 1000)
    with pytest.raises(UnreadableFile, match=message):
        read(what, **limits)
    assert b"words" in read("fine")


def test_a_pdf_that_ends_its_reader_at_the_limit_of_memory_says_so():
    data = pdf("a) Tj " + "0 0 m 9 9 l " * 500_000 + "(b")
    with limit_by(Limits(memory=32 << 20)), pytest.raises(UnreadableFile, match=r"\(limit: 32 MiB\)"):
        isolation.read_apart(data, "a.pdf", reader="pdf")


def test_what_a_reader_prints_is_told_without_control_characters(foes, caplog):
    caplog.set_level(logging.DEBUG, "lior")
    with pytest.warns(UserWarning, match=r"a\.foe: beware"):
        assert b"words" in read("prints")
    told = [record.getMessage() for record in caplog.records]
    printed = [line for line in told if line.startswith("a.foe: its reader printed: ")]
    assert "to stdout" in "".join(printed), "in one piece or several"
    assert [line for line in told if line not in printed] == ["a.foe: one two \ufffd[31m"]
    assert "\x1b" not in "".join(told)


@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - {"a.png"}))  # a minute where many tests run
def test_another_process_gives_the_same_documents(name, monkeypatch):
    apart = outcome(SAMPLES[name], name)
    monkeypatch.setattr(isolation, "_inside", True)
    assert apart == outcome(SAMPLES[name], name)


def test_another_process_decompresses():
    assert parse_bytes(bz2.compress(KEY.encode()), "a.txt.bz2") == parse_bytes(KEY.encode(), "a.txt")
    with limit_by(Limits(unpacked=5)), pytest.raises(UnreadableFile, match="larger than the limit"):
        parse_bytes(bz2.compress(KEY.encode()), "a.txt.bz2")


def outcome(data: bytes, name: str) -> list[ParsedDocument] | str:
    try:
        return parse_bytes(data, name)
    except DataError as error:
        return str(error)


def test_plain_text_and_what_is_known_start_no_process(tmp_path, monkeypatch):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "page.html").write_text("<p>The boiler is serviced in May.</p>")
    os.utime(folder / "page.html", (1e9, 1e9))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Index(folder)
    isolation.end_idle_workers()
    monkeypatch.setattr(isolation, "_Worker", None)
    (folder / "key.md").write_text(KEY)
    (folder / "key.py").write_text(f"# {KEY}")
    assert len(Index(folder).documents) == 3


def test_limits_that_are_off_bring_back_what_they_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "key.md").write_text(KEY)
    (folder / "page.html").write_text(
        "<p>The boiler is serviced in May, as a rule by two who come in a van.</p>"
    )
    os.utime(folder / "page.html", (1e9, 1e9))
    with limit_by(Limits(characters=len(KEY))):
        index = Index(folder)
    assert [line.partition(": ")[0] for line in index.opened.limited] == ["skipped page.html"]
    assert index.ask("Where is the spare key of the greenhouse?").found
    later = Index(folder)
    assert not later.opened
    assert not later.opened.limited
    assert [each.name for each in later.skipped] == ["page.html"]
    with limit_by(NO_LIMITS):
        assert Index(folder).opened.changed == ("page.html",)
    assert not Index(folder).opened
    assert Index(folder).documents == ["key.md", "page.html"]


def test_the_command_answers_beside_them_and_leaves_no_process(foes, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "key.md").write_text(KEY)
    for what in ("aborts", "exits", "much", "raises"):
        (folder / f"{what}.foe").write_text(what)
    (tmp_path / "docx.py").write_text("raise SystemExit('imported from the working directory')")
    (folder / "a.docx").write_bytes(SAMPLES["a.docx"])
    command = [sys.executable, "-m", "lior_cli.main", "ask", str(folder), "Where is the spare key?"]
    environment = os.environ | {"PYTHONPATH": str(foes), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
    )
    output, errors = process.communicate()
    assert KEY.strip() in output
    assert "skipped aborts.foe: its reader crashed: aborted without a message, as PDFium does" in errors
    assert "3 files, " in errors  # the key, the report, and the one with much text
    assert process.pid not in [session(int(each.name)) for each in Path("/proc").glob("[0-9]*")]


def session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def test_the_process_ends_with_the_one_that_started_it(foes):
    program = """
from lior.reading import isolation, limits
worker = isolation._Worker()
print(worker._process.pid, flush=True)
worker.ask(b"sleeps", limits.NO_LIMITS, {"name": "a.foe", "reader": "foe"})
"""
    environment = os.environ | {"PYTHONPATH": str(foes)}
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(6000):
        if not session(child) or Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].startswith(" Z"):
            return
        time.sleep(0.01)
    raise AssertionError("it goes on without the other process")


DOCUMENT = ParsedDocument(
    text="a\nb",
    kind="rows",
    lines=(1, 4),
    places=((0, "page 1"),),
    titles=(1,),
    notes=("note",),
    tables=(Table(columns=("x", "y"), rows=(("1", ""),), lines=(1,)),),
)


def test_the_structure_of_a_strangers_run_has_bounds():
    assert with_structure(DOCUMENT.text, structure_of(DOCUMENT)) == DOCUMENT
    assert by_lines(DOCUMENT) == "a\n\n\nb"
    for damaged in (
        zlib.compress(b" " * (1 << 26)),
        zlib.compress(b"[" * 100_000),
        structure_of(DOCUMENT)[:-8],
        structure_of(attrs.evolve(DOCUMENT, lines=(1, 1 << 60))),
        structure_of(attrs.evolve(DOCUMENT, lines=(1, "2"))),
        structure_of(attrs.evolve(DOCUMENT, places=((0, 1),))),
        structure_of(attrs.evolve(DOCUMENT, titles=(-1,))),
    ):
        with pytest.raises(DataError, match=r"^its structure is damaged \([^\n]{1,100}\)$"):
            with_structure(DOCUMENT.text, damaged)
    sparse = Table(columns=("x",) * 100_000, rows=(("",) * 100_000,) * 30, lines=(0,) * 30)
    assert with_structure("a", structure_of(attrs.evolve(DOCUMENT, text="a", lines=None, tables=(sparse,))))
