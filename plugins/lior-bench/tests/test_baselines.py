"""What the baselines report, and the processes they run in."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from types import SimpleNamespace

import pyppmd
import pytest

from lior.data import corpus
from lior.model import baseline
from lior.reading.documents import RawDocument, read_embedded
from lior_bench import baselines, children
from lior_bench.baselines import BASELINES
from lior_bench.children import Unavailable, Unmeasured
from lior_plugins.tokenizers.bytes import Bytes

SPLIT = 18_000


@pytest.fixture(scope="module")
def text() -> bytes:
    return b"".join(source.data for source in read_embedded())[:20_000]


def test_the_cost_of_a_part_is_what_it_adds(text):
    result = BASELINES["zlib"](text, SPLIT)
    added = len(zlib.compress(text, 9)) - len(zlib.compress(text[:SPLIT], 9))
    assert result["nats"] == pytest.approx(8 * added * math.log(2))
    assert result["train_seconds"] == pytest.approx(9 * result["score_seconds"])


@pytest.mark.parametrize(
    ("name", "module"), [("ppmd", "pyppmd"), ("lzma", "lzma"), ("zstd", "zstandard"), ("zpaq", "zpaq")]
)
def test_compressors_pay_for_news_and_not_for_repetition(text, name, module):
    pytest.importorskip(module)
    news = BASELINES[name](text, SPLIT)["nats"]
    repetition = BASELINES[name](text[:SPLIT] + text[:2000], SPLIT)["nats"]
    assert 0 < repetition < 0.4 * news < 0.4 * 2000 * math.log(256)


def test_ppmd_is_variant_h_of_order_six(text):
    sizes = [len(pyppmd.compress(part, max_order=6, variant="H")) for part in (text[:SPLIT], text)]
    assert BASELINES["ppmd"](text, SPLIT)["nats"] == pytest.approx(8 * (sizes[1] - sizes[0]) * math.log(2))


def test_what_zpaq_saves_by_larger_tables_is_not_counted_for_the_end(monkeypatch):
    """A stand-in that halves what it codes from a megabyte on, all of it."""
    half = SimpleNamespace(
        compress=lambda data, level, threads: data[: len(data) // (1 + (len(data) >= 1 << 20))]
    )
    monkeypatch.setitem(sys.modules, "zpaq", half)
    nats = BASELINES["zpaq"](bytes(1_100_000), 1_000_000)["nats"]
    assert nats == pytest.approx(8 * 50_000 * math.log(2), rel=1e-4)


def test_the_program_zpaq_where_the_package_is_not(text, tmp_path, monkeypatch):
    program = tmp_path / "zpaq"
    program.write_text('#!/bin/sh\n[ "$1 $4 $5" = "add -m5 -t1" ] && cp "$3" "$2"\n')
    program.chmod(0o755)
    monkeypatch.setitem(sys.modules, "zpaq", None)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert BASELINES["zpaq"](text, SPLIT)["nats"] == pytest.approx(8 * 2000 * math.log(2))
    monkeypatch.setattr(baselines.shutil, "which", lambda name: None)
    with pytest.raises(Unavailable, match="neither the program nor the Python package"):
        BASELINES["zpaq"](text, SPLIT)


def test_the_ngram_is_the_baseline_at_its_order(text):
    built = corpus.build_corpus([RawDocument("text", text)], Bytes())
    expected = baseline.measure(built, SPLIT, len(text), vocab=256).order4 * 2000
    assert BASELINES["ngram4"](text, SPLIT)["nats"] == pytest.approx(expected)
    assert BASELINES["ngram6"](text, SPLIT)["nats"] < expected


@pytest.mark.parametrize("name", ["zlib", "ngram4"])
def test_times_of_short_texts_are_not_rounded(name, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(baselines.time, "perf_counter", lambda: next(ticks) * 1e-6)
    monkeypatch.setattr(baselines, "TIMED_SECONDS", 3e-6)
    result = BASELINES[name](b"short text. " * 100, 1080)
    assert 0 < result["score_seconds"] < 1e-5
    assert 0 < result["train_seconds"] < 1e-5


# --- processes ---


def test_an_answer_is_the_last_line_and_memory_is_the_childs():
    code = "x = bytearray(2**27); print('noise'); print('{\"nats\": 1}')"
    reply = children.run(["-c", code])
    assert reply.answer == {"nats": 1}
    assert 2**27 < reply.peak_rss_bytes < 2**31
    code = "from lior_bench.children import run; print(run(['-c', 'print({})']).peak_rss_bytes)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) < 2**26, "the parent's memory must not count"


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ('print(\'{"skipped": "not here"}\')', Unavailable, "not here"),
        ("raise ValueError('what broke')", Unmeasured, "ValueError: what broke"),
        ("import sys; sys.exit('lior: error: no text')", Unmeasured, "no text"),
        ("raise SystemExit(3)", Unmeasured, "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", Unmeasured, "killed by SIGKILL; out of memory or time?"),
        ("pass", Unmeasured, "it printed no result"),
        ("print('[1]')", Unmeasured, "it printed no result"),
    ],
)
def test_a_child_without_a_number_says_why(code, kind, said):
    with pytest.raises(Unmeasured) as fault:
        children.run(["-c", code])
    assert (type(fault.value), str(fault.value)) == (kind, said)


def test_settings_of_the_environment_do_not_reach_a_recipe(monkeypatch):
    monkeypatch.setenv("LIOR_SEED", "7")
    monkeypatch.setenv("LIOR_ALLOW_PLUGINS", "lior")
    code = "import json, os; print(json.dumps({n: v for n, v in os.environ.items() if n[:5] == 'LIOR_'}))"
    assert children.run(["-c", code]).answer == {"LIOR_ALLOW_PLUGINS": "lior"}


def test_a_file_in_the_working_directory_is_no_module(tmp_path, monkeypatch):
    (tmp_path / "zlib.py").write_text("raise RuntimeError")
    monkeypatch.chdir(tmp_path)
    assert children.run(["-c", "import zlib; print('{}')"]).answer == {}


def test_an_interrupt_ends_the_child(tmp_path):
    """Also one that does not listen, after a moment."""
    note = tmp_path / "pid"
    code = (
        "import os, pathlib, signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )

    def press() -> None:
        while not (note.exists() and note.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        presser.start()
        with pytest.raises(KeyboardInterrupt):
            children.run(["-c", code])
    finally:
        presser.join()
        signal.signal(signal.SIGINT, previous)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
