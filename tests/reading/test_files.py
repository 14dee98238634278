"""Files and folders: which are read, in which order and by what, how text is decoded, what is left out."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import re
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import lior
from lior.errors import DataError, LiorError, MissingPackage, UsageError
from lior.interfaces import ParsedDocument
from lior.plugins.registry import Registry
from lior.reading import parsing
from lior.reading.compression import DECOMPRESSED_LIMIT
from lior.reading.decoding import decode_text
from lior.reading.files import File, cause_of, read_if_changed, read_limited
from lior.reading.finding import SourceFile, find_files, follow_links
from lior.reading.parsing import ABSENT, parse_bytes
from lior.reading.skipping import SkippedFile, SkipReason, UnreadableFile
from lior.testing.readers import check_document
from lior_ask import syncing as indexing
from lior_ask.api import Index
from tests.cases import cases

SENTENCES = {
    "utf-8-sig": "Größe “à la carte”",
    "utf-16": "Größe",
    "utf-32": "Größe",
    "utf-16-le": "These are words, 16 bits each.\n",
    "utf-16-be": "Привет, как дела?\n",
}


@given(st.lists(st.text("aé\r\t\f\u2028\u0085 語", max_size=8), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_lines_are_those_of_the_file(lines, end):
    """A lone carriage return, a form feed and U+2028 end no line."""
    lines = [line.rstrip("\r") for line in lines]
    text, _ = decode_text(end.join(lines).encode())
    assert text.split("\n") == (lines or [""])


@cases("end", ["\n", "\r\n"])
@cases("encoding", SENTENCES)
def test_every_encoding_is_understood_and_said(encoding, end):
    source = f"plain{end}{SENTENCES[encoding]}{end}"
    text, notes = decode_text(source.encode(encoding))
    assert text == source.replace("\r\n", "\n")
    assert (notes == ()) == (encoding == "utf-8-sig")


@cases(
    "source",
    ["# coding: koi8-r\nx = 'да'\n", "<?xml version='1.0' encoding='koi8-r'?><a>да</a>", "charset=koi8-r да"],
)
def test_the_encoding_that_a_text_names_is_taken(source):
    text, notes = decode_text(source.encode("koi8-r"))
    assert (text, notes) == (source, ("not UTF-8; read as koi8-r, which it names",))
    for wrong in ("ascii", "punycode", "unicode_escape", "cp037", "nothing-known", "rot13"):
        assert (
            "\\né" in decode_text(source.replace("koi8-r", wrong).replace("да", "\\né").encode("cp1252"))[0]
        )


def test_a_few_wrong_bytes_do_not_change_the_encoding():
    text, notes = decode_text("Grüße an alle, schöne Grüße. ".encode() * 20 + b"\xff end")
    assert text.count("ü") == 40
    assert text.endswith("\ufffd end")
    assert notes == ("1 characters are not UTF-8 and stand as U+FFFD",)


@given(
    st.binary(max_size=300),
    st.sampled_from(["a", "a.txt", "a.gz", "a.zst", "a.html", "a.eml", "a.json", "a.csv"]),
)
@settings(max_examples=100)
@example(b"%\x80", "a.html")  # in EBCDIC the first would be a line feed
def test_any_bytes_are_read_or_refused_in_one_line(data, name):
    said = "none"
    try:
        for each in parse_bytes(data, name):
            each.text.encode()
            if not name.endswith(("gz", "zst")):
                check_document(each, data)
    except LiorError as error:
        said = str(error)
    assert len(said.splitlines()) == 1


def read_file(path: Path, limit: int = DECOMPRESSED_LIMIT) -> list[ParsedDocument]:
    return parse_bytes(read_limited(path, limit=limit), path.name, limit=limit)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"a\0b", "null bytes"),
        (b"\0\1\2\3", "null bytes"),
        (bytes(range(1, 32)) * 9, "control characters"),
        (b"long " * 100, "larger than the limit"),
    ],
)
def test_what_is_no_text_is_refused(data, reason, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason) as caught:
        read_file(path, limit=400)
    assert str(path) not in str(caught.value)


PACKERS = {".gz": gzip, ".bz2": bz2, ".xz": lzma, ".zst": pytest.importorskip("zstandard")}


@pytest.mark.parametrize("suffix", PACKERS)
def test_compressed_files_have_the_reader_of_what_is_in_them(suffix, tmp_path):
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(PACKERS[suffix].compress(b'a,b\n1,"x\ny"\n'))
    (found,) = read_file(path)
    assert (found.kind, found.lines) == ("rows", (1, 2, 4))
    with pytest.raises(DataError, match="limit"):
        read_file(path, limit=5)
    path.write_bytes(path.read_bytes()[:4] + b"\xff" * 20)
    with pytest.raises(DataError, match="damaged"):
        read_file(path)


def test_the_beginning_of_a_film_is_enough(tmp_path):
    path = tmp_path / "film.mkv"
    path.write_bytes(b"\x1a\0" * 5000)
    assert len(read_limited(path, limit=9000)) < 9000
    with pytest.raises(DataError, match="null bytes"):
        read_file(path)


@cases(
    ("data", "kind"),
    [
        (b"<!DOCTYPE html><p>x</p>", "markdown"),
        (b"Subject: a\nFrom: b\nDate: c\n\nbody\n", "mail"),
        (b"From a@b Mon Jan  2 10:00:00 2023\nSubject: x\n\nbody\n", "mail"),
        (b"Subject: only\n", "prose"),
    ],
)
def test_content_decides_where_the_suffix_does_not(data, kind):
    for name in ("file", "file.17", "file.unknown"):
        assert parse_bytes(data, name)[0].kind == kind


@cases("reason", SkipReason)
def test_a_reason_is_kept_as_its_value_and_said_as_its_sentence(reason):
    error = UnreadableFile(reason, "what {happened}")
    file = File("a", 1, 2, "", (), *json.loads(json.dumps(cause_of(error))))
    assert (file.reason, str(file.skipped)) == (reason, str(error))
    assert ("what {happened}" in str(error)) == ("{}" in reason.sentence)
    assert "\n" not in reason.sentence


def test_folders_have_a_stable_order_and_hide_nothing(tmp_path):
    for name in (
        "b.txt",
        "a/z.txt",
        "a/B.txt",
        ".hidden/x.txt",
        ".profile",
        "c/node_modules/m/x.js",
        "c/d/e.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "link.txt").symlink_to(tmp_path / "b.txt")
    os.mkfifo(tmp_path / "pipe")
    sources, skipped = find_files([str(tmp_path)])
    assert [s.name for s in sources] == ["a/B.txt", "a/z.txt", "b.txt", "c/d/e.txt"]
    assert all(s.path == tmp_path / s.name for s in sources)
    assert {each.name: each.reason for each in skipped} == {
        ".hidden": SkipReason.HIDDEN,
        ".profile": SkipReason.HIDDEN,
        "c/node_modules": SkipReason.GENERATED,
        "loop": SkipReason.FOLDER_LINK,
        "gone": SkipReason.BROKEN_LINK,
        "self": SkipReason.UNREADABLE,
        "pipe": SkipReason.NOT_REGULAR,
        "link.txt": SkipReason.READ_ONCE,
    }
    said = {each.name: str(each) for each in skipped}
    assert said["self"] == "cannot be read: Too many levels of symbolic links"
    assert said["link.txt"] == "a link to b.txt, which is read once"


def test_links_that_leave_the_folder_are_named_and_read_when_asked_for(tmp_path):
    folder, other = tmp_path / "notes", tmp_path / "other"
    for name in ("notes/a.txt", "notes/.kept/b.txt", "other/c.txt", "other/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    (folder / "secret.txt").symlink_to(other / "c.txt")
    (folder / "up.txt").symlink_to("../other/d.txt")
    (folder / "kept.txt").symlink_to(".kept/b.txt")
    (folder / "twice.txt").symlink_to(".kept/b.txt")
    (folder / "there").symlink_to(other)
    (folder / "loop").symlink_to(folder)

    def found(*paths: Path) -> tuple[list[str], dict[str, SkipReason]]:
        sources, skipped = find_files(paths)
        return [each.name for each in sources], {each.name: each.reason for each in skipped}

    names, left = found(folder)
    assert names == ["a.txt", "kept.txt"]
    assert left == {
        ".kept": SkipReason.HIDDEN,
        "there": SkipReason.FOLDER_LINK,
        "loop": SkipReason.FOLDER_LINK,
        "secret.txt": SkipReason.OUTSIDE_LINK,
        "up.txt": SkipReason.OUTSIDE_LINK,
        "twice.txt": SkipReason.READ_ONCE,
    }
    assert found(folder / "secret.txt")[0] == ["secret.txt"], "it is given by name"
    assert "secret.txt" not in {name.rpartition("/")[2] for name in found(folder, other)[0]}, "read in there"
    (tmp_path / "alias").symlink_to(folder)
    assert found(tmp_path / "alias")[0] == ["a.txt", "kept.txt"]
    with follow_links(True):
        names, left = found(folder)
        assert names == ["a.txt", "there/c.txt", "there/d.txt", "kept.txt"]
        assert left["loop"] is left["secret.txt"] is left["up.txt"] is SkipReason.READ_ONCE
    assert found(folder)[0] == ["a.txt", "kept.txt"]


def test_globs_and_the_home_folder_are_expanded(tmp_path, monkeypatch):
    for name in ("b.txt", "a.txt", "c.md", "sub/d.txt", "a[1].txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    def names(path: object) -> list[str]:
        return [source.name for source in find_files([str(path)])[0]]

    assert names(tmp_path / "*.txt") == ["a.txt", "a[1].txt", "b.txt"]
    assert names(tmp_path / "**" / "?.txt") == ["a.txt", "b.txt", "d.txt"]
    assert names(tmp_path / "a[1].txt") == ["a[1].txt"], "a name before a pattern"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names("~/b.txt") == ["b.txt"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.txt", "missing.txt: no such file or folder"),
        ("x" * 5000, "no such file or folder"),
        ("nul\0", "no such file or folder"),
        ("a.txt/b", "no such file or folder"),
        ("~nobody-of-this-name/a.txt", r"~nobody-of-this-name/a\.txt: no such file"),
        ("*.md", "the pattern matches no file"),
        ("", "a text has no name here"),
    ],
)
def test_paths_that_stand_for_nothing(tmp_path, monkeypatch, path, message):
    (tmp_path / "a.txt").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        find_files([path])


def test_names_tell_several_folders_apart(tmp_path):
    for name in ("x/notes/a.txt", "y/notes/a.txt", "mail/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("text")
    x, y, mail = (tmp_path / name for name in ("x/notes", "y/notes", "mail"))
    assert [s.name for s in find_files([x])[0]] == ["a.txt"]
    assert [s.name for s in find_files([x, mail])[0]] == ["notes/a.txt", "mail/a.txt"]
    assert [s.name for s in find_files([x, y])[0]] == [f"{x}/a.txt", f"{y}/a.txt"]
    assert [s.name for s in find_files([mail / "a.txt"])[0]] == ["a.txt"]
    assert [s.name for s in find_files([mail / ".." / "mail"])[0]] == ["a.txt"]
    assert len(find_files([mail / ".." / "mail", mail])[0]) == 1
    assert len(find_files([tmp_path, mail, mail / "a.txt", tmp_path / "*/a.txt"])[0]) == 3


def test_files_that_cannot_be_read_are_listed_or_refused_where_there_is_no_other(tmp_path, monkeypatch):
    for name, data in (("a.bin", b"\0"), ("b.txt", b"text"), ("gone.txt", b"text")):
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="null bytes"):
        Index(tmp_path / "a.bin", cache=False)
    found = find_files([tmp_path])
    (tmp_path / "gone.txt").unlink()
    monkeypatch.setattr(indexing, "find_files", lambda paths: found)
    assert Index(tmp_path, cache=False).skipped == [
        SkippedFile("a.bin", SkipReason.BINARY, "it has null bytes"),
        SkippedFile("gone.txt", SkipReason.UNREADABLE, "No such file or directory"),
    ]


@attrs.frozen(kw_only=True)
class Shouting:
    """Another reader of Markdown."""

    api_version = 1
    suffixes = (".md", ".shout")

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        if b"bad" in data:
            raise ValueError("first\nsecond")
        return [ParsedDocument(text=data.decode().upper(), kind="prose")]


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ("None", "TypeError: its reader gave NoneType, not ParsedDocument"),
        ("['text']", "TypeError: its reader gave str, not ParsedDocument"),
        (
            "[ParsedDocument(text=b'bytes', kind='prose')]",
            "gave ParsedDocument, not ParsedDocument with a text",
        ),
    ],
)
def test_a_reader_that_gives_no_documents_is_named_by_what_it_gave(given, cause, monkeypatch):
    monkeypatch.setattr(parsing, "_apart", lambda *_: "")
    monkeypatch.setattr(Shouting, "read", lambda *_: eval(given))
    with pytest.raises(UnreadableFile, match=cause):
        parsing.parse_with(Shouting(), b"text", "a.shout")


CACHES = parsing._readers, parsing._reader_version, parsing._package


@pytest.fixture
def mine(monkeypatch):
    """A registry of this test."""
    registry = Registry(environ={})
    monkeypatch.setattr(parsing, "registry", registry)
    for each in CACHES:
        each.cache_clear()
    yield registry
    for each in CACHES:
        each.cache_clear()


def test_a_reader_of_another_distribution_goes_first(mine):
    mine.register("reader", "shouting", Shouting)
    mine.register("reader", "broken", "no.such.module:Reader")
    with pytest.warns(parsing.BrokenReader, match="ModuleNotFoundError.* `lior plugins --check`"):
        assert parse_bytes(b"hello", "a.md")[0].text == "HELLO"
    assert parse_bytes(b"hello", "a.shout")[0].text == "HELLO"
    assert parse_bytes(b"hello", "a.txt")[0].text == "hello"
    with pytest.raises(DataError, match=r"^damaged, or not what its name says \(ValueError: first\)$"):
        parse_bytes(b"bad", "a.md")


class Needy(Shouting):
    """It needs a package."""

    suffixes = (".need",)
    packages: tuple[str, ...] = ("no-such-package",)

    def read(self, data: bytes, name: str) -> list[ParsedDocument]:
        if parsing._package("no-such-package").endswith(ABSENT):
            raise MissingPackage("it needs a package; install it")
        return super().read(data, name)


def test_files_are_read_again_when_what_reads_them_is_installed(mine, tmp_path, monkeypatch):
    """A package that a reader names, then a reader of another distribution; other files are left alone."""
    mine.register("reader", "needy", Needy)
    for name in ("a.need", "b.txt", "c.shout"):
        (tmp_path / name).write_text(f"the boiler of {name}")
        os.utime(tmp_path / name, (1e9, 1e9))
    read = list[str]()
    monkeypatch.setattr(
        "lior_ask.syncing.parse_bytes", lambda d, name: read.append(name) or parse_bytes(d, name)
    )

    def update() -> tuple[str, ...]:
        read.clear()
        return Index(tmp_path).skipped, sorted(read)

    skipped, parsed = update()
    assert [str(each) for each in skipped] == ["it needs a package; install it"]
    assert parsed == ["a.need", "b.txt", "c.shout"]
    assert update() == (skipped, [])
    monkeypatch.setattr(parsing.metadata, "version", lambda name: "1.0")
    for each in CACHES:
        each.cache_clear()
    assert update() == ([], ["a.need", "c.shout"])  # what has no suffix of a reader may be read by any
    mine.register("reader", "shouting", Shouting)
    assert update() == ([], ["c.shout"])
    index = Index(tmp_path)
    assert "THE BOILER OF C.SHOUT" in [index.passage(row).text for row in range(len(index))]
    assert update() == ([], [])


def test_a_package_that_no_reader_names_is_looked_for_each_time(mine, tmp_path, monkeypatch):
    monkeypatch.setattr(Needy, "packages", ())
    mine.register("reader", "needy", Needy)
    path = tmp_path / "a.need"
    path.write_text("text")
    file = read_if_changed(SourceFile("a.need", path), None, lambda data: parse_bytes(data, "a.need"))
    assert (file.reason, file.size) == (SkipReason.MISSING_PACKAGE, -1)


@cases(
    ("call", "told"),
    [
        (lambda: Index(5), "paths: 5 is of type int; give a path"),
        (lambda: lior.train(5), "text: 5 is of type int; give a path"),
        (lambda: lior.train(["a.txt", None]), "text: None is of type NoneType"),
        (lambda: Index().ask(None), "question is of type NoneType; give a text"),
        (lambda: Index().ask("where?", top="a"), "top is 'a'; a whole number"),
    ],
)
def test_arguments_of_a_wrong_type_are_named(call: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        call()
