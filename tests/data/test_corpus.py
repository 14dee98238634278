"""Texts: what is found where, how it is laid out, and what each fault says."""

from __future__ import annotations

import gzip
import io
import json
from types import SimpleNamespace

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lior.data.corpus import build, build_parts, gather_contexts, until
from lior.errors import DataError
from lior.reading.documents import EMBEDDED, RawDocument, embedded, read_documents
from lior.testing.strategies import LAW
from lior_plugins.tokenizers.bytes import Bytes

VOCAB = 256
texts = st.lists(st.binary(max_size=12), min_size=1, max_size=6).filter(any)


def corpus_of(documents):
    return build([RawDocument(str(i), text) for i, text in enumerate(documents)], Bytes())


def found(*paths, **options):
    return [
        (name.rpartition("/")[2], data) for name, data in read_documents([str(p) for p in paths], **options)
    ]


# --- layout ---


@LAW
@given(documents=texts)
def test_documents_stand_one_after_the_other(documents):
    built = corpus_of(documents)
    assert bytes(built.tokens.tolist()) == b"".join(documents)
    assert len(built) == built.bytes == sum(map(len, documents))
    assert built.names == tuple(str(i) for i, text in enumerate(documents) if text), "the empty are left out"
    text, start = built.text(0, len(built))
    assert start == 0
    expected = [(y, depth, i) for i, t in enumerate(filter(None, documents)) for depth, y in enumerate(t)]
    assert list(zip(*(column.tolist() for column in text), strict=True)) == expected
    assert built.depth(torch.arange(len(built))).tolist() == [depth for _, depth, _ in expected]


class Pairs(Bytes):
    """Two bytes to a token, one to the last of an odd number: tokens that depend on where a text is cut."""

    def encode(self, data):
        return torch.tensor([int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2)])


@LAW
@given(documents=texts, data=st.data())
def test_no_token_crosses_a_cut_and_documents_stay_whole(documents, data):
    cut = data.draw(st.integers(0, sum(map(len, documents))))
    sources = [RawDocument(str(i), text) for i, text in enumerate(documents)]
    built, before = build_parts(sources, Pairs(), cut)
    size, expected, starts, heads = 0, [], [], 0
    for text in filter(None, documents):
        at = min(max(cut - size, 0), len(text))
        head, rest = (Pairs().encode(part).tolist() for part in (text[:at], text[at:]))
        starts.append(len(expected))
        expected += head + rest
        heads += len(head)
        size += len(text)
    assert (built.tokens.tolist(), built.starts.tolist(), before) == (expected, starts, heads)
    assert built.names == corpus_of(documents).names
    assert built.bytes == size


@LAW
@given(documents=texts, data=st.data())
def test_documents_until_a_byte_are_all_bytes_before_it(documents, data):
    cut = data.draw(st.integers(0, sum(map(len, documents))))
    parts = list(until([RawDocument("", text) for text in documents], cut))
    assert b"".join(parts) == b"".join(documents)[:cut]
    assert parts[:-1] == documents[: len(parts) - 1] or not parts


@LAW
@given(documents=texts, data=st.data())
def test_a_chunk_is_part_of_the_whole(documents, data):
    built = corpus_of(documents)
    lo = data.draw(st.integers(0, len(built)))
    hi = data.draw(st.integers(lo, len(built)))
    context = data.draw(st.integers(0, 9))
    text, start = built.text(lo, hi, context=context)
    whole, _ = built.text(0, len(built))
    assert start == min(lo, context)
    for column, full in zip(text, whole, strict=True):
        assert torch.equal(column, full[lo - start : hi])


@LAW
@given(documents=texts, data=st.data())
def test_chunks_stand_side_by_side(documents, data):
    built = corpus_of(documents)
    begins = data.draw(st.lists(st.integers(0, len(built) - 1), min_size=1, max_size=4))
    text, positions = built.chunks(begins, 3, len(built), context=2)
    inside = [p for begin in begins for p in range(begin, min(begin + 3, len(built)))]
    whole, _ = built.text(0, len(built))
    for column, full in zip(text, whole, strict=True):
        assert torch.equal(column[positions], full[inside])


@LAW
@given(documents=texts, reach=st.integers(1, 15))
def test_contexts_end_where_the_document_begins(documents, reach):
    built = corpus_of(documents)
    at = torch.arange(len(built))
    contexts = gather_contexts(built.tokens, at, built.depth(at), reach, VOCAB)
    padded = [[VOCAB] * reach + list(text) for text in documents]
    expected = [p[i - reach : i][::-1] for p in padded for i in range(reach, len(p))]
    assert contexts.tolist() == expected
    assert contexts.dtype == torch.int64


