"""Texts that never end, explode or have lines of any length: refused, or read within what they are."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lior.data import corpus
from lior.errors import DataError
from lior.reading.documents import read_documents
from lior_plugins.tokenizers.bytes import Bytes


def test_more_than_the_limit_is_refused_and_not_read(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * 1000)
    (tmp_path / "b.txt").write_bytes(b"y" * 1000)
    paths = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    assert [len(s.data) for s in read_documents(paths, limit=2000)] == [1000, 1000]
    for given_paths in (paths, [str(tmp_path)], [str(tmp_path / "*.txt")]):
        with pytest.raises(DataError, match=r"b.txt: more text than data.limit allows"):
            read_documents(given_paths, limit=1999)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_that_never_ends(command):
    code, _, err = command("train", "/dev/zero", "--set", "data.limit=100000000")
    assert code == 1
    assert err == (
        "lior: error: /dev/zero: more text than data.limit allows; raise it, sort it "
        "(`lior archive`), or give less (a device never ends)\n"
    )


@pytest.mark.slow
def test_an_archive_that_explodes(tmp_path):
    """A gigabyte of zeros takes a megabyte; a child with little memory refuses it."""
    bomb = tmp_path / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=9) as stream:
        for _ in range(1 << 10):
            stream.write(bytes(1 << 20))
    child = subprocess.run(
        [sys.executable, "-m", "lior_cli.main", "train", str(bomb), "--set", "data.limit=50000000"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 1
    assert "bomb.gz: more text than data.limit allows" in child.stderr


@pytest.mark.parametrize("line", [b"a" * (50 << 20), json.dumps({"text": "b" * (50 << 20)}).encode()])
def test_a_line_of_any_length(tmp_path, line):
    path = tmp_path / ("long.txt" if line.startswith(b"a") else "long.jsonl")
    path.write_bytes(line)
    (source,) = read_documents([str(path)])
    assert len(source.data) == 50 << 20


RECORDS = st.lists(
    st.binary(max_size=60)
    | st.builds(lambda t: json.dumps({"text": t}).encode(), st.text(max_size=30))
    | st.sampled_from(
        [b'{"text": "\\ud800"}', b'{"text": 1e999}', b"[" * 3000, b'{"text": "a", "text": 3}', b"NaN"]
    ),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(lines=RECORDS)
def test_any_lines_are_records_or_refused(lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "r.jsonl"
    path.write_bytes(b"\n".join(lines))
    try:
        found = read_documents([str(path)])
    except DataError as error:
        said = str(error)
    else:
        said = ""
        built = corpus.build(found, Bytes())
        assert len(built) == sum(len(s.data) for s in found)
    assert "\n" not in said
