"""The attacks on readers: their sample, and that a fault is told with what repeats it."""

from __future__ import annotations

import time

import pytest

from lior.interfaces import ParsedDocument
from lior_bench.attack import files, mutations
from lior_bench.attack.formats import FORMATS


@pytest.mark.parametrize("name", ["overlap.zip", "laughs.docx"])
def test_the_note_beside_a_hostile_file_is_found(name):
    assert files.attack(files.every_case()[name]) == []


def test_what_spoils_an_answer_is_told():
    case = files.every_case()["zeros.zip"]
    (told,) = files._faults(case, 1, 0, files.NOTE, "nothing of the file")
    assert told == "neither read nor named"
    assert [*files._faults(case, 1, 1, "", "Traceback")][1:3] == ["a traceback", "the good note is not found"]


def test_mutations_are_read_or_refused_and_repeat(monkeypatch):
    made = [(name, make(40)) for name, make in FORMATS.items()]
    assert mutations.mutate(made, 1, 7) == mutations.mutate(made, 1, 7) != mutations.mutate(made, 2, 7)
    monkeypatch.setattr(mutations, "material", lambda: made)
    assert [*mutations.run(1, True, count=40)] == []


def test_a_fault_of_a_mutation_is_told(monkeypatch, tmp_path):
    def read(data: bytes, name: str) -> list[ParsedDocument]:
        return [ParsedDocument(text="x", kind="prose", places=((7, "beyond"),))]

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(mutations, "material", lambda: [("a.txt", b"text")])
    monkeypatch.setattr("lior.reading.parse_bytes", read)
    (told,) = mutations.run(3, True, count=1)
    assert told.startswith("mutation 0 of seed 3, a.txt: AssertionError in readers.py:")
    assert (tmp_path / told.rpartition("/")[2]).read_bytes() == mutations.mutate([("a.txt", b"text")], 3, 0)[
        1
    ]


def test_a_reader_that_hangs_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(mutations, "_WALL", 1)
    monkeypatch.setattr(mutations, "material", lambda: [("a.txt", b"text")])
    monkeypatch.setattr("lior.reading.parse_bytes", lambda data, name: time.sleep(60))
    (told,) = mutations.run(3, True, count=1)
    assert "TimeoutError in mutations.py" in told
