"""Documents that a model learns: what is taken of which file, and what each fault says."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import sys
import threading
from types import SimpleNamespace

import pytest

from lior.errors import DataError, MissingPackage
from lior.reading.documents import (
    EMBEDDED,
    RawDocument,
    documents_in,
    read_documents,
    read_embedded,
    read_files,
)
from lior.reading.skipping import SkipReason


def found(*paths, **options):
    return [(name, data) for name, data, _ in read_documents([str(p) for p in paths], **options)]


def test_files_in_the_order_given_and_standard_input_among_them(tmp_path, monkeypatch):
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"ty\0ped")))
    assert found(tmp_path / "b.txt", "-", tmp_path / "a.txt") == [
        ("b.txt", b"b.txt"),
        ("<stdin>", b"ty\0ped"),
        ("a.txt", b"a.txt"),
    ]
    with pytest.raises(DataError, match=r"^-: no text in there \(0 bytes\)"):
        read_documents(["-"])
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"typed")))
    with pytest.raises(DataError, match=r"^standard input: more text than data.limit allows"):
        read_documents(["-"], limit=3)


def test_a_folder_is_read_without_what_is_no_text(tmp_path, caplog):
    for name in ("z.txt", "sub/a.md", "sub/deep/b", ".hidden", ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "image.raw").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "damaged.gz").write_bytes(b"no gzip")
    with caplog.at_level(logging.INFO, "lior"):
        files = read_files([str(tmp_path)])
    assert {file.name: file.reason for file in files} == {
        "z.txt": None,
        "sub/a.md": None,
        "sub/deep/b": None,
        "image.raw": SkipReason.BINARY,
        "empty.txt": SkipReason.EMPTY,
        "damaged.gz": SkipReason.BAD_ARCHIVE,
    }
    assert "5 skipped (2 × hidden; 1 × " in caplog.text


@pytest.mark.parametrize("raw", [False, True])
def test_what_a_file_gives_by_its_format(tmp_path, raw, caplog):
    """Raw, all are taken byte for byte and named by their paths."""
    page, latin = b"<p>A page\nabout herons.", "Le café est à gauche, près du musée.".encode("latin-1")
    contents = {"plain.txt": b"a\r\nb", "page.html": page, "latin.txt": latin, "x.bin": bytes(range(256))}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "packed.md.gz").write_bytes(gzip.compress(b"packed"))
    parsed = {
        **contents,
        "page.html": b"A page\nabout herons.",
        "latin.txt": latin.decode("latin-1").encode(),
        "packed.md.gz": b"packed",
    }
    wanted = {f"{tmp_path}/{name}": data for name, data in (contents | {"packed.md.gz": b"packed"}).items()}
    paths = [tmp_path / name for name in parsed]
    with caplog.at_level(logging.INFO, logger="lior"):
        assert dict(found(*paths, raw=raw)) == (wanted if raw else parsed)
    assert "x.bin: binary data, learned byte for byte" in caplog.text


def test_a_file_that_is_not_on_this_machine():
    assert [each[:2] for each in documents_in(b"<p>one", "a.html")] == [("a.html", b"one")]
    with pytest.raises(DataError, match=r"^line 1: not JSON"):
        documents_in(b"{", "a.jsonl")


def test_a_pipe_is_read_once_and_to_its_end(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b"through a pipe"))
    writer.start()
    assert found(pipe) == [("pipe", b"through a pipe")]
    writer.join()


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".jsonl.gz"])
def test_each_line_of_jsonl_is_a_document(tmp_path, suffix):
    lines = "\n".join(json.dumps({"body": text, "n": 1}) for text in ("é", "two\nlines", "\ud800"))
    data = f"{lines}\n\n".encode()
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    expected = [(1, "é".encode()), (2, b"two\nlines"), (3, b"\xed\xa0\x80")]
    assert found(path, field="body") == [(f"x{suffix}#{n}", text) for n, text in expected]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "x.jsonl, line 2: not JSON"),
        ("[" * 100000, "line 2: not JSON"),
        ("[1]", r"line 2: no text under 'text' \(found: not an object\)"),
        ('{"b": 1, "a": 2}', r"line 2: no text under 'text' \(found: a, b\); name the key with --field"),
        ('{"text": 3}', "line 2: no text under 'text'"),
    ],
)
def test_faults_of_jsonl_name_the_line(tmp_path, line, message):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "fine"}\n' + line)
    with pytest.raises(DataError, match=message):
        read_documents([str(path)])


def test_a_file_that_was_named_must_be_readable(tmp_path, monkeypatch):
    path = tmp_path / "a.gz"
    for damaged in (b"not packed", gzip.compress(b"packed " * 50)[:-4]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"a\.gz: damaged gzip file"):
            read_documents([str(path)])
    (tmp_path / "a.zst").write_bytes(b"packed")
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingPackage, match=r"a\.zst: \.zst needs a package: lior install readers"):
        read_documents([str(tmp_path / "a.zst")])

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(DataError, match=r"a\.gz: cannot be read: Permission denied"):
        read_documents([str(path)])


def test_empty_files_are_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.txt: no text in there \(1 skipped: 1 × empty\)"):
        read_documents([str(tmp_path / "a.txt")])
    (tmp_path / "b.txt").write_bytes(b"b")
    both = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    assert read_documents(both) == [RawDocument("b.txt", b"b")]
    with pytest.raises(DataError, match=r"a\.txt: no text in there \(0 bytes\)"):
        read_documents(both, strict=True)


def test_no_path_means_the_embedded_corpus():
    sources = read_documents([])
    assert sources == read_embedded() == read_embedded()
    assert sum(len(s.data) for s in sources) > 300_000
    assert all(s.name.startswith(f"{EMBEDDED}/") and s.data for s in sources)
    assert [s.name for s in sources] == sorted(s.name for s in sources)
