"""Large files: linear time, bounded memory, and what is not taken in is said."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lior.interfaces import ParsedDocument
from lior.reading import limits
from lior.reading.decoding import beginning
from lior.reading.files import find_changed
from lior.reading.finding import find_files
from lior.reading.limits import Limits, limit_by
from lior.reading.parsing import choose_reader
from lior_ask import Index
from lior_ask.chunking import chunker
from lior_ask.chunking.chunker import chunk
from lior_ask.index import table_store
from lior_ask.index.inverted import InvertedIndex
from lior_plugins.readers import entries, text
from lior_plugins.readers.entries import read_entries
from lior_plugins.readers.tables import delimited
from tests.work import count_lines


def test_of_a_long_file_the_first_passages_count_and_a_note_says_so(tmp_path):
    (tmp_path / "long.txt").write_text("".join(f"Number {n} is a line.\n\n" for n in range(30)))
    with limit_by(attrs.evolve(Limits(), passages=10)):
        index = Index(tmp_path, retriever="settle", embedder="")
    assert len(index) == 10
    assert index.notes == ["long.txt: only its first 10 passages can be found; --limits off takes all"]
    with limit_by(limits.NO_LIMITS):
        index.update()
    assert len(index) == 30
    assert not index.update()


def test_words_beyond_the_first_different_ones_are_not_found_and_a_note_says_so():
    index = InvertedIndex()
    passages = [(f"garden w{n}x", "") for n in range(600)]
    index.add("long.txt", passages, most_words=100)
    assert index.left_out == 501
    assert index.term("garden").text == 600
    assert index.term("w98x")
    assert not index.term("w99x")
    again = InvertedIndex()
    again.add("before.md", [("w500x", "")])  # what counts depends on the document alone
    again.add("long.txt", passages, most_words=100)
    assert again.term("w500x").text == 1


def test_a_long_document_is_cut_only_as_far_as_it_is_wanted():
    def work(paragraphs: int) -> int:
        document = ParsedDocument(text="A line of it.\n\n" * paragraphs, kind="prose")
        return count_lines(lambda: chunk(document, "a.txt", most=10))

    assert work(10_000) - work(1000) < 3 * 9000  # where the lines begin; cutting one takes a hundred


def test_a_table_that_is_hardly_filled_is_none():
    assert delimited(["a," * 3, *["1"] * 2000], ",")
    assert not delimited(["a," * 5000, *["1"] * 5000], ",")


def test_an_answer_that_nothing_was_found_says_what_was_read_in_part(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "long.md").write_text("The boiler is serviced in May.\n\nThe ladder is red.\n")
    with limit_by(Limits(passages=1)):
        index = Index(tmp_path / "notes", retriever="settle")
    assert index.opened.limited == ("long.md: " + index.notes[0].partition(": ")[2],)
    assert index.ask("When is the boiler serviced?").found
    assert index.ask("How old is the captain?").note.endswith("; only part of long.md was read")


def test_a_table_of_a_million_columns_is_text():
    index = Index(retriever="settle", embedder="")
    for name, width in (("wide.csv", 1001), ("narrow.csv", 3)):
        index.learn(name, "\n".join(",".join(f"{head}{n}" for n in range(width)) for head in ("a", "1")))
    layout = index.inverted.layout
    abouts = index.content.records.abouts([*zip(layout.ids, layout.names, strict=True)])
    assert {name: len(about.heads) for name, about in abouts.items()} == {"wide.csv": 0, "narrow.csv": 1}


# --- all files of a folder ---

KEY = "The spare key of the greenhouse hangs behind the rain barrel.\n"


def test_what_the_time_of_a_folder_is_not_enough_for_waits_and_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "z.md").write_text(KEY)
    os.utime(folder / "z.md", (1e9, 1e9))
    for number in range(3):
        (folder / f"{number}.txt").write_text("The pump hums in the cellar.\n\n" * (400 + 100 * number))
    dear = attrs.evolve(Limits(), folder=1e-6)  # the first file takes it all
    with limit_by(dear):
        index = Index(folder, retriever="settle", embedder="")
        assert index.opened.learned == ("z.md",)
        assert index.opened.waiting == ("0.txt", "1.txt", "2.txt")
        assert index.opened.limited[0].startswith("3 files not read yet, such as 0.txt: ")
        assert [each.name for each in index.skipped] == ["0.txt", "1.txt", "2.txt"]
        assert index.ask("Where is the spare key of the greenhouse?").found
        assert index.ask("How old is the captain?").note.endswith("only part of 0.txt and 2 more was read")
        again = Index(folder, retriever="settle", embedder="")
        assert (again.opened.learned, again.opened.waiting) == (("0.txt",), ("1.txt", "2.txt"))
    index.update()
    assert index.documents == ["0.txt", "1.txt", "2.txt", "z.md"]
    assert not index.skipped


def test_the_cheapest_files_are_read_first(tmp_path):
    for name, data in (("a.png", b"x"), ("b.html", b"x" * 100), ("c.txt", b"x" * 700), ("d.md", b"x" * 900)):
        (tmp_path / name).write_bytes(data)
    sources = find_files([tmp_path])[0]
    assert [each.name for each in find_changed(sources, {})] == ["c.txt", "b.html", "d.md", "a.png"]


@given(
    words=st.lists(st.sampled_from(["a", "é", "\n", " ", "日本"]), max_size=40),
    most=st.integers(4, 60),
    lines=st.integers(1, 9),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_the_beginning_of_a_text_is_whole_characters_within_its_bounds(words, most, lines, encoding):
    data = "".join(words).encode(encoding)
    first = beginning(data, most, lines)
    assert data.startswith(first)
    assert "".join(words).startswith(first.decode(encoding))
    assert len(first) <= most
    assert first.count(b"\n") <= lines
    assert first == data or len(data) > most or data.count(b"\n") > lines


def test_of_a_plain_text_the_first_lines_are_read_and_a_note_says_so(tmp_path):
    (tmp_path / "blank.txt").write_bytes(b"A pump hums.\n" + b"\n" * 1000 + b"The end.\n")
    with limit_by(attrs.evolve(Limits(), lines=500)):
        index = Index(tmp_path, retriever="settle", embedder="", cache=False)
    assert [index.passage(row).text for row in range(len(index))] == ["A pump hums."]
    assert index.notes == ["blank.txt: only its first 0.0 of 0.0 MB can be found; --limits off takes all"]


def test_entries_for_which_no_time_is_left_are_named(monkeypatch):
    notes, late = list[str](), iter([False, True])
    monkeypatch.setattr(entries, "is_late", lambda share: next(late))
    found = read_entries(((f"row {n}", n) for n in range(9)), lambda n: n, notes)
    assert [*found] == [0, 1]
    assert notes == [f"what follows row 1 is left out, it takes too long; {limits.TAKES_ALL}"]


# --- what is read in time is kept ---


def late_after(looks: int) -> Callable[[float], bool]:
    """A stand-in for ``is_late``: who looks first has time for so many looks, the others for all."""
    left, first = iter(range(looks)), list[float]()

    def is_late(share: float) -> bool:
        first.append(share)
        return share == first[0] and next(left, None) is None

    return is_late


@pytest.mark.parametrize(
    ("name", "data", "rows"),
    [
        ("rows.jsonl", b'{"id": 1, "name": "pump"}\n' * 9, 3),
        ("texts.jsonl", b'{"_id": "a", "text": "The pump hums."}\n' * 9, 0),
        ("dates.ics", b"BEGIN:VEVENT\nDTSTART:20240101\nSUMMARY:tea\nEND:VEVENT\n" * 9, 3),
        ("people.vcf", b"BEGIN:VCARD\nFN:Ann\nEND:VCARD\n" * 9, 3),
    ],
)
def test_entries_read_in_time_are_kept(name, data, rows, monkeypatch):
    monkeypatch.setattr(entries, "is_late", late_after(2))
    documents = choose_reader(data, name).read(data, name)
    lines = sum(document.text.count("\n") + 1 for document in documents)
    assert lines == 3 + (name in ("dates.ics", "people.vcf"))  # these have a line of names
    assert sum(len(table.rows) for document in documents for table in document.tables) == rows
    assert documents[0].notes[0].endswith(f" is left out, it takes too long; {limits.TAKES_ALL}")


def test_messages_of_a_chat_read_in_time_are_kept(monkeypatch):
    data = b"".join(b"[1/2/24, 10:00] Ann: message %d\n" % number for number in range(500))
    monkeypatch.setattr(text, "_TOGETHER", 300)  # more than the lines by which a chat is known
    monkeypatch.setattr(text, "is_late", late_after(0))
    (document,) = choose_reader(data, "a.txt").read(data, "a.txt")
    assert document.kind == "chat"
    assert [len(document.places), len(document.tables[0].rows), document.text.count("\n") + 1] == [300] * 3
    assert document.notes == (
        f"what follows line 300 is left out, reading it takes too long; {limits.TAKES_ALL}",
    )


def test_passages_and_rows_indexed_in_time_are_kept(monkeypatch):
    index = Index(retriever="settle", embedder="")
    for module, name in ((chunker, "_TOGETHER"), (table_store, "_BLOCK")):
        monkeypatch.setattr(module, name, 10)
        monkeypatch.setattr(module, "is_late", late_after(1))
    index.learn("rows.csv", "name,price\n" + "".join(f"pump{n},{n}\n" for n in range(50)))
    assert len(index) == 20
    assert index.content.files["rows.csv"].notes == (
        f"only the first 20 of 50 rows are counted, reading more takes too long; {limits.TAKES_ALL}",
        f"only its first 20 passages can be found, reading more takes too long; {limits.TAKES_ALL}",
    )
    assert index.ask("how many rows are in rows.csv?").found


def test_a_file_cut_for_want_of_time_is_found_in_part_and_read_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.md").write_text(KEY)
    (folder / "long.txt").write_text("The pump hums in the cellar.\n\n" * 50)
    monkeypatch.setattr(chunker, "_TOGETHER", 10)
    monkeypatch.setattr(chunker, "is_late", late_after(1))
    monkeypatch.setattr(limits, "_WHOLE", 10)  # each but the first file has less time than it had alone
    monkeypatch.setattr(limits.Account, "lasts", True)
    with limit_by(limits.QUESTION):
        index = Index(folder, retriever="settle", embedder="")
    assert (index.opened.learned, index.opened.waiting) == (("a.md", "long.txt"), ("long.txt",))
    assert len(index) == 21
    assert not index.skipped
    monkeypatch.undo()
    assert index.update().changed == ("long.txt",)
    assert len(index) == 51


def test_an_account_leaves_a_file_its_time_and_its_index_a_share(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(limits.time, "thread_time", lambda: now[0])
    with limit_by(Limits(seconds=10, folder=20)), limits.open_account() as paid:
        with paid.file():
            now[0] = 9.0
            assert (limits.seconds_left(), limits.is_late(0.2), limits.is_late(0.05)) == (1, True, False)
            paid.spend(3)  # by another process
            paid.keep(0.3)
            assert (limits.seconds_left(), paid.whole) == (3, 3)
        assert not paid.lasts, "the dearest file took 12 of 20 seconds"
        with paid.file():
            assert paid.shortened
            assert limits.seconds_left() == paid.allowed(10) == 8
    assert limits.seconds_left() == math.inf