def test_documents_are_numbered_from_the_first():
    built = attrs.evolve(corpus_of([b"ab", b"c"]), first_document=7)
    assert built.text(0, 3)[0].document.tolist() == [7, 7, 8]


def test_nothing_is_an_empty_corpus():
    assert len(corpus_of([b""])) == 0


# --- reading ---


def test_files_in_the_order_given(tmp_path):
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_bytes(name.encode())
    assert found(tmp_path / "b.txt", tmp_path / "a.txt") == [("b.txt", b"b.txt"), ("a.txt", b"a.txt")]


def test_a_folder_without_hidden_and_binary_files(tmp_path):
    for name in ("z.txt", "sub/a.md", "sub/deep/b", ".hidden", ".git/config", "sub/.x/y.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "empty.txt").write_bytes(b"")
    assert found(tmp_path) == [("a.md", b"sub/a.md"), ("b", b"sub/deep/b"), ("z.txt", b"z.txt")]


def test_a_folder_below_a_hidden_one(tmp_path):
    inner = tmp_path / ".notes" / "inner"
    inner.mkdir(parents=True)
    (inner / "a.txt").write_bytes(b"a")
    assert found(inner) == [("a.txt", b"a")]


def test_globs(tmp_path):
    for name in ("b.txt", "a.txt", "c.md", "sub/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert [name for name, _ in found(tmp_path / "*.txt")] == ["a.txt", "b.txt"]
    assert [name for name, _ in found(tmp_path / "**" / "*.txt")] == ["a.txt", "b.txt", "d.txt"]
    assert [name for name, _ in found(tmp_path / "?.md")] == ["c.md"]


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    (tmp_path / "a[1].txt").write_bytes(b"x")
    assert found(tmp_path / "a[1].txt") == [("a[1].txt", b"x")]


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"typed")))
    assert read_documents(["-"]) == [RawDocument("<stdin>", b"typed")]


def test_any_bytes_are_text_in_a_file_named(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(range(256)))
    assert found(tmp_path / "x.bin") == [("x.bin", bytes(range(256)))]


def test_gzip_alone_and_in_a_folder(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"packed"))
    assert found(tmp_path / "a.txt.gz") == found(tmp_path) == [("a.txt.gz", b"packed")]


@pytest.mark.parametrize("cut", [5, 12, -4])
def test_damaged_gzip_is_named(tmp_path, cut):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"packed " * 50)[:cut])
    with pytest.raises(DataError, match=r"a\.gz: damaged gzip file"):
        read_documents([str(path)])


def test_gzip_with_wrong_contents_is_named(tmp_path):
    data = bytearray(gzip.compress(b"packed " * 50))
    data[10] ^= 0xFF  # the first byte after the header, which tells the type of block
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.gz: damaged gzip file"):
        read_documents([str(tmp_path / "a.gz")])


def test_what_is_no_gzip_is_named(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"not packed")
    with pytest.raises(DataError, match=r"a\.gz: damaged gzip file"):
        read_documents([str(tmp_path)])


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
        ("{", "line 2: not JSON"),
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


@pytest.mark.parametrize("name", ["missing.txt", "x" * 5000, "nul\0", "a.txt/b"])
def test_missing_files(tmp_path, name):
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(DataError, match="no such file or folder"):
        read_documents([str(tmp_path / name)])


def test_a_pattern_without_a_match(tmp_path):
    with pytest.raises(DataError, match="the pattern matches no file"):
        read_documents([str(tmp_path / "*.txt")])


def test_a_folder_without_text(tmp_path):
    (tmp_path / "image.png").write_bytes(b"\x89PNG\0")
    with pytest.raises(DataError, match=r"no text file in this folder \(1 files looked at\)"):
        read_documents([str(tmp_path)])


def test_empty_files_are_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.txt: no text in there \(0 bytes\)"):
        read_documents([str(tmp_path / "a.txt")])
    (tmp_path / "b.txt").write_bytes(b"b")
    assert len(build(read_documents([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]), Bytes())) == 1


def test_what_cannot_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(DataError, match=r"a\.txt: cannot be read: Permission denied"):
        read_documents([str(path)])


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_bytes(b"x")
    assert [data for _, data in read_documents(["~/a.txt"])] == [b"x"]


def test_the_home_of_a_user_who_is_not_there():
    with pytest.raises(DataError, match=r"~nobody-of-this-name/a\.txt: no such file"):
        read_documents(["~nobody-of-this-name/a.txt"])


def test_no_path_means_the_embedded_corpus():
    sources = read_documents([])
    assert sources == embedded() == embedded()
    assert sum(len(s.data) for s in sources) > 300_000
    assert all(s.name.startswith(f"{EMBEDDED}/") and s.data for s in sources)
    assert [s.name for s in sources] == sorted(s.name for s in sources)
